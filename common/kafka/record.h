/* record - a Kafka record that is about to be sent. All pointers are borrowed. */
#ifndef COMMON_KAFKA_RECORD_H
#define COMMON_KAFKA_RECORD_H

#include <stdbool.h>
#include <stddef.h>

#define RECORD_HEADERS_MAX 16

struct record_header {
    const char *name, *value;
    size_t value_len;
};

struct record {
    const char *topic;
    const void *key;
    size_t key_len;
    const void *value;
    size_t value_len;
    struct record_header headers[RECORD_HEADERS_MAX];
    size_t headers_n;
};

/* Adds a header; value is NUL-terminated and borrowed. False: RECORD_HEADERS_MAX reached. */
bool record_header_add(struct record *rec, const char *name, const char *value);

/* Adds n of them. */
bool record_headers_add(struct record *rec, const char *const *names, const char *const *values,
                        size_t n);

#endif
