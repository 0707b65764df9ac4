/*
 * numbers - the numbers of a text with what they count, each as a range, in the clause and the sentence in which they stand. Pure.
 *
 * A number (quantity.h) counts what its unit says (units.h): the word behind it, or before it, or a noun a little behind ("12,000 customer records"),
 * or, when nothing at all is behind it, the noun before it. Digits in a row that are too many, or that name somebody ("手机号13812345678"), count nothing. From … until, told by the clock (daytime.h), is a number of minutes. "2小时30分钟" is one.
 *
 * Threads     Any. Bounds: NUMBERS_MAX numbers and 128 looks a text; when there are more, or one that is not understood, has_unread is set.
 */
#ifndef SERVICES_CLASSIFIER_NUMBERS_H
#define SERVICES_CLASSIFIER_NUMBERS_H

#include "services/classifier/units.h"

#define NUMBERS_MAX 32

struct number {
    double at_least, at_most;
    size_t unit;
    size_t from, to; /* the number with its unit */
    size_t clause_from, clause_to, sentence_from, sentence_to;
    size_t clause_before; /* of the same sentence; clause_from: there is none */
};

struct numbers {
    struct number numbers[NUMBERS_MAX];
    size_t n;
    bool has_unread; /* there are numbers that were not read, or not understood */
};

void numbers_scan(const struct units *units, const char *text, size_t len, struct numbers *ret);

#endif
