#include "proto/predicate_program.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/*
 * A search over what the pointers may be. Every pointer is a variable with a few cases that stand for all its values: absent, below, at and above each
 * number that is compared with it, each value of an enum. A formula over variables of which some are open gives the set of answers that are still
 * possible; a branch in which the wanted answer is not among them is left.
 */
#define VARIABLES_MAX 64
#define CASES_MAX     96
#define POINTS_MAX    12 /* of a range, whose cases are pairs of them */

enum {
    CAN_BE_FALSE = 1 << TRI_FALSE,
    CAN_BE_TRUE = 1 << TRI_TRUE,
    CAN_BE_UNKNOWN = 1 << TRI_UNKNOWN
};

struct one_case {
    bool is_there;
    bool answers;       /* false: it is there, and no comparison is known */
    bool answer;        /* of a variable that stands for one comparison */
    double least, most; /* the same, but for a range */
    const char *text;
};

struct variable {
    const struct node *first; /* the comparison that it was made for */
    bool is_one_comparison;   /* of a text or list: its answer is the variable */
    struct one_case cases[CASES_MAX];
    size_t cases_n;
    int chosen; /* -1: open */
};

struct search {
    const struct predicate *programs[2]; /* the second: unless; NULL: none */
    struct variable *variables;
    size_t variables_n;
    size_t steps, steps_max;
};

/* --- the cases of a variable --- */

static bool add_case(struct variable *v, const struct one_case *c)
{
    if (v->cases_n == CASES_MAX)
        return false;
    v->cases[v->cases_n++] = *c;
    return true;
}

static bool add_point(double *points, size_t *n, size_t max, double point)
{
    for (size_t i = 0; i < *n; i++)
        if (points[i] == point)
            return true;
    if (*n == max)
        return false;
    points[(*n)++] = point;
    return true;
}

static bool is_comparison(const struct node *node)
{
    return node->op != OP_ALL && node->op != OP_ANY && node->op != OP_NOT;
}

static bool is_same_place(const struct node *a, const struct node *b)
{
    return strcmp(a->pointer, b->pointer) == 0;
}

typedef bool operand_fn(struct variable *v, const struct node *node, const struct value *value,
                        void *ctx);

/* Calls fn for each operand that anything at the variable's place is compared with. */
static bool each_operand(const struct search *s, struct variable *v, operand_fn *fn, void *ctx)
{
    for (size_t k = 0; k < 2; k++)
        for (size_t i = 0; s->programs[k] && i < s->programs[k]->nodes_n; i++) {
            const struct node *node = &s->programs[k]->nodes[i];

            if (!is_comparison(node) || node->op == OP_EXISTS || !is_same_place(node, v->first))
                continue;
            for (size_t o = 0; o < node->values_n; o++)
                if (!fn(v, node, &s->programs[k]->values[node->value + o], ctx))
                    return false;
        }
    return true;
}

struct points {
    double at[CASES_MAX];
    size_t n, max;
    double least, most; /* what may stand there */
    bool is_whole;
};

/* Below, at and above. */
static bool add_points(struct variable *v, const struct node *node, const struct value *value,
                       void *ctx)
{
    struct points *p = ctx;
    double x = value->number;
    bool by_one = p->is_whole && x == floor(x);
    const double around[] = {by_one ? x - 1 : nextafter(x, -HUGE_VAL), x,
                             by_one ? x + 1 : nextafter(x, HUGE_VAL)};

    (void)v;
    (void)node;
    for (size_t i = 0; i < ARRAY_LEN(around); i++)
        if (around[i] >= p->least && around[i] <= p->most &&
            !add_point(p->at, &p->n, p->max, around[i]))
            return false;
    return true;
}

static bool add_numbers(const struct search *s, struct variable *v, bool is_range)
{
    const struct field *field = v->first->field;
    struct points p = {.max = is_range ? POINTS_MAX : CASES_MAX - 2,
                       .least = is_range ? 0 : (double)field->min,
                       .most = is_range ? HUGE_VAL : (double)field->max,
                       .is_whole = !is_range};

    if (!each_operand(s, v, add_points, &p) ||
        (!is_range && (!add_point(p.at, &p.n, CASES_MAX - 1, p.least) ||
                       !add_point(p.at, &p.n, CASES_MAX - 1, p.most))))
        return false;
    for (size_t i = 0; i < p.n; i++)
        for (size_t k = 0; k < p.n; k++)
            if ((i == k || (is_range && p.at[i] < p.at[k])) &&
                !add_case(
                    v, &(struct one_case){
                           .is_there = true, .answers = true, .least = p.at[i], .most = p.at[k]}))
                return false;
    return p.n > 0 || add_case(v, &(struct one_case){.is_there = true});
}

static bool add_values(struct variable *v, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (!add_case(
                v, &(struct one_case){
                       .is_there = true, .answers = true, .least = (double)i, .most = (double)i}))
            return false;
    return true;
}

static bool add_text(struct variable *v, const struct node *node, const struct value *value,
                     void *ctx)
{
    (void)node;
    (void)ctx;
    return add_case(v, &(struct one_case){.is_there = true, .answers = true, .text = value->text});
}

/* What may stand there, beside nothing. */
static bool add_present(const struct search *s, struct variable *v)
{
    const struct node *node = v->first;

    if (v->is_one_comparison)
        return add_case(v, &(struct one_case){.is_there = true, .answers = true, .answer = true}) &&
               add_case(v, &(struct one_case){.is_there = true, .answers = true});
    if (node->source == PREDICATE_RANGE)
        return add_numbers(s, v, true);
    if (node->values_of && node->source != PREDICATE_FOUND &&
        (!node->field || !node->field->items_max))
        return add_values(v, node->values_of->n);
    if (node->source != PREDICATE_FIELD)
        return add_case(v, &(struct one_case){.is_there = true});
    if (node->field->type == FIELD_INT)
        return add_numbers(s, v, false);
    if (node->field->type == FIELD_BOOL)
        return add_values(v, 2);
    if (node->field->type == FIELD_TEXT || node->field->type == FIELD_ID)
        return each_operand(s, v, add_text, NULL) &&
               add_case(v, &(struct one_case){.is_there = true, .answers = true, .text = "\001"});
    return add_case(v, &(struct one_case){.is_there = true});
}

/* --- the variables --- */

static bool has_free_comparison(const struct search *s, const struct node *like)
{
    if (like->source != PREDICATE_FIELD)
        return false;
    if (like->field->items_max > 0)
        return true;
    for (size_t k = 0; k < 2; k++)
        for (size_t i = 0; s->programs[k] && i < s->programs[k]->nodes_n; i++) {
            const struct node *node = &s->programs[k]->nodes[i];

            if ((node->op == OP_MATCHES || node->op == OP_REGEX) && is_same_place(node, like))
                return true;
        }
    return false;
}

/* The variable that answers the comparison: found, or made. NULL: too many, or too many cases. */
static struct variable *variable_of(struct search *s, const struct node *node)
{
    bool is_one = node->op != OP_EXISTS && has_free_comparison(s, node);
    struct variable *v;

    for (size_t i = 0; i < s->variables_n; i++) {
        v = &s->variables[i];
        if (is_one ? v->first == node : !v->is_one_comparison && is_same_place(v->first, node))
            return v;
    }
    if (s->variables_n == VARIABLES_MAX)
        return NULL;
    v = &s->variables[s->variables_n++];
    *v = (struct variable){.first = node, .is_one_comparison = is_one, .chosen = -1};
    return add_case(v, &(struct one_case){.is_there = false}) && add_present(s, v) ? v : NULL;
}

static bool make_variables(struct search *s)
{
    for (size_t k = 0; k < 2; k++)
        for (size_t i = 0; s->programs[k] && i < s->programs[k]->nodes_n; i++)
            if (is_comparison(&s->programs[k]->nodes[i]) &&
                !variable_of(s, &s->programs[k]->nodes[i]))
                return false;
    return true;
}

/* --- answers --- */

static enum tri tri_of(bool b)
{
    return b ? TRI_TRUE : TRI_FALSE;
}

static bool is_one_of(const struct node *node, const struct value *values, const struct one_case *c)
{
    for (size_t i = 0; i < node->values_n; i++)
        if (c->text ? strcmp(c->text, values[i].text) == 0 : values[i].number == c->least)
            return true;
    return false;
}

static enum tri answer_of(const struct predicate *p, const struct node *node,
                          const struct variable *v, const struct one_case *c)
{
    const struct value *values = &p->values[node->value];
    enum tri t;

    if (node->op == OP_EXISTS)
        return tri_of(c->is_there == (values->number != 0));
    if (!c->is_there || !c->answers)
        return TRI_UNKNOWN;
    if (v->is_one_comparison)
        return tri_of(c->answer);
    if (node->op >= OP_LT && node->op <= OP_GE) {
        bool whole = predicate_holds(node->op, c->least, values->number);

        return whole == predicate_holds(node->op, c->most, values->number) ? tri_of(whole)
                                                                           : TRI_UNKNOWN;
    }
    t = tri_of(is_one_of(node, values, c));
    return node->op == OP_NE ? predicate_tri_not(t) : t;
}

static unsigned answers_of(struct search *s, const struct predicate *p, const struct node *node)
{
    const struct variable *v = variable_of(s, node);
    unsigned ret = 0;

    if (v->chosen >= 0)
        return 1U << answer_of(p, node, v, &v->cases[v->chosen]);
    for (size_t i = 0; i < v->cases_n; i++)
        ret |= 1U << answer_of(p, node, v, &v->cases[i]);
    return ret;
}

/* Every answer that one of `a` and one of `b` can give together, for all; any is its mirror image. */
static unsigned both(unsigned a, unsigned b)
{
    unsigned ret = (a | b) & CAN_BE_FALSE;

    if (a & b & CAN_BE_TRUE)
        ret |= CAN_BE_TRUE;
    if ((a & CAN_BE_UNKNOWN && b & (CAN_BE_UNKNOWN | CAN_BE_TRUE)) ||
        (b & CAN_BE_UNKNOWN && a & CAN_BE_TRUE))
        ret |= CAN_BE_UNKNOWN;
    return ret;
}

static unsigned mirrored(unsigned a)
{
    return (a & CAN_BE_UNKNOWN) | (a & CAN_BE_TRUE ? CAN_BE_FALSE : 0U) |
           (a & CAN_BE_FALSE ? CAN_BE_TRUE : 0U);
}

static unsigned possible(struct search *s, const struct predicate *p, size_t index)
{
    const struct node *node = &p->nodes[index];
    unsigned ret = CAN_BE_TRUE;

    s->steps++;
    if (node->op == OP_NOT)
        return mirrored(possible(s, p, index + 1));
    if (is_comparison(node))
        return answers_of(s, p, node);
    for (size_t i = index + 1; i < node->end; i = p->nodes[i].end) {
        unsigned child = possible(s, p, i);

        ret = both(ret, node->op == OP_ANY ? mirrored(child) : child);
    }
    return node->op == OP_ANY ? mirrored(ret) : ret;
}

static bool search_from(struct search *s, size_t index)
{
    struct variable *v = &s->variables[index];
    const struct predicate *unless = s->programs[1];

    if (s->steps > s->steps_max)
        return true;
    if (!(possible(s, s->programs[0], 0) & CAN_BE_TRUE) ||
        (unless && !(possible(s, unless, 0) & (CAN_BE_FALSE | CAN_BE_UNKNOWN))))
        return false;
    if (index == s->variables_n)
        return true;
    for (size_t i = 0; i < v->cases_n; i++) {
        v->chosen = (int)i;
        if (search_from(s, index + 1))
            return true;
    }
    v->chosen = -1;
    return false;
}

bool predicate_can_hold(const struct predicate *p, const struct predicate *unless, size_t *steps)
{
    struct search s = {.programs = {p, unless},
                       .steps_max = *steps < PREDICATE_STEPS_MAX ? *steps : PREDICATE_STEPS_MAX};
    bool ret;

    s.variables = calloc(VARIABLES_MAX, sizeof(*s.variables));
    ret = !s.variables || !make_variables(&s) || search_from(&s, 0);
    free(s.variables);
    *steps -= s.steps < *steps ? s.steps : *steps;
    return ret;
}
