/*
 * test_escalator_bench - one incident on a bench: the core fed by a script, with the deployed policy and a directory of its own, and a transcript of what it
 * publishes. The bench does what the shell does with early actions: keeps them, and brings them again after the grade.
 *
 *     report                        report.submitted                     copy / other: the same record again / another report
 *     grade LEVEL REV [cac] [cii] [user] [drill]                         cac: the level in the regime cac-2025 too
 *                     [decided] [refused]                                it answers a person's decision: that became it, or does not count
 *     KIND SCOPE                    action.KIND by e (enterprise), p (park) or f (a stranger)
 *     challenge SCOPE               incident.challenged: the decision of that scope (e, p)
 *     campaign opens / joins        incident.linked
 *     file DUTY                     action.filed of that duty            ack SCOPE N: acknowledges the N-th call by its id
 *     sent N / dead N               a message of the N-th call
 *     reload                        the policy is exchanged for b->reload
 *     +SECONDS                      time passes, and all is heard        deaf +SECONDS / quiet +SECONDS: nothing is heard any more
 *
 * Transcript: S state[/level][!] (refused)[^] (answers a person's decision) · R chain.step role why[?] (unconfirmed)[-] (nobody) · O+ O~ O# O= duty state (created, warning, overdue, satisfied)
 */
#ifndef TESTS_UNIT_TEST_ESCALATOR_BENCH_H
#define TESTS_UNIT_TEST_ESCALATOR_BENCH_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/base/clock.h"
#include "services/escalator/work.h"

#define BENCH_START_MS  INT64_C(1795316400000)
#define BENCH_KEPT_MAX  32
#define BENCH_CALLS_MAX 256

#define BENCH_ENTERPRISE "11111111-1111-8111-8111-111111111111"
#define BENCH_STRANGER   "22222222-2222-8222-8222-222222222222"
#define BENCH_PARK       "33333333-3333-8333-8333-333333333333"
#define BENCH_INCIDENT   "44444444-4444-8444-8444-444444444444"
#define BENCH_DECISION   "55555555-5555-8555-8555-555555555555"

/* The bench itself is out of order: no test can say anything. */
static inline void bench_must(bool ok, const struct err *err)
{
    if (ok)
        return;
    (void)fprintf(stderr, "bench: %s\n", err ? err->text : "a bound is reached");
    abort();
}

struct bench_kept {
    char type[64], id[ID_TEXT_LEN + 1], body[4096];
    int64_t appended_ms;
};

struct bench {
    struct arena arena;
    struct incident inc;
    const struct policy *policy, *reload;
    int64_t now_ms, heard_ms;
    int serial; /* of event ids */
    struct bench_kept kept[BENCH_KEPT_MAX];
    size_t kept_n;
    char calls[BENCH_CALLS_MAX][ID_TEXT_LEN + 1];
    size_t calls_n;
    struct buf transcript, ids; /* ids: of all that was published, a line each */
    enum verdict verdict;
};

static inline void bench_person(struct directory *d, const char *enterprise, enum role role)
{
    char person[ID_TEXT_LEN + 1];
    struct err err = {0};

    snprintf(person, sizeof(person), "%08d-0000-8000-8000-000000000001", (int)role);
    bench_must(directory_add_holder(d, enterprise, role, 1, person, &err), &err);
}

static inline const struct directory *bench_directory(void)
{
    static const enum role enterprise[] = {ROLE_DEPT_HEAD, ROLE_IT, ROLE_SECURITY_LEAD, ROLE_DEPUTY,
                                           ROLE_OWNER};
    static struct directory *d;

    if (d)
        return d;
    d = directory_new();
    directory_set_park(d, BENCH_PARK);
    for (size_t i = 0; i < ARRAY_LEN(enterprise); i++)
        bench_person(d, BENCH_ENTERPRISE, enterprise[i]);
    bench_person(d, BENCH_PARK, ROLE_DUTY_OFFICER);
    bench_person(d, BENCH_PARK, ROLE_CENTRE_HEAD);
    directory_seal(d);
    return d;
}

/* Both are read once and stay until the program's end. */
static inline const struct policy *bench_policy(void)
{
    static struct policy *p;
    char folder[1024]; /* beside this file's folder, wherever the program runs */
    struct err err = {0};

    snprintf(folder, sizeof(folder), "%.*s../../deploy/policy",
             (int)(strrchr(__FILE__, '/') + 1 - __FILE__), __FILE__);
    if (!p)
        bench_must(policy_load(&p, folder, &err), &err);
    return p;
}

/* A policy of these chains and without duties; the caller's. */
static inline struct policy *bench_policy_of(const char *chains)
{
    char folder[] = "/tmp/escalator-bench-XXXXXX", file[64], duties[64];
    struct policy *p = NULL;
    struct err err = {0};
    FILE *f;

    bench_must(mkdtemp(folder) != NULL, NULL);
    snprintf(file, sizeof(file), "%s/chains.json", folder);
    snprintf(duties, sizeof(duties), "%s/obligations", folder);
    bench_must(mkdir(duties, 0700) == 0 && (f = fopen(file, "w")) && fputs(chains, f) >= 0 &&
                   fclose(f) == 0,
               NULL);
    bench_must(policy_load(&p, folder, &err), &err);
    (void)unlink(file);
    (void)rmdir(duties);
    (void)rmdir(folder);
    return p;
}

static inline void bench_open(struct bench *b)
{
    *b = (struct bench){
        .policy = bench_policy(), .now_ms = BENCH_START_MS, .heard_ms = BENCH_START_MS};
    arena_init(&b->arena, (size_t)64 * 1024 * 1024);
    buf_init(&b->transcript, 1024 * 1024);
    buf_init(&b->ids, 1024 * 1024);
    (void)id_set(&b->inc.id, BENCH_INCIDENT, ID_TEXT_LEN);
}

static inline void bench_close(struct bench *b)
{
    arena_done(&b->arena);
    buf_done(&b->transcript);
    buf_done(&b->ids);
}

/* --- the transcript ------------------------------------------------------------------------------ */

/* Whoever decided on the grade finds the answer by the action's id, and a refusal has the reason and nobody else's name. */
static inline bool bench_is_to_decision(const struct escalation_state *s)
{
    bool ret = strcmp(s->cause_event_id, BENCH_DECISION) == 0;

    bench_must(ret == (strcmp(s->cause_type, "action.reclassified") == 0), NULL);
    bench_must(!ret || s->applied || (strcmp(s->refused_why, "no") == 0 && !s->actor), NULL);
    return ret;
}

static inline void bench_note(struct bench *b, const struct effect *e)
{
    const struct escalation_state *s = e->body;
    const struct escalation_raised *r = e->body;
    const struct obligation *o = e->body;
    struct buf *t = &b->transcript;

    if (t->len > 0)
        buf_char(t, ' ');
    if (e->type == EVENT_ESCALATION_STATE) {
        buf_printf(t, "S %s%s%s%s%s", enum_text(&state_table, (int)s->state),
                   s->has_level ? "/" : "",
                   s->has_level ? enum_text(&level_table, (int)s->level) : "",
                   s->applied ? "" : "!", bench_is_to_decision(s) ? "^" : "");
    } else if (e->type == EVENT_ESCALATION_RAISED) {
        buf_printf(t, "R %s.%d %s %s%s%s", r->chain, (int)r->step,
                   enum_text(&role_table, (int)r->role), r->why, r->unconfirmed ? "?" : "",
                   r->person_id ? "" : "-");
        bench_must(b->calls_n < BENCH_CALLS_MAX, NULL);
        snprintf(b->calls[b->calls_n++], sizeof(b->calls[0]), "%s", r->escalation_id);
    } else {
        buf_printf(t, "O%c %s %s",
                   e->type == EVENT_OBLIGATION_CREATED   ? '+'
                   : e->type == EVENT_OBLIGATION_WARNING ? '~'
                   : e->type == EVENT_OBLIGATION_OVERDUE ? '#'
                                                         : '=',
                   o->duty, enum_text(&clock_state_table, (int)o->state));
    }
}

/* Everything that is published can be encoded, and read again by the contract. */
static inline void bench_check_body(const struct bench *b, const struct effect *e)
{
    AUTO(buf_done) struct buf body;
    AUTO(auto_event) struct event ev = {0};
    struct event_record rec = {.type = event_types[e->type].name,
                               .id = e->id.text,
                               .key = b->inc.id.text,
                               .key_len = ID_TEXT_LEN};
    struct err err = {0};

    buf_init(&body, EVENT_BODY_MAX_BYTES);
    bench_must(event_encode(e->type, e->body, &body, &err), &err);
    rec.value = buf_text(&body);
    rec.value_len = body.len;
    bench_must(event_decode(&ev, &rec, &err), &err);
}

static inline void bench_take(struct bench *b, const struct changes *changes)
{
    for (const struct effect *e = changes->first; e; e = e->next) {
        bench_check_body(b, e);
        bench_note(b, e);
        buf_printf(&b->ids, "%s\n", e->id.text);
    }
}

/* --- feeding --------------------------------------------------------------------------------------- */

static inline void bench_feed(struct bench *b, const struct bench_kept *in)
{
    AUTO(auto_event) struct event ev = {0};
    struct world world = {b->policy, bench_directory(), &b->arena, b->now_ms};
    struct event_record rec = {.type = in->type,
                               .id = in->id,
                               .key = b->inc.id.text,
                               .key_len = ID_TEXT_LEN,
                               .value = in->body,
                               .value_len = strlen(in->body)};
    bool was_graded = b->inc.is_graded;
    struct changes changes;
    struct err err = {0};

    bench_must(event_decode(&ev, &rec, &err), &err);
    bench_must(escalate_event(&b->inc, &ev, in->appended_ms, &world, &changes, &err), &err);
    b->verdict = changes.verdict;
    bench_take(b, &changes);
    if (changes.verdict == VERDICT_KEEP && b->kept_n < BENCH_KEPT_MAX)
        b->kept[b->kept_n++] = *in;
    if (was_graded || !b->inc.is_graded)
        return;
    for (size_t i = 0, n = b->kept_n; i < n; i++) {
        struct bench_kept again = b->kept[i];

        bench_feed(b, &again);
    }
    b->kept_n = 0;
}

#define BENCH_PROFILE                                                                              \
    "\"profile\":{\"code\":\"ACME\",\"name\":\"艾克米\",\"sector\":\"automotive\",\"staff\":9," \
    "\"is_cii\":false,\"is_listed\":false}"

static inline void bench_send(struct bench *b, const char *type, int serial, const char *enterprise,
                              bool drill, const char *rest)
{
    struct bench_kept in = {.appended_ms = b->now_ms};
    char at[CLOCK_TEXT_MAX];

    clock_format_utc(at, b->now_ms);
    snprintf(in.type, sizeof(in.type), "%s", type);
    snprintf(in.id, sizeof(in.id), "99999999-0000-8000-8000-%012d", serial);
    snprintf(in.body, sizeof(in.body),
             "{\"enterprise_id\":\"%s\",\"incident_id\":\"" BENCH_INCIDENT
             "\",\"occurred_at\":\"%s\",\"drill\":%s,%s}",
             enterprise, at, drill ? "true" : "false", rest);
    bench_feed(b, &in);
}

static inline void bench_report(struct bench *b, int serial)
{
    char rest[1024], at[CLOCK_TEXT_MAX];

    clock_format_utc(at, BENCH_START_MS - 300000);
    snprintf(rest, sizeof(rest),
             "\"reference\":\"TB-0123456789ABC\",\"summary\":\"勒索\",\"discovered_at\":\"%s\","
             "\"via\":\"api\",\"actor\":{\"scope\":\"enterprise\",\"id\":\"k\"}," BENCH_PROFILE,
             at);
    bench_send(b, "report.submitted", serial, BENCH_ENTERPRISE, false, rest);
}

static inline void bench_grade(struct bench *b, const char *level, int revision, const char *flags)
{
    char rest[2048], at[CLOCK_TEXT_MAX], cac[64] = "", answers[256] = "";
    bool is_refused = strstr(flags, "refused");

    clock_format_utc(at, BENCH_START_MS - 300000);
    if (strstr(flags, "cac"))
        snprintf(cac, sizeof(cac), ",\"level\":\"%s\"", level);
    if (is_refused || strstr(flags, "decided"))
        snprintf(answers, sizeof(answers),
                 ",\"answers_event_id\":\"" BENCH_DECISION
                 "\",\"actor\":{\"scope\":\"park\",\"id\":\"k\"}%s",
                 is_refused ? ",\"refused_why\":\"no\"" : "");
    snprintf(
        rest, sizeof(rest),
        "\"reference\":\"TB-0123456789ABC\",\"revision\":%d,\"parent_event_id\":\"" BENCH_INCIDENT
        "\",\"category\":\"malware\",\"gbt20986\":{\"name\":\"other\",\"zh\":\"其他\"},"
        "\"level\":\"%s\",\"regimes\":[{\"regime\":\"cac-2025\",\"needs_human\":false%s}],"
        "\"reasons\":[],\"needs_human\":false,\"policy_version\":\"%064d\","
        "\"decided_by\":\"system\",\"summary\":\"勒索\",\"discovered_at\":\"%s\"," BENCH_PROFILE
        ",\"facts\":{\"system\":{\"is_cii\":%s},\"impact\":{\"user_data_touched\":%s}}%s",
        revision, level, cac, 0, at, strstr(flags, "cii") ? "true" : "false",
        strstr(flags, "user") ? "true" : "false", answers);
    bench_send(b, revision ? "incident.reclassified" : "incident.classified",
               is_refused ? 4000 + b->serial++ : 1000 + revision, BENCH_ENTERPRISE,
               strstr(flags, "drill"), rest);
}

static inline void bench_act(struct bench *b, const char *kind, char who, const char *more)
{
    char type[64], rest[512];

    snprintf(type, sizeof(type), "action.%s", kind);
    snprintf(rest, sizeof(rest), "\"actor\":{\"scope\":\"%s\",\"id\":\"k\"}%s",
             who == 'p' ? "park" : "enterprise", more);
    if (strcmp(kind, "refuted") == 0 || strcmp(kind, "reopened") == 0)
        strncat(rest, ",\"reason\":\"x\"", sizeof(rest) - strlen(rest) - 1);
    if (strcmp(kind, "assigned") == 0 || strcmp(kind, "task_done") == 0)
        strncat(rest, ",\"task\":\"x\"", sizeof(rest) - strlen(rest) - 1);
    bench_send(b, type, 2000 + b->serial++,
               who == 'f'   ? BENCH_STRANGER
               : who == 'p' ? BENCH_PARK
                            : BENCH_ENTERPRISE,
               false, rest);
}

static inline void bench_challenge(struct bench *b, char who)
{
    char rest[1024];

    snprintf(
        rest, sizeof(rest),
        "\"reference\":\"TB-0123456789ABC\",\"revision\":1,\"decision_event_id\":\"" BENCH_DECISION
        "\",\"parent_event_id\":\"" BENCH_INCIDENT "\",\"actor\":{\"scope\":\"%s\",\"id\":\"k\"},"
        "\"decided_level\":\"general\",\"level\":\"major\",\"reasons\":[],"
        "\"policy_version\":\"%064d\"",
        who == 'p' ? "park" : "enterprise", 0);
    bench_send(b, "incident.challenged", 5000 + b->serial++, BENCH_ENTERPRISE, false, rest);
}

static inline void bench_campaign(struct bench *b, bool opens)
{
    char rest[1024];

    snprintf(rest, sizeof(rest),
             "\"campaign\":{\"campaign_id\":\"" BENCH_PARK "\",\"enterprises\":3,\"incidents\":3},"
             "\"opens\":%s,\"linked_incident_ids\":[],\"rule\":\"r\",\"zh\":\"a\",\"en\":\"a\","
             "\"policy_version\":\"%064d\"",
             opens ? "true" : "false", 0);
    bench_send(b, "incident.linked", 6000 + b->serial++, BENCH_ENTERPRISE, false, rest);
}

static inline void bench_file(struct bench *b, const char *duty)
{
    char more[256];
    const char *id = BENCH_STRANGER;

    for (size_t i = 0; i < b->inc.owed_n; i++)
        if (strcmp(b->inc.owed[i].duty, duty) == 0)
            id = b->inc.owed[i].id.text;
    snprintf(more, sizeof(more), ",\"obligation_id\":\"%s\",\"filed_reference\":\"沪 1\"", id);
    bench_act(b, "filed", 'e', more);
}

static inline void bench_message(struct bench *b, const char *kind, int call)
{
    char type[64], rest[512];

    snprintf(type, sizeof(type), "notification.%s", kind);
    snprintf(
        rest, sizeof(rest),
        "\"notification_id\":\"" BENCH_PARK
        "\",\"escalation_id\":\"%s\",\"person_id\":\"" BENCH_PARK
        "\",\"channel\":\"email\",\"address_hint\":\"x\",\"attempt\":1,\"may_be_duplicate\":false",
        b->calls[call - 1]);
    bench_send(b, type, 3000 + b->serial++, BENCH_ENTERPRISE, false, rest);
}

static inline void bench_due(struct bench *b, int64_t seconds, bool is_heard, bool is_deaf)
{
    struct world world = {b->policy, bench_directory(), &b->arena, b->now_ms + 1000 * seconds};
    struct changes changes;
    struct err err = {0};

    b->now_ms = world.now_ms;
    if (is_heard)
        b->heard_ms = b->now_ms;
    bench_must(escalate_due(&b->inc, b->heard_ms, is_deaf, &world, &changes, &err), &err);
    bench_take(b, &changes);
}

/* One step of a script. */
static inline void bench_step(struct bench *b, const char *step)
{
    char word[32] = "", second[32] = "", more[128];
    int number = 0;

    (void)sscanf(step, "%31s %31s %d", word, second, &number);
    if (strcmp(word, "report") == 0 || strcmp(word, "copy") == 0)
        bench_report(b, 1);
    else if (strcmp(word, "other") == 0)
        bench_report(b, 2);
    else if (strcmp(word, "grade") == 0)
        bench_grade(b, second, number, step);
    else if (strcmp(word, "challenge") == 0)
        bench_challenge(b, second[0]);
    else if (strcmp(word, "campaign") == 0)
        bench_campaign(b, second[0] == 'o');
    else if (strcmp(word, "file") == 0)
        bench_file(b, second);
    else if (strcmp(word, "ack") == 0) {
        snprintf(more, sizeof(more), ",\"escalation_id\":\"%s\"",
                 number ? b->calls[number - 1] : BENCH_STRANGER);
        bench_act(b, "acknowledged", second[0], more);
    } else if (strcmp(word, "sent") == 0 || strcmp(word, "dead") == 0)
        bench_message(b, word, (int)strtol(second, NULL, 10));
    else if (strcmp(word, "reload") == 0)
        b->policy = b->reload;
    else if (word[0] == '+')
        bench_due(b, strtol(word + 1, NULL, 10), true, false);
    else if (strcmp(word, "deaf") == 0 || strcmp(word, "quiet") == 0)
        bench_due(b, strtol(second + 1, NULL, 10), false, word[0] == 'd');
    else
        bench_act(b, word, second[0], "");
}

static inline void bench_play(struct bench *b, const char *script)
{
    while (*script) {
        size_t len = strcspn(script, ";");
        char step[128];

        snprintf(step, sizeof(step), "%.*s", (int)len, script);
        bench_step(b, step);
        script += len;
        script += strspn(script, "; ");
    }
}

/* --- rules that hold after any script ------------------------------------------------------------- */

static inline int bench_compare_ids(const void *a, const void *b)
{
    return strncmp(a, b, ID_TEXT_LEN);
}

/* Ids say what happened this time: within a history each is there once. Sorts them. */
static inline bool bench_has_id_twice(struct bench *b)
{
    size_t line = ID_TEXT_LEN + 1, n = b->ids.len / line;

    if (n > 0)
        qsort(b->ids.data, n, line, bench_compare_ids);
    for (size_t i = 1; i < n; i++)
        if (bench_compare_ids(b->ids.data + (i - 1) * line, b->ids.data + i * line) == 0)
            return true;
    return false;
}

/* NULL: all hold. */
static inline const char *bench_broken_rule(struct bench *b)
{
    const struct incident *inc = &b->inc;
    bool is_over = inc->state == STATE_REFUTED || inc->state == STATE_CLOSED;

    for (size_t i = 0; i < inc->runs_n; i++) {
        const struct chain_run *run = &inc->runs[i];

        if (run->next_at && is_over)
            return "a chain runs on after the end";
        if (run->next_at && run->step > 0 && !chains_is_open(inc, run->scope))
            return "a chain waits, and nobody can acknowledge";
    }
    for (size_t i = 0; i < inc->owed_n; i++) {
        const struct owed *o = &inc->owed[i];

        if (o->next_at && o->state != CLOCK_RUNNING && o->state != CLOCK_WARNED)
            return "a clock runs that has stopped";
        if (owed_is_open(o) && inc->state == STATE_REFUTED)
            return "a duty of a refuted incident";
        if (o->state == CLOCK_ANCHOR_MISSING ? o->due_at != 0 : owed_is_open(o) && !o->due_at)
            return "a due time without its anchor";
    }
    return bench_has_id_twice(b) ? "an id comes twice" : NULL;
}

#endif
