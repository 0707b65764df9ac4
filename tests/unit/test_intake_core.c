/* intake's core: ids that repeat when the submission does and only then, what a request becomes,
 * what is refused. */
#include "tests/support/test.h"

#include "common/base/clock.h"
#include "services/intake/intake.h"

#define NOW_MS INT64_C(1795287600000) /* 2026-11-21T19:00:00.000Z */

static struct profile acme_profile = {.code = "ACME",
                                      .name = "艾克米",
                                      .sector = "manufacturing",
                                      .staff = 260,
                                      .has_staff = true,
                                      .has_is_cii = true,
                                      .has_is_listed = true};

static const struct caller acme = {.enterprise_id = "0a000000-0000-8000-8000-000000000001",
                                   .key_id = "aaaaaaaaaaaa",
                                   .actor_id = "aaaaaaaaaaaa",
                                   .actor_name = "前台",
                                   .scopes = KEY_MAY_REPORT,
                                   .profile = &acme_profile};
static const struct caller acme_other_key = {.enterprise_id =
                                                 "0a000000-0000-8000-8000-000000000001",
                                             .key_id = "bbbbbbbbbbbb",
                                             .actor_id = "bbbbbbbbbbbb",
                                             .profile = &acme_profile};
static const struct caller beta = {.enterprise_id = "0b000000-0000-8000-8000-000000000002",
                                   .key_id = "cccccccccccc",
                                   .actor_id = "cccccccccccc",
                                   .profile = &acme_profile};
static const struct caller park = {.enterprise_id = "0c000000-0000-8000-8000-000000000003",
                                   .key_id = "dddddddddddd",
                                   .actor_id = "0d000000-0000-8000-8000-000000000004",
                                   .actor_name = "值班员",
                                   .is_park = true,
                                   .profile = &acme_profile};

static const struct target incident = {.incident_id = {"11111111-1111-8111-8111-111111111111"},
                                       .enterprise_id = {"0a000000-0000-8000-8000-000000000001"}};
/* The same, later: states were applied. */
static const struct target incident_at_4 = {
    .incident_id = {"11111111-1111-8111-8111-111111111111"},
    .enterprise_id = {"0a000000-0000-8000-8000-000000000001"},
    .state_n = 4};
static const struct target incident_at_9 = {
    .incident_id = {"11111111-1111-8111-8111-111111111111"},
    .enterprise_id = {"0a000000-0000-8000-8000-000000000001"},
    .state_n = 9};
static const struct target other_incident = {
    .incident_id = {"22222222-2222-8222-8222-222222222222"},
    .enterprise_id = {"0a000000-0000-8000-8000-000000000001"}};

/* ---- one submission of any kind */

enum kind { REPORT, SUPPLEMENT, ACTION };

struct given {
    const struct caller *caller;
    const char *key, *text;
    const struct target *target;
    int64_t received_ms;
};

static bool submit(enum kind kind, const struct given *g, struct workshop *w, struct outgoing *ret,
                   struct err *err)
{
    struct submission sub = {
        .caller = g->caller, .idempotency_key = g->key, .received_ms = g->received_ms};
    const struct target *target = g->target ? g->target : &incident;
    AUTO(arena_done) struct arena arena;
    AUTO(auto_json) json_t *doc = NULL;
    struct report_request report;
    struct supplement_request supplement;
    struct action_request action;
    size_t len = strlen(g->text);

    if (sub.received_ms == 0)
        sub.received_ms = NOW_MS;
    arena_init(&arena, INTAKE_ARENA_MAX_BYTES);
    switch (kind) {
    case REPORT:
        return request_decode(&report_request_shape, g->text, len, &report, &doc, &arena, err) &&
               intake_report(&sub, &report, w, &arena, ret, err);
    case SUPPLEMENT:
        return request_decode(&supplement_request_shape, g->text, len, &supplement, &doc, &arena,
                              err) &&
               intake_check_supplement(&supplement, &arena, err) &&
               intake_supplement(&sub, target, &supplement, w, ret, err);
    case ACTION:
        return request_decode(&action_request_shape, g->text, len, &action, &doc, &arena, err) &&
               intake_check_action(&action, sub.received_ms, err) &&
               intake_action(&sub, target, &action, w, ret, err);
    }
    return false;
}

/* ---- ids */

#define TIME    "\"discovered_at\":\"2026-11-22T03:00:00+08:00\""
#define BODY    "{\"summary\":\"x\"," TIME "}"
#define HUNDRED "{\"impact\":{\"people_affected\":100}}"

enum { INCIDENT = 1, EVENT = 2, CONTENT = 4 };

static const struct id_row {
    const char *name;
    enum kind kind;
    struct given a, b;
    int same; /* of INCIDENT, EVENT, CONTENT */
} id_rows[] = {
    {"a report again is the same, later too",
     REPORT,
     {&acme, NULL, BODY, NULL, 0},
     {&acme, NULL, BODY, NULL, NOW_MS + 1},
     INCIDENT | EVENT | CONTENT},
    {"so it is in another spelling",
     REPORT,
     {&acme, NULL, BODY, NULL, 0},
     {&acme, NULL,
      "{\"drill\":null, \"discovered_at\":\"2026-11-21T19:00:00.000Z\", \"summary\":\"\\u0078\"}",
      NULL, 0},
     INCIDENT | EVENT | CONTENT},
    {"and through another key of the enterprise",
     REPORT,
     {&acme, NULL, BODY, NULL, 0},
     {&acme_other_key, NULL, BODY, NULL, 0},
     INCIDENT | EVENT | CONTENT},
    {"another text without a key is another incident",
     REPORT,
     {&acme, NULL, BODY, NULL, 0},
     {&acme, NULL, "{\"summary\":\"y\"," TIME "}", NULL, 0},
     0},
    {"another enterprise's is another incident",
     REPORT,
     {&acme, "k", BODY, NULL, 0},
     {&beta, "k", BODY, NULL, 0},
     0},
    {"one key and another text: one incident, another event",
     REPORT,
     {&acme, "k", BODY, NULL, 0},
     {&acme, "k", "{\"summary\":\"y\"," TIME "}", NULL, 0},
     INCIDENT},
    {"another key and one text: another incident",
     REPORT,
     {&acme, "k", BODY, NULL, 0},
     {&acme, "l", BODY, NULL, 0},
     0},
    {"a key that spells the body is not the body",
     REPORT,
     {&acme, NULL, BODY, NULL, 0},
     {&acme, "{\"discovered_at\":\"2026-11-21T19:00:00.000Z\",\"summary\":\"x\"}", BODY, NULL, 0},
     0},
    {"hard_case_03: a supplement again is the same",
     SUPPLEMENT,
     {&acme, NULL, HUNDRED, NULL, 0},
     {&acme, NULL, HUNDRED, NULL, NOW_MS + 1},
     INCIDENT | EVENT | CONTENT},
    {"hard_case_03: 100 -> 200 -> 100 under keys are three",
     SUPPLEMENT,
     {&acme, "1", HUNDRED, NULL, 0},
     {&acme, "3", HUNDRED, NULL, 0},
     INCIDENT | CONTENT},
    {"hard_case_03: so are they after states that were seen",
     SUPPLEMENT,
     {&acme, NULL, "{\"incident_seq\":4,\"impact\":{\"people_affected\":100}}", NULL, 0},
     {&acme, NULL, "{\"incident_seq\":9,\"impact\":{\"people_affected\":100}}", NULL, 0},
     INCIDENT},
    {"hard_case_03: another incident, another supplement",
     SUPPLEMENT,
     {&acme, "1", HUNDRED, NULL, 0},
     {&acme, "1", HUNDRED, &other_incident, 0},
     CONTENT},
    {"hard_case_03: an action again is the same",
     ACTION,
     {&acme, NULL, "{\"type\":\"confirmed\",\"incident_seq\":4}", NULL, 0},
     {&acme, NULL, "{\"type\":\"confirmed\",\"incident_seq\":4}", NULL, NOW_MS + 1},
     INCIDENT | EVENT | CONTENT},
    {"hard_case_03: after another state it is a new one",
     ACTION,
     {&acme, NULL, "{\"type\":\"confirmed\",\"incident_seq\":4}", NULL, 0},
     {&acme, NULL, "{\"type\":\"confirmed\",\"incident_seq\":9}", NULL, 0},
     INCIDENT},
    {"hard_case_03: an action that says nothing of the state is meant for the one that we see",
     ACTION,
     {&acme, NULL, "{\"type\":\"confirmed\"}", &incident_at_4, 0},
     {&acme, NULL, "{\"type\":\"confirmed\"}", &incident_at_9, 0},
     INCIDENT | CONTENT},
    {"hard_case_03: until that moves it is the same",
     ACTION,
     {&acme, NULL, "{\"type\":\"confirmed\"}", &incident_at_4, 0},
     {&acme, NULL, "{\"type\":\"confirmed\"}", &incident_at_4, NOW_MS + 1},
     INCIDENT | EVENT | CONTENT},
    {"hard_case_03: the state that the sender saw is the one that counts",
     ACTION,
     {&acme, NULL, "{\"type\":\"confirmed\",\"incident_seq\":4}", &incident_at_4, 0},
     {&acme, NULL, "{\"type\":\"confirmed\",\"incident_seq\":4}", &incident_at_9, 0},
     INCIDENT | EVENT | CONTENT},
    {"hard_case_03: and so is a key",
     ACTION,
     {&acme, "k", "{\"type\":\"confirmed\"}", &incident_at_4, 0},
     {&acme, "k", "{\"type\":\"confirmed\"}", &incident_at_9, 0},
     INCIDENT | EVENT | CONTENT},
    {"hard_case_03: a supplement too is meant for the state that we see",
     SUPPLEMENT,
     {&acme, NULL, HUNDRED, &incident_at_4, 0},
     {&acme, NULL, HUNDRED, &incident_at_9, 0},
     INCIDENT | CONTENT},
    {"hard_case_03: another actor's is another",
     ACTION,
     {&acme, NULL, "{\"type\":\"confirmed\"}", NULL, 0},
     {&park, NULL, "{\"type\":\"confirmed\"}", NULL, 0},
     INCIDENT | CONTENT},
    {"hard_case_03: under another key it is another",
     ACTION,
     {&acme, "k", "{\"type\":\"confirmed\"}", NULL, 0},
     {&acme, "l", "{\"type\":\"confirmed\"}", NULL, 0},
     INCIDENT | CONTENT},
    {"one key for two actions is one id with two contents",
     ACTION,
     {&acme, "k", "{\"type\":\"confirmed\"}", NULL, 0},
     {&acme, "k", "{\"type\":\"contained\"}", NULL, 0},
     INCIDENT | EVENT},
};

static void compare_ids(void **state)
{
    const struct id_row *row = *state;
    AUTO(workshop_done) struct workshop w;
    struct outgoing a = {0}, b = {0};
    struct err err = {0};

    workshop_init(&w);
    assert_ok(submit(row->kind, &row->a, &w, &a, &err), &err);
    assert_ok(submit(row->kind, &row->b, &w, &b, &err), &err);
    assert_int_equal(strcmp(a.incident_id.text, b.incident_id.text) == 0,
                     (row->same & INCIDENT) != 0);
    assert_int_equal(strcmp(a.event_id.text, b.event_id.text) == 0, (row->same & EVENT) != 0);
    assert_int_equal(strcmp(a.content.text, b.content.text) == 0, (row->same & CONTENT) != 0);
}

/* Never changes: a report that is sent again after an upgrade is the same incident. */
static void ids_are_fixed_for_ever(void **state)
{
    AUTO(workshop_done) struct workshop w;
    struct given with_key = {&acme, "k", BODY, NULL, 0}, without = {&acme, NULL, BODY, NULL, 0};
    struct outgoing out = {0};
    struct err err = {0};

    (void)state;
    workshop_init(&w);
    assert_ok(submit(REPORT, &with_key, &w, &out, &err), &err);
    assert_string_equal(out.incident_id.text, "b16ea806-7b77-8e47-add5-01e230bc7d5c");
    assert_string_equal(out.event_id.text, "fbf0297b-15e8-8bc4-8728-9db0d6b43e81");
    assert_ok(submit(REPORT, &without, &w, &out, &err), &err);
    assert_string_equal(out.incident_id.text, "224ae97e-7742-89a7-8528-360c6ba6e458");
}

/* ---- bodies */

#define ACTOR "\"actor\":{\"id\":\"aaaaaaaaaaaa\",\"name\":\"前台\",\"scope\":\"enterprise\"}"
#define PARK_ACTOR                                                                                 \
    "\"actor\":{\"id\":\"0d000000-0000-8000-8000-000000000004\",\"name\":\"值班员\",\"scope\":" \
    "\"park\"}"
#define COMMON  "\"drill\":false,\"enterprise_id\":\"0a000000-0000-8000-8000-000000000001\""
#define ABOUT   "\"incident_id\":\"11111111-1111-8111-8111-111111111111\""
#define AT      "\"occurred_at\":\"2026-11-21T19:00:00.000Z\""
#define SOME_ID "\"0e000000-0000-8000-8000-000000000005\""

static const struct body_row {
    const char *name;
    enum kind kind;
    const struct caller *caller;
    const char *in;
    enum event_type type;
    const char *want;
} body_rows[] = {
    {"supplement", SUPPLEMENT, &acme,
     "{\"summary\":\"更多\",\"ongoing\":false,\"data_kinds\":[\"core\"]}",
     EVENT_REPORT_SUPPLEMENTED,
     "{" ACTOR ",\"data_kinds\":[\"core\"]," COMMON "," ABOUT "," AT
     ",\"ongoing\":false,\"summary\":\"更多\"}"},
    {"acknowledged", ACTION, &park,
     "{\"type\":\"acknowledged\",\"escalation_id\":" SOME_ID ",\"incident_seq\":7}",
     EVENT_ACTION_ACKNOWLEDGED,
     "{" PARK_ACTOR "," COMMON ",\"escalation_id\":" SOME_ID "," ABOUT "," AT ",\"seen_seq\":7}"},
    {"acknowledged, all", ACTION, &acme, "{\"type\":\"acknowledged\"}", EVENT_ACTION_ACKNOWLEDGED,
     "{" ACTOR "," COMMON "," ABOUT "," AT "}"},
    {"confirmed", ACTION, &acme, "{\"type\":\"confirmed\",\"note\":\"n\"}", EVENT_ACTION_CONFIRMED,
     "{" ACTOR "," COMMON "," ABOUT ",\"note\":\"n\"," AT "}"},
    {"refuted", ACTION, &acme, "{\"type\":\"refuted\",\"reason\":\"r\"}", EVENT_ACTION_REFUTED,
     "{" ACTOR "," COMMON "," ABOUT "," AT ",\"reason\":\"r\"}"},
    {"reclassified", ACTION, &park,
     "{\"type\":\"reclassified\",\"reason\":\"r\",\"level\":\"major\"}", EVENT_ACTION_RECLASSIFIED,
     "{" PARK_ACTOR "," COMMON "," ABOUT ",\"level\":\"major\"," AT ",\"reason\":\"r\"}"},
    {"reclassified, category too", ACTION, &park,
     "{\"type\":\"reclassified\",\"reason\":\"r\",\"level\":\"general\",\"category\":\"system_"
     "failure\"}",
     EVENT_ACTION_RECLASSIFIED,
     "{" PARK_ACTOR ",\"category\":\"system_failure\"," COMMON "," ABOUT
     ",\"level\":\"general\"," AT ",\"reason\":\"r\"}"},
    {"assigned", ACTION, &acme, "{\"type\":\"assigned\",\"task\":\"t\",\"assignee\":\"a\"}",
     EVENT_ACTION_ASSIGNED,
     "{" ACTOR ",\"assignee\":\"a\"," COMMON "," ABOUT "," AT ",\"task\":\"t\"}"},
    {"task_done", ACTION, &acme, "{\"type\":\"task_done\",\"task\":\"t\"}", EVENT_ACTION_TASK_DONE,
     "{" ACTOR "," COMMON "," ABOUT "," AT ",\"task\":\"t\"}"},
    {"contained", ACTION, &acme, "{\"type\":\"contained\"}", EVENT_ACTION_CONTAINED,
     "{" ACTOR "," COMMON "," ABOUT "," AT "}"},
    {"recovered", ACTION, &acme, "{\"type\":\"recovered\",\"reason\":\"r\"}",
     EVENT_ACTION_RECOVERED, "{" ACTOR "," COMMON "," ABOUT "," AT ",\"reason\":\"r\"}"},
    {"filed", ACTION, &acme,
     "{\"type\":\"filed\",\"obligation_id\":" SOME_ID
     ",\"filed_reference\":\"7号\",\"filed_at\":\"2026-11-22T02:00:00+08:00\"}",
     EVENT_ACTION_FILED,
     "{" ACTOR "," COMMON
     ",\"filed_at\":\"2026-11-21T18:00:00.000Z\",\"filed_reference\":\"7号\"," ABOUT
     ",\"obligation_id\":" SOME_ID "," AT "}"},
    {"reviewed", ACTION, &acme, "{\"type\":\"reviewed\"}", EVENT_ACTION_REVIEWED,
     "{" ACTOR "," COMMON "," ABOUT "," AT "}"},
    {"closed", ACTION, &acme, "{\"type\":\"closed\"}", EVENT_ACTION_CLOSED,
     "{" ACTOR "," COMMON "," ABOUT "," AT "}"},
    {"reopened", ACTION, &acme, "{\"type\":\"reopened\",\"reason\":\"r\"}", EVENT_ACTION_REOPENED,
     "{" ACTOR "," COMMON "," ABOUT "," AT ",\"reason\":\"r\"}"},
};

static void compare_body(void **state)
{
    const struct body_row *row = *state;
    struct given given = {row->caller, NULL, row->in, NULL, 0};
    AUTO(workshop_done) struct workshop w;
    struct outgoing out = {0};
    struct err err = {0};

    workshop_init(&w);
    assert_ok(submit(row->kind, &given, &w, &out, &err), &err);
    assert_int_equal(out.type, row->type);
    assert_string_equal(buf_text(&w.body), row->want);
}

static void a_report_carries_all_its_facts(void **state)
{
    static const char in[] =
        "{\"summary\":\"s\"," TIME
        ",\"drill\":true,\"via\":\"phone\",\"began_at\":\"2026-11-21T18:00:00Z\","
        "\"category_hint\":\"c\",\"system\":{\"name\":\"n\"},\"impact\":{\"data_leaked\":true},"
        "\"data_kinds\":[\"core\"],\"ongoing\":true,"
        "\"ransom\":{\"amount\":\"1\"},\"cause\":\"c\",\"measures\":\"m\",\"trend\":\"t\","
        "\"traces\":\"t\",\"plan\":\"p\",\"scene\":\"s\",\"place\":\"p\","
        "\"indicators\":[{\"type\":\"ip\",\"value\":\"1.2.3.4\"}],\"evidence\":[{\"name\":\"e\","
        "\"excerpt\":\"abc\"}],\"reporter\":{\"phone\":\"1\"}}";
    static const char want[] =
        "{" ACTOR ",\"began_at\":\"2026-11-21T18:00:00.000Z\",\"category_hint\":\"c\",\"cause\":"
        "\"c\",\"data_kinds\":[\"core\"],"
        "\"discovered_at\":\"2026-11-21T19:00:00.000Z\",\"drill\":true,\"enterprise_id\":"
        "\"0a000000-0000-8000-8000-000000000001\","
        "\"evidence\":[{\"excerpt\":\"abc\",\"name\":\"e\",\"sha256\":"
        "\"ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad\"}],"
        "\"impact\":{\"data_leaked\":true},\"incident_id\":\"%s\",\"indicators\":[{\"type\":\"ip\","
        "\"value\":\"1.2.3.4\"}],\"measures\":\"m\","
        "\"occurred_at\":\"2026-11-21T19:00:00.000Z\",\"ongoing\":true,\"place\":\"p\",\"plan\":"
        "\"p\","
        "\"profile\":{\"code\":\"ACME\",\"is_cii\":false,\"is_listed\":false,\"name\":\"艾克米\","
        "\"sector\":\"manufacturing\",\"staff\":260},"
        "\"ransom\":{\"amount\":\"1\"},\"reference\":\"%s\",\"reporter\":{\"phone\":\"1\"},"
        "\"scene\":\"s\",\"summary\":\"s\",\"system\":{\"name\":\"n\"},"
        "\"traces\":\"t\",\"trend\":\"t\",\"via\":\"phone\"}";
    struct given given = {&acme, NULL, in, NULL, 0};
    AUTO(workshop_done) struct workshop w;
    AUTO(buf_done) struct buf expected;
    char reference[REFERENCE_TEXT_MAX];
    struct outgoing out = {0};
    struct err err = {0};
    const char *id = strstr(want, "%s"), *ref = strstr(id + 2, "%s");

    (void)state;
    workshop_init(&w);
    buf_init(&expected, 8192);
    assert_ok(submit(REPORT, &given, &w, &out, &err), &err);
    reference_of(reference, &out.incident_id);
    (void)buf_add(&expected, want, (size_t)(id - want));
    (void)buf_str(&expected, out.incident_id.text);
    (void)buf_add(&expected, id + 2, (size_t)(ref - id - 2));
    (void)buf_str(&expected, reference);
    (void)buf_str(&expected, ref + 2);
    assert_string_equal(buf_text(&w.body), buf_text(&expected));
}

/* What intake writes, every service reads. */
static void every_body_can_be_read(void **state)
{
    AUTO(workshop_done) struct workshop w;

    (void)state;
    workshop_init(&w);
    for (size_t i = 0; i < ARRAY_LEN(body_rows); i++) {
        struct given given = {body_rows[i].caller, NULL, body_rows[i].in, NULL, 0};
        AUTO(auto_event) struct event ev = {0};
        struct outgoing out = {0};
        struct err err = {0};

        assert_ok(submit(body_rows[i].kind, &given, &w, &out, &err), &err);
        assert_ok(event_decode(&ev,
                               &(struct event_record){.type = event_types[out.type].name,
                                                      .id = out.event_id.text,
                                                      .key = out.incident_id.text,
                                                      .key_len = ID_TEXT_LEN,
                                                      .value = w.body.data,
                                                      .value_len = w.body.len},
                               &err),
                  &err);
    }
}

/* ---- refusals */

static const struct refusal_row {
    const char *name;
    enum kind kind;
    const char *in, *pointer, *part;
} refusal_rows[] = {
    {"discovered too far ahead", REPORT,
     "{\"summary\":\"x\",\"discovered_at\":\"2026-11-21T19:10:00.001Z\"}", "/discovered_at",
     "future"},
    {"31 November", REPORT, "{\"summary\":\"x\",\"discovered_at\":\"2026-11-31T03:00:00+08:00\"}",
     "/discovered_at", "there is no such day"},
    {"1926", REPORT, "{\"summary\":\"x\",\"discovered_at\":\"1926-11-22T03:00:00+08:00\"}",
     "/discovered_at", "the year must be 1971 to 9998"},
    {"1970", REPORT, "{\"summary\":\"x\",\"discovered_at\":\"1970-11-22T03:00:00+08:00\"}",
     "/discovered_at", "the year must be 1971 to 9998"},
    {"hash of something else", REPORT,
     "{\"summary\":\"x\"," TIME
     ",\"evidence\":[{\"name\":\"a\"},{\"name\":\"b\",\"excerpt\":\"abc\",\"sha256\":"
     "\"ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ae\"}]}",
     "/evidence/1/sha256", "ba7816bf"},
    {"hash that is none", SUPPLEMENT,
     "{\"evidence\":[{\"name\":\"a\",\"sha256\":"
     "\"zz7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad\"}]}",
     "/evidence/0/sha256", "hexadecimal"},
    {"no such action", ACTION, "{\"type\":\"eaten\"}", "/type", "task_done"},
    {"refuted without reason", ACTION, "{\"type\":\"refuted\"}", "/reason", "refuted"},
    {"reopened without reason", ACTION, "{\"type\":\"reopened\"}", "/reason", "reopened"},
    {"reclassified without level", ACTION, "{\"type\":\"reclassified\",\"reason\":\"r\"}", "/level",
     "missing"},
    {"filed without obligation", ACTION, "{\"type\":\"filed\",\"filed_reference\":\"1\"}",
     "/obligation_id", "clocks"},
    {"filed without number", ACTION, "{\"type\":\"filed\",\"obligation_id\":" SOME_ID "}",
     "/filed_reference", "authority"},
    {"filed too far ahead", ACTION,
     "{\"type\":\"filed\",\"obligation_id\":" SOME_ID
     ",\"filed_reference\":\"1\",\"filed_at\":\"2026-11-21T19:10:00.001Z\"}",
     "/filed_at", "future"},
    {"assigned to nobody", ACTION, "{\"type\":\"assigned\",\"task\":\"t\"}", "/assignee", "who"},
    {"a field of another action", ACTION, "{\"type\":\"confirmed\",\"task\":\"t\"}", "/task",
     "belong"},
    {"an escalation that is closed", ACTION, "{\"type\":\"closed\",\"escalation_id\":" SOME_ID "}",
     "/escalation_id", "belong"},
};

static void refuse(void **state)
{
    const struct refusal_row *row = *state;
    struct given given = {&acme, NULL, row->in, NULL, 0};
    AUTO(workshop_done) struct workshop w;
    struct outgoing out = {0};
    struct err err = {0};

    workshop_init(&w);
    assert_fails(submit(row->kind, &given, &w, &out, &err), &err, ERR_INPUT, row->part);
    assert_string_equal(err.pointer, row->pointer);
    assert_false(id_is_set(&out.event_id)); /* written on success only */
}

static void ten_minutes_ahead_are_taken(void **state)
{
    struct given given = {
        &acme, NULL, "{\"summary\":\"x\",\"discovered_at\":\"2026-11-21T19:10:00Z\"}", NULL, 0};
    AUTO(workshop_done) struct workshop w;
    struct outgoing out = {0};
    struct err err = {0};

    (void)state;
    workshop_init(&w);
    assert_ok(submit(REPORT, &given, &w, &out, &err), &err);
}

/* ---- names, keys, rights */

static const struct name_row {
    const char *name, *in, *id, *reference; /* id NULL: refused, and why */
} name_rows[] = {
    {"id", "11111111-1111-8111-8111-11111111111a", "11111111-1111-8111-8111-11111111111a", ""},
    {"id in capitals", "11111111-1111-8111-8111-11111111111A",
     "11111111-1111-8111-8111-11111111111a", ""},
    {"a character mistyped", "TB-24H24H24H24H4", NULL, "a character is mistyped"},
    {"a character too few", "TB-24H24H24H24H", NULL, "12 characters behind TB-"},
    {"empty", "", NULL, "12 characters behind TB-"},
    {"id without hyphens", "11111111111181118111111111111111", NULL, "neither"},
    {"almost an id", "11111111-1111-8111-8111-11111111111", NULL, "neither"},
};

static void parse_name(void **state)
{
    const struct name_row *row = *state;
    struct incident_name name = {0};
    struct err err = {0};

    if (!row->id) {
        assert_fails(intake_parse_name(&name, row->in, &err), &err, ERR_INPUT, row->reference);
        return;
    }
    assert_ok(intake_parse_name(&name, row->in, &err), &err);
    assert_string_equal(name.id.text, row->id);
    assert_string_equal(name.reference, row->reference);
}

static void references_are_read_in_any_writing(void **state)
{
    char reference[REFERENCE_TEXT_MAX], sloppy[64];
    struct incident_name name = {0};
    struct err err = {0};

    (void)state;
    reference_of(reference, &incident.incident_id);
    assert_ok(intake_parse_name(&name, reference, &err), &err);
    assert_string_equal(name.reference, reference);
    assert_false(id_is_set(&name.id));
    (void)snprintf(sloppy, sizeof(sloppy), "tb %.4s %s", reference + 3, reference + 7);
    assert_ok(intake_parse_name(&name, sloppy, &err), &err);
    assert_string_equal(name.reference, reference);
}

static const struct bearer_row {
    const char *name, *in, *key_id, *secret; /* key_id NULL: refused */
} bearer_rows[] = {
    {"a key", "Bearer tbk_abcdefgh0123_s3cr3t", "abcdefgh0123", "s3cr3t"},
    {"scheme in small letters, two blanks", "bearer  tbk_abcdefgh0123_s", "abcdefgh0123", "s"},
    {"secret with underscores", "Bearer tbk_abcdefgh0123_a_b", "abcdefgh0123", "a_b"},
    {"none", NULL, NULL, NULL},
    {"no scheme", "tbk_abcdefgh0123_s", NULL, NULL},
    {"another scheme", "Basic tbk_abcdefgh0123_s", NULL, NULL},
    {"another prefix", "Bearer tbx_abcdefgh0123_s", NULL, NULL},
    {"no secret", "Bearer tbk_abcdefgh0123_", NULL, NULL},
    {"short id", "Bearer tbk_abcdefgh012_s", NULL, NULL},
    {"cut off", "Bearer tbk_abc", NULL, NULL},
    {"empty", "", NULL, NULL},
};

static void parse_bearer(void **state)
{
    const struct bearer_row *row = *state;
    char key_id[KEY_ID_LEN + 1];
    const char *secret = NULL;

    assert_int_equal(intake_parse_bearer(row->in, key_id, &secret), row->key_id != NULL);
    if (row->key_id) {
        assert_string_equal(key_id, row->key_id);
        assert_string_equal(secret, row->secret);
    }
}

static void keys_are_printable_and_short(void **state)
{
    char text[202];

    (void)state;
    memset(text, 'k', sizeof(text));
    text[201] = '\0';
    assert_false(intake_key_valid(text));
    text[200] = '\0';
    assert_true(intake_key_valid(text));
    assert_true(intake_key_valid("a b"));
    assert_false(intake_key_valid(""));
    assert_false(intake_key_valid(" a"));
    assert_false(intake_key_valid("a "));
    assert_false(intake_key_valid("a\tb"));
    assert_false(intake_key_valid("键"));
}

static void hard_case_10_anothers_incident_is_as_one_that_is_not_there(void **state)
{
    struct target got, unknown;

    (void)state;
    assert_false(intake_may_see(&beta, &incident_at_4));
    assert_true(intake_may_see(&acme, &incident_at_4));
    assert_true(intake_may_see(&park, &incident_at_4));
    intake_aim(&got, &acme, &incident.incident_id, &incident_at_4);
    assert_string_equal(got.enterprise_id.text, acme.enterprise_id);
    assert_int_equal(got.state_n, 4);
    intake_aim(&got, &park, &incident.incident_id, &incident_at_4);
    assert_string_equal(got.enterprise_id.text,
                        acme.enterprise_id); /* the incident's, not the park's */
    intake_aim(&unknown, &beta, &incident.incident_id, NULL);
    assert_string_equal(unknown.enterprise_id.text,
                        beta.enterprise_id); /* the sinks see whose it is not */
    intake_aim(&got, &beta, &incident.incident_id, &incident_at_4);
    assert_memory_equal(&got, &unknown, sizeof(got));
}

static void receipts(void **state)
{
    struct outgoing out = {.type = EVENT_REPORT_SUBMITTED, .incident_id = incident.incident_id};
    AUTO(auto_json) json_t *report = NULL;
    AUTO(auto_json) json_t *action = NULL;
    struct receipt receipt;
    struct err err = {0};

    (void)state;
    intake_receipt(&receipt, &out, NOW_MS);
    assert_string_equal(receipt.location, "/v1/incidents/11111111-1111-8111-8111-111111111111");
    assert_ok(json_read_strict(&report, receipt.body, receipt.body_len, &err), &err);
    assert_string_equal(json_string_value(json_object_get(report, "received_at")),
                        "2026-11-21T19:00:00.000Z");
    assert_non_null(json_object_get(report, "reference"));
    out.type = EVENT_ACTION_FILED;
    out.event_id = other_incident.incident_id;
    intake_receipt(&receipt, &out, NOW_MS);
    assert_ok(json_read_strict(&action, receipt.body, receipt.body_len, &err), &err);
    assert_string_equal(json_string_value(json_object_get(action, "event_id")),
                        other_incident.incident_id.text);
}

int main(void)
{
    static struct test_list list;

    TEST_ADD_ROWS(&list, id_rows, compare_ids);
    TEST_ADD_ROWS(&list, body_rows, compare_body);
    TEST_ADD_ROWS(&list, refusal_rows, refuse);
    TEST_ADD_ROWS(&list, name_rows, parse_name);
    TEST_ADD_ROWS(&list, bearer_rows, parse_bearer);
    TEST_ADD(&list, ids_are_fixed_for_ever);
    TEST_ADD(&list, a_report_carries_all_its_facts);
    TEST_ADD(&list, every_body_can_be_read);
    TEST_ADD(&list, ten_minutes_ahead_are_taken);
    TEST_ADD(&list, references_are_read_in_any_writing);
    TEST_ADD(&list, keys_are_printable_and_short);
    TEST_ADD(&list, hard_case_10_anothers_incident_is_as_one_that_is_not_there);
    TEST_ADD(&list, receipts);
    return test_run("intake core", &list);
}
