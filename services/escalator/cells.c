#include "services/escalator/cells.h"

const char *get_text(struct cells *c)
{
    const char *text = NULL;

    if (!text_keep(&text, db_text(c->res, c->row, c->at++), c->arena))
        c->failed = true;
    return text;
}

void get_id(struct cells *c, struct id *ret)
{
    db_id(ret, c->res, c->row, c->at++);
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
