/* The regimes beside the park's and that of the Measures: what they say of a report by an enterprise that is under them, below, at and above each number;
 * what is not verified only asks for a person; rules count from their first day to their last. */
#include "tests/support/test.h"

#include "services/classifier/classify.h"

#define NONE (-1)
#define YES  1
#define NO   0

#define DAY_2025_07_31 INT64_C(1753977599999) /* the last millisecond of that day in China */
#define DAY_2026       INT64_C(1767225600000)

static struct policy *policy;

#define TELECOM "\"sector\":\"telecom\""
#define FACTORY "\"sector\":\"manufacturing\""
#define BANK    "\"sector\":\"finance\""
#define DORA    BANK ",\"regimes\":[\"eu-dora\"]"
#define NIS2    FACTORY ",\"regimes\":[\"eu-dora\",\"eu-nis2\"]"

#define CRITICAL "\"system\":{\"importance\":\"important\"},"

static const struct row {
    const char *name, *profile, *facts, *regime;
    int level, reportable,
        needs_human; /* NONE: not said; all three NONE: the regime is not named */
} rows[] = {
    {"telecom 7 h 59", TELECOM, "\"impact\":{\"outage_minutes\":479}", "miit-2024", NONE, NONE, NO},
    {"telecom 8 h", TELECOM, "\"impact\":{\"outage_minutes\":480}", "miit-2024", NONE, NONE, YES},
    {"telecom 11 h 59", TELECOM, "\"impact\":{\"outage_minutes\":719}", "miit-2024", NONE, NONE,
     YES},
    {"telecom 12 h", TELECOM, "\"impact\":{\"outage_minutes\":720}", "miit-2024", LEVEL_MAJOR, NONE,
     NO},
    {"another sector, 12 h", FACTORY, "\"impact\":{\"outage_minutes\":720}", "miit-2024", NONE,
     NONE, NO},
    {"99 999 999 yuan", FACTORY, "\"impact\":{\"direct_loss_cny\":99999999}", "miit-2024", NONE,
     NONE, NO},
    {"100 million yuan", FACTORY, "\"impact\":{\"direct_loss_cny\":100000000}", "miit-2024",
     LEVEL_MAJOR, NONE, NO},
    {"1 billion yuan: beyond major, not verified", FACTORY,
     "\"impact\":{\"direct_loss_cny\":1000000000}", "miit-2024", LEVEL_MAJOR, NONE, YES},
    {"9 999 999 persons", FACTORY, "\"impact\":{\"personal_records_persons\":9999999}", "miit-2024",
     NONE, NONE, NO},
    {"10 million persons", FACTORY, "\"impact\":{\"personal_records_persons\":10000000}",
     "miit-2024", LEVEL_MAJOR, NONE, NO},
    {"999 999 of sensitive data", FACTORY,
     "\"data_kinds\":[\"sensitive_personal\"],\"impact\":{\"personal_records_persons\":999999}",
     "miit-2024", NONE, NONE, NO},
    {"1 million of sensitive data", FACTORY,
     "\"data_kinds\":[\"sensitive_personal\"],\"impact\":{\"personal_records_persons\":1000000}",
     "miit-2024", LEVEL_MAJOR, NONE, YES},
    {"a bank is not under MIIT", BANK, "\"impact\":{\"direct_loss_cny\":100000000}", "miit-2024",
     NONE, NONE, NONE},
    {"a bank, 2 h 59", BANK, "\"impact\":{\"main_function_outage_minutes\":179}", "pboc-2025", NONE,
     NONE, NO},
    {"a bank, 3 h: a person decides", BANK, "\"impact\":{\"main_function_outage_minutes\":180}",
     "pboc-2025", NONE, NONE, YES},
    {"a factory is not under PBOC", FACTORY, "\"impact\":{\"main_function_outage_minutes\":180}",
     "pboc-2025", NONE, NONE, NONE},
    {"the matrix is not verified", FACTORY,
     CRITICAL "\"impact\":{\"business_loss\":\"especially_severe\"}", "gbt-20986", NONE, NONE, YES},
    {"the matrix without the object", FACTORY, "\"impact\":{\"business_loss\":\"severe\"}",
     "gbt-20986", NONE, NONE, NO},
    {"harm to society is not verified", FACTORY, "\"impact\":{\"social_harm\":\"major\"}",
     "gbt-20986", NONE, NONE, YES},
    {"DORA: 100 000 clients", DORA,
     CRITICAL "\"impact\":{\"people_affected\":100000,\"main_function_outage_minutes\":121,"
              "\"data_leaked\":false,\"outage_minutes\":0}",
     "eu-dora", NONE, NO, NO},
    {"DORA: more than 100 000 clients, 2 h", DORA,
     CRITICAL "\"impact\":{\"people_affected\":100001,\"main_function_outage_minutes\":120,"
              "\"data_leaked\":false,\"outage_minutes\":0}",
     "eu-dora", NONE, NO, NO},
    {"DORA: more than 100 000 clients, more than 2 h", DORA,
     CRITICAL "\"impact\":{\"people_affected\":100001,\"main_function_outage_minutes\":121}",
     "eu-dora", NONE, YES, NO},
    {"DORA: what is not known may yet be", DORA, CRITICAL "\"impact\":{\"people_affected\":100001}",
     "eu-dora", NONE, NONE, NO},
    {"DORA: the limb of data is qualitative", DORA,
     CRITICAL "\"impact\":{\"people_affected\":100001,\"data_leaked\":true}", "eu-dora", NONE, YES,
     YES},
    {"DORA: what is not verified is no yes, and no no", DORA,
     "\"traces\":\"黑客侵入了核心系统\"," CRITICAL
     "\"impact\":{\"people_affected\":9,\"main_function_outage_minutes\":1,"
     "\"data_leaked\":false,\"outage_minutes\":0}",
     "eu-dora", NONE, NONE, YES},
    {"a bank that is not under DORA", BANK,
     CRITICAL "\"impact\":{\"people_affected\":100001,\"main_function_outage_minutes\":121}",
     "eu-dora", NONE, NONE, NONE},
    {"NIS2: severe disruption", NIS2, "\"impact\":{\"business_loss\":\"severe\"}", "eu-nis2", NONE,
     YES, YES},
    {"NIS2: no severe disruption, no harm to others", NIS2,
     "\"impact\":{\"business_loss\":\"minor\",\"public_interest_touched\":false}", "eu-nis2", NONE,
     NO, NO},
    {"NIS2: an outage wants a person", NIS2, "\"impact\":{\"outage_minutes\":30}", "eu-nis2", NONE,
     NONE, YES},
};

struct graded {
    json_t *facts_doc, *profile_doc;
    struct arena arena;
    struct incident_classified body;
};

static void graded_done(struct graded *g)
{
    json_decref(g->facts_doc);
    json_decref(g->profile_doc);
    arena_done(&g->arena);
}

static json_t *object_of(const char *members, const char *more)
{
    AUTO(buf_done) struct buf text;
    json_t *ret;

    buf_init(&text, 4096);
    buf_printf(&text, "{%s%s}", members, more);
    ret = json_loads(buf_text(&text), 0, NULL);
    if (!ret)
        fail_msg("not JSON: %s", buf_text(&text));
    return ret;
}

static void grade(struct graded *g, const char *profile_members, const char *facts_members,
                  int64_t discovered_at)
{
    struct facts facts;
    struct profile profile;
    struct classify_input in = {
        .summary = "x", .facts = &facts, .profile = &profile, .discovered_at = discovered_at};
    struct err err = {0};

    *g = (struct graded){.facts_doc = object_of(facts_members, ""),
                         .profile_doc = object_of(profile_members,
                                                  ",\"code\":\"X\",\"name\":\"x\",\"staff\":300,"
                                                  "\"is_cii\":false,\"is_listed\":false")};
    arena_init(&g->arena, 2 * CLASSIFY_ARENA_MAX_BYTES);
    assert_ok(shape_decode(&facts_shape, g->facts_doc, true, TIME_EXACT, &facts, &g->arena, &err),
              &err);
    assert_ok(
        shape_decode(&profile_shape, g->profile_doc, true, TIME_EXACT, &profile, &g->arena, &err),
        &err);
    classify_read(policy, in.summary, &facts, &in);
    assert_ok(classify(policy, &in, &g->arena, &g->body, &err), &err);
}

static const struct regime_grade *grade_by(const struct graded *g, const char *regime)
{
    for (size_t i = 0; i < g->body.regimes_n; i++)
        if (strcmp(g->body.regimes[i].regime, regime) == 0)
            return &g->body.regimes[i];
    return NULL;
}

static void check_row(void **state)
{
    const struct row *row = *state;
    AUTO(graded_done) struct graded g;
    const struct regime_grade *got;

    grade(&g, row->profile, row->facts, DAY_2026);
    got = grade_by(&g, row->regime);
    if (row->needs_human == NONE) {
        assert_null(got);
        return;
    }
    assert_non_null(got);
    assert_int_equal(got->has_level ? (int)got->level : NONE, row->level);
    assert_int_equal(got->has_reportable ? got->reportable : NONE, row->reportable);
    assert_int_equal(got->needs_human, row->needs_human);
}

/* PBOC's measures are in force from 2025-08-01. */
static void rules_count_from_their_first_day(void **state)
{
    AUTO(graded_done) struct graded before, from;
    const struct regime_grade *first, *second;

    (void)state;
    grade(&before, BANK, "\"impact\":{\"main_function_outage_minutes\":400}", DAY_2025_07_31);
    grade(&from, BANK, "\"impact\":{\"main_function_outage_minutes\":400}", DAY_2025_07_31 + 1);
    first = grade_by(&before, "pboc-2025");
    second = grade_by(&from, "pboc-2025");
    assert_true(first && !first->needs_human);
    assert_true(second && second->needs_human);
}

int main(void)
{
    static struct test_list list;
    struct err err = {0};
    int failed;

    if (!policy_load(&policy, "deploy/policy", &err)) {
        fprintf(stderr, "%s\n", err.text);
        return 1;
    }
    TEST_ADD_ROWS(&list, rows, check_row);
    TEST_ADD(&list, rules_count_from_their_first_day);
    failed = test_run("regimes", &list);
    policy_unref(policy);
    return failed;
}
