/*
 * registry - who may call: an immutable picture of the enterprises and keys, made from one JSON
 * text.
 *
 * Threads     A picture never changes; references are counted atomically: any thread.
 * Ownership   Callers are borrowed from the picture and live as long as a reference to it is held.
 * Bounds      REGISTRY_TEXT_MAX_BYTES, and those of registry.def.
 * Errors      ERR_INPUT naming the place: the text is damaged. A row that our contract does not
 *             allow is left out, and told: it must not keep the others from being known, or
 *             revoked.
 */
#ifndef SERVICES_INTAKE_REGISTRY_H
#define SERVICES_INTAKE_REGISTRY_H

#include "services/intake/intake.h"

#define REGISTRY_TEXT_MAX_BYTES ((size_t)256 * 1024 * 1024)

struct registry;

bool registry_parse(struct registry **ret, const char *text, size_t len,
                    struct err *err) MUST_CHECK;
struct registry *registry_ref(struct registry *r);
void registry_unref(struct registry *r);
DEFINE_AUTO(auto_registry, struct registry, registry_unref)

int64_t registry_version(const struct registry *r);
size_t registry_keys_n(const struct registry *r);

/* Rows that were left out: how many, and of the first ones which and why (NULL behind them). */
size_t registry_left_out_n(const struct registry *r);
const char *registry_left_out(const struct registry *r, size_t index);

/* The caller behind an Authorization header. NULL: malformed, unknown, revoked or wrong, which take
 * the same time. */
const struct caller *registry_authenticate(const struct registry *r, const char *authorization);

#endif
