#include "services/escalator/columns.h"

#include <string.h>

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

void put_text(struct columns *c, const char *text)
{
    db_array_text(next(c), text && text[0] ? text : NULL);
}

void put_id(struct columns *c, const struct id *id)
{
    put_text(c, id->text);
}

void put_int(struct columns *c, int64_t value)
{
    db_array_int(next(c), value);
}

void put_bool(struct columns *c, bool value)
{
    put_text(c, value ? "t" : "f");
}

void put_time(struct columns *c, int64_t wall_ms)
{
    db_array_time(next(c), wall_ms);
}

static bool take_args(struct columns *c, const char *statement, struct db_args *ret,
                      struct err *err)
{
    bool ok = true;

    for (int i = 0; i < c->n; i++) {
        db_array_end(&c->column[i]);
        db_arg_text(ret, buf_text(&c->column[i]));
        ok = ok && !c->column[i].failed;
    }
    return ok || err_set(err, ERR_FATAL, "%s: a column is larger than %zu bytes", statement,
                         COLUMN_MAX_BYTES);
}

bool columns_run(struct columns *c, struct db *db, const char *statement, int64_t limit,
                 PGresult **ret, struct err *err)
{
    struct db_args args = {0};
    bool ok = take_args(c, statement, &args, err);

    if (limit)
        db_arg_int(&args, limit);
    ok = ok && (c->rows == 0 || db_run(db, statement, &args, ret, err));
    columns_reset(c);
    return ok;
}

bool columns_ask(struct columns *c, struct db *db, const char *statement, PGresult **ret,
                 struct err *err)
{
    struct db_args args = {0};
    bool ok = take_args(c, statement, &args, err) &&
              (c->rows == 0 || db_ask(db, statement, &args, ret, err));

    columns_reset(c);
    return ok;
}

const char *get_text(struct cells *c)
{
    const char *text = NULL;

    if (!text_keep(&text, db_text(c->res, c->row, c->at++), c->arena))
        c->failed = true;
    return text;
}

void get_id(struct cells *c, struct id *ret)
{
    const char *text = db_text(c->res, c->row, c->at++);

    *ret = (struct id){0};
    if (text)
        (void)id_set(ret, text, strlen(text));
}

int64_t get_int(struct cells *c)
{
    return db_int(c->res, c->row, c->at++);
}

bool get_bool(struct cells *c)
{
    return db_bool(c->res, c->row, c->at++);
}

int64_t get_time(struct cells *c)
{
    return db_time(c->res, c->row, c->at++);
}

int get_enum(struct cells *c, const struct enum_table *values, bool *ret_has)
{
    const char *text = db_text(c->res, c->row, c->at++);
    int value = 0;
    bool has = text && enum_parse(values, text, &value);

    if (ret_has)
        *ret_has = has;
    return value;
}
