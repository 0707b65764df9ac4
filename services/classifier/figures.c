#include "services/classifier/figures.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "services/classifier/numbers.h"
#include "services/classifier/spot.h"

#define LISTS_MAX  16 /* word lists that a figure names */
#define BARE_STEPS 3  /* what a clause may say beside its number and still be bare */

struct rule {
    const char *name;
    size_t unit;
    struct word_set of, not_of, void_by; /* word lists and combinations */
    double least;
    bool is_bare, is_far;
    size_t unless; /* the figure that a number is rather; FIGURES_MAX: none */
};

struct figures {
    const struct words *words;
    struct units units;
    struct rule rules[FIGURES_MAX];
    size_t rules_n;
};

void figures_free(struct figures *f)
{
    free(f);
}

size_t figures_count(const struct figures *f)
{
    return f->rules_n;
}

const char *figures_name(const struct figures *f, size_t id)
{
    return id < f->rules_n ? f->rules[id].name : NULL;
}

bool figures_find(const struct figures *f, const char *name, size_t *ret_id)
{
    for (size_t i = 0; i < f->rules_n; i++)
        if (strcmp(f->rules[i].name, name) == 0) {
            *ret_id = i;
            return true;
        }
    return false;
}

static bool load_lists(const struct figures *f, json_t *rule, const char *member,
                       struct word_set *ret, struct err *err)
{
    json_t *lists = json_object_get(rule, member), *item;
    size_t i, id;

    if ((lists && !json_is_array(lists)) || json_array_size(lists) > LISTS_MAX)
        return err_at(err, "", "must be a list of at most %d word lists", LISTS_MAX) ||
               err_under(err, "/%s", member);
    json_array_foreach(lists, i, item)
    {
        if (!json_is_string(item) || !words_find(f->words, json_string_value(item), &id))
            return err_at(err, "", "words.json has no such list") ||
                   err_under(err, "/%s/%zu", member, i);
        word_set_add(ret, id);
    }
    return true;
}

static bool json_is_number_value(const json_t *value)
{
    return json_is_number(value);
}

static bool json_is_truth(const json_t *value)
{
    return json_is_boolean(value);
}

static bool has_type(const json_t *object, const char *name, bool (*is)(const json_t *value))
{
    const json_t *value = json_object_get(object, name);

    return !value || is(value);
}

static bool load_rule(struct figures *f, const char *name, json_t *source, struct err *err)
{
    static const char *const members[] = {"unit",  "of",   "not", "void",
                                          "least", "bare", "far", "unless"};
    struct rule *rule = &f->rules[f->rules_n];
    const json_t *unless = json_object_get(source, "unless");
    const char *member;
    json_t *value;

    if (f->rules_n == FIGURES_MAX)
        return err_at(err, "", "more than %d figures", FIGURES_MAX);
    json_object_foreach(source, member, value)
    {
        bool known = false;

        for (size_t i = 0; i < ARRAY_LEN(members); i++)
            known = known || strcmp(member, members[i]) == 0;
        if (!known)
            return err_at(
                       err, "",
                       "no such member; legal are unit, of, not, void, least, bare, far, unless") ||
                   err_under(err, "/%s", member);
    }
    if (!has_type(source, "least", json_is_number_value) ||
        !has_type(source, "bare", json_is_truth) || !has_type(source, "far", json_is_truth))
        return err_at(err, "", "least must be a number, bare and far true or false");
    rule->name = name;
    rule->least = json_number_value(json_object_get(source, "least"));
    rule->is_bare = json_is_true(json_object_get(source, "bare"));
    rule->is_far = json_is_true(json_object_get(source, "far"));
    if (!units_find(&f->units, json_string_value(json_object_get(source, "unit")), &rule->unit))
        return err_at(err, "/unit", "must be one of the units");
    if (!load_lists(f, source, "of", &rule->of, err) ||
        !load_lists(f, source, "not", &rule->not_of, err) ||
        !load_lists(f, source, "void", &rule->void_by, err))
        return false;
    rule->unless = FIGURES_MAX;
    if (unless &&
        (!json_is_string(unless) || !figures_find(f, json_string_value(unless), &rule->unless)))
        return err_at(err, "/unless", "must be a figure that stands before this one");
    if (json_array_size(json_object_get(source, "of")) == 0)
        return err_at(err, "/of", "must name the word lists that tell of it");
    f->rules_n++;
    return true;
}

bool figures_load(struct figures **ret, const struct words *words, json_t *source, struct err *err)
{
    AUTO(auto_figures) struct figures *f = calloc(1, sizeof(*f));
    const char *name;
    json_t *rule;

    if (!f)
        return err_memory(err);
    f->words = words;
    if (!units_load(&f->units, source, err))
        return false;
    json_object_foreach(
        json_object_get(source, "figures"), name,
        rule) if (!load_rule(f, name, rule, err)) return err_under(err, "/figures/%s", name);
    *ret = TAKE(f);
    return true;
}

/* --- which figure a number is --- */

enum told { TOLD_NOT, TOLD_BY_TEXT, TOLD_BY_SENTENCE, TOLD_BY_CLAUSE };

/* What is said beside a number, worked out once for all figures. */
struct beside {
    struct word_set clause, sentence;
    bool
        is_bare; /* its clause says nothing else; then `clause` has the one before it, too: "转出两笔,共265万元" */
};

struct scan {
    const struct figures *f;
    const char *text;
    size_t len;
    const struct word_places *places;
    struct word_set in_text;
    struct numbers numbers;
    enum told told[NUMBERS_MAX][FIGURES_MAX];
};

static bool says_nothing_else(const struct scan *s, const struct number *n)
{
    size_t at = n->clause_from;
    int steps = 0;

    while (at < n->clause_to) {
        if (at >= n->from && at < n->to) {
            at = n->to;
            continue;
        }
        if (!spot_step(s->text, s->len, &at))
            break;
        steps++;
    }
    return steps <= BARE_STEPS;
}

static void look_beside(const struct scan *s, const struct number *n, struct beside *ret)
{
    ret->is_bare = says_nothing_else(s, n);
    words_stand(s->f->words, s->places, ret->is_bare ? n->clause_before : n->clause_from,
                n->clause_to, &s->in_text, &ret->clause);
    words_stand(s->f->words, s->places, n->sentence_from, n->sentence_to, &s->in_text,
                &ret->sentence);
}

static enum told told_of(const struct scan *s, const struct number *n, const struct beside *beside,
                         const struct rule *rule)
{
    if (n->unit != rule->unit || n->at_most < rule->least)
        return TOLD_NOT;
    if (word_set_meets(&rule->not_of, &beside->clause) ||
        word_set_meets(&rule->void_by, &beside->sentence))
        return TOLD_NOT;
    if (word_set_meets(&rule->of, &beside->clause))
        return TOLD_BY_CLAUSE;
    if (rule->is_bare && !beside->is_bare)
        return TOLD_NOT;
    if (word_set_meets(&rule->of, &beside->sentence))
        return TOLD_BY_SENTENCE;
    return rule->is_far && word_set_meets(&rule->of, &s->in_text) ? TOLD_BY_TEXT : TOLD_NOT;
}

/* The greatest is proven; what they may be together is not ruled out. */
static void tell(struct figure *to, const struct number *n)
{
    if (!to->is_told || n->at_least > to->at_least)
        to->at_least = n->at_least;
    to->at_most = to->is_told ? to->at_most + n->at_most : n->at_most;
    to->is_told = true;
}

/* A number of the unit that another place in the text explains better: it may be this figure all the same. */
static void leave_open(struct figure *to, const struct number *n)
{
    if (to->is_told && n->at_most > to->at_most)
        to->at_most = n->at_most;
}

/* A number is that figure of which it says so nearest by; a figure has those numbers which say so nearest by in their sentence. */
static bool is_nearest(const struct scan *s, size_t n, size_t r)
{
    const struct number *numbers = s->numbers.numbers;
    size_t unless = s->f->rules[r].unless;
    enum told told = s->told[n][r];

    if (unless < FIGURES_MAX && s->told[n][unless] != TOLD_NOT && s->told[n][unless] >= told)
        return false;
    for (size_t other = 0; other < s->f->rules_n; other++)
        if (s->told[n][other] > told)
            return false;
    for (size_t other = 0; other < s->numbers.n; other++)
        if (s->told[other][r] > told &&
            (told == TOLD_BY_TEXT || numbers[other].sentence_from == numbers[n].sentence_from))
            return false;
    return true;
}

/* What the numbers that are the figure say of it; then what the others, that might be it, leave open. */
static void find_figure(const struct scan *s, size_t r, struct figure *ret)
{
    bool nearest[NUMBERS_MAX];

    for (size_t i = 0; i < s->numbers.n; i++) {
        nearest[i] = s->told[i][r] != TOLD_NOT && is_nearest(s, i, r);
        if (nearest[i])
            tell(ret, &s->numbers.numbers[i]);
    }
    for (size_t i = 0; i < s->numbers.n; i++)
        if (s->told[i][r] != TOLD_NOT && !nearest[i])
            leave_open(ret, &s->numbers.numbers[i]);
}

/* Of several texts the greatest. */
static void join(struct figure *to, const struct figure *found)
{
    if (!found->is_told)
        return;
    if (!to->is_told || found->at_least > to->at_least)
        to->at_least = found->at_least;
    if (!to->is_told || found->at_most > to->at_most)
        to->at_most = found->at_most;
    to->is_told = true;
}

static void find_figures(struct scan *s, struct figure_hits *hits)
{
    const struct figures *f = s->f;
    struct beside beside;

    words_stand(f->words, s->places, 0, s->len, NULL, &s->in_text);
    for (size_t i = 0; i < s->numbers.n; i++) {
        look_beside(s, &s->numbers.numbers[i], &beside);
        for (size_t r = 0; r < f->rules_n; r++)
            s->told[i][r] = told_of(s, &s->numbers.numbers[i], &beside, &f->rules[r]);
    }
    for (size_t r = 0; r < f->rules_n; r++) {
        struct figure found = {0};

        find_figure(s, r, &found);
        join(&hits->figures[r], &found);
    }
}

void figures_scan(const struct figures *f, const char *text, size_t len,
                  const struct word_places *places, struct figure_hits *hits)
{
    struct scan s;

    numbers_scan(&f->units, text, len, &s.numbers);
    s.f = f;
    s.text = text;
    s.len = len;
    s.places = places;
    if (s.numbers.n > 0)
        find_figures(&s, hits);
    if (s.numbers.has_unread || places->n == WORD_PLACES_MAX)
        hits->is_open = true;
    for (size_t r = 0; hits->is_open && r < f->rules_n; r++)
        hits->figures[r].at_most = HUGE_VAL; /* of what is told */
}
