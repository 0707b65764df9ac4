#include "services/classifier/classify.h"

#include <inttypes.h>
#include <math.h>
#include <string.h>

/* As proto/events.def and proto/parts.def bound them. */
#define MISSING_MAX     64
#define VALUE_CHARS_MAX 400
#define TEXT_BYTES_MAX  16000 /* 4000 characters */

/* What the text model says, worked out when the first rule asks: most reports have their category by then. */
struct lazy_model {
    bool is_read;
    struct model_answer answer;
};

struct work {
    const struct policy *policy;
    const struct classify_input *in;
    struct lazy_model *model;
    struct predicate_input view;
    struct arena *arena;
    struct incident_classified *ret;
};

/* What is read of a text, in the lists' characters; returns its bytes. */
static size_t normalise(const struct policy *policy, const char *text, char ret[TEXT_BYTES_MAX])
{
    size_t len = strnlen(text, TEXT_BYTES_MAX);

    words_normalise(policy->words, text, len, ret);
    return len;
}

/* Texts that say what happened; measures and plans name what did not. */
void classify_read(const struct policy *policy, const char *summary, const struct facts *facts,
                   struct classify_input *in)
{
    const char *const texts[] = {summary, facts->cause, facts->traces};
    struct word_places places;
    char text[TEXT_BYTES_MAX];

    for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
        size_t len = texts[i] ? normalise(policy, texts[i], text) : 0;

        if (len == 0)
            continue;
        words_scan(policy->words, text, len, &in->hits, &places);
        figures_scan(policy->figures, text, len, &places, &in->said);
        if (!in->first_text)
            in->first_text = texts[i];
    }
    for (size_t i = 0; i < figures_count(policy->figures); i++) {
        struct figure *f = &in->said.figures[i];

        if (!f->is_told)
            continue;
        f->at_least = floor(f->at_least);
        f->at_most = ceil(f->at_most);
    }
}

static double model_probability(const struct work *w, size_t category)
{
    char text[TEXT_BYTES_MAX];

    if (!w->policy->model || !w->in->first_text)
        return 0; /* less than any that counts */
    if (!w->model->is_read)
        model_read(w->policy->model, text, normalise(w->policy, w->in->first_text, text),
                   &w->model->answer);
    w->model->is_read = true;
    return w->model->answer.probability[category];
}

static bool is_found(const void *ctx, size_t id)
{
    const struct work *w = ctx;

    if (id >= POLICY_MODEL_IDS)
        return model_probability(w, id - POLICY_MODEL_IDS) >= w->policy->model_sure;
    return words_found(&w->in->hits, id);
}

static bool is_said(const void *ctx, size_t id, double *ret_least, double *ret_most)
{
    const struct work *w = ctx;
    const struct figure *f = &w->in->said.figures[id];

    *ret_least = f->at_least;
    *ret_most = f->at_most;
    return f->is_told;
}

/* --- reasons --- */

static bool keep_text(struct arena *arena, const char *text, size_t len, const char **ret)
{
    char *copy = arena_take(arena, len + 1);

    if (!copy)
        return false;
    memcpy(copy, text, len);
    copy[len] = '\0';
    *ret = copy;
    return true;
}

/* The bytes of the first `chars` characters. */
static size_t cut_chars(const char *text, size_t len, size_t chars)
{
    size_t at = 0;

    while (at < len && (((unsigned char)text[at] & 0xC0) == 0x80 || chars-- > 0))
        at++;
    return at;
}

static void write_words(struct buf *ret, const struct work *w, size_t id)
{
    const char *words[WORD_TOGETHER_MAX];
    size_t n = words_explain(w->policy->words, &w->in->hits, id, words);

    buf_char(ret, '[');
    for (size_t i = 0; i < n; i++) {
        if (i > 0)
            buf_char(ret, ',');
        buf_json(ret, words[i]);
    }
    buf_char(ret, ']');
}

/* A whole number, and null for one that has no end. */
static void write_whole(struct buf *ret, double value)
{
    if (isinf(value))
        buf_str(ret, "null");
    else if (fabs(value) < (double)INT64_MAX)
        buf_printf(ret, "%" PRId64, (int64_t)value); /* a double's digits cost ten times as much */
    else
        buf_printf(ret, "%.0f", value);
}

/* What was found there, as JSON text. */
static void write_value(struct buf *ret, const struct work *w, const struct predicate_read *read)
{
    double least, most;

    switch (read->source) {
    case PREDICATE_FIELD:
        if (!shape_field_text(read->field, read->at, ret))
            ret->failed = true;
        break;
    case PREDICATE_FOUND:
        if (read->id >= POLICY_MODEL_IDS)
            buf_printf(ret, "{\"probability\":%.2f}",
                       model_probability(w, read->id - POLICY_MODEL_IDS));
        else
            write_words(ret, w, read->id);
        break;
    case PREDICATE_RANGE:
        (void)is_said(w, read->id, &least, &most);
        buf_str(ret, "{\"at_least\":");
        write_whole(ret, least);
        buf_str(ret, ",\"at_most\":");
        write_whole(ret, most);
        buf_char(ret, '}');
        break;
    case PREDICATE_ENUM: /* the view has none */
        break;
    }
}

static bool keep_value(const struct work *w, const struct predicate_read *read, const char **ret)
{
    AUTO(buf_done) struct buf text;

    buf_init(&text, EVENT_BODY_MAX_BYTES);
    write_value(&text, w, read);
    if (text.failed)
        return !text.no_memory && keep_text(w->arena, "…", strlen("…"), ret);
    return keep_text(w->arena, buf_text(&text),
                     cut_chars(buf_text(&text), text.len, VALUE_CHARS_MAX), ret);
}

/* The fields that the rule read and found. */
static bool keep_fields(const struct work *w, const struct predicate_reads *reads,
                        struct reason *reason)
{
    reason->fields = arena_take(w->arena, (reads->n + 1) * sizeof(*reason->fields));
    if (!reason->fields)
        return false;
    for (size_t i = 0; i < reads->n; i++) {
        struct read_field *field = &reason->fields[reason->fields_n];

        if (!reads->reads[i].is_known)
            continue;
        field->pointer = reads->reads[i].pointer;
        if (!keep_value(w, &reads->reads[i], &field->value))
            return false;
        reason->fields_n++;
    }
    return true;
}

static bool add_reason(struct work *w, const struct reason *what,
                       const struct predicate_reads *reads)
{
    struct reason *reason = &w->ret->reasons[w->ret->reasons_n];

    if (w->ret->reasons_n == CLASSIFY_REASONS_MAX)
        return true;
    *reason = *what;
    if (reads && !keep_fields(w, reads, reason))
        return false;
    w->ret->reasons_n++;
    return true;
}

static bool add_rule_reason(struct work *w, const struct regime *regime, const struct rule *rule,
                            const struct predicate_reads *reads)
{
    struct reason what = {.rule = rule->id, .regime = regime->id, .zh = rule->zh, .en = rule->en};

    what.source = arena_take(w->arena, sizeof(*what.source));
    if (!what.source)
        return false;
    *what.source = rule->source;
    if (rule->has_level)
        SHAPE_SET(&what, level, rule->level);
    return add_reason(w, &what, reads);
}

/* --- what could raise a level --- */

/* The regime's are the last of the list. One set asks for a field by one text. */
static bool is_missing(const struct work *w, const char *pointer, const char *regime,
                       struct missing **ret)
{
    for (size_t i = w->ret->missing_n; i-- > 0 && w->ret->missing[i].regime == regime;)
        if (w->ret->missing[i].pointer == pointer) {
            *ret = &w->ret->missing[i];
            return true;
        }
    return false;
}

/* The first fact that the rule does not know; a word or a figure that was not said is nothing to ask for, nor is a campaign that nobody has found.
 * One entry for a fact and a regime: the next level that it could raise to. */
static void add_missing(struct work *w, const struct regime *regime, const struct rule *rule)
{
    const char *pointer = predicate_misses(rule->when, &w->view);
    struct missing *m = &w->ret->missing[w->ret->missing_n];

    if (!pointer)
        return;
    if (is_missing(w, pointer, regime->id, &m)) {
        if (m->level <= rule->level)
            return;
    } else {
        if (w->ret->missing_n == MISSING_MAX)
            return;
        w->ret->missing_n++;
        *m = (struct missing){.pointer = pointer, .regime = regime->id};
    }
    if (rule->has_level)
        SHAPE_SET(m, level, rule->level);
    m->zh = rule->missing_zh;
    m->en = rule->missing_en;
}

/* --- regimes --- */

/* Evaluates it once more, now noting what it reads. */
static bool explain_rule(struct work *w, const struct regime *regime, const struct rule *rule)
{
    struct predicate_reads reads = {0};

    predicate_eval(rule->when, &w->view, &reads);
    return add_rule_reason(w, regime, rule, &reads);
}

static bool is_in_force(const struct rule *rule, int64_t discovered_at)
{
    return rule->from_ms <= discovered_at && discovered_at < rule->until_ms;
}

/* What the rules in force answer, in the policy's order; what is false is not kept. */
struct answers {
    const struct rule *proven[POLICY_RULES_MAX], *open[POLICY_RULES_MAX];
    size_t proven_n, open_n;
};

static void ask_rules(const struct work *w, const struct regime *regime, struct answers *ret)
{
    ret->proven_n = ret->open_n = 0;
    for (size_t i = 0; i < regime->rules_n; i++) {
        const struct rule *rule = &regime->rules[i];

        if (!is_in_force(rule, w->in->discovered_at))
            continue;
        switch (predicate_eval(rule->when, &w->view, NULL)) {
        case TRI_TRUE:
            ret->proven[ret->proven_n++] = rule;
            break;
        case TRI_UNKNOWN:
            ret->open[ret->open_n++] = rule;
            break;
        case TRI_FALSE:
            break;
        }
    }
}

/* The highest level that is proven; of rules that ask no person when `sure`. False: none. */
static bool find_level(const struct answers *answers, bool sure, enum level *ret)
{
    bool found = false;

    for (size_t i = 0; i < answers->proven_n; i++) {
        const struct rule *rule = answers->proven[i];

        if (!rule->has_level || (sure && rule->needs_human) || (found && rule->level <= *ret))
            continue;
        *ret = rule->level;
        found = true;
    }
    return found;
}

/* A rule that asks for a person to confirm a level has nothing to ask when a surer one gives as much. */
static bool asks_person(const struct answers *answers)
{
    enum level sure = LEVEL_GENERAL;
    bool is_sure = find_level(answers, true, &sure);

    for (size_t i = 0; i < answers->proven_n; i++) {
        const struct rule *rule = answers->proven[i];

        if (rule->needs_human && !(rule->proposes && is_sure && rule->level <= sure))
            return true;
    }
    return false;
}

static bool is_any_reportable(const struct rule *const *rules, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (rules[i]->is_reportable)
            return true;
    return false;
}

/* Yes: one of the rules is proven. No: none can be any more, and none asks a person. */
static void set_reportable(struct regime_grade *grade, const struct answers *answers)
{
    if (is_any_reportable(answers->proven, answers->proven_n))
        SHAPE_SET(grade, reportable, true);
    else if (!is_any_reportable(answers->open, answers->open_n) && !grade->needs_human)
        SHAPE_SET(grade, reportable, false);
}

/* The rules that are worth a word. */
static bool explain(struct work *w, const struct regime *regime, const struct answers *answers,
                    const struct regime_grade *grade)
{
    for (size_t i = 0; i < answers->open_n; i++) {
        const struct rule *rule = answers->open[i];

        if ((rule->has_level && rule->level > grade->level) || /* none is as `general` */
            (rule->is_reportable && !(grade->has_reportable && grade->reportable)))
            add_missing(w, regime, rule);
    }
    for (size_t i = 0; i < answers->proven_n; i++) {
        const struct rule *rule = answers->proven[i];
        bool gave_level = rule->has_level && grade->has_level && rule->level == grade->level;

        if ((gave_level || rule->is_reportable || rule->needs_human) &&
            !explain_rule(w, regime, rule))
            return false;
    }
    return true;
}

static bool count_otherwise(struct work *w, const struct regime *regime, struct regime_grade *grade)
{
    const struct rule *rule = &regime->otherwise;

    if (grade->has_level || !regime->has_otherwise || !is_in_force(rule, w->in->discovered_at))
        return true;
    grade->needs_human = grade->needs_human || rule->needs_human;
    if (rule->has_level)
        SHAPE_SET(grade, level, rule->level);
    return add_rule_reason(w, regime, rule, NULL);
}

static bool grade_regime(struct work *w, const struct regime *regime, struct regime_grade *grade)
{
    struct answers answers;
    enum level level = LEVEL_GENERAL;

    ask_rules(w, regime, &answers);
    grade->regime = regime->id;
    if (find_level(&answers, false, &level))
        SHAPE_SET(grade, level, level);
    SHAPE_SET(grade, needs_human, asks_person(&answers));
    if (!count_otherwise(w, regime, grade))
        return false;
    if (regime->asks_report)
        set_reportable(grade, &answers);
    return explain(w, regime, &answers, grade);
}

static bool applies(const struct work *w, const struct regime *regime)
{
    return !regime->applies || predicate_eval(regime->applies, &w->view, NULL) == TRI_TRUE;
}

static bool grade_all(struct work *w)
{
    struct incident_classified *ret = w->ret;
    bool told = false;

    SHAPE_SET(ret, level, LEVEL_GENERAL);
    SHAPE_SET(ret, needs_human, false);
    for (size_t i = 0; i < w->policy->regimes_n; i++) {
        const struct regime *regime = &w->policy->regimes[i];
        struct regime_grade *grade = &ret->regimes[ret->regimes_n];

        if (!applies(w, regime))
            continue;
        ret->regimes_n++;
        if (!grade_regime(w, regime, grade))
            return false;
        ret->needs_human = ret->needs_human || grade->needs_human;
        told = told || grade->has_level;
        if (grade->has_level && grade->level > ret->level)
            ret->level = grade->level;
    }
    ret->needs_human = ret->needs_human || !told;
    return true;
}

/* --- category --- */

static bool is_called(const char *hint, size_t len, const char *name)
{
    return strlen(name) == len && memcmp(name, hint, len) == 0;
}

/* What the reporter names: one of the ten, a sub-category, or one of the park's four; by its stable or its Chinese name, with or without "事件". */
static bool choose_by_hint(const struct policy *policy, const char *hint, struct choice *ret)
{
    static const char suffix[] = "事件";
    struct choice found = {.id = "category.hint",
                           .zh = "按报告人填写的类别",
                           .en = "the category that the reporter gave"};
    size_t len = strlen(hint), cut = sizeof(suffix) - 1;

    if (len > cut && memcmp(hint + len - cut, suffix, cut) == 0)
        len -= cut;
    for (size_t g = 0; g < gbt20986_table.n; g++) {
        const struct gbt_row *row = &policy->gbt[g];

        found.gbt = (enum gbt20986)g;
        found.category = row->category;
        if (is_called(hint, len, gbt20986_table.values[g].text) ||
            is_called(hint, len, gbt20986_table.values[g].zh)) {
            *ret = found;
            return true;
        }
        for (size_t s = 0; s < row->subs_n; s++)
            if (is_called(hint, len, row->subs[s]) && strcmp(row->subs[s], "其他") != 0) {
                found.sub = row->subs[s];
                *ret = found;
                return true;
            }
    }
    for (size_t c = 0; c < category_table.n; c++)
        if (is_called(hint, len, category_table.values[c].text) ||
            is_called(hint, len, category_table.values[c].zh)) {
            found.category = (enum category)c;
            found.gbt = policy->gbt_of_category[c];
            *ret = found;
            return true;
        }
    return false;
}

static bool choose(struct work *w)
{
    const char *hint = w->in->facts->category_hint;
    struct predicate_reads reads = {0};
    struct choice choice = w->policy->otherwise;
    struct incident_classified *ret = w->ret;
    bool proven = false;

    if (hint && choose_by_hint(w->policy, hint, &choice)) {
        (void)predicate_eval(w->policy->hint, &w->view, &reads);
        proven = true;
    }
    for (size_t i = 0; !proven && i < w->policy->choices_n; i++) {
        proven = predicate_eval(w->policy->choices[i].when, &w->view, NULL) == TRI_TRUE;
        if (proven) {
            choice = w->policy->choices[i];
            (void)predicate_eval(choice.when, &w->view, &reads);
        }
    }
    ret->gbt20986 = arena_take(w->arena, sizeof(*ret->gbt20986));
    if (!ret->gbt20986)
        return false;
    SHAPE_SET(ret, category, choice.category);
    SHAPE_SET(ret->gbt20986, name, choice.gbt);
    ret->gbt20986->zh = gbt20986_table.values[choice.gbt].zh;
    ret->gbt20986->sub = choice.sub;
    return add_reason(
        w,
        &(struct reason){
            .rule = choice.id, .regime = "gbt-20986", .zh = choice.zh, .en = choice.en},
        proven ? &reads : NULL);
}

bool classify(const struct policy *policy, const struct classify_input *in, struct arena *arena,
              struct incident_classified *ret, struct err *err)
{
    const struct grading body = {.summary = in->summary,
                                 .facts = (struct facts *)(uintptr_t)in->facts,
                                 .profile = (struct profile *)(uintptr_t)in->profile,
                                 .campaign = (struct campaign *)(uintptr_t)in->campaign};
    struct predicate_answers answers;
    struct lazy_model model = {0};
    struct work w = {.policy = policy, .in = in, .model = &model, .arena = arena, .ret = ret};

    w.view =
        (struct predicate_input){.body = &body, .ctx = &w, .found = is_found, .range = is_said};
    predicate_set_begin(policy->conditions, &w.view, &answers);

    ret->regimes_n = ret->reasons_n = ret->missing_n = 0;
    ret->regimes = arena_take(arena, POLICY_REGIMES_MAX * sizeof(*ret->regimes));
    ret->reasons = arena_take(arena, CLASSIFY_REASONS_MAX * sizeof(*ret->reasons));
    ret->missing = arena_take(arena, (MISSING_MAX + 1) * sizeof(*ret->missing));
    if (!ret->regimes || !ret->reasons || !ret->missing || !choose(&w) || !grade_all(&w))
        return err_memory(err);
    ret->campaign = body.campaign;
    ret->policy_version = policy->version;
    SHAPE_SET(ret, decided_by, SCOPE_SYSTEM);
    return true;
}
