#include "services/escalator/registry.h"

#include "services/escalator/cells.h"

#define DAY_MS INT64_C(86400000)

typedef bool add_row_fn(struct directory *d, struct cells *c, struct err *err);

static bool add_park(struct directory *d, struct cells *c, struct err *err)
{
    (void)err;
    directory_set_park(d, db_text(c->res, c->row, 0));
    return true;
}

/* A role that this version does not know is called by no chain. */
static bool add_holder(struct directory *d, struct cells *c, struct err *err)
{
    const char *enterprise = db_text(c->res, c->row, c->at++);
    bool known;
    enum role role = (enum role)get_enum(c, &role_table, &known);
    int64_t rank = get_int(c);

    return !known ||
           directory_add_holder(d, enterprise, role, rank, db_text(c->res, c->row, c->at), err);
}

static bool add_duty(struct directory *d, struct cells *c, struct err *err)
{
    bool known;
    enum role role = (enum role)get_enum(c, &role_table, &known);
    const char *person = db_text(c->res, c->row, c->at++);
    int64_t from_ms = get_time(c), to_ms = get_time(c);

    return !known || directory_add_duty(d, role, person, from_ms, to_ms, err);
}

static bool add_absence(struct directory *d, struct cells *c, struct err *err)
{
    const char *person = db_text(c->res, c->row, c->at++);
    int64_t from_ms = get_time(c), to_ms = get_time(c);

    return directory_add_absence(d, person, from_ms, to_ms, err);
}

static bool add_rows(struct db *db, const char *statement, const struct db_args *args,
                     struct directory *d, add_row_fn *add_row, struct err *err)
{
    AUTO(auto_result) PGresult *res = NULL;

    if (!db_run(db, statement, args, &res, err))
        return false;
    for (int row = 0; row < PQntuples(res); row++) {
        struct cells c = {.res = res, .row = row};

        if (!add_row(d, &c, err))
            return false;
    }
    return true;
}

bool registry_ask(struct db *db, PGresult **ret_answer, struct err *err)
{
    return db_ask(db, "registry_version", NULL, ret_answer, err);
}

bool registry_read(struct db *db, const PGresult *answer, int64_t now_ms, int64_t *version,
                   struct directory **ret, struct err *err)
{
    AUTO(auto_directory) struct directory *d = NULL;
    struct db_args args = {0};
    int64_t found = db_int(answer, 0, 0);

    if (found == *version)
        return true;
    d = directory_new();
    if (!d)
        return err_memory(err);
    db_arg_time(&args, now_ms - DAY_MS);
    if (!add_rows(db, "registry_park", NULL, d, add_park, err) ||
        !add_rows(db, "registry_holders", NULL, d, add_holder, err) ||
        !add_rows(db, "registry_duty", &args, d, add_duty, err) ||
        !add_rows(db, "registry_absences", &args, d, add_absence, err))
        return false;
    directory_seal(d);
    *version = found;
    *ret = TAKE(d);
    return true;
}
