/* Each event type's rows, cell by cell, from the contract's own examples. */
#include "tests/support/test.h"

#include <stdio.h>

#include "common/base/clock.h"
#include "services/archiver/project.h"

#define APPENDED_MS INT64_C(1795317912500) /* 2026-11-22T03:25:12.500Z */
#define IDS         "141bd7c8-87f4-8aba-b020-476223bff445|291cda6f-1948-8c93-9470-df4c2acb3ac8|"
#define CALL        "f906a62f-5419-83c8-9976-8699073ad132|"
#define PERSON      "e3456bc1-f4d2-80f4-a979-33758645fdc2|"
#define LINKED      "3dc260b2-4720-82d9-857b-d930b02f2383|0b0e8d2c-0000-8000-8000-000000000001"
#define LINK        LINKED "|f"
#define LINK_DRILL  LINKED "|t"
#define GRADED                                                                                     \
    "project_grade|" IDS "0|malware|larger|malicious_program|t|"                                   \
    "823412d1eacb67956220e532959f0104603057c88704863ca38e7cd188fda812|03:25:12.500Z|HXJM|"         \
    "上海华芯精密制造有限公司|TB-2GDXFJ47YJNTG|f|凌晨二号|03:00:00.000Z|\n"

static const char *const kinds[] = {
#define PROJECTION(symbol, statement, purpose) [symbol] = (statement),
#include "services/archiver/projections.def"
#undef PROJECTION
};

static void render(void *ctx, const struct row *row)
{
    struct buf *out = ctx;
    char time_text[CLOCK_TEXT_MAX];

    buf_printf(out, "%s|", kinds[row->kind]);
    for (size_t i = 0; i < row->n; i++) {
        const struct cell *cell = &row->cells[i];

        switch (cell->type) {
        case CELL_NULL:
            buf_str(out, "-");
            break;
        case CELL_TEXT: /* long texts, and JSON, by their beginning */
            buf_printf(out, "%.*s", cell->len > 70 ? 12 : (int)cell->len, cell->text);
            break;
        case CELL_JSON:
            buf_printf(out, "%.*s", cell->text ? 12 : 1, cell->text ? cell->text : "-");
            break;
        case CELL_INT:
            buf_printf(out, "%lld", (long long)cell->number);
            break;
        case CELL_TIME:
            clock_format_utc(time_text, cell->number);
            buf_printf(out, "%s", time_text + 11);
            break;
        }
        buf_char(out, '|');
    }
    buf_char(out, '\n');
}

static const struct row_case {
    const char *name, *type, *change, *want; /* change: laid over the example's members */
} cases[] = {
    {"a report opens its incident", "report.submitted", NULL,
     "project_report|" IDS "HXJM|上海华芯精密制造有限公司|TB-2GDXFJ47YJNTG|f|凌晨二号|"
     "03:00:00.000Z|03:25:12.500Z|\n"},
    {"a first grade", "incident.classified", NULL,
     "project_decision|" IDS "0b0e8d2c-0000-8000-8000-000000000001|0|malware|larger|"
     "malicious_program|恶意程序|[{\"regime\":\"|[{\"rule\":\"pa|[{\"pointer\":|t|system|-|"
     "823412d1eacb67956220e532959f0104603057c88704863ca38e7cd188fda812|03:25:12.500Z|\n" GRADED},
    {"nothing missing is NULL", "incident.classified", "{\"missing\":null}",
     "project_decision|" IDS "0b0e8d2c-0000-8000-8000-000000000001|0|malware|larger|"
     "malicious_program|恶意程序|[{\"regime\":\"|[{\"rule\":\"pa|-|t|system|-|"
     "823412d1eacb67956220e532959f0104603057c88704863ca38e7cd188fda812|03:25:12.500Z|\n" GRADED},
    {"a state, and who acknowledged", "escalation.state", NULL,
     "project_state|" IDS "f|confirmed|4|\n"
     "project_acknowledged|" IDS CALL "4|03:30:00.000Z|值班员 周敏|\n"},
    {"a state without a name shows the id", "escalation.state",
     "{\"actor\":{\"scope\":\"park\",\"id\":\"k1\"}}",
     "project_state|" IDS "f|confirmed|4|\n"
     "project_acknowledged|" IDS CALL "4|03:30:00.000Z|k1|\n"},
    {"time did it: nobody's name", "escalation.state", "{\"actor\":null}",
     "project_state|" IDS "f|confirmed|4|\n"
     "project_acknowledged|" IDS CALL "4|03:30:00.000Z|-|\n"},
    {"a refused action acknowledges nothing", "escalation.state",
     "{\"applied\":false,\"refused_why\":\"closed\"}", "project_state|" IDS "f|confirmed|4|\n"},
    {"a call", "escalation.raised", NULL,
     "project_raised|" IDS CALL "enterprise.larger|1|0|security_lead|enterprise|" PERSON
     "first_grade|f|t|03:20:12.480Z|03:25:12.500Z|\n"},
    {"a call to nobody, for information", "escalation.raised",
     "{\"person_id\":null,\"acknowledge_by\":null,\"acknowledgement_wanted\":false}",
     "project_raised|" IDS CALL "enterprise.larger|1|0|security_lead|enterprise|-|"
     "first_grade|f|f|-|03:25:12.500Z|\n"},
    {"a duty that is fulfilled", "obligation.satisfied", NULL,
     "project_obligation|" IDS
     "59abfbb3-099a-8acb-bd68-e4e906db094c|5|cac-2025|cac-2025.report.4h|0|向属地省级网信部门报告|"
     "report to the provincial cyberspace administration|上海市委网信办|"
     "Cyberspace Administration of Shanghai|discovered|03:00:00.000Z|07:00:00.000Z|satisfied|"
     "action.filed|06:55:00.000Z|沪网信报〔2026〕1122-07|{\"document\":|\n"},
    {"a duty without its anchor", "obligation.created",
     "{\"anchor_at\":null,\"due_at\":null,\"state\":\"anchor_missing\"}", NULL},
    {"an attempt that failed", "notification.failed", NULL,
     "project_notification|" IDS "5d99d461-0e44-8307-8877-1afdf82dbe55|" CALL PERSON
     "webhook|https://hooks.huaxin.example/…|failed|1|0|03:05:13.400Z|-|the server answered 503|"
     "03:05:43.400Z|f|\n"},
    {"the timeline alone shows a decision that does not count", "incident.reclassified",
     "{\"refused_why\":\"the park has decided\"}", ""},
    {"the timeline alone shows an action", "action.confirmed", NULL, ""},
    {"the timeline alone shows a supplement", "report.supplemented", NULL, ""},
    {"the timeline alone shows a challenge", "incident.challenged", NULL, ""},
    {"a call for a challenge", "escalation.raised",
     "{\"chain\":\"challenged.park\",\"scope\":\"park\",\"role\":\"duty_officer\",\"why\":"
     "\"challenged\"}",
     "project_raised|" IDS CALL "challenged.park|1|0|duty_officer|park|" PERSON
     "challenged|f|t|03:20:12.480Z|03:25:12.500Z|\n"},
    {"a link that opens a campaign", "incident.linked",
     "{\"advisory\":{\"tlp\":\"TLP:RED\",\"title\":\"t\",\"text\":\"t\",\"audience\":\"all\"}}",
     "project_link|" IDS LINK
     "|t|correlation.indicator|indicator|ip|203.0.113.45|3|3|24 小时内三家企业报告了同一来源地址|"
     "three enterprises reported the same source address within 24 h|{\"tlp\":\"TLP:|"
     "9c1185a5c5e9fc54612808977ee8f548b2258d31a0f5d9a5f1f8f4d0f6f7d1c2|06:00:00.000Z|\n"},
    {"a link by its kind of attack", "incident.linked",
     "{\"indicator\":null,\"sub\":\"勒索软件\",\"opens\":false,\"advisory\":null,\"zh\":\"z\","
     "\"en\":\"e\",\"drill\":true}",
     "project_link|" IDS LINK_DRILL "|f|correlation.indicator|sub_category|-|勒索软件|3|3|z|e|-|"
     "9c1185a5c5e9fc54612808977ee8f548b2258d31a0f5d9a5f1f8f4d0f6f7d1c2|06:00:00.000Z|\n"},
    {"a link by a supplier", "incident.linked",
     "{\"indicator\":null,\"supplier\":\"acme\",\"opens\":false,\"advisory\":null,\"zh\":\"z\","
     "\"en\":\"e\"}",
     "project_link|" IDS LINK "|f|correlation.indicator|supplier|-|acme|3|3|z|e|-|"
     "9c1185a5c5e9fc54612808977ee8f548b2258d31a0f5d9a5f1f8f4d0f6f7d1c2|06:00:00.000Z|\n"},
    {"the timeline alone shows an advisory", "advisory.issued", NULL, ""},
};

static void decode(struct event *ev, const struct row_case *c, char **ret_value)
{
    AUTO(auto_json) json_t *doc = NULL;
    AUTO(auto_json) json_t *change = c->change ? json_loads(c->change, 0, NULL) : json_object();
    char path[128];
    struct err err = {0};

    snprintf(path, sizeof(path), "proto/examples/%s.json", c->type);
    doc = json_load_file(path, 0, NULL);
    assert_non_null(doc);
    assert_non_null(change);
    assert_int_equal(json_object_update(doc, change), 0);
    *ret_value = json_dumps(doc, JSON_COMPACT);
    assert_non_null(*ret_value);
    assert_ok(event_decode(ev,
                           &(struct event_record){
                               .type = c->type,
                               .id = "0b0e8d2c-0000-8000-8000-000000000001",
                               .key = json_string_value(json_object_get(doc, "incident_id")),
                               .key_len = ID_TEXT_LEN,
                               .value = *ret_value,
                               .value_len = strlen(*ret_value),
                               .without_doc = true},
                           &err),
              &err);
}

static void check(void **state)
{
    const struct row_case *c = *state;
    AUTO(auto_free) char *value = NULL;
    AUTO(auto_event) struct event ev = {0};
    struct buf got;

    buf_init(&got, 64 * 1024);
    decode(&ev, c, &value);
    project_event(&ev, APPENDED_MS, render, &got);
    if (c->want)
        assert_string_equal(buf_text(&got), c->want);
    else
        assert_contains(buf_text(&got), "|discovered|-|-|anchor_missing|");
    buf_done(&got);
}

/* Of two tidings of one attempt the final one must count: failed < dead < sent. */
static void ranks(void **state)
{
    static const struct row_case tidings[] = {{"", "notification.failed", NULL, "|failed|1|0|"},
                                              {"", "notification.dead", NULL, "|dead|12|1|"},
                                              {"", "notification.sent", NULL, "|sent|1|2|"}};

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(tidings); i++) {
        AUTO(auto_free) char *value = NULL;
        AUTO(auto_event) struct event ev = {0};
        struct buf got;

        buf_init(&got, 64 * 1024);
        decode(&ev, &tidings[i], &value);
        project_event(&ev, APPENDED_MS, render, &got);
        assert_contains(buf_text(&got), tidings[i].want);
        buf_done(&got);
    }
}

int main(void)
{
    static struct test_list list;

    TEST_ADD_ROWS(&list, cases, check);
    TEST_ADD(&list, ranks);
    return test_run("archiver_project", &list);
}
