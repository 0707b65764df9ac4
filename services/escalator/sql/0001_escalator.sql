-- escalator: where each incident stands, who was called, what is owed, and when the next thing is due. Written by the escalator alone.

CREATE TABLE incident (
    incident_id       uuid PRIMARY KEY,
    enterprise_id     uuid    NOT NULL,
    partition         int     NOT NULL,             -- of every topic: tells whether all its news has been heard
    drill             boolean NOT NULL,
    reference         text    NOT NULL,
    enterprise_name   text    NOT NULL,
    summary           text    NOT NULL,
    state             text    NOT NULL,
    level             text,                         -- this and the next two: NULL until graded
    category          text,
    revision          int,
    incident_seq      bigint  NOT NULL,
    generation        int     NOT NULL,             -- of its chains
    discovered_at     timestamptz,
    reported_at       timestamptz,
    graded_at         timestamptz,
    handling_ended_at timestamptz,
    duties            text                          -- "regime/duty …": what the latest grade owes
) WITH (fillfactor = 70);

-- Locked through their incident's row: whoever decides on one of these has locked that first (hard case 12).
CREATE TABLE chain_run (
    incident_id uuid NOT NULL,
    chain       text NOT NULL,
    scope       text NOT NULL,
    generation  int  NOT NULL,
    step        int  NOT NULL,                      -- called last; 0: none yet
    occurrence  int  NOT NULL,
    partition   int  NOT NULL,                      -- the incident's
    next_at     timestamptz,                        -- the next step is taken then; NULL: stopped or ended
    PRIMARY KEY (incident_id, chain)
) WITH (fillfactor = 70);
CREATE INDEX chain_run_due ON chain_run (partition, next_at) WHERE next_at IS NOT NULL;

CREATE TABLE escalation (
    escalation_id          uuid PRIMARY KEY,
    incident_id            uuid NOT NULL,
    chain                  text NOT NULL,
    generation             int  NOT NULL,
    step                   int  NOT NULL,
    occurrence             int  NOT NULL,
    role                   text NOT NULL,
    scope                  text NOT NULL,
    person_id              uuid,                    -- NULL: nobody held the role
    acknowledgement_wanted boolean NOT NULL,
    delivered              boolean NOT NULL,        -- one message at least arrived
    raised_at              timestamptz NOT NULL,
    acknowledge_by         timestamptz,
    acknowledged_at        timestamptz,
    acknowledged_by        uuid                     -- the action
);
CREATE INDEX escalation_incident ON escalation (incident_id, generation);

CREATE TABLE obligation (
    obligation_id      uuid PRIMARY KEY,
    incident_id        uuid   NOT NULL,
    regime             text   NOT NULL,
    duty               text   NOT NULL,
    generation         int    NOT NULL,             -- grows when the duty begins again
    title_zh           text   NOT NULL,
    title_en           text   NOT NULL,
    recipient_zh       text   NOT NULL,
    recipient_en       text   NOT NULL,
    source_document    text   NOT NULL,
    source_article     text,
    source_url         text,
    anchor             text   NOT NULL,
    within_ms          bigint NOT NULL,
    warn_before_ms     bigint NOT NULL,
    created_at         timestamptz NOT NULL,
    anchor_at          timestamptz,                 -- NULL: the anchor is missing, and nothing runs
    due_at             timestamptz,
    next_at            timestamptz,                 -- the clock warns or runs out then; NULL: it does neither any more
    state              text   NOT NULL,
    satisfied_by       text   NOT NULL,
    satisfied_by_event uuid,
    satisfied_at       timestamptz,
    filed_reference    text,
    partition          int    NOT NULL,             -- the incident's
    UNIQUE (incident_id, regime, duty, generation)
) WITH (fillfactor = 70);
CREATE INDEX obligation_due ON obligation (partition, next_at) WHERE next_at IS NOT NULL;

-- Actions that came before their incident's first grade: applied in order with it; given up after seven days.
CREATE TABLE early (
    seq           bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    event_id      uuid   NOT NULL UNIQUE,
    incident_id   uuid   NOT NULL,
    enterprise_id uuid   NOT NULL,
    type          text   NOT NULL,
    value         text   NOT NULL,
    topic         text   NOT NULL,
    partition     int    NOT NULL,
    "offset"      bigint NOT NULL,
    appended_at   timestamptz NOT NULL,
    kept_at       timestamptz NOT NULL
);
CREATE INDEX early_incident ON early (incident_id);
CREATE INDEX early_enterprise ON early (enterprise_id);
CREATE INDEX early_kept ON early (kept_at);

GRANT SELECT, INSERT, UPDATE ON incident, chain_run, escalation, obligation TO tongbao_escalator;
GRANT SELECT, INSERT, UPDATE, DELETE ON early TO tongbao_escalator; -- UPDATE: to lock rows
