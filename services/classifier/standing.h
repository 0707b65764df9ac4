/*
 * standing - what the grade that stands says of each regime, and that no later grade by rules takes it back: legal duties run by regime, and only a person
 * lowers. Pure.
 *
 * Threads     Any. Ownership: plain values.
 * Bounds      POLICY_REGIMES_MAX regimes.
 */
#ifndef SERVICES_CLASSIFIER_STANDING_H
#define SERVICES_CLASSIFIER_STANDING_H

#include "proto/event.h"
#include "services/classifier/policy.h"

#define REGIME_ID_MAX_BYTES 257 /* 64 characters */

struct standing {
    struct standing_regime {
        char regime[REGIME_ID_MAX_BYTES];
        bool has_level;
        enum level level;
        bool is_reportable;
    } regimes[POLICY_REGIMES_MAX];
    size_t n;
};

/* Of the regimes that have a level, or that it has to be reported under. */
void standing_of(struct standing *ret, const struct incident_classified *grade);

/* Raises `body` to what stands, and asks for a person where it does. Texts go into the arena. */
bool standing_keep(const struct standing *s, struct incident_classified *body, struct arena *arena,
                   struct err *err) MUST_CHECK;

/* {"cac-2025":"extreme","eu-nis2":"reportable"}: as it is stored. What cannot be read says nothing. */
bool standing_write(const struct standing *s, struct buf *out, struct err *err) MUST_CHECK;
void standing_read(struct standing *ret, const char *text);

#endif
