#include "common/kafka/client.h"

#include <string.h>

#include "common/base/clock.h"
#include "common/base/log.h"

DEFINE_AUTO(auto_rk_conf, rd_kafka_conf_t, rd_kafka_conf_destroy)

static bool is_secret(const char *key)
{
    return strstr(key, "password") || strstr(key, "secret") || strstr(key, "pem") ||
           strstr(key, "oauthbearer");
}

bool kafka_set(rd_kafka_conf_t *rk_conf, const char *key, const char *value, struct err *err)
{
    char why[256];

    if (rd_kafka_conf_set(rk_conf, key, value, why, sizeof(why)) == RD_KAFKA_CONF_OK)
        return true;
    return err_set(err, ERR_CONFIG, "Kafka property %s%s%s: %s", key, is_secret(key) ? "" : "=",
                   is_secret(key) ? "" : value, is_secret(key) ? "refused" : why);
}

/* One "key=value" of the passed-through list; blanks around both are dropped. */
static bool set_passed(rd_kafka_conf_t *rk_conf, char *pair, struct err *err)
{
    char *value = strchr(pair, '=');
    char *end;

    pair += strspn(pair, " \t\r");
    if (*pair == '\0' || *pair == '#')
        return true;
    if (!value)
        return err_set(err, ERR_CONFIG,
                       "kafka_properties: \"%.40s\" is not KEY=VALUE; separate properties by new "
                       "lines or semicolons",
                       pair);
    for (end = value; end > pair && strchr(" \t", end[-1]); end--)
        ;
    *end = '\0';
    value++;
    value += strspn(value, " \t");
    for (end = value + strlen(value); end > value && strchr(" \t\r", end[-1]); end--)
        ;
    *end = '\0';
    return kafka_set(rk_conf, pair, value, err);
}

static bool set_all_passed(rd_kafka_conf_t *rk_conf, const char *properties, struct err *err)
{
    AUTO(auto_free) char *copy = strdup(properties);
    char *rest = copy, *pair;

    if (!copy)
        return err_memory(err);
    while ((pair = strsep(&rest, "\n;")))
        if (!set_passed(rk_conf, pair, err))
            return false;
    return true;
}

/* librdkafka's levels are syslog's. "Coordinator load in progress" is normal on a young broker. */
static void on_log(const rd_kafka_t *rk, int level, const char *facility, const char *text)
{
    enum log_level ours = level <= 3 ? LOG_ERROR : level <= 4 ? LOG_WARN : LOG_INFO;

    if (ours > LOG_INFO && (strstr(text, "load in progress") || strstr(text, "Connection refused")))
        ours = LOG_INFO;
    log_at(ours, "kafka", log_str("client", rk ? rd_kafka_name(rk) : ""),
           log_str("facility", facility), log_str("detail", text));
}

bool kafka_conf_new(rd_kafka_conf_t **ret, const struct kafka_conf *conf, struct err *err)
{
    AUTO(auto_rk_conf) rd_kafka_conf_t *rk_conf = rd_kafka_conf_new();

    if (!kafka_set(rk_conf, "bootstrap.servers", conf->brokers, err) ||
        (conf->client_id && !kafka_set(rk_conf, "client.id", conf->client_id, err)) ||
        !kafka_set(rk_conf, "socket.nagle.disable", "true", err) ||
        !kafka_set(rk_conf, "socket.keepalive.enable", "true", err) ||
        !kafka_set(rk_conf, "reconnect.backoff.max.ms", "2000", err) ||
        !kafka_set(rk_conf, "log.connection.close", "false", err) ||
        (conf->properties && !set_all_passed(rk_conf, conf->properties, err)))
        return false;
    rd_kafka_conf_set_log_cb(rk_conf, on_log);
    *ret = TAKE(rk_conf);
    return true;
}

bool kafka_new(rd_kafka_t **ret, rd_kafka_type_t type, rd_kafka_conf_t *rk_conf, struct err *err)
{
    char why[256];
    rd_kafka_t *rk = rd_kafka_new(type, rk_conf, why, sizeof(why));

    if (!rk) {
        rd_kafka_conf_destroy(rk_conf);
        return err_set(err, ERR_CONFIG, "Kafka client: %s", why);
    }
    *ret = rk;
    return true;
}

static bool warm_one(rd_kafka_t *rk, const char *topic, int64_t timeout_ms, struct err *err)
{
    rd_kafka_topic_t *rkt = rd_kafka_topic_new(rk, topic, NULL);
    const struct rd_kafka_metadata *metadata = NULL;
    rd_kafka_resp_err_t rc;
    bool ok = true;

    if (!rkt)
        return err_set(err, ERR_TRANSIENT, "topic %s: %s", topic,
                       rd_kafka_err2str(rd_kafka_last_error()));
    rc = rd_kafka_metadata(rk, 0, rkt, &metadata, (int)timeout_ms);
    if (rc)
        ok = err_set(err, ERR_TRANSIENT, "no Kafka broker answers: %s", rd_kafka_err2str(rc));
    else if (metadata->topic_cnt != 1 || metadata->topics[0].err)
        ok = err_set(err,
                     metadata->topics[0].err == RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART
                         ? ERR_CONFIG
                         : ERR_TRANSIENT,
                     "topic %s: %s (create it: tongbao topics create)", topic,
                     rd_kafka_err2str(metadata->topics[0].err));
    if (metadata)
        rd_kafka_metadata_destroy(metadata);
    rd_kafka_topic_destroy(rkt);
    return ok;
}

bool kafka_warm(rd_kafka_t *rk, const char *const *names, size_t n, int64_t timeout_ms,
                struct err *err)
{
    int64_t until_ms = clock_mono_ms() + timeout_ms;

    for (size_t i = 0; i < n; i++) {
        int64_t left_ms = until_ms - clock_mono_ms();

        if (!warm_one(rk, names[i], left_ms > 100 ? left_ms : 100, err))
            return false;
    }
    return true;
}
