#include "common/db/columns.h"

void columns_init(struct columns *c)
{
    *c = (struct columns){0};
    for (size_t i = 0; i < ARRAY_LEN(c->column); i++)
        buf_init(&c->column[i], COLUMN_MAX_BYTES);
}

void columns_done(struct columns *c)
{
    for (size_t i = 0; i < ARRAY_LEN(c->column); i++)
        buf_done(&c->column[i]);
}

void columns_reset(struct columns *c)
{
    for (int i = 0; i < c->n; i++)
        buf_reset(&c->column[i]);
    c->at = c->n = 0;
    c->rows = 0;
}

void columns_row(struct columns *c)
{
    c->at = 0;
    c->rows++;
}

static struct buf *next(struct columns *c)
{
    struct buf *b = &c->column[c->at++];

    if (c->at > c->n) {
        c->n = c->at;
        db_array_begin(b);
    }
    return b;
}

void columns_text(struct columns *c, const char *text)
{
    db_array_text(next(c), text && text[0] ? text : NULL);
}

void columns_text_n(struct columns *c, const char *text, size_t len)
{
    db_array_text_n(next(c), text, len);
}

void columns_id(struct columns *c, const struct id *id)
{
    columns_text(c, id->text);
}

void columns_int(struct columns *c, int64_t value)
{
    db_array_int(next(c), value);
}

void columns_bool(struct columns *c, bool value)
{
    columns_text(c, value ? "t" : "f");
}

void columns_time(struct columns *c, int64_t wall_ms)
{
    db_array_time(next(c), wall_ms);
}

bool columns_args(struct columns *c, const char *statement, struct db_args *args, struct err *err)
{
    for (int i = 0; i < c->n; i++) {
        db_array_end(&c->column[i]);
        if (c->column[i].failed)
            return err_set(err, ERR_FATAL, "%s: a column is larger than %zu bytes", statement,
                           COLUMN_MAX_BYTES);
        db_arg_text(args, buf_text(&c->column[i]));
    }
    return true;
}

typedef bool send_fn(struct db *db, const char *statement, const struct db_args *args,
                     PGresult **ret, struct err *err);

static bool send_rows(struct columns *c, struct db *db, const char *statement, send_fn *send_one,
                      PGresult **ret, struct err *err)
{
    struct db_args args = {0};
    bool ok = c->rows == 0 ||
              (columns_args(c, statement, &args, err) && send_one(db, statement, &args, ret, err));

    columns_reset(c);
    return ok;
}

bool columns_run(struct columns *c, struct db *db, const char *statement, PGresult **ret,
                 struct err *err)
{
    return send_rows(c, db, statement, db_run, ret, err);
}

bool columns_ask(struct columns *c, struct db *db, const char *statement, PGresult **ret,
                 struct err *err)
{
    return send_rows(c, db, statement, db_ask, ret, err);
}
