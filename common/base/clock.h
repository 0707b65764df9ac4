/*
 * clock - the two times, and how tests drive them.
 *
 * Wall time    int64_t milliseconds since 1970 UTC: what is stored, compared with due times, shown.
 * Monotonic    for waiting and deadlines inside a process.
 * Threads      all functions from any thread.
 * Tests        clock_test_shift_ms() moves the wall time of this process. A process started with
 *              TONGBAO_TEST_CLOCK=FILE maps the file's first 8 bytes (a native int64, milliseconds)
 *              and adds them to every wall reading: a test moves all services at once, without
 *              sleeping. Both only in builds with TONGBAO_TESTING (Debug); a release ignores them.
 */
#ifndef COMMON_BASE_CLOCK_H
#define COMMON_BASE_CLOCK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

int64_t clock_wall_ms(void);
int64_t clock_mono_ms(void);
int64_t clock_mono_us(void);
void clock_sleep_ms(int64_t ms);

void clock_test_shift_ms(int64_t shift_ms);

/* RFC 3339. clock_format_utc writes "2026-11-22T03:00:00.000Z" (24 characters and a NUL).
 * clock_parse accepts any RFC 3339 date-time with an offset, years 1970 to 9999, seconds 00 to 59,
 * a fraction of any length (cut to ms); real calendar days only. Both keep to 1970 … 9999 in UTC:
 * a time outside is refused by clock_parse, and shown as the nearest end by clock_format_utc. */
#define CLOCK_TEXT_MAX    25
#define CLOCK_WALL_MAX_MS INT64_C(253402300799999)
void clock_format_utc(char text[CLOCK_TEXT_MAX], int64_t wall_ms);
bool clock_parse(int64_t *ret_wall_ms, const char *text, size_t len);

/* Why clock_parse() refuses a text that has the form of a time: "there is no such day". NULL: it
 * has another form, or is taken. */
const char *clock_refusal(const char *text, size_t len);

#endif
