#include "common/base/log.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "common/base/buf.h"
#include "common/base/clock.h"
#include "common/base/utf8.h"

enum {
    LINE_MAX_BYTES = 4096, /* PIPE_BUF: one write of this size is not split, also on a pipe */
    VALUE_MAX_BYTES = 1024,
    TAIL_MAX_BYTES = sizeof(",\"cut\":true}\n"), /* kept free for the end of the line */
};

static struct {
    char service[64], instance[128];
    enum log_level least;
} process = {.service = "tongbao", .least = LOG_INFO};

/* On the stack: a process that is out of memory can still say so. */
struct line {
    char text[LINE_MAX_BYTES];
    size_t len;
    bool cut;
};

void log_open(const char *service, const char *instance, enum log_level least)
{
    (void)snprintf(process.service, sizeof(process.service), "%s", service);
    (void)snprintf(process.instance, sizeof(process.instance), "%s", instance ? instance : "");
    process.least = least;
}

static bool line_add(struct line *l, const char *data, size_t len, size_t limit)
{
    if (l->len + len > limit) {
        l->cut = true;
        return false;
    }
    memcpy(l->text + l->len, data, len);
    l->len += len;
    return true;
}

/* A JSON string without its quotes. What is not UTF-8 (a peer's bytes) becomes U+FFFD. */
static void line_escape(struct line *l, const char *text, size_t limit)
{
    size_t len = strnlen(text, VALUE_MAX_BYTES + 1); /* escaping only makes it longer */
    size_t valid = utf8_valid_prefix(text, len);

    for (size_t i = 0; i < len;) {
        char escaped[BUF_JSON_BYTE_MAX];
        size_t n = 1;

        if (i == valid) {
            if (!line_add(l, "\xEF\xBF\xBD", 3, limit))
                return;
            i++;
            valid = i + utf8_valid_prefix(text + i, len - i);
            continue;
        }
        while (i + n < valid && ((unsigned char)text[i + n] & 0xC0) == 0x80)
            n++; /* a character goes in whole or not at all */
        if (n > 1 ? !line_add(l, text + i, n, limit)
                  : !line_add(l, escaped, buf_json_byte(escaped, (uint8_t)text[i]), limit))
            return;
        i += n;
    }
}

/* Where the text of a line must end, but for a closing quote, so that the tail still fits. */
enum { ROOM = LINE_MAX_BYTES - TAIL_MAX_BYTES - 1 };

static bool line_key(struct line *l, const char *key)
{
    size_t before = l->len;

    if (line_add(l, before ? ",\"" : "{\"", 2, ROOM)) {
        line_escape(l, key, ROOM);
        if (line_add(l, "\":", 2, ROOM))
            return true;
    }
    l->len = before;
    return false;
}

/* A field goes in whole, with a shortened value, or (when not even its key fits) not at all. */
static void line_text(struct line *l, const char *key, const char *text)
{
    size_t before = l->len, limit;

    if (!line_key(l, key))
        return;
    if (!line_add(l, "\"", 1, ROOM)) {
        l->len = before;
        return;
    }
    limit = l->len + VALUE_MAX_BYTES;
    line_escape(l, text, limit < ROOM ? limit : ROOM);
    l->text[l->len++] = '"';
}

static void line_number(struct line *l, const char *key, int64_t number)
{
    char digits[24];
    size_t before = l->len;
    int len = snprintf(digits, sizeof(digits), "%" PRId64, number);

    if (line_key(l, key) && !line_add(l, digits, (size_t)len, ROOM))
        l->len = before;
}

static void line_write(const struct line *l)
{
    for (size_t done = 0; done < l->len;) {
        ssize_t n = write(STDERR_FILENO, l->text + done, l->len - done);

        if (n < 0 && errno != EINTR)
            return; /* nobody is left to tell */
        done += n > 0 ? (size_t)n : 0;
    }
}

void log_write(enum log_level level, const char *message, const struct log_field *fields, size_t n)
{
    static const char *const names[] = {"debug", "info", "warn", "error"};
    int errno_before = errno;
    char now[CLOCK_TEXT_MAX];
    struct line l = {.len = 0};

    if (level < process.least)
        return;
    clock_format_utc(now, clock_wall_ms());
    line_text(&l, "time", now);
    line_text(&l, "level", names[level]);
    line_text(&l, "service", process.service);
    if (process.instance[0])
        line_text(&l, "instance", process.instance);
    line_text(&l, "message", message);
    for (size_t i = 0; i < n; i++) {
        if (fields[i].text)
            line_text(&l, fields[i].key, fields[i].text);
        else
            line_number(&l, fields[i].key, fields[i].number);
    }
    if (l.cut)
        (void)line_add(&l, ",\"cut\":true", strlen(",\"cut\":true"), LINE_MAX_BYTES);
    (void)line_add(&l, "}\n", 2, LINE_MAX_BYTES);
    line_write(&l);
    errno = errno_before;
}

void log_err(enum log_level level, const char *doing, const struct err *err)
{
    const char *kind = err_kind_name(err->kind);

    if (err->pointer[0])
        log_at(level, doing, log_str("kind", kind), log_str("error", err->text),
               log_str("pointer", err->pointer));
    else
        log_at(level, doing, log_str("kind", kind), log_str("error", err->text));
}
