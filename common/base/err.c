#include "common/base/err.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "common/base/utf8.h"

/* Copies and cuts at a character's boundary. `to` must not overlap `from`. */
static void copy_cut(char *to, size_t to_size, const char *from)
{
    size_t len = utf8_cut(from, strlen(from), to_size - 1);

    memcpy(to, from, len);
    to[len] = '\0';
}

/* Formats aside first: an argument may be err->text itself. A text that vsnprintf() had to cut is
 * one byte longer than `err->text` takes, so copy_cut() sees it and finds the boundary. */
__attribute__((format(printf, 2, 0))) static void set_text(struct err *err, const char *fmt,
                                                           va_list args, const char *tail)
{
    char text[sizeof(err->text) + 1];
    int head_len = vsnprintf(text, sizeof(text), fmt, args);

    if (head_len < 0)
        head_len = 0;
    text[head_len < (int)sizeof(text) ? head_len : (int)sizeof(text) - 1] = '\0';
    if (tail && head_len < (int)sizeof(text))
        (void)snprintf(text + head_len, sizeof(text) - (size_t)head_len, ": %s", tail);
    copy_cut(err->text, sizeof(err->text), text);
}

bool err_set(struct err *err, enum err_kind kind, const char *fmt, ...)
{
    va_list args;

    if (!err)
        return false;
    va_start(args, fmt);
    set_text(err, fmt, args, NULL);
    va_end(args);
    err->kind = kind;
    err->pointer[0] = '\0';
    return false;
}

bool err_wrap(struct err *err, const char *fmt, ...)
{
    va_list args;

    if (!err)
        return false;
    va_start(args, fmt);
    set_text(err, fmt, args, err->text);
    va_end(args);
    return false;
}

bool err_at(struct err *err, const char *pointer, const char *fmt, ...)
{
    char at[sizeof(err->pointer)];
    va_list args;

    if (!err)
        return false;
    copy_cut(at, sizeof(at), pointer); /* `pointer` may be err->pointer */
    va_start(args, fmt);
    set_text(err, fmt, args, NULL);
    va_end(args);
    err->kind = ERR_INPUT;
    memcpy(err->pointer, at, sizeof(at));
    return false;
}

bool err_under(struct err *err, const char *fmt, ...)
{
    char pointer[2 * sizeof(err->pointer)];
    va_list args;
    int len;

    if (!err)
        return false;
    va_start(args, fmt);
    len = vsnprintf(pointer, sizeof(err->pointer), fmt, args);
    va_end(args);
    if (len < 0 || (size_t)len >= sizeof(err->pointer))
        len = len < 0 ? 0 : (int)sizeof(err->pointer) - 1;
    (void)snprintf(pointer + len, sizeof(pointer) - (size_t)len, "%s", err->pointer);
    copy_cut(err->pointer, sizeof(err->pointer), pointer);
    return false;
}

bool err_memory(struct err *err)
{
    return err_set(err, ERR_FATAL, "out of memory");
}

const char *err_kind_name(enum err_kind kind)
{
    switch (kind) {
    case ERR_NONE:
        return "none";
    case ERR_TRANSIENT:
        return "transient";
    case ERR_INPUT:
        return "input";
    case ERR_CONFIG:
        return "config";
    case ERR_FATAL:
        return "fatal";
    }
    return "unknown";
}

int err_exit_code(const struct err *err)
{
    return err && err->kind == ERR_CONFIG ? 78 : 1;
}
