-- classifier: what is known of each incident (group classifier.case). Written by the classifier alone.

-- One row per incident of which anything was heard. Locked, in order of incident_id, before anything of it is decided.
CREATE TABLE IF NOT EXISTS incident_case (
    incident_id       uuid PRIMARY KEY,
    enterprise_id     uuid,                    -- NULL: neither its report nor its grade is here; its inputs are early
    inputs            int NOT NULL DEFAULT 0,  -- rows of case_input
    revision          bigint NOT NULL DEFAULT -1, -- of the decision that stands in incident.v1; -1: none
    level             text,                    -- and that decision
    category          text,
    gbt20986          text,
    decision_event_id uuid,                    -- the person's decision that it follows; NULL: the rules'
    updated_at        timestamptz NOT NULL DEFAULT transaction_timestamp()
);

-- Reports, supplements and people's decisions, as they came.
CREATE TABLE IF NOT EXISTS case_input (
    incident_id   uuid NOT NULL REFERENCES incident_case ON DELETE CASCADE,
    event_id      uuid NOT NULL,
    type          text NOT NULL,
    enterprise_id uuid NOT NULL,
    is_early      boolean NOT NULL,            -- came before the incident; bounded per enterprise, expires
    body          text NOT NULL,               -- the record's bytes
    topic         text NOT NULL,               -- where it was read
    partition     int NOT NULL,
    "offset"      bigint NOT NULL,
    added_at      timestamptz NOT NULL DEFAULT transaction_timestamp(),
    PRIMARY KEY (incident_id, event_id)
);
CREATE INDEX IF NOT EXISTS case_input_early ON case_input (enterprise_id) WHERE is_early;
CREATE INDEX IF NOT EXISTS case_input_early_age ON case_input (added_at) WHERE is_early;

-- Each value with who said it, and when: contradicting values stand side by side.
CREATE OR REPLACE VIEW case_said AS
SELECT i.incident_id, i.event_id, i.type, field.key AS field, field.value,
       i.doc #>> '{actor,scope}' AS scope, i.doc #>> '{actor,id}' AS actor_id, i.doc #>> '{actor,name}' AS actor_name,
       (i.doc ->> 'occurred_at')::timestamptz AS said_at
  FROM (SELECT incident_id, event_id, type, body::jsonb AS doc FROM case_input) i,
       jsonb_each(i.doc - '{enterprise_id,incident_id,occurred_at,drill,actor,profile,reference,seen_seq}'::text[]) AS field;

GRANT SELECT, INSERT, UPDATE, DELETE ON incident_case, case_input TO tongbao_classifier;
GRANT SELECT ON case_said TO tongbao_classifier;
