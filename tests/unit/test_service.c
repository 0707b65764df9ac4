#include "common/service/service.h"

#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/service/backoff.h"
#include "common/service/health.h"
#include "tests/unit/test_http_peer.h"

/* ---- the pure parts */

static const struct backoff_row {
    const char *name;
    unsigned failures;
    int64_t least, most;
} backoff_rows[] = {
    {"backoff: first", 0, 50, 100},           {"backoff: second", 1, 100, 200},
    {"backoff: sixth", 5, 1600, 3200},        {"backoff: seventh", 6, 2500, 5000},
    {"backoff: thousandth", 999, 2500, 5000}, {"backoff: last", UINT32_MAX, 2500, 5000},
};

static void backs_off(void **state)
{
    const struct backoff_row *row = *state;
    bool has_least = false, has_most = false;

    for (uint32_t random = 0; random < 10000; random++) {
        int64_t ms = backoff_ms(row->failures, random);

        assert_in_range(ms, row->least, row->most);
        has_least |= ms == row->least;
        has_most |= ms == row->most;
    }
    assert_true(has_least && has_most);
    assert_in_range(backoff_ms(row->failures, UINT32_MAX), row->least, row->most);
}

static void readiness_is_the_and_of_all_checks(void **state)
{
    AUTO(buf_done) struct buf out;
    struct health h = {0};

    (void)state;
    buf_init(&out, 10000);
    assert_true(health_write_ready(&out, &h));
    assert_true(health_check(&h, "kafka", false, "no \"broker\"\n"));
    assert_true(health_check(&h, "postgresql", true, NULL));
    assert_false(health_check(&h, "kafka", false, "still none"));
    buf_reset(&out);
    assert_false(health_write_ready(&out, &h));
    assert_string_equal(buf_text(&out),
                        "{\"ready\":false,\"checks\":[{\"name\":\"kafka\",\"ready\":false,"
                        "\"detail\":\"still none\"},"
                        "{\"name\":\"postgresql\",\"ready\":true,\"detail\":\"\"}]}\n");
    assert_true(health_check(&h, "kafka", true, "acknowledges"));
    buf_reset(&out);
    assert_true(health_write_ready(&out, &h));
}

static void cuts_long_details_at_a_character(void **state)
{
    AUTO(buf_done) struct buf out;
    struct health h = {0};
    char text[400] = "";

    (void)state;
    for (size_t i = 0; i + 4 < sizeof(text); i += 3)
        memcpy(text + i, "\xe4\xba\x8b", 4);
    (void)health_check(&h, text, false, text);
    (void)health_check(&h, "bad", false, "ab\xff");
    buf_init(&out, 10000);
    (void)health_write_ready(&out, &h);
    assert_contains(buf_text(&out), "\xe4\xba\x8b\",\"ready\"");
    assert_contains(buf_text(&out), "\xe4\xba\x8b\"}");
    assert_contains(buf_text(&out), "\"ab\"}");
}

static void too_many_checks_are_never_ready(void **state)
{
    AUTO(buf_done) struct buf out;
    struct health h = {0};
    char name[32];

    (void)state;
    for (int i = 0; i <= HEALTH_MAX; i++) {
        (void)snprintf(name, sizeof(name), "check %d", i);
        (void)health_check(&h, name, true, "");
        health_alive(&h, name, 0);
    }
    buf_init(&out, 10000);
    assert_false(health_write_ready(&out, &h));
    assert_contains(buf_text(&out), "room for");
    buf_reset(&out);
    assert_true(health_write_alive(&out, &h, HEALTH_SILENT_MS));
}

static void names_the_loop_that_stands_still(void **state)
{
    AUTO(buf_done) struct buf out;
    struct health h = {0};

    (void)state;
    buf_init(&out, 1000);
    health_alive(&h, "pipe", 1000);
    health_alive(&h, "sink", 1000);
    health_alive(&h, "sink", 20000);
    assert_true(health_write_alive(&out, &h, 1000 + HEALTH_SILENT_MS));
    assert_string_equal(buf_text(&out), "{\"alive\":true}\n");
    buf_reset(&out);
    assert_false(health_write_alive(&out, &h, 1001 + HEALTH_SILENT_MS));
    assert_string_equal(buf_text(&out), "{\"alive\":false,\"loop\":\"pipe\",\"silent_s\":30}\n");
    health_forget(&h, "pipe");
    health_forget(&h, "never seen");
    buf_reset(&out);
    assert_true(health_write_alive(&out, &h, 1001 + HEALTH_SILENT_MS));
}

/* ---- a service */

static struct service *open_watching(const char *folder)
{
    const struct service_conf conf = {
        .name = "test", .instance = "a", .admin_listen = "127.0.0.1:0", .watched = folder};
    struct service *svc = NULL;
    struct err err = {0};

    assert_ok(service_open(&svc, &conf, &err), &err);
    return svc;
}

static struct service *open_service(void)
{
    return open_watching(NULL);
}

static void ask(const struct service *svc, const char *path, struct peer_answer *ret)
{
    struct peer p;
    char text[128];

    peer_connect(&p, service_admin_port(svc));
    (void)snprintf(text, sizeof(text), "GET %s HTTP/1.1\r\nHost: a\r\n\r\n", path);
    peer_say(&p, text);
    peer_answer(&p, ret);
    peer_close(&p);
}

static void says_how_it_is(void **state)
{
    AUTO(auto_service) struct service *svc = open_service();
    struct peer_answer a;

    (void)state;
    ask(svc, "/readyz", &a);
    assert_int_equal(a.status, 503);
    assert_contains(a.body, "{\"name\":\"process\",\"ready\":false,\"detail\":\"starting\"}");
    service_check(svc, "kafka", true, "");
    service_started(svc);
    ask(svc, "/readyz", &a);
    assert_int_equal(a.status, 200);
    assert_contains(a.head, "Content-Type: application/json\r\n");
    service_check(svc, "kafka", false, "no broker");
    ask(svc, "/readyz", &a);
    assert_int_equal(a.status, 503);
    assert_contains(a.body, "no broker");

    service_alive(svc, "pipe");
    ask(svc, "/healthz", &a);
    assert_int_equal(a.status, 200);
    assert_string_equal(a.body, "{\"alive\":true}\n");
    ask(svc, "/metrics", &a);
    assert_int_equal(a.status, 200);
    assert_contains(a.head, "Content-Type: text/plain; version=0.0.4");
    assert_contains(a.body, "\nhttp_connections 1\n");
    ask(svc, "/other", &a);
    assert_int_equal(a.status, 404);

    service_check(svc, "kafka", true, "");
    service_request_stop(svc);
    service_started(svc); /* too late */
    ask(svc, "/readyz", &a);
    assert_int_equal(a.status, 503);
    assert_contains(a.body, "\"stopping\"");
}

static void *stop_later(void *ctx)
{
    (void)ctx;
    (void)poll(NULL, 0, 20);
    (void)kill(getpid(), SIGTERM);
    return NULL;
}

static void a_signal_stops_it(void **state)
{
    AUTO(auto_service) struct service *svc = open_service();
    int64_t began_ms = clock_mono_ms();
    pthread_t thread;

    (void)state;
    assert_false(service_stopping(svc));
    service_pause(svc, 1);
    assert_int_equal(pthread_create(&thread, NULL, stop_later, NULL), 0);
    service_pause(svc, PEER_WAIT_MS);
    assert_true(service_stopping(svc));
    assert_true(atomic_load(service_stop(svc)));
    service_pause(svc, PEER_WAIT_MS); /* not any more */
    assert_true(clock_mono_ms() - began_ms < PEER_WAIT_MS);
    (void)pthread_join(thread, NULL);
}

static atomic_int reloads;

static void on_reload(void *ctx)
{
    assert_true(pthread_equal(*(const pthread_t *)ctx, pthread_self()));
    atomic_fetch_add(&reloads, 1);
}

static void *be_alive(void *ctx)
{
    for (int i = 0; i < 20; i++) {
        service_alive(ctx, "worker");
        service_pause(ctx, 1);
    }
    return NULL;
}

static void a_signal_reloads_on_the_main_thread(void **state)
{
    AUTO(auto_service) struct service *svc = open_service();
    pthread_t self = pthread_self(), worker;

    (void)state;
    service_on_reload(svc, on_reload, &self);
    (void)kill(getpid(), SIGHUP);
    assert_int_equal(pthread_create(&worker, NULL, be_alive, svc), 0);
    (void)pthread_join(worker, NULL);
    assert_int_equal(atomic_load(&reloads), 0);
    wait_for((service_alive(svc, "main"), atomic_load(&reloads) == 1));
    (void)kill(getpid(), SIGHUP);
    wait_for((service_pause(svc, 1), atomic_load(&reloads) == 2));
    assert_false(service_stopping(svc));
}

static void write_file(const char *folder, const char *name, const char *text)
{
    char path[256];
    FILE *file;

    snprintf(path, sizeof(path), "%s/%s", folder, name);
    file = fopen(path, "w");
    assert_non_null(file);
    fputs(text, file);
    fclose(file);
}

static void a_change_in_the_folder_reloads(void **state)
{
    AUTO(auto_service) struct service *svc = NULL;
    char folder[] = "/tmp/tongbao-watch-XXXXXX", below[64], aside[64];
    pthread_t self = pthread_self();
    int before = atomic_load(&reloads);

    (void)state;
    assert_non_null(mkdtemp(folder));
    snprintf(below, sizeof(below), "%s/regimes", folder);
    assert_int_equal(mkdir(below, 0700), 0);
    write_file(folder, "a.json", "1");
    svc = open_watching(folder);
    write_file(below, "b.json", "1"); /* while it starts */
    for (int64_t until_ms = clock_mono_ms() + 3500; clock_mono_ms() < until_ms;)
        service_pause(svc, 10);
    service_on_reload(svc, on_reload, &self);
    wait_for((service_pause(svc, 10), atomic_load(&reloads) == before + 1));
    write_file(folder, "a.json", "22");
    wait_for((service_pause(svc, 10), atomic_load(&reloads) == before + 2));
    snprintf(below, sizeof(below), "%s/regimes", folder);
    snprintf(aside, sizeof(aside), "%s/aside", folder);
    rename(below, aside); /* the same files under another name */
    wait_for((service_pause(svc, 10), atomic_load(&reloads) == before + 3));
    rename(aside, below);
    wait_for((service_pause(svc, 10), atomic_load(&reloads) == before + 4));
    snprintf(below, sizeof(below), "%s/regimes/b.json", folder);
    unlink(below);
    wait_for((service_pause(svc, 10), atomic_load(&reloads) == before + 5));
    service_on_reload(svc, NULL, NULL);
    below[strlen(below) - strlen("/b.json")] = '\0';
    rmdir(below);
    snprintf(below, sizeof(below), "%s/a.json", folder);
    unlink(below);
    rmdir(folder);
}

/* In a child: stays in its work although it was asked to stop. */
static void a_second_signal_ends_it_at_once(void **state)
{
    int ready[2], status = 0;
    char c;
    pid_t pid;

    (void)state;
    assert_int_equal(pipe(ready), 0);
    pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        struct service *svc = open_service();

        while (write(ready[1], "x", 1) == 1) { /* once at the start, once when it stops */
            while (!service_stopping(svc))
                service_pause(svc, 10);
            if (write(ready[1], "x", 1) == 1)
                (void)pause();
        }
        _exit(99);
    }
    for (int i = 0; i < 2; i++) {
        assert_int_equal(read(ready[0], &c, 1), 1);
        (void)kill(pid, i == 0 ? SIGTERM : SIGINT);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 1);
    (void)close(ready[0]);
    (void)close(ready[1]);
}

static void names_the_admin_address_that_is_taken(void **state)
{
    const struct service_conf conf = {.name = "test", .instance = "a", .admin_listen = "nowhere"};
    struct service *svc = NULL;
    struct err err = {0};

    (void)state;
    assert_fails(service_open(&svc, &conf, &err), &err, ERR_CONFIG,
                 "admin port: listen address nowhere");
    service_close(NULL);
}

/* ---- the loop */

struct work {
    int calls, transient_n;
    enum err_kind last; /* ERR_NONE: asks to stop */
};

static bool once(void *ctx, struct service *svc, struct err *err)
{
    struct work *w = ctx;

    w->calls++;
    if (w->calls <= w->transient_n)
        return err_set(err, ERR_TRANSIENT, "try %d", w->calls);
    if (w->last != ERR_NONE)
        return err_set(err, w->last, "that is all");
    service_request_stop(svc);
    return true;
}

static const struct loop_row {
    const char *name;
    struct work work;
    int want_calls;
    bool ok;
} loop_rows[] = {
    {"loop: ends with the flag", {.last = ERR_NONE}, 1, true},
    {"loop: goes on after transient errors", {.transient_n = 3, .last = ERR_NONE}, 4, true},
    {"loop: configuration errors end it", {.transient_n = 1, .last = ERR_CONFIG}, 2, false},
    {"loop: fatal errors end it", {.last = ERR_FATAL}, 1, false},
    {"loop: bad input ends it", {.last = ERR_INPUT}, 1, false},
};

static void loops(void **state)
{
    const struct loop_row *row = *state;
    AUTO(auto_service) struct service *svc = open_service();
    struct work work = row->work;
    struct err err = {0};
    struct peer_answer a;

    assert_int_equal(service_loop(svc, "work", once, &work, &err), row->ok);
    assert_int_equal(work.calls, row->want_calls);
    assert_int_equal(err.kind, row->ok ? ERR_NONE : row->work.last);
    if (!row->ok)
        assert_string_equal(err.text, "that is all");
    ask(svc, "/healthz", &a);
    assert_int_equal(a.status, 200);
}

static void a_stopped_loop_does_not_start(void **state)
{
    AUTO(auto_service) struct service *svc = open_service();
    struct work work = {.last = ERR_FATAL};
    struct err err = {0};

    (void)state;
    service_request_stop(svc);
    assert_ok(service_loop(svc, "work", once, &work, &err), &err);
    assert_int_equal(work.calls, 0);
}

static bool stops_then_fails(void *ctx, struct service *svc, struct err *err)
{
    (*(int *)ctx)++;
    service_request_stop(svc);
    return err_set(err, ERR_TRANSIENT, "the last acks did not come");
}

static void a_transient_error_while_stopping_is_the_end(void **state)
{
    AUTO(auto_service) struct service *svc = open_service();
    struct err err = {0};
    int calls = 0;

    (void)state;
    assert_ok(service_loop(svc, "work", stops_then_fails, &calls, &err), &err);
    assert_int_equal(calls, 1);
}

int main(void)
{
    static struct test_list list;

    TEST_ADD_ROWS(&list, backoff_rows, backs_off);
    TEST_ADD(&list, readiness_is_the_and_of_all_checks);
    TEST_ADD(&list, cuts_long_details_at_a_character);
    TEST_ADD(&list, too_many_checks_are_never_ready);
    TEST_ADD(&list, names_the_loop_that_stands_still);
    TEST_ADD(&list, says_how_it_is);
    TEST_ADD(&list, a_signal_stops_it);
    TEST_ADD(&list, a_signal_reloads_on_the_main_thread);
    TEST_ADD(&list, a_change_in_the_folder_reloads);
    TEST_ADD(&list, a_second_signal_ends_it_at_once);
    TEST_ADD(&list, names_the_admin_address_that_is_taken);
    TEST_ADD_ROWS(&list, loop_rows, loops);
    TEST_ADD(&list, a_stopped_loop_does_not_start);
    TEST_ADD(&list, a_transient_error_while_stopping_is_the_end);
    return test_run("service", &list);
}
