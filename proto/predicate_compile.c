#include "proto/predicate_program.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/ascii.h"

#define DEPTH_MAX  16
#define VALUES_MAX 8192 /* operands and keywords of one predicate */
#define PLACE_MAX  128  /* bytes of a place in an error */

static const struct {
    const char *name;
    enum op op;
} comparisons[] = {
    {"eq", OP_EQ},           {"ne", OP_NE},       {"lt", OP_LT}, {"le", OP_LE},
    {"gt", OP_GT},           {"ge", OP_GE},       {"in", OP_IN}, {"exists", OP_EXISTS},
    {"matches", OP_MATCHES}, {"regex", OP_REGEX},
};
#define COMPARISONS "eq, ne, lt, le, gt, ge, in, exists, matches, regex"

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
    return err_at(c->err, c->place, "%s", what);
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
    node->is_dear = names->is_dear;
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
            return err_at(c->err, c->place, "%s: %s has no such name", pointer, names->help);
    }
    if (!found && !find_way(c->view, node, pointer))
        return err_at(c->err, c->place,
                      "%s: no such field; the fields are those of %s (proto/*.def)", pointer,
                      c->view->shape->name);
    if (!found && node->field->values)
        node->values_of = node->field->values;
    node->pointer = strdup(pointer);
    if (!node->pointer)
        return err_memory(c->err);
    if (!found &&
        !(c->view->unasked && strncmp(pointer, c->view->unasked, strlen(c->view->unasked)) == 0))
        node->missed = node->pointer;
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

    if (!text || unit == text || *unit != ' ' || !(number >= 0 && number <= JSON_INTEGER_MAX))
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
        return err_at(c->err, c->place, "must be a number of %s with its unit, such as \"%s\"",
                      measure,
                      strcmp(measure, "minutes") == 0   ? "90 min\", \"2 h\" or \"1 d"
                      : strcmp(measure, "persons") == 0 ? "1000 persons"
                                                        : "5000000 CNY");
    return add_value(c, &number);
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
        text[i] = ascii_lower(text[i]);
    if (add_value(c, &(struct value){.text = text, .len = len}))
        return true;
    free(text);
    return false;
}

static bool compile_enum(struct compiler *c, const struct enum_table *table, const json_t *value)
{
    int found;

    if (!json_is_string(value) || !enum_parse(table, json_string_value(value), &found))
        return err_at(c->err, c->place, "is none of the values of %s", table->name);
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
        return err_at(c->err, c->place, "%s", c->err ? c->err->text : "");
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

/* {"is": "name"}: as if that condition stood here. One that leads back to itself meets the bound of the depth. */
static bool compile_named(struct compiler *c, const json_t *name)
{
    const json_t *expression = json_object_get(c->view->conditions, json_string_value(name));
    size_t before = place_into(c, "is");
    bool ok;

    if (!json_is_string(name) || !expression)
        return fail(c, "must be the name of one of the conditions");
    if (++c->depth > DEPTH_MAX)
        return fail(c, "is nested too deep, or a condition that names itself");
    ok = compile(c, expression);
    c->depth--;
    place_back(c, before);
    return ok;
}

static bool compile(struct compiler *c, const json_t *expression)
{
    static const struct {
        const char *name;
        enum op op;
    } combinators[] = {{"all", OP_ALL}, {"any", OP_ANY}, {"not", OP_NOT}};

    if (json_object_get(expression, "at"))
        return compile_comparison(c, expression);
    if (json_object_get(expression, "is") && json_object_size(expression) == 1)
        return compile_named(c, json_object_get(expression, "is"));
    for (size_t i = 0; i < ARRAY_LEN(combinators) && json_object_size(expression) == 1; i++) {
        const json_t *value = json_object_get(expression, combinators[i].name);

        if (value)
            return compile_children(c, combinators[i].op, combinators[i].name, value);
    }
    return fail(c,
                "a condition is {\"all\": […]}, {\"any\": […]}, {\"not\": …}, {\"is\": <name>} or "
                "{\"at\": …, <comparison>: …}, where the comparison is one of " COMPARISONS);
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
