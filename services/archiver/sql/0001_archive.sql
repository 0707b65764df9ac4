-- archive: one row for every Kafka record, never changed, and what these rows come to (the projections). Written by the archiver alone.

-- Columns of fixed width first: a row is then 16 bytes smaller.
CREATE TABLE event (
    "offset"      bigint      NOT NULL,
    appended_at   timestamptz NOT NULL,             -- the broker's time: decides the month
    occurred_at   timestamptz,                      -- from here to enterprise_id: NULL when unreadable
    event_id      uuid,                             -- header ce_id, when it is a UUID
    incident_id   uuid,
    enterprise_id uuid,
    partition     int         NOT NULL,
    incarnation   int         NOT NULL,             -- of the topic: grows when its log turned out to be another one
    is_repeat     boolean     NOT NULL,             -- an earlier record is the same event: this one has no effect
    is_conflict   boolean     NOT NULL,             -- a repeat that says something else
    topic         text        NOT NULL,
    type          text,                             -- header ce_type
    problem       text,                             -- why this record is no event (unreadable, or a dead letter); NULL: it is one
    key           bytea,
    headers       bytea[]     NOT NULL,             -- name, value, name, value, … in order
    value         bytea,                            -- the bytes as they came; NULL: none came
    PRIMARY KEY (topic, partition, incarnation, "offset", appended_at)
) PARTITION BY RANGE (appended_at);
CREATE INDEX event_event_id ON event (event_id);
CREATE INDEX event_incident_id ON event (incident_id);

-- Makes the partitions of three past months (a first start finds records as old as the topics keep them), of this month and of those ahead.
-- A table is made apart and then attached, which does not wait for readers. There is no default partition: it would have to be searched whenever
-- a month is attached.
CREATE FUNCTION make_months(ahead int) RETURNS int LANGUAGE plpgsql SECURITY DEFINER SET search_path = archive, pg_temp AS $$
DECLARE
    this_month CONSTANT timestamp := date_trunc('month', now() AT TIME ZONE 'UTC');
    month timestamp;
    name text;
    made int := 0;
BEGIN
    IF ahead NOT BETWEEN 0 AND 24 THEN
        RAISE EXCEPTION 'make_months: % months ahead: 0 to 24 are taken', ahead;
    END IF;
    PERFORM pg_advisory_xact_lock(hashtext('tongbao.archive.make_months'));
    FOR month IN SELECT generate_series(this_month - interval '3 months', this_month + make_interval(months => ahead), interval '1 month') LOOP
        name := 'event_' || to_char(month, 'YYYY_MM');
        CONTINUE WHEN to_regclass('archive.' || name) IS NOT NULL;
        EXECUTE format('CREATE TABLE archive.%I (LIKE archive.event INCLUDING DEFAULTS INCLUDING INDEXES)', name);
        EXECUTE format('ALTER TABLE archive.event ATTACH PARTITION archive.%I FOR VALUES FROM (%L) TO (%L)', name,
                       to_char(month, 'YYYY-MM-DD') || ' 00:00:00+00', to_char(month + interval '1 month', 'YYYY-MM-DD') || ' 00:00:00+00');
        made := made + 1;
    END LOOP;
    RETURN made;
END $$;
REVOKE EXECUTE ON FUNCTION make_months(int) FROM PUBLIC;
SELECT make_months(3);

-- The projections. A row may come into being from either of two topics, so what the other one tells is NULL until then. Rows that are told about
-- several times leave room on their page, so that an update touches no index.
CREATE TABLE incident (
    incident_id     uuid PRIMARY KEY,
    enterprise_id   uuid NOT NULL,
    enterprise_code text,
    enterprise_name text,
    reference       text,
    drill           boolean NOT NULL,
    summary         text,
    discovered_at   timestamptz,
    received_at     timestamptz,
    state           text   NOT NULL DEFAULT 'ungraded',
    incident_seq    bigint NOT NULL DEFAULT 0,          -- of `state`: an older one never replaces a newer one
    category        text,
    level           text,
    gbt20986        text,
    revision        int,                                -- of the grade: only a greater one replaces it
    needs_human     boolean,
    policy_version  text,
    graded_at       timestamptz
) WITH (fillfactor = 60);
CREATE INDEX incident_enterprise ON incident (enterprise_id);
CREATE INDEX incident_reference ON incident (reference);

CREATE TABLE classification (
    event_id       uuid PRIMARY KEY,
    incident_id    uuid NOT NULL,
    enterprise_id  uuid NOT NULL,
    revision       int  NOT NULL,
    category       text NOT NULL,
    level          text NOT NULL,
    gbt20986       text NOT NULL,
    gbt20986_zh    text NOT NULL,
    regimes        json NOT NULL,                      -- as they were written: half the price of jsonb
    reasons        json NOT NULL,
    missing        json,
    needs_human    boolean NOT NULL,
    decided_by     text NOT NULL,
    why            text,
    policy_version text NOT NULL,
    decided_at     timestamptz NOT NULL
);
CREATE INDEX classification_incident ON classification (incident_id);

CREATE TABLE obligation (
    obligation_id   uuid PRIMARY KEY,
    incident_id     uuid NOT NULL,
    enterprise_id   uuid NOT NULL,
    incident_seq    bigint NOT NULL,
    regime          text NOT NULL,
    duty            text NOT NULL,
    generation      int  NOT NULL,
    title_zh        text NOT NULL,
    title_en        text NOT NULL,
    recipient_zh    text NOT NULL,
    recipient_en    text NOT NULL,
    anchor          text NOT NULL,
    anchor_at       timestamptz,
    due_at          timestamptz,
    state           text NOT NULL,
    satisfied_by    text NOT NULL,
    satisfied_at    timestamptz,
    filed_reference text,
    source          json NOT NULL
) WITH (fillfactor = 70);
CREATE INDEX obligation_incident ON obligation (incident_id);

-- Raised and acknowledged are told by two events: either may come first.
CREATE TABLE escalation (
    escalation_id          uuid PRIMARY KEY,
    incident_id            uuid NOT NULL,
    enterprise_id          uuid NOT NULL,
    chain                  text,
    step                   int,
    generation             int,
    role                   text,
    scope                  text,
    person_id              uuid,
    why                    text,
    unconfirmed            boolean,
    acknowledgement_wanted boolean,
    acknowledge_by         timestamptz,
    raised_at              timestamptz,
    acknowledged_seq       bigint,                      -- the least incident_seq that told of the acknowledgement
    acknowledged_at        timestamptz,
    acknowledged_by        text
) WITH (fillfactor = 70);
CREATE INDEX escalation_incident ON escalation (incident_id);

CREATE TABLE notification (
    notification_id  uuid PRIMARY KEY,
    incident_id      uuid NOT NULL,
    enterprise_id    uuid NOT NULL,
    escalation_id    uuid NOT NULL,
    person_id        uuid NOT NULL,
    channel          text NOT NULL,
    address_hint     text NOT NULL,
    state            text NOT NULL,
    attempt          int  NOT NULL,
    outcome_rank     int  NOT NULL,                     -- of two tidings of one attempt the greater counts: failed, dead, sent
    at               timestamptz NOT NULL,
    receipt          text,
    why              text,
    retry_at         timestamptz,
    may_be_duplicate boolean NOT NULL
);
CREATE INDEX notification_incident ON notification (incident_id);

GRANT USAGE ON SCHEMA archive TO tongbao_archiver;
GRANT SELECT, INSERT ON event TO tongbao_archiver;      -- no UPDATE, no DELETE: append-only
GRANT SELECT, INSERT, UPDATE ON incident, classification, obligation, escalation, notification TO tongbao_archiver;
GRANT EXECUTE ON FUNCTION make_months(int) TO tongbao_archiver;
