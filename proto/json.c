#include <math.h>
#include <stdio.h>
#include <string.h>

#include "proto/node.h"

/* --- reading ---------------------------------------------------------------------------------- */

bool json_read_strict(json_t **ret, const char *text, size_t len, struct err *err)
{
    AUTO(arena_done) struct arena arena;
    struct node *root;
    json_t *doc;

    arena_init(&arena, SIZE_MAX); /* bounded by the text, which is here already */
    if (!node_parse(&root, text, len, &arena, &arena, err))
        return false;
    doc = node_to_json(root);
    if (!doc)
        return err_memory(err);
    *ret = doc;
    return true;
}

/* --- canonical form --------------------------------------------------------------------------- */

/* By UTF-16 code units. That is the order of the bytes, but for U+E000 to U+FFFF (lead bytes EE, EF),
 * which come after the surrogates that stand for the characters beyond (lead bytes F0 and up). */
static int compare_keys(const void *a, const void *b)
{
    const unsigned char *x = *(const unsigned char *const *)a;
    const unsigned char *y = *(const unsigned char *const *)b;

    while (*x == *y && *x != '\0') {
        x++;
        y++;
    }
    if (*x >= 0xEE && *y >= 0xEE && (*x >= 0xF0) != (*y >= 0xF0))
        return *x >= 0xF0 ? -1 : 1;
    return *x - *y;
}

/* ECMAScript's Number::toString: the shortest digits that read back as the same number. */
static bool write_real(struct buf *out, double value)
{
    char text[32], digits[24];
    int n = 0, point;

    if (!isfinite(value))
        return false;
    for (int precision = 0; precision < 17; precision++) {
        snprintf(text, sizeof text, "%.*e", precision, fabs(value));
        if (strtod(text, NULL) >= fabs(value) && strtod(text, NULL) <= fabs(value))
            break;
    }
    for (const char *p = text; *p != 'e'; p++)
        if (*p >= '0' && *p <= '9')
            digits[n++] = *p;
    point = (int)strtol(strchr(text, 'e') + 1, NULL, 10) + 1; /* digits before the point */
    while (n > 1 && digits[n - 1] == '0')
        n--;
    if (value < 0)
        buf_char(out, '-');
    if (n <= point && point <= 21)
        return buf_printf(out, "%.*s%.*s", n, digits, point - n, "000000000000000000000");
    if (0 < point && point <= 21)
        return buf_printf(out, "%.*s.%.*s", point, digits, n - point, digits + point);
    if (-6 < point && point <= 0)
        return buf_printf(out, "0.%.*s%.*s", -point, "000000", n, digits);
    buf_add(out, digits, 1);
    if (n > 1)
        buf_printf(out, ".%.*s", n - 1, digits + 1);
    return buf_printf(out, "e%+d", point - 1);
}

static bool write_value(struct buf *out, const json_t *value, int depth);

static bool write_object(struct buf *out, const json_t *object, int depth)
{
    json_t *o = (json_t *)(uintptr_t)object; /* jansson's iterators want it so */
    size_t n = json_object_size(o), i = 0;
    AUTO(auto_free) char *memory = malloc((n + 1) * sizeof(char *));
    const char **keys = (const char **)(void *)memory;
    bool ok = keys && buf_char(out, '{');

    for (void *it = json_object_iter(o); ok && it; it = json_object_iter_next(o, it))
        keys[i++] = json_object_iter_key(it);
    if (ok && n > 1)
        qsort(keys, n, sizeof *keys, compare_keys);
    for (i = 0; ok && i < n; i++)
        ok = (i == 0 || buf_char(out, ',')) && buf_json(out, keys[i]) && buf_char(out, ':') &&
             write_value(out, json_object_get(o, keys[i]), depth);
    return ok && buf_char(out, '}');
}

static bool write_array(struct buf *out, const json_t *array, int depth)
{
    bool ok = buf_char(out, '[');

    for (size_t i = 0; ok && i < json_array_size(array); i++)
        ok = (i == 0 || buf_char(out, ',')) && write_value(out, json_array_get(array, i), depth);
    return ok && buf_char(out, ']');
}

static bool write_value(struct buf *out, const json_t *value, int depth)
{
    json_int_t integer;

    switch (json_typeof(value)) {
    case JSON_OBJECT:
        return depth < JSON_DEPTH_MAX && write_object(out, value, depth + 1);
    case JSON_ARRAY:
        return depth < JSON_DEPTH_MAX && write_array(out, value, depth + 1);
    case JSON_STRING:
        return buf_json_n(out, json_string_value(value), json_string_length(value));
    case JSON_INTEGER:
        integer = json_integer_value(value);
        return integer <= JSON_INTEGER_MAX && integer >= -JSON_INTEGER_MAX &&
               buf_printf(out, "%lld", (long long)integer);
    case JSON_REAL:
        return write_real(out, json_real_value(value));
    case JSON_TRUE:
        return buf_str(out, "true");
    case JSON_FALSE:
        return buf_str(out, "false");
    case JSON_NULL:
        return buf_str(out, "null");
    }
    return false;
}

bool json_canonical(const json_t *value, struct buf *out)
{
    return write_value(out, value, 0);
}
