/*
 * log - one JSON object per line on standard error.
 *
 *     log_at(LOG_WARN, "record dead-lettered", log_str("topic", topic), log_int("offset", offset));
 *     {"time":"2026-11-22T03:00:00.000Z","level":"warn","service":"classifier","instance":"a",
 *      "message":"record dead-lettered","topic":"…","offset":7}               (on one line)
 *
 * Threads     From any; one write(2) per line, so lines never mix. log_open() before other threads.
 * Bounds      A line is at most 4 KiB (what a pipe takes in one piece), a value 1 KiB; a longer one
 *             is cut at a character's boundary and "cut":true is added.
 * Bytes       that are not UTF-8 are shown as U+FFFD: a line is always valid JSON.
 * Errors      None: a line that cannot be written is lost. errno is kept.
 * Never       bodies, keys, tokens, addresses of people, or a driver's DETAIL text.
 * Keys        are the event's own field names: incident_id, enterprise_id, event_id, topic,
 *             partition, offset.
 */
#ifndef COMMON_BASE_LOG_H
#define COMMON_BASE_LOG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/base/err.h"

enum log_level { LOG_DEBUG, LOG_INFO, LOG_WARN, LOG_ERROR };

struct log_field {
    const char *key;
    const char *text; /* NULL: the number counts */
    int64_t number;
};

static inline struct log_field log_str(const char *key, const char *text)
{
    return (struct log_field){.key = key, .text = text ? text : ""};
}
static inline struct log_field log_int(const char *key, int64_t number)
{
    return (struct log_field){.key = key, .number = number};
}

/* Names the process; called once at start (conf_load does). Lines below `least` are dropped. No
 * instance: "" or NULL. Before it the service is "tongbao" and `least` is LOG_INFO. */
void log_open(const char *service, const char *instance, enum log_level least);

void log_write(enum log_level level, const char *message, const struct log_field *fields, size_t n);

#define log_at(level, message, ...)                                                                \
    log_write((level), (message), (const struct log_field[]){__VA_ARGS__},                         \
              sizeof((const struct log_field[]){__VA_ARGS__}) / sizeof(struct log_field))
#define log_plain(level, message) log_write((level), (message), NULL, 0)

/* The one place where an error that nobody is left to return to is written. */
void log_err(enum log_level level, const char *doing, const struct err *err);

#endif
