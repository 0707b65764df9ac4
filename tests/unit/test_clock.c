#include "common/base/clock.h"

#include <fcntl.h>
#include <stdio.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "tests/support/test.h"

#define REFUSED INT64_MIN

static const struct row {
    const char *name, *text;
    int64_t want_ms;
} rows[] = {
    {"the epoch", "1970-01-01T00:00:00Z", 0},
    {"the epoch, with ms", "1970-01-01T00:00:00.001Z", 1},
    {"a date of today", "2026-11-22T03:00:00Z", 1795316400000},
    {"an offset east", "2026-11-22T11:00:00+08:00", 1795316400000},
    {"an offset west", "2026-11-21T23:30:00-03:30", 1795316400000},
    {"an unknown offset", "2026-11-22T03:00:00-00:00", 1795316400000},
    {"the greatest offset", "2026-11-23T02:59:00+23:59", 1795316400000},
    {"small letters", "2026-11-22t03:00:00z", 1795316400000},
    {"one digit of fraction", "2026-11-22T03:00:00.5Z", 1795316400500},
    {"two digits", "2026-11-22T03:00:00.05Z", 1795316400050},
    {"nine digits are cut, not rounded", "2026-11-22T03:00:00.999999999Z", 1795316400999},
    {"forty digits", "2026-11-22T03:00:00.1230000000000000000000000000000000000001Z",
     1795316400123},
    {"leap day of a 4th year", "2024-02-29T00:00:00Z", 1709164800000},
    {"the day after it", "2024-03-01T00:00:00Z", 1709251200000},
    {"leap day of a 400th year", "2000-02-29T23:59:59Z", 951868799000},
    {"the last moment", "9999-12-31T23:59:59.999Z", CLOCK_WALL_MAX_MS},
    {"into the year before, by its offset", "2027-01-01T00:30:00+01:00", 1798759800000},
    {"no leap day in 2023", "2023-02-29T00:00:00Z", REFUSED},
    {"no leap day in 2100", "2100-02-29T00:00:00Z", REFUSED},
    {"31 April", "2026-04-31T00:00:00Z", REFUSED},
    {"day 0", "2026-04-00T00:00:00Z", REFUSED},
    {"day 32", "2026-01-32T00:00:00Z", REFUSED},
    {"month 0", "2026-00-01T00:00:00Z", REFUSED},
    {"month 13", "2026-13-01T00:00:00Z", REFUSED},
    {"hour 24", "2026-01-01T24:00:00Z", REFUSED},
    {"minute 60", "2026-01-01T00:60:00Z", REFUSED},
    {"leap second", "2016-12-31T23:59:60Z", REFUSED},
    {"year 1969", "1969-12-31T23:59:59Z", REFUSED},
    {"before the epoch by its offset", "1970-01-01T00:00:00+00:01", REFUSED},
    {"after 9999 by its offset", "9999-12-31T23:59:59-00:01", REFUSED},
    {"five digits of year", "10000-01-01T00:00:00Z", REFUSED},
    {"offset of 24 hours", "2026-01-01T00:00:00+24:00", REFUSED},
    {"offset of 60 minutes", "2026-01-01T00:00:00+01:60", REFUSED},
    {"offset without colon", "2026-01-01T00:00:00+0800", REFUSED},
    {"offset without minutes", "2026-01-01T00:00:00+08", REFUSED},
    {"offset without sign", "2026-01-01T00:00:00 08:00", REFUSED},
    {"no offset", "2026-01-01T00:00:00", REFUSED},
    {"no seconds", "2026-01-01T00:00Z", REFUSED},
    {"a space for the T", "2026-01-01 00:00:00Z", REFUSED},
    {"a date alone", "2026-01-01", REFUSED},
    {"empty fraction", "2026-01-01T00:00:00.Z", REFUSED},
    {"comma for the point", "2026-01-01T00:00:00,5Z", REFUSED},
    {"sign in the year", "+026-01-01T00:00:00Z", REFUSED},
    {"blank in a number", "2026- 1-01T00:00:00Z", REFUSED},
    {"more behind it", "2026-01-01T00:00:00Zx", REFUSED},
    {"blank in front", " 2026-01-01T00:00:00Z", REFUSED},
    {"empty", "", REFUSED},
};

static void text_is_read(void **state)
{
    const struct row *row = *state;
    AUTO(auto_free) char *exact = malloc(strlen(row->text) + 1); /* ends where len says */
    int64_t got = REFUSED;

    assert_non_null(exact);
    memcpy(exact, row->text, strlen(row->text));
    exact[strlen(row->text)] = '7'; /* one digit more than belongs to it */
    assert_int_equal(clock_parse(&got, exact, strlen(row->text)), row->want_ms != REFUSED);
    assert_int_equal(got, row->want_ms);
}

static const struct why_row {
    const char *name, *text, *why; /* NULL: it has not the form of a time, or is taken */
} why_rows[] = {
    {"why: a day that is taken", "2026-11-30T03:00:00+08:00", NULL},
    {"why: another form", "30 November", NULL},
    {"why: 31 November", "2026-11-31T03:00:00+08:00", "there is no such day"},
    {"why: month 13", "2026-13-01T03:00:00+08:00", "there is no such day"},
    {"why: 1926", "1926-11-22T03:00:00+08:00", "the year must be 1970 or later"},
    {"why: hour 24", "2026-11-22T24:00:00Z", "there is no such time of day"},
    {"why: out of UTC's years", "1970-01-01T00:00:00+00:01", "in UTC it must be"},
};

static void a_refusal_is_explained(void **state)
{
    const struct why_row *row = *state;
    const char *got = clock_refusal(row->text, strlen(row->text));

    assert_int_equal(got != NULL, row->why != NULL);
    if (got)
        assert_non_null(strstr(got, row->why));
}

static void every_prefix_is_refused(void **state)
{
    static const char text[] = "2026-11-22T11:00:00.123+08:00";
    int64_t got;

    (void)state;
    for (size_t len = 0; len < strlen(text); len++)
        assert_false(clock_parse(&got, text, len));
    assert_true(clock_parse(&got, text, strlen(text)));
}

/* Each day from 1970 to 9999 at a time that moves through the day, against the C library. */
static void format_agrees_with_libc_and_is_read_back(void **state)
{
    (void)state;
    for (int64_t day = 0; day <= CLOCK_WALL_MAX_MS / 86400000; day++) {
        int64_t ms = day * 86400000 + day * 7919 % 86400000, back = -1;
        time_t seconds = (time_t)(ms / 1000);
        char got[CLOCK_TEXT_MAX], date[24], want[64];
        struct tm tm;

        clock_format_utc(got, ms);
        assert_non_null(gmtime_r(&seconds, &tm));
        assert_true(strftime(date, sizeof(date), "%Y-%m-%dT%H:%M:%S", &tm));
        (void)snprintf(want, sizeof(want), "%s.%03dZ", date, (int)(ms % 1000));
        assert_string_equal(got, want);
        assert_true(clock_parse(&back, got, strlen(got)));
        assert_true(back == ms);
    }
}

static void format_stays_in_its_range(void **state)
{
    char text[CLOCK_TEXT_MAX];

    (void)state;
    clock_format_utc(text, -1);
    assert_string_equal(text, "1970-01-01T00:00:00.000Z");
    clock_format_utc(text, INT64_MAX);
    assert_string_equal(text, "9999-12-31T23:59:59.999Z");
}

static void clocks_move(void **state)
{
    int64_t wall_ms = clock_wall_ms(), mono_us = clock_mono_us(), mono_ms = clock_mono_ms();

    (void)state;
    assert_in_range(wall_ms / 1000, time(NULL) - 2, time(NULL) + 2);
    assert_in_range(mono_ms, mono_us / 1000, mono_us / 1000 + 1000);
    clock_sleep_ms(3);
    assert_true(clock_mono_us() - mono_us >= 3000);
    clock_sleep_ms(0);
    clock_sleep_ms(-5);
}

#ifdef TONGBAO_TESTING
static void shift_moves_the_wall_only(void **state)
{
    int64_t wall_ms = clock_wall_ms(), mono_ms = clock_mono_ms();

    (void)state;
    clock_test_shift_ms(3600000);
    assert_in_range(clock_wall_ms() - wall_ms, 3600000, 3600000 + 60000);
    assert_in_range(clock_mono_ms() - mono_ms, 0, 60000);
    clock_test_shift_ms(0);
    assert_in_range(clock_wall_ms() - wall_ms, 0, 60000);
}

/* Starts this program again with TONGBAO_TEST_CLOCK: the map is made before main(). */
static int run_with_clock(const char *path)
{
    int status = 0;
    pid_t pid = fork();

    if (pid == 0) {
        setenv("TONGBAO_TEST_CLOCK", path, 1);
        execl("/proc/self/exe", "test_clock", "follow", path, (char *)NULL);
        _exit(99);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    return status;
}

/* The other side: 0 when the wall follows the file while the file changes. */
static int follow(const char *path)
{
    for (int64_t shift_ms = -7200000; shift_ms <= 7200000; shift_ms += 3600000) {
        int fd = open(path, O_WRONLY | O_CLOEXEC);
        ssize_t n = write(fd, &shift_ms, sizeof(shift_ms));
        int64_t off_ms = clock_wall_ms() - shift_ms - (int64_t)time(NULL) * 1000;

        (void)close(fd);
        if (n != sizeof(shift_ms) || off_ms < -60000 || off_ms > 60000)
            return 1;
    }
    return 0;
}

static void file_moves_the_wall(void **state)
{
    char path[] = "/tmp/test_clock_XXXXXX";
    int64_t zero = 0;
    int fd = mkstemp(path);
    int status;

    (void)state;
    assert_true(fd >= 0);
    assert_int_equal(write(fd, &zero, sizeof(zero)), sizeof(zero));
    (void)close(fd);
    status = run_with_clock(path);
    (void)unlink(path);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
}

static void missing_clock_file_is_no_silent_real_time(void **state)
{
    int status = run_with_clock("/nonexistent/clock");

    (void)state;
    assert_true(WIFSIGNALED(status));
}
#endif

int main(int argc, char **argv)
{
    static struct test_list list;

    TEST_ADD_ROWS(&list, rows, text_is_read);
    TEST_ADD_ROWS(&list, why_rows, a_refusal_is_explained);
    TEST_ADD(&list, every_prefix_is_refused);
    TEST_ADD(&list, format_agrees_with_libc_and_is_read_back);
    TEST_ADD(&list, format_stays_in_its_range);
    TEST_ADD(&list, clocks_move);
#ifdef TONGBAO_TESTING
    if (argc == 3)
        return follow(argv[2]);
    TEST_ADD(&list, shift_moves_the_wall_only);
    TEST_ADD(&list, file_moves_the_wall);
    TEST_ADD(&list, missing_clock_file_is_no_silent_real_time);
#else
    (void)argc, (void)argv;
#endif
    return test_run("clock", &list);
}
