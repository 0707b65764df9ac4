#include "common/base/buf.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

enum { FIRST_CAP = 256 };

void buf_init(struct buf *b, size_t max)
{
    *b = (struct buf){.max = max};
}

void buf_done(struct buf *b)
{
    free(b->data);
    *b = (struct buf){.max = b->max};
}

void buf_reset(struct buf *b)
{
    b->len = 0;
    b->failed = b->no_memory = false;
    if (b->data)
        b->data[0] = '\0';
}

/* Room for `more` bytes and the NUL behind them. */
static bool reserve(struct buf *b, size_t more)
{
    size_t need, cap;
    char *data;

    if (b->failed || more > b->max - b->len) {
        b->failed = true;
        return false;
    }
    need = b->len + more + 1;
    if (need <= b->cap)
        return true;
    cap = b->cap ? b->cap : FIRST_CAP;
    while (cap < need)
        cap *= 2;
    if (cap > b->max)
        cap = b->max + 1; /* need is at most this */
    data = realloc(b->data, cap);
    if (!data) {
        b->failed = b->no_memory = true;
        return false;
    }
    b->data = data;
    b->cap = cap;
    return true;
}

bool buf_add(struct buf *b, const void *data, size_t len)
{
    if (!reserve(b, len))
        return false;
    if (len > 0)
        memcpy(b->data + b->len, data, len);
    b->len += len;
    b->data[b->len] = '\0';
    return true;
}

bool buf_str(struct buf *b, const char *text)
{
    return text ? buf_add(b, text, strlen(text)) : !b->failed;
}

bool buf_char(struct buf *b, char c)
{
    return buf_add(b, &c, 1);
}

bool buf_printf(struct buf *b, const char *fmt, ...)
{
    va_list args;
    int len;

    va_start(args, fmt);
    len = vsnprintf(NULL, 0, fmt, args);
    va_end(args);
    if (len < 0) {
        b->failed = true;
        return false;
    }
    if (!reserve(b, (size_t)len))
        return false;
    va_start(args, fmt);
    (void)vsnprintf(b->data + b->len, (size_t)len + 1, fmt, args);
    va_end(args);
    b->len += (size_t)len;
    return true;
}

size_t buf_json_byte(char ret[BUF_JSON_BYTE_MAX], uint8_t byte)
{
    static const char hex[] = "0123456789abcdef";
    static const char names[] = {['\b'] = 'b', ['\t'] = 't', ['\n'] = 'n', ['\f'] = 'f',
                                 ['\r'] = 'r', ['"'] = '"',  ['\\'] = '\\'};

    if (byte < sizeof(names) && names[byte]) {
        ret[0] = '\\';
        ret[1] = names[byte];
        return 2;
    }
    if (byte >= 0x20) {
        ret[0] = (char)byte;
        return 1;
    }
    memcpy(ret, "\\u00", 4);
    ret[4] = hex[byte >> 4];
    ret[5] = hex[byte & 15];
    return 6;
}

#define ONES              UINT64_C(0x0101010101010101)
#define HAS_BELOW(v, n)   (((v)-ONES * (n)) & ~(v)&ONES * 0x80)
#define HAS_BYTE(v, byte) HAS_BELOW((v) ^ ONES * (byte), 1)

/* How many bytes need no escape; eight at once as long as that goes. */
static size_t plain_len(const char *text, size_t len)
{
    size_t i = 0;
    uint64_t v;

    for (; len - i >= sizeof(v); i += sizeof(v)) {
        memcpy(&v, text + i, sizeof(v));
        if (HAS_BELOW(v, 0x20) | HAS_BYTE(v, (uint8_t)'"') | HAS_BYTE(v, (uint8_t)'\\'))
            break;
    }
    while (i < len && (uint8_t)text[i] >= 0x20 && text[i] != '"' && text[i] != '\\')
        i++;
    return i;
}

bool buf_json_n(struct buf *b, const char *text, size_t len)
{
    buf_char(b, '"');
    for (size_t i = 0; i < len;) {
        char escaped[BUF_JSON_BYTE_MAX];
        size_t plain = plain_len(text + i, len - i);

        buf_add(b, text + i, plain);
        i += plain;
        if (i < len)
            buf_add(b, escaped, buf_json_byte(escaped, (uint8_t)text[i++]));
    }
    return buf_char(b, '"');
}

bool buf_json(struct buf *b, const char *text)
{
    return text ? buf_json_n(b, text, strlen(text)) : buf_str(b, "null");
}

const char *buf_text(const struct buf *b)
{
    return b->data ? b->data : "";
}

char *buf_take(struct buf *b, size_t *ret_len)
{
    char *data = NULL;

    if (buf_add(b, "", 0)) { /* an empty buffer, too, gives a string */
        if (ret_len)
            *ret_len = b->len;
        data = TAKE(b->data);
    }
    buf_done(b);
    return data;
}
