#include <math.h>
#include <stdio.h>
#include <string.h>

#include "common/base/utf8.h"
#include "proto/shape_text.h"

struct parser {
    const char *text;
    size_t len, at;
    int depth;
    struct arena *nodes;
    char *to; /* where the next unescaped text goes */
    struct err *err;
};

/* The place is counted only now: nobody pays for it who sends what is legal. */
static bool refuse(const struct parser *p, const char *what)
{
    size_t line = 1, begin = 0;

    for (size_t i = 0; i < p->at; i++)
        if (p->text[i] == '\n') {
            line++;
            begin = i + 1;
        }
    return err_at(p->err, "", "line %zu, column %zu: %s", line,
                  utf8_count(p->text + begin, p->at - begin) + 1, what);
}

static void skip_blanks(struct parser *p)
{
    while (p->at < p->len && (p->text[p->at] == ' ' || p->text[p->at] == '\n' ||
                              p->text[p->at] == '\r' || p->text[p->at] == '\t'))
        p->at++;
}

static bool take_char(struct parser *p, char c)
{
    if (p->at == p->len || p->text[p->at] != c)
        return false;
    p->at++;
    return true;
}

/* --- texts ------------------------------------------------------------------------------------ */

static bool read_hex4(struct parser *p, uint32_t *ret)
{
    uint32_t code = 0;

    if (p->len - p->at < 4)
        return false;
    for (int i = 0; i < 4; i++) {
        char c = p->text[p->at + (size_t)i];

        if (c >= '0' && c <= '9')
            code = code * 16 + (uint32_t)(c - '0');
        else if ((c | 32) >= 'a' && (c | 32) <= 'f')
            code = code * 16 + (uint32_t)((c | 32) - 'a' + 10);
        else
            return false;
    }
    p->at += 4;
    *ret = code;
    return true;
}

static void put_utf8(struct parser *p, uint32_t code)
{
    if (code < 0x80) {
        *p->to++ = (char)code;
        return;
    }
    if (code < 0x800) {
        *p->to++ = (char)(0xC0 | code >> 6);
    } else {
        if (code < 0x10000) {
            *p->to++ = (char)(0xE0 | code >> 12);
        } else {
            *p->to++ = (char)(0xF0 | code >> 18);
            *p->to++ = (char)(0x80 | (code >> 12 & 0x3F));
        }
        *p->to++ = (char)(0x80 | (code >> 6 & 0x3F));
    }
    *p->to++ = (char)(0x80 | (code & 0x3F));
}

/* Behind "\u". */
static bool read_unicode(struct parser *p)
{
    uint32_t code, low;

    if (!read_hex4(p, &code))
        return refuse(p, "\\u is not followed by four hexadecimal digits");
    if (code == 0)
        return refuse(p, "a text must not hold the character NUL (\\u0000)");
    if (code >= 0xD800 && code <= 0xDFFF) {
        if (code >= 0xDC00 || !take_char(p, '\\') || !take_char(p, 'u') || !read_hex4(p, &low) ||
            low < 0xDC00 || low > 0xDFFF)
            return refuse(p, "half a pair of surrogates: write the character itself");
        code = 0x10000 + ((code - 0xD800) << 10) + (low - 0xDC00);
    }
    put_utf8(p, code);
    return true;
}

/* At the backslash. */
static bool read_escape(struct parser *p)
{
    static const char names[] = "\"\\/bfnrt", values[] = "\"\\/\b\f\n\r\t";
    const char *name;

    p->at++;
    if (take_char(p, 'u'))
        return read_unicode(p);
    name = p->at < p->len ? strchr(names, p->text[p->at]) : NULL;
    if (!name)
        return refuse(p, "an escape that JSON does not know");
    *p->to++ = values[name - names];
    p->at++;
    return true;
}

/* At the quote. The text is valid UTF-8 without NUL: that was checked for all of it. */
static bool read_text(struct parser *p, const char **ret, uint32_t *ret_len)
{
    char *begin = p->to;

    for (p->at++;;) {
        size_t from = p->at;

        while (p->at < p->len && p->text[p->at] != '"' && p->text[p->at] != '\\' &&
               (unsigned char)p->text[p->at] >= 0x20)
            p->at++;
        memcpy(p->to, p->text + from, p->at - from);
        p->to += p->at - from;
        if (take_char(p, '"'))
            break;
        if (p->at == p->len)
            return refuse(p, "the text ends inside quotes");
        if (p->text[p->at] != '\\')
            return refuse(p,
                          "a control character inside quotes: write it as an escape, such as \\n");
        if (!read_escape(p))
            return false;
    }
    *ret = begin;
    *ret_len = (uint32_t)(p->to - begin);
    *p->to++ = '\0';
    return true;
}

/* --- numbers ---------------------------------------------------------------------------------- */

static size_t count_digits(const struct parser *p, size_t at)
{
    size_t from = at;

    while (at < p->len && p->text[at] >= '0' && p->text[at] <= '9')
        at++;
    return at - from;
}

/* -?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][+-]?[0-9]+)? from p->at on; the length, 0: it is none. */
static size_t measure_number(const struct parser *p, bool *ret_whole)
{
    size_t at = p->at + (p->text[p->at] == '-'), n = count_digits(p, at);

    *ret_whole = true;
    if (n == 0)
        return 0;
    at += p->text[at] == '0' ? 1 : n;
    if (at < p->len && p->text[at] == '.') {
        n = count_digits(p, at + 1);
        if (n == 0)
            return 0;
        at += 1 + n;
        *ret_whole = false;
    }
    if (at < p->len && (p->text[at] | 32) == 'e') {
        at++;
        at += at < p->len && (p->text[at] == '+' || p->text[at] == '-');
        n = count_digits(p, at);
        if (n == 0)
            return 0;
        at += n;
        *ret_whole = false;
    }
    return at - p->at;
}

static bool read_number(struct parser *p, struct node *ret)
{
    char digits[NODE_NUMBER_BYTES_MAX + 1];
    bool whole;
    size_t len = measure_number(p, &whole);

    if (len == 0)
        return refuse(p, "not a number as JSON writes one");
    if (len > NODE_NUMBER_BYTES_MAX)
        return refuse(p, "a number of more than 128 characters");
    memcpy(digits, p->text + p->at, len);
    digits[len] = '\0';
    if (whole) {
        ret->type = JSON_INTEGER;
        ret->integer = strtoll(digits, NULL, 10); /* at its ends when out of range */
        if (ret->integer > JSON_INTEGER_MAX || ret->integer < -JSON_INTEGER_MAX)
            return refuse(p, "the integer is too large: at most 9007199254740991 either side of 0");
    } else {
        ret->type = JSON_REAL;
        ret->real = strtod(digits, NULL);
        if (!isfinite(ret->real))
            return refuse(p, "the number is too large");
    }
    p->at += len;
    return true;
}

/* --- objects and arrays ----------------------------------------------------------------------- */

static int compare_names(const void *a, const void *b)
{
    return strcmp((*(const struct node *const *)a)->name, (*(const struct node *const *)b)->name);
}

static bool refuse_duplicate(struct parser *p, const struct node *member)
{
    char what[128];
    size_t cut = utf8_cut(member->name, strlen(member->name), 60);

    p->at = (size_t)(member->raw - p->text);
    snprintf(what, sizeof what, "the key \"%.*s\" stands twice: each field may be given once",
             (int)cut, member->name);
    return refuse(p, what);
}

/* Of an object whose names do not ascend. Sorted, because a hostile one may have many. */
static bool check_duplicates(struct parser *p, const struct node *object)
{
    const struct node **members = arena_take(p->nodes, object->n * sizeof *members);
    size_t n = 0;

    if (!members)
        return shape_no_room(p->err, NULL, p->nodes, object->n * sizeof *members);
    for (const struct node *m = object->first; m; m = m->next)
        members[n++] = m;
    qsort(members, n, sizeof *members, compare_names);
    for (size_t i = 1; i < n; i++)
        if (compare_names(&members[i - 1], &members[i]) == 0)
            return refuse_duplicate(p, members[members[i]->raw > members[i - 1]->raw ? i : i - 1]);
    return true;
}

static bool read_value(struct parser *p, struct node *ret);

static bool read_name(struct parser *p, struct node *ret)
{
    uint32_t len;

    skip_blanks(p);
    if (p->at < p->len && p->text[p->at] == '}')
        return refuse(p, "no comma stands before }");
    if (p->at == p->len || p->text[p->at] != '"')
        return refuse(p, "a name in straight double quotes (\") is wanted");
    if (!read_text(p, &ret->name, &len))
        return false;
    skip_blanks(p);
    return take_char(p, ':') || refuse(p, "a colon is wanted behind the name");
}

/* The members of an object or the items of an array, behind its opening bracket. */
static bool read_members(struct parser *p, struct node *ret, bool named, char end)
{
    struct node **link = &ret->first, *last = NULL;
    bool ascending = true;

    skip_blanks(p);
    if (take_char(p, end))
        return true;
    do {
        struct node *node = arena_take(p->nodes, sizeof *node);

        if (!node)
            return shape_no_room(p->err, NULL, p->nodes, sizeof *node);
        if ((named && !read_name(p, node)) || !read_value(p, node))
            return false;
        ascending = ascending && (!named || !last || strcmp(last->name, node->name) < 0);
        *link = last = node;
        link = &node->next;
        ret->n++;
        skip_blanks(p);
    } while (take_char(p, ','));
    if (!take_char(p, end))
        return refuse(p, named ? "a comma or } is wanted" : "a comma or ] is wanted");
    return ascending || check_duplicates(p, ret);
}

static bool read_container(struct parser *p, struct node *ret)
{
    bool named = p->text[p->at] == '{', ok;

    if (p->depth == JSON_DEPTH_MAX)
        return refuse(p, "nested too deep: at most 16 objects and arrays inside each other");
    p->depth++;
    p->at++;
    ret->type = named ? JSON_OBJECT : JSON_ARRAY;
    ok = read_members(p, ret, named, named ? '}' : ']');
    p->depth--;
    return ok;
}

/* U+2018 to U+201F: what a word processor makes of quotes. */
static bool is_curly(const struct parser *p)
{
    return p->len - p->at >= 3 && memcmp(p->text + p->at, "\xe2\x80", 2) == 0 &&
           (unsigned char)p->text[p->at + 2] >= 0x98 && (unsigned char)p->text[p->at + 2] <= 0x9f;
}

static bool read_word(struct parser *p, struct node *ret)
{
    static const struct {
        const char *text;
        size_t len;
        json_type type;
    } words[] = {{"true", 4, JSON_TRUE}, {"false", 5, JSON_FALSE}, {"null", 4, JSON_NULL}};

    for (size_t i = 0; i < ARRAY_LEN(words); i++)
        if (p->len - p->at >= words[i].len &&
            memcmp(p->text + p->at, words[i].text, words[i].len) == 0) {
            ret->type = words[i].type;
            p->at += words[i].len;
            return true;
        }
    if (p->text[p->at] == ']')
        return refuse(p, "a JSON value is wanted; no comma stands before ]");
    if (p->text[p->at] == '\'' || is_curly(p))
        return refuse(p, "a text stands in straight double quotes (\")");
    return refuse(p, "a JSON value is wanted");
}

static bool read_value(struct parser *p, struct node *ret)
{
    size_t begin;
    bool ok;

    skip_blanks(p);
    if (p->at == p->len)
        return refuse(p, "the text ends where a JSON value is wanted");
    begin = p->at;
    switch (p->text[begin]) {
    case '{':
    case '[':
        ok = read_container(p, ret);
        break;
    case '"':
        ret->type = JSON_STRING;
        ok = read_text(p, &ret->text, &ret->n);
        break;
    case '-':
    case '0' ... '9':
        ok = read_number(p, ret);
        break;
    default:
        ok = read_word(p, ret);
        break;
    }
    ret->raw = p->text + begin;
    ret->raw_len = (uint32_t)(p->at - begin);
    return ok;
}

bool node_parse(struct node **ret, const char *text, size_t len, struct arena *nodes,
                struct arena *texts, struct err *err)
{
    struct parser p = {.text = text, .len = len, .nodes = nodes, .err = err};
    const char *nul = len ? memchr(text, '\0', len) : NULL;
    size_t valid = utf8_valid_prefix(text, len);
    struct node *root;

    if (len == 0)
        return err_at(err, "", "empty: a JSON object is wanted");
    if (len > INT32_MAX) /* lengths are stored in 32 bits */
        return err_at(err, "", "the document is too large: it has more than 2 GB");
    if (nul)
        return err_at(err, "", "a NUL byte stands at byte %zu: JSON text has none",
                      (size_t)(nul - text) + 1);
    if (valid < len)
        return err_at(err, "", "not valid UTF-8 at byte %zu: send JSON in UTF-8", valid + 1);
    if (len >= 3 && memcmp(text, "\xef\xbb\xbf", 3) == 0)
        return err_at(err, "", "begins with a byte order mark: save it as UTF-8 without BOM");
    root = arena_take(nodes, sizeof *root);
    p.to = arena_take(texts,
                      len); /* an unescaped text and its NUL are shorter than it with its quotes */
    if (!root)
        return shape_no_room(err, NULL, nodes, sizeof *root);
    if (!p.to)
        return shape_no_room(err, NULL, texts, len);
    if (!read_value(&p, root))
        return false;
    skip_blanks(&p);
    if (p.at < len)
        return refuse(&p, "something follows the JSON value");
    if (root->type != JSON_OBJECT)
        return err_at(err, "", "a JSON object is wanted");
    *ret = root;
    return true;
}

/* --- jansson ---------------------------------------------------------------------------------- */

static bool from_json(struct node *ret, json_t *json, struct arena *nodes, int depth);

static struct node *add_child(struct node *parent, struct node **last, json_t *json,
                              struct arena *nodes, int depth)
{
    struct node *node = arena_take(nodes, sizeof *node);

    if (!node || !from_json(node, json, nodes, depth))
        return NULL;
    *(*last ? &(*last)->next : &parent->first) = node;
    *last = node;
    parent->n++;
    return node;
}

static bool from_json(struct node *ret, json_t *json, struct arena *nodes, int depth)
{
    struct node *last = NULL, *node;
    const char *name;
    json_t *value;
    size_t i;

    ret->type = json_typeof(json);
    ret->json = json;
    if ((ret->type == JSON_OBJECT || ret->type == JSON_ARRAY) && depth == JSON_DEPTH_MAX)
        return false;
    if (ret->type == JSON_STRING) {
        ret->text = json_string_value(json);
        ret->n = (uint32_t)json_string_length(json);
    }
    if (ret->type == JSON_INTEGER)
        ret->integer = json_integer_value(json);
    if (ret->type == JSON_REAL)
        ret->real = json_real_value(json);
    json_array_foreach(json, i,
                       value) if (!add_child(ret, &last, value, nodes, depth + 1)) return false;
    json_object_foreach(json, name, value)
    {
        node = add_child(ret, &last, value, nodes, depth + 1);
        if (!node)
            return false;
        node->name = name;
    }
    return true;
}

struct node *node_of_json(json_t *json, struct arena *nodes)
{
    struct node *root = arena_take(nodes, sizeof *root);

    return root && from_json(root, json, nodes, 0) ? root : NULL;
}

static json_t *container_to_json(const struct node *node)
{
    bool named = node->type == JSON_OBJECT;
    json_t *container = named ? json_object() : json_array();

    for (const struct node *m = node->first; m; m = m->next) {
        json_t *value = node_to_json(m); /* the setters below refuse NULL */

        if (named ? json_object_set_new_nocheck(container, m->name, value)
                  : json_array_append_new(container, value)) {
            json_decref(container);
            return NULL;
        }
    }
    return container;
}

json_t *node_to_json(const struct node *node)
{
    switch (node->type) {
    case JSON_OBJECT:
    case JSON_ARRAY:
        return container_to_json(node);
    case JSON_STRING:
        return json_stringn_nocheck(node->text, node->n);
    case JSON_INTEGER:
        return json_integer(node->integer);
    case JSON_REAL:
        return json_real(node->real);
    case JSON_TRUE:
        return json_true();
    case JSON_FALSE:
        return json_false();
    case JSON_NULL:
        return json_null();
    }
    return NULL;
}
