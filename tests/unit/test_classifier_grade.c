/* grade: what the pipe's transform makes of a record, the same for the same record. */
#include "tests/support/test.h"

#include <stdio.h>
#include <stdlib.h>

#include "services/classifier/grade.h"

#define INC "11111111-0000-8000-8000-000000000003"

static struct policy_live *live;

#define REPORT                                                                                     \
    "{\"enterprise_id\":\"aaaaaaaa-0000-8000-8000-000000000001\",\"incident_id\":\"" INC "\","     \
    "\"occurred_at\":\"2026-11-22T03:05:12.480Z\",\"drill\":true,"                                 \
    "\"reference\":\"TB-2GDXFJ47YJNTG\",\"summary\":\"客户资料泄露\","                       \
    "\"discovered_at\":\"2026-11-22T03:00:00.000Z\",\"via\":\"api\","                              \
    "\"actor\":{\"scope\":\"enterprise\",\"id\":\"k\"},\"profile\":{\"code\":\"X\","               \
    "\"name\":\"某公司\",\"sector\":\"it\",\"staff\":10,\"is_cii\":false,\"is_listed\":false}"

#define EVENT_ID "cccccccc-0000-8000-8000-000000000001"

static const struct row {
    const char *name, *type, *id, *key, *value;
    enum outcome want;
    const char *part; /* of the reason */
} rows[] = {
    {"a report", "report.submitted", EVENT_ID, INC, REPORT "}", OUTCOME_DONE, NULL},
    {"a supplement is not ours", "report.supplemented", EVENT_ID, INC, "{}", OUTCOME_SKIP, NULL},
    {"nor a type of a later release", "report.withdrawn", EVENT_ID, INC, "{", OUTCOME_SKIP, NULL},
    {"no type", NULL, EVENT_ID, INC, REPORT "}", OUTCOME_REJECT, "ce_type"},
    {"no id", "report.submitted", NULL, INC, REPORT "}", OUTCOME_REJECT, "ce_id"},
    {"not JSON", "report.submitted", EVENT_ID, INC, REPORT, OUTCOME_REJECT, "report.submitted"},
    {"another key", "report.submitted", EVENT_ID, EVENT_ID, REPORT "}", OUTCOME_REJECT, "key"},
    {"a missing field", "report.submitted", EVENT_ID, INC, "{}", OUTCOME_REJECT,
     "report.submitted"},
    {"an unknown field is open", "report.submitted", EVENT_ID, INC, REPORT ",\"later\":1}",
     OUTCOME_DONE, NULL},
};

struct result {
    struct grader grader;
    struct pipe_out out;
    struct err err;
    enum outcome outcome;
};

static void result_done(struct result *r)
{
    buf_done(&r->out.value);
    grader_done(&r->grader);
}

static void run(struct result *r, const struct row *row, int64_t now_ms)
{
    struct flow_record in = {.event_type = row->type,
                             .event_id = row->id,
                             .key = row->key,
                             .key_len = strlen(row->key),
                             .value = row->value,
                             .value_len = strlen(row->value)};

    *r = (struct result){0};
    grader_init(&r->grader, live);
    buf_init(&r->out.value, EVENT_BODY_MAX_BYTES);
    r->outcome = grade_transform(&r->grader, &in, now_ms, &r->out, &r->err);
}

static const char *header(const struct result *r, const char *name)
{
    for (size_t i = 0; i < r->out.headers_n; i++)
        if (strcmp(r->out.headers[i].name, name) == 0)
            return r->out.headers[i].value;
    fail_msg("no header %s", name);
    return "";
}

static void check(void **state)
{
    const struct row *row = *state;
    AUTO(result_done) struct result r;

    run(&r, row, 0);
    assert_int_equal(r.outcome, row->want);
    if (row->part)
        assert_contains(r.err.text, row->part);
    if (row->want == OUTCOME_DONE)
        assert_string_equal(r.out.topic, "tongbao.incident.v1");
}

static void the_output_is_an_event(void **state)
{
    AUTO(result_done) struct result r;
    AUTO(auto_event) struct event ev = {0};
    struct event_record rec = {.key = INC, .key_len = ID_TEXT_LEN};
    const struct incident_classified *body;
    struct id parent = {EVENT_ID}, want;
    struct err err = {0};

    (void)state;
    run(&r, &rows[0], 1000);
    rec.type = header(&r, "ce_type");
    rec.id = header(&r, "ce_id");
    rec.value = buf_text(&r.out.value);
    rec.value_len = r.out.value.len;
    assert_ok(event_decode(&ev, &rec, &err), &err);
    assert_int_equal(ev.type, EVENT_INCIDENT_CLASSIFIED);
    event_id_derive(&want, &parent, "classified", NULL);
    assert_string_equal(ev.id.text, want.text);
    body = ev.incident_classified;
    assert_int_equal(body->revision, 0);
    assert_string_equal(body->parent_event_id, EVENT_ID);
    assert_true(body->drill);
    assert_string_equal(body->reference, "TB-2GDXFJ47YJNTG");
    assert_string_equal(body->profile->code, "X");
    assert_int_equal(body->occurred_at - body->discovered_at, 312480);
    assert_string_equal(header(&r, "ce_time"), "1970-01-01T00:00:01.000Z");
}

static void the_same_report_gives_the_same_bytes(void **state)
{
    AUTO(result_done) struct result first, later;

    (void)state;
    run(&first, &rows[0], 1000);
    run(&later, &rows[0], 2000);
    assert_string_equal(buf_text(&first.out.value), buf_text(&later.out.value));
    assert_string_equal(header(&first, "ce_id"), header(&later, "ce_id"));
    assert_string_not_equal(header(&first, "ce_time"), header(&later, "ce_time"));
}

/* Whatever was attached, the grade fits: evidence and indicators stay in the report. */
static void a_large_report_fits(void **state)
{
    AUTO(result_done) struct result r;
    AUTO(buf_done) struct buf body;
    struct row row = rows[0];

    (void)state;
    buf_init(&body, EVENT_BODY_MAX_BYTES);
    buf_str(&body, REPORT ",\"indicators\":[");
    for (int i = 0; i < 190; i++)
        buf_printf(&body, "%s{\"type\":\"url\",\"value\":\"http://%02000d/\"}", i ? "," : "", i);
    buf_str(&body, "]}");
    assert_false(body.failed);
    row.value = buf_text(&body);
    run(&r, &row, 0);
    assert_int_equal(r.outcome, OUTCOME_DONE);
    assert_true(r.out.value.len < 65536);
}

/* --- without memory --- */

/* The program is linked so that these stand before the allocator (CMakeLists.txt): the `scarce_n`-th request from now on fails. 0: none. */
static int scarce_n;
void *__real_malloc(size_t size);
void *__real_realloc(void *old, size_t size);
void *__wrap_malloc(size_t size);
void *__wrap_realloc(void *old, size_t size);

void *__wrap_malloc(size_t size)
{
    return scarce_n > 0 && --scarce_n == 0 ? NULL : __real_malloc(size);
}

void *__wrap_realloc(void *old, size_t size)
{
    return scarce_n > 0 && --scarce_n == 0 ? NULL : __real_realloc(old, size);
}

/* A lack of memory is never the sender's fault: the record is tried again, it does not become a dead letter. */
static void no_memory_is_no_poison(void **state)
{
    AUTO(result_done) struct result want;
    bool is_done = false;
    int n = 0;

    (void)state;
    run(&want, &rows[0], 0);
    while (!is_done && n < 1000) {
        AUTO(result_done) struct result r;

        scarce_n = ++n;
        run(&r, &rows[0], 0);
        is_done = scarce_n > 0; /* nothing was asked for that often */
        scarce_n = 0;
        if (r.outcome != (is_done ? OUTCOME_DONE : OUTCOME_RETRY) ||
            (!is_done && r.err.kind != ERR_FATAL))
            fail_msg("without its allocation %d: outcome %d, %s: %s", n, (int)r.outcome,
                     err_kind_name(r.err.kind), r.err.text);
        if (is_done)
            assert_string_equal(buf_text(&r.out.value), buf_text(&want.out.value));
    }
    assert_true(is_done && n > 3);
}

int main(void)
{
    static struct test_list list;
    struct err err = {0};
    int failed;

    if (!policy_live_open(&live, "deploy/policy", &err)) {
        print_error("%s\n", err.text);
        return 1;
    }
    TEST_ADD_ROWS(&list, rows, check);
    TEST_ADD(&list, the_output_is_an_event);
    TEST_ADD(&list, the_same_report_gives_the_same_bytes);
    TEST_ADD(&list, a_large_report_fits);
    TEST_ADD(&list, no_memory_is_no_poison);
    failed = test_run("classifier grade", &list);
    policy_live_close(live);
    return failed;
}
