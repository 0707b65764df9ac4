#include "services/escalator/statements.h"

#include "common/base/cleanup.h"

#define INCIDENT_COLUMNS                                                                           \
    "incident_id, enterprise_id, partition, drill, reference, enterprise_name, summary, state,"    \
    " level, category, revision, incident_seq, generation, discovered_at, reported_at, graded_at," \
    " handling_ended_at, duties"
#define RUN_COLUMNS                                                                                \
    "incident_id, chain, scope, generation, cause, occasion, step, occurrence, partition, next_at"
#define CALL_COLUMNS                                                                               \
    "incident_id, escalation_id, chain, generation, step, occurrence, role, scope, person_id,"     \
    " acknowledgement_wanted, delivered, raised_at, acknowledge_by, acknowledged_at,"              \
    " acknowledged_by"
#define OWED_COLUMNS                                                                               \
    "incident_id, obligation_id, regime, duty, generation, title_zh, title_en, recipient_zh,"      \
    " recipient_en, source_document, source_article, source_url, anchor, within_ms,"               \
    " warn_before_ms, created_at, anchor_at, due_at, next_at, state, satisfied_by,"                \
    " satisfied_by_event, satisfied_at, filed_reference, partition"
#define EARLY_COLUMNS                                                                              \
    "incident_id, enterprise_id, event_id, type, value, topic, partition, \"offset\","             \
    " appended_at, kept_at"

/* Without infinities. */
#define SPAN "greatest(from_at, '1970-01-02'), least(to_at, '9999-01-01')"

/* The oldest clocks of each partition ($1) that were due by a bound: one for steps ($2), one for duties ($3). */
#define CLOCKS(table, bound)                                                                       \
    "SELECT c.incident_id, c.next_at"                                                              \
    " FROM unnest($1::int[], $2::timestamptz[], $3::timestamptz[]) AS h (p, steps, duties),"       \
    " LATERAL (SELECT incident_id, next_at FROM " table " WHERE partition = h.p"                   \
    " AND next_at <= h." bound " ORDER BY next_at LIMIT $4::int) AS c"
#define DUE                                                                                        \
    "SELECT * FROM (" CLOCKS("chain_run", "steps") " UNION ALL " CLOCKS("obligation",              \
                                                                        "duties") ") AS d"

const struct db_statement escalator_statements[] = {
    /* State is read only after this (hard case 12). */
    {"lock_incidents", "SELECT " INCIDENT_COLUMNS " FROM incident"
                       " WHERE incident_id = ANY ($1::uuid[]) ORDER BY incident_id FOR UPDATE"},
    {"lock_free_incidents", "SELECT " INCIDENT_COLUMNS " FROM incident"
                            " WHERE incident_id = ANY ($1::uuid[]) ORDER BY incident_id"
                            " FOR UPDATE SKIP LOCKED"},
    {"load_runs", "SELECT " RUN_COLUMNS " FROM chain_run WHERE incident_id = ANY ($1::uuid[])"
                  " ORDER BY incident_id, chain"},
    {"load_calls", "SELECT " CALL_COLUMNS " FROM escalation"
                   " JOIN (SELECT r.incident_id, r.chain, r.generation FROM chain_run AS r"
                   " JOIN incident AS i USING (incident_id)"
                   " WHERE incident_id = ANY ($1::uuid[])"
                   " AND (r.cause IS NOT NULL OR r.generation = i.generation)) AS present"
                   " USING (incident_id, chain, generation)"
                   " ORDER BY incident_id, chain, step, occurrence, role"},
    {"load_owed", "SELECT DISTINCT ON (incident_id, regime, duty) " OWED_COLUMNS
                  " FROM obligation WHERE incident_id = ANY ($1::uuid[])"
                  " ORDER BY incident_id, regime, duty, generation DESC"},
    {"load_early", "SELECT " EARLY_COLUMNS " FROM early WHERE incident_id = ANY ($1::uuid[])"
                   " ORDER BY incident_id, seq"},

    {"save_incidents",
     "INSERT INTO incident (" INCIDENT_COLUMNS ") SELECT * FROM unnest($1::uuid[], $2::uuid[],"
     " $3::int[], $4::boolean[], $5::text[], $6::text[], $7::text[], $8::text[], $9::text[],"
     " $10::text[], $11::int[], $12::bigint[], $13::int[], $14::timestamptz[],"
     " $15::timestamptz[], $16::timestamptz[], $17::timestamptz[], $18::text[])"
     " ON CONFLICT (incident_id) DO UPDATE SET enterprise_name = EXCLUDED.enterprise_name,"
     " summary = EXCLUDED.summary, state = EXCLUDED.state, level = EXCLUDED.level,"
     " category = EXCLUDED.category, revision = EXCLUDED.revision,"
     " incident_seq = EXCLUDED.incident_seq, generation = EXCLUDED.generation,"
     " discovered_at = EXCLUDED.discovered_at, reported_at = EXCLUDED.reported_at,"
     " graded_at = EXCLUDED.graded_at, handling_ended_at = EXCLUDED.handling_ended_at,"
     " duties = EXCLUDED.duties"},
    {"save_runs",
     "INSERT INTO chain_run (" RUN_COLUMNS ") SELECT * FROM unnest($1::uuid[], $2::text[],"
     " $3::text[], $4::int[], $5::uuid[], $6::text[], $7::int[], $8::int[], $9::int[],"
     " $10::timestamptz[]) ON CONFLICT (incident_id, chain) DO UPDATE SET scope = EXCLUDED.scope,"
     " generation = EXCLUDED.generation, cause = EXCLUDED.cause, occasion = EXCLUDED.occasion,"
     " step = EXCLUDED.step, occurrence = EXCLUDED.occurrence, next_at = EXCLUDED.next_at"},
    {"save_calls",
     "INSERT INTO escalation (" CALL_COLUMNS ") SELECT * FROM unnest($1::uuid[], $2::uuid[],"
     " $3::text[], $4::int[], $5::int[], $6::int[], $7::text[], $8::text[], $9::uuid[],"
     " $10::boolean[], $11::boolean[], $12::timestamptz[], $13::timestamptz[],"
     " $14::timestamptz[], $15::uuid[])"
     " ON CONFLICT (escalation_id) DO UPDATE SET delivered = EXCLUDED.delivered,"
     " acknowledged_at = EXCLUDED.acknowledged_at, acknowledged_by = EXCLUDED.acknowledged_by"},
    {"save_owed",
     "INSERT INTO obligation (" OWED_COLUMNS ") SELECT * FROM unnest($1::uuid[], $2::uuid[],"
     " $3::text[], $4::text[], $5::int[], $6::text[], $7::text[], $8::text[], $9::text[],"
     " $10::text[], $11::text[], $12::text[], $13::text[], $14::bigint[], $15::bigint[],"
     " $16::timestamptz[], $17::timestamptz[], $18::timestamptz[], $19::timestamptz[],"
     " $20::text[], $21::text[], $22::uuid[], $23::timestamptz[], $24::text[], $25::int[])"
     " ON CONFLICT (obligation_id) DO UPDATE SET anchor_at = EXCLUDED.anchor_at,"
     " due_at = EXCLUDED.due_at, next_at = EXCLUDED.next_at, state = EXCLUDED.state,"
     " satisfied_by_event = EXCLUDED.satisfied_by_event,"
     " satisfied_at = EXCLUDED.satisfied_at, filed_reference = EXCLUDED.filed_reference"},
    {"save_early",
     "INSERT INTO early (" EARLY_COLUMNS ") SELECT * FROM unnest($1::uuid[], $2::uuid[],"
     " $3::uuid[], $4::text[], $5::text[], $6::text[], $7::int[], $8::bigint[],"
     " $9::timestamptz[], $10::timestamptz[])"},
    {"drop_early", "DELETE FROM early WHERE event_id = ANY ($1::uuid[])"},
    {"count_early", "SELECT count(*) FROM early WHERE enterprise_id = $1"},
    {"expired_early", "SELECT " EARLY_COLUMNS " FROM early WHERE kept_at < $1"
                      " ORDER BY kept_at LIMIT $2 FOR UPDATE SKIP LOCKED"},

    /* Up to when all news of a partition's incidents is known: NULL while one topic's share of it is not. Topics that the group
     * does not read any more say nothing. */
    {"heard", "SELECT partition, CASE WHEN count(caught_up_to) = $2::int"
              " THEN min(caught_up_to) END"
              " FROM kafka_offset WHERE consumer_group = $1 AND topic = ANY ($3::text[])"
              " GROUP BY partition"},
    /* Without a lock: what these are is read again once their incident is locked. */
    {"due", "SELECT DISTINCT incident_id FROM (" DUE " ORDER BY next_at LIMIT $4::int) AS first"
            " ORDER BY incident_id"},
    /* Also without a lock, so that a frozen holder's rows are seen (hard case 5). */
    {"oldest_due", "SELECT min(next_at) FROM (" DUE ") AS d"},

    {"registry_version", "SELECT version FROM registry.version"},
    {"registry_park", "SELECT enterprise_id FROM registry.enterprise WHERE is_park"},
    {"registry_holders", "SELECT enterprise_id, role, rank, person_id FROM registry.role_holder"},
    {"registry_duty", "SELECT role, person_id, " SPAN " FROM registry.duty"
                      " WHERE to_at > $1 ORDER BY from_at"},
    {"registry_absences", "SELECT person_id, " SPAN " FROM registry.absence WHERE to_at > $1"},
};
const size_t escalator_statements_n = ARRAY_LEN(escalator_statements);
