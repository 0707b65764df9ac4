/*
 * admin - creates topics, and checks that they are what the table says.
 *
 * Settings    cleanup.policy=delete, message.timestamp.type=LogAppendTime, retention and size from
 *             the table. With fewer than three brokers: replication 1 (2), and flush.messages=1, so
 *             that an ack means "on disk". With three or more: replication 3,
 *             min.insync.replicas=2.
 * Threads     Any; each call opens its own client.
 */
#ifndef COMMON_KAFKA_ADMIN_H
#define COMMON_KAFKA_ADMIN_H

#include <stddef.h>

#include "common/base/topic.h"
#include "common/kafka/client.h"

/* Creates those that are missing; existing ones are left as they are. `ret_created` (may be NULL)
 * counts. */
bool topics_ensure(const struct kafka_conf *conf, const struct topic *topics, size_t n,
                   size_t *ret_created, struct err *err) MUST_CHECK;

/* ERR_CONFIG: the first topic that is missing, or has another number of partitions, timestamp type,
 * retention below the table's, or (by the number of brokers) too little durability; says which
 * command mends it. ERR_TRANSIENT: no broker. */
bool topics_check(const struct kafka_conf *conf, const struct topic *topics, size_t n,
                  struct err *err) MUST_CHECK;

#endif
