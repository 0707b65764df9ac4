#include "services/notifier/directory.h"

#include <string.h>

#include "common/db/db.h"

void directory_free(struct directory *d)
{
    if (!d)
        return;
    for (size_t i = 0; i < ARRAY_LEN(d->results); i++)
        PQclear(d->results[i]);
    free(d->contacts);
    free(d->holders);
    free(d->absences);
    free(d);
}

const struct contact *directory_contacts(const struct directory *d, const char *person_id,
                                         size_t *ret_n)
{
    size_t low = 0, high = d->contacts_n, end;

    while (low < high) {
        size_t middle = low + (high - low) / 2;

        if (strcmp(d->contacts[middle].person_id, person_id) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    for (end = low; end < d->contacts_n && strcmp(d->contacts[end].person_id, person_id) == 0;)
        end++;
    *ret_n = end - low;
    return end > low ? &d->contacts[low] : NULL;
}

const struct contact *directory_contact(const struct directory *d, const char *person_id,
                                        enum channel channel, const char *address)
{
    size_t n;
    const struct contact *contacts = directory_contacts(d, person_id, &n);

    for (size_t i = 0; i < n; i++)
        if (contacts[i].channel == channel && strcmp(contacts[i].address, address) == 0)
            return &contacts[i];
    return NULL;
}

bool directory_is_absent(const struct directory *d, const char *person_id, int64_t at_ms)
{
    for (size_t i = 0; i < d->absences_n; i++)
        if (d->absences[i].from_ms <= at_ms && at_ms < d->absences[i].to_ms &&
            strcmp(d->absences[i].person_id, person_id) == 0)
            return true;
    return false;
}
