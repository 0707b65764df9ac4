-- analytics: what analysts and the intake's reads see. Views only; every column says what it is; personal data of reporters is masked.

CREATE SCHEMA IF NOT EXISTS analytics;
GRANT USAGE ON SCHEMA analytics TO tongbao_analyst, tongbao_intake;

-- An event's body without a reporter's name and phone number, in a report and in the facts that were graded. NULL when PostgreSQL cannot hold it
-- (a number such as 1e-99999): one such record must not break every query.
CREATE FUNCTION analytics.body(value bytea) RETURNS jsonb LANGUAGE plpgsql IMMUTABLE AS $$
DECLARE
    body jsonb;
BEGIN
    body := convert_from(value, 'UTF8')::jsonb;
    IF body #> '{reporter}' IS NOT NULL THEN
        body := jsonb_set(body, '{reporter}', '{"masked": true}');
    END IF;
    IF body #> '{facts,reporter}' IS NOT NULL THEN
        body := jsonb_set(body, '{facts,reporter}', '{"masked": true}');
    END IF;
    RETURN body;
EXCEPTION WHEN data_exception THEN
    RETURN NULL;
END $$;

-- The value of a header; bytes that are no ASCII are shown escaped.
CREATE FUNCTION analytics.header(headers bytea[], name text) RETURNS text LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT encode(headers[i + 1], 'escape')
      FROM generate_series(1, coalesce(array_length(headers, 1), 0), 2) AS i
     WHERE headers[i] = convert_to(name, 'UTF8')
     LIMIT 1
$$;

CREATE VIEW analytics.incident AS
SELECT incident_id, enterprise_id, enterprise_code, enterprise_name, reference, drill, state, category, level, gbt20986, revision, needs_human,
       summary, discovered_at, received_at, graded_at, incident_seq, policy_version
  FROM archive.incident
 WHERE reference IS NOT NULL; -- its report or its grade was read; a state alone does not say what it is about

COMMENT ON VIEW analytics.incident IS 'one row per incident, as it stands';
COMMENT ON COLUMN analytics.incident.incident_id IS 'id of the incident; the key of all its events';
COMMENT ON COLUMN analytics.incident.enterprise_id IS 'the enterprise that it belongs to';
COMMENT ON COLUMN analytics.incident.enterprise_code IS 'code of the enterprise in the registry, as it was at receipt';
COMMENT ON COLUMN analytics.incident.enterprise_name IS 'name of the enterprise, as it was at receipt';
COMMENT ON COLUMN analytics.incident.reference IS 'the reference that is read over a phone: TB-…';
COMMENT ON COLUMN analytics.incident.drill IS 'a rehearsal: leave it out of statistics';
COMMENT ON COLUMN analytics.incident.state IS 'ungraded, reported, triaged, confirmed, contained, recovered, reviewed, closed or refuted; told by escalation.state alone';
COMMENT ON COLUMN analytics.incident.category IS 'the park''s category: system_failure, data_leak, malware or intrusion; NULL: not graded yet';
COMMENT ON COLUMN analytics.incident.level IS 'general 一般, larger 较大, major 重大 or extreme 特别重大; NULL: not graded yet';
COMMENT ON COLUMN analytics.incident.gbt20986 IS 'category of GB/T 20986-2023, by its stable English name';
COMMENT ON COLUMN analytics.incident.revision IS 'revision of the grade: 0 is the first, a greater one replaced it';
COMMENT ON COLUMN analytics.incident.needs_human IS 'a person has to look at the grade';
COMMENT ON COLUMN analytics.incident.summary IS 'what happened, as it stands';
COMMENT ON COLUMN analytics.incident.discovered_at IS 'when it was noticed, as the reporter says';
COMMENT ON COLUMN analytics.incident.received_at IS 'when the report was stored on the bus; NULL: the report was not read yet';
COMMENT ON COLUMN analytics.incident.graded_at IS 'when the first grade was stored on the bus';
COMMENT ON COLUMN analytics.incident.incident_seq IS 'the escalator''s count of what it applied or refused; orders states';
COMMENT ON COLUMN analytics.incident.policy_version IS 'SHA-256 of the policy that gave the grade';

-- What one enterprise says of another's incident is no part of it: it may have been sent before anybody could tell whose the incident is.
CREATE VIEW analytics.timeline AS
SELECT e.incident_id, coalesce(i.enterprise_id, e.enterprise_id) AS enterprise_id, e.event_id, e.type, e.occurred_at, e.appended_at,
       analytics.header(e.headers, 'ce_source') AS source, b.body #>> '{actor,scope}' AS actor_scope, b.body #>> '{actor,name}' AS actor_name,
       b.body, e.topic, e.partition, e."offset"
  FROM archive.event e
  LEFT JOIN archive.incident i ON i.incident_id = e.incident_id
 CROSS JOIN LATERAL (SELECT analytics.body(e.value) AS body) b
 WHERE e.problem IS NULL AND NOT e.is_repeat
   AND (i.incident_id IS NULL OR e.enterprise_id = i.enterprise_id OR b.body #>> '{actor,scope}' = 'park');

COMMENT ON VIEW analytics.timeline IS 'every event once, as it was archived; left out are repeats, dead letters, unreadable records, and what another enterprise sent about an incident';
COMMENT ON COLUMN analytics.timeline.incident_id IS 'the incident that it is about';
COMMENT ON COLUMN analytics.timeline.enterprise_id IS 'the enterprise that the incident belongs to; while that is not known, the one that sent the event';
COMMENT ON COLUMN analytics.timeline.event_id IS 'id of the event: a repeat of the same work has the same one';
COMMENT ON COLUMN analytics.timeline.type IS 'what happened: report.submitted, incident.classified, action.acknowledged, …';
COMMENT ON COLUMN analytics.timeline.occurred_at IS 'when it happened; in a derived event it follows from its input';
COMMENT ON COLUMN analytics.timeline.appended_at IS 'when the broker stored it: what "on time" is judged by';
COMMENT ON COLUMN analytics.timeline.source IS 'the service that wrote it: /tongbao/<service>';
COMMENT ON COLUMN analytics.timeline.actor_scope IS 'on whose behalf a person acted: enterprise, park or system; NULL: nobody did';
COMMENT ON COLUMN analytics.timeline.actor_name IS 'who acted: the name of the key or of the person; NULL: nobody did, or no name was given';
COMMENT ON COLUMN analytics.timeline.body IS 'the event''s body; name and phone number of a reporter are masked';
COMMENT ON COLUMN analytics.timeline.topic IS 'Kafka topic that it was read from';
COMMENT ON COLUMN analytics.timeline.partition IS 'partition of the topic';
COMMENT ON COLUMN analytics.timeline."offset" IS 'place in the partition: orders the events of one incident within a topic';

CREATE VIEW analytics.classification AS
SELECT incident_id, enterprise_id, event_id, revision, category, level, gbt20986, gbt20986_zh, regimes, reasons, missing, needs_human, decided_by, why,
       policy_version, decided_at
  FROM archive.classification;

COMMENT ON VIEW analytics.classification IS 'one row per decision on a grade: incident.classified and incident.reclassified';
COMMENT ON COLUMN analytics.classification.incident_id IS 'the incident that was graded';
COMMENT ON COLUMN analytics.classification.enterprise_id IS 'the enterprise that the incident belongs to';
COMMENT ON COLUMN analytics.classification.event_id IS 'id of the decision''s event';
COMMENT ON COLUMN analytics.classification.revision IS '0: the first grade; the greatest one counts';
COMMENT ON COLUMN analytics.classification.category IS 'the park''s category: system_failure, data_leak, malware or intrusion';
COMMENT ON COLUMN analytics.classification.level IS 'the highest level of all regimes: general, larger, major or extreme';
COMMENT ON COLUMN analytics.classification.gbt20986 IS 'category of GB/T 20986-2023, by its stable English name';
COMMENT ON COLUMN analytics.classification.gbt20986_zh IS 'the same category by its Chinese name in the standard';
COMMENT ON COLUMN analytics.classification.regimes IS 'grade by regime: [{regime, level, needs_human, reportable}]';
COMMENT ON COLUMN analytics.classification.reasons IS 'the rules that fired, with the fields that they read and their legal source';
COMMENT ON COLUMN analytics.classification.missing IS 'what is not known and could raise the level; NULL: nothing';
COMMENT ON COLUMN analytics.classification.needs_human IS 'a person has to look at the grade';
COMMENT ON COLUMN analytics.classification.decided_by IS 'system: the rules; park or enterprise: a person';
COMMENT ON COLUMN analytics.classification.why IS 'the person''s reason; NULL: the rules decided';
COMMENT ON COLUMN analytics.classification.policy_version IS 'SHA-256 of the policy that was in force';
COMMENT ON COLUMN analytics.classification.decided_at IS 'when the decision was stored on the bus';

CREATE VIEW analytics.obligation AS
SELECT incident_id, enterprise_id, obligation_id, regime, duty, generation, title_zh, title_en, recipient_zh, recipient_en, anchor, anchor_at, due_at,
       state, satisfied_by, satisfied_at, filed_reference, source
  FROM archive.obligation;

COMMENT ON VIEW analytics.obligation IS 'one row per duty of an incident, with its clock as it stands';
COMMENT ON COLUMN analytics.obligation.incident_id IS 'the incident that owes it';
COMMENT ON COLUMN analytics.obligation.enterprise_id IS 'the enterprise that the incident belongs to';
COMMENT ON COLUMN analytics.obligation.obligation_id IS 'id of the duty: what action.filed names';
COMMENT ON COLUMN analytics.obligation.regime IS 'the body of rules that it stands in: park-lingang, cac-2025, …';
COMMENT ON COLUMN analytics.obligation.duty IS 'id of the duty in the policy';
COMMENT ON COLUMN analytics.obligation.generation IS 'grows when the duty begins again';
COMMENT ON COLUMN analytics.obligation.title_zh IS 'what is owed, in Chinese';
COMMENT ON COLUMN analytics.obligation.title_en IS 'what is owed, in English';
COMMENT ON COLUMN analytics.obligation.recipient_zh IS 'to whom, in Chinese';
COMMENT ON COLUMN analytics.obligation.recipient_en IS 'to whom, in English';
COMMENT ON COLUMN analytics.obligation.anchor IS 'the event that the clock runs from: discovered, classified, reported or handling_ended';
COMMENT ON COLUMN analytics.obligation.anchor_at IS 'when that was; NULL: not yet';
COMMENT ON COLUMN analytics.obligation.due_at IS 'when it is due; NULL: the anchor is missing';
COMMENT ON COLUMN analytics.obligation.state IS 'anchor_missing, running, warned, overdue, satisfied, satisfied_late or stopped';
COMMENT ON COLUMN analytics.obligation.satisfied_by IS 'what satisfies it: action.acknowledged, action.filed, …';
COMMENT ON COLUMN analytics.obligation.satisfied_at IS 'when it was satisfied; NULL: it was not';
COMMENT ON COLUMN analytics.obligation.filed_reference IS 'the number that the authority gave';
COMMENT ON COLUMN analytics.obligation.source IS 'where the rule stands: {document, article, url}';

CREATE VIEW analytics.escalation AS
SELECT incident_id, enterprise_id, escalation_id, chain, step, generation, role, scope, person_id, why, unconfirmed, acknowledgement_wanted,
       acknowledge_by, raised_at, acknowledged_at, acknowledged_by
  FROM archive.escalation
 WHERE raised_at IS NOT NULL; -- an acknowledgement alone: its call is still on the way

COMMENT ON VIEW analytics.escalation IS 'one row per call to a person in a role';
COMMENT ON COLUMN analytics.escalation.incident_id IS 'the incident that it is about';
COMMENT ON COLUMN analytics.escalation.enterprise_id IS 'the enterprise that the incident belongs to';
COMMENT ON COLUMN analytics.escalation.escalation_id IS 'id of the call: what action.acknowledged names';
COMMENT ON COLUMN analytics.escalation.chain IS 'the chain of roles, by its id in the policy';
COMMENT ON COLUMN analytics.escalation.step IS 'the step on the chain, from 1';
COMMENT ON COLUMN analytics.escalation.generation IS 'grows when a chain is begun again: level raised, reopened';
COMMENT ON COLUMN analytics.escalation.role IS 'who is called: security_lead, deputy, owner, duty_officer, …';
COMMENT ON COLUMN analytics.escalation.scope IS 'whose role it is: enterprise or park';
COMMENT ON COLUMN analytics.escalation.person_id IS 'the person who held the role then; NULL: nobody did';
COMMENT ON COLUMN analytics.escalation.why IS 'first_grade, unacknowledged, level_raised, ungraded or reopened';
COMMENT ON COLUMN analytics.escalation.unconfirmed IS 'raised while the bus could not be read: it may have been acknowledged already';
COMMENT ON COLUMN analytics.escalation.acknowledgement_wanted IS 'false: for information';
COMMENT ON COLUMN analytics.escalation.acknowledge_by IS 'the next step is taken then; NULL: no acknowledgement is wanted';
COMMENT ON COLUMN analytics.escalation.raised_at IS 'when the call was stored on the bus';
COMMENT ON COLUMN analytics.escalation.acknowledged_at IS 'when it was acknowledged; NULL: it was not';
COMMENT ON COLUMN analytics.escalation.acknowledged_by IS 'who acknowledged it: the name of the key or of the person';

CREATE VIEW analytics.notification AS
SELECT incident_id, enterprise_id, notification_id, escalation_id, person_id, channel, address_hint, state, attempt, at, receipt, why, retry_at,
       may_be_duplicate
  FROM archive.notification;

COMMENT ON VIEW analytics.notification IS 'one row per message to a person, as it stands after its last attempt';
COMMENT ON COLUMN analytics.notification.incident_id IS 'the incident that it is about';
COMMENT ON COLUMN analytics.notification.enterprise_id IS 'the enterprise that the incident belongs to';
COMMENT ON COLUMN analytics.notification.notification_id IS 'id of the message: what the receiver sees as Message-ID or webhook-id';
COMMENT ON COLUMN analytics.notification.escalation_id IS 'the call that it carries';
COMMENT ON COLUMN analytics.notification.person_id IS 'to whom';
COMMENT ON COLUMN analytics.notification.channel IS 'by which way: email, webhook';
COMMENT ON COLUMN analytics.notification.address_hint IS 'the address, masked';
COMMENT ON COLUMN analytics.notification.state IS 'sent: the other side took it; failed: another attempt follows; dead: given up';
COMMENT ON COLUMN analytics.notification.attempt IS 'the attempt that this is about, from 1';
COMMENT ON COLUMN analytics.notification.at IS 'when that attempt ended';
COMMENT ON COLUMN analytics.notification.receipt IS 'what the other side answered';
COMMENT ON COLUMN analytics.notification.why IS 'failed, dead: why';
COMMENT ON COLUMN analytics.notification.retry_at IS 'failed: when it is tried again';
COMMENT ON COLUMN analytics.notification.may_be_duplicate IS 'an earlier attempt may have arrived';

GRANT SELECT ON analytics.incident, analytics.timeline, analytics.classification, analytics.obligation, analytics.escalation, analytics.notification
   TO tongbao_analyst, tongbao_intake;
