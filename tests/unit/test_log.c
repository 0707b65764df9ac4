#include "common/base/log.h"

#include <errno.h>
#include <jansson.h>
#include <pthread.h>

#include "common/base/clock.h"
#include "common/base/utf8.h"
#include "tests/support/capture.h"
#include "tests/support/test.h"

DEFINE_AUTO(auto_json, json_t, json_decref)

/* What log_write() wrote, which must be one line of one JSON object. */
static json_t *line_of(enum log_level level, const char *message, const struct log_field *fields,
                       size_t n)
{
    AUTO(auto_free) char *text = NULL;
    struct capture c;
    json_error_t at;
    json_t *line;

    capture_begin(&c, STDERR_FILENO);
    log_write(level, message, fields, n);
    text = capture_end(&c);
    assert_true(strlen(text) > 0 && strlen(text) <= 4096);
    assert_ptr_equal(strchr(text, '\n'), text + strlen(text) - 1);
    line = json_loads(text, JSON_REJECT_DUPLICATES, &at);
    if (!line)
        fail_msg("%s at %d of: %s", at.text, at.position, text);
    return line;
}

static const char *member(const json_t *line, const char *key)
{
    const char *text = json_string_value(json_object_get(line, key));

    if (!text)
        fail_msg("no text \"%s\"", key);
    return text;
}

static void line_has_all(void **state)
{
    const struct log_field fields[] = {log_str("topic", "t"), log_int("offset", INT64_MIN),
                                       log_str("reason", NULL)};
    AUTO(auto_json) json_t *line = NULL;
    int64_t at_ms = 0, before_ms = clock_wall_ms();

    (void)state;
    log_open("classifier", "a-1", LOG_INFO);
    line = line_of(LOG_WARN, "record dead-lettered", fields, ARRAY_LEN(fields));
    assert_true(clock_parse(&at_ms, member(line, "time"), strlen(member(line, "time"))));
    assert_in_range(at_ms, before_ms, before_ms + 60000);
    assert_string_equal(member(line, "level"), "warn");
    assert_string_equal(member(line, "service"), "classifier");
    assert_string_equal(member(line, "instance"), "a-1");
    assert_string_equal(member(line, "message"), "record dead-lettered");
    assert_string_equal(member(line, "topic"), "t");
    assert_true(json_integer_value(json_object_get(line, "offset")) == INT64_MIN);
    assert_string_equal(member(line, "reason"), "");
    assert_int_equal(json_object_size(line), 8);
}

static void no_instance_no_member(void **state)
{
    AUTO(auto_json) json_t *line = NULL;

    (void)state;
    log_open("ctl", NULL, LOG_INFO);
    line = line_of(LOG_ERROR, "x", NULL, 0);
    assert_null(json_object_get(line, "instance"));
}

static void least_level_holds_and_errno_is_kept(void **state)
{
    (void)state;
    for (enum log_level least = LOG_DEBUG; least <= LOG_ERROR; least++) {
        AUTO(auto_free) char *text = NULL;
        struct capture c;
        size_t lines = 0;

        log_open("x", "", least);
        capture_begin(&c, STDERR_FILENO);
        errno = ENOSPC;
        log_plain(LOG_DEBUG, "1");
        log_plain(LOG_INFO, "2");
        log_at(LOG_WARN, "3", log_int("n", 1));
        log_plain(LOG_ERROR, "4");
        assert_int_equal(errno, ENOSPC);
        text = capture_end(&c);
        for (const char *p = text; *p; p++)
            lines += *p == '\n';
        assert_int_equal(lines, 4 - least);
    }
    log_open("x", "", LOG_INFO);
}

static const struct value_row {
    const char *name, *in, *want;
} value_rows[] = {
    {"quotes, backslash", "a\"b\\c", "a\"b\\c"},
    {"newline stays inside the line", "a\nb\r\n\tc", "a\nb\r\n\tc"},
    {"control characters", "\x01\x02\x1f\x7f", "\x01\x02\x1f\x7f"},
    {"Chinese", "事件通报", "事件通报"},
    {"four bytes", "\xF0\x9F\x98\x80", "\xF0\x9F\x98\x80"},
    {"a byte that is not UTF-8", "a\xFFz", "a\xEF\xBF\xBDz"},
    {"a character cut short", "a\xE9\x80", "a\xEF\xBF\xBD\xEF\xBF\xBD"},
    {"bad bytes between characters", "\xFF通\xC0\x80报",
     "\xEF\xBF\xBD通\xEF\xBF\xBD\xEF\xBF\xBD报"},
    {"surrogate", "\xED\xA0\x80", "\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD"},
};

static void value_is_valid_json(void **state)
{
    const struct value_row *row = *state;
    const struct log_field field = log_str("key", row->in);
    AUTO(auto_json) json_t *line = line_of(LOG_INFO, row->in, &field, 1);

    assert_string_equal(member(line, "key"), row->want);
    assert_string_equal(member(line, "message"), row->want);
    assert_null(json_object_get(line, "cut"));
}

static void every_single_byte_gives_valid_json(void **state)
{
    (void)state;
    for (int c = 1; c < 256; c++) {
        const char text[] = {'a', (char)c, 'z', '\0'};
        const struct log_field field = log_str(text, text); /* as a key, too */
        AUTO(auto_json) json_t *line = line_of(LOG_INFO, text, &field, 1);

        assert_true(json_is_object(line));
    }
}

/* One value of each length around the bound, in four alphabets: cut between characters. */
static void long_value_is_cut_and_marked(void **state)
{
    static const char *const letters[] = {"x", "报", "\x01", "\xFF"};
    static const size_t written[] = {1, 3, 6, 3}; /* bytes of one in the line */

    (void)state;
    for (size_t l = 0; l < ARRAY_LEN(letters); l++) {
        size_t fit = 1024 / written[l];

        for (size_t count = fit - 2; count < fit + 4; count++) {
            char text[8192] = "";
            const struct log_field fields[] = {log_str("long", text), log_int("after", 7)};
            AUTO(auto_json) json_t *line = NULL;
            const char *got;

            for (size_t i = 0; i < count; i++)
                memcpy(text + i * strlen(letters[l]), letters[l], strlen(letters[l]) + 1);
            line = line_of(LOG_INFO, "m", fields, 2);
            got = member(line, "long");
            assert_int_equal(json_integer_value(json_object_get(line, "after")), 7);
            assert_int_equal(json_is_true(json_object_get(line, "cut")), count > fit);
            assert_int_equal(utf8_count(got, strlen(got)), count > fit ? fit : count);
        }
    }
}

/* More fields than a line takes, of each length, so that the end falls at each place of a field. */
static void long_line_is_cut_and_marked(void **state)
{
    (void)state;
    for (size_t len = 0; len < 200; len++) {
        struct log_field fields[600];
        char text[200], keys[600][8];
        AUTO(auto_json) json_t *line = NULL;

        memset(text, '"', len); /* each takes two bytes */
        text[len] = '\0';
        for (size_t i = 0; i < ARRAY_LEN(fields); i++) {
            (void)snprintf(keys[i], sizeof(keys[i]), "k%zu", i);
            fields[i] = i % 3 ? log_str(keys[i], text) : log_int(keys[i], (int64_t)(i * len));
        }
        line = line_of(LOG_INFO, "m", fields, ARRAY_LEN(fields));
        assert_true(json_is_true(json_object_get(line, "cut")));
        assert_non_null(json_object_get(line, "k0"));
    }
}

static void huge_names_leave_a_line(void **state)
{
    char huge[9000];
    AUTO(auto_json) json_t *line = NULL;
    struct log_field field = log_str(huge, huge);

    (void)state;
    memset(huge, 'h', sizeof(huge) - 1);
    huge[sizeof(huge) - 1] = '\0';
    log_open(huge, huge, LOG_INFO);
    line = line_of(LOG_INFO, huge, &field, 1);
    assert_true(json_is_true(json_object_get(line, "cut")));
    log_open("x", "", LOG_INFO);
}

static void error_gives_kind_text_and_pointer(void **state)
{
    AUTO(auto_free) char *text = NULL;
    AUTO(auto_json) json_t *line = NULL;
    struct err err = {0};
    struct capture c;

    (void)state;
    err_at(&err, "/a", "bad");
    capture_begin(&c, STDERR_FILENO);
    log_err(LOG_ERROR, "decode", &err);
    text = capture_end(&c);
    line = json_loads(text, 0, NULL);
    assert_string_equal(member(line, "message"), "decode");
    assert_string_equal(member(line, "kind"), "input");
    assert_string_equal(member(line, "error"), "bad");
    assert_string_equal(member(line, "pointer"), "/a");
}

enum { THREADS = 4, LINES = 300 };

static void *write_lines(void *ctx)
{
    (void)ctx;
    for (int i = 0; i < LINES; i++)
        log_at(LOG_INFO, "from a thread", log_int("n", i), log_str("s", "some more text"));
    return NULL;
}

static void lines_of_threads_do_not_mix(void **state)
{
    AUTO(auto_free) char *text = NULL;
    pthread_t threads[THREADS];
    struct capture c;
    char *rest, *one;
    int lines = 0;

    (void)state;
    capture_begin(&c, STDERR_FILENO);
    for (size_t i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, write_lines, NULL), 0);
    for (size_t i = 0; i < THREADS; i++)
        assert_int_equal(pthread_join(threads[i], NULL), 0);
    text = capture_end(&c);
    rest = text;
    while ((one = strsep(&rest, "\n")) && *one) {
        AUTO(auto_json) json_t *line = json_loads(one, 0, NULL);

        assert_non_null(line);
        lines++;
    }
    assert_int_equal(lines, THREADS * LINES);
}

int main(void)
{
    static struct test_list list;

    TEST_ADD(&list, line_has_all);
    TEST_ADD(&list, no_instance_no_member);
    TEST_ADD(&list, least_level_holds_and_errno_is_kept);
    TEST_ADD_ROWS(&list, value_rows, value_is_valid_json);
    TEST_ADD(&list, every_single_byte_gives_valid_json);
    TEST_ADD(&list, long_value_is_cut_and_marked);
    TEST_ADD(&list, long_line_is_cut_and_marked);
    TEST_ADD(&list, huge_names_leave_a_line);
    TEST_ADD(&list, error_gives_kind_text_and_pointer);
    TEST_ADD(&list, lines_of_threads_do_not_mix);
    return test_run("log", &list);
}
