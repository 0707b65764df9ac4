/*
 * buf - a byte buffer that grows up to the maximum it was born with.
 *
 * Threads     One at a time.
 * Ownership   The struct is the caller's; buf_done() frees what it holds.
 * Errors      Sticky: once an append fails (limit or memory) `failed` stays true and later appends
 *             do nothing, so a writer checks once at its end.
 * Bounds      `max` bytes. The data is always NUL-terminated behind `len` (data may be NULL when
 *             nothing was added: use buf_text()).
 */
#ifndef COMMON_BASE_BUF_H
#define COMMON_BASE_BUF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/base/cleanup.h"

struct buf {
    char *data;
    size_t len, cap, max;
    bool failed;
    bool no_memory; /* that is why; else it was the limit */
};

void buf_init(struct buf *b, size_t max);
void buf_done(struct buf *b);
void buf_reset(struct buf *b); /* empties it, keeps the memory, clears `failed` and its reason */

bool buf_add(struct buf *b, const void *data, size_t len);
bool buf_str(struct buf *b, const char *text); /* NULL adds nothing */
bool buf_char(struct buf *b, char c);
bool buf_printf(struct buf *b, const char *fmt, ...) PRINTF_LIKE(2, 3);

/* A JSON string with its quotes, escaped by RFC 8259 (and so RFC 8785); NULL adds null. The input
 * must be valid UTF-8. */
bool buf_json(struct buf *b, const char *text);
bool buf_json_n(struct buf *b, const char *text, size_t len);

/* One byte as it stands inside a JSON string; returns how many were written. Pure. */
#define BUF_JSON_BYTE_MAX 6
size_t buf_json_byte(char ret[BUF_JSON_BYTE_MAX], uint8_t byte);

/* The content as a C string, "" when empty. Borrowed until the next change. */
const char *buf_text(const struct buf *b);

/* Hands the content over (free() it); the buffer is empty afterwards. NULL when it failed. */
char *buf_take(struct buf *b, size_t *ret_len);

#endif
