/* classify: every quantitative limb of the CAC annex below, at and above its threshold; the park's rule; what is missing; properties of all grades. */
#include "tests/support/test.h"

#include <stdio.h>

#include "services/classifier/classify.h"

#define NONE    (-1)
#define GENERAL LEVEL_GENERAL
#define LARGER  LEVEL_LARGER
#define MAJOR   LEVEL_MAJOR
#define EXTREME LEVEL_EXTREME

#define DISCOVERED_AT INT64_C(1767225600000) /* 2026-01-01 */

static struct policy *policy;

struct graded {
    json_t *facts, *profile;
    struct arena arena;
    struct incident_classified body;
};

static void graded_done(struct graded *g)
{
    json_decref(g->facts);
    json_decref(g->profile);
    arena_done(&g->arena);
}

static const char ordinary[] = "{\"code\":\"X\",\"name\":\"某公司\",\"sector\":\"manufacturing\","
                               "\"staff\":300,\"is_cii\":false,\"is_listed\":false}";
static const char cii[] = "{\"code\":\"P\",\"name\":\"某电力\",\"sector\":\"power\","
                          "\"staff\":3000,\"is_cii\":true,\"is_listed\":false}";

static json_t *parse(const char *text)
{
    json_t *doc = json_loads(text, 0, NULL);

    if (!doc)
        fail_msg("not JSON: %s", text);
    return doc;
}

/* Grades facts (taken over) that may also hold a summary. */
static void grade(struct graded *g, json_t *facts, const char *profile)
{
    struct facts given;
    struct profile who;
    struct classify_input in = {.summary = json_string_value(json_object_get(facts, "summary")),
                                .facts = &given,
                                .profile = &who,
                                .discovered_at = DISCOVERED_AT};
    struct err err = {0};

    *g = (struct graded){.facts = facts, .profile = parse(profile)};
    arena_init(&g->arena, CLASSIFY_ARENA_MAX_BYTES);
    assert_ok(shape_decode(&facts_shape, facts, false, TIME_EXACT, &given, &g->arena, &err), &err);
    assert_ok(shape_decode(&profile_shape, g->profile, true, TIME_EXACT, &who, &g->arena, &err),
              &err);
    classify_read(policy, in.summary, &given, &in);
    assert_ok(classify(policy, &in, &g->arena, &g->body, &err), &err);
}

static int level_by(const struct graded *g, const char *regime)
{
    for (size_t i = 0; i < g->body.regimes_n; i++)
        if (strcmp(g->body.regimes[i].regime, regime) == 0)
            return g->body.regimes[i].has_level ? (int)g->body.regimes[i].level : NONE;
    for (size_t i = 0; i < policy->regimes_n; i++)
        if (strcmp(policy->regimes[i].id, regime) == 0)
            return NONE; /* it does not apply */
    fail_msg("no regime %s", regime);
    return NONE;
}

static const struct reason *find_reason(const struct graded *g, const char *rule)
{
    for (size_t i = 0; i < g->body.reasons_n; i++)
        if (strcmp(g->body.reasons[i].rule, rule) == 0)
            return &g->body.reasons[i];
    return NULL;
}

static const struct reason *get_reason(const struct graded *g, const char *rule)
{
    const struct reason *ret = find_reason(g, rule);

    if (ret)
        return ret;
    fail_msg("%s did not fire", rule);
    abort(); /* fail_msg() does not come back */
}

/* --- the annex of the Measures, limb by limb --- */

#define SITE(c) "{\"system\":{\"site_class\":\"" c "\"}}"
#define CII     "{\"system\":{\"is_cii\":true}}"

static const struct limb {
    const char *name, *facts, *part, *field; /* the figure is facts[part][field] */
    json_int_t threshold;
    int at, below;
    const char *rule; /* that gives it */
} limbs[] = {
    {"1 extreme: provincial portal", SITE("government_province"), "impact", "outage_minutes", 1440,
     EXTREME, MAJOR, "cac.1.extreme"},
    {"1 extreme: central news", SITE("news_central"), "impact", "outage_minutes", 1440, EXTREME,
     MAJOR, "cac.1.extreme"},
    {"1 major: city portal", SITE("government_city"), "impact", "outage_minutes", 360, MAJOR,
     LARGER, "cac.1.major"},
    {"1 major: key news", SITE("news"), "impact", "outage_minutes", 360, MAJOR, LARGER,
     "cac.1.major"},
    {"1 major: enterprise portal", SITE("enterprise"), "impact", "outage_minutes", 360, MAJOR,
     LARGER, "cac.1.major-enterprise"},
    {"1 larger: city portal", SITE("government_city"), "impact", "outage_minutes", 120, LARGER,
     NONE, "cac.1.larger"},
    {"1 larger: enterprise portal", SITE("enterprise"), "impact", "outage_minutes", 120, LARGER,
     NONE, "cac.1.larger-enterprise"},
    {"1 major: provincial portal", SITE("government_province"), "impact", "outage_minutes", 360,
     MAJOR, LARGER, "cac.1.major"},
    {"1 major: central news", SITE("news_central"), "impact", "outage_minutes", 360, MAJOR, LARGER,
     "cac.1.major"},
    {"1 larger: provincial portal", SITE("government_province"), "impact", "outage_minutes", 120,
     LARGER, NONE, "cac.1.larger"},
    {"1 larger: central news", SITE("news_central"), "impact", "outage_minutes", 120, LARGER, NONE,
     "cac.1.larger"},
    {"1 larger: key news", SITE("news"), "impact", "outage_minutes", 120, LARGER, NONE,
     "cac.1.larger"},
    {"2 extreme: whole", CII, "impact", "outage_minutes", 360, EXTREME, MAJOR,
     "cac.2.extreme-whole"},
    {"2 extreme: main function", CII, "impact", "main_function_outage_minutes", 1440, EXTREME,
     MAJOR, "cac.2.extreme-main"},
    {"2 major: whole", CII, "impact", "outage_minutes", 60, MAJOR, LARGER, "cac.2.major-whole"},
    {"2 major: main function", CII, "impact", "main_function_outage_minutes", 180, MAJOR, LARGER,
     "cac.2.major-main"},
    {"2 larger: whole", CII, "impact", "outage_minutes", 10, LARGER, NONE, "cac.2.larger-whole"},
    {"2 larger: main function", CII, "impact", "main_function_outage_minutes", 30, LARGER, NONE,
     "cac.2.larger-main"},
    {"3 extreme", "{}", "impact", "people_affected", 10000000, EXTREME, MAJOR, "cac.3.extreme"},
    {"3 major", "{}", "impact", "people_affected", 1000000, MAJOR, LARGER, "cac.3.major"},
    {"3 larger", "{}", "impact", "people_affected", 100000, LARGER, GENERAL, "cac.3.larger"},
    {"5 extreme", "{}", "impact", "personal_records_persons", 100000000, EXTREME, MAJOR,
     "cac.5.extreme"},
    {"5 major", "{}", "impact", "personal_records_persons", 10000000, MAJOR, LARGER, "cac.5.major"},
    {"5 larger", "{}", "impact", "personal_records_persons", 1000000, LARGER, GENERAL,
     "cac.5.larger"},
    {"6 extreme: home page", SITE("platform_super"), "impact", "illegal_content_minutes", 360,
     EXTREME, MAJOR, "cac.6.extreme-homepage"},
    {"6 extreme: any page", SITE("government_province"), "impact", "illegal_content_minutes", 1440,
     EXTREME, EXTREME, "cac.6.extreme-page"},
    {"6 extreme: reposts", SITE("news_central"), "impact", "illegal_content_reposts", 100000,
     EXTREME, MAJOR, "cac.6.extreme-reposts"},
    {"6 extreme: views", SITE("news_central"), "impact", "illegal_content_views", 1000000, EXTREME,
     MAJOR, "cac.6.extreme-views"},
    {"6 major: home page", SITE("enterprise"), "impact", "illegal_content_minutes", 120, MAJOR,
     LARGER, "cac.6.major-homepage"},
    {"6 major: any page", SITE("platform_large"), "impact", "illegal_content_minutes", 720, MAJOR,
     MAJOR, "cac.6.major-page"},
    {"6 major: reposts", SITE("government_city"), "impact", "illegal_content_reposts", 10000, MAJOR,
     LARGER, "cac.6.major-reposts"},
    {"6 major: views", SITE("enterprise"), "impact", "illegal_content_views", 100000, MAJOR, LARGER,
     "cac.6.major-views"},
    {"6 larger: home page", SITE("platform"), "impact", "illegal_content_minutes", 30, LARGER,
     GENERAL, "cac.6.larger-homepage"},
    {"6 larger: any page", SITE("news"), "impact", "illegal_content_minutes", 120, LARGER, LARGER,
     "cac.6.larger-page"},
    {"6 larger: reposts", SITE("enterprise"), "impact", "illegal_content_reposts", 1000, LARGER,
     NONE, "cac.6.larger-reposts"},
    {"6 larger: views", SITE("platform"), "impact", "illegal_content_views", 10000, LARGER, NONE,
     "cac.6.larger-views"},
    {"7 extreme", "{}", "impact", "direct_loss_cny", 100000000, EXTREME, MAJOR, "cac.7.extreme"},
    {"7 major", "{}", "impact", "direct_loss_cny", 20000000, MAJOR, LARGER, "cac.7.major"},
    {"7 larger", "{}", "impact", "direct_loss_cny", 5000000, LARGER, GENERAL, "cac.7.larger"},
};

static void grade_limb(struct graded *g, const struct limb *limb, json_int_t figure)
{
    json_t *facts = parse(limb->facts);

    json_object_set_new(facts, limb->part, json_pack("{s:I}", limb->field, figure));
    grade(g, facts, cii);
}

static bool has_value(const struct reason *reason, const char *value)
{
    for (size_t i = 0; i < reason->fields_n; i++)
        if (strcmp(reason->fields[i].value, value) == 0)
            return true;
    return false;
}

static void check_limb(void **state)
{
    const struct limb *limb = *state;
    AUTO(graded_done) struct graded below, at, above;
    const struct reason *reason;
    char figure[32];

    grade_limb(&below, limb, limb->threshold - 1);
    grade_limb(&at, limb, limb->threshold);
    grade_limb(&above, limb, limb->threshold + 1);
    assert_int_equal(level_by(&below, "cac-2025"), limb->below);
    assert_int_equal(level_by(&at, "cac-2025"), limb->at);
    assert_int_equal(level_by(&above, "cac-2025"), limb->at);
    assert_null(find_reason(&below, limb->rule));
    reason = get_reason(&at, limb->rule);
    assert_non_null(reason->source);
    assert_non_null(strstr(reason->source->document, "国家网络安全事件报告管理办法"));
    snprintf(figure, sizeof(figure), "%" JSON_INTEGER_FORMAT, limb->threshold);
    assert_true(has_value(reason, figure));
}

/* --- whole reports --- */

static const struct row {
    const char *name, *facts, *profile;
    int park, cac;
    int needs_human; /* -1: not asked */
    const char *rule;
} rows[] = {
    {"R9: a single workstation", "{\"summary\":\"员工的一台办公电脑感染病毒,已断网隔离\"}",
     ordinary, GENERAL, NONE, 0, "park.one-workstation"},
    {"R9: a single workstation, by the figure",
     "{\"summary\":\"木马\",\"system\":{\"workstations_hit\":1}}", ordinary, GENERAL, NONE, 0,
     "park.one-workstation"},
    {"R9: a core database", "{\"summary\":\"核心数据库出现异常,部分查询报错\"}", ordinary, LARGER,
     NONE, 0, "park.core-database"},
    {"R9: a core database, by the form",
     "{\"summary\":\"有问题\",\"system\":{\"is_core_database\":true}}", ordinary, LARGER, NONE, 0,
     "park.core-database"},
    {"R9: customer data", "{\"summary\":\"客户资料泄露,网上有人出售\"}", ordinary, MAJOR, NONE, 1,
     "park.customer-data-leaked"},
    {"R9: customer data in English",
     "{\"summary\":\"Our customer records were leaked on a forum.\"}", ordinary, MAJOR, NONE, 1,
     "park.customer-data-leaked"},
    {"customer data, denied", "{\"summary\":\"邮箱出现异地登录,未发现客户资料泄露\"}", ordinary,
     GENERAL, NONE, 1, "park.otherwise"},
    {"nothing that a rule knows", "{\"summary\":\"有人打电话询问\"}", ordinary, GENERAL, NONE, 1,
     "park.otherwise"},
    {"an attempt that failed",
     "{\"summary\":\"收到钓鱼邮件,没有点击\",\"impact\":{\"attempt_failed\":true}}", ordinary,
     GENERAL, GENERAL, 0, "cac.general.failed"},
    {"only a weakness", "{\"summary\":\"检查发现网站存在高危漏洞\"}", ordinary, GENERAL, GENERAL, 1,
     "cac.general.hazard"},
    {"important data: a person decides",
     "{\"summary\":\"x\",\"data_kinds\":[\"important\"],\"impact\":{\"data_leaked\":true}}",
     ordinary, MAJOR, NONE, 1, "cac.4.grave-data"},
    {"public interest: a person decides",
     "{\"summary\":\"系统中断\",\"impact\":{\"public_interest_touched\":true}}", ordinary, LARGER,
     NONE, 1, "cac.8.public"},
    {"a critical operator's system of unknown kind",
     "{\"summary\":\"系统中断\",\"impact\":{\"outage_minutes\":100}}", cii, LARGER, NONE, 1,
     "cac.2.unknown"},
    {"the same, said to be none",
     "{\"summary\":\"系统中断\",\"impact\":{\"outage_minutes\":100},\"system\":{\"is_cii\":false}}",
     cii, LARGER, NONE, 0, "park.system-down"},
    {"a city portal is never extreme by time",
     "{\"system\":{\"site_class\":\"government_city\"},\"impact\":{\"outage_minutes\":100000}}",
     ordinary, LARGER, MAJOR, -1, "cac.1.major"},
    {"an enterprise's portal neither",
     "{\"system\":{\"site_class\":\"enterprise\"},\"impact\":{\"outage_minutes\":100000}}",
     ordinary, LARGER, MAJOR, 1, "cac.1.major-enterprise"},
    {"more than one workstation", "{\"summary\":\"x\",\"system\":{\"workstations_hit\":2}}",
     ordinary, LARGER, NONE, 1, "park.spread"},
    {"the highest regime counts",
     "{\"summary\":\"一台电脑中了木马\",\"impact\":{\"direct_loss_cny\":30000000}}", ordinary,
     GENERAL, MAJOR, -1, "cac.7.major"},
};

static void check_row(void **state)
{
    const struct row *row = *state;
    AUTO(graded_done) struct graded g;
    int cac, park;

    grade(&g, parse(row->facts), row->profile);
    park = level_by(&g, "park-lingang");
    cac = level_by(&g, "cac-2025");
    assert_int_equal(park, row->park);
    assert_int_equal(cac, row->cac);
    if (row->needs_human >= 0)
        assert_int_equal(g.body.needs_human, row->needs_human);
    get_reason(&g, row->rule);
    assert_int_equal(g.body.level, park > cac ? park : cac);
    assert_string_equal(g.body.policy_version, policy->version);
    assert_int_equal(g.body.decided_by, SCOPE_SYSTEM);
}

static const struct category_row {
    const char *name, *facts;
    enum category category;
    enum gbt20986 gbt;
    const char *sub;
} category_rows[] = {
    {"hint by a stable name", "{\"category_hint\":\"malicious_program\"}", CATEGORY_MALWARE,
     GBT_MALICIOUS_PROGRAM, NULL},
    {"hint by a Chinese name", "{\"category_hint\":\"数据安全事件\"}", CATEGORY_DATA_LEAK,
     GBT_DATA_SECURITY, NULL},
    {"hint by a sub-category", "{\"category_hint\":\"拒绝服务\"}", CATEGORY_INTRUSION,
     GBT_NETWORK_ATTACK, "拒绝服务"},
    {"hint by the park's category", "{\"category_hint\":\"系统故障\"}", CATEGORY_SYSTEM_FAILURE,
     GBT_FACILITY_FAILURE, NULL},
    {"hint by the park's stable name", "{\"category_hint\":\"intrusion\"}", CATEGORY_INTRUSION,
     GBT_NETWORK_ATTACK, NULL},
    {"the hint wins over the words", "{\"category_hint\":\"数据泄露\",\"summary\":\"勒索病毒\"}",
     CATEGORY_DATA_LEAK, GBT_DATA_SECURITY, "数据泄露"},
    {"a hint that names nothing", "{\"category_hint\":\"急!\",\"summary\":\"勒索病毒\"}",
     CATEGORY_MALWARE, GBT_MALICIOUS_PROGRAM, "勒索软件"},
    {"ransom in the form", "{\"ransom\":{\"amount\":\"2 BTC\"}}", CATEGORY_MALWARE,
     GBT_MALICIOUS_PROGRAM, "勒索软件"},
    {"an outage in the form", "{\"impact\":{\"outage_minutes\":30}}", CATEGORY_SYSTEM_FAILURE,
     GBT_FACILITY_FAILURE, "技术故障"},
    {"a leak in the form", "{\"impact\":{\"data_leaked\":true}}", CATEGORY_DATA_LEAK,
     GBT_DATA_SECURITY, "数据泄露"},
    {"the cause is read too", "{\"summary\":\"系统打不开\",\"cause\":\"感染勒索病毒\"}",
     CATEGORY_MALWARE, GBT_MALICIOUS_PROGRAM, "勒索软件"},
    {"plans are not", "{\"summary\":\"系统打不开\",\"plan\":\"防范勒索病毒\"}",
     CATEGORY_SYSTEM_FAILURE, GBT_FACILITY_FAILURE, "技术故障"},
    {"nothing known", "{\"summary\":\"有情况\"}", CATEGORY_INTRUSION, GBT_OTHER, NULL},
};

static void check_category(void **state)
{
    const struct category_row *row = *state;
    AUTO(graded_done) struct graded g;

    grade(&g, parse(row->facts), ordinary);
    assert_int_equal(g.body.category, row->category);
    assert_int_equal(g.body.gbt20986->name, row->gbt);
    assert_string_equal(g.body.gbt20986->zh, gbt20986_table.values[row->gbt].zh);
    if (row->sub)
        assert_string_equal(g.body.gbt20986->sub, row->sub);
    else
        assert_null(g.body.gbt20986->sub);
    assert_string_equal(g.body.reasons[0].regime,
                        "gbt-20986"); /* the category's reason is the first */
}

static void a_hint_that_names_nothing_leaves_the_policys_word(void **state)
{
    AUTO(graded_done) struct graded g;
    struct choice kept = policy->otherwise;

    (void)state;
    policy->otherwise.category = CATEGORY_SYSTEM_FAILURE;
    policy->otherwise.gbt = GBT_FACILITY_FAILURE;
    policy->otherwise.sub = "技术故障";
    grade(&g, parse("{\"category_hint\":\"急!\",\"summary\":\"有情况\"}"), ordinary);
    policy->otherwise = kept;
    assert_int_equal(g.body.category, CATEGORY_SYSTEM_FAILURE);
    assert_int_equal(g.body.gbt20986->name, GBT_FACILITY_FAILURE);
    assert_string_equal(g.body.gbt20986->sub, "技术故障");
    assert_string_equal(g.body.reasons[0].rule, kept.id);
}

/* --- what is missing --- */

static const struct missing *find_missing(const struct graded *g, const char *regime,
                                          const char *pointer)
{
    for (size_t i = 0; i < g->body.missing_n; i++)
        if (strcmp(g->body.missing[i].pointer, pointer) == 0 &&
            strcmp(g->body.missing[i].regime, regime) == 0)
            return &g->body.missing[i];
    return NULL;
}

static void missing_names_the_next_level(void **state)
{
    AUTO(graded_done) struct graded thin, larger, most;
    const struct missing *m;

    (void)state;
    grade(&thin, parse("{\"summary\":\"有情况\"}"), ordinary);
    m = find_missing(&thin, "cac-2025", "/facts/impact/personal_records_persons");
    assert_non_null(m);
    assert_int_equal(m->level, LARGER);
    assert_null(
        find_missing(&thin, "cac-2025", "/facts/impact/outage_minutes")); /* no site, no CII */
    assert_null(find_missing(&thin, "cac-2025", "/facts/impact/illegal_content_views"));
    for (size_t i = 0; i < thin.body.missing_n;
         i++) /* words that were not said are nothing to ask for */
        assert_non_null(strstr(thin.body.missing[i].pointer, "/facts/"));
    grade(&larger, parse("{\"impact\":{\"direct_loss_cny\":5000000}}"), ordinary);
    m = find_missing(&larger, "cac-2025", "/facts/impact/personal_records_persons");
    assert_non_null(m);
    assert_int_equal(m->level, MAJOR);
    assert_contains(m->zh, "重大");
    assert_contains(m->en, "10 million");
    assert_null(find_missing(&larger, "cac-2025", "/facts/impact/direct_loss_cny"));
    grade(&most, parse("{\"impact\":{\"direct_loss_cny\":100000000}}"), ordinary);
    assert_null(find_missing(&most, "cac-2025", "/facts/impact/personal_records_persons"));
}

static void an_ordinary_enterprise_is_not_asked_for_cii(void **state)
{
    AUTO(graded_done) struct graded plain, critical;
    const char facts[] = "{\"impact\":{\"outage_minutes\":5}}";

    (void)state;
    grade(&plain, parse(facts), ordinary);
    grade(&critical, parse("{\"impact\":{\"outage_minutes\":50}}"), cii);
    assert_null(find_missing(&plain, "cac-2025", "/facts/system/is_cii"));
    assert_non_null(find_missing(&critical, "cac-2025", "/facts/system/is_cii"));
}

/* --- properties --- */

/* A small generator of its own: the same numbers on every machine. */
static uint32_t next_random(uint32_t *seed)
{
    *seed = *seed * 1664525U + 1013904223U;
    return *seed >> 8;
}

static const char *const figures[] = {"people_affected",         "personal_records_persons",
                                      "outage_minutes",          "main_function_outage_minutes",
                                      "direct_loss_cny",         "illegal_content_minutes",
                                      "illegal_content_reposts", "illegal_content_views"};
static const char *const harms[] = {"data_leaked", "user_data_touched", "public_interest_touched"};
static const char *const phrases[] = {"系统中断。",     "客户资料外泄。", "中了木马。",
                                      "服务器被入侵。", "有一台电脑。",   "网站被篡改。",
                                      "暴雨。",         "数据被删除。"};
static const char *const classes[] = {"enterprise", "government_city", "platform_super", "other"};

/* As intake would take it. */
static json_t *figure_json(const char *figure, json_int_t value)
{
    return json_integer(strstr(figure, "_minutes") && value > 5256000 ? 5256000 : value);
}

static json_t *random_facts(uint32_t *seed)
{
    json_t *impact = json_object(), *system = json_object();
    char summary[256] = "";

    for (size_t i = 0; i < ARRAY_LEN(figures); i++)
        if (next_random(seed) % 3 == 0)
            json_object_set_new(
                impact, figures[i],
                figure_json(figures[i], 1 + next_random(seed) % (1U << (next_random(seed) % 24))));
    for (size_t i = 0; i < ARRAY_LEN(harms); i++)
        if (next_random(seed) % 4 == 0)
            json_object_set_new(impact, harms[i], json_boolean(next_random(seed) % 2));
    if (next_random(seed) % 2)
        json_object_set_new(system, "is_cii", json_boolean(next_random(seed) % 2));
    if (next_random(seed) % 2)
        json_object_set_new(system, "site_class", json_string(classes[next_random(seed) % 4]));
    for (int i = 0; i < 3; i++) {
        size_t len = strlen(summary);

        snprintf(summary + len, sizeof(summary) - len, "%s", phrases[next_random(seed) % 8]);
    }
    return json_pack("{s:o,s:o,s:s}", "impact", impact, "system", system, "summary", summary);
}

/* One number greater, or one more thing true. */
static void add_harm(json_t *facts, uint32_t *seed)
{
    json_t *impact = json_object_get(facts, "impact"), *system = json_object_get(facts, "system");
    const char *figure = figures[next_random(seed) % ARRAY_LEN(figures)];
    json_int_t more = 1 + next_random(seed) % (1U << (next_random(seed) % 24));

    switch (next_random(seed) % 4) {
    case 0:
        json_object_set_new(system, "is_core_database", json_true());
        break;
    case 1:
        json_object_set_new(impact, harms[next_random(seed) % ARRAY_LEN(harms)], json_true());
        break;
    default:
        json_object_set_new(
            impact, figure,
            figure_json(figure, json_integer_value(json_object_get(impact, figure)) + more));
    }
}

/* `general` says that the harm is bounded; what cannot be told any more is not lower. */
static void check_not_lower(int before, int after)
{
    if (after == NONE)
        assert_true(before == NONE || before == GENERAL);
    else
        assert_true(after >= before);
}

static void adding_harm_never_lowers(void **state)
{
    uint32_t seed = 20986;

    (void)state;
    for (int i = 0; i < 3000; i++) {
        json_t *facts = random_facts(&seed), *worse = json_deep_copy(facts);
        AUTO(graded_done) struct graded before, after;
        const char *profile = i % 2 ? cii : ordinary;

        add_harm(worse, &seed);
        grade(&before, facts, profile);
        grade(&after, worse, profile);
        if (after.body.level < before.body.level)
            fail_msg("%s became lower as %s", json_dumps(facts, 0), json_dumps(worse, 0));
        for (size_t r = 0; r < policy->regimes_n; r++)
            check_not_lower(level_by(&before, policy->regimes[r].id),
                            level_by(&after, policy->regimes[r].id));
    }
}

static void shuffle(struct regime *regime, uint32_t *seed)
{
    for (size_t i = regime->rules_n - 1; i > 0; i--) {
        size_t other = next_random(seed) % (i + 1);
        struct rule kept = regime->rules[i];

        regime->rules[i] = regime->rules[other];
        regime->rules[other] = kept;
    }
}

static void check_same_levels(const struct graded *a, const struct graded *b)
{
    assert_int_equal(a->body.level, b->body.level);
    assert_int_equal(a->body.needs_human, b->body.needs_human);
    for (size_t r = 0; r < policy->regimes_n; r++)
        assert_int_equal(level_by(a, policy->regimes[r].id), level_by(b, policy->regimes[r].id));
}

static void order_of_rules_does_not_matter(void **state)
{
    uint32_t seed = 790;

    (void)state;
    for (int i = 0; i < 1000; i++) {
        json_t *facts = random_facts(&seed);
        const char *profile = i % 2 ? cii : ordinary;
        AUTO(graded_done) struct graded one, other;

        grade(&one, json_deep_copy(facts), profile);
        for (size_t r = 0; r < policy->regimes_n; r++)
            shuffle(&policy->regimes[r], &seed);
        grade(&other, facts, profile);
        check_same_levels(&one, &other);
    }
}

/* What a text tells in hours is what it tells in minutes, and what the form says in minutes. */
static void units_round_trip(void **state)
{
    (void)state;
    for (int minutes = 60; minutes <= 48 * 60; minutes += 30) {
        AUTO(graded_done) struct graded in_hours, in_minutes, by_form;
        char hours[96], text[96];

        snprintf(hours, sizeof(hours), "官网无法访问%d%s小时。", minutes / 60,
                 minutes % 60 ? ".5" : "");
        snprintf(text, sizeof(text), "官网无法访问%d分钟。", minutes);
        grade(&in_hours, json_pack("{s:s}", "summary", hours), ordinary);
        grade(&in_minutes, json_pack("{s:s}", "summary", text), ordinary);
        grade(&by_form,
              json_pack("{s:s,s:{s:i}}", "summary", "官网无法访问。", "impact", "outage_minutes",
                        minutes),
              ordinary);
        check_same_levels(&in_hours, &in_minutes);
        check_same_levels(&in_hours, &by_form);
        assert_int_equal(level_by(&in_hours, "cac-2025"), minutes >= 360   ? MAJOR
                                                          : minutes >= 120 ? LARGER
                                                                           : NONE);
    }
}

static json_t *reversed(json_t *object)
{
    const char *names[32];
    json_t *ret = json_object(), *value;
    const char *name;
    size_t n = 0;

    json_object_foreach(object, name, value) names[n++] = name;
    while (n-- > 0) {
        value = json_object_get(object, names[n]);
        if (json_is_object(value))
            json_object_set_new(ret, names[n], reversed(value));
        else
            json_object_set(ret, names[n], value);
    }
    return ret;
}

/* All that the decision says, as bytes. */
static void write_decision(struct buf *ret, struct graded *g)
{
    struct facts no_facts = {0};
    struct profile profile = {.code = "X", .name = "x", .sector = "y"};
    const char id[] = "00000000-0000-7000-8000-000000000000";
    struct err err = {0};

    SHAPE_SET(&profile, staff, 1);
    SHAPE_SET(&profile, is_cii, false);
    SHAPE_SET(&profile, is_listed, false);
    g->body.enterprise_id = g->body.incident_id = g->body.parent_event_id = id;
    g->body.reference = "TB-000000000000x";
    g->body.summary = "x";
    g->body.profile = &profile;
    g->body.facts = &no_facts;
    SHAPE_SET(&g->body, occurred_at, 0);
    SHAPE_SET(&g->body, discovered_at, 0);
    SHAPE_SET(&g->body, drill, false);
    SHAPE_SET(&g->body, revision, 0);
    buf_init(ret, EVENT_BODY_MAX_BYTES);
    assert_ok(event_encode(EVENT_INCIDENT_CLASSIFIED, &g->body, ret, &err), &err);
}

static void order_of_fields_does_not_matter(void **state)
{
    uint32_t seed = 2025;

    (void)state;
    for (int i = 0; i < 300; i++) {
        json_t *facts = random_facts(&seed);
        AUTO(graded_done) struct graded one, again, other;
        AUTO(buf_done) struct buf one_text, again_text, other_text;

        grade(&one, facts, cii);
        grade(&again, json_deep_copy(facts), cii);
        grade(&other, reversed(facts), cii);
        write_decision(&one_text, &one);
        write_decision(&again_text, &again);
        write_decision(&other_text, &other);
        assert_string_equal(buf_text(&one_text), buf_text(&again_text));
        assert_string_equal(buf_text(&one_text), buf_text(&other_text));
    }
}

static void long_values_are_cut_at_a_character(void **state)
{
    char text[256] = "";
    AUTO(graded_done) struct graded g;
    const struct reason *reason;

    (void)state;
    memset(text, '"', 190); /* two characters each in JSON */
    for (int i = 0; i < 10; i++)
        memcpy(text + 190 + 3 * i, "泄", 3);
    grade(&g, json_pack("{s:{s:s}}", "ransom", "note_id", text), ordinary);
    reason = get_reason(&g, "category.ransom-given");
    assert_int_equal(strlen(reason->fields[0].value), strlen("{\"note_id\":\"") + 2 * 190 + 3 * 8);
}

/* Whatever room is missing, it is ours, and never half a grade. */
static void too_little_room_is_no_grade(void **state)
{
    struct profile profile = {.code = "X", .name = "x", .sector = "y"};
    struct facts facts = {0};
    struct classify_input in = {.summary = "约一百二十万条客户信息外泄,官网中断3小时",
                                .facts = &facts,
                                .profile = &profile,
                                .discovered_at = DISCOVERED_AT};
    size_t room = 0;
    bool done = false;

    (void)state;
    classify_read(policy, in.summary, &facts, &in);
    for (; !done && room < CLASSIFY_ARENA_MAX_BYTES; room += 64) {
        AUTO(arena_done) struct arena arena = {.max = room};
        struct incident_classified body = {0};
        struct err err = {0};

        done = classify(policy, &in, &arena, &body, &err);
        if (!done)
            assert_int_equal(err.kind, ERR_FATAL);
        else
            assert_int_equal(body.level, LEVEL_MAJOR);
    }
    assert_true(done && room > 4096);
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
    TEST_ADD_ROWS(&list, limbs, check_limb);
    TEST_ADD_ROWS(&list, rows, check_row);
    TEST_ADD_ROWS(&list, category_rows, check_category);
    TEST_ADD(&list, a_hint_that_names_nothing_leaves_the_policys_word);
    TEST_ADD(&list, missing_names_the_next_level);
    TEST_ADD(&list, an_ordinary_enterprise_is_not_asked_for_cii);
    TEST_ADD(&list, adding_harm_never_lowers);
    TEST_ADD(&list, order_of_fields_does_not_matter);
    TEST_ADD(&list, units_round_trip);
    TEST_ADD(&list, long_values_are_cut_at_a_character);
    TEST_ADD(&list, too_little_room_is_no_grade);
    TEST_ADD(&list, order_of_rules_does_not_matter); /* the last: it shuffles the policy */
    failed = test_run("classifier classify", &list);
    policy_unref(policy);
    return failed;
}
