#include "proto/predicate_program.h"

#include <string.h>

#include "common/base/ascii.h"

static enum tri tri_of(bool b)
{
    return b ? TRI_TRUE : TRI_FALSE;
}

enum tri predicate_tri_not(enum tri t)
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

bool predicate_holds(enum op op, double x, double want)
{
    if (op == OP_LT)
        return x < want;
    if (op == OP_LE)
        return x <= want;
    return op == OP_GT ? x > want : x >= want;
}

/* A keyword's Latin end must be the end of a word: "rat" is not in "operation", but in "RAT木马". */
static bool occurs_at(const char *text, size_t len, size_t at, const struct value *word)
{
    if (len - at < word->len)
        return false;
    for (size_t i = 0; i < word->len; i++)
        if (ascii_lower(text[at + i]) != word->text[i])
            return false;
    if (at > 0 && ascii_is_alnum(word->text[0]) && ascii_is_alnum(text[at - 1]))
        return false;
    return at + word->len == len || !ascii_is_alnum(word->text[word->len - 1]) ||
           !ascii_is_alnum(text[at + word->len]);
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
        return tri_of(predicate_holds(node->op, x, values->number));
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
    bool whole = predicate_holds(node->op, least, values->number);

    return whole == predicate_holds(node->op, most, values->number) ? tri_of(whole) : TRI_UNKNOWN;
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

bool predicate_is_there(const struct node *node, const struct predicate_input *in)
{
    const char *at;
    double least, most;
    int value;

    switch (node->source) {
    case PREDICATE_FIELD:
        at = holder_of(node, in->body);
        return at && has_field(node->field, at);
    case PREDICATE_FOUND:
        return in->found && in->found(in->ctx, node->id);
    case PREDICATE_RANGE:
        return in->range && in->range(in->ctx, node->id, &least, &most);
    case PREDICATE_ENUM:
        return in->value && in->value(in->ctx, node->id, &value);
    }
    return false;
}

/* How what is there compares. */
static enum tri compare(const struct predicate *p, const struct node *node,
                        const struct predicate_input *in)
{
    const struct value *values = &p->values[node->value];
    double least, most;
    int value;

    switch (node->source) {
    case PREDICATE_FIELD:
        return compare_field(node, values, holder_of(node, in->body));
    case PREDICATE_RANGE:
        (void)in->range(in->ctx, node->id, &least, &most);
        return compare_range(node, values, least, most);
    case PREDICATE_ENUM:
        (void)in->value(in->ctx, node->id, &value);
        return compare_number(node, values, value);
    case PREDICATE_FOUND: /* only exists */
        break;
    }
    return TRI_UNKNOWN;
}

static enum tri eval_comparison(const struct predicate *p, const struct node *node,
                                const struct predicate_input *in, struct predicate_reads *reads)
{
    bool is_there = predicate_is_there(node, in);
    enum tri t;

    if (reads)
        note_read(reads, &(struct predicate_read){.pointer = node->pointer,
                                                  .source = node->source,
                                                  .is_known = is_there,
                                                  .id = node->id,
                                                  .field = node->field,
                                                  .at = holder_of(node, in->body)});
    if (node->op == OP_EXISTS)
        return tri_of(is_there == (p->values[node->value].number != 0));
    if (!is_there)
        return TRI_UNKNOWN;
    t = compare(p, node, in);
    return node->op == OP_NE ? predicate_tri_not(t) : t;
}

static enum tri eval(const struct predicate *p, size_t index, const struct predicate_input *in,
                     struct predicate_reads *reads);

static enum tri eval_part(const struct predicate *p, size_t index, const struct predicate_input *in,
                          struct predicate_reads *reads)
{
    const struct node *node = &p->nodes[index];
    enum tri decisive = node->op == OP_ALL ? TRI_FALSE : TRI_TRUE,
             so_far = node->op == OP_ALL ? TRI_TRUE : TRI_FALSE;

    if (node->op == OP_NOT)
        return predicate_tri_not(eval(p, index + 1, in, reads));
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

/* What was answered before is not asked again, unless it is to be told what it reads. */
static enum tri eval(const struct predicate *p, size_t index, const struct predicate_input *in,
                     struct predicate_reads *reads)
{
    uint8_t *answer = in->answers && !reads && p->nodes[index].part
                          ? &in->answers->of[p->nodes[index].part]
                          : NULL;
    enum tri t;

    if (answer && *answer)
        return (enum tri)((*answer & ANSWER_TRI) - 1);
    t = eval_part(p, index, in, reads);
    if (answer)
        *answer = (uint8_t)(t + 1);
    return t;
}

enum tri predicate_eval(const struct predicate *p, const struct predicate_input *in,
                        struct predicate_reads *reads)
{
    uint8_t known = in->answers && !reads ? in->answers->of[p->part] : 0;

    return known ? (enum tri)((known & ANSWER_TRI) - 1) : eval(p, 0, in, reads);
}

/* --- what is missing --- */

static const char *search_missed(const struct predicate *p, size_t index,
                                 const struct predicate_input *in)
{
    const struct node *node = &p->nodes[index];
    enum tri decisive = node->op == OP_ALL ? TRI_FALSE : TRI_TRUE;

    if (eval(p, index, in, NULL) != TRI_UNKNOWN)
        return NULL; /* what is missing here changes nothing */
    if (node->op == OP_NOT)
        return predicate_part_misses(p, index + 1, in);
    if (node->op != OP_ALL && node->op != OP_ANY)
        return node->missed && !predicate_is_there(node, in) ? node->missed : NULL;
    for (size_t i = index + 1; i < node->end; i = p->nodes[i].end) {
        const char *missed = predicate_part_misses(p, i, in);

        if (missed || eval(p, i, in, NULL) == decisive)
            return missed;
    }
    return NULL;
}

const char *predicate_part_misses(const struct predicate *p, size_t index,
                                  const struct predicate_input *in)
{
    size_t part = p->nodes[index].part;

    if (part && in->answers && in->answers->of[part] & ANSWER_TO_SILENCE)
        return in->answers->set->parts[part].missed;
    return search_missed(p, index, in);
}

const char *predicate_misses(const struct predicate *p, const struct predicate_input *in)
{
    return predicate_part_misses(p, 0, in);
}
