/*
 * directory - who holds which role now: a snapshot of the registry, asked without waiting for anything.
 *
 * Roles       An enterprise's role: its holder of the lowest rank who is not absent (A, then B). A role of the park: who has it
 *             on the duty rota at that time and is not absent, else the park's own holders.
 * Threads     Filled on one thread; after directory_seal() immutable.
 * Bounds      DIRECTORY_ROWS_MAX rows of each kind.
 * Errors      ERR_TRANSIENT: over a bound (the snapshot before it stays in use).
 */
#ifndef SERVICES_ESCALATOR_DIRECTORY_H
#define SERVICES_ESCALATOR_DIRECTORY_H

#include "proto/event.h"

#define DIRECTORY_ROWS_MAX ((size_t)1000000)

struct directory;

struct directory *directory_new(void); /* NULL: out of memory */
void directory_free(struct directory *d);
DEFINE_AUTO(auto_directory, struct directory, directory_free)

void directory_set_park(struct directory *d, const char *enterprise_id);
bool directory_add_holder(struct directory *d, const char *enterprise_id, enum role role,
                          int64_t rank, const char *person_id, struct err *err) MUST_CHECK;
bool directory_add_duty(struct directory *d, enum role role, const char *person_id, int64_t from_ms,
                        int64_t to_ms, struct err *err) MUST_CHECK;
bool directory_add_absence(struct directory *d, const char *person_id, int64_t from_ms,
                           int64_t to_ms, struct err *err) MUST_CHECK;
void directory_seal(struct directory *d);

/* NULL: nobody. */
const struct id *directory_find(const struct directory *d, const struct id *enterprise_id,
                                enum scope scope, enum role role, int64_t at_ms);

#endif
