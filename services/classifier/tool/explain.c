#include "services/classifier/tool/explain.h"

#include <stdio.h>
#include <string.h>

#include "common/base/utf8.h"

#define SUMMARY_CHARS 300
#define TAXONOMY      "gbt-20986"

struct page {
    struct buf *out;
    const struct explain *what;
    const struct incident_classified *body;
    bool zh;
};

__attribute__((format_arg(2), format_arg(3))) static const char *say(const struct page *p,
                                                                     const char *zh, const char *en)
{
    return p->zh ? zh : en;
}

/* --- texts --- */

/* Without control characters: C0, DEL, and C1, which UTF-8 writes as C2 80 … C2 9F. */
static void put_clean(struct page *p, const char *text, size_t chars_max)
{
    size_t chars = 0;

    for (const unsigned char *at = (const unsigned char *)text; *at; at++) {
        if ((*at & 0xC0) != 0x80 && chars++ == chars_max) {
            (void)buf_str(p->out, "…");
            return;
        }
        if (*at < ' ' || *at == 0x7F) {
            (void)buf_char(p->out, ' ');
        } else if (*at == 0xC2 && at[1] >= 0x80 && at[1] < 0xA0) {
            (void)buf_char(p->out, ' ');
            at++;
        } else {
            (void)buf_char(p->out, (char)*at);
        }
    }
}

static void put(struct page *p, const char *text)
{
    if (text)
        put_clean(p, text, SIZE_MAX);
}

static void put_enum(struct page *p, const struct enum_table *table, int value)
{
    (void)buf_str(p->out, say(p, table->values[value].zh, table->values[value].en));
}

/* 13,000,000 */
static void put_number(struct page *p, double number)
{
    char digits[32];
    size_t len = (size_t)snprintf(digits, sizeof(digits), "%.0f", number);

    for (size_t i = 0; i < len && len < sizeof(digits); i++) {
        if (i > 0 && (len - i) % 3 == 0 && digits[i - 1] != '-')
            (void)buf_char(p->out, ',');
        (void)buf_char(p->out, digits[i]);
    }
}

/* A label, padded: four columns in Chinese, where each has two characters, and ten in English. */
static void put_label(struct page *p, const char *zh, const char *en)
{
    if (p->zh)
        (void)buf_printf(p->out, "%s  ", zh);
    else
        (void)buf_printf(p->out, "%-10s", en);
}

/* --- what a rule read --- */

static bool starts_with(const char *text, const char *start)
{
    return strncmp(text, start, strlen(start)) == 0;
}

/* As a supplement names it. */
static const char *short_pointer(const char *pointer)
{
    return starts_with(pointer, "/facts/") ? pointer + strlen("/facts") : pointer;
}

static void put_words(struct page *p, const char *list, const json_t *words)
{
    (void)buf_str(p->out, say(p, "文中", "the text says "));
    for (size_t i = 0; i < json_array_size(words); i++) {
        (void)buf_str(p->out, say(p, "“", i > 0 ? ", \"" : "\""));
        put(p, json_string_value(json_array_get(words, i)));
        (void)buf_str(p->out, say(p, "”", "\""));
    }
    (void)buf_printf(p->out, say(p, "(词表 %s)", " (list %s)"), list);
}

static void put_range(struct page *p, const char *figure, const json_t *range)
{
    const json_t *most = json_object_get(range, "at_most");
    double from = json_number_value(json_object_get(range, "at_least"));

    (void)buf_printf(p->out, say(p, "文中数字 %s = ", "the text tells %s = "), figure);
    if (!json_is_number(most))
        (void)buf_str(p->out, say(p, "至少 ", "at least "));
    put_number(p, from);
    if (!json_is_number(most) || json_number_value(most) <= from)
        return;
    (void)buf_str(p->out, say(p, " 至 ", " to "));
    put_number(p, json_number_value(most));
}

static void put_field_value(struct page *p, const json_t *value, const char *text)
{
    if (json_is_number(value))
        put_number(p, json_number_value(value));
    else
        put(p, text);
}

/* The value is JSON text, perhaps cut. */
static void put_field(struct page *p, const struct read_field *field)
{
    AUTO(auto_json) json_t *value = json_loads(field->value, JSON_DECODE_ANY, NULL);
    const char *pointer = field->pointer;

    if (starts_with(pointer, "/words/") && json_is_array(value)) {
        put_words(p, pointer + strlen("/words/"), value);
    } else if (starts_with(pointer, "/said/") && json_is_object(value)) {
        put_range(p, pointer + strlen("/said/"), value);
    } else if (starts_with(pointer, "/model/") && json_is_object(value)) {
        (void)buf_printf(
            p->out, say(p, "文本模型 %s,概率 %.2f", "the text model: %s, probability %.2f"),
            pointer + strlen("/model/"), json_number_value(json_object_get(value, "probability")));
    } else {
        (void)buf_printf(p->out, "%s = ", short_pointer(pointer));
        put_field_value(p, value, field->value);
    }
}

/* --- one rule --- */

static void put_source(struct page *p, const struct source *source)
{
    (void)buf_str(p->out, say(p, "      出处  ", "      source  "));
    put(p, source->document);
    if (source->article) {
        (void)buf_str(p->out, say(p, ",", ", "));
        put(p, source->article);
    }
    (void)buf_char(p->out, '\n');
    if (source->url) {
        (void)buf_str(p->out, say(p, "            ", "              "));
        put(p, source->url);
        (void)buf_char(p->out, '\n');
    }
}

static const struct regime_grade *grade_of(const struct page *p, const char *regime)
{
    for (size_t i = 0; i < p->body->regimes_n; i++)
        if (strcmp(p->body->regimes[i].regime, regime) == 0)
            return &p->body->regimes[i];
    return NULL;
}

/* Does it stand there because a person has to judge it? Else it gives the regime's level, or is the category's. */
static bool is_doubtful(const struct page *p, const struct reason *reason)
{
    const struct regime_grade *grade = grade_of(p, reason->regime);

    return grade && grade->needs_human &&
           !(reason->has_level && grade->has_level && reason->level == grade->level);
}

static void put_doubt(struct page *p, const struct reason *reason)
{
    if (!reason->has_level) {
        (void)buf_str(p->out, say(p, "      须人工判断是否成立\n",
                                  "      a person has to judge whether it applies\n"));
        return;
    }
    (void)buf_str(p->out, say(p, "      须人工判断;若成立为",
                              "      a person has to judge it; if it applies: "));
    put_enum(p, &level_table, (int)reason->level);
    (void)buf_char(p->out, '\n');
}

static void put_reason(struct page *p, const struct reason *reason)
{
    (void)buf_str(p->out, "    ");
    put(p, say(p, reason->zh, reason->en));
    (void)buf_str(p->out, "  [");
    put(p, reason->rule);
    (void)buf_str(p->out, "]\n");
    if (is_doubtful(p, reason))
        put_doubt(p, reason);
    for (size_t i = 0; i < reason->fields_n; i++) {
        (void)buf_str(p->out, i == 0 ? say(p, "      读到  ", "      read    ")
                                     : say(p, "            ", "              "));
        put_field(p, &reason->fields[i]);
        (void)buf_char(p->out, '\n');
    }
    if (reason->source)
        put_source(p, reason->source);
}

/* First those that give the level. */
static void put_reasons(struct page *p, const char *regime)
{
    for (int doubtful = 0; doubtful <= 1; doubtful++)
        for (size_t i = 0; i < p->body->reasons_n; i++)
            if (strcmp(p->body->reasons[i].regime, regime) == 0 &&
                is_doubtful(p, &p->body->reasons[i]) == (doubtful == 1))
                put_reason(p, &p->body->reasons[i]);
}

/* --- regimes --- */

static void put_regime_name(struct page *p, const char *id)
{
    const char *name = json_string_value(
        json_object_get(json_object_get(p->what->regimes, id), say(p, "zh", "en")));

    if (name) {
        put(p, name);
        (void)buf_str(p->out, "  [");
    }
    put(p, id);
    (void)buf_str(p->out, name ? "]" : "");
}

static bool has_reason(const struct page *p, const char *regime)
{
    for (size_t i = 0; i < p->body->reasons_n; i++)
        if (strcmp(p->body->reasons[i].regime, regime) == 0)
            return true;
    return false;
}

static void put_regime(struct page *p, const struct regime_grade *grade)
{
    (void)buf_str(p->out, "  ");
    if (grade->has_level)
        put_enum(p, &level_table, (int)grade->level);
    else
        (void)buf_str(p->out, say(p, "未定", "not told"));
    (void)buf_str(p->out, say(p, "  按 ", "  by "));
    put_regime_name(p, grade->regime);
    if (grade->has_reportable)
        (void)buf_str(p->out, grade->reportable ? say(p, "  须上报", "  has to be reported")
                                                : say(p, "  无须上报", "  need not be reported"));
    (void)buf_char(p->out, '\n');
    put_reasons(p, grade->regime);
}

/* Nothing speaks for any level: a word each is enough. */
static bool is_silent(const struct page *p, const struct regime_grade *grade)
{
    return !grade->has_level && !grade->has_reportable && !has_reason(p, grade->regime);
}

/* The gravest first. */
static void put_regimes(struct page *p)
{
    size_t silent = 0;

    for (int level = LEVEL_EXTREME; level >= LEVEL_GENERAL - 1; level--)
        for (size_t i = 0; i < p->body->regimes_n; i++) {
            const struct regime_grade *grade = &p->body->regimes[i];

            if (level == (grade->has_level ? (int)grade->level : LEVEL_GENERAL - 1) &&
                !is_silent(p, grade))
                put_regime(p, grade);
        }
    for (size_t i = 0; i < p->body->regimes_n; i++) {
        if (!is_silent(p, &p->body->regimes[i]))
            continue;
        (void)buf_str(p->out, silent++ == 0 ? say(p, "  不能判定:", "  cannot be told: ")
                                            : say(p, "、", ", "));
        put_regime_name(p, p->body->regimes[i].regime);
    }
    if (silent > 0)
        (void)buf_char(p->out, '\n');
}

/* --- who has to look --- */

static const char *separator(const struct page *p, size_t *n)
{
    return (*n)++ == 0 ? "" : say(p, ";", "; ");
}

static void put_doubts(struct page *p, const struct regime_grade *grade, size_t *n)
{
    size_t rules = 0;

    if (!grade->needs_human)
        return;
    (void)buf_str(p->out, separator(p, n));
    put(p, grade->regime);
    for (int doubtful = 1; doubtful >= 0 && rules == 0; doubtful--) /* else what gave the level */
        for (size_t i = 0; i < p->body->reasons_n; i++) {
            const struct reason *reason = &p->body->reasons[i];

            if (strcmp(reason->regime, grade->regime) != 0 ||
                is_doubtful(p, reason) != (doubtful == 1))
                continue;
            (void)buf_str(p->out, rules++ == 0 ? " (" : ", ");
            put(p, reason->rule);
        }
    (void)buf_str(p->out, rules > 0 ? ")" : "");
}

static void put_why_human(struct page *p)
{
    const struct incident_classified *body = p->body;
    bool told = false, reached = false;
    size_t n = 0;

    for (size_t i = 0; i < body->regimes_n; i++) {
        put_doubts(p, &body->regimes[i], &n);
        told = told || body->regimes[i].has_level;
        reached = reached || (body->regimes[i].has_level && body->regimes[i].level >= body->level);
    }
    if (!told) {
        (void)buf_str(p->out, separator(p, &n));
        (void)buf_str(p->out, say(p, "没有一条规则能定级", "no rule could tell a level"));
    } else if (!reached) {
        (void)buf_str(p->out, separator(p, &n));
        (void)buf_str(p->out, say(p, "以前定得更高,规则不降级,只有人能降",
                                  "an earlier grade was higher: rules never lower, a person may"));
    }
}

static void put_human(struct page *p)
{
    put_label(p, "人工", "look");
    if (p->body->needs_human) {
        (void)buf_str(p->out, say(p, "须人工确认:", "a person has to look: "));
        put_why_human(p);
    } else {
        (void)buf_str(p->out, p->body->decided_by == SCOPE_SYSTEM
                                  ? say(p, "不需要", "nobody has to")
                                  : say(p, "已由人决定", "a person has decided"));
    }
    (void)buf_char(p->out, '\n');
}

/* --- the head --- */

static void put_decided(struct page *p)
{
    const struct incident_classified *body = p->body;

    put_label(p, "决定", "decided");
    if (body->decided_by == SCOPE_SYSTEM) {
        (void)buf_str(p->out, say(p, "规则", "by the rules"));
    } else {
        (void)buf_str(p->out, say(p, "", "by the "));
        put_enum(p, &scope_table, (int)body->decided_by);
        if (body->actor) {
            (void)buf_str(p->out, say(p, " ", ", "));
            put(p, body->actor->name ? body->actor->name : body->actor->id);
        }
        if (body->why) {
            (void)buf_str(p->out, say(p, ":", ": "));
            put(p, body->why);
        }
    }
    (void)buf_char(p->out, '\n');
}

static void put_category(struct page *p)
{
    const struct gbt_category *gbt = p->body->gbt20986;

    put_label(p, "类别", "category");
    put_enum(p, &category_table, (int)p->body->category);
    (void)buf_str(p->out, say(p, "(国标 GB/T 20986:", " (GB/T 20986: "));
    put_enum(p, &gbt20986_table, (int)gbt->name);
    if (gbt->sub) {
        (void)buf_str(p->out, say(p, " · ", ", "));
        put(p, gbt->sub);
    }
    (void)buf_str(p->out, say(p, ")\n", ")\n"));
}

static void put_incident(struct page *p)
{
    const struct incident_classified *body = p->body;

    if (!body->reference)
        return;
    put_label(p, "事件", "incident");
    put(p, body->reference);
    (void)buf_str(p->out, "  ");
    put(p, body->incident_id);
    (void)buf_str(p->out, body->drill ? say(p, "  [演练]", "  [drill]") : "");
    (void)buf_char(p->out, '\n');
    if (!body->profile)
        return;
    put_label(p, "单位", "reporter");
    put(p, body->profile->name);
    (void)buf_str(p->out, " (");
    put(p, body->profile->code);
    (void)buf_str(p->out, ")\n");
}

static void put_version(struct page *p)
{
    put_label(p, "版本", "version");
    if (p->body->has_revision)
        (void)buf_printf(p->out, say(p, "第 %lld 版,", "revision %lld, "),
                         (long long)p->body->revision);
    if (p->what->at) {
        put(p, p->what->at);
        (void)buf_str(p->out, say(p, ",", ", "));
    }
    (void)buf_str(p->out, say(p, "策略 ", "policy "));
    put(p, p->body->policy_version);
    (void)buf_char(p->out, '\n');
}

static void put_head(struct page *p)
{
    put_incident(p);
    put_label(p, "经过", "summary");
    put_clean(p, p->body->summary ? p->body->summary : "", SUMMARY_CHARS);
    (void)buf_char(p->out, '\n');
    put_label(p, "级别", "level");
    put_enum(p, &level_table, (int)p->body->level);
    (void)buf_char(p->out, '\n');
    put_category(p);
    put_decided(p);
    put_human(p);
    if (p->body->campaign) {
        put_label(p, "关联", "campaign");
        (void)buf_printf(p->out,
                         say(p, "同一波攻击:%lld 家单位,%lld 起事件\n",
                             "part of a campaign: %lld enterprises, %lld incidents\n"),
                         (long long)p->body->campaign->enterprises,
                         (long long)p->body->campaign->incidents);
    }
    put_version(p);
}

/* --- what is not known, and what was before --- */

static int widest_pointer(const struct page *p)
{
    size_t widest = 0;

    for (size_t i = 0; i < p->body->missing_n; i++) {
        size_t len = strlen(short_pointer(p->body->missing[i].pointer));

        widest = len > widest ? len : widest;
    }
    return (int)widest;
}

static void put_missing(struct page *p)
{
    int width = widest_pointer(p);

    if (p->body->missing_n == 0)
        return;
    (void)buf_str(p->out, say(p, "\n尚不清楚、补报后可能升级的\n",
                              "\nNot known yet; could raise the level when it is supplemented\n"));
    for (size_t i = 0; i < p->body->missing_n; i++) {
        const struct missing *m = &p->body->missing[i];

        (void)buf_printf(p->out, "  %-*s  ", width, short_pointer(m->pointer));
        put(p, say(p, m->zh, m->en));
        (void)buf_str(p->out, "  [");
        put(p, m->regime);
        (void)buf_str(p->out, "]\n");
    }
}

static const char *text_at(const json_t *row, const char *name)
{
    const char *text = json_string_value(json_object_get(row, name));

    return text ? text : "";
}

static void put_enum_text(struct page *p, const struct enum_table *table, const char *text)
{
    int value;

    if (enum_parse(table, text, &value))
        put_enum(p, table, value);
    else
        put(p, text);
}

static void put_earlier(struct page *p)
{
    size_t n = json_array_size(p->what->earlier);

    if (n == 0)
        return;
    (void)buf_str(p->out, say(p, "\n以前的定级\n", "\nEarlier grades\n"));
    for (size_t i = 0; i < n; i++) {
        const json_t *row = json_array_get(p->what->earlier, i);
        const char *scope = text_at(row, "decided_by");

        (void)buf_printf(p->out, say(p, "  第 %lld 版  ", "  revision %lld  "),
                         (long long)json_integer_value(json_object_get(row, "revision")));
        put(p, text_at(row, "at"));
        (void)buf_str(p->out, "  ");
        put_enum_text(p, &level_table, text_at(row, "level"));
        (void)buf_str(p->out, say(p, "  ", ", "));
        put_enum_text(p, &category_table, text_at(row, "category"));
        (void)buf_str(p->out, say(p, "  决定:", "  by "));
        if (strcmp(scope, "system") == 0)
            (void)buf_str(p->out, say(p, "规则", "the rules"));
        else
            put_enum_text(p, &scope_table, scope);
        (void)buf_str(p->out, *text_at(row, "actor") ? " " : "");
        put(p, text_at(row, "actor"));
        (void)buf_printf(p->out, say(p, "  策略 %.12s\n", "  policy %.12s\n"),
                         text_at(row, "policy_version"));
    }
}

void explain_write(struct buf *out, const struct explain *what, enum explain_language language)
{
    struct page p = {.out = out, .what = what, .body = what->body, .zh = language == EXPLAIN_ZH};

    put_head(&p);
    if (has_reason(&p, TAXONOMY))
        (void)buf_str(out, say(&p, "\n为什么是这一类别\n", "\nWhy this category\n"));
    put_reasons(&p, TAXONOMY);
    (void)buf_str(out, p.body->decided_by == SCOPE_SYSTEM
                           ? say(&p, "\n为什么是这一级别\n", "\nWhy this level\n")
                           : say(&p, "\n级别由人决定;按规则则为\n",
                                 "\nThe level is a person's decision; by the rules it would be\n"));
    put_regimes(&p);
    put_missing(&p);
    put_earlier(&p);
}
