#include "services/classifier/daytime.h"

#include <math.h>

#include "common/base/cleanup.h"
#include "services/classifier/spot.h"

#define DAY_MIN     1440
#define UNTIL_STEPS 6 /* between a clock and "恢复" */

static size_t read_digits(const char *text, size_t len, size_t at, long *ret)
{
    size_t i = at;

    for (*ret = 0; i < len && i < at + 2 && ascii_is_digit(text[i]); i++)
        *ret = *ret * 10 + (text[i] - '0');
    return i;
}

static bool is_afternoon(const char *text, size_t len, size_t at, size_t end)
{
    static const char *const words[] = {"下午", "晚上", "晚间", "傍晚", "当晚", "夜里"};
    size_t behind = spot_skip_blanks(text, len, end);

    for (size_t i = 0; i < ARRAY_LEN(words); i++)
        if (spot_ends(text, len, at, words[i], strlen(words[i])))
            return true;
    return spot_has(text, len, behind, "pm") || spot_has(text, len, behind, "p.m.");
}

size_t daytime_read(const char *text, size_t len, size_t at, long *ret_min)
{
    static const char *const marks[] = {":", "\xEF\xBC\x9A", "时", "点"};
    long hours, minutes = 0;
    size_t i = read_digits(text, len, at, &hours), end;

    if (i == at || hours > 24 || (at > 0 && ascii_is_alnum(text[at - 1])))
        return at;
    for (size_t m = 0; m < ARRAY_LEN(marks); m++) {
        if (!spot_has(text, len, i, marks[m]))
            continue;
        i += strlen(marks[m]);
        end = read_digits(text, len, i, &minutes);
        if (m < 2 && end != i + 2)
            return at;
        if (spot_has(text, len, end, "分") && !spot_has(text, len, end, "分钟"))
            end += strlen("分");
        if (end == i && spot_has(text, len, i, "半")) {
            minutes = 30;
            end += strlen("半");
        }
        hours += hours < 12 && is_afternoon(text, len, at, end) ? 12 : 0;
        *ret_min = hours * 60 + minutes;
        return end;
    }
    return at;
}

/* "到22:00才全部恢复", "16:50恢复" */
static bool is_until(const char *text, size_t len, size_t from, size_t to)
{
    static const char *const until[] = {"到", "至", "-", "~", "—", "–", "until", "till", "to"};
    static const char *const halves[] = {"上午", "中午", "下午", "晚上", "晚间", "傍晚",
                                         "凌晨", "当晚", "次日", "当日", "当天"};
    size_t at = spot_skip_back(text, from);

    for (size_t i = 0; i < ARRAY_LEN(halves); i++)
        if (spot_ends(text, len, at, halves[i], strlen(halves[i])))
            at = spot_skip_back(text, at - strlen(halves[i]));
    for (size_t i = 0; i < ARRAY_LEN(until); i++)
        if (spot_ends(text, len, at, until[i], strlen(until[i])))
            return true;
    for (int steps = 0; steps < UNTIL_STEPS; steps++) {
        if (spot_has(text, len, to, "恢复"))
            return true;
        if (!spot_step(text, len, &to))
            return false;
    }
    return false;
}

/* Between two clocks: then they are not of one day. */
static bool names_day(const char *text, size_t len, size_t from, size_t to)
{
    static const char *const words[] = {"日",   "号",        "第二天", "隔天",    "翌",
                                        "次",   "天后",      "明",     "今早",    "今晨",
                                        "next", "following", "day",    "morning", "later"};

    for (size_t at = from; at < to; at++)
        for (size_t i = 0; i < ARRAY_LEN(words); i++)
            if (spot_has(text, len, at, words[i]))
                return true;
    return false;
}

bool daytime_until(struct daytime *d, const char *text, size_t len, size_t at, size_t end,
                   long now_min, double *ret_least, double *ret_most)
{
    bool is_end = d->is_told && is_until(text, len, at, end);

    if (is_end) {
        double least = (double)((now_min - d->last_min + 2 * DAY_MIN) % DAY_MIN);
        double most = (double)((now_min - d->first_min + 2 * DAY_MIN) % DAY_MIN);

        d->has_day = d->has_day || names_day(text, len, d->day_from, at);
        d->day_from = at;
        *ret_least = least;
        *ret_most = d->has_day ? HUGE_VAL : fmax(least, most);
    }
    if (!d->is_told) {
        d->first_min = now_min;
        d->day_from = end;
    }
    d->is_told = true;
    d->last_min = now_min;
    return is_end;
}
