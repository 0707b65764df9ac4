/* `tongbao offsets accept`: a gap that retention left is accepted, and the group goes on behind it
 * (hard case 6). */
#include <stdio.h>
#include <string.h>

#include "proto/event.h"
#include "services/ctl/command.h"
#include "services/ctl/output.h"
#include "services/ctl/sql.h"

enum { TIMEOUT_MS = 10000 };

static const struct column columns[] = {{"topic", "topic"},
                                        {"partition", "partition"},
                                        {"from_offset", "from"},
                                        {"to_offset", "goes on at"}};

static const char *const sink_schemas[] = {"classifier", "escalator", "notifier", "archive"};

/* ---- groups that keep their offsets in PostgreSQL */

static bool accept_in(struct db *db, const char *schema, const char *group, json_t *rows,
                      struct err *err)
{
    AUTO(auto_result) PGresult *res = NULL;
    struct db_args args = {.n = 0};
    char sql[1024];

    (void)snprintf(sql, sizeof(sql),
                   "WITH gap AS (UPDATE %s.kafka_gap SET accepted_at = clock_timestamp()"
                   "  WHERE consumer_group = $1 AND accepted_at IS NULL RETURNING *),"
                   " moved AS (UPDATE %s.kafka_offset o SET next_offset = g.to_offset,"
                   "  last_event_id = NULL, starts = 0 FROM gap g"
                   "  WHERE o.consumer_group = g.consumer_group AND o.topic = g.topic"
                   "  AND o.partition = g.partition AND o.next_offset >= g.from_offset"
                   "  AND o.next_offset < g.to_offset RETURNING 1)"
                   " SELECT topic, partition, from_offset, to_offset FROM gap",
                   schema, schema);
    db_arg_text(&args, group);
    if (!sql_run(db, sql, &args, &res, err))
        return err_wrap(err, "schema %s", schema);
    for (int i = 0; i < PQntuples(res); i++)
        json_array_append_new(rows, json_pack("{sssIsIsI}", "topic", PQgetvalue(res, i, 0),
                                              "partition", (json_int_t)db_int(res, i, 1),
                                              "from_offset", (json_int_t)db_int(res, i, 2),
                                              "to_offset", (json_int_t)db_int(res, i, 3)));
    return true;
}

static bool accept_sinks(const struct ctl_conf *conf, json_t *rows, struct err *err)
{
    AUTO(auto_db) struct db *db = NULL;

    if (!sql_open(&db, conf->pg, err) || !db_begin(db, err))
        return false;
    for (size_t i = 0; i < ARRAY_LEN(sink_schemas); i++)
        if (!accept_in(db, sink_schemas[i], conf->group, rows, err))
            return false;
    return db_commit(db, err);
}

/* ---- groups that keep them in Kafka (pipes) */

DEFINE_AUTO(auto_kafka, rd_kafka_t, rd_kafka_destroy)

static bool group_open(rd_kafka_t **ret, const struct ctl_conf *conf, struct err *err)
{
    struct kafka_conf kafka = ctl_kafka(conf);
    rd_kafka_conf_t *rk_conf = NULL;

    if (!kafka_conf_new(&rk_conf, &kafka, err))
        return false;
    if (!kafka_set(rk_conf, "group.id", conf->group, err) ||
        !kafka_set(rk_conf, "enable.auto.commit", "false", err)) {
        rd_kafka_conf_destroy(rk_conf);
        return false;
    }
    return kafka_new(ret, RD_KAFKA_CONSUMER, rk_conf, err);
}

/* Committed offsets below the beginning of their log are moved there. */
static bool move_committed(rd_kafka_t *rk, rd_kafka_topic_partition_list_t *parts, json_t *rows,
                           struct err *err)
{
    AUTO(auto_partitions)
    rd_kafka_topic_partition_list_t *moved = rd_kafka_topic_partition_list_new(parts->cnt);
    rd_kafka_resp_err_t rc = rd_kafka_committed(rk, parts, TIMEOUT_MS);

    for (int i = 0; !rc && i < parts->cnt; i++) {
        const rd_kafka_topic_partition_t *at = &parts->elems[i];
        int64_t low = 0, high = 0, from = at->offset < 0 ? 0 : at->offset;

        rc =
            rd_kafka_query_watermark_offsets(rk, at->topic, at->partition, &low, &high, TIMEOUT_MS);
        if (rc || from >= low)
            continue;
        rd_kafka_topic_partition_list_add(moved, at->topic, at->partition)->offset = low;
        json_array_append_new(rows, json_pack("{sssIsIsI}", "topic", at->topic, "partition",
                                              (json_int_t)at->partition, "from_offset",
                                              (json_int_t)from, "to_offset", (json_int_t)low));
    }
    if (!rc && moved->cnt > 0)
        rc = rd_kafka_commit(rk, moved, 0);
    return !rc ||
           err_set(err, ERR_TRANSIENT,
                   "%s; while the group's service runs, or stopped less than 10 s ago, Kafka "
                   "refuses this: stop it and try again",
                   rd_kafka_err2str(rc));
}

static bool accept_pipe(const struct ctl_conf *conf, json_t *rows, struct err *err)
{
    AUTO(auto_kafka) rd_kafka_t *rk = NULL;
    AUTO(auto_partitions)
    rd_kafka_topic_partition_list_t *parts =
        rd_kafka_topic_partition_list_new(topics[TOPIC_REPORT].partitions);
    bool ok;

    if (!group_open(&rk, conf, err))
        return false;
    (void)rd_kafka_poll_set_consumer(rk);
    rd_kafka_topic_partition_list_add_range(parts, topics[TOPIC_REPORT].name, 0,
                                            topics[TOPIC_REPORT].partitions - 1);
    ok = move_committed(rk, parts, rows, err);
    (void)rd_kafka_consumer_close(rk);
    return ok;
}

bool offsets_accept(const struct ctl_conf *conf, char **args, struct err *err)
{
    AUTO(auto_json) json_t *rows = json_array();

    (void)args;
    if (!*conf->group)
        return err_set(err, ERR_CONFIG, "--group is needed: the stopped service's error names it");
    if (strcmp(conf->group, "classifier.grade") == 0 ? !accept_pipe(conf, rows, err)
                                                     : !accept_sinks(conf, rows, err))
        return false;
    if (json_array_size(rows) == 0)
        return err_set(err, ERR_INPUT, "the group %s has no gap that waits to be accepted",
                       conf->group);
    if (conf->json)
        output_json(stdout, rows);
    else
        output_table(stdout, rows, columns, ARRAY_LEN(columns));
    return true;
}
