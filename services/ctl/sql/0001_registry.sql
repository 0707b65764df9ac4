-- registry: who the enterprises and people are, how they are reached, who may call us. Written by the console and `tongbao`; read by intake, escalator, notifier.
-- The lengths are those of the contract (proto/parts.def: profile, actor): intake leaves a row out that breaks them.

CREATE TABLE IF NOT EXISTS enterprise (
    enterprise_id uuid PRIMARY KEY,
    code          text NOT NULL UNIQUE CHECK (code ~ '^[A-Z][A-Z0-9_]{0,31}$'),
    name          text NOT NULL CHECK (char_length(name) BETWEEN 1 AND 200),
    name_en       text,
    sector        text NOT NULL CHECK (char_length(sector) BETWEEN 1 AND 64),
    staff         int  NOT NULL CHECK (staff BETWEEN 0 AND 100000000),
    is_cii        boolean NOT NULL DEFAULT false,
    is_listed     boolean NOT NULL DEFAULT false,
    is_park       boolean NOT NULL DEFAULT false,   -- the park's response centre itself: exactly one row
    data_kinds    text[] NOT NULL DEFAULT '{}',
    created_at    timestamptz NOT NULL DEFAULT now(),
    updated_at    timestamptz NOT NULL DEFAULT now()
);
CREATE UNIQUE INDEX IF NOT EXISTS enterprise_one_park ON enterprise (is_park) WHERE is_park;

CREATE TABLE IF NOT EXISTS person (
    person_id     uuid PRIMARY KEY,
    enterprise_id uuid NOT NULL REFERENCES enterprise,
    name          text NOT NULL CHECK (char_length(name) BETWEEN 1 AND 100),
    language      text NOT NULL DEFAULT 'zh' CHECK (language IN ('zh', 'en'))
);

-- Ways to reach a person, tried in order of priority.
CREATE TABLE IF NOT EXISTS contact (
    person_id uuid NOT NULL REFERENCES person,
    channel   text NOT NULL,
    address   text NOT NULL,
    secret    text,                                  -- webhook: the key that messages are signed with
    priority  int  NOT NULL DEFAULT 1,
    PRIMARY KEY (person_id, channel, address)
);

-- Who holds a role: rank 1 is A, rank 2 is B, who steps in when A is absent (R17).
CREATE TABLE IF NOT EXISTS role_holder (
    enterprise_id uuid NOT NULL REFERENCES enterprise,
    role          text NOT NULL,
    person_id     uuid NOT NULL REFERENCES person,
    rank          int  NOT NULL DEFAULT 1,
    PRIMARY KEY (enterprise_id, role, rank)
);

CREATE TABLE IF NOT EXISTS absence (
    person_id uuid NOT NULL REFERENCES person,
    from_at   timestamptz NOT NULL,
    to_at     timestamptz NOT NULL,
    PRIMARY KEY (person_id, from_at)
);

-- The park's duty rota: who is duty officer when. Outside every row the role_holder of the park counts.
CREATE TABLE IF NOT EXISTS duty (
    role      text NOT NULL DEFAULT 'duty_officer',
    person_id uuid NOT NULL REFERENCES person,
    from_at   timestamptz NOT NULL,
    to_at     timestamptz NOT NULL,
    PRIMARY KEY (role, from_at)
);

-- API keys: tbk_<key_id>_<secret>; only the SHA-256 of the secret is kept. key_id may be logged.
CREATE TABLE IF NOT EXISTS credential (
    key_id        text PRIMARY KEY CHECK (key_id ~ '^[a-z0-9]{12}$'),
    enterprise_id uuid NOT NULL REFERENCES enterprise,
    label         text NOT NULL DEFAULT '' CHECK (char_length(label) <= 100),
    person_id     uuid REFERENCES person,
    secret_sha256 text NOT NULL CHECK (secret_sha256 ~ '^[0-9a-f]{64}$'),
    scopes        text[] NOT NULL DEFAULT '{report,act,read}' CHECK (cardinality(scopes) <= 16),
    created_at    timestamptz NOT NULL DEFAULT now(),
    revoked_at    timestamptz
);

-- Grows with every change, so that readers with a snapshot see cheaply whether theirs is old.
CREATE TABLE IF NOT EXISTS version (
    only_row boolean PRIMARY KEY DEFAULT true CHECK (only_row),
    version  bigint NOT NULL DEFAULT 1
);
INSERT INTO version DEFAULT VALUES ON CONFLICT DO NOTHING;

CREATE OR REPLACE FUNCTION bump_version() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    UPDATE registry.version SET version = version.version + 1;
    RETURN NULL;
END $$;

DO $$
DECLARE t text;
BEGIN
    FOREACH t IN ARRAY ARRAY['enterprise', 'person', 'contact', 'role_holder', 'absence', 'duty', 'credential'] LOOP
        EXECUTE format('CREATE OR REPLACE TRIGGER bump AFTER INSERT OR UPDATE OR DELETE OR TRUNCATE ON %I FOR EACH STATEMENT EXECUTE FUNCTION bump_version()', t);
    END LOOP;
END $$;

GRANT USAGE ON SCHEMA registry TO tongbao_intake, tongbao_escalator, tongbao_notifier, tongbao_archiver;
GRANT SELECT ON version TO tongbao_intake, tongbao_escalator, tongbao_notifier;
GRANT SELECT ON enterprise TO tongbao_intake, tongbao_escalator, tongbao_notifier, tongbao_archiver;
GRANT SELECT ON credential TO tongbao_intake;
GRANT SELECT ON person, role_holder, absence, duty TO tongbao_escalator, tongbao_notifier;
GRANT SELECT ON contact TO tongbao_notifier;
GRANT SELECT ON person TO tongbao_intake;
