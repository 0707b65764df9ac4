#include "proto/predicate.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define DEPTH_MAX  16
#define VALUES_MAX 8192 /* operands, keywords and parts of pointers, of one predicate */
#define PLACE_MAX  256  /* bytes of a place in an error */

enum op {
    OP_ALL,
    OP_ANY,
    OP_NOT,
    OP_EQ,
    OP_NE,
    OP_LT,
    OP_LE,
    OP_GT,
    OP_GE,
    OP_IN,
    OP_EXISTS,
    OP_MATCHES
};

static const struct {
    const char *name;
    enum op op;
} comparisons[] = {
    {"eq", OP_EQ}, {"ne", OP_NE}, {"lt", OP_LT},         {"le", OP_LE},           {"gt", OP_GT},
    {"ge", OP_GE}, {"in", OP_IN}, {"exists", OP_EXISTS}, {"matches", OP_MATCHES},
};
#define COMPARISONS "eq, ne, lt, le, gt, ge, in, exists, matches"

struct value {
    json_type type; /* JSON_REAL for every number */
    char *text;     /* JSON_STRING: owned, len bytes; keywords are in lower case */
    size_t len;
    double number;
};

struct node {
    enum op op;
    size_t end;             /* the first node behind this one's children */
    char *pointer;          /* owned; NULL for all, any, not */
    size_t part, parts_n;   /* the pointer's unescaped parts, in `values` */
    size_t value, values_n; /* the operands, in `values` */
};

/* Nodes in prefix order: the children of node i begin at i + 1, each ends where the next begins. */
struct predicate {
    struct node *nodes;
    size_t nodes_n;
    struct value *values;
    size_t values_n;
};

void predicate_free(struct predicate *p)
{
    if (!p)
        return;
    for (size_t i = 0; i < p->nodes_n; i++)
        free(p->nodes[i].pointer);
    for (size_t i = 0; i < p->values_n; i++)
        free(p->values[i].text);
    free(p->nodes);
    free(p->values);
    free(p);
}

/* --- compiling --- */

struct compiler {
    struct predicate *p;
    char place[PLACE_MAX];
    size_t place_len;
    int depth;
    struct err *err;
};

static bool fail(struct compiler *c, const char *what)
{
    return err_set(c->err, ERR_CONFIG, "at \"%s\": %s", c->place, what);
}

/* Adds "/name" to the place; returns what to give to place_back(). */
static size_t place_into(struct compiler *c, const char *name)
{
    size_t before = c->place_len, room = PLACE_MAX - before;
    int len = snprintf(c->place + before, room, "/%s", name);

    c->place_len = len > 0 && (size_t)len < room ? before + (size_t)len : PLACE_MAX - 1;
    return before;
}

static void place_back(struct compiler *c, size_t before)
{
    c->place_len = before;
    c->place[before] = '\0';
}

static size_t place_into_item(struct compiler *c, size_t i)
{
    char text[24];

    snprintf(text, sizeof(text), "%zu", i);
    return place_into(c, text);
}

static bool add_node(struct compiler *c, enum op op, size_t *ret_index)
{
    struct predicate *p = c->p;
    struct node *nodes;

    if (p->nodes_n == PREDICATE_NODES_MAX)
        return fail(c, "the expression is too large");
    nodes = reallocarray(p->nodes, p->nodes_n + 1, sizeof(*nodes));
    if (!nodes)
        return err_memory(c->err);
    p->nodes = nodes;
    nodes[p->nodes_n] = (struct node){.op = op};
    *ret_index = p->nodes_n++;
    return true;
}

static bool add_value(struct compiler *c, const struct value *value)
{
    struct predicate *p = c->p;
    struct value *values;

    if (p->values_n == VALUES_MAX)
        return fail(c, "the expression has too many values");
    values = reallocarray(p->values, p->values_n + 1, sizeof(*values));
    if (!values)
        return err_memory(c->err);
    p->values = values;
    values[p->values_n++] = *value;
    return true;
}

static bool add_text(struct compiler *c, const char *text, size_t len)
{
    AUTO(auto_free) char *copy = strndup(text, len);

    if (!copy)
        return err_memory(c->err);
    if (!add_value(c, &(struct value){.type = JSON_STRING, .text = copy, .len = len}))
        return false;
    copy = NULL; /* the predicate's */
    return true;
}

/* One part of a JSON pointer (RFC 6901): ~1 is a slash, ~0 a tilde. */
static bool add_part(struct compiler *c, const char *part, size_t len)
{
    AUTO(auto_free) char *text = malloc(len + 1);
    size_t n = 0;

    if (!text)
        return err_memory(c->err);
    for (size_t i = 0; i < len; i++) {
        text[n] = part[i];
        if (part[i] == '~') {
            if (i + 1 == len || (part[i + 1] != '0' && part[i + 1] != '1'))
                return fail(c, "in a pointer \"~\" is written ~0 and \"/\" inside a name ~1");
            text[n] = part[++i] == '0' ? '~' : '/';
        }
        n++;
    }
    text[n] = '\0';
    return add_text(c, text, n);
}

static bool compile_pointer(struct compiler *c, struct node *node, const json_t *at)
{
    const char *pointer = json_string_value(at);
    size_t before = place_into(c, "at");

    if (!pointer || pointer[0] != '/')
        return fail(c, "must be a JSON pointer that begins with \"/\", such as \"/facts/impact\"");
    node->part = c->p->values_n;
    for (const char *from = pointer; from && *from == '/';) {
        const char *to = strchr(from + 1, '/');
        size_t len = to ? (size_t)(to - from - 1) : strlen(from + 1);

        if (!add_part(c, from + 1, len))
            return false;
        node->parts_n++;
        from = to;
    }
    node->pointer = strdup(pointer);
    if (!node->pointer)
        return err_memory(c->err);
    place_back(c, before);
    return true;
}

static bool compile_scalar(struct compiler *c, const json_t *value)
{
    switch (json_typeof(value)) {
    case JSON_STRING:
        return add_text(c, json_string_value(value), json_string_length(value));
    case JSON_INTEGER:
    case JSON_REAL:
        return add_value(c, &(struct value){.type = JSON_REAL, .number = json_number_value(value)});
    case JSON_TRUE:
    case JSON_FALSE:
        return add_value(c, &(struct value){.type = json_typeof(value)});
    case JSON_OBJECT:
    case JSON_ARRAY:
    case JSON_NULL:
        break;
    }
    return fail(c, "must be a number, a text, true or false");
}

static char lower(char c)
{
    return c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
}

static bool compile_keyword(struct compiler *c, const json_t *value)
{
    struct value *added;

    if (json_string_length(value) == 0)
        return fail(c, "must be a keyword, a text that is not empty");
    if (!compile_scalar(c, value))
        return false;
    added = &c->p->values[c->p->values_n - 1];
    for (size_t i = 0; i < added->len; i++)
        added->text[i] = lower(added->text[i]);
    return true;
}

static bool compile_list(struct compiler *c, const json_t *list, bool is_keywords)
{
    const json_t *item;
    size_t i;

    if (json_array_size(list) == 0)
        return fail(c, "must be a list with at least one item");
    json_array_foreach(list, i, item)
    {
        size_t before = place_into_item(c, i);

        if (!(is_keywords ? compile_keyword(c, item) : compile_scalar(c, item)))
            return false;
        place_back(c, before);
    }
    return true;
}

static bool compile_operand(struct compiler *c, enum op op, const json_t *value)
{
    switch (op) {
    case OP_IN:
    case OP_MATCHES:
        return compile_list(c, value, op == OP_MATCHES);
    case OP_EXISTS:
        return json_is_boolean(value) ? compile_scalar(c, value) : fail(c, "must be true or false");
    case OP_LT:
    case OP_LE:
    case OP_GT:
    case OP_GE: /* levels as texts would be compared by the alphabet */
        return json_is_number(value) ? compile_scalar(c, value)
                                     : fail(c, "must be a number; for texts use \"eq\" or \"in\"");
    case OP_EQ:
    case OP_NE:
        return compile_scalar(c, value);
    case OP_ALL:
    case OP_ANY:
    case OP_NOT:
        break;
    }
    return fail(c, "is no comparison");
}

static bool compile_comparison(struct compiler *c, const json_t *expression)
{
    const json_t *value = NULL;
    struct node *node;
    const char *name = NULL;
    size_t index, before;
    enum op op = OP_EQ;

    for (size_t i = 0; i < ARRAY_LEN(comparisons) && !value; i++) {
        value = json_object_get(expression, comparisons[i].name);
        name = comparisons[i].name;
        op = comparisons[i].op;
    }
    if (!value || json_object_size(expression) != 2)
        return fail(c, "beside \"at\" stands exactly one of " COMPARISONS);
    if (!add_node(c, op, &index))
        return false;
    node = &c->p->nodes[index];
    if (!compile_pointer(c, node, json_object_get(expression, "at")))
        return false;
    node->value = c->p->values_n;
    before = place_into(c, name);
    if (!compile_operand(c, op, value))
        return false;
    place_back(c, before);
    node->values_n = c->p->values_n - node->value;
    node->end = c->p->nodes_n;
    return true;
}

static bool compile(struct compiler *c, const json_t *expression);

static bool compile_children(struct compiler *c, enum op op, const char *name, const json_t *value)
{
    size_t index, before = place_into(c, name), i;
    const json_t *child;

    if (++c->depth > DEPTH_MAX)
        return fail(c, "is nested too deep");
    if (!add_node(c, op, &index))
        return false;
    if (op == OP_NOT) {
        if (!compile(c, value))
            return false;
    } else {
        if (json_array_size(value) == 0)
            return fail(c, "must be a list with at least one condition");
        json_array_foreach(value, i, child)
        {
            size_t before_item = place_into_item(c, i);

            if (!compile(c, child))
                return false;
            place_back(c, before_item);
        }
    }
    c->p->nodes[index].end = c->p->nodes_n;
    c->depth--;
    place_back(c, before);
    return true;
}

static bool compile(struct compiler *c, const json_t *expression)
{
    static const struct {
        const char *name;
        enum op op;
    } combinators[] = {{"all", OP_ALL}, {"any", OP_ANY}, {"not", OP_NOT}};

    if (json_object_get(expression, "at"))
        return compile_comparison(c, expression);
    for (size_t i = 0; i < ARRAY_LEN(combinators) && json_object_size(expression) == 1; i++) {
        const json_t *value = json_object_get(expression, combinators[i].name);

        if (value)
            return compile_children(c, combinators[i].op, combinators[i].name, value);
    }
    return fail(c, "a condition is {\"all\": […]}, {\"any\": […]}, {\"not\": …} or {\"at\": …, "
                   "<comparison>: …}, where the comparison is one of " COMPARISONS);
}

bool predicate_compile(struct predicate **ret, const json_t *expression, struct err *err)
{
    AUTO(auto_predicate) struct predicate *p = calloc(1, sizeof(*p));
    struct compiler c = {.p = p, .err = err};

    if (!p)
        return err_memory(err);
    if (!compile(&c, expression))
        return false;
    *ret = TAKE(p);
    return true;
}

/* --- evaluating --- */

static const json_t *step(const json_t *at, const struct value *part)
{
    size_t index = 0;

    if (json_is_object(at))
        return json_object_getn(at, part->text, part->len);
    if (!json_is_array(at) || part->len == 0 || part->len > 6)
        return NULL;
    for (size_t i = 0; i < part->len; i++) {
        if (part->text[i] < '0' || part->text[i] > '9')
            return NULL;
        index = index * 10 + (size_t)(part->text[i] - '0');
    }
    return json_array_get(at, index);
}

/* NULL: nothing there; null counts as nothing. */
static const json_t *resolve(const struct predicate *p, const struct node *node,
                             const json_t *document)
{
    const json_t *at = document;

    for (size_t i = 0; at && i < node->parts_n; i++)
        at = step(at, &p->values[node->part + i]);
    return json_is_null(at) ? NULL : at;
}

static void note_read(struct predicate_reads *reads, const char *pointer, const json_t *value)
{
    if (!reads || reads->n == PREDICATE_READS_MAX)
        return;
    for (size_t i = 0; i < reads->n; i++)
        if (strcmp(reads->reads[i].pointer, pointer) == 0)
            return;
    reads->reads[reads->n].pointer = pointer;
    reads->reads[reads->n++].value = value;
}

static enum tri tri_of(bool b)
{
    return b ? TRI_TRUE : TRI_FALSE;
}

static enum tri tri_not(enum tri t)
{
    return t == TRI_UNKNOWN ? t : tri_of(t == TRI_FALSE);
}

/* A value of another type than the operand's says nothing. */
static enum tri equal(const struct value *want, const json_t *found)
{
    switch (want->type) {
    case JSON_STRING:
        return json_is_string(found)
                   ? tri_of(json_string_length(found) == want->len &&
                            memcmp(json_string_value(found), want->text, want->len) == 0)
                   : TRI_UNKNOWN;
    case JSON_REAL:
        return json_is_number(found) ? tri_of(json_number_value(found) == want->number)
                                     : TRI_UNKNOWN;
    case JSON_TRUE:
    case JSON_FALSE:
        return json_is_boolean(found) ? tri_of(json_typeof(found) == want->type) : TRI_UNKNOWN;
    case JSON_OBJECT:
    case JSON_ARRAY:
    case JSON_INTEGER:
    case JSON_NULL:
        break;
    }
    return TRI_UNKNOWN;
}

static bool holds(enum op op, double x, double want)
{
    if (op == OP_LT)
        return x < want;
    if (op == OP_LE)
        return x <= want;
    return op == OP_GT ? x > want : x >= want;
}

/* Of a range it is known when all of it agrees. */
static enum tri ordered(enum op op, const struct value *want, const json_t *found)
{
    const json_t *least = found, *most = found;

    if (json_is_object(found)) {
        least = json_object_get(found, "at_least");
        most = json_object_get(found, "at_most");
    }
    if (!json_is_number(least) || !json_is_number(most))
        return TRI_UNKNOWN;
    if (holds(op, json_number_value(least), want->number) !=
        holds(op, json_number_value(most), want->number))
        return TRI_UNKNOWN;
    return tri_of(holds(op, json_number_value(least), want->number));
}

static bool is_latin(char c)
{
    c = lower(c);
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
}

/* A keyword's Latin end must be the end of a word: "rat" is not in "operation", but in "RAT木马". */
static bool occurs_at(const char *text, size_t len, size_t at, const struct value *word)
{
    if (len - at < word->len)
        return false;
    for (size_t i = 0; i < word->len; i++)
        if (lower(text[at + i]) != word->text[i])
            return false;
    if (at > 0 && is_latin(word->text[0]) && is_latin(text[at - 1]))
        return false;
    return at + word->len == len || !is_latin(word->text[word->len - 1]) ||
           !is_latin(text[at + word->len]);
}

static enum tri matches(const struct value *words, size_t n, const json_t *found)
{
    const char *text = json_string_value(found);
    size_t len = json_string_length(found);

    if (!text)
        return TRI_UNKNOWN;
    for (size_t at = 0; at < len; at++)
        for (size_t i = 0; i < n; i++)
            if (occurs_at(text, len, at, &words[i]))
                return TRI_TRUE;
    return TRI_FALSE;
}

static enum tri member(const struct value *values, size_t n, const json_t *found)
{
    enum tri so_far = TRI_UNKNOWN; /* until one operand has the value's type */

    for (size_t i = 0; i < n; i++) {
        enum tri t = equal(&values[i], found);

        if (t == TRI_TRUE)
            return t;
        if (t == TRI_FALSE)
            so_far = t;
    }
    return so_far;
}

static enum tri compare(const struct predicate *p, const struct node *node, const json_t *found)
{
    const struct value *values = &p->values[node->value];

    switch (node->op) {
    case OP_EQ:
    case OP_NE: /* turned round by the caller */
        return equal(values, found);
    case OP_LT:
    case OP_LE:
    case OP_GT:
    case OP_GE:
        return ordered(node->op, values, found);
    case OP_IN:
        return member(values, node->values_n, found);
    case OP_MATCHES:
        return matches(values, node->values_n, found);
    case OP_ALL:
    case OP_ANY:
    case OP_NOT:
    case OP_EXISTS:
        break;
    }
    return TRI_UNKNOWN;
}

/* A list matches when one of its items does. */
static enum tri compare_any(const struct predicate *p, const struct node *node, const json_t *found)
{
    enum tri so_far = TRI_FALSE;
    const json_t *item;
    size_t i;

    if (!json_is_array(found))
        return compare(p, node, found);
    json_array_foreach(found, i, item)
    {
        enum tri t = compare(p, node, item);

        if (t == TRI_TRUE)
            return t;
        if (t == TRI_UNKNOWN)
            so_far = t;
    }
    return so_far;
}

static enum tri eval_comparison(const struct predicate *p, const struct node *node,
                                const json_t *document, struct predicate_reads *reads)
{
    const json_t *found = resolve(p, node, document);
    enum tri t;

    note_read(reads, node->pointer, found);
    if (node->op == OP_EXISTS)
        return tri_of((found != NULL) == (p->values[node->value].type == JSON_TRUE));
    if (!found)
        return TRI_UNKNOWN;
    t = compare_any(p, node, found);
    return node->op == OP_NE ? tri_not(t) : t;
}

static enum tri eval(const struct predicate *p, size_t index, const json_t *document,
                     struct predicate_reads *reads)
{
    const struct node *node = &p->nodes[index];
    enum tri decisive = node->op == OP_ALL ? TRI_FALSE : TRI_TRUE, so_far = tri_not(decisive);

    if (node->op == OP_NOT)
        return tri_not(eval(p, index + 1, document, reads));
    if (node->op != OP_ALL && node->op != OP_ANY)
        return eval_comparison(p, node, document, reads);
    for (size_t i = index + 1; i < node->end; i = p->nodes[i].end) {
        enum tri t = eval(p, i, document, reads);

        if (t == decisive)
            return t;
        if (t == TRI_UNKNOWN)
            so_far = t;
    }
    return so_far;
}

enum tri predicate_eval(const struct predicate *p, const json_t *document,
                        struct predicate_reads *reads)
{
    return eval(p, 0, document, reads);
}
