#include <arpa/inet.h>
#include <endian.h>
#include <string.h>

#include "common/base/hash.h"
#include "common/db/db.h"

#define COPY_CHUNK_BYTES   (64 * 1024)
#define COPY_ROW_MAX_BYTES (16 * 1024 * 1024)
#define POSTGRES_EPOCH_MS  INT64_C(946684800000) /* 2000-01-01, since 1970 */

static const char signature[] = "PGCOPY\n\377\r\n\0\0\0\0\0\0\0\0\0";

bool db_copy_begin(struct db_copy *c, struct db *db, const char *sql, struct err *err)
{
    AUTO(auto_result) PGresult *res = NULL;
    AUTO(auto_result) PGresult *end = NULL;

    if (!db_settle(db, err))
        return false;
    if (!db_raw(db))
        return err_set(err, ERR_TRANSIENT, "copy: not connected to PostgreSQL");
    if (!PQsendQuery(db_raw(db), sql))
        return db_fail(db, NULL, "copy", err);
    if (!db_result(db, "copy", &res, err))
        return false;
    if (PQresultStatus(res) != PGRES_COPY_IN && !db_result(db, "copy", &end, err))
        return false; /* a refusal's end, so that the connection takes what follows */
    if (PQresultStatus(res) != PGRES_COPY_IN)
        return db_fail(db, res, "copy", err);
    c->db = db;
    buf_init(&c->row, COPY_ROW_MAX_BYTES);
    buf_add(&c->row, signature, 19); /* magic, flags, length of the header's extension */
    return true;
}

static void flush(struct db_copy *c)
{
    /* A failure shows in PQputCopyEnd() and its result. */
    PQputCopyData(db_raw(c->db), c->row.data, (int)c->row.len);
    buf_reset(&c->row);
}

static void put_int2(struct db_copy *c, int16_t value)
{
    uint16_t wire = htons((uint16_t)value);

    buf_add(&c->row, &wire, sizeof(wire));
}

static void put_int4(struct db_copy *c, int32_t value)
{
    uint32_t wire = htonl((uint32_t)value);

    buf_add(&c->row, &wire, sizeof(wire));
}

void db_copy_row(struct db_copy *c, int columns)
{
    if (c->row.len >= COPY_CHUNK_BYTES)
        flush(c);
    put_int2(c, (int16_t)columns);
}

void db_copy_null(struct db_copy *c)
{
    put_int4(c, -1);
}

void db_copy_bytes(struct db_copy *c, const void *data, size_t len)
{
    if (!data) {
        db_copy_null(c);
        return;
    }
    put_int4(c, (int32_t)len);
    buf_add(&c->row, data, len);
}

void db_copy_int4(struct db_copy *c, int32_t value)
{
    put_int4(c, 4);
    put_int4(c, value);
}

void db_copy_int8(struct db_copy *c, int64_t value)
{
    uint64_t wire = htobe64((uint64_t)value);

    put_int4(c, 8);
    buf_add(&c->row, &wire, sizeof(wire));
}

void db_copy_bool(struct db_copy *c, bool value)
{
    put_int4(c, 1);
    buf_char(&c->row, value ? 1 : 0);
}

void db_copy_time(struct db_copy *c, int64_t wall_ms)
{
    if (wall_ms == 0)
        db_copy_null(c);
    else
        db_copy_int8(c, (wall_ms - POSTGRES_EPOCH_MS) * 1000);
}

/* 8-4-4-4-12 digits to 16 bytes; anything else is NULL. */
void db_copy_uuid(struct db_copy *c, const char *text)
{
    char digits[33];
    uint8_t bytes[16];
    size_t n = 0;

    if (text && strlen(text) == 36)
        for (size_t i = 0; i < 36 && n < 32; i++)
            if (text[i] != '-')
                digits[n++] = text[i];
    if (n != 32) {
        db_copy_null(c);
        return;
    }
    digits[32] = '\0';
    if (!hex_decode(bytes, 16, digits)) {
        db_copy_null(c);
        return;
    }
    db_copy_bytes(c, bytes, sizeof(bytes));
}

bool db_copy_end(struct db_copy *c, struct err *err)
{
    bool ok = true, is_whole = !c->row.failed;

    put_int2(c, -1);
    flush(c);
    buf_done(&c->row);
    if (PQputCopyEnd(db_raw(c->db), is_whole ? NULL : "row too large") != 1)
        return db_fail(c->db, NULL, "copy", err);
    for (;;) {
        AUTO(auto_result) PGresult *res = NULL;

        if (!db_result(c->db, "copy", &res, ok ? err : NULL))
            return false;
        if (!res)
            break;
        if (ok && PQresultStatus(res) != PGRES_COMMAND_OK)
            ok = db_fail(c->db, res, "copy", err);
        if (!db_raw(c->db))
            return false; /* db_fail() closed a broken connection */
    }
    return ok && (is_whole || err_set(err, ERR_INPUT, "copy: a row is larger than %d bytes",
                                      COPY_ROW_MAX_BYTES));
}
