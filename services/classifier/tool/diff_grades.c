/* tongbao policy diff --replay: past grades by two policies. */
#include <stdlib.h>
#include <string.h>

#include "services/classifier/tool/decide.h"
#include "services/classifier/tool/io.h"
#include "services/classifier/tool/tool.h"

#define ARENA_BYTES ((size_t)8 * 1024 * 1024) /* a body as it was, and its two decisions */
#define LINE_BYTES  ((size_t)256 * 1024)

struct replay {
    const struct policy *before, *after;
    FILE *out;
    bool as_json;
    json_t *last; /* the incident's last grade so far; NULL: none */
    size_t graded, differ, higher, lower, other_category; /* incidents */
    size_t verified, faults, by_people, unread;           /* lines */
};

/* --- what differs --- */

static void add_pair(json_t *changes, const char *what, const char *before, const char *after)
{
    if (strcmp(before, after) != 0)
        (void)json_object_set_new(changes, what, json_pack("[s,s]", before, after));
}

static const char *regime_text(const struct incident_classified *body, const char *regime,
                               char ret[64])
{
    for (size_t i = 0; i < body->regimes_n; i++) {
        const struct regime_grade *grade = &body->regimes[i];

        if (strcmp(grade->regime, regime) != 0)
            continue;
        (void)snprintf(ret, 64, "%s%s",
                       grade->has_level ? enum_text(&level_table, (int)grade->level) : "none",
                       grade->has_reportable && grade->reportable ? ", reportable" : "");
        return ret;
    }
    return "none"; /* a regime that only the other policy has */
}

static void compare_regimes(json_t *changes, const struct incident_classified *list,
                            const struct incident_classified *before,
                            const struct incident_classified *after)
{
    char a[64], b[64];

    for (size_t i = 0; i < list->regimes_n; i++)
        add_pair(changes, list->regimes[i].regime, regime_text(before, list->regimes[i].regime, a),
                 regime_text(after, list->regimes[i].regime, b));
}

static void gbt_text(const struct incident_classified *body, char ret[128])
{
    (void)snprintf(ret, 128, "%s%s%s", enum_text(&gbt20986_table, (int)body->gbt20986->name),
                   body->gbt20986->sub ? "/" : "", body->gbt20986->sub ? body->gbt20986->sub : "");
}

/* {"level": ["larger", "major"], "cac-2025": [...], ...}: what the grade comes to, not why. */
static json_t *compare(const struct incident_classified *before,
                       const struct incident_classified *after)
{
    json_t *ret = json_object();
    char a[128], b[128];

    if (!ret)
        return NULL;
    add_pair(ret, "level", enum_text(&level_table, (int)before->level),
             enum_text(&level_table, (int)after->level));
    compare_regimes(ret, before, before, after);
    compare_regimes(ret, after, before, after);
    add_pair(ret, "category", enum_text(&category_table, (int)before->category),
             enum_text(&category_table, (int)after->category));
    gbt_text(before, a);
    gbt_text(after, b);
    add_pair(ret, "gbt20986", a, b);
    add_pair(ret, "needs_human", before->needs_human ? "yes" : "no",
             after->needs_human ? "yes" : "no");
    return ret;
}

static bool has_rule(const struct incident_classified *body, const struct reason *rule)
{
    for (size_t i = 0; i < body->reasons_n; i++)
        if (strcmp(body->reasons[i].rule, rule->rule) == 0 &&
            strcmp(body->reasons[i].regime, rule->regime) == 0)
            return true;
    return false;
}

/* The reasons of `a` that `b` does not have. */
static json_t *rules_only_in(const struct incident_classified *a,
                             const struct incident_classified *b)
{
    json_t *ret = json_array();

    for (size_t i = 0; i < a->reasons_n; i++)
        if (!has_rule(b, &a->reasons[i]))
            (void)json_array_append_new(ret, json_string(a->reasons[i].rule));
    return ret;
}

/* --- output --- */

/* " +cac.5.major" */
static void write_rules(struct buf *out, const json_t *rules, char sign)
{
    for (size_t i = 0; i < json_array_size(rules); i++)
        (void)buf_printf(out, " %c%s", sign, json_string_value(json_array_get(rules, i)));
}

static bool put_change(const struct replay *r, const json_t *change, struct err *err)
{
    AUTO(buf_done) struct buf text = {0};
    const char *what;
    json_t *pair;
    size_t n = 0;

    if (r->as_json || !change)
        return io_put_json(r->out, change, 0, err);
    buf_init(&text, LINE_BYTES);
    (void)buf_printf(&text, "%s  %s  ", json_string_value(json_object_get(change, "reference")),
                     json_string_value(json_object_get(change, "incident_id")));
    json_object_foreach(json_object_get(change, "changes"), what, pair)
    {
        (void)buf_printf(&text, "%s%s %s -> %s", n++ > 0 ? "; " : "", what,
                         json_string_value(json_array_get(pair, 0)),
                         json_string_value(json_array_get(pair, 1)));
    }
    write_rules(&text, json_object_get(change, "rules_came"), '+');
    write_rules(&text, json_object_get(change, "rules_went"), '-');
    (void)buf_char(&text, '\n');
    return io_put_text(r->out, &text, err);
}

static bool put_fault(const struct replay *r, const struct incident_classified *grade,
                      const json_t *members, struct err *err)
{
    AUTO(auto_json) json_t *doc = NULL;
    AUTO(buf_done) struct buf text = {0};

    if (r->as_json) {
        doc =
            json_pack("{s:s,s:s,s:s,s:O}", "fault", "does not follow from its policy", "reference",
                      grade->reference, "incident_id", grade->incident_id, "differs", members);
        return io_put_json(r->out, doc, 0, err);
    }
    buf_init(&text, LINE_BYTES);
    (void)buf_printf(&text,
                     "FAULT  %s  %s  the first grade does not follow from its policy %.12s: "
                     "published differs from computed in",
                     grade->reference, grade->incident_id, grade->policy_version);
    for (size_t i = 0; i < json_array_size(members); i++)
        (void)buf_printf(&text, "%s %s", i > 0 ? "," : "",
                         json_string_value(json_array_get(members, i)));
    (void)buf_char(&text, '\n');
    return io_put_text(r->out, &text, err);
}

static bool put_unread(struct replay *r, size_t line, const struct err *why, struct err *err)
{
    AUTO(auto_json) json_t *doc = NULL;
    AUTO(buf_done) struct buf text = {0};

    r->unread++;
    if (r->as_json) {
        doc = json_pack("{s:I,s:s,s:s}", "line", (json_int_t)line, "error", why->text, "pointer",
                        why->pointer);
        return io_put_json(r->out, doc, 0, err);
    }
    buf_init(&text, LINE_BYTES);
    (void)buf_printf(&text, "line %zu is no grade: %s%s%s\n", line, why->pointer,
                     *why->pointer ? ": " : "", why->text);
    return io_put_text(r->out, &text, err);
}

/* --- one incident, one line --- */

static bool read_grade(json_t *doc, struct incident_classified *ret, struct arena *arena,
                       struct err *err)
{
    return shape_decode(&incident_classified_shape, doc, false, TIME_EXACT, ret, arena, err);
}

static void count_change(struct replay *r, const struct incident_classified *before,
                         const struct incident_classified *after)
{
    r->differ++;
    r->higher += after->level > before->level;
    r->lower += after->level < before->level;
    r->other_category += after->category != before->category;
}

/* The incident whose lines have come to an end. */
static bool finish_incident(struct replay *r, struct err *err)
{
    AUTO(auto_json) json_t *last = TAKE(r->last);
    AUTO(auto_json) json_t *changes = NULL;
    AUTO(auto_json) json_t *change = NULL;
    AUTO(arena_done) struct arena arena;
    struct incident_classified grade, before, after;

    arena_init(&arena, ARENA_BYTES);
    if (!last)
        return true;
    if (!read_grade(last, &grade, &arena, err))
        return false;
    if (!decide_again(r->before, &grade, &arena, &before, err) ||
        !decide_again(r->after, &grade, &arena, &after, err))
        return err_wrap(err, "%s", grade.reference);
    r->graded++;
    changes = compare(&before, &after);
    if (!changes)
        return err_memory(err);
    if (json_object_size(changes) == 0)
        return true;
    count_change(r, &before, &after);
    change = json_pack("{s:s,s:s,s:I,s:O,s:o,s:o}", "reference", grade.reference, "incident_id",
                       grade.incident_id, "revision", (json_int_t)grade.revision, "changes",
                       changes, "rules_came", rules_only_in(&after, &before), "rules_went",
                       rules_only_in(&before, &after));
    return put_change(r, change, err);
}

/* Names of the members in which two bodies differ. */
static json_t *differing(const struct incident_classified *a, const struct incident_classified *b)
{
    AUTO(auto_json) json_t *x = shape_encode(&incident_classified_shape, a);
    AUTO(auto_json) json_t *y = shape_encode(&incident_classified_shape, b);
    json_t *ret = x && y ? json_array() : NULL;

    for (size_t i = 0; ret && i < incident_classified_shape.n; i++) {
        const char *name = incident_classified_shape.fields[i].name;
        const json_t *p = json_object_get(x, name), *q = json_object_get(y, name);

        if (p != q && !json_equal(p, q))
            (void)json_array_append_new(ret, json_string(name));
    }
    return ret;
}

/* A first grade follows from its body and its policy alone: the same answer years later (R10). */
static bool verify(struct replay *r, const struct incident_classified *grade, struct arena *arena,
                   struct err *err)
{
    AUTO(auto_json) json_t *members = NULL;
    struct incident_classified again;

    if (grade->revision != 0 || strcmp(grade->policy_version, r->before->version) != 0)
        return true;
    if (!decide_again(r->before, grade, arena, &again, err))
        return false;
    members = differing(grade, &again);
    if (!members)
        return err_memory(err);
    r->verified++;
    if (json_array_size(members) == 0)
        return true;
    r->faults++;
    return put_fault(r, grade, members, err);
}

static bool is_of(const json_t *doc, const struct incident_classified *grade)
{
    const char *id = json_string_value(json_object_get(doc, "incident_id"));

    return id && strcmp(id, grade->incident_id) == 0;
}

static bool take_grade(struct replay *r, json_t *doc, const struct incident_classified *grade,
                       struct arena *arena, struct err *err)
{
    if (grade->decided_by != SCOPE_SYSTEM) {
        r->by_people++;
        return true;
    }
    if (r->last && !is_of(r->last, grade) && !finish_incident(r, err))
        return false;
    json_decref(r->last);
    r->last = json_incref(doc);
    return verify(r, grade, arena, err);
}

static bool take_line(struct replay *r, const char *text, size_t len, size_t line, struct err *err)
{
    AUTO(auto_json) json_t *doc = NULL;
    AUTO(arena_done) struct arena arena;
    struct incident_classified grade;
    struct err why = {0};

    arena_init(&arena, ARENA_BYTES);
    if (json_read_strict(&doc, text, len, &why) && read_grade(doc, &grade, &arena, &why))
        return take_grade(r, doc, &grade, &arena, err);
    if (why.kind == ERR_INPUT)
        return put_unread(r, line, &why, err);
    if (err)
        *err = why;
    return false;
}

/* --- all of them --- */

static bool put_sum(struct replay *r, struct err *err)
{
    AUTO(auto_json) json_t *doc = NULL;
    AUTO(buf_done) struct buf text = {0};

    if (r->as_json) {
        doc = json_pack("{s:s,s:s,s:I,s:I,s:I,s:I,s:I,s:I,s:I,s:I,s:I}", "old", r->before->version,
                        "new", r->after->version, "graded", (json_int_t)r->graded, "differ",
                        (json_int_t)r->differ, "higher", (json_int_t)r->higher, "lower",
                        (json_int_t)r->lower, "other_category", (json_int_t)r->other_category,
                        "verified", (json_int_t)r->verified, "faults", (json_int_t)r->faults,
                        "by_people", (json_int_t)r->by_people, "unread", (json_int_t)r->unread);
        return io_put_json(r->out, doc, 0, err);
    }
    buf_init(&text, LINE_BYTES);
    (void)buf_printf(&text,
                     "%zu graded, %zu differ: %zu higher, %zu lower, %zu other category\n"
                     "%zu first grades are of the old policy: %zu follow from it, %zu do not\n",
                     r->graded, r->differ, r->higher, r->lower, r->other_category, r->verified,
                     r->verified - r->faults, r->faults);
    if (r->graded == 0)
        (void)buf_str(&text, "nothing was compared: there is no grade by rules in it\n");
    if (r->by_people > 0)
        (void)buf_printf(&text, "%zu grades that people decided were passed over\n", r->by_people);
    return io_put_text(r->out, &text, err);
}

static bool replay_all(struct replay *r, FILE *in, struct err *err)
{
    AUTO(auto_free) char *text = NULL;
    size_t cap = 0, line = 0;
    ssize_t len;

    while ((len = getline(&text, &cap, in)) >= 0) {
        line++;
        if (strspn(text, " \t\r\n") != (size_t)len && !take_line(r, text, (size_t)len, line, err))
            return false;
    }
    if (ferror(in))
        return err_set(err, ERR_FATAL, "the grades could not be read");
    return finish_incident(r, err) && put_sum(r, err);
}

static bool judge(const struct replay *r, struct err *err)
{
    if (r->faults > 0)
        return err_set(
            err, ERR_INPUT,
            "%zu first grades do not follow from the policy that they name: the record or "
            "the program was changed",
            r->faults);
    return r->unread == 0 || err_set(err, ERR_INPUT, "%zu lines are no grades", r->unread);
}

bool tool_diff_grades(const char *old_folder, const char *new_folder, const char *path,
                      bool as_json, FILE *out, struct err *err)
{
    AUTO(auto_policy) struct policy *before = NULL;
    AUTO(auto_policy) struct policy *after = NULL;
    struct replay r = {.out = out, .as_json = as_json};
    bool is_stdin = strcmp(path, "-") == 0, ok;
    FILE *in;

    if (!policy_load(&before, old_folder, err) || !policy_load(&after, new_folder, err))
        return false;
    r.before = before;
    r.after = after;
    in = is_stdin ? stdin : fopen(path, "re");
    if (!in)
        return err_set(err, ERR_CONFIG, "%s: %m", path);
    ok = replay_all(&r, in, err);
    json_decref(r.last);
    if (!is_stdin)
        (void)fclose(in);
    return ok && judge(&r, err);
}
