/*
 * units - the words that say what a number counts: units behind it, nouns and signs before it. Pure.
 *
 *     "units":  {"minutes": {"分钟": 1, "小时": 60, …}, "yuan": {"元": 1, "美元": [6, 8], …}, …}       stand behind their number
 *     "nouns":  {"persons": ["客户", …]}         stand before a number without a unit: "影响客户800多万"
 *     "before": {"yuan": {"¥": 1, …}}            stand before their number
 *     "digits": {"persons": 10}                  a longer row of digits counts no persons: it is somebody's telephone number
 *
 * Threads     struct units is immutable after units_load(): any thread.
 * Ownership   Borrows the source document.
 * Bounds      UNITS_MAX units, UNIT_WORDS_MAX words. Looking allocates nothing.
 * Errors      ERR_INPUT with the pointer of the place.
 */
#ifndef SERVICES_CLASSIFIER_UNITS_H
#define SERVICES_CLASSIFIER_UNITS_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/base/cleanup.h"
#include "common/base/err.h"

#define UNITS_MAX      16
#define UNIT_WORDS_MAX 320

enum unit_place { UNIT_BEHIND, UNIT_NOUN, UNIT_BEFORE };
#define UNIT_PLACES (UNIT_BEFORE + 1)

struct unit_word { /* "小时": 60 of minutes */
    const char *text;
    size_t len, unit;
    double at_least, at_most;
    enum unit_place place;
};

struct units {
    const char *names[UNITS_MAX];
    size_t names_n;
    size_t digits_max[UNITS_MAX]; /* in a row */
    size_t minutes;               /* the unit of what the clock tells; UNITS_MAX: none */
    /* In order of place and of the byte that units_at() looks at first; of those longer ones first. */
    struct unit_word words[UNIT_WORDS_MAX];
    size_t words_n;
    uint16_t from[UNIT_PLACES]
                 [257]; /* the first word of a byte; behind its last the next byte's begin */
};

bool units_load(struct units *ret, json_t *source, struct err *err) MUST_CHECK;
bool units_find(const struct units *u, const char *name, size_t *ret);

/* The longest word that begins at `at`, of another place than UNIT_BEHIND: that ends there. NULL: none. Latin ones whole. */
const struct unit_word *units_at(const struct units *u, const char *text, size_t len, size_t at,
                                 enum unit_place place);

#endif
