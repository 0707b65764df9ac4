/*
 * err - one error: what the caller does next, and a text that says what was wrong and where.
 *
 * Threads     A struct err belongs to one thread; no globals.
 * Ownership   A plain value, no destructor. A NULL `err` is allowed everywhere: nothing is stored.
 * Bounds      The text is cut at a character's boundary when it grows over its array.
 *
 * A function either returns an error or logs it, never both. See docs/style.md.
 */
#ifndef COMMON_BASE_ERR_H
#define COMMON_BASE_ERR_H

#include <stdbool.h>

#include "common/base/cleanup.h"

enum err_kind { /* named for what the caller does next: the only difference that matters */
                ERR_NONE,
                ERR_TRANSIENT, /* wait and repeat: broker away, deadlock, queue full */
                ERR_INPUT,     /* the sender's fault: answer 4xx, or dead-letter it  */
                ERR_CONFIG,    /* the operator's fault: refuse to start, exit 78     */
                ERR_FATAL,     /* ours, or no memory: exit and be restarted          */
};

struct err {
    enum err_kind kind;
    char
        pointer[128]; /* ERR_INPUT: JSON pointer (RFC 6901) of the value at fault; "" = the whole */
    char text[512];   /* outermost context first: "start: rules.json: rule 2: bad severity" */
};

/* Both return false, so a failing function ends in one statement. err_wrap() keeps kind and
 * pointer, and puts its text and ": " in front. */
bool err_set(struct err *err, enum err_kind kind, const char *fmt, ...) PRINTF_LIKE(3, 4);
bool err_wrap(struct err *err, const char *fmt, ...) PRINTF_LIKE(2, 3);

/* ERR_INPUT with the pointer at fault. Returns false. */
bool err_at(struct err *err, const char *pointer, const char *fmt, ...) PRINTF_LIKE(3, 4);

/* The value at fault lies inside another: puts that one's place in front of the pointer. Returns false. */
bool err_under(struct err *err, const char *fmt, ...) PRINTF_LIKE(2, 3);

/* ERR_FATAL "out of memory". Returns false. */
bool err_memory(struct err *err);

const char *err_kind_name(enum err_kind kind); /* "transient", "input", … */

/* The exit code of a process that ends with this error: 78 (EX_CONFIG) or 1. */
int err_exit_code(const struct err *err);

#endif
