#include "services/archiver/statements.h"

const char copy_events[] =
    "COPY event (\"offset\", appended_at, occurred_at, event_id, incident_id, enterprise_id,"
    " partition, incarnation, is_repeat, is_conflict, topic, type, problem, key, headers, value)"
    " FROM STDIN (FORMAT binary)";

const struct db_statement archiver_statements[] = {
    {"incarnations", "SELECT topic, partition, incarnation FROM kafka_offset"
                     " WHERE consumer_group = 'archiver'"},

    /* The events among these ids that have had their effect, with what they were (store.c,
     * content_of). */
    {"known_events",
     "SELECT event_id, encode(sha256(convert_to(type || E'\n' || CASE"
     " WHEN type LIKE 'action.%' OR type = 'report.supplemented'"
     " THEN regexp_replace(body, '\"occurred_at\":\"[^\"]*\"', '') ELSE body END, 'UTF8')), 'hex')"
     " FROM event CROSS JOIN LATERAL (SELECT convert_from(value, 'UTF8') AS body) b"
     " WHERE event_id = ANY ($1::uuid[]) AND NOT is_repeat AND problem IS NULL"
     " ORDER BY event_id"},

    {"make_months", "SELECT make_months($1::int)"},

    /* Of two reports of one incident the first in the partition counts. */
    {"project_report",
     "INSERT INTO incident (incident_id, enterprise_id, enterprise_code, enterprise_name,"
     " reference, drill, summary, discovered_at, received_at)"
     " SELECT DISTINCT ON (i) i, e, code, name, reference, drill, summary, discovered, received"
     " FROM unnest($1::uuid[], $2::uuid[], $3::text[], $4::text[], $5::text[], $6::boolean[],"
     " $7::text[], $8::timestamptz[], $9::timestamptz[]) WITH ORDINALITY"
     " AS r (i, e, code, name, reference, drill, summary, discovered, received, n)"
     " ORDER BY i, n"
     " ON CONFLICT (incident_id) DO UPDATE SET"
     " enterprise_code = coalesce(incident.enterprise_code, EXCLUDED.enterprise_code),"
     " enterprise_name = coalesce(incident.enterprise_name, EXCLUDED.enterprise_name),"
     " reference = coalesce(incident.reference, EXCLUDED.reference),"
     " summary = coalesce(incident.summary, EXCLUDED.summary),"
     " discovered_at = coalesce(incident.discovered_at, EXCLUDED.discovered_at),"
     " received_at = EXCLUDED.received_at"
     " WHERE incident.received_at IS NULL"},

    {"project_decision",
     "INSERT INTO classification (incident_id, enterprise_id, event_id, revision, category, level,"
     " gbt20986, gbt20986_zh, regimes, reasons, missing, needs_human, decided_by, why,"
     " policy_version, decided_at)"
     " SELECT * FROM unnest($1::uuid[], $2::uuid[], $3::uuid[], $4::int[], $5::text[],"
     " $6::text[], $7::text[], $8::text[], $9::json[], $10::json[], $11::json[],"
     " $12::boolean[], $13::text[], $14::text[], $15::text[], $16::timestamptz[])"
     " ON CONFLICT (event_id) DO NOTHING"},

    /* Every decision is kept; the incident shows the one of the greatest revision. */
    {"project_grade",
     "INSERT INTO incident (incident_id, enterprise_id, enterprise_code, enterprise_name,"
     " reference, drill, summary, discovered_at, category, level, gbt20986, revision,"
     " needs_human, policy_version, graded_at)"
     " SELECT DISTINCT ON (i) i, e, code, name, reference, drill, summary, discovered, category,"
     " level, gbt, revision, needs_human, policy, min(decided) OVER (PARTITION BY i)"
     " FROM unnest($1::uuid[], $2::uuid[], $3::int[], $4::text[], $5::text[], $6::text[],"
     " $7::boolean[], $8::text[], $9::timestamptz[], $10::text[], $11::text[], $12::text[],"
     " $13::boolean[], $14::text[], $15::timestamptz[]) WITH ORDINALITY"
     " AS r (i, e, revision, category, level, gbt, needs_human, policy, decided, code, name,"
     " reference, drill, summary, discovered, n)"
     " ORDER BY i, revision DESC, n"
     " ON CONFLICT (incident_id) DO UPDATE SET"
     " enterprise_code = coalesce(incident.enterprise_code, EXCLUDED.enterprise_code),"
     " enterprise_name = coalesce(incident.enterprise_name, EXCLUDED.enterprise_name),"
     " reference = coalesce(incident.reference, EXCLUDED.reference),"
     " discovered_at = coalesce(incident.discovered_at, EXCLUDED.discovered_at),"
     " summary = EXCLUDED.summary, category = EXCLUDED.category, level = EXCLUDED.level,"
     " gbt20986 = EXCLUDED.gbt20986, revision = EXCLUDED.revision,"
     " needs_human = EXCLUDED.needs_human, policy_version = EXCLUDED.policy_version,"
     " graded_at = least(incident.graded_at, EXCLUDED.graded_at)"
     " WHERE incident.revision IS NULL OR incident.revision < EXCLUDED.revision"},

    {"project_state",
     "INSERT INTO incident (incident_id, enterprise_id, drill, state, incident_seq)"
     " SELECT DISTINCT ON (i) i, e, drill, state, seq"
     " FROM unnest($1::uuid[], $2::uuid[], $3::boolean[], $4::text[], $5::bigint[])"
     " AS r (i, e, drill, state, seq) ORDER BY i, seq DESC"
     " ON CONFLICT (incident_id) DO UPDATE SET"
     " state = EXCLUDED.state, incident_seq = EXCLUDED.incident_seq"
     " WHERE incident.incident_seq < EXCLUDED.incident_seq"},

    {"project_raised",
     "INSERT INTO escalation (incident_id, enterprise_id, escalation_id, chain, step, generation,"
     " role, scope, person_id, why, unconfirmed, acknowledgement_wanted, acknowledge_by,"
     " raised_at)"
     " SELECT DISTINCT ON (id) i, e, id, chain, step, generation, role, scope, person, why,"
     " unconfirmed, wanted, by_when, raised"
     " FROM unnest($1::uuid[], $2::uuid[], $3::uuid[], $4::text[], $5::int[], $6::int[],"
     " $7::text[], $8::text[], $9::uuid[], $10::text[], $11::boolean[], $12::boolean[],"
     " $13::timestamptz[], $14::timestamptz[]) WITH ORDINALITY"
     " AS r (i, e, id, chain, step, generation, role, scope, person, why, unconfirmed, wanted,"
     " by_when, raised, n) ORDER BY id, n"
     " ON CONFLICT (escalation_id) DO UPDATE SET"
     " chain = EXCLUDED.chain, step = EXCLUDED.step, generation = EXCLUDED.generation,"
     " role = EXCLUDED.role, scope = EXCLUDED.scope, person_id = EXCLUDED.person_id,"
     " why = EXCLUDED.why, unconfirmed = EXCLUDED.unconfirmed,"
     " acknowledgement_wanted = EXCLUDED.acknowledgement_wanted,"
     " acknowledge_by = EXCLUDED.acknowledge_by, raised_at = EXCLUDED.raised_at"
     " WHERE escalation.raised_at IS NULL"},

    /* Later states list it again: the earliest one names who did it. */
    {"project_acknowledged",
     "INSERT INTO escalation (incident_id, enterprise_id, escalation_id, acknowledged_seq,"
     " acknowledged_at, acknowledged_by)"
     " SELECT DISTINCT ON (id) i, e, id, seq, at, who"
     " FROM unnest($1::uuid[], $2::uuid[], $3::uuid[], $4::bigint[], $5::timestamptz[],"
     " $6::text[]) AS r (i, e, id, seq, at, who) ORDER BY id, seq"
     " ON CONFLICT (escalation_id) DO UPDATE SET acknowledged_seq = EXCLUDED.acknowledged_seq,"
     " acknowledged_at = EXCLUDED.acknowledged_at, acknowledged_by = EXCLUDED.acknowledged_by"
     " WHERE escalation.acknowledged_seq IS NULL"
     " OR EXCLUDED.acknowledged_seq < escalation.acknowledged_seq"},

    /* Two tidings of one step have one incident_seq and come in order. */
    {"project_obligation",
     "INSERT INTO obligation (incident_id, enterprise_id, obligation_id, incident_seq, regime,"
     " duty, generation, title_zh, title_en, recipient_zh, recipient_en, anchor, anchor_at,"
     " due_at, state, satisfied_by, satisfied_at, filed_reference, source)"
     " SELECT DISTINCT ON (id) i, e, id, seq, regime, duty, generation, title_zh, title_en,"
     " recipient_zh, recipient_en, anchor, anchor_at, due_at, state, satisfied_by, satisfied_at,"
     " filed, source"
     " FROM unnest($1::uuid[], $2::uuid[], $3::uuid[], $4::bigint[], $5::text[], $6::text[],"
     " $7::int[], $8::text[], $9::text[], $10::text[], $11::text[], $12::text[],"
     " $13::timestamptz[], $14::timestamptz[], $15::text[], $16::text[], $17::timestamptz[],"
     " $18::text[], $19::json[]) WITH ORDINALITY"
     " AS r (i, e, id, seq, regime, duty, generation, title_zh, title_en, recipient_zh,"
     " recipient_en, anchor, anchor_at, due_at, state, satisfied_by, satisfied_at, filed,"
     " source, n) ORDER BY id, seq DESC, n DESC"
     " ON CONFLICT (obligation_id) DO UPDATE SET incident_seq = EXCLUDED.incident_seq,"
     " anchor_at = EXCLUDED.anchor_at, due_at = EXCLUDED.due_at, state = EXCLUDED.state,"
     " satisfied_at = EXCLUDED.satisfied_at, filed_reference = EXCLUDED.filed_reference"
     " WHERE obligation.incident_seq <= EXCLUDED.incident_seq"},

    {"project_notification",
     "INSERT INTO notification (incident_id, enterprise_id, notification_id, escalation_id,"
     " person_id, channel, address_hint, state, attempt, outcome_rank, at, receipt, why,"
     " retry_at, may_be_duplicate)"
     " SELECT DISTINCT ON (id) i, e, id, escalation, person, channel, hint, state, attempt, rank,"
     " at, receipt, why, retry, duplicate"
     " FROM unnest($1::uuid[], $2::uuid[], $3::uuid[], $4::uuid[], $5::uuid[], $6::text[],"
     " $7::text[], $8::text[], $9::int[], $10::int[], $11::timestamptz[], $12::text[],"
     " $13::text[], $14::timestamptz[], $15::boolean[])"
     " AS r (i, e, id, escalation, person, channel, hint, state, attempt, rank, at, receipt, why,"
     " retry, duplicate) ORDER BY id, attempt DESC, rank DESC"
     " ON CONFLICT (notification_id) DO UPDATE SET state = EXCLUDED.state,"
     " attempt = EXCLUDED.attempt, outcome_rank = EXCLUDED.outcome_rank, at = EXCLUDED.at,"
     " receipt = EXCLUDED.receipt, why = EXCLUDED.why, retry_at = EXCLUDED.retry_at,"
     " may_be_duplicate = EXCLUDED.may_be_duplicate"
     " WHERE (notification.attempt, notification.outcome_rank)"
     " < (EXCLUDED.attempt, EXCLUDED.outcome_rank)"},

    {"project_link",
     "INSERT INTO link (incident_id, enterprise_id, campaign_id, event_id, drill, opens, rule, "
     "kind,"
     " indicator_type, shared, enterprises, incidents, why_zh, why_en, advisory, policy_version,"
     " linked_at)"
     " SELECT * FROM unnest($1::uuid[], $2::uuid[], $3::uuid[], $4::uuid[], $5::boolean[],"
     " $6::boolean[], $7::text[], $8::text[], $9::text[], $10::text[], $11::bigint[],"
     " $12::bigint[], $13::text[], $14::text[], $15::json[], $16::text[], $17::timestamptz[])"
     " ON CONFLICT (campaign_id, incident_id) DO NOTHING"},
};
const size_t archiver_statements_n = ARRAY_LEN(archiver_statements);
