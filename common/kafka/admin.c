#include "common/kafka/admin.h"

#include <stdio.h>
#include <string.h>

#define ADMIN_TIMEOUT_MS 20000

DEFINE_AUTO(auto_queue, rd_kafka_queue_t, rd_kafka_queue_destroy)
DEFINE_AUTO(auto_event_rk, rd_kafka_event_t, rd_kafka_event_destroy)
DEFINE_AUTO(auto_metadata, const struct rd_kafka_metadata, rd_kafka_metadata_destroy)
DEFINE_AUTO(auto_client, rd_kafka_t, rd_kafka_destroy)

static bool admin_open(rd_kafka_t **ret, const struct kafka_conf *conf, struct err *err)
{
    rd_kafka_conf_t *rk_conf = NULL;

    return kafka_conf_new(&rk_conf, conf, err) && kafka_new(ret, RD_KAFKA_PRODUCER, rk_conf, err);
}

static bool cluster_read(rd_kafka_t *rk, const struct rd_kafka_metadata **ret, struct err *err)
{
    rd_kafka_resp_err_t rc = rd_kafka_metadata(rk, 1, NULL, ret, ADMIN_TIMEOUT_MS);

    return !rc || err_set(err, ERR_TRANSIENT, "no Kafka broker answers: %s", rd_kafka_err2str(rc));
}

static const struct rd_kafka_metadata_topic *find(const struct rd_kafka_metadata *cluster,
                                                  const char *name)
{
    for (int i = 0; i < cluster->topic_cnt; i++)
        if (strcmp(cluster->topics[i].topic, name) == 0 &&
            cluster->topics[i].err != RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART)
            return &cluster->topics[i];
    return NULL;
}

struct setting {
    const char *name;
    char value[24];
};

/* What a topic of ours is told; returns how many settings there are. */
static size_t settings_of(struct setting s[8], const struct topic *topic, bool is_replicated)
{
    size_t n = 0;

    s[n++] = (struct setting){"cleanup.policy", "delete"};
    s[n++] = (struct setting){"message.timestamp.type", "LogAppendTime"};
    s[n] = (struct setting){.name = "retention.ms"};
    snprintf(s[n++].value, sizeof(s->value), "%lld", (long long)topic->retention_ms);
    s[n] = (struct setting){.name = "max.message.bytes"};
    snprintf(s[n++].value, sizeof(s->value), "%lld", (long long)topic->max_message_bytes);
    if (is_replicated)
        s[n++] = (struct setting){"min.insync.replicas", "2"};
    if (!is_replicated) { /* each record is on the disk before it is acknowledged; the index is
                             rarely touched, for it is flushed with it */
        s[n++] = (struct setting){"flush.messages", "1"};
        s[n++] = (struct setting){"index.interval.bytes", "65536"};
    }
    return n;
}

static rd_kafka_NewTopic_t *new_topic(const struct topic *topic, int brokers, struct err *err)
{
    char why[128];
    struct setting settings[8];
    rd_kafka_NewTopic_t *t = rd_kafka_NewTopic_new(topic->name, topic->partitions,
                                                   brokers >= 3   ? 3
                                                   : brokers == 2 ? 2
                                                                  : 1,
                                                   why, sizeof(why));

    if (!t) {
        err_set(err, ERR_CONFIG, "topic %s: %s", topic->name, why);
        return NULL;
    }
    for (size_t n = settings_of(settings, topic, brokers >= 3); n-- > 0;)
        rd_kafka_NewTopic_set_config(t, settings[n].name, settings[n].value);
    return t;
}

/* Waits for the answer to an admin request of the wanted kind. */
static bool admin_answer(rd_kafka_event_t **ret, rd_kafka_queue_t *queue, const char *doing,
                         struct err *err)
{
    AUTO(auto_event_rk) rd_kafka_event_t *event = rd_kafka_queue_poll(queue, ADMIN_TIMEOUT_MS);

    if (!event)
        return err_set(err, ERR_TRANSIENT, "%s: no answer from Kafka within %d s", doing,
                       ADMIN_TIMEOUT_MS / 1000);
    if (rd_kafka_event_error(event))
        return err_set(err, ERR_TRANSIENT, "%s: %s", doing, rd_kafka_event_error_string(event));
    *ret = TAKE(event);
    return true;
}

static bool create(rd_kafka_t *rk, rd_kafka_NewTopic_t **wanted, size_t n, struct err *err)
{
    AUTO(auto_queue) rd_kafka_queue_t *queue = rd_kafka_queue_new(rk);
    AUTO(auto_event_rk) rd_kafka_event_t *event = NULL;
    const rd_kafka_topic_result_t **results;
    size_t results_n = 0;

    rd_kafka_CreateTopics(rk, wanted, n, NULL, queue);
    if (!admin_answer(&event, queue, "create topics", err))
        return false;
    results =
        rd_kafka_CreateTopics_result_topics(rd_kafka_event_CreateTopics_result(event), &results_n);
    for (size_t i = 0; i < results_n; i++) {
        rd_kafka_resp_err_t rc = rd_kafka_topic_result_error(results[i]);

        if (rc && rc != RD_KAFKA_RESP_ERR_TOPIC_ALREADY_EXISTS)
            return err_set(err, ERR_CONFIG, "create topic %s: %s",
                           rd_kafka_topic_result_name(results[i]),
                           rd_kafka_topic_result_error_string(results[i]));
    }
    return true;
}

bool topics_ensure(const struct kafka_conf *conf, const struct topic *topics, size_t n,
                   size_t *ret_created, struct err *err)
{
    AUTO(auto_client) rd_kafka_t *rk = NULL;
    AUTO(auto_metadata) const struct rd_kafka_metadata *cluster = NULL;
    rd_kafka_NewTopic_t *wanted[32];
    size_t wanted_n = 0;
    bool ok = true;

    if (!admin_open(&rk, conf, err) || !cluster_read(rk, &cluster, err))
        return false;
    for (size_t i = 0; ok && i < n && wanted_n < ARRAY_LEN(wanted); i++) {
        if (find(cluster, topics[i].name))
            continue;
        wanted[wanted_n] = new_topic(&topics[i], cluster->broker_cnt, err);
        ok = wanted[wanted_n] != NULL;
        wanted_n += ok;
    }
    if (ok && wanted_n > 0)
        ok = create(rk, wanted, wanted_n, err);
    rd_kafka_NewTopic_destroy_array(wanted, wanted_n);
    if (ok && ret_created)
        *ret_created = wanted_n;
    return ok;
}

/* ---- checking */

static const char *value_of(const rd_kafka_ConfigResource_t *resource, const char *name)
{
    size_t n = 0;
    const rd_kafka_ConfigEntry_t **entries = rd_kafka_ConfigResource_configs(resource, &n);

    for (size_t i = 0; i < n; i++)
        if (strcmp(rd_kafka_ConfigEntry_name(entries[i]), name) == 0)
            return rd_kafka_ConfigEntry_value(entries[i]);
    return "";
}

static bool check_shape(const struct topic *want, const struct rd_kafka_metadata *cluster,
                        struct err *err)
{
    const struct rd_kafka_metadata_topic *have = find(cluster, want->name);

    if (!have)
        return err_set(err, ERR_CONFIG, "topic %s is missing: run `tongbao topics create`",
                       want->name);
    if (have->err || have->partition_cnt == 0)
        return err_set(err, ERR_TRANSIENT, "topic %s: %s", want->name, rd_kafka_err2str(have->err));
    if (have->partition_cnt != want->partitions)
        return err_set(err, ERR_CONFIG,
                       "topic %s has %d partitions, not %d: partitions never change, because one "
                       "incident stays in one; a topic of another size needs a new name",
                       want->name, have->partition_cnt, want->partitions);
    if (cluster->broker_cnt >= 3 && have->partitions[0].replica_cnt < 3)
        return err_set(err, ERR_CONFIG,
                       "topic %s has %d replicas on %d brokers, not 3: reassign its partitions "
                       "with kafka-reassign-partitions",
                       want->name, have->partitions[0].replica_cnt, cluster->broker_cnt);
    return true;
}

static bool check_settings(const struct topic *want, const rd_kafka_ConfigResource_t *have,
                           bool is_replicated, struct err *err)
{
    struct setting settings[8];
    size_t n = settings_of(settings, want, is_replicated);

    for (size_t i = 0; i < n; i++) {
        const char *value = value_of(have, settings[i].name);
        bool is_longer = strcmp(settings[i].name, "retention.ms") == 0 &&
                         (strcmp(value, "-1") == 0 ||
                          strtoll(value, NULL, 10) >= strtoll(settings[i].value, NULL, 10));

        if (strcmp(value, settings[i].value) != 0 && !is_longer)
            return err_set(err, ERR_CONFIG,
                           "topic %s has %s=%s, not %s: set it with kafka-configs --alter --topic "
                           "%s --add-config %s=%s",
                           want->name, settings[i].name, value, settings[i].value, want->name,
                           settings[i].name, settings[i].value);
    }
    return true;
}

static bool describe(rd_kafka_event_t **ret, rd_kafka_t *rk, rd_kafka_queue_t *queue,
                     const struct topic *topics, size_t n, struct err *err)
{
    rd_kafka_ConfigResource_t *resources[32];
    size_t asked = n < ARRAY_LEN(resources) ? n : ARRAY_LEN(resources);

    for (size_t i = 0; i < asked; i++)
        resources[i] = rd_kafka_ConfigResource_new(RD_KAFKA_RESOURCE_TOPIC, topics[i].name);
    rd_kafka_DescribeConfigs(rk, resources, asked, NULL, queue);
    rd_kafka_ConfigResource_destroy_array(resources, asked);
    return admin_answer(ret, queue, "describe topics", err);
}

bool topics_check(const struct kafka_conf *conf, const struct topic *topics, size_t n,
                  struct err *err)
{
    AUTO(auto_client) rd_kafka_t *rk = NULL;
    AUTO(auto_metadata) const struct rd_kafka_metadata *cluster = NULL;
    AUTO(auto_queue) rd_kafka_queue_t *queue = NULL;
    AUTO(auto_event_rk) rd_kafka_event_t *event = NULL;
    const rd_kafka_ConfigResource_t **have;
    size_t have_n = 0;

    if (!admin_open(&rk, conf, err) || !cluster_read(rk, &cluster, err))
        return false;
    for (size_t i = 0; i < n; i++)
        if (!check_shape(&topics[i], cluster, err))
            return false;
    queue = rd_kafka_queue_new(rk);
    if (!describe(&event, rk, queue, topics, n, err))
        return false;
    have = rd_kafka_DescribeConfigs_result_resources(rd_kafka_event_DescribeConfigs_result(event),
                                                     &have_n);
    for (size_t i = 0; i < n; i++)
        for (size_t j = 0; j < have_n; j++)
            if (strcmp(rd_kafka_ConfigResource_name(have[j]), topics[i].name) == 0 &&
                !check_settings(&topics[i], have[j], cluster->broker_cnt >= 3, err))
                return false;
    return true;
}
