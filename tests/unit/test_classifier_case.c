/* case: all orders of events end alike (hard case 9), strangers are refused (10), each decision has one answer (11), what is published counts (14); people
 * over rules, and challenged by news; merging; bounds. */
#include "tests/support/test.h"

#include <stdio.h>
#include <stdlib.h>

#include "services/classifier/case.h"
#include "services/classifier/classify.h"
#include "services/classifier/facts.h"

static struct policy *policy;

#define OURS   "aaaaaaaa-0000-8000-8000-000000000001"
#define THEIRS "bbbbbbbb-0000-8000-8000-000000000002"
#define INC    "11111111-0000-8000-8000-000000000003"

enum what { REPORT, SUPPLEMENT, DECISION, GRADE, LINK };

struct spec {
    enum what what;
    int number; /* the event's id, and its second */
    const char *enterprise, *scope;
    const char *more; /* members of the body, as JSON */
};

static const char common[] = "\"enterprise_id\":\"%s\",\"incident_id\":\"" INC "\",\"drill\":false,"
                             "\"occurred_at\":\"2026-11-22T03:00:%02d.000Z\"";
static const char actor[] = "\"actor\":{\"scope\":\"%s\",\"id\":\"k%02d\"}";
static const char profile[] = "\"profile\":{\"code\":\"X\",\"name\":\"某公司\",\"sector\":\"it\","
                              "\"staff\":10,\"is_cii\":false,\"is_listed\":false}";

static enum event_type type_of(enum what what)
{
    static const enum event_type types[] = {EVENT_REPORT_SUBMITTED, EVENT_REPORT_SUPPLEMENTED,
                                            EVENT_ACTION_RECLASSIFIED, EVENT_INCIDENT_CLASSIFIED,
                                            EVENT_INCIDENT_LINKED};
    return types[what];
}

static void add_common(struct buf *b, const struct spec *s)
{
    char text[512];

    snprintf(text, sizeof(text), common, s->enterprise, s->number);
    buf_str(b, text);
    if (s->what == GRADE || s->what == LINK)
        return;
    snprintf(text, sizeof(text), actor, s->scope, s->number);
    buf_char(b, ',');
    buf_str(b, text);
}

static struct event make(const struct spec *s)
{
    AUTO(buf_done) struct buf body;
    struct event ev = {0};
    struct err err = {0};
    char id[ID_TEXT_LEN + 1];
    struct event_record rec = {.type = event_types[type_of(s->what)].name, .id = id, .key = INC};

    snprintf(id, sizeof(id), "cccccccc-0000-8000-8000-%012d", s->number);
    buf_init(&body, EVENT_BODY_MAX_BYTES);
    buf_char(&body, '{');
    add_common(&body, s);
    if (s->what == REPORT || s->what == GRADE) {
        buf_str(&body, ",\"reference\":\"TB-0000000000000\",\"discovered_at\":"
                       "\"2026-11-22T02:00:00.000Z\",");
        buf_str(&body, profile);
    }
    if (s->what == REPORT)
        buf_str(&body, ",\"via\":\"api\"");
    buf_char(&body, ',');
    buf_str(&body, s->more);
    buf_char(&body, '}');
    rec.key_len = ID_TEXT_LEN;
    rec.value = buf_text(&body);
    rec.value_len = body.len;
    assert_ok(event_decode(&ev, &rec, &err), &err);
    return ev;
}

#define GRADED(level, category, gbt, zh) GRADED_BY(level, category, gbt, zh, "")
#define GRADED_BY(level, category, gbt, zh, regimes)                                               \
    "\"revision\":0,\"parent_event_id\":\"cccccccc-0000-8000-8000-000000000001\","                 \
    "\"category\":\"" category "\",\"level\":\"" level "\",\"gbt20986\":{\"name\":\"" gbt          \
    "\",\"zh\":\"" zh "\"},\"regimes\":[" regimes "],\"reasons\":[],\"needs_human\":false,"        \
    "\"policy_version\":\"0000000000000000000000000000000000000000000000000000000000000000\","     \
    "\"decided_by\":\"system\",\"summary\":\"x\",\"facts\":{}"

#define LINKED(enterprises)                                                                        \
    "\"campaign\":{\"campaign_id\":\"dddddddd-0000-8000-8000-000000000001\","                      \
    "\"enterprises\":" enterprises                                                                 \
    ",\"incidents\":9},\"opens\":false,\"linked_incident_ids\":[],\"rule\":\"r\","                 \
    "\"zh\":\"z\",\"en\":\"e\",\"policy_version\":"                                                \
    "\"0000000000000000000000000000000000000000000000000000000000000000\""

static const struct spec thin = {REPORT, 1, OURS, "enterprise", "\"summary\":\"系统中断\""};
static const struct spec thin_grade = {
    GRADE, 51, OURS, "", GRADED("larger", "system_failure", "facility_failure", "设备设施故障")};

struct run {
    struct case_file file;
    int published;
    struct regrade last; /* the one that was published last */
    int answers[60];     /* by the decision's number */
    struct buf said;     /* +N@R: decision N became revision R; -N@R why: it did not */
    struct buf told;     /* N>LEVEL@R by M: decision N, revision R, is challenged by event M */
    struct buf ids;      /* of the challenges */
};

static void run_done(struct run *r)
{
    regrade_done(&r->last);
    case_done(&r->file);
    buf_done(&r->said);
    buf_done(&r->told);
    buf_done(&r->ids);
}

static void run_init(struct run *r)
{
    *r = (struct run){.file = {.incident_id = {INC}, .published = {.revision = -1}}};
    buf_init(&r->said, 65536);
    buf_init(&r->told, 65536);
    buf_init(&r->ids, 65536);
}

static enum case_outcome take(struct run *r, const struct spec *s, struct err *err)
{
    struct event ev = make(s);
    enum case_outcome ret = case_take(&r->file, &ev, true, NULL, err);

    event_done(&ev);
    return ret;
}

static void note_answer(struct run *r, const struct incident_classified *body)
{
    long number = strtol(body->answers_event_id + 24, NULL, 10);

    assert_string_equal(body->answers_event_id, body->parent_event_id);
    r->answers[number]++;
    buf_printf(&r->said, "%s%c%ld@%d%s%s", r->said.len ? "; " : "", body->refused_why ? '-' : '+',
               number, (int)body->revision, body->refused_why ? " " : "",
               body->refused_why ? body->refused_why : "");
}

/* A refusal repeats what stands, and can be published. */
static void refuse(struct run *r, struct regrade *again, const struct event *decision,
                   const char *why)
{
    AUTO(buf_done) struct buf text;
    const struct published *p = &r->file.published;
    struct err err = {0};

    case_answer(again, &r->file, decision, why);
    assert_int_equal(again->body.revision, p->revision);
    assert_int_equal(again->body.level, p->level);
    assert_int_equal(again->body.category, p->category);
    assert_ptr_equal(again->cause, &decision->id);
    buf_init(&text, EVENT_BODY_MAX_BYTES);
    assert_ok(event_encode(EVENT_INCIDENT_RECLASSIFIED, &again->body, &text, &err), &err);
    note_answer(r, &again->body);
}

/* Leaves `again` as it was. */
static void answer_decisions(struct run *r, struct regrade *again)
{
    struct incident_classified body = again->body;
    const struct id *cause = again->cause;

    if (again->is_due && body.answers_event_id)
        note_answer(r, &body);
    for (size_t i = 0; i < r->file.inputs_n; i++) {
        const char *why = case_refusal(&r->file, i);

        if (why)
            refuse(r, again, &r->file.inputs[i].ev, why);
    }
    again->body = body;
    again->cause = cause;
    for (size_t i = 0; i < r->file.inputs_n; i++)
        r->file.inputs[i].is_new = false; /* the next transaction reads it from its row */
}

static int number_of(const char *event_id)
{
    return (int)strtol(event_id + 24, NULL, 10);
}

/* A challenge can be published, says what stands, and has an id of its own. */
static void note_challenge(struct run *r, struct regrade *again)
{
    AUTO(buf_done) struct buf text;
    struct incident_challenged *body = &again->challenge;
    struct err err = {0};
    struct id id;

    SHAPE_SET(body, revision, r->file.published.revision);
    assert_string_equal(body->decision_event_id, r->file.published.decision_event_id.text);
    assert_int_equal(body->decided_level, r->file.published.level);
    assert_string_equal(body->parent_event_id, again->news->text);
    assert_true(body->level > body->decided_level && body->reasons_n > 0);
    for (size_t i = 0; i < body->reasons_n; i++)
        assert_int_equal(body->reasons[i].level, body->level);
    buf_init(&text, EVENT_BODY_MAX_BYTES);
    assert_ok(event_encode(EVENT_INCIDENT_CHALLENGED, body, &text, &err), &err);
    case_challenge_id(&id, again);
    assert_null(strstr(buf_text(&r->ids), id.text));
    buf_str(&r->ids, id.text);
    buf_printf(&r->told, "%s%d>%s@%d by %d", r->told.len ? "; " : "",
               number_of(body->decision_event_id), enum_text(&level_table, (int)body->level),
               (int)body->revision, number_of(body->parent_event_id));
    case_challenged(&r->file, again);
}

/* What the shell does at a batch's end. */
static void regrade(struct run *r)
{
    struct regrade again = {0};
    struct err err = {0};

    assert_ok(case_regrade(&again, &r->file, policy, &err), &err);
    if (again.is_due)
        case_published(&r->file, &again);
    if (again.is_challenge_due)
        note_challenge(r, &again);
    answer_decisions(r, &again);
    if (again.is_due) {
        regrade_done(&r->last);
        r->last = again;
        r->published++;
    } else {
        regrade_done(&again);
    }
}

/* A batch of one event; a copy is passed over as the sink does. */
static enum case_outcome feed(struct run *r, const struct spec *s, struct err *err)
{
    enum case_outcome ret = take(r, s, err);

    if (ret == CASE_CHANGED)
        regrade(r);
    return ret;
}

static void must_feed(struct run *r, const struct spec *s)
{
    struct err err = {0};

    if (feed(r, s, &err) == CASE_REFUSED || err.kind != ERR_NONE)
        fail_msg("refused: %s", err.text);
}

/* --- hard case 9: all orders end alike --- */

static const struct set {
    const char *name;
    struct spec sources[6];
    size_t n;
    enum level level;
    enum category category;
    enum scope decided_by;
    const char *challenged; /* the standing decision's number, and the level; "": it is not */
} sets[] = {
    {"report, its grade, its copy, conflicting report, supplement",
     {{REPORT, 1, OURS, "enterprise", "\"summary\":\"系统中断\""},
      {GRADE, 51, OURS, "", GRADED("larger", "system_failure", "facility_failure", "设备设施故障")},
      {REPORT, 1, OURS, "enterprise", "\"summary\":\"系统中断\""},
      {REPORT, 2, OURS, "enterprise", "\"summary\":\"客户资料泄露\""},
      {SUPPLEMENT, 3, OURS, "enterprise", "\"impact\":{\"direct_loss_cny\":20000000}"}},
     5,
     LEVEL_MAJOR,
     CATEGORY_DATA_LEAK,
     SCOPE_SYSTEM,
     ""},
    {"the conflicting report is the milder one",
     {{REPORT, 1, OURS, "enterprise", "\"summary\":\"客户资料泄露\""},
      {GRADE, 51, OURS, "", GRADED("major", "data_leak", "data_security", "数据安全")},
      {REPORT, 2, OURS, "enterprise", "\"summary\":\"误报,一切正常\""},
      {SUPPLEMENT, 3, OURS, "enterprise", "\"summary\":\"已恢复\""}},
     4,
     LEVEL_MAJOR,
     CATEGORY_DATA_LEAK,
     SCOPE_SYSTEM,
     ""},
    {"a supplement that takes back what another said",
     {{REPORT, 1, OURS, "enterprise", "\"summary\":\"系统中断\""},
      {GRADE, 51, OURS, "", GRADED("larger", "system_failure", "facility_failure", "设备设施故障")},
      {SUPPLEMENT, 2, OURS, "enterprise", "\"impact\":{\"people_affected\":2000000}"},
      {SUPPLEMENT, 3, OURS, "enterprise", "\"impact\":{\"people_affected\":5}"}},
     4,
     LEVEL_MAJOR,
     CATEGORY_SYSTEM_FAILURE,
     SCOPE_SYSTEM,
     ""},
    {"a person lowers, whatever rules say before and after",
     {{REPORT, 1, OURS, "enterprise", "\"summary\":\"客户资料泄露\""},
      {GRADE, 51, OURS, "", GRADED("major", "data_leak", "data_security", "数据安全")},
      {SUPPLEMENT, 2, OURS, "enterprise", "\"impact\":{\"direct_loss_cny\":100000000}"},
      {DECISION, 3, OURS, "park", "\"level\":\"general\",\"reason\":\"已核实,系测试数据\""},
      {REPORT, 4, OURS, "enterprise", "\"summary\":\"勒索病毒\""}},
     5,
     LEVEL_GENERAL,
     CATEGORY_MALWARE,
     SCOPE_PARK,
     ""},
    {"the park over the enterprise, the later over the earlier",
     {{REPORT, 1, OURS, "enterprise", "\"summary\":\"系统中断\""},
      {GRADE, 51, OURS, "", GRADED("larger", "system_failure", "facility_failure", "设备设施故障")},
      {DECISION, 2, OURS, "park", "\"level\":\"extreme\",\"reason\":\"a\""},
      {DECISION, 3, OURS, "park",
       "\"level\":\"major\",\"category\":\"intrusion\",\"reason\":\"b\""},
      {DECISION, 4, OURS, "enterprise", "\"level\":\"general\",\"reason\":\"c\""}},
     5,
     LEVEL_MAJOR,
     CATEGORY_INTRUSION,
     SCOPE_PARK,
     ""},
    {"news raises the rules' level above the decided one, step by step",
     {{REPORT, 1, OURS, "enterprise", "\"summary\":\"系统中断\""},
      {GRADE, 51, OURS, "", GRADED("larger", "system_failure", "facility_failure", "设备设施故障")},
      {DECISION, 2, OURS, "park", "\"level\":\"general\",\"reason\":\"a\""},
      {SUPPLEMENT, 3, OURS, "enterprise", "\"summary\":\"客户资料泄露\""},
      {SUPPLEMENT, 4, OURS, "park", "\"impact\":{\"direct_loss_cny\":200000000}"}},
     5,
     LEVEL_GENERAL,
     CATEGORY_DATA_LEAK,
     SCOPE_PARK,
     "2 extreme"},
    {"the decision that stands is challenged, not the one below it",
     {{REPORT, 1, OURS, "enterprise", "\"summary\":\"系统中断\""},
      {GRADE, 51, OURS, "", GRADED("larger", "system_failure", "facility_failure", "设备设施故障")},
      {DECISION, 2, OURS, "enterprise", "\"level\":\"general\",\"reason\":\"a\""},
      {DECISION, 3, OURS, "park", "\"level\":\"larger\",\"reason\":\"b\""},
      {SUPPLEMENT, 4, OURS, "enterprise", "\"summary\":\"客户资料泄露\""}},
     5,
     LEVEL_LARGER,
     CATEGORY_DATA_LEAK,
     SCOPE_PARK,
     "3 major"},
    {"what the rules gave before is no news, whoever knew it",
     {{REPORT, 1, OURS, "enterprise", "\"summary\":\"系统中断\""},
      {GRADE, 51, OURS, "", GRADED("larger", "system_failure", "facility_failure", "设备设施故障")},
      {SUPPLEMENT, 2, OURS, "enterprise", "\"summary\":\"客户资料泄露\""},
      {DECISION, 3, OURS, "park", "\"level\":\"general\",\"reason\":\"a\""},
      {REPORT, 4, OURS, "enterprise", "\"summary\":\"服务器中了勒索病毒\""}},
     5,
     LEVEL_GENERAL,
     CATEGORY_MALWARE,
     SCOPE_PARK,
     ""},
    {"a later report is news, though it is merged before older supplements",
     {{REPORT, 1, OURS, "enterprise", "\"summary\":\"系统中断\""},
      {GRADE, 51, OURS, "", GRADED("larger", "system_failure", "facility_failure", "设备设施故障")},
      {SUPPLEMENT, 2, OURS, "enterprise", "\"summary\":\"服务器中了勒索病毒\""},
      {DECISION, 3, OURS, "enterprise", "\"level\":\"general\",\"reason\":\"a\""},
      {REPORT, 4, OURS, "enterprise", "\"summary\":\"客户资料泄露\""}},
     5,
     LEVEL_GENERAL,
     CATEGORY_MALWARE,
     SCOPE_ENTERPRISE,
     "3 major"},
    {"a level that is confirmed or raised is not challenged by the same or a lower one",
     {{REPORT, 1, OURS, "enterprise", "\"summary\":\"系统中断\""},
      {GRADE, 51, OURS, "", GRADED("larger", "system_failure", "facility_failure", "设备设施故障")},
      {DECISION, 2, OURS, "park", "\"level\":\"major\",\"reason\":\"a\""},
      {SUPPLEMENT, 3, OURS, "enterprise", "\"summary\":\"服务器中了勒索病毒\""},
      {SUPPLEMENT, 4, OURS, "enterprise", "\"summary\":\"客户资料泄露\""}},
     5,
     LEVEL_MAJOR,
     CATEGORY_MALWARE,
     SCOPE_PARK,
     ""},
    {"a campaign raises, and a smaller one takes nothing back",
     {{REPORT, 1, OURS, "enterprise", "\"summary\":\"员工的一台办公电脑感染病毒\""},
      {GRADE, 51, OURS, "", GRADED("general", "malware", "malicious_program", "恶意程序")},
      {LINK, 2, OURS, "", LINKED("3")},
      {LINK, 3, OURS, "", LINKED("2")},
      {SUPPLEMENT, 4, OURS, "enterprise", "\"place\":\"上海\""}},
     5,
     LEVEL_LARGER,
     CATEGORY_MALWARE,
     SCOPE_SYSTEM,
     ""},
    {"a conflicting report between a report and its supplement",
     {{REPORT, 1, OURS, "enterprise", "\"summary\":\"x\",\"impact\":{\"outage_minutes\":420}"},
      {GRADE, 51, OURS, "", GRADED("larger", "system_failure", "facility_failure", "设备设施故障")},
      {REPORT, 2, OURS, "enterprise", "\"summary\":\"x\",\"impact\":{\"outage_minutes\":5}"},
      {SUPPLEMENT, 3, OURS, "enterprise", "\"system\":{\"is_cii\":true}"}},
     4,
     LEVEL_EXTREME,
     CATEGORY_SYSTEM_FAILURE,
     SCOPE_SYSTEM,
     ""},
    {"two enterprises are no wave",
     {{REPORT, 1, OURS, "enterprise", "\"summary\":\"员工的一台办公电脑感染病毒\""},
      {GRADE, 51, OURS, "", GRADED("general", "malware", "malicious_program", "恶意程序")},
      {LINK, 2, OURS, "", LINKED("2")},
      {SUPPLEMENT, 3, OURS, "enterprise", "\"place\":\"上海\""}},
     4,
     LEVEL_GENERAL,
     CATEGORY_MALWARE,
     SCOPE_SYSTEM,
     ""},
    {"a person lowers what a campaign raised",
     {{REPORT, 1, OURS, "enterprise", "\"summary\":\"员工的一台办公电脑感染病毒\""},
      {GRADE, 51, OURS, "", GRADED("general", "malware", "malicious_program", "恶意程序")},
      {LINK, 2, OURS, "", LINKED("3")},
      {DECISION, 3, OURS, "park", "\"level\":\"general\",\"reason\":\"一台\""},
      {LINK, 4, OURS, "", LINKED("5")}},
     5,
     LEVEL_GENERAL,
     CATEGORY_MALWARE,
     SCOPE_PARK,
     ""},
};

/* Hard case 11: every decision has one answer, whatever came when. */
static void check_answers(const struct run *r, const struct set *set)
{
    for (size_t i = 0; i < set->n; i++)
        if (set->sources[i].what == DECISION)
            assert_int_equal(r->answers[set->sources[i].number], 1);
}

/* Whatever came when, who decided knows in the end of the same level, and of no decision that another one replaced. */
static void check_challenge(const struct run *r, const struct set *set)
{
    const struct published *p = &r->file.published;
    char got[64] = "", last[64];

    if (p->is_challenged)
        snprintf(got, sizeof(got), "%d %s", number_of(p->decision_event_id.text),
                 enum_text(&level_table, (int)p->challenged_level));
    assert_string_equal(got, set->challenged);
    snprintf(last, sizeof(last), "%d>%s@", number_of(p->decision_event_id.text),
             p->is_challenged ? enum_text(&level_table, (int)p->challenged_level) : "");
    assert_int_equal(strstr(buf_text(&r->told), last) != NULL, p->is_challenged);
}

/* Two batches, of which the first has `first` events. */
static void check_batches(const struct set *set, const size_t *order, size_t first)
{
    AUTO(run_done) struct run r;

    run_init(&r);
    for (size_t i = 0; i < set->n; i++) {
        struct err err = {0};

        (void)take(&r, &set->sources[order[i]], &err);
        assert_int_equal(err.kind, ERR_NONE);
        if (i + 1 == first || i + 1 == set->n)
            regrade(&r);
    }
    assert_int_equal(r.file.published.level, set->level);
    assert_int_equal(r.file.published.category, set->category);
    check_answers(&r, set);
    check_challenge(&r, set);
}

static void check_order(const struct set *set, const size_t *order)
{
    AUTO(run_done) struct run r;

    for (size_t first = 1; first <= set->n; first++)
        check_batches(set, order, first);
    run_init(&r);
    for (size_t i = 0; i < set->n; i++)
        must_feed(&r, &set->sources[order[i]]);
    assert_int_equal(r.file.published.level, set->level);
    assert_int_equal(r.file.published.category, set->category);
    assert_true(r.file.published.revision >= (set->decided_by != SCOPE_SYSTEM));
    check_answers(&r, set);
    check_challenge(&r, set);
    if (r.published > 0) {
        assert_int_equal(r.last.body.level, set->level);
        assert_int_equal(r.last.body.decided_by, set->decided_by);
        assert_int_equal(r.last.body.revision, r.file.published.revision);
    }
}

static void hard_case_09_all_orders_end_alike(void **state)
{
    const struct set *set = *state;
    size_t order[6] = {0, 1, 2, 3, 4, 5}, turns[6] = {0}, i = 0, count = 1;

    check_order(set, order);
    while (i < set->n) { /* Heap's algorithm */
        if (turns[i] < i) {
            size_t j = i % 2 ? turns[i] : 0, kept = order[j];

            order[j] = order[i];
            order[i] = kept;
            check_order(set, order);
            count++;
            turns[i]++;
            i = 0;
        } else {
            turns[i++] = 0;
        }
    }
    assert_int_equal(count, set->n == 5 ? 120 : 24);
}

/* --- hard case 10: strangers --- */

static void hard_case_10_strangers_are_refused(void **state)
{
    AUTO(run_done) struct run r;
    const struct spec theirs = {SUPPLEMENT, 2, THEIRS, "enterprise", "\"summary\":\"x\""};
    const struct spec decision = {DECISION, 3, THEIRS, "enterprise",
                                  "\"level\":\"general\",\"reason\":\"x\""};
    const struct spec report = {REPORT, 4, THEIRS, "park", "\"summary\":\"x\""};
    const struct spec park = {SUPPLEMENT, 5, THEIRS, "park", "\"summary\":\"客户资料泄露\""};
    struct err err = {0};

    (void)state;
    run_init(&r);
    must_feed(&r, &thin);
    must_feed(&r, &thin_grade);
    assert_int_equal(feed(&r, &theirs, &err), CASE_STRANGER);
    assert_int_equal(err.kind, ERR_INPUT);
    assert_contains(err.text, THEIRS);
    assert_int_equal(feed(&r, &decision, &err), CASE_STRANGER);
    assert_int_equal(feed(&r, &report, &err),
                     CASE_STRANGER); /* nobody reports under another's incident */
    assert_int_equal(r.file.inputs_n, 1);
    err = (struct err){0};
    assert_int_equal(feed(&r, &park, &err), CASE_CHANGED);
    assert_int_equal(r.file.published.level, LEVEL_MAJOR);
}

static void hard_case_10_early_strangers_are_found_out(void **state)
{
    AUTO(run_done) struct run r;
    const struct spec theirs = {DECISION, 2, THEIRS, "enterprise",
                                "\"level\":\"general\",\"reason\":\"x\""};
    const struct spec ours = {SUPPLEMENT, 3, OURS, "enterprise", "\"summary\":\"客户资料泄露\""};

    (void)state;
    run_init(&r);
    must_feed(&r, &theirs);
    must_feed(&r, &ours);
    assert_true(r.file.inputs[0].is_early && r.file.inputs[1].is_early);
    must_feed(&r, &thin_grade); /* opens it */
    must_feed(&r, &thin);
    assert_int_equal(r.file.inputs_n, 3);
    for (size_t i = 0; i < 3; i++) {
        assert_false(r.file.inputs[i].is_early);
        assert_int_equal(r.file.inputs[i].is_stranger,
                         strcmp(r.file.inputs[i].ev.enterprise_id.text, THEIRS) == 0);
    }
    assert_int_equal(r.file.published.level, LEVEL_MAJOR);
    assert_int_equal(r.last.body.decided_by, SCOPE_SYSTEM);
}

/* --- hard case 11: every decision has one answer --- */

#define DECIDES(number, scope, level)                                                              \
    {                                                                                              \
        DECISION, number, OURS, scope, "\"level\":\"" level "\",\"reason\":\"x\""                  \
    }
#define REPORTED                                                                                   \
    {                                                                                              \
        REPORT, 1, OURS, "enterprise", "\"summary\":\"系统中断\""                              \
    }
#define REPORT_GRADED                                                                              \
    {                                                                                              \
        GRADE, 51, OURS, "",                                                                       \
            GRADED("larger", "system_failure", "facility_failure", "设备设施故障")                 \
    }
#define BELOW   "the park has decided the grade: only the park can change it"
#define EARLIER "a later decision stands: decide again if it is wrong"

static const struct answer_row {
    const char *name;
    struct spec sources[6];
    size_t n;
    const char *ends; /* '|': the batch ends after this source */
    const char *want;
} answer_rows[] = {
    {"a decision that repeats the grade counts",
     {REPORTED, REPORT_GRADED, DECIDES(2, "enterprise", "larger")},
     3,
     "|||",
     "+2@1"},
    {"the enterprise's below the park's",
     {REPORTED, REPORT_GRADED, DECIDES(2, "park", "major"), DECIDES(3, "enterprise", "general")},
     4,
     "||||",
     "+2@1; -3@1 " BELOW},
    {"in the same batch",
     {REPORTED, REPORT_GRADED, DECIDES(3, "enterprise", "general"), DECIDES(2, "park", "major")},
     4,
     "...|",
     "+2@1; -3@1 " BELOW},
    {"two of one scope in one batch",
     {REPORTED, REPORT_GRADED, DECIDES(2, "park", "major"), DECIDES(3, "park", "general")},
     4,
     "||.|",
     "+3@1; -2@1 " EARLIER},
    {"the later one comes first",
     {REPORTED, REPORT_GRADED, DECIDES(3, "park", "major"), DECIDES(2, "park", "general")},
     4,
     "||||",
     "+3@1; -2@1 " EARLIER},
    {"one that is replaced was answered",
     {REPORTED, REPORT_GRADED, DECIDES(2, "enterprise", "major"), DECIDES(3, "park", "general")},
     4,
     "||||",
     "+2@1; +3@2"},
    {"early ones are answered with the report",
     {DECIDES(2, "park", "major"), DECIDES(3, "enterprise", "general"), REPORT_GRADED, REPORTED},
     4,
     "||||",
     "+2@1; -3@1 " BELOW},
    {"later news of the same decision answers nobody",
     {REPORTED,
      REPORT_GRADED,
      DECIDES(2, "park", "major"),
      {SUPPLEMENT, 3, OURS, "enterprise", "\"summary\":\"服务器中了勒索病毒\""}},
     4,
     "||||",
     "+2@1"},
    {"beside a grade that a supplement gives",
     {REPORTED,
      REPORT_GRADED,
      DECIDES(2, "park", "major"),
      {SUPPLEMENT, 3, OURS, "enterprise", "\"summary\":\"服务器中了勒索病毒\""},
      DECIDES(4, "enterprise", "general")},
     5,
     "|||.|",
     "+2@1; -4@2 " BELOW},
    {"a stranger's has none",
     {REPORTED,
      REPORT_GRADED,
      DECIDES(2, "park", "major"),
      {DECISION, 3, THEIRS, "enterprise", "\"level\":\"general\",\"reason\":\"x\""}},
     4,
     "||||",
     "+2@1"},
    {"nor an early one's",
     {{DECISION, 3, THEIRS, "enterprise", "\"level\":\"general\",\"reason\":\"x\""},
      DECIDES(2, "enterprise", "major"),
      REPORTED,
      REPORT_GRADED},
     4,
     "||||",
     "+2@1"},
};

static void hard_case_11_every_decision_has_one_answer(void **state)
{
    const struct answer_row *row = *state;
    AUTO(run_done) struct run r;
    struct err err = {0};

    run_init(&r);
    for (size_t i = 0; i < row->n; i++) {
        (void)take(&r, &row->sources[i], &err);
        if (row->ends[i] == '|')
            regrade(&r);
    }
    assert_string_equal(buf_text(&r.said), row->want);
    regrade(&r); /* nothing is left to say */
    assert_string_equal(buf_text(&r.said), row->want);
}

/* The published refusal, read again, is no grade; not even when the grade that it repeats was not heard. */
static void hard_case_11_a_refusal_is_no_grade(void **state)
{
    AUTO(run_done) struct run r;
    const struct spec refusal = {
        GRADE, 52, OURS, "",
        "\"answers_event_id\":\"cccccccc-0000-8000-8000-000000000001\",\"refused_why\":"
        "\"x\"," GRADED("extreme", "malware", "malicious_program", "恶意程序")};

    (void)state;
    run_init(&r);
    must_feed(&r, &refusal);
    assert_int_equal(r.file.published.revision, -1);
    must_feed(&r, &thin_grade);
    assert_int_equal(r.file.published.level, LEVEL_LARGER);
}

/* --- a person's decision is challenged, never overridden (R14) --- */

#define SAYS(number, summary)                                                                      \
    {                                                                                              \
        SUPPLEMENT, number, OURS, "enterprise", "\"summary\":\"" summary "\""                      \
    }
#define LOSES(number, yuan)                                                                        \
    {                                                                                              \
        SUPPLEMENT, number, OURS, "enterprise", "\"impact\":{\"direct_loss_cny\":" yuan "}"        \
    }
#define LEAK   "客户资料泄露"
#define RANSOM "服务器中了勒索病毒"

static const struct challenge_row {
    const char *name;
    struct spec sources[8];
    size_t n;
    const char *ends; /* '|': the batch ends after this source */
    const char *want;
} challenge_rows[] = {
    {"once for each level, whatever says it again",
     {REPORTED, REPORT_GRADED, DECIDES(2, "park", "general"), SAYS(3, RANSOM), SAYS(4, LEAK),
      SAYS(5, LEAK), LOSES(6, "200000000"), SAYS(7, LEAK)},
     8,
     "||||||||",
     "2>major@3 by 4; 2>extreme@4 by 6"},
    {"the same level in one batch",
     {REPORTED, REPORT_GRADED, DECIDES(2, "park", "general"), SAYS(3, "正在处理"), SAYS(4, LEAK),
      SAYS(5, LEAK)},
     6,
     "|||..|",
     "2>major@2 by 4"},
    {"the level that the rules gave before is no news",
     {REPORTED, REPORT_GRADED, SAYS(2, LEAK), DECIDES(3, "park", "general"), SAYS(4, LEAK),
      SAYS(5, "正在处理")},
     6,
     "||||||",
     ""},
    {"a higher one is",
     {REPORTED, REPORT_GRADED, SAYS(2, LEAK), DECIDES(3, "park", "general"), LOSES(4, "200000000")},
     5,
     "|||||",
     "3>extreme@3 by 4"},
    {"a new decision has not been challenged, and knows what came before it",
     {REPORTED, REPORT_GRADED, DECIDES(2, "park", "general"), SAYS(3, LEAK),
      DECIDES(4, "park", "larger"), SAYS(5, LEAK), LOSES(6, "200000000")},
     7,
     "|||||||",
     "2>major@2 by 3; 4>extreme@4 by 6"},
    {"a decision that comes after its news is challenged with its grade",
     {REPORTED, REPORT_GRADED, SAYS(3, LEAK), DECIDES(2, "enterprise", "general")},
     4,
     "||||",
     "2>major@2 by 3"},
    {"so is one that comes before its report",
     {DECIDES(2, "park", "general"), SAYS(3, LEAK), REPORTED},
     3,
     "|||",
     "2>major@1 by 3"},
    {"facts that are older than the decision are no news, however late they come",
     {REPORTED, REPORT_GRADED, DECIDES(3, "park", "general"), SAYS(2, LEAK)},
     4,
     "||||",
     ""},
    {"and take nothing back",
     {REPORTED, REPORT_GRADED, DECIDES(3, "park", "general"), SAYS(4, LEAK), SAYS(2, LEAK),
      SAYS(5, LEAK)},
     6,
     "||||||",
     "3>major@2 by 4"},
    {"the first report is what was decided on, whenever it was noticed",
     {{REPORT, 5, OURS, "enterprise", "\"summary\":\"" LEAK "\""},
      REPORT_GRADED,
      DECIDES(2, "park", "general")},
     3,
     "|||",
     ""},
    {"a stranger's word challenges nothing",
     {{SUPPLEMENT, 3, THEIRS, "enterprise", "\"summary\":\"" LEAK "\""},
      REPORTED,
      REPORT_GRADED,
      DECIDES(2, "park", "general")},
     4,
     "||||",
     ""},
    {"without a person's decision there is nothing to challenge",
     {REPORTED, REPORT_GRADED, SAYS(2, LEAK), LOSES(3, "200000000")},
     4,
     "||||",
     ""},
};

static void a_decision_is_challenged_by_what_is_news(void **state)
{
    const struct challenge_row *row = *state;
    AUTO(run_done) struct run r;
    enum level decided;
    struct err err = {0};

    run_init(&r);
    for (size_t i = 0; i < row->n; i++) {
        (void)take(&r, &row->sources[i], &err);
        if (row->ends[i] == '|')
            regrade(&r);
    }
    assert_string_equal(buf_text(&r.told), row->want);
    decided = r.file.published.level;
    regrade(&r); /* nothing is left to say, and the grade stays */
    assert_string_equal(buf_text(&r.told), row->want);
    assert_int_equal(r.file.published.level, decided);
}

/* The row is read again: what was published of a decision is known of that decision alone. */
static void a_published_grade_keeps_the_challenge_of_its_decision(void **state)
{
    AUTO(run_done) struct run r;
    const struct spec decision = DECIDES(2, "park", "general"), news = SAYS(3, LEAK);
    const struct spec same = {
        GRADE, 52, OURS, "",
        "\"revision\":7,\"parent_event_id\":\"cccccccc-0000-8000-8000-000000000002\","
        "\"category\":\"data_leak\",\"level\":\"general\",\"gbt20986\":{\"name\":"
        "\"data_security\",\"zh\":\"数据安全\"},\"regimes\":[],\"reasons\":[],"
        "\"needs_human\":false,\"policy_version\":"
        "\"0000000000000000000000000000000000000000000000000000000000000000\","
        "\"decided_by\":\"park\",\"summary\":\"x\",\"facts\":{}"};
    const struct spec rules = {
        GRADE, 53, OURS, "",
        "\"revision\":8,\"parent_event_id\":\"cccccccc-0000-8000-8000-000000000003\","
        "\"category\":\"data_leak\",\"level\":\"general\",\"gbt20986\":{\"name\":"
        "\"data_security\",\"zh\":\"数据安全\"},\"regimes\":[],\"reasons\":[],"
        "\"needs_human\":false,\"policy_version\":"
        "\"0000000000000000000000000000000000000000000000000000000000000000\","
        "\"decided_by\":\"system\",\"summary\":\"x\",\"facts\":{}"};
    struct err err = {0};

    (void)state;
    run_init(&r);
    must_feed(&r, &thin);
    must_feed(&r, &thin_grade);
    must_feed(&r, &decision);
    must_feed(&r, &news);
    assert_true(r.file.published.is_challenged);
    assert_int_equal(take(&r, &same, &err), CASE_CHANGED);
    assert_true(r.file.published.is_challenged);
    assert_int_equal(take(&r, &rules, &err), CASE_CHANGED);
    assert_false(r.file.published.is_challenged);
}

/* --- each text is read once: the decision is that of a reading of its own --- */

/* What classify() gives after the first `n` facts, merged anew. */
static void classify_first(const struct case_file *c, size_t n, struct arena *arena,
                           struct incident_classified *ret)
{
    struct facts merged = {0};
    struct classify_input in = {.facts = &merged};
    struct err err = {0};

    for (size_t i = 0; i < c->inputs_n && n > 0; i++) {
        const struct event *ev = &c->inputs[i].ev;
        const char *summary;
        struct facts facts;

        if (ev->type != EVENT_REPORT_SUBMITTED && ev->type != EVENT_REPORT_SUPPLEMENTED)
            continue;
        n--;
        if (ev->type == EVENT_REPORT_SUBMITTED) {
            facts_of_report(&facts, ev->report_submitted);
            in.discovered_at = in.profile ? in.discovered_at : ev->report_submitted->discovered_at;
            in.profile = in.profile ? in.profile : ev->report_submitted->profile;
            summary = ev->report_submitted->summary;
        } else {
            facts_of_supplement(&facts, ev->report_supplemented);
            summary = ev->report_supplemented->summary;
        }
        classify_read(policy, summary, &facts, &in);
        assert_ok(facts_merge(&merged, &facts, arena, &err), &err);
    }
    assert_ok(classify(policy, &in, arena, ret, &err), &err);
}

static void encode(const struct incident_classified *body, struct buf *ret)
{
    struct err err = {0};

    buf_init(ret, EVENT_BODY_MAX_BYTES);
    assert_ok(event_encode(EVENT_INCIDENT_RECLASSIFIED, body, ret, &err), &err);
}

static const struct stage_row {
    const char *name;
    struct spec sources[6];
    size_t n, facts;
    size_t highest; /* the last stage that reached the highest level, from 1 */
} stage_rows[] = {
    {"at the first", {REPORTED, REPORT_GRADED, SAYS(2, "已恢复")}, 3, 2, 2},
    {"in the middle",
     {REPORTED,
      REPORT_GRADED,
      {SUPPLEMENT, 2, OURS, "park", "\"impact\":{\"people_affected\":2000000}"},
      {SUPPLEMENT, 3, OURS, "park", "\"impact\":{\"people_affected\":5}"},
      SAYS(4, "已恢复")},
     5,
     4,
     2},
    {"at the last",
     {REPORTED, REPORT_GRADED, SAYS(2, RANSOM), SAYS(3, LEAK), LOSES(4, "200000000")},
     5,
     4,
     4},
    {"with a later report and a hint",
     {REPORTED,
      REPORT_GRADED,
      SAYS(2, LEAK),
      {REPORT, 3, OURS, "enterprise", "\"summary\":\"" RANSOM "\",\"category_hint\":\"恶意程序\""}},
     4,
     3,
     3},
};

static void the_stage_that_counts_is_decided_as_by_itself(void **state)
{
    const struct stage_row *row = *state;
    AUTO(run_done) struct run r;
    AUTO(arena_done) struct arena arena;
    AUTO(regrade_done) struct regrade got = {0};
    AUTO(buf_done) struct buf got_text, want_text;
    struct incident_classified want;
    struct err err = {0};

    run_init(&r);
    arena_init(&arena, CASE_ARENA_MAX_BYTES);
    for (size_t i = 0; i < row->n; i++)
        assert_int_equal(take(&r, &row->sources[i], &err), CASE_CHANGED);
    assert_ok(case_regrade(&got, &r.file, policy, &err), &err);
    want = got.body; /* what the rules decide is laid over it */
    classify_first(&r.file, row->highest, &arena, &want);
    encode(&got.body, &got_text);
    encode(&want, &want_text);
    assert_string_equal(buf_text(&got_text), buf_text(&want_text));
    for (size_t stage = 1; stage <= row->facts; stage++) {
        struct incident_classified at = got.body;

        classify_first(&r.file, stage, &arena, &at);
        assert_true(stage > row->highest ? at.level < want.level : at.level <= want.level);
    }
}

/* --- hard case 14: what is published counts --- */

static void hard_case_14_a_lone_report_is_never_graded_again(void **state)
{
    AUTO(run_done) struct run r;
    /* Another policy gave this grade: ours would give "larger", "system_failure". */
    const struct spec other = {GRADE, 51, OURS, "",
                               GRADED("extreme", "malware", "malicious_program", "恶意程序")};
    const struct spec more = {SUPPLEMENT, 2, OURS, "enterprise", "\"summary\":\"已恢复\""};

    (void)state;
    run_init(&r);
    must_feed(&r, &thin);
    must_feed(&r, &other);
    must_feed(&r, &thin);
    assert_int_equal(r.published, 0);
    must_feed(&r, &more); /* now there is news; but rules never lower */
    assert_int_equal(r.published, 1);
    assert_int_equal(r.last.body.level, LEVEL_EXTREME);
    assert_true(r.last.body.needs_human);
    assert_int_equal(r.last.body.category, CATEGORY_SYSTEM_FAILURE);
    assert_int_equal(r.last.body.revision, 1);
}

static void hard_case_14_the_first_of_two_first_grades_counts(void **state)
{
    AUTO(run_done) struct run r;
    const struct spec second = {GRADE, 52, OURS, "",
                                GRADED("general", "malware", "malicious_program", "恶意程序")};

    (void)state;
    run_init(&r);
    must_feed(&r, &thin_grade);
    must_feed(&r, &second);
    assert_int_equal(r.file.published.level, LEVEL_LARGER);
    assert_int_equal(r.file.published.category, CATEGORY_SYSTEM_FAILURE);
}

static void a_later_word_of_the_same_weight_counts(void **state)
{
    AUTO(run_done) struct run r;
    const struct spec more = {SUPPLEMENT, 2, OURS, "enterprise",
                              "\"summary\":\"服务器中了勒索病毒\""};

    (void)state;
    run_init(&r);
    must_feed(&r, &thin);
    must_feed(&r, &thin_grade);
    must_feed(&r, &more);
    assert_int_equal(r.last.body.level, LEVEL_LARGER);
    assert_int_equal(r.last.body.category, CATEGORY_MALWARE);
}

static void nothing_is_published_twice(void **state)
{
    AUTO(run_done) struct run r;
    const struct spec raise = {SUPPLEMENT, 2, OURS, "enterprise", "\"summary\":\"客户资料泄露\""};
    const struct spec idle = {SUPPLEMENT, 3, OURS, "enterprise", "\"summary\":\"正在处理\""};
    const struct spec same = {DECISION, 4, OURS, "park", "\"level\":\"major\",\"reason\":\"核实\""};

    (void)state;
    run_init(&r);
    must_feed(&r, &thin);
    must_feed(&r, &thin_grade);
    must_feed(&r, &raise);
    assert_int_equal(r.published, 1);
    assert_string_equal(r.last.body.parent_event_id, "cccccccc-0000-8000-8000-000000000002");
    assert_int_equal(r.last.body.revision, 1);
    must_feed(&r, &raise);
    must_feed(&r, &idle);
    must_feed(&r, &thin_grade); /* read again: an older revision */
    assert_int_equal(r.published, 1);
    must_feed(&r, &same); /* the same grade, but a person's: that is news */
    assert_int_equal(r.published, 2);
    assert_int_equal(r.last.body.revision, 2);
    assert_int_equal(r.last.body.decided_by, SCOPE_PARK);
    assert_string_equal(r.last.body.why, "核实");
    assert_string_equal(r.last.body.actor->id, "k04");
    assert_false(r.last.body.needs_human);
}

static void a_person_may_grade_first(void **state)
{
    AUTO(run_done) struct run r;
    const struct spec decision = {DECISION, 2, OURS, "park",
                                  "\"level\":\"major\",\"reason\":\"人工定级\""};

    (void)state;
    run_init(&r);
    must_feed(&r, &thin);
    assert_int_equal(r.published, 0);
    must_feed(&r, &decision); /* no first grade ever came */
    assert_int_equal(r.published, 1);
    assert_int_equal(r.last.body.revision, 1);
    must_feed(&r, &thin_grade); /* late: changes nothing */
    assert_int_equal(r.published, 1);
    assert_int_equal(r.file.published.level, LEVEL_MAJOR);
}

static void the_body_says_what_is_known(void **state)
{
    AUTO(run_done) struct run r;
    AUTO(buf_done) struct buf text;
    const struct spec more = {SUPPLEMENT, 7, OURS, "park",
                              "\"summary\":\"客户资料泄露\",\"impact\":{\"outage_minutes\":30},"
                              "\"data_kinds\":[\"customer\"],"
                              "\"evidence\":[{\"name\":\"x\"}],\"indicators\":[{\"type\":\"ip\","
                              "\"value\":\"192.0.2.1\"}]"};
    struct err err = {0};

    (void)state;
    run_init(&r);
    must_feed(&r, &thin);
    must_feed(&r, &thin_grade);
    must_feed(&r, &more);
    assert_string_equal(r.last.body.summary, "系统中断\n客户资料泄露");
    assert_int_equal(r.last.body.occurred_at % 60000, 7000); /* the last input's */
    assert_string_equal(r.last.body.enterprise_id, OURS);
    assert_int_equal(r.last.body.facts->impact->outage_minutes, 30);
    assert_int_equal(r.last.body.facts->data_kinds_n, 1);
    assert_int_equal(r.last.body.facts->evidence_n + r.last.body.facts->indicators_n, 0);
    buf_init(&text, EVENT_BODY_MAX_BYTES);
    assert_ok(event_encode(EVENT_INCIDENT_RECLASSIFIED, &r.last.body, &text, &err), &err);
}

static void early_ones_are_bounded(void **state)
{
    AUTO(run_done) struct run r;
    const struct spec more = {SUPPLEMENT, 0, OURS, "enterprise", "\"place\":\"上海\""};
    struct event ev = make(&more);
    struct err err = {0};

    (void)state;
    run_init(&r);
    assert_int_equal(case_take(&r.file, &ev, false, NULL, &err), CASE_REFUSED);
    assert_int_equal(err.kind, ERR_INPUT);
    assert_contains(err.text, "too many events that wait");
    event_done(&ev);
}

/* As many as a case takes of one kind from one sender, with ids from 5000 on; and one more, which is refused. */
static void fill(struct run *r, struct spec s)
{
    struct err err = {0};
    struct event ev;

    for (int i = 0; i <= CASE_INPUTS_MAX; i++) {
        s.number = i % 60;
        ev = make(&s);
        snprintf(ev.id.text + 24, 13, "%012d", 5000 + i);
        assert_int_equal(case_take(&r->file, &ev, true, NULL, &err),
                         i < CASE_INPUTS_MAX ? CASE_CHANGED : CASE_REFUSED);
        event_done(&ev);
    }
    assert_int_equal(err.kind, ERR_INPUT);
    assert_contains(err.text, "has 256 report.supplemented of this sender");
}

/* Fewer when they are large: what a sender makes of a case is bounded in bytes, too. */
static void large_ones_are_bounded(void **state)
{
    AUTO(run_done) struct run r;
    AUTO(buf_done) struct buf body;
    struct spec s = {SUPPLEMENT, 2, OURS, "enterprise", NULL};
    struct err err = {0};
    size_t bytes = 0;

    (void)state;
    buf_init(&body, 100000);
    buf_printf(&body, "\"summary\":\"%012000d\",\"cause\":\"%012000d\",\"traces\":\"%012000d\"", 0,
               0, 0);
    for (char *at = body.data; (at = strstr(at, "000"));) /* 4000 characters each */
        memcpy(at, "。", 3);
    s.more = buf_text(&body);
    run_init(&r);
    must_feed(&r, &thin);
    for (;;) {
        struct event ev = make(&s);
        enum case_outcome outcome;

        snprintf(ev.id.text + 24, 13, "%012zu", 5000 + r.file.inputs_n);
        bytes += ev.arena.used;
        outcome = case_take(&r.file, &ev, true, NULL, &err);
        event_done(&ev);
        if (outcome != CASE_CHANGED)
            break;
    }
    assert_in_range(r.file.inputs_n, 50, CASE_INPUTS_MAX / 2);
    assert_true(bytes > CASE_INPUTS_MAX_BYTES);
    assert_contains(err.text, "as many as 4 MiB hold");
    must_feed(&r, &(struct spec){SUPPLEMENT, 3, OURS, "park", "\"summary\":\"x\""});
}

/* There is room for no more decisions, and never will be: who decides is told so. Before the incident is known there is nobody to tell it. */
static void hard_case_11_a_full_case_answers(void **state)
{
    AUTO(run_done) struct run r;
    struct spec s = {DECISION, 0, OURS, "park", "\"level\":\"major\",\"reason\":\"x\""};
    struct regrade again;
    struct err err = {0};
    struct event ev;

    (void)state;
    run_init(&r);
    for (int i = 0; i < CASE_INPUTS_MAX; i++) {
        ev = make(&s);
        snprintf(ev.id.text + 24, 13, "%012d", 5000 + i);
        assert_int_equal(case_take(&r.file, &ev, true, NULL, &err), CASE_CHANGED);
    }
    assert_int_equal(take(&r, &s, &err), CASE_REFUSED);
    (void)take(&r, &thin_grade, &err);
    assert_int_equal(take(&r, &s, &err), CASE_REFUSED);
    (void)take(&r, &thin, &err);
    err = (struct err){0};
    ev = make(&s);
    assert_int_equal(case_take(&r.file, &ev, true, NULL, &err), CASE_ANSWERED);
    assert_contains(err.text, "has 256 action.reclassified of this sender");
    assert_int_equal(r.file.inputs_n, CASE_INPUTS_MAX + 1);
    assert_string_equal(r.file.changed_by.text, ev.id.text); /* another policy may grade anew */
    assert_ok(case_regrade(&again, &r.file, policy, &err), &err);
    assert_true(again.is_due);
    case_published(&r.file, &again);
    refuse(&r, &again, &ev, err.text);
    assert_string_equal(again.body.refused_why, err.text);
    regrade_done(&again);
    event_done(&ev);
}

static const struct spec ours_more = {SUPPLEMENT, 0, OURS, "enterprise", "\"place\":\"上海\""};
static const struct spec theirs_more = {SUPPLEMENT, 0, THEIRS, "enterprise", "\"place\":\"上海\""};

static void supplements_take_nobodys_room(void **state)
{
    AUTO(run_done) struct run r;
    const struct spec leak = {SUPPLEMENT, 2, OURS, "park", "\"summary\":\"客户资料泄露\""};
    const struct spec report = {REPORT, 3, OURS, "enterprise",
                                "\"summary\":\"服务器中了勒索病毒\""};
    const struct spec decision = {DECISION, 4, OURS, "park",
                                  "\"level\":\"extreme\",\"reason\":\"x\""};

    (void)state;
    run_init(&r);
    must_feed(&r, &thin);
    must_feed(&r, &thin_grade);
    fill(&r, ours_more);
    must_feed(&r, &leak);
    assert_int_equal(r.file.published.level, LEVEL_MAJOR);
    must_feed(&r, &report);
    must_feed(&r, &decision);
    assert_int_equal(r.file.published.level, LEVEL_EXTREME);
    assert_int_equal(r.last.body.decided_by, SCOPE_PARK);
}

static void hard_case_10_strangers_take_nobodys_room(void **state)
{
    AUTO(run_done) struct run r;
    const struct spec leak = {SUPPLEMENT, 2, OURS, "enterprise", "\"summary\":\"客户资料泄露\""};

    (void)state;
    run_init(&r);
    fill(&r, theirs_more); /* before the incident is there */
    must_feed(&r, &leak);
    must_feed(&r, &thin);
    must_feed(&r, &thin_grade);
    assert_int_equal(r.file.published.level, LEVEL_MAJOR);
}

/* Nothing but its report is known of it, so another policy does not grade it again (hard case 14). */
static void hard_case_10_strangers_are_no_news(void **state)
{
    AUTO(run_done) struct run r;
    const struct spec other = {GRADE, 51, OURS, "",
                               GRADED("extreme", "malware", "malicious_program", "恶意程序")};

    (void)state;
    run_init(&r);
    must_feed(&r, &theirs_more);
    must_feed(&r, &thin);
    must_feed(&r, &other);
    assert_int_equal(r.published, 0);
}

/* Ids of later grades follow from their causes: one that a decision gives is that decision's, whatever else came in its batch. */
static void a_batch_is_graded_once(void **state)
{
    AUTO(run_done) struct run r;
    const struct spec leak = {SUPPLEMENT, 2, OURS, "enterprise", "\"summary\":\"客户资料泄露\""};
    const struct spec decision = {DECISION, 3, OURS, "park",
                                  "\"level\":\"extreme\",\"reason\":\"x\""};
    const struct spec after = {SUPPLEMENT, 4, OURS, "enterprise", "\"summary\":\"勒索病毒\""};
    const struct spec *const batch[] = {&thin, &thin_grade, &leak, &decision, &after};
    struct err err = {0};

    (void)state;
    run_init(&r);
    for (size_t i = 0; i < ARRAY_LEN(batch); i++)
        assert_int_equal(take(&r, batch[i], &err), CASE_CHANGED);
    regrade(&r);
    assert_int_equal(r.published, 1);
    assert_int_equal(r.last.body.revision, 1);
    assert_int_equal(r.last.body.level, LEVEL_EXTREME);
    assert_string_equal(r.last.body.parent_event_id, "cccccccc-0000-8000-8000-000000000003");
    assert_string_equal(r.last.cause->text, r.last.body.parent_event_id);
    regrade(&r); /* nothing is due any more */
    assert_int_equal(r.published, 1);
}

/* --- merging --- */

/* --- campaigns --- */

static const struct spec virus = {REPORT, 1, OURS, "enterprise",
                                  "\"summary\":\"员工的一台办公电脑感染病毒\""};
static const struct spec virus_grade = {
    GRADE, 51, OURS, "", GRADED("general", "malware", "malicious_program", "恶意程序")};
static const struct spec wave = {LINK, 2, OURS, "", LINKED("3")};

/* The grade says which campaign raised it, by which rule, and can be published. */
static void a_campaign_is_named(void **state)
{
    AUTO(run_done) struct run r;
    AUTO(buf_done) struct buf text;
    struct err err = {0};

    (void)state;
    run_init(&r);
    must_feed(&r, &virus);
    must_feed(&r, &virus_grade);
    must_feed(&r, &wave);
    assert_int_equal(r.published, 1);
    assert_int_equal(r.last.body.level, LEVEL_LARGER);
    assert_true(r.last.body.needs_human);
    buf_init(&text, EVENT_BODY_MAX_BYTES);
    assert_ok(event_encode(EVENT_INCIDENT_RECLASSIFIED, &r.last.body, &text, &err), &err);
    assert_contains(buf_text(&text), "\"campaign\":{\"campaign_id\":\"dddddddd-0000-8000-8000-"
                                     "000000000001\",\"enterprises\":3,\"incidents\":9}");
    assert_contains(buf_text(&text), "{\"pointer\":\"/campaign/enterprises\",\"value\":\"3\"}");
    assert_contains(buf_text(&text), "\"rule\":\"park.campaign\"");
    assert_contains(buf_text(&text),
                    "\"parent_event_id\":\"cccccccc-0000-8000-8000-000000000002\"");
    assert_null(strstr(buf_text(&text), "\"pointer\":\"/campaign\""));
}

/* Nothing is asked of a reporter that only the park can see. */
static void no_campaign_is_nothing_missing(void **state)
{
    AUTO(run_done) struct run r;
    const struct spec more = {SUPPLEMENT, 3, OURS, "enterprise", "\"summary\":\"系统中断\""};

    (void)state;
    run_init(&r);
    must_feed(&r, &virus);
    must_feed(&r, &virus_grade);
    must_feed(&r, &more);
    assert_int_equal(r.published, 1);
    assert_null(r.last.body.campaign);
    assert_true(r.last.body.missing_n > 0);
    for (size_t i = 0; i < r.last.body.missing_n; i++)
        assert_null(strstr(r.last.body.missing[i].pointer, "campaign"));
}

static const struct regime_grade *regime_of(const struct incident_classified *body,
                                            const char *regime)
{
    static const struct regime_grade none;

    for (size_t i = 0; i < body->regimes_n; i++)
        if (strcmp(body->regimes[i].regime, regime) == 0)
            return &body->regimes[i];
    return &none;
}

/* Duties are judged by a grade's regimes and facts: what starts one has to be published though the level stays. And no supplement takes a regime's level back,
 * or a duty that runs would end by the word of who owes it. */
static void what_starts_a_duty_is_published_and_stays(void **state)
{
    AUTO(run_done) struct run r;
    const struct spec leak = {REPORT, 1, OURS, "enterprise", "\"summary\":\"客户个人信息被泄露\""};
    const struct spec grade = {GRADE, 51, OURS, "",
                               GRADED("major", "data_leak", "data_security", "数据安全")};
    const struct spec more = {SUPPLEMENT, 2, OURS, "enterprise",
                              "\"impact\":{\"personal_records_persons\":2000000,"
                              "\"user_data_touched\":true}"};
    const struct spec less = {SUPPLEMENT, 3, OURS, "enterprise",
                              "\"impact\":{\"personal_records_persons\":10},"
                              "\"category_hint\":\"malware\""};
    const struct regime_grade *cac;

    (void)state;
    run_init(&r);
    must_feed(&r, &leak);
    must_feed(&r, &grade);
    must_feed(&r, &more);
    assert_int_equal(r.published, 1);
    assert_int_equal(r.last.body.level, LEVEL_MAJOR);
    cac = regime_of(&r.last.body, "cac-2025");
    assert_true(cac->has_level && cac->level == LEVEL_LARGER);
    must_feed(&r, &less);
    assert_int_equal(r.published, 2);
    cac = regime_of(&r.last.body, "cac-2025");
    assert_true(cac->has_level && cac->level == LEVEL_LARGER);
    assert_int_equal(r.last.body.facts->impact->personal_records_persons, 10);
}

/* Whatever an earlier policy gave by a regime, and what an older supplement that comes late takes back. */
static void what_was_published_by_a_regime_stays(void **state)
{
    AUTO(run_done) struct run r;
    AUTO(buf_done) struct buf text;
    const struct spec leak = {REPORT, 1, OURS, "enterprise", "\"summary\":\"客户个人信息被泄露\""};
    const struct spec grade = {
        GRADE, 51, OURS, "",
        GRADED_BY("major", "data_leak", "data_security", "数据安全",
                  "{\"regime\":\"cac-2025\",\"level\":\"extreme\",\"needs_human\":false},"
                  "{\"regime\":\"of-old\",\"needs_human\":false,\"reportable\":true},"
                  "{\"regime\":\"silent\",\"needs_human\":false}")};
    const struct spec more = {SUPPLEMENT, 2, OURS, "enterprise", "\"place\":\"上海\""};
    const struct regime_grade *cac, *old;
    struct standing stored;

    (void)state;
    run_init(&r);
    must_feed(&r, &leak);
    must_feed(&r, &grade);
    buf_init(&text, 1000);
    assert_true(standing_write(&r.file.published.standing, &text, NULL));
    assert_string_equal(buf_text(&text), "{\"cac-2025\":\"extreme\",\"of-old\":\"reportable\"}");
    standing_read(&stored, buf_text(&text));
    r.file.published.standing = stored;
    must_feed(&r, &more);
    assert_int_equal(r.published, 1);
    cac = regime_of(&r.last.body, "cac-2025");
    old = regime_of(&r.last.body, "of-old");
    assert_true(cac->has_level && cac->level == LEVEL_EXTREME && cac->needs_human);
    assert_true(old->has_reportable && old->reportable && !old->has_level);
    assert_true(r.last.body.needs_human);
    assert_null(regime_of(&r.last.body, "silent")->regime);
    must_feed(&r, &(struct spec){SUPPLEMENT, 3, OURS, "enterprise", "\"place\":\"上海\""});
    assert_int_equal(r.published, 1);
    standing_read(&stored, "{\"a\":1,\"b\":\"none\",\"c\":\"larger reportable\"}");
    assert_int_equal(stored.n, 1);
    assert_true(stored.regimes[0].has_level && stored.regimes[0].is_reportable);
    standing_read(&stored, NULL);
    assert_int_equal(stored.n, 0);
}

static void an_equal_campaign_is_no_news(void **state)
{
    AUTO(run_done) struct run r;
    const struct spec equal = {LINK, 5, OURS, "", LINKED("3")};
    const struct spec smaller = {LINK, 6, OURS, "", LINKED("2")};
    const struct spec wider = {LINK, 7, OURS, "", LINKED("4")};
    struct err err = {0};

    (void)state;
    run_init(&r);
    must_feed(&r, &virus);
    must_feed(&r, &virus_grade);
    must_feed(&r, &wave);
    assert_int_equal(feed(&r, &equal, &err), CASE_UNCHANGED);
    assert_int_equal(feed(&r, &smaller, &err), CASE_UNCHANGED);
    assert_int_equal(r.file.inputs_n, 2);
    assert_int_equal(feed(&r, &wider, &err), CASE_CHANGED);
    assert_int_equal(r.published, 1); /* the grade is the same */
}

/* A case full of links takes no more of them, and everything else. */
static void links_take_nobodys_room(void **state)
{
    AUTO(run_done) struct run r;
    char linked[1024];
    struct spec link = {LINK, 0, OURS, "", linked};
    const struct spec decision = {DECISION, 58, OURS, "park",
                                  "\"level\":\"major\",\"reason\":\"x\""};
    struct err err = {0};

    (void)state;
    run_init(&r);
    must_feed(&r, &virus);
    must_feed(&r, &virus_grade);
    for (int i = 0; i <= CASE_INPUTS_MAX; i++) {
        struct event ev;

        snprintf(linked, sizeof(linked), LINKED("%d"), i + 2);
        ev = make(&link);
        snprintf(ev.id.text + 24, 13, "%012d", 1000 + i);
        assert_int_equal(case_take(&r.file, &ev, true, NULL, &err),
                         i < CASE_INPUTS_MAX ? CASE_CHANGED : CASE_REFUSED);
        event_done(&ev);
    }
    assert_contains(err.text, "256 incident.linked");
    must_feed(&r, &ours_more);
    must_feed(&r, &decision);
    assert_int_equal(r.file.published.level, LEVEL_MAJOR);
}

static const struct merge_row {
    const char *name, *first, *second, *want;
} merge_rows[] = {
    {"the later value counts", "{\"place\":\"a\"}", "{\"place\":\"b\"}", "{\"place\":\"b\"}"},
    {"null takes nothing back", "{\"place\":\"a\"}", "{\"place\":null}", "{\"place\":\"a\"}"},
    {"objects by member", "{\"impact\":{\"outage_minutes\":1}}",
     "{\"impact\":{\"people_affected\":2,\"outage_minutes\":3}}",
     "{\"impact\":{\"outage_minutes\":3,\"people_affected\":2}}"},
    {"lists are joined", "{\"data_kinds\":[\"core\",\"customer\"]}",
     "{\"data_kinds\":[\"customer\",\"personal\"]}",
     "{\"data_kinds\":[\"core\",\"customer\",\"personal\"]}"},
    {"what is no fact is left", "{\"summary\":\"a\",\"place\":\"b\"}", "{\"actor\":{\"id\":\"x\"}}",
     "{\"place\":\"b\"}"},
    {"evidence and indicators are left", "{\"evidence\":[{\"name\":\"a\"}]}",
     "{\"indicators\":[{\"type\":\"ip\",\"value\":\"x\"}],\"ongoing\":true}", "{\"ongoing\":true}"},
};

static json_t *read_facts(struct facts *ret, const char *text, struct arena *arena)
{
    json_t *doc = json_loads(text, 0, NULL);
    struct err err = {0};

    assert_ok(shape_decode(&facts_shape, doc, false, TIME_EXACT, ret, arena, &err), &err);
    return doc;
}

static void check_merge(void **state)
{
    const struct merge_row *row = *state;
    AUTO(arena_done) struct arena arena = {.max = CASE_ARENA_MAX_BYTES};
    struct facts first, second, merged = {0};
    struct err err = {0};
    AUTO(auto_json) json_t *first_doc = read_facts(&first, row->first, &arena);
    AUTO(auto_json) json_t *second_doc = read_facts(&second, row->second, &arena);
    AUTO(auto_json) json_t *kept = shape_encode(&facts_shape, &first);
    AUTO(auto_json) json_t *want = json_loads(row->want, 0, NULL);
    AUTO(auto_json) json_t *got = NULL;
    AUTO(auto_json) json_t *after = NULL;

    assert_true(first_doc && second_doc);
    assert_ok(facts_merge(&merged, &first, &arena, &err) &&
                  facts_merge(&merged, &second, &arena, &err),
              &err);
    got = shape_encode(&facts_shape, &merged);
    after = shape_encode(&facts_shape, &first);
    assert_true(json_equal(got, want));
    assert_true(json_equal(after, kept)); /* the event's own body is untouched */
}

int main(void)
{
    static struct test_list list;
    struct err err = {0};
    int failed;

    if (!policy_load(&policy, "deploy/policy", &err)) {
        print_error("%s\n", err.text);
        return 1;
    }
    TEST_ADD_ROWS(&list, sets, hard_case_09_all_orders_end_alike);
    TEST_ADD(&list, hard_case_10_strangers_are_refused);
    TEST_ADD(&list, hard_case_10_early_strangers_are_found_out);
    TEST_ADD_ROWS(&list, answer_rows, hard_case_11_every_decision_has_one_answer);
    TEST_ADD(&list, hard_case_11_a_refusal_is_no_grade);
    TEST_ADD(&list, large_ones_are_bounded);
    TEST_ADD(&list, hard_case_11_a_full_case_answers);
    TEST_ADD_ROWS(&list, challenge_rows, a_decision_is_challenged_by_what_is_news);
    TEST_ADD(&list, a_published_grade_keeps_the_challenge_of_its_decision);
    TEST_ADD_ROWS(&list, stage_rows, the_stage_that_counts_is_decided_as_by_itself);
    TEST_ADD(&list, hard_case_14_a_lone_report_is_never_graded_again);
    TEST_ADD(&list, hard_case_14_the_first_of_two_first_grades_counts);
    TEST_ADD(&list, a_later_word_of_the_same_weight_counts);
    TEST_ADD(&list, nothing_is_published_twice);
    TEST_ADD(&list, a_person_may_grade_first);
    TEST_ADD(&list, the_body_says_what_is_known);
    TEST_ADD(&list, early_ones_are_bounded);
    TEST_ADD(&list, supplements_take_nobodys_room);
    TEST_ADD(&list, hard_case_10_strangers_take_nobodys_room);
    TEST_ADD(&list, hard_case_10_strangers_are_no_news);
    TEST_ADD(&list, a_batch_is_graded_once);
    TEST_ADD(&list, a_campaign_is_named);
    TEST_ADD(&list, no_campaign_is_nothing_missing);
    TEST_ADD(&list, what_starts_a_duty_is_published_and_stays);
    TEST_ADD(&list, what_was_published_by_a_regime_stays);
    TEST_ADD(&list, an_equal_campaign_is_no_news);
    TEST_ADD(&list, links_take_nobodys_room);
    TEST_ADD_ROWS(&list, merge_rows, check_merge);
    failed = test_run("classifier case", &list);
    policy_unref(policy);
    return failed;
}
