/*
 * copy_bare - what PostgreSQL itself takes: reads the rows of archive.event into memory, empties the table, and writes the same rows back with binary
 * COPY, BATCH rows a transaction, on one connection, by libpq alone.
 *
 *     copy_bare CONNINFO [BATCH]      prints the rows per second
 *
 * The connection must be the owner's, and the database one that may be emptied.
 */
#include <arpa/inet.h>
#include <libpq-fe.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define HEADER_LEN 19 /* signature, flags, length of the extension */

struct rows {
    char **data;
    int *len;
    size_t n, cap;
    char header[HEADER_LEN];
};

static void fail(PGconn *db, const char *what)
{
    fprintf(stderr, "copy_bare: %s: %s", what, PQerrorMessage(db));
    exit(1);
}

static void run(PGconn *db, const char *sql, ExecStatusType want)
{
    PGresult *res = PQexec(db, sql);

    if (PQresultStatus(res) != want)
        fail(db, sql);
    PQclear(res);
}

static void keep(struct rows *rows, char *data, int len)
{
    if (rows->n == rows->cap) {
        rows->cap = rows->cap ? rows->cap * 2 : 65536;
        rows->data = realloc(rows->data, rows->cap * sizeof(*rows->data));
        rows->len = realloc(rows->len, rows->cap * sizeof(*rows->len));
        if (!rows->data || !rows->len)
            exit(1);
    }
    rows->data[rows->n] = data;
    rows->len[rows->n++] = len;
}

/* One message is one row; the header stands before the first, and the last one is the end's mark. */
static void read_rows(PGconn *db, struct rows *rows)
{
    char *data;
    int len;

    run(db, "COPY (SELECT * FROM archive.event) TO STDOUT (FORMAT binary)", PGRES_COPY_OUT);
    while ((len = PQgetCopyData(db, &data, 0)) > 0) {
        if (rows->n == 0 && len >= HEADER_LEN) {
            memcpy(rows->header, data, HEADER_LEN);
            len -= HEADER_LEN;
            memmove(data, data + HEADER_LEN, (size_t)len);
        }
        if (len > 2)
            keep(rows, data, len);
    }
    if (len != -1)
        fail(db, "read");
    PQclear(PQgetResult(db));
    while (PQgetResult(db))
        ;
}

static void write_batch(PGconn *db, const struct rows *rows, size_t from, size_t to)
{
    static const char end[2] = {(char)0xff, (char)0xff};

    run(db, "BEGIN", PGRES_COMMAND_OK);
    run(db, "COPY archive.event FROM STDIN (FORMAT binary)", PGRES_COPY_IN);
    if (PQputCopyData(db, rows->header, HEADER_LEN) != 1)
        fail(db, "write");
    for (size_t i = from; i < to; i++)
        if (PQputCopyData(db, rows->data[i], rows->len[i]) != 1)
            fail(db, "write");
    if (PQputCopyData(db, end, sizeof(end)) != 1 || PQputCopyEnd(db, NULL) != 1)
        fail(db, "write");
    for (PGresult *res = PQgetResult(db); res; res = PQgetResult(db)) {
        if (PQresultStatus(res) != PGRES_COMMAND_OK)
            fail(db, "write");
        PQclear(res);
    }
    run(db, "COMMIT", PGRES_COMMAND_OK);
}

static double now_s(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

int main(int argc, char **argv)
{
    PGconn *db = PQconnectdb(argc > 1 ? argv[1] : "");
    size_t batch = argc > 2 ? strtoul(argv[2], NULL, 10) : 1000;
    struct rows rows = {0};
    double began_s;

    if (PQstatus(db) != CONNECTION_OK || batch == 0)
        fail(db, "connect");
    read_rows(db, &rows);
    run(db, "TRUNCATE archive.event", PGRES_COMMAND_OK);
    began_s = now_s();
    for (size_t at = 0; at < rows.n; at += batch)
        write_batch(db, &rows, at, at + batch < rows.n ? at + batch : rows.n);
    printf("%.0f\n", (double)rows.n / (now_s() - began_s));
    PQfinish(db);
    return 0;
}
