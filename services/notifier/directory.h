/*
 * directory - how people are reached, and who stands in for whom: a snapshot of the registry.
 *
 * Threads     Read-only once it is made; the owner replaces it as a whole.
 * Ownership   Texts live as long as the directory.
 */
#ifndef SERVICES_NOTIFIER_DIRECTORY_H
#define SERVICES_NOTIFIER_DIRECTORY_H

#include <stddef.h>
#include <stdint.h>

#include "common/base/cleanup.h"
#include "proto/event.h"

struct contact {
    const char *person_id, *language;
    enum channel channel;
    const char *address, *secret; /* secret: NULL without one */
};

struct role_holder {
    const char *enterprise_id;
    enum role role;
    const char *person_id;
};

struct absence {
    const char *person_id;
    int64_t from_ms, to_ms;
};

struct directory {
    int64_t version;          /* registry.version that it shows */
    const char *park_id;      /* the park's own enterprise; "" when there is none */
    struct contact *contacts; /* by person, then in the order in which they are tried */
    size_t contacts_n;
    struct role_holder *holders; /* by enterprise and role, then by rank */
    size_t holders_n;
    struct absence *absences;
    size_t absences_n;
    void *results[4]; /* what the texts point into */
};

void directory_free(struct directory *d);
DEFINE_AUTO(auto_directory, struct directory, directory_free)

/* The person's contacts, *ret_n of them, in order; NULL: none. */
const struct contact *directory_contacts(const struct directory *d, const char *person_id,
                                         size_t *ret_n);

/* The person's contact with this channel and address; NULL: it is not registered any more. */
const struct contact *directory_contact(const struct directory *d, const char *person_id,
                                        enum channel channel, const char *address);

bool directory_is_absent(const struct directory *d, const char *person_id, int64_t at_ms);

#endif
