#include "proto/predicate.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "proto/pattern.h"

#define DEPTH_MAX  16
#define VALUES_MAX 8192 /* operands and keywords of one predicate */
#define HOPS_MAX   3
#define PLACE_MAX  256 /* bytes of a place in an error */

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
    OP_MATCHES,
    OP_REGEX
};

static const struct {
    const char *name;
    enum op op;
} comparisons[] = {
    {"eq", OP_EQ},           {"ne", OP_NE},       {"lt", OP_LT}, {"le", OP_LE},
    {"gt", OP_GT},           {"ge", OP_GE},       {"in", OP_IN}, {"exists", OP_EXISTS},
    {"matches", OP_MATCHES}, {"regex", OP_REGEX},
};
#define COMPARISONS "eq, ne, lt, le, gt, ge, in, exists, matches, regex"

struct value {
    double number; /* also of a boolean, and of an enum's value */
    char *text;    /* of a text: owned, len bytes; keywords are in lower case */
    size_t len;
    struct pattern *pattern; /* owned */
};

struct node {
    enum op op;
    enum predicate_source source;
    size_t end;            /* the first node behind this one's children */
    char *pointer;         /* owned; NULL for all, any, not */
    size_t hops[HOPS_MAX]; /* offsets of the pointers to objects on the way to the field */
    size_t hops_n;
    const struct field *field;
    const struct enum_table *values_of; /* of an enum */
    size_t id;                          /* of a name */
    size_t value, values_n;             /* the operands, in `values` */
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
    for (size_t i = 0; i < p->values_n; i++) {
        free(p->values[i].text);
        pattern_free(p->values[i].pattern);
    }
    free(p->nodes);
    free(p->values);
    free(p);
}

/* --- compiling --- */

struct compiler {
    struct predicate *p;
    const struct predicate_view *view;
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

/* --- what a comparison looks at --- */

static const struct field *find_field(const struct shape *shape, const char *name, size_t len)
{
    for (size_t i = 0; i < shape->n; i++)
        if (strlen(shape->fields[i].name) == len && memcmp(shape->fields[i].name, name, len) == 0)
            return &shape->fields[i];
    return NULL;
}

/* Through the objects to the field. */
static bool find_way(const struct predicate_view *view, struct node *node, const char *pointer)
{
    const struct shape *shape = view->shape;

    while (*pointer == '/' && shape) {
        const char *name = pointer + 1;
        size_t len = strcspn(name, "/");
        const struct field *field = find_field(shape, name, len);

        pointer = name + len;
        if (!field)
            return false;
        node->field = field;
        shape = NULL;
        if (*pointer == '\0')
            return true;
        if (field->type != FIELD_OBJECT || node->hops_n == HOPS_MAX)
            return false;
        node->hops[node->hops_n++] = field->offset;
        shape = field->part;
    }
    return false;
}

/* "/words/leak": the name between the root and the end. */
static bool find_name(struct compiler *c, const struct predicate_names *names, struct node *node,
                      const char *pointer, bool *ret_is_root)
{
    size_t root = strlen(names->root), end = strlen(names->end), len = strlen(pointer);
    char name[128];

    *ret_is_root = strncmp(pointer, names->root, root) == 0;
    if (!*ret_is_root)
        return false;
    if (len <= root + end || strcmp(pointer + len - end, names->end) != 0 ||
        len - root - end >= sizeof(name))
        return false;
    snprintf(name, sizeof(name), "%.*s", (int)(len - root - end), pointer + root);
    node->source = names->source;
    node->values_of = names->values;
    (void)c;
    return names->find(names->ctx, name, &node->id);
}

static bool compile_pointer(struct compiler *c, struct node *node, const json_t *at)
{
    const char *pointer = json_string_value(at);
    size_t before = place_into(c, "at");
    bool is_root = false, found = false;

    if (!pointer || pointer[0] != '/')
        return fail(c, "must be a JSON pointer that begins with \"/\", such as \"/facts/impact\"");
    for (size_t i = 0; i < c->view->names_n && !is_root; i++) {
        const struct predicate_names *names = &c->view->names[i];

        found = find_name(c, names, node, pointer, &is_root);
        if (is_root && !found)
            return err_set(c->err, ERR_CONFIG, "at \"%s\": %s: %s has no such name", c->place,
                           pointer, names->help);
    }
    if (!found && !find_way(c->view, node, pointer))
        return err_set(c->err, ERR_CONFIG,
                       "at \"%s\": %s: no such field; the fields are those of %s (proto/*.def)",
                       c->place, pointer, c->view->shape->name);
    if (!found && node->field->values)
        node->values_of = node->field->values;
    node->pointer = strdup(pointer);
    if (!node->pointer)
        return err_memory(c->err);
    place_back(c, before);
    return true;
}

/* --- operands --- */

static const struct {
    const char *ending, *measure; /* of a field's or a range's name */
} measured[] = {
    {"_minutes", "minutes"},
    {"_persons", "persons"},
    {"people_affected", "persons"},
    {"_cny", "CNY"},
};
static const struct {
    const char *unit, *measure;
    double factor;
} units[] = {
    {"min", "minutes", 1},     {"h", "minutes", 60}, {"d", "minutes", 1440},
    {"persons", "persons", 1}, {"CNY", "CNY", 1},
};

/* What a number there is measured in; NULL: it is a count. */
static const char *measure_of(const struct node *node)
{
    size_t len = strlen(node->pointer);

    for (size_t i = 0; i < ARRAY_LEN(measured); i++) {
        size_t n = strlen(measured[i].ending);

        if (len >= n && strcmp(node->pointer + len - n, measured[i].ending) == 0)
            return measured[i].measure;
    }
    return NULL;
}

/* "2 h" of minutes is 120. */
static bool read_measured(const char *text, const char *measure, double *ret)
{
    char *unit = NULL;
    double number = text ? strtod(text, &unit) : 0;

    if (!text || unit == text || *unit != ' ' || !(number >= 0))
        return false;
    for (size_t i = 0; i < ARRAY_LEN(units); i++)
        if (strcmp(unit + 1, units[i].unit) == 0 && strcmp(measure, units[i].measure) == 0) {
            *ret = number * units[i].factor;
            return true;
        }
    return false;
}

static bool compile_number(struct compiler *c, const struct node *node, const json_t *value)
{
    const char *measure = measure_of(node);
    struct value number = {.number = json_number_value(value)};

    if (!measure)
        return json_is_number(value) ? add_value(c, &number) : fail(c, "must be a number");
    if (!read_measured(json_string_value(value), measure, &number.number))
        return err_set(c->err, ERR_CONFIG,
                       "at \"%s\": must be a number of %s with its unit, such as \"%s\"", c->place,
                       measure,
                       strcmp(measure, "minutes") == 0   ? "90 min\", \"2 h\" or \"1 d"
                       : strcmp(measure, "persons") == 0 ? "1000 persons"
                                                         : "5000000 CNY");
    return add_value(c, &number);
}

static char lower(char c)
{
    return c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
}

static bool compile_text(struct compiler *c, const json_t *value, bool is_keyword)
{
    size_t len = json_string_length(value);
    char *text;

    if (!json_is_string(value) || (is_keyword && len == 0))
        return fail(c,
                    is_keyword ? "must be a keyword, a text that is not empty" : "must be a text");
    text = strndup(json_string_value(value), len);
    if (!text)
        return err_memory(c->err);
    for (size_t i = 0; is_keyword && i < len; i++)
        text[i] = lower(text[i]);
    if (add_value(c, &(struct value){.text = text, .len = len}))
        return true;
    free(text);
    return false;
}

static bool compile_enum(struct compiler *c, const struct enum_table *table, const json_t *value)
{
    int found;

    if (!json_is_string(value) || !enum_parse(table, json_string_value(value), &found))
        return err_set(c->err, ERR_CONFIG, "at \"%s\": is none of the values of %s", c->place,
                       table->name);
    return add_value(c, &(struct value){.number = found});
}

static bool is_text_field(const struct node *node)
{
    return node->source == PREDICATE_FIELD &&
           (node->field->type == FIELD_TEXT || node->field->type == FIELD_TEXTS);
}

static bool is_number_field(const struct node *node)
{
    return node->source == PREDICATE_FIELD &&
           (node->field->type == FIELD_INT || node->field->type == FIELD_INTS);
}

/* One operand of eq, ne and in: of the type that stands there. */
static bool compile_scalar(struct compiler *c, const struct node *node, const json_t *value)
{
    if (node->values_of)
        return compile_enum(c, node->values_of, value);
    if (is_number_field(node))
        return compile_number(c, node, value);
    if (node->source == PREDICATE_FIELD && node->field->type == FIELD_BOOL)
        return json_is_boolean(value) ? add_value(c, &(struct value){.number = json_is_true(value)})
                                      : fail(c, "must be true or false");
    if (is_text_field(node) || (node->source == PREDICATE_FIELD &&
                                (node->field->type == FIELD_ID || node->field->type == FIELD_IDS)))
        return compile_text(c, value, false);
    return fail(c, "only \"exists\" fits what stands there");
}

static bool compile_regex(struct compiler *c, const json_t *value)
{
    struct pattern *pattern = NULL;

    if (!json_is_string(value))
        return fail(c, "must be a regular expression");
    if (!pattern_compile(&pattern, json_string_value(value), c->err))
        return err_wrap(c->err, "at \"%s\"", c->place);
    if (add_value(c, &(struct value){.pattern = pattern}))
        return true;
    pattern_free(pattern);
    return false;
}

static bool compile_list(struct compiler *c, const struct node *node, const json_t *list)
{
    bool is_keywords = node->op == OP_MATCHES;
    const json_t *item;
    size_t i;

    if (json_array_size(list) == 0)
        return fail(c, "must be a list with at least one item");
    json_array_foreach(list, i, item)
    {
        size_t before = place_into_item(c, i);

        if (!(is_keywords ? compile_text(c, item, true) : compile_scalar(c, node, item)))
            return false;
        place_back(c, before);
    }
    return true;
}

static bool compile_operand(struct compiler *c, const struct node *node, const json_t *value)
{
    switch (node->op) {
    case OP_EXISTS:
        return json_is_boolean(value) ? add_value(c, &(struct value){.number = json_is_true(value)})
                                      : fail(c, "must be true or false");
    case OP_LT:
    case OP_LE:
    case OP_GT:
    case OP_GE: /* levels as texts would be compared by the alphabet */
        return is_number_field(node) || node->source == PREDICATE_RANGE
                   ? compile_number(c, node, value)
                   : fail(c, "fits a number only; for texts use \"eq\" or \"in\"");
    case OP_MATCHES:
        return is_text_field(node) ? compile_list(c, node, value) : fail(c, "fits a text only");
    case OP_REGEX:
        return is_text_field(node) ? compile_regex(c, value) : fail(c, "fits a text only");
    case OP_IN:
        return compile_list(c, node, value);
    case OP_EQ:
    case OP_NE:
        return compile_scalar(c, node, value);
    case OP_ALL:
    case OP_ANY:
    case OP_NOT:
        break;
    }
    return fail(c, "is no comparison");
}

static bool compile_comparison(struct compiler *c, const json_t *expression)
{
    struct node node = {0};
    const json_t *value = NULL;
    const char *name = NULL;
    size_t index, before;

    for (size_t i = 0; i < ARRAY_LEN(comparisons) && !value; i++) {
        value = json_object_get(expression, comparisons[i].name);
        name = comparisons[i].name;
        node.op = comparisons[i].op;
    }
    if (!value || json_object_size(expression) != 2)
        return fail(c, "beside \"at\" stands exactly one of " COMPARISONS);
    if (!add_node(c, node.op, &index) ||
        !compile_pointer(c, &node, json_object_get(expression, "at")))
        return false;
    c->p->nodes[index].pointer = node.pointer; /* freed with it from here on */
    node.value = c->p->values_n;
    before = place_into(c, name);
    if (!compile_operand(c, &node, value))
        return false;
    place_back(c, before);
    node.values_n = c->p->values_n - node.value;
    node.end = c->p->nodes_n;
    c->p->nodes[index] = node;
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

bool predicate_compile(struct predicate **ret, const struct predicate_view *view,
                       const json_t *expression, struct err *err)
{
    AUTO(auto_predicate) struct predicate *p = calloc(1, sizeof(*p));
    struct compiler c = {.p = p, .view = view, .err = err};

    if (!p)
        return err_memory(err);
    if (!compile(&c, expression))
        return false;
    *ret = TAKE(p);
    return true;
}

/* --- evaluating --- */

static enum tri tri_of(bool b)
{
    return b ? TRI_TRUE : TRI_FALSE;
}

static enum tri tri_not(enum tri t)
{
    return t == TRI_UNKNOWN ? t : tri_of(t == TRI_FALSE);
}

/* The struct that has the field; NULL: an object on the way is not there. */
static const char *holder_of(const struct node *node, const void *body)
{
    const char *at = body;

    for (size_t i = 0; at && i < node->hops_n; i++)
        at = *(const char *const *)(at + node->hops[i]);
    return at;
}

static size_t count_of(const struct field *f, const char *at)
{
    return *(const size_t *)(at + f->offset_extra);
}

static bool has_field(const struct field *f, const char *at)
{
    switch (f->type) {
    case FIELD_TIME:
    case FIELD_INT:
    case FIELD_BOOL:
    case FIELD_ENUM:
        return *(const bool *)(at + f->offset_extra);
    case FIELD_TEXTS:
    case FIELD_IDS:
    case FIELD_ENUMS:
    case FIELD_INTS:
    case FIELD_LIST:
        return count_of(f, at) > 0;
    case FIELD_TEXT:
    case FIELD_ID:
    case FIELD_OBJECT:
    case FIELD_JSON:
        break;
    }
    return *(const void *const *)(at + f->offset) != NULL;
}

static bool holds(enum op op, double x, double want)
{
    if (op == OP_LT)
        return x < want;
    if (op == OP_LE)
        return x <= want;
    return op == OP_GT ? x > want : x >= want;
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

static bool has_keyword(const struct value *words, size_t n, const char *text)
{
    size_t len = strlen(text);

    for (size_t at = 0; at < len; at++)
        for (size_t i = 0; i < n; i++)
            if (occurs_at(text, len, at, &words[i]))
                return true;
    return false;
}

static enum tri compare_text(const struct node *node, const struct value *values, const char *text)
{
    if (node->op == OP_MATCHES)
        return tri_of(has_keyword(values, node->values_n, text));
    if (node->op == OP_REGEX)
        switch (pattern_match(values->pattern, text)) {
        case PATTERN_MATCHES:
            return TRI_TRUE;
        case PATTERN_DIFFERS:
            return TRI_FALSE;
        case PATTERN_TOO_DEAR:
            return TRI_UNKNOWN;
        }
    for (size_t i = 0; i < node->values_n; i++)
        if (strcmp(values[i].text, text) == 0)
            return TRI_TRUE;
    return TRI_FALSE;
}

static enum tri compare_number(const struct node *node, const struct value *values, double x)
{
    if (node->op >= OP_LT && node->op <= OP_GE)
        return tri_of(holds(node->op, x, values->number));
    for (size_t i = 0; i < node->values_n; i++)
        if (values[i].number == x)
            return TRI_TRUE;
    return TRI_FALSE;
}

/* Item i of a list field, or the field itself. */
static enum tri compare_item(const struct node *node, const struct value *values, const char *at,
                             size_t i)
{
    const char *member = at + node->field->offset;

    switch (node->field->type) {
    case FIELD_INT:
        return compare_number(node, values, (double)*(const int64_t *)member);
    case FIELD_BOOL:
        return compare_number(node, values, *(const bool *)member);
    case FIELD_ENUM:
        return compare_number(node, values, *(const unsigned *)member);
    case FIELD_TEXT:
    case FIELD_ID:
        return compare_text(node, values, *(const char *const *)member);
    case FIELD_INTS:
        return compare_number(node, values, (double)(*(const int64_t *const *)member)[i]);
    case FIELD_ENUMS:
        return compare_number(node, values, (*(const unsigned *const *)member)[i]);
    case FIELD_TEXTS:
    case FIELD_IDS:
        return compare_text(node, values, (*(const char *const *const *)member)[i]);
    case FIELD_TIME:
    case FIELD_OBJECT:
    case FIELD_LIST:
    case FIELD_JSON:
        break;
    }
    return TRI_UNKNOWN;
}

/* A list matches when one of its items does. */
static enum tri compare_field(const struct node *node, const struct value *values, const char *at)
{
    enum tri so_far = TRI_FALSE;
    size_t n = 1;

    if (node->field->items_max > 0)
        n = count_of(node->field, at);
    for (size_t i = 0; i < n; i++) {
        enum tri t = compare_item(node, values, at, i);

        if (t == TRI_TRUE)
            return t;
        if (t == TRI_UNKNOWN)
            so_far = t;
    }
    return so_far;
}

static enum tri compare_range(const struct node *node, const struct value *values, double least,
                              double most)
{
    bool whole = holds(node->op, least, values->number);

    return whole == holds(node->op, most, values->number) ? tri_of(whole) : TRI_UNKNOWN;
}

static void note_read(struct predicate_reads *reads, const struct predicate_read *read)
{
    if (reads->n == PREDICATE_READS_MAX)
        return;
    for (size_t i = 0; i < reads->n; i++)
        if (strcmp(reads->reads[i].pointer, read->pointer) == 0)
            return;
    reads->reads[reads->n++] = *read;
}

/* Looks at what the node compares: is it there, and how does it compare? */
static bool look(const struct predicate *p, const struct node *node,
                 const struct predicate_input *in, const char *at, enum tri *ret)
{
    const struct value *values = &p->values[node->value];
    double least, most;
    int value;

    switch (node->source) {
    case PREDICATE_FIELD:
        if (!at || !has_field(node->field, at))
            return false;
        if (node->op != OP_EXISTS)
            *ret = compare_field(node, values, at);
        return true;
    case PREDICATE_FOUND:
        return in->found(in->ctx, node->id);
    case PREDICATE_RANGE:
        if (!in->range(in->ctx, node->id, &least, &most))
            return false;
        if (node->op != OP_EXISTS)
            *ret = compare_range(node, values, least, most);
        return true;
    case PREDICATE_ENUM:
        if (!in->value(in->ctx, node->id, &value))
            return false;
        if (node->op != OP_EXISTS)
            *ret = compare_number(node, values, value);
        return true;
    }
    return false;
}

static enum tri eval_comparison(const struct predicate *p, const struct node *node,
                                const struct predicate_input *in, struct predicate_reads *reads)
{
    const char *at = node->source == PREDICATE_FIELD ? holder_of(node, in->body) : NULL;
    enum tri t = TRI_UNKNOWN;
    bool is_there = look(p, node, in, at, &t);

    if (reads)
        note_read(reads, &(struct predicate_read){.pointer = node->pointer,
                                                  .source = node->source,
                                                  .is_known = is_there,
                                                  .id = node->id,
                                                  .field = node->field,
                                                  .at = at});
    if (node->op == OP_EXISTS)
        return tri_of(is_there == (p->values[node->value].number != 0));
    if (!is_there)
        return TRI_UNKNOWN;
    return node->op == OP_NE ? tri_not(t) : t;
}

static enum tri eval(const struct predicate *p, size_t index, const struct predicate_input *in,
                     struct predicate_reads *reads)
{
    const struct node *node = &p->nodes[index];
    enum tri decisive = node->op == OP_ALL ? TRI_FALSE : TRI_TRUE, so_far = tri_not(decisive);

    if (node->op == OP_NOT)
        return tri_not(eval(p, index + 1, in, reads));
    if (node->op != OP_ALL && node->op != OP_ANY)
        return eval_comparison(p, node, in, reads);
    for (size_t i = index + 1; i < node->end; i = p->nodes[i].end) {
        enum tri t = eval(p, i, in, reads);

        if (t == decisive)
            return t;
        if (t == TRI_UNKNOWN)
            so_far = t;
    }
    return so_far;
}

enum tri predicate_eval(const struct predicate *p, const struct predicate_input *in,
                        struct predicate_reads *reads)
{
    return eval(p, 0, in, reads);
}
