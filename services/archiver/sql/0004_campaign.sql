-- archive, analytics: incidents that were linked into campaigns (incident.linked).

-- One row for an incident in a campaign.
CREATE TABLE IF NOT EXISTS link (
    campaign_id    uuid        NOT NULL,
    incident_id    uuid        NOT NULL,
    enterprise_id  uuid        NOT NULL,
    event_id       uuid        NOT NULL,
    drill          boolean     NOT NULL,
    opens          boolean     NOT NULL,
    rule           text        NOT NULL,
    kind           text        NOT NULL,               -- indicator, sub_category or supplier
    indicator_type text,
    shared         text,
    enterprises    bigint      NOT NULL,               -- of the campaign, with this incident
    incidents      bigint      NOT NULL,
    why_zh         text        NOT NULL,
    why_en         text        NOT NULL,
    advisory       json,
    policy_version text        NOT NULL,
    linked_at      timestamptz NOT NULL,
    PRIMARY KEY (campaign_id, incident_id)
);
CREATE INDEX IF NOT EXISTS link_incident ON link (incident_id);
GRANT SELECT, INSERT ON link TO tongbao_archiver;

CREATE OR REPLACE VIEW analytics.campaign_incident AS
SELECT l.campaign_id, l.incident_id, l.enterprise_id, i.enterprise_code, i.enterprise_name, i.reference, l.drill, l.opens, l.enterprises, l.incidents,
       coalesce(i.received_at, l.linked_at) AS received_at, l.linked_at, l.event_id
  FROM archive.link l
  LEFT JOIN archive.incident i ON i.incident_id = l.incident_id;

COMMENT ON VIEW analytics.campaign_incident IS 'one row per incident in a campaign; an incident may be in several';
COMMENT ON COLUMN analytics.campaign_incident.campaign_id IS 'the campaign: analytics.campaign';
COMMENT ON COLUMN analytics.campaign_incident.incident_id IS 'the incident';
COMMENT ON COLUMN analytics.campaign_incident.enterprise_id IS 'the enterprise that the incident belongs to';
COMMENT ON COLUMN analytics.campaign_incident.enterprise_code IS 'code of the enterprise in the registry, as it was at receipt';
COMMENT ON COLUMN analytics.campaign_incident.enterprise_name IS 'name of the enterprise, as it was at receipt';
COMMENT ON COLUMN analytics.campaign_incident.reference IS 'the incident''s reference: TB-…';
COMMENT ON COLUMN analytics.campaign_incident.drill IS 'a rehearsal: leave it out of statistics';
COMMENT ON COLUMN analytics.campaign_incident.opens IS 'the incident that completed the number: the campaign began with it';
COMMENT ON COLUMN analytics.campaign_incident.enterprises IS 'enterprises that the campaign had hit when this incident was linked';
COMMENT ON COLUMN analytics.campaign_incident.incidents IS 'incidents that the campaign had then';
COMMENT ON COLUMN analytics.campaign_incident.received_at IS 'when the incident''s report was stored on the bus; while it is not archived, linked_at';
COMMENT ON COLUMN analytics.campaign_incident.linked_at IS 'when what linked it happened: the event of the incident that completed the number, or its own';
COMMENT ON COLUMN analytics.campaign_incident.event_id IS 'id of the incident.linked';

-- What all of its links say alike is taken from the one that opened it, or, while that is not archived, from any.
CREATE OR REPLACE VIEW analytics.campaign AS
SELECT l.campaign_id, bool_or(l.drill) AS drill, min(l.rule) AS rule, min(l.kind) AS kind, min(l.indicator_type) AS indicator_type,
       min(l.shared) AS shared, min(coalesce(i.received_at, l.linked_at)) AS first_at, max(coalesce(i.received_at, l.linked_at)) AS last_at,
       min(l.linked_at) AS opened_at, count(DISTINCT l.enterprise_id) AS enterprises, count(*) AS incidents,
       coalesce(min(l.why_zh) FILTER (WHERE l.opens), min(l.why_zh)) AS why_zh, coalesce(min(l.why_en) FILTER (WHERE l.opens), min(l.why_en)) AS why_en,
       (min(l.advisory::text) FILTER (WHERE l.opens))::json AS advisory,
       coalesce(min(l.policy_version) FILTER (WHERE l.opens), min(l.policy_version)) AS policy_version
  FROM archive.link l
  LEFT JOIN archive.incident i ON i.incident_id = l.incident_id
 GROUP BY l.campaign_id;

COMMENT ON VIEW analytics.campaign IS 'one row per campaign: incidents of several enterprises that share something';
COMMENT ON COLUMN analytics.campaign.campaign_id IS 'id of the campaign; its incidents: analytics.campaign_incident';
COMMENT ON COLUMN analytics.campaign.drill IS 'a rehearsal: leave it out of statistics; drills and real incidents are never linked';
COMMENT ON COLUMN analytics.campaign.rule IS 'the correlation rule that fired, by its id in the policy';
COMMENT ON COLUMN analytics.campaign.kind IS 'what they share: indicator, sub_category (of GB/T 20986-2023) or supplier';
COMMENT ON COLUMN analytics.campaign.indicator_type IS 'kind of the indicator: ip, domain, sha256, …; NULL: they share no indicator';
COMMENT ON COLUMN analytics.campaign.shared IS 'the value that they share, written one way';
COMMENT ON COLUMN analytics.campaign.first_at IS 'when the report of its first incident was stored on the bus';
COMMENT ON COLUMN analytics.campaign.last_at IS 'when the report of its last incident was stored on the bus';
COMMENT ON COLUMN analytics.campaign.opened_at IS 'when enough enterprises were hit: the event that completed the number';
COMMENT ON COLUMN analytics.campaign.enterprises IS 'enterprises that it has hit';
COMMENT ON COLUMN analytics.campaign.incidents IS 'incidents that it has';
COMMENT ON COLUMN analytics.campaign.why_zh IS 'why they belong together, in Chinese, as it was when it opened';
COMMENT ON COLUMN analytics.campaign.why_en IS 'why they belong together, in English, as it was when it opened';
COMMENT ON COLUMN analytics.campaign.advisory IS 'what was proposed for broadcast: {title, text, tlp, audience}; NULL: nothing';
COMMENT ON COLUMN analytics.campaign.policy_version IS 'SHA-256 of the policy that was in force when it opened';

-- Not for intake: an enterprise sees its own incident, not whom else the campaign hit.
GRANT SELECT ON analytics.campaign, analytics.campaign_incident TO tongbao_analyst;
