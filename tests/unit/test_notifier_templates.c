/* What a message says, and which template files are refused. */
#include "tests/support/test.h"

#include <stdio.h>

#include "services/notifier/templates.h"

#define PARTS                                                                                      \
    "\"acknowledge\":\"ack {acknowledge_by}\",\"information\":\"info\",\"drill\":\"[演练]\","    \
    "\"unconfirmed\":\"maybe acknowledged\",\"duplicate\":\"maybe twice\",\"unknown\":\"?\""
#define GOOD                                                                                       \
    "{\"subject\":\"{level}/{category} {reference}\",\"body\":[\"{enterprise_name}: "              \
    "{why}\",\"{summary} {role} {url}\"]," PARTS ",\"why\":{\"first_grade\":\"graded\"}}"

static const struct escalation_raised call = {
    .incident_id = "141bd7c8-87f4-8aba-b020-476223bff445",
    .reference = "TB-2GDXFJ47YJNTG",
    .enterprise_name = "A {reference} {",
    .summary = "s}",
    .why = "first_grade",
    .role = ROLE_SECURITY_LEAD,
    .level = LEVEL_MAJOR,
    .has_level = true,
    .category = CATEGORY_MALWARE,
    .has_category = true,
    .acknowledgement_wanted = true,
    .has_acknowledgement_wanted = true,
    .acknowledge_by = INT64_C(1795317912500), /* 03:25:12 UTC */
    .has_acknowledge_by = true,
};

static const struct render_row {
    const char *name, *language;
    bool drill, unconfirmed, duplicate, wanted, known;
    int64_t utc_offset_min;
    const char *subject, *text;
} renders[] = {
    {"Chinese", "zh", false, false, false, true, true, 480, "重大/恶意软件 TB-2GDXFJ47YJNTG",
     "A {reference} {: graded\ns} 安全负责人 "
     "http://api/v1/incidents/141bd7c8-87f4-8aba-b020-476223bff445\n"
     "ack 2026-11-22 11:25 (UTC+08:00)\n"},
    {"English", "en", false, false, false, true, true, -210, "major/malware TB-2GDXFJ47YJNTG",
     "A {reference} {: graded\ns} security lead "
     "http://api/v1/incidents/141bd7c8-87f4-8aba-b020-476223bff445\n"
     "ack 2026-11-21 23:55 (UTC-03:30)\n"},
    {"an unknown language is the first one", "fr", false, false, false, false, true, 0,
     "重大/恶意软件 TB-2GDXFJ47YJNTG",
     "A {reference} {: graded\ns} 安全负责人 "
     "http://api/v1/incidents/141bd7c8-87f4-8aba-b020-476223bff445\ninfo\n"},
    {"everything in front", "en", true, true, true, true, false, 0, "[演练] ?/? TB-2GDXFJ47YJNTG",
     "[演练]\nmaybe acknowledged\nmaybe twice\n?: graded\n? security lead "
     "http://api/v1/incidents/141bd7c8-87f4-8aba-b020-476223bff445\nack ?\n"},
};

static void check_render(void **state)
{
    static const char *const names[] = {"zh", "en"}, *const texts[] = {GOOD, GOOD};
    const struct render_row *row = *state;
    AUTO(auto_templates) struct templates *t = NULL;
    struct escalation_raised c = call;
    const struct occasion occasion = {&c, "http://api", row->utc_offset_min, row->duplicate};
    struct buf subject, text;
    struct err err = {0};

    c.drill = row->drill;
    c.unconfirmed = row->unconfirmed;
    c.acknowledgement_wanted = row->wanted;
    if (!row->known) {
        c.has_level = c.has_category = c.has_acknowledge_by = false;
        c.enterprise_name = c.summary = NULL;
    }
    buf_init(&subject, TEXT_MAX_BYTES);
    buf_init(&text, TEXT_MAX_BYTES);
    assert_ok(templates_parse(&t, names, texts, &err), &err);
    assert_true(templates_render(t, row->language, &occasion, &subject, &text));
    assert_string_equal(buf_text(&subject), row->subject);
    assert_string_equal(buf_text(&text), row->text);
    buf_done(&subject);
    buf_done(&text);
}

/* A reason without words of its own is shown as it is. */
static void check_why(void **state)
{
    static const char *const names[] = {"zh", "en"}, *const texts[] = {GOOD, GOOD};
    AUTO(auto_templates) struct templates *t = NULL;
    struct escalation_raised c = call;
    const struct occasion occasion = {&c, "", 0, false};
    struct buf subject, text;
    struct err err = {0};

    (void)state;
    c.why = "of tomorrow";
    buf_init(&subject, TEXT_MAX_BYTES);
    buf_init(&text, TEXT_MAX_BYTES);
    assert_ok(templates_parse(&t, names, texts, &err), &err);
    assert_true(templates_render(t, "zh", &occasion, &subject, &text));
    assert_contains(buf_text(&text), ": of tomorrow\n");
    buf_done(&subject);
    buf_done(&text);
}

/* Whoever is called is told why in words, by what is deployed, for every reason that there is. */
static const char *const whys[] = {"first_grade",    "level_raised",  "reopened",    "ungraded",
                                   "challenged",     "campaign",      "undelivered", "vacant",
                                   "unacknowledged", "policy_changed"};

static void the_deployed_words_say_every_reason(void **state)
{
    static const char *const languages[] = {"zh", "en"};
    AUTO(auto_templates) struct templates *t = NULL;
    struct buf subject, text;
    struct err err = {0};

    (void)state;
    buf_init(&subject, TEXT_MAX_BYTES);
    buf_init(&text, TEXT_MAX_BYTES);
    assert_ok(templates_load(&t, "deploy/policy", &err), &err);
    for (size_t i = 0; i < ARRAY_LEN(whys) * ARRAY_LEN(languages); i++) {
        struct escalation_raised c = call;
        const struct occasion occasion = {&c, "", 480, false};
        char bare[64];

        c.why = whys[i / 2];
        assert_true(templates_render(t, languages[i % 2], &occasion, &subject, &text));
        snprintf(bare, sizeof(bare), i % 2 ? ": %s." : ",%s,", c.why);
        if (strstr(buf_text(&text), bare))
            fail_msg("%s has no words in %s: %s", c.why, languages[i % 2], buf_text(&text));
    }
    buf_done(&subject);
    buf_done(&text);
}

static const struct refuse_row {
    const char *name, *text, *want;
} refusals[] = {
    {"no JSON", "{", "en.json: "},
    {"nothing", "{}", "en.json: subject is missing"},
    {"a part that is no text", "{\"subject\":7}", "en.json: subject is missing"},
    {"a list that holds no text", "{\"subject\":\"s\",\"body\":[1]," PARTS "}",
     "en.json: body is missing"},
    {"a subject of two lines", "{\"subject\":\"a\\nb\",\"body\":\"b\"," PARTS "}",
     "subject must be one line"},
    {"an unknown fact", "{\"subject\":\"{refrence}\",\"body\":\"b\"," PARTS "}",
     "\"{refrence}\" names no fact"},
    {"an open brace", "{\"subject\":\"s\",\"body\":\"b {level\"," PARTS "}",
     "en.json: body: \"{level\""},
    {"an empty fact", "{\"subject\":\"s {}\",\"body\":\"b\"," PARTS "}", "names no fact"},
    {"an unknown part", "{\"subject\":\"s\",\"body\":\"b\",\"footer\":\"f\"," PARTS "}",
     "footer is no part"},
    {"a reason that is no text", "{\"subject\":\"s\",\"body\":\"b\",\"why\":{\"x\":1}," PARTS "}",
     "why/x must be a text"},
};

static void check_refuse(void **state)
{
    const struct refuse_row *row = *state;
    const char *const names[] = {"zh.json", "en.json"}, *const texts[] = {GOOD, row->text};
    AUTO(auto_templates) struct templates *t = NULL;
    struct err err = {0};

    assert_fails(templates_parse(&t, names, texts, &err), &err, ERR_CONFIG, row->want);
}

static void check_files(void **state)
{
    AUTO(auto_templates) struct templates *t = NULL;
    struct err err = {0};

    (void)state;
    assert_ok(templates_load(&t, "deploy/policy", &err), &err);
    templates_free(TAKE(t));
    assert_fails(templates_load(&t, "/nowhere", &err), &err, ERR_CONFIG,
                 "/nowhere/templates/zh.json");
}

int main(void)
{
    static struct test_list list;

    TEST_ADD_ROWS(&list, renders, check_render);
    TEST_ADD(&list, check_why);
    TEST_ADD(&list, the_deployed_words_say_every_reason);
    TEST_ADD_ROWS(&list, refusals, check_refuse);
    TEST_ADD(&list, check_files);
    return test_run("notifier_templates", &list);
}
