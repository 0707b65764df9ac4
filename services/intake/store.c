#include "services/intake/store.h"

#include <string.h>

#include "services/intake/ask.h"

enum { FIND_DEADLINE_MS = 700, VIEW_DEADLINE_MS = 3000 };

struct store {
    struct db *db;
};

// clang-format off
/* A time as our contract writes it. */
#define TIME(column) "to_char(" column " AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS.MS\"Z\"')"

/* The rows of a view that belong to the incident i, as a JSON array: the newest 1 000, oldest
 * first. */
#define LIST(view, order, object)                                                                  \
    "(SELECT coalesce(json_agg(json_build_object(" object ") ORDER BY " order "), '[]')"           \
    " FROM (SELECT * FROM analytics." view " WHERE incident_id = i.incident_id"                    \
    " ORDER BY " order " DESC LIMIT 1000) t)"

#define GRADE                                                                                      \
    "CASE WHEN c.revision IS NOT NULL THEN json_build_object("                                     \
    " 'revision', c.revision, 'policy_version', c.policy_version,"                                 \
    " 'gbt20986', json_build_object('name', c.gbt20986, 'zh', c.gbt20986_zh),"                     \
    " 'regimes', coalesce(c.regimes, '[]'), 'missing', coalesce(c.missing, '[]'),"                 \
    " 'needs_human', c.needs_human, 'decided_by', c.decided_by, 'why', c.why,"                     \
    " 'decided_at', " TIME("c.decided_at") ") END"

#define CLOCKS                                                                                     \
    LIST("obligation", "(due_at, obligation_id)",                                                  \
         "'obligation_id', obligation_id, 'regime', regime, 'duty', duty,"                         \
         "'generation', generation, 'title_zh', title_zh, 'title_en', title_en,"                   \
         "'recipient_zh', recipient_zh, 'recipient_en', recipient_en, 'anchor', anchor,"           \
         "'anchor_at', " TIME("anchor_at") ", 'due_at', " TIME("due_at") ", 'state', state,"       \
         "'satisfied_by', satisfied_by, 'satisfied_at', " TIME("satisfied_at") ","                 \
         "'filed_reference', filed_reference, 'source', source")

#define ESCALATIONS                                                                                \
    LIST("escalation", "(raised_at, escalation_id)",                                               \
         "'escalation_id', escalation_id, 'chain', chain, 'step', step,"                           \
         "'generation', generation, 'role', role, 'scope', scope, 'person_id', person_id,"         \
         "'why', why, 'unconfirmed', unconfirmed,"                                                 \
         "'acknowledgement_wanted', acknowledgement_wanted,"                                       \
         "'acknowledge_by', " TIME("acknowledge_by") ", 'raised_at', " TIME("raised_at") ","       \
         "'acknowledged_at', " TIME("acknowledged_at") ", 'acknowledged_by', acknowledged_by")

#define NOTIFICATIONS                                                                              \
    LIST("notification", "(at, notification_id)",                                                  \
         "'notification_id', notification_id, 'escalation_id', escalation_id,"                     \
         "'person_id', person_id, 'channel', channel, 'address_hint', address_hint,"               \
         "'state', state, 'attempt', attempt, 'at', " TIME("at") ", 'receipt', receipt,"           \
         "'why', why, 'retry_at', " TIME("retry_at") ", 'may_be_duplicate', may_be_duplicate")

#define TIMELINE                                                                                   \
    LIST("timeline", "(appended_at, topic, partition, \"offset\")",                                 \
         "'event_id', event_id, 'type', type, 'occurred_at', " TIME("occurred_at") ","             \
         "'appended_at', " TIME("appended_at") ", 'source', source,"                               \
         "'actor_scope', actor_scope, 'actor_name', actor_name,"                                   \
         "'reason', body->>'reason', 'note', body->>'note',"                                       \
         "'applied', (body->>'applied')::boolean, 'refused_why', body->>'refused_why',"            \
         "'cause_event_id', body->>'cause_event_id'")

/* Supplements count too: they move no incident_seq. */
#define FIND                                                                                       \
    "SELECT i.incident_id, i.enterprise_id, i.drill, i.incident_seq + (SELECT count(*)"            \
    " FROM analytics.timeline t WHERE t.incident_id = i.incident_id"                               \
    " AND t.type = 'report.supplemented') FROM analytics.incident i "

static const struct db_statement statements[] = {
    {"find_by_id", FIND "WHERE i.incident_id = $1::uuid"},
    {"find_by_reference", FIND "WHERE i.reference = $1::text"},
    {"view",
     "SELECT json_build_object("
     "'incident_id', i.incident_id, 'reference', i.reference,"
     "'enterprise', json_build_object('code', i.enterprise_code, 'name', i.enterprise_name),"
     "'state', i.state, 'category', i.category, 'level', i.level, 'drill', i.drill,"
     "'summary', i.summary, 'incident_seq', i.incident_seq,"
     "'discovered_at', " TIME("i.discovered_at") ", 'received_at', " TIME("i.received_at") ","
     "'grade', " GRADE ", 'reasons', coalesce(c.reasons, '[]'), 'clocks', " CLOCKS ","
     "'escalations', " ESCALATIONS ", 'notifications', " NOTIFICATIONS ","
     "'timeline', " TIMELINE
     ") FROM analytics.incident i LEFT JOIN LATERAL ("
     " SELECT * FROM analytics.classification WHERE incident_id = i.incident_id"
     " ORDER BY revision DESC, decided_at LIMIT 1) c ON true"
     " WHERE i.incident_id = $1::uuid"},
};
// clang-format on

bool store_open(struct store **ret, const char *pg, struct err *err)
{
    struct db_conf conf = {.conninfo = pg,
                           .application_name = "tongbao-intake",
                           .statements = statements,
                           .statements_n = ARRAY_LEN(statements)};
    AUTO(auto_store) struct store *store = calloc(1, sizeof(*store));

    if (!store)
        return err_memory(err);
    if (!db_open(&store->db, &conf, err))
        return false;
    *ret = TAKE(store);
    return true;
}

void store_close(struct store *store)
{
    if (!store)
        return;
    db_close(store->db);
    free(store);
}

enum store_answer store_find(struct store *store, const struct incident_name *name,
                             struct target *ret, struct err *err)
{
    bool by_id = id_is_set(&name->id);
    AUTO(auto_result) PGresult *res = NULL;
    struct db_args args = {.n = 0};
    struct target target = {0};

    db_arg_text(&args, by_id ? name->id.text : name->reference);
    if (!ask(store->db, by_id ? "find_by_id" : "find_by_reference", &args, FIND_DEADLINE_MS, &res,
             err))
        return STORE_AWAY;
    if (PQntuples(res) != 1) /* two incidents of one reference: neither is meant for sure */
        return STORE_UNKNOWN;
    if (!id_set(&target.incident_id, PQgetvalue(res, 0, 0), ID_TEXT_LEN) ||
        !id_set(&target.enterprise_id, PQgetvalue(res, 0, 1), ID_TEXT_LEN))
        return STORE_UNKNOWN;
    target.drill = db_bool(res, 0, 2);
    target.state_n = db_int(res, 0, 3);
    *ret = target;
    return STORE_FOUND;
}

enum store_answer store_view(struct store *store, const struct id *incident_id, struct buf *out,
                             struct err *err)
{
    AUTO(auto_result) PGresult *res = NULL;
    struct db_args args = {.n = 0};

    buf_reset(out);
    db_arg_text(&args, incident_id->text);
    if (!ask(store->db, "view", &args, VIEW_DEADLINE_MS, &res, err))
        return STORE_AWAY;
    if (PQntuples(res) != 1)
        return STORE_UNKNOWN;
    if (!buf_add(out, PQgetvalue(res, 0, 0), (size_t)PQgetlength(res, 0, 0)) ||
        !buf_char(out, '\n')) {
        err_set(err, ERR_TRANSIENT, "the incident's document is too large");
        return STORE_AWAY;
    }
    return STORE_FOUND;
}
