/* The sender's thread: every job comes back exactly once, with its verdict, also when nothing can be sent. */
#include "tests/support/test.h"

#include <stdio.h>

#include "common/base/clock.h"
#include "services/notifier/sender.h"

#define ID          "141bd7c8-87f4-8aba-b020-476223bff445"
#define DEADLINE_MS 20000
#define JOBS        64

static const struct notifier_conf conf = {.smtp_url = "smtp://127.0.0.1:1",
                                          .smtp_from = "a@b.test",
                                          .smtp_username = "",
                                          .smtp_password = "",
                                          .ca_file = "",
                                          .public_url = "",
                                          .send_timeout_ms = 2000,
                                          .inflight_max = JOBS};

static char *example(void)
{
    AUTO(auto_json) json_t *doc = json_load_file("proto/examples/escalation.raised.json", 0, NULL);

    return json_dumps(doc, JSON_COMPACT);
}

static const struct job_row {
    const char *name;
    enum channel channel;
    const char *address, *raised; /* NULL: the contract's example */
    enum fate fate;
    const char *text;
} rows[] = {
    {"a mail server that is away", CHANNEL_EMAIL, "l@acme.test", NULL, FATE_LATER, "127.0.0.1"},
    {"a webhook that is away", CHANNEL_WEBHOOK, "http://127.0.0.1:1/x", NULL, FATE_LATER,
     "127.0.0.1"},
    {"an address that cannot be used", CHANNEL_EMAIL, "nobody", NULL, FATE_NEVER, "cannot be used"},
    {"a URL that curl refuses", CHANNEL_WEBHOOK, "http://[", NULL, FATE_NEVER, ""},
    {"a channel of another version", (enum channel)7, "x", NULL, FATE_NEVER, "no such channel"},
    {"a call that cannot be read", CHANNEL_EMAIL, "l@acme.test", "{}", FATE_NEVER, ""},
};

static struct job *make(const struct job_row *row)
{
    struct job *job = calloc(1, sizeof(*job));

    assert_non_null(job);
    assert_true(id_set(&job->event_id, ID, ID_TEXT_LEN));
    assert_true(id_set(&job->incident_id, ID, ID_TEXT_LEN));
    assert_true(id_set(&job->notification_id, ID, ID_TEXT_LEN));
    job->channel = row->channel;
    job->address = strdup(row->address);
    job->language = strdup("zh");
    job->raised = row->raised ? strdup(row->raised) : example();
    job->attempt = 1;
    return job;
}

/* Waits for the next jobs that come back; fails at the deadline. */
static struct job *take(struct sender *s)
{
    int64_t until_ms = clock_mono_ms() + DEADLINE_MS;
    struct job *jobs;

    while (!(jobs = sender_take(s))) {
        assert_true(clock_mono_ms() < until_ms);
        clock_sleep_ms(1);
    }
    return jobs;
}

static void open_sender(struct sender **s, struct templates **templates)
{
    struct err err = {0};

    assert_ok(templates_load(templates, "deploy/policy", &err), &err);
    assert_ok(sender_open(s, &conf, *templates, &err), &err);
}

static void check(void **state)
{
    const struct job_row *row = *state;
    AUTO(auto_templates) struct templates *templates = NULL;
    AUTO(auto_sender) struct sender *s = NULL;
    AUTO(auto_job) struct job *job = NULL;

    open_sender(&s, &templates);
    sender_send(s, make(row));
    job = take(s);
    assert_null(job->next);
    assert_int_equal(job->verdict.fate, row->fate);
    assert_contains(job->verdict.text, row->text);
    assert_true(job->ended_ms > 0);
}

static void each_comes_back_once(void **state)
{
    AUTO(auto_templates) struct templates *templates = NULL;
    AUTO(auto_sender) struct sender *s = NULL;
    bool is_back[JOBS] = {false};

    (void)state;
    open_sender(&s, &templates);
    for (int64_t i = 0; i < JOBS; i++) {
        struct job *job = make(&rows[(size_t)i % ARRAY_LEN(rows)]);

        job->attempt = i;
        sender_send(s, job);
    }
    for (size_t n = 0; n < JOBS;) {
        struct job *jobs = take(s);

        for (const struct job *job = jobs; job; job = job->next, n++) {
            assert_false(is_back[job->attempt]);
            is_back[job->attempt] = true;
        }
        jobs_free(jobs);
    }
}

/* Messages that are rendered meanwhile follow one set of templates or the other. */
static void templates_change_under_way(void **state)
{
    AUTO(auto_templates) struct templates *templates = NULL;
    AUTO(auto_sender) struct sender *s = NULL;

    (void)state;
    open_sender(&s, &templates);
    for (int64_t i = 0; i < JOBS; i++) {
        struct templates *fresh = NULL;
        struct err err = {0};

        assert_ok(templates_load(&fresh, "deploy/policy", &err), &err);
        sender_reload(s, fresh);
        sender_send(s, make(&rows[0]));
    }
    for (size_t n = 0; n < JOBS;) {
        struct job *jobs = take(s);

        for (const struct job *job = jobs; job; job = job->next, n++)
            assert_int_equal(job->verdict.fate, FATE_LATER); /* rendered, and the server is away */
        jobs_free(jobs);
    }
}

/* Jobs that nobody takes any more are freed, wherever they are. */
static void closing_frees_what_is_left(void **state)
{
    (void)state;
    for (size_t round = 0; round < 20; round++) {
        AUTO(auto_templates) struct templates *templates = NULL;
        AUTO(auto_sender) struct sender *s = NULL;

        open_sender(&s, &templates);
        for (size_t i = 0; i < ARRAY_LEN(rows); i++)
            sender_send(s, make(&rows[i]));
        assert_non_null(s);
    }
}

int main(void)
{
    static struct test_list list;

    TEST_ADD_ROWS(&list, rows, check);
    TEST_ADD(&list, each_comes_back_once);
    TEST_ADD(&list, templates_change_under_way);
    TEST_ADD(&list, closing_frees_what_is_left);
    return test_run("notifier_sender", &list);
}
