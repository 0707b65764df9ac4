#include "common/base/clock.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

enum { MS_PER_DAY = 86400000 };

static int64_t read_us(clockid_t which)
{
    struct timespec now;

    (void)clock_gettime(which, &now); /* cannot fail for the two clocks that we read */
    return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

#ifdef TONGBAO_TESTING
#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

static _Atomic int64_t own_shift_ms;
static const _Atomic int64_t *file_shift_ms; /* set before main(), then only read */

__attribute__((constructor)) static void map_test_clock(void)
{
    // NOLINTNEXTLINE(concurrency-mt-unsafe): nothing sets the environment
    const char *path = getenv("TONGBAO_TEST_CLOCK");
    struct stat info;
    void *map = MAP_FAILED;
    int fd;

    if (!path)
        return;
    fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd >= 0 && !fstat(fd, &info) && info.st_size >= (off_t)sizeof(*file_shift_ms))
        map = mmap(NULL, sizeof(*file_shift_ms), PROT_READ, MAP_SHARED, fd, 0);
    if (map == MAP_FAILED) {
        (void)fprintf(stderr, "TONGBAO_TEST_CLOCK: %s does not hold 8 bytes\n", path);
        abort(); /* a test whose clock does not move would prove nothing */
    }
    (void)close(fd);
    file_shift_ms = map;
}

static int64_t test_shift_ms(void)
{
    return atomic_load(&own_shift_ms) + (file_shift_ms ? atomic_load(file_shift_ms) : 0);
}

void clock_test_shift_ms(int64_t shift_ms)
{
    atomic_store(&own_shift_ms, shift_ms);
}
#else
static int64_t test_shift_ms(void)
{
    return 0;
}

void clock_test_shift_ms(int64_t shift_ms)
{
    (void)shift_ms;
}
#endif

int64_t clock_wall_ms(void)
{
    return read_us(CLOCK_REALTIME) / 1000 + test_shift_ms();
}

int64_t clock_mono_ms(void)
{
    return read_us(CLOCK_MONOTONIC) / 1000;
}

int64_t clock_mono_us(void)
{
    return read_us(CLOCK_MONOTONIC);
}

void clock_sleep_ms(int64_t ms)
{
    int64_t end_us = clock_mono_us() + ms * 1000;
    struct timespec end = {.tv_sec = end_us / 1000000, .tv_nsec = end_us % 1000000 * 1000};

    while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &end, NULL) == EINTR)
        continue;
}

/* The civil calendar by eras of 400 years (146 097 days) that begin on 1 March, so that the leap
 * day is the last of its year. gmtime_r() would take a lock for the time zone. */
static int64_t days_of(int year, int month, int day)
{
    int64_t y = month > 2 ? year : year - 1;
    int64_t era = y / 400, year_of_era = y % 400;
    int64_t day_of_year = (153 * (month > 2 ? month - 3 : month + 9) + 2) / 5 + day - 1;

    return era * 146097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year -
           719468;
}

static void date_of(int64_t days, int *ret_year, int *ret_month, int *ret_day)
{
    int64_t since = days + 719468, era = since / 146097, day_of_era = since % 146097;
    int64_t year_of_era =
        (day_of_era - day_of_era / 1460 + day_of_era / 36524 - day_of_era / 146096) / 365;
    int64_t day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    int64_t month = (5 * day_of_year + 2) / 153; /* 0 = March */

    *ret_day = (int)(day_of_year - (153 * month + 2) / 5 + 1);
    *ret_month = (int)(month < 10 ? month + 3 : month - 9);
    *ret_year = (int)(year_of_era + era * 400 + (*ret_month <= 2));
}

static char *put_digits(char *to, int value, int digits)
{
    for (int i = digits - 1; i >= 0; i--, value /= 10)
        to[i] = (char)('0' + value % 10);
    return to + digits;
}

void clock_format_utc(char text[CLOCK_TEXT_MAX], int64_t wall_ms)
{
    int64_t ms = wall_ms < 0 ? 0 : wall_ms > CLOCK_WALL_MAX_MS ? CLOCK_WALL_MAX_MS : wall_ms;
    int of_day = (int)(ms % MS_PER_DAY);
    int year, month, day;
    char *p = text;

    date_of(ms / MS_PER_DAY, &year, &month, &day);
    p = put_digits(p, year, 4);
    *p++ = '-';
    p = put_digits(p, month, 2);
    *p++ = '-';
    p = put_digits(p, day, 2);
    *p++ = 'T';
    p = put_digits(p, of_day / 3600000, 2);
    *p++ = ':';
    p = put_digits(p, of_day / 60000 % 60, 2);
    *p++ = ':';
    p = put_digits(p, of_day / 1000 % 60, 2);
    *p++ = '.';
    p = put_digits(p, of_day % 1000, 3);
    *p++ = 'Z';
    *p = '\0';
}

struct scan {
    const char *at, *end;
    bool failed;
};

static int scan_digits(struct scan *s, int digits)
{
    int value = 0;

    for (int i = 0; i < digits; i++) {
        if (s->failed || s->at == s->end || *s->at < '0' || *s->at > '9') {
            s->failed = true;
            return 0;
        }
        value = value * 10 + (*s->at++ - '0');
    }
    return value;
}

/* One character, in either case where it is a letter; consumed only when it is there. */
static bool scan_is(struct scan *s, char c)
{
    if (s->failed || s->at == s->end || (*s->at != c && (c < 'A' || *s->at != c + 32)))
        return false;
    s->at++;
    return true;
}

static void scan_char(struct scan *s, char c)
{
    s->failed = !scan_is(s, c);
}

static int scan_fraction_ms(struct scan *s)
{
    int ms = 0, weight = 100;

    if (!scan_is(s, '.'))
        return 0;
    do {
        ms += scan_digits(s, 1) * weight;
        weight /= 10;
    } while (!s->failed && s->at < s->end && *s->at >= '0' && *s->at <= '9');
    return ms;
}

static int scan_offset_min(struct scan *s)
{
    int sign, hours, minutes;

    if (scan_is(s, 'Z'))
        return 0;
    sign = scan_is(s, '-') ? -1 : 1;
    if (sign > 0)
        scan_char(s, '+');
    hours = scan_digits(s, 2);
    scan_char(s, ':');
    minutes = scan_digits(s, 2);
    if (hours > 23 || minutes > 59)
        s->failed = true;
    return sign * (hours * 60 + minutes);
}

static int days_in(int year, int month)
{
    static const int days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    bool leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;

    return days[month - 1] + (month == 2 && leap);
}

struct fields {
    int year, month, day, hour, minute, second, fraction_ms, offset_min;
};

static bool scan_all(struct fields *ret, const char *text, size_t len)
{
    struct scan s = {.at = text, .end = text + len};

    ret->year = scan_digits(&s, 4);
    scan_char(&s, '-');
    ret->month = scan_digits(&s, 2);
    scan_char(&s, '-');
    ret->day = scan_digits(&s, 2);
    scan_char(&s, 'T');
    ret->hour = scan_digits(&s, 2);
    scan_char(&s, ':');
    ret->minute = scan_digits(&s, 2);
    scan_char(&s, ':');
    ret->second = scan_digits(&s, 2);
    ret->fraction_ms = scan_fraction_ms(&s);
    ret->offset_min = scan_offset_min(&s);
    return !s.failed && s.at == s.end;
}

static int64_t wall_of(const struct fields *f)
{
    return days_of(f->year, f->month, f->day) * MS_PER_DAY +
           ((f->hour * 60 + f->minute - f->offset_min) * INT64_C(60) + f->second) * 1000 +
           f->fraction_ms;
}

/* NULL: nothing is wrong. */
static const char *fault_of(const struct fields *f)
{
    if (f->year < 1970)
        return "the year must be 1970 or later";
    if (f->month < 1 || f->month > 12 || f->day < 1 || f->day > days_in(f->year, f->month))
        return "there is no such day";
    if (f->hour > 23 || f->minute > 59 || f->second > 59)
        return "there is no such time of day";
    if (wall_of(f) < 0 || wall_of(f) > CLOCK_WALL_MAX_MS)
        return "in UTC it must be in the years 1970 to 9999";
    return NULL;
}

const char *clock_refusal(const char *text, size_t len)
{
    struct fields fields;

    return scan_all(&fields, text, len) ? fault_of(&fields) : NULL;
}

bool clock_parse(int64_t *ret_wall_ms, const char *text, size_t len)
{
    struct fields fields;

    if (!scan_all(&fields, text, len) || fault_of(&fields))
        return false;
    *ret_wall_ms = wall_of(&fields);
    return true;
}
