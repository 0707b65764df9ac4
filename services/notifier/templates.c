#include "services/notifier/templates.h"

#include <stdio.h>
#include <string.h>

#include "common/base/clock.h"
#include "common/base/file.h"

static const char *const languages[] = {"zh", "en"};
#define LANGUAGES_N ARRAY_LEN(languages)

#define PART(name, help) PART_##name,
enum part {
#include "services/notifier/templates.def"
    PARTS_N
};
#undef PART

#define PART(name, help) {#name, help},
static const struct {
    const char *name, *help;
} parts[PARTS_N] = {
#include "services/notifier/templates.def"
};
#undef PART

#define FACT(name, value) FACT_##name,
enum fact {
#include "services/notifier/facts.def"
    FACTS_N
};
#undef FACT

#define FACT(name, value) #name,
static const char *const fact_names[FACTS_N] = {
#include "services/notifier/facts.def"
};
#undef FACT

struct language {
    json_t *doc;
    char *parts[PARTS_N];
};

struct templates {
    struct language languages[LANGUAGES_N];
};

/* ---- rendering */

struct writer {
    const struct occasion *occasion;
    const struct language *language;
    bool is_zh;
    struct buf *out;
    char text[512]; /* of the fact at hand, when it is made up here */
};

static const char *say(const struct writer *w, const struct enum_table *table, int value)
{
    return w->is_zh ? table->values[value].zh : table->values[value].en;
}

static const char *say_why(const struct writer *w, const char *why)
{
    const char *words =
        json_string_value(json_object_get(json_object_get(w->language->doc, "why"), why));

    return words ? words : why;
}

/* "2026-11-22 11:20 (UTC+08:00)" */
static const char *say_time(struct writer *w, int64_t wall_ms)
{
    char utc[CLOCK_TEXT_MAX];
    long long offset_min = w->occasion->utc_offset_min;
    long long minutes = offset_min < 0 ? -offset_min : offset_min;

    clock_format_utc(utc, wall_ms + offset_min * 60 * 1000);
    utc[10] = ' ';
    snprintf(w->text, sizeof(w->text), "%.16s (UTC%c%02lld:%02lld)", utc,
             offset_min < 0 ? '-' : '+', minutes / 60, minutes % 60);
    return w->text;
}

static const char *say_url(struct writer *w)
{
    snprintf(w->text, sizeof(w->text), "%s/v1/incidents/%s", w->occasion->public_url,
             w->occasion->call->incident_id);
    return w->text;
}

static const char *fact_text(struct writer *w, enum fact fact)
{
    const struct escalation_raised *c = w->occasion->call;

    switch (fact) {
#define FACT(name, value)                                                                          \
    case FACT_##name:                                                                              \
        return (value);
#include "services/notifier/facts.def"
#undef FACT
    case FACTS_N:
        break;
    }
    return NULL;
}

/* The fact that stands in braces at `at`; FACTS_N: none of that name. */
static enum fact fact_at(const char *at, size_t *ret_len)
{
    const char *end = strchr(at, '}');
    size_t len = end ? (size_t)(end - at) - 1 : 0;
    enum fact fact = 0;

    while (fact < FACTS_N &&
           (strlen(fact_names[fact]) != len || memcmp(fact_names[fact], at + 1, len) != 0))
        fact++;
    *ret_len = len + 2;
    return fact;
}

static void expand(struct writer *w, enum part part)
{
    const char *at = w->language->parts[part];

    while (*at) {
        size_t len = strcspn(at, "{");
        const char *text;

        buf_add(w->out, at, len);
        at += len;
        if (!*at)
            break;
        text = fact_text(w, fact_at(at, &len));
        buf_str(w->out, text ? text : w->language->parts[PART_unknown]);
        at += len;
    }
}

static void expand_line(struct writer *w, enum part part)
{
    expand(w, part);
    buf_char(w->out, '\n');
}

bool templates_render(const struct templates *t, const char *language,
                      const struct occasion *occasion, struct buf *subject, struct buf *text)
{
    const struct escalation_raised *call = occasion->call;
    struct writer w = {.occasion = occasion, .language = &t->languages[0]};

    for (size_t i = 0; i < LANGUAGES_N; i++)
        if (strcmp(languages[i], language) == 0)
            w.language = &t->languages[i];
    w.is_zh = w.language == &t->languages[0];

    buf_reset(subject);
    w.out = subject;
    if (call->drill) {
        expand(&w, PART_drill);
        buf_char(subject, ' ');
    }
    expand(&w, PART_subject);

    buf_reset(text);
    w.out = text;
    if (call->drill)
        expand_line(&w, PART_drill);
    if (call->unconfirmed)
        expand_line(&w, PART_unconfirmed);
    if (occasion->may_be_duplicate)
        expand_line(&w, PART_duplicate);
    expand_line(&w, PART_body);
    expand_line(&w, call->acknowledgement_wanted ? PART_acknowledge : PART_information);
    return !subject->failed && !text->failed;
}

/* ---- reading */

static bool check_part(const char *file, enum part part, const char *text, struct err *err)
{
    for (const char *at = strchr(text, '{'); at; at = strchr(at + 1, '{')) {
        size_t len;

        if (fact_at(at, &len) == FACTS_N)
            return err_set(
                err, ERR_CONFIG,
                "%s: %s: \"%.40s\" names no fact: reference, enterprise_name, level, "
                "category, role, summary, why, discovered_at, acknowledge_by and url may "
                "stand in braces",
                file, parts[part].name, at);
    }
    return true;
}

/* A text, or lines that are joined. */
static bool read_part(struct language *l, const char *file, enum part part, struct err *err)
{
    const json_t *value = json_object_get(l->doc, parts[part].name);
    struct buf text;
    const json_t *line;
    size_t i;
    bool ok = json_is_string(value) || json_array_size(value) > 0;

    buf_init(&text, TEMPLATE_FILE_MAX_BYTES);
    buf_str(&text, json_string_value(value));
    json_array_foreach(value, i, line)
    {
        ok = ok && json_is_string(line);
        buf_str(&text, i > 0 ? "\n" : "");
        buf_str(&text, json_string_value(line));
    }
    l->parts[part] = buf_take(&text, NULL);
    if (!ok || !l->parts[part])
        return err_set(err, ERR_CONFIG, "%s: %s is missing: a text, or a list of lines (%s)", file,
                       parts[part].name, parts[part].help);
    if (part == PART_subject && strpbrk(l->parts[part], "\r\n"))
        return err_set(err, ERR_CONFIG, "%s: subject must be one line", file);
    return check_part(file, part, l->parts[part], err);
}

static bool check_names(const struct language *l, const char *file, struct err *err)
{
    const char *name;
    json_t *value;

    json_object_foreach(l->doc, name, value)
    {
        bool is_known = strcmp(name, "why") == 0;

        for (size_t i = 0; i < PARTS_N; i++)
            is_known = is_known || strcmp(name, parts[i].name) == 0;
        if (!is_known)
            return err_set(err, ERR_CONFIG, "%s: %.40s is no part of a template", file, name);
    }
    json_object_foreach(
        json_object_get(l->doc, "why"), name,
        value) if (!json_is_string(value)) return err_set(err, ERR_CONFIG,
                                                          "%s: why/%.40s must be a text", file,
                                                          name);
    return true;
}

static bool parse_language(struct language *l, const char *file, const char *text, struct err *err)
{
    if (!json_read_strict(&l->doc, text, strlen(text), err)) {
        if (err)
            err->kind = ERR_CONFIG;
        return err_wrap(err, "%s", file);
    }
    for (enum part part = 0; part < PARTS_N; part++)
        if (!read_part(l, file, part, err))
            return false;
    return check_names(l, file, err);
}

bool templates_parse(struct templates **ret, const char *const *names, const char *const *texts,
                     struct err *err)
{
    AUTO(auto_templates) struct templates *t = calloc(1, sizeof(*t));

    if (!t)
        return err_memory(err);
    for (size_t i = 0; i < LANGUAGES_N; i++)
        if (!parse_language(&t->languages[i], names[i], texts[i], err))
            return false;
    *ret = TAKE(t);
    return true;
}

bool templates_load(struct templates **ret, const char *policy_folder, struct err *err)
{
    char paths[LANGUAGES_N][512];
    const char *names[LANGUAGES_N], *texts[LANGUAGES_N];
    struct buf files[LANGUAGES_N] = {0};
    bool ok = true;

    for (size_t i = 0; ok && i < LANGUAGES_N; i++) {
        snprintf(paths[i], sizeof(paths[i]), "%s/templates/%s.json", policy_folder, languages[i]);
        names[i] = paths[i];
        ok = file_read(&files[i], paths[i], TEMPLATE_FILE_MAX_BYTES, err);
        texts[i] = buf_text(&files[i]);
    }
    ok = ok && templates_parse(ret, names, texts, err);
    for (size_t i = 0; i < LANGUAGES_N; i++)
        buf_done(&files[i]);
    return ok;
}

void templates_free(struct templates *t)
{
    if (!t)
        return;
    for (size_t i = 0; i < LANGUAGES_N; i++) {
        json_decref(t->languages[i].doc);
        for (size_t part = 0; part < PARTS_N; part++)
            free(t->languages[i].parts[part]);
    }
    free(t);
}
