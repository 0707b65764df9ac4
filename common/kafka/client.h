/*
 * client - what every Kafka client of ours has in common: addresses, passed-through properties,
 * logs as JSON lines.
 *
 * Errors      ERR_CONFIG names the property, its value's problem and librdkafka's own word on it.
 *             Values of properties that hold secrets (password, key, secret) never appear.
 */
#ifndef COMMON_KAFKA_CLIENT_H
#define COMMON_KAFKA_CLIENT_H

#include <librdkafka/rdkafka.h>
#include <stdbool.h>
#include <stdint.h>

#include "common/base/cleanup.h"
#include "common/base/err.h"

struct kafka_conf {
    const char *brokers;
    const char *properties; /* may be NULL or empty */
    const char *client_id;  /* "intake-a": seen in the broker's logs */
};

/* A new librdkafka configuration with the common settings; the caller sets the rest with
 * kafka_set() and gives it to rd_kafka_new(). */
bool kafka_conf_new(rd_kafka_conf_t **ret, const struct kafka_conf *conf,
                    struct err *err) MUST_CHECK;
bool kafka_set(rd_kafka_conf_t *rk_conf, const char *key, const char *value,
               struct err *err) MUST_CHECK;

/* rd_kafka_new(); takes ownership of rk_conf in all cases. */
bool kafka_new(rd_kafka_t **ret, rd_kafka_type_t type, rd_kafka_conf_t *rk_conf,
               struct err *err) MUST_CHECK;

/* Asks for the metadata of the topics, so that the first record finds warm connections.
 * ERR_TRANSIENT: broker away; ERR_CONFIG: a topic is missing. */
bool kafka_warm(rd_kafka_t *rk, const char *const *topics, size_t n, int64_t timeout_ms,
                struct err *err) MUST_CHECK;

DEFINE_AUTO(auto_message, rd_kafka_message_t, rd_kafka_message_destroy)
DEFINE_AUTO(auto_partitions, rd_kafka_topic_partition_list_t, rd_kafka_topic_partition_list_destroy)

#endif
