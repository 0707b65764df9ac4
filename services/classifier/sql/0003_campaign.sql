-- classifier: incidents of several enterprises that belong together (services/classifier/campaign.h). Written by the group classifier.case.

-- What incidents may share under one rule. Its row is locked, in order of trait_id and after the incidents', before its members are looked for: so of two
-- simultaneous incidents the second sees the first (hard case 12).
CREATE TABLE IF NOT EXISTS trait (
    trait_id   uuid PRIMARY KEY,           -- follows from rule, type, value and drill
    rule       text NOT NULL,              -- id of the correlation rule
    kind       text NOT NULL,              -- indicator:<type>, sub_category or supplier
    value      text NOT NULL,              -- written one way
    drill      boolean NOT NULL,           -- drills and real incidents never share one
    keep_until timestamptz NOT NULL        -- by the clock, in whole hours: so most updates touch no index
);
CREATE INDEX IF NOT EXISTS trait_keep_until ON trait (keep_until);

-- The campaigns of a trait: seldom more than one.
CREATE TABLE IF NOT EXISTS campaign (
    campaign_id uuid PRIMARY KEY,
    trait_id    uuid NOT NULL REFERENCES trait ON DELETE CASCADE,
    first_ms    bigint NOT NULL,           -- the earliest and the latest of its members
    last_ms     bigint NOT NULL,
    incidents   bigint NOT NULL,
    enterprises uuid[] NOT NULL            -- each once
);
CREATE INDEX IF NOT EXISTS campaign_trait ON campaign (trait_id);

-- The incidents that have a trait.
CREATE TABLE IF NOT EXISTS trait_member (
    trait_id      uuid NOT NULL REFERENCES trait ON DELETE CASCADE,
    incident_id   uuid NOT NULL,
    enterprise_id uuid NOT NULL,
    occurred_ms   bigint NOT NULL,         -- occurred_at of the event that first brought the trait
    campaign_id   uuid,                    -- NULL: it waits for others
    keep_until    timestamptz NOT NULL,    -- of one that waits
    PRIMARY KEY (trait_id, incident_id)
);
CREATE INDEX IF NOT EXISTS trait_member_waits ON trait_member (trait_id, occurred_ms) WHERE campaign_id IS NULL;
CREATE INDEX IF NOT EXISTS trait_member_waits_until ON trait_member (keep_until) WHERE campaign_id IS NULL;
CREATE INDEX IF NOT EXISTS trait_member_campaign ON trait_member (campaign_id, occurred_ms) WHERE campaign_id IS NOT NULL;

-- A link is nobody's word.
CREATE OR REPLACE VIEW case_said AS
SELECT i.incident_id, i.event_id, i.type, field.key AS field, field.value,
       i.doc #>> '{actor,scope}' AS scope, i.doc #>> '{actor,id}' AS actor_id, i.doc #>> '{actor,name}' AS actor_name,
       (i.doc ->> 'occurred_at')::timestamptz AS said_at
  FROM (SELECT incident_id, event_id, type, body::jsonb AS doc FROM case_input WHERE type <> 'incident.linked') i,
       jsonb_each(i.doc - '{enterprise_id,incident_id,occurred_at,drill,actor,profile,reference,seen_seq}'::text[]) AS field;

GRANT SELECT, INSERT, UPDATE, DELETE ON trait, campaign, trait_member TO tongbao_classifier;
