#include "services/escalator/directory.h"

#include <string.h>

struct holder {
    struct id enterprise_id, person_id;
    enum role role;
    int64_t rank;
};

struct span { /* from is in it, to is not */
    struct id person_id;
    enum role role; /* duty only */
    int64_t from_ms, to_ms;
};

struct rows {
    void *items;
    size_t n, cap;
};

struct directory {
    struct id park;
    struct rows holders;  /* struct holder, sorted by enterprise, role, rank */
    struct rows absences; /* struct span, sorted by person */
    struct rows duties;   /* struct span, as they came: few are in force */
};

struct directory *directory_new(void)
{
    return calloc(1, sizeof(struct directory));
}

void directory_free(struct directory *d)
{
    if (!d)
        return;
    free(d->holders.items);
    free(d->absences.items);
    free(d->duties.items);
    free(d);
}

static bool add(struct rows *rows, const void *item, size_t size, struct err *err)
{
    if (rows->n == rows->cap) {
        size_t cap = rows->cap ? 2 * rows->cap : 64;
        void *more = rows->n < DIRECTORY_ROWS_MAX ? realloc(rows->items, cap * size) : NULL;

        if (!more)
            return err_set(err, ERR_TRANSIENT, "directory: no room for more than %zu rows",
                           rows->n);
        rows->items = more;
        rows->cap = cap;
    }
    memcpy((char *)rows->items + rows->n++ * size, item, size);
    return true;
}

static struct id id_of(const char *text)
{
    struct id id = {0};

    (void)id_set(&id, text, strlen(text));
    return id;
}

void directory_set_park(struct directory *d, const char *enterprise_id)
{
    d->park = id_of(enterprise_id);
}

bool directory_add_holder(struct directory *d, const char *enterprise_id, enum role role,
                          int64_t rank, const char *person_id, struct err *err)
{
    struct holder row = {id_of(enterprise_id), id_of(person_id), role, rank};

    return add(&d->holders, &row, sizeof(row), err);
}

bool directory_add_duty(struct directory *d, enum role role, const char *person_id, int64_t from_ms,
                        int64_t to_ms, struct err *err)
{
    struct span row = {id_of(person_id), role, from_ms, to_ms};

    return add(&d->duties, &row, sizeof(row), err);
}

bool directory_add_absence(struct directory *d, const char *person_id, int64_t from_ms,
                           int64_t to_ms, struct err *err)
{
    struct span row = {.person_id = id_of(person_id), .from_ms = from_ms, .to_ms = to_ms};

    return add(&d->absences, &row, sizeof(row), err);
}

static int compare(int64_t a, int64_t b)
{
    return a < b ? -1 : a > b;
}

static int by_enterprise(const void *a, const void *b)
{
    const struct holder *x = a, *y = b;
    int order = strcmp(x->enterprise_id.text, y->enterprise_id.text);

    if (order == 0)
        order = compare((int64_t)x->role, (int64_t)y->role);
    return order ? order : compare(x->rank, y->rank);
}

static int by_person(const void *a, const void *b)
{
    const struct span *x = a, *y = b;
    int order = strcmp(x->person_id.text, y->person_id.text);

    return order ? order : compare(x->from_ms, y->from_ms);
}

void directory_seal(struct directory *d)
{
    if (d->holders.n > 0)
        qsort(d->holders.items, d->holders.n, sizeof(struct holder), by_enterprise);
    if (d->absences.n > 0)
        qsort(d->absences.items, d->absences.n, sizeof(struct span), by_person);
}

static bool covers(const struct span *s, int64_t at_ms)
{
    return s->from_ms <= at_ms && at_ms < s->to_ms;
}

static bool is_absent(const struct directory *d, const struct id *person, int64_t at_ms)
{
    const struct span *spans = d->absences.items;
    size_t low = 0, high = d->absences.n;

    while (low < high) { /* the person's first row */
        size_t middle = low + (high - low) / 2;

        if (strcmp(spans[middle].person_id.text, person->text) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    for (; low < d->absences.n && strcmp(spans[low].person_id.text, person->text) == 0; low++)
        if (covers(&spans[low], at_ms))
            return true;
    return false;
}

static const struct id *holder_of(const struct directory *d, const struct id *enterprise_id,
                                  enum role role, int64_t at_ms)
{
    const struct holder key = {.enterprise_id = *enterprise_id, .role = role, .rank = INT64_MIN};
    const struct holder *rows = d->holders.items;
    size_t low = 0, high = d->holders.n;

    while (low < high) { /* the role's first row */
        size_t middle = low + (high - low) / 2;

        if (by_enterprise(&rows[middle], &key) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    for (; low < d->holders.n && rows[low].role == role &&
           strcmp(rows[low].enterprise_id.text, enterprise_id->text) == 0;
         low++)
        if (!is_absent(d, &rows[low].person_id, at_ms))
            return &rows[low].person_id;
    return NULL;
}

const struct id *directory_find(const struct directory *d, const struct id *enterprise_id,
                                enum scope scope, enum role role, int64_t at_ms)
{
    const struct span *duties = d->duties.items;

    if (scope != SCOPE_PARK)
        return holder_of(d, enterprise_id, role, at_ms);
    for (size_t i = 0; i < d->duties.n; i++)
        if (duties[i].role == role && covers(&duties[i], at_ms) &&
            !is_absent(d, &duties[i].person_id, at_ms))
            return &duties[i].person_id;
    return holder_of(d, &d->park, role, at_ms);
}
