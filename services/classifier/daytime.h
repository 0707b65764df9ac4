/*
 * daytime - how long something took, told by the clock: "14:07 … 到22:00恢复". Pure.
 *
 * Threads     Any; a struct daytime is of one text.
 * Bounds      reads no further than the text.
 */
#ifndef SERVICES_CLASSIFIER_DAYTIME_H
#define SERVICES_CLASSIFIER_DAYTIME_H

#include <stdbool.h>
#include <stddef.h>

/* What the clocks of a text have told so far. */
struct daytime {
    bool is_told;
    long first_min, last_min; /* as it was told first, and last */
    bool has_day;             /* a day was named since the first */
    size_t day_from;          /* looked at for days up to here */
};

/* "14:07", "14时07分", "9点半" at `at`: where it ends, and the minute of the day; `at` when there is none. */
size_t daytime_read(const char *text, size_t len, size_t at, long *ret_min);

/* Takes the clock that stands at `at` and ends at `end`. True: something lasted until then, as long as the range says (minutes; when it may be days,
 * without an end). */
bool daytime_until(struct daytime *d, const char *text, size_t len, size_t at, size_t end,
                   long now_min, double *ret_least, double *ret_most);

#endif
