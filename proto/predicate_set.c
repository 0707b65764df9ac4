#include "proto/predicate_set.h"

#include <stdlib.h>
#include <string.h>

#include "proto/predicate_program.h"

#define KEY_MAX_BYTES ((size_t)1024 * 1024)

bool predicate_set_new(struct predicate_set **ret, struct err *err)
{
    struct predicate_set *set = calloc(1, sizeof(*set));

    if (!set || !(set->numbers = json_object()) || !(set->missed = json_object())) {
        predicate_set_free(set);
        return err_memory(err);
    }
    *ret = set;
    return true;
}

void predicate_set_free(struct predicate_set *set)
{
    if (!set)
        return;
    json_decref(set->numbers);
    json_decref(set->missed);
    free(set->atoms);
    free(set);
}

/* --- equal parts --- */

/* A comparison by what it compares; a combination by the numbers of its parts. False: a part has no number. */
static bool write_key(struct buf *ret, const struct predicate *p, size_t index)
{
    const struct node *node = &p->nodes[index];

    buf_printf(ret, "%d", (int)node->op);
    if (node->pointer) {
        buf_json(ret, node->pointer);
        for (size_t i = 0; i < node->values_n; i++) {
            const struct value *value = &p->values[node->value + i];

            if (value->pattern)
                return false; /* compiled: not to be compared */
            buf_printf(ret, ",%.17g", value->number);
            buf_json(ret, value->text ? value->text : "");
        }
        return !ret->failed;
    }
    for (size_t i = index + 1; i < node->end; i = p->nodes[i].end) {
        if (p->nodes[i].part == 0)
            return false;
        buf_printf(ret, ",%zu", p->nodes[i].part);
    }
    return !ret->failed;
}

static bool number_part(struct predicate_set *set, struct predicate *p, size_t index,
                        struct err *err)
{
    AUTO(buf_done) struct buf key;
    const json_t *known;
    size_t number = json_object_size(set->numbers) + 1;

    buf_init(&key, KEY_MAX_BYTES);
    if (!write_key(&key, p, index))
        return key.no_memory ? err_memory(err) : true;
    known = json_object_get(set->numbers, buf_text(&key));
    if (known)
        number = (size_t)json_integer_value(known);
    else if (number == PREDICATE_PARTS_MAX)
        return true;
    else if (json_object_set_new(set->numbers, buf_text(&key), json_integer((json_int_t)number)))
        return err_memory(err);
    else
        set->parts[number] = (struct part){.p = p, .index = index};
    p->nodes[index].part = number;
    return true;
}

/* The text by which the whole set asks for the field. */
static bool name_missed(struct predicate_set *set, struct node *node, struct err *err)
{
    if (!node->missed)
        return true;
    if (!json_object_get(set->missed, node->missed) &&
        json_object_set_new(set->missed, node->missed, json_true()))
        return err_memory(err);
    node->missed = json_object_iter_key(json_object_iter_at(set->missed, node->missed));
    return true;
}

/* From the last: the parts of a combination have theirs before it. */
bool predicate_set_add(struct predicate_set *set, struct predicate *p, struct err *err)
{
    for (size_t i = p->nodes_n; i-- > 0;)
        if (!name_missed(set, &p->nodes[i], err) || !number_part(set, p, i, err))
            return false;
    p->part = p->nodes[0].part;
    return true;
}

/* --- what is known before there is any input --- */

/* Nothing is there: what each part answers then, and which field it misses first. */
static void answer_silence(struct predicate_set *set)
{
    struct predicate_answers answers = {.set = set};
    const struct predicate_input silence = {.answers = &answers};

    for (size_t n = 1; n <= set->parts_n; n++) {
        struct part *part = &set->parts[n];

        part->missed = predicate_part_misses(part->p, part->index, &silence); /* asks it, too */
        answers.of[n] |= ANSWER_TO_SILENCE;
    }
    memcpy(set->silence, answers.of, sizeof(set->silence));
}

/* One for each pointer that is looked at. */
static bool find_atom(struct predicate_set *set, json_t *known, const struct node *node,
                      struct atom **ret, struct err *err)
{
    const json_t *number = json_object_get(known, node->pointer);

    *ret = &set->atoms[number ? (size_t)json_integer_value(number) : set->atoms_n];
    if (number)
        return true;
    (*ret)->node = node;
    return json_object_set_new(known, node->pointer, json_integer((json_int_t)set->atoms_n++)) ==
               0 ||
           err_memory(err);
}

static bool find_atoms(struct predicate_set *set, struct err *err)
{
    AUTO(auto_json) json_t *known = json_object();

    set->atoms = calloc(set->parts_n + 1, sizeof(*set->atoms));
    if (!known || !set->atoms)
        return err_memory(err);
    for (size_t n = 1; n <= set->parts_n; n++) {
        const struct part *part = &set->parts[n];

        for (size_t i = part->index; i < part->p->nodes[part->index].end; i++) {
            struct atom *atom;

            if (!part->p->nodes[i].pointer)
                continue;
            if (!find_atom(set, known, &part->p->nodes[i], &atom, err))
                return false;
            atom->hanging[n / 64] |= UINT64_C(1) << n % 64;
        }
    }
    return true;
}

bool predicate_set_close(struct predicate_set *set, struct err *err)
{
    set->parts_n = json_object_size(set->numbers);
    json_decref(set->numbers);
    set->numbers = NULL;
    answer_silence(set);
    return find_atoms(set, err);
}

/* --- an input --- */

void predicate_set_begin(const struct predicate_set *set, struct predicate_input *in,
                         struct predicate_answers *answers)
{
    size_t words_n = set->parts_n / 64 + 1;
    uint64_t open[PREDICATE_PARTS_MAX / 64] = {0};

    for (size_t a = 0; a < set->atoms_n; a++) {
        const struct atom *atom = &set->atoms[a];

        if (atom->node->is_dear || predicate_is_there(atom->node, in))
            for (size_t w = 0; w < words_n; w++)
                open[w] |= atom->hanging[w];
    }
    memcpy(answers->of, set->silence, set->parts_n + 1);
    for (size_t w = 0; w < words_n; w++)
        for (; open[w]; open[w] &= open[w] - 1)
            answers->of[w * 64 + (size_t)__builtin_ctzll(open[w])] = 0;
    answers->set = set;
    in->answers = answers;
}
