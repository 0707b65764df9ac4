/*
 * backoff - the pause before work is tried again: 100 ms, doubled with each failure in a row up to
 * 5 s, of which a random part of up to a half is taken away, so that many do not come back at the
 * same moment. Pure.
 */
#ifndef COMMON_SERVICE_BACKOFF_H
#define COMMON_SERVICE_BACKOFF_H

#include <stdint.h>

enum { BACKOFF_FIRST_MS = 100, BACKOFF_MAX_MS = 5000 };

static inline int64_t backoff_ms(unsigned failures_before, uint32_t random)
{
    int64_t pause_ms =
        failures_before < 6 ? (int64_t)BACKOFF_FIRST_MS << failures_before : BACKOFF_MAX_MS;

    return pause_ms - (int64_t)(random % (uint32_t)(pause_ms / 2 + 1));
}

#endif
