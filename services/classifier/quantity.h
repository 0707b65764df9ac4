/*
 * quantity - a number as people write it, read as the range of values that it can mean. Pure.
 *
 *     "12,000"  "1.2万"  "一百二十万"  "3个半"  "半"  "2 million"  "three"         one value
 *     "30多万"  "十余"  "超过600万"  "more than 40"                               up to the next round number: 300 000 to 400 000
 *     "至少1万"  "at least 10 000"                                               up to ten times as much
 *     "近千"  "不足100万"  "nearly 500"  "fewer than 50"                          below it
 *     "数百"  "几十"  "several"  "hundreds of"                                    one to ten times the unit
 *
 * Full-width digits too; simplified characters (words_normalise()). "约" and "about" say nothing of which way, and count as the number itself.
 *
 * Threads     Any. Bounds: reads no further than the number; numbers up to 1e15.
 */
#ifndef SERVICES_CLASSIFIER_QUANTITY_H
#define SERVICES_CLASSIFIER_QUANTITY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct quantity {
    double at_least, at_most;
    size_t end; /* behind the number, its multiplier and what says how near it is */
};

/* Can a number, or a word before one, begin with the symbol (symbol.h)? Most do not. */
bool quantity_may_begin(uint16_t symbol);

/* Is there a number (or a word such as "超过" before one) at `at`, the first byte of a character? */
bool quantity_read(const char *text, size_t len, size_t at, struct quantity *ret);

/* A word behind the unit: "2小时以上", "3 hours or more". Widens or narrows the range, and moves the end behind it. */
void quantity_read_after(const char *text, size_t len, struct quantity *q);

#endif
