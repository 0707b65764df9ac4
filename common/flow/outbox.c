#include "common/flow/outbox.h"

#include <arpa/inet.h>
#include <stdatomic.h>
#include <string.h>

#include "common/base/clock.h"
#include "common/base/failpoint.h"
#include "common/base/log.h"
#include "common/base/metric.h"

#include "common/base/metric_rows.h"
#include "common/flow/outbox_metrics.def"

#define ROWS_MAX_BYTES  (256 * 1024 * 1024)
#define MARK_EVERY_MS   100
#define MARK_AFTER_MS   1000
#define SWEEP_EVERY_MS  1000
#define SWEEP_ROWS      500
#define DELETE_EVERY_MS 10000
#define DELETE_ROWS     5000
#define TEXT(n)         TEXT_OF(n)
#define TEXT_OF(n)      #n
/* The time of the last ack, not now: a broker that is put back takes its time. */
#define KEPT_SINCE "(SELECT max(acked_at) FROM outbox) - interval '10 min'"

const struct db_statement outbox_statements[] = {
    /* Writes this transaction's rows, and reads what is unsent of the same keys: in one order; of
     * its own, which are at hand, the numbers alone. */
    {"outbox_write",
     "WITH mine AS ("
     " INSERT INTO outbox (topic, key, headers, value)"
     " SELECT t, k, h, v FROM unnest($1::text[], $2::bytea[], $3::bytea[], $4::bytea[])"
     " WITH ORDINALITY AS u(t, k, h, v, n) ORDER BY n"
     " RETURNING seq)"
     " SELECT seq, NULL AS topic, NULL::bytea AS key, NULL::bytea AS headers, NULL::bytea AS value"
     " FROM mine UNION ALL"
     " SELECT seq, topic, key, headers, value FROM outbox"
     " WHERE substring(key FROM 1 FOR 64) = ANY"
     " (ARRAY(SELECT substring(k FROM 1 FOR 64) FROM unnest($2::bytea[]) AS k))"
     " AND key = ANY($2::bytea[]) AND acked_at IS NULL"
     " AND seq NOT IN (SELECT unnest($5::bigint[]))"
     " ORDER BY 1"},
    {"outbox_mark", "UPDATE outbox SET acked_at = clock_timestamp() WHERE seq = ANY($1::bigint[])"},
    /* Unsent rows are few: their index is read whole, and never the acknowledged ones. */
    {"outbox_sweep",
     "WITH unsent AS MATERIALIZED (SELECT seq FROM outbox WHERE acked_at IS NULL"
     " AND written_at < clock_timestamp() - interval '5 s'"
     " AND seq NOT IN (SELECT unnest($1::bigint[])))"
     " SELECT seq, topic, key, headers, value FROM outbox WHERE seq IN"
     " (SELECT seq FROM unsent ORDER BY seq LIMIT " TEXT(SWEEP_ROWS) ") ORDER BY seq"},
    {"outbox_delete",
     "DELETE FROM outbox WHERE seq IN (SELECT seq FROM outbox WHERE acked_at < " KEPT_SINCE
     " LIMIT " TEXT(DELETE_ROWS) " FOR UPDATE SKIP LOCKED)"},
    {"outbox_again",
     "UPDATE outbox SET acked_at = NULL, written_at = clock_timestamp() - interval '1 min'"
     " WHERE acked_at >= " KEPT_SINCE},
};
const size_t outbox_statements_n = ARRAY_LEN(outbox_statements);

enum flight_state { FLIGHT_UNDER_WAY, FLIGHT_ACKED, FLIGHT_FAILED, FLIGHT_MARKED };

struct flight { /* a row that this process has sent and not yet marked */
    int64_t seq;
    _Atomic enum flight_state state;
    struct flight *next;
};

struct kept { /* a row of the open transaction, with all its bytes */
    struct kept *next;
    struct record rec;
    char bytes[];
};

struct outbox {
    struct producer *producer;
    struct flight *flights;
    struct kept *kept, **kept_end; /* in the order of their writing */
    PGresult *unsent;              /* read by outbox_write(), sent by outbox_relay() */
    struct buf topics, keys, headers, values;
    size_t rows_n;
    int64_t acted_ms, mark_due_ms, sweep_due_ms, delete_due_ms;
};

static void columns_clear(struct outbox *o)
{
    struct buf *bytes[] = {&o->keys, &o->headers, &o->values};

    buf_reset(&o->topics);
    db_array_begin(&o->topics);
    for (size_t i = 0; i < ARRAY_LEN(bytes); i++) {
        buf_reset(bytes[i]);
        db_bytes_begin(bytes[i]);
    }
    o->rows_n = 0;
}

static void rows_clear(struct outbox *o)
{
    columns_clear(o);
    for (struct kept *k = o->kept, *next; k; k = next) {
        next = k->next;
        free(k);
    }
    o->kept = NULL;
    o->kept_end = &o->kept;
    PQclear(o->unsent);
    o->unsent = NULL;
}

bool outbox_open(struct outbox **ret, const struct producer_conf *conf, struct err *err)
{
    AUTO(auto_outbox) struct outbox *o = calloc(1, sizeof(*o));

    if (!o)
        return err_memory(err);
    buf_init(&o->topics, ROWS_MAX_BYTES);
    buf_init(&o->keys, ROWS_MAX_BYTES);
    buf_init(&o->headers, ROWS_MAX_BYTES);
    buf_init(&o->values, ROWS_MAX_BYTES);
    rows_clear(o);
    if (!producer_open(&o->producer, conf, err))
        return false;
    *ret = TAKE(o);
    return true;
}

void outbox_close(struct outbox *o)
{
    if (!o)
        return;
    producer_close(o->producer);
    for (struct flight *f = o->flights, *next; f; f = next) {
        next = f->next;
        free(f);
    }
    rows_clear(o);
    buf_done(&o->topics);
    buf_done(&o->keys);
    buf_done(&o->headers);
    buf_done(&o->values);
    free(o);
}

bool outbox_broken(const struct outbox *o)
{
    return producer_broken(o->producer);
}

/* ---- writing */

static size_t headers_bytes(const struct record *rec)
{
    size_t n = 0;

    for (size_t i = 0; i < rec->headers_n; i++)
        n += strlen(rec->headers[i].name) + 1 + rec->headers[i].value_len;
    return n;
}

static char *keep_bytes(char **at, const void *data, size_t len)
{
    char *kept = *at;

    if (len > 0)
        memcpy(kept, data, len);
    *at += len;
    return kept;
}

static struct kept *keep(const struct record *rec)
{
    size_t topic_len = strlen(rec->topic) + 1;
    struct kept *k =
        malloc(sizeof(*k) + topic_len + rec->key_len + rec->value_len + headers_bytes(rec));
    char *at;

    if (!k)
        return NULL;
    at = k->bytes;
    k->next = NULL;
    k->rec = *rec;
    k->rec.topic = keep_bytes(&at, rec->topic, topic_len);
    k->rec.key = keep_bytes(&at, rec->key, rec->key_len);
    k->rec.value = keep_bytes(&at, rec->value, rec->value_len);
    for (size_t i = 0; i < rec->headers_n; i++) {
        const struct record_header *h = &rec->headers[i];

        k->rec.headers[i].name = keep_bytes(&at, h->name, strlen(h->name) + 1);
        k->rec.headers[i].value = keep_bytes(&at, h->value, h->value_len);
    }
    return k;
}

/* Each header: length (2 bytes), name, length (4 bytes), value. */
static void pack_headers(struct buf *ret, const struct record *rec)
{
    for (size_t i = 0; i < rec->headers_n; i++) {
        size_t name_len = strlen(rec->headers[i].name);
        uint16_t wire_name = htons((uint16_t)name_len);
        uint32_t wire_value = htonl((uint32_t)rec->headers[i].value_len);

        buf_add(ret, &wire_name, sizeof(wire_name));
        buf_add(ret, rec->headers[i].name, name_len);
        buf_add(ret, &wire_value, sizeof(wire_value));
        buf_add(ret, rec->headers[i].value, rec->headers[i].value_len);
    }
}

bool outbox_add(struct outbox *o, const struct record *rec, struct err *err)
{
    AUTO(buf_done) struct buf headers;
    struct kept *kept = keep(rec);

    if (!kept)
        return err_memory(err);
    *o->kept_end = kept;
    o->kept_end = &kept->next;
    buf_init(&headers, ROWS_MAX_BYTES);
    pack_headers(&headers, rec);
    db_array_text(&o->topics, rec->topic);
    db_bytes_add(&o->keys, rec->key, rec->key_len);
    db_bytes_add(&o->headers, buf_text(&headers), headers.len);
    db_bytes_add(&o->values, rec->value, rec->value_len);
    if (headers.failed || o->topics.failed || o->keys.failed || o->headers.failed ||
        o->values.failed)
        return headers.no_memory || o->topics.no_memory || o->keys.no_memory ||
                       o->headers.no_memory || o->values.no_memory
                   ? err_memory(err)
                   : err_set(err, ERR_INPUT, "what follows is more than %d MiB in one transaction",
                             ROWS_MAX_BYTES >> 20); /* half of the batch may do */
    o->rows_n++;
    return true;
}

/* The rows of this process that are in one of the states, as an array literal. */
static size_t seqs_of(struct outbox *o, bool (*wanted)(enum flight_state), struct buf *ret)
{
    size_t n = 0;

    db_array_begin(ret);
    for (struct flight *f = o->flights; f; f = f->next)
        if (wanted(atomic_load(&f->state))) {
            db_array_int(ret, f->seq);
            n++;
        }
    db_array_end(ret);
    return n;
}

static bool is_ours(enum flight_state state)
{
    return state != FLIGHT_FAILED;
}

static bool is_marked(enum flight_state state)
{
    return state == FLIGHT_MARKED;
}

static bool mark(struct outbox *o, struct db *db, struct err *err)
{
    struct buf seqs;
    struct db_args args = {0};
    bool ok = true;

    o->mark_due_ms = clock_mono_ms() + MARK_EVERY_MS;
    buf_init(&seqs, ROWS_MAX_BYTES);
    for (struct flight *f = o->flights; f; f = f->next)
        if (atomic_load(&f->state) == FLIGHT_ACKED)
            atomic_store(&f->state, FLIGHT_MARKED);
    if (seqs_of(o, is_marked, &seqs) > 0) {
        db_arg_text(&args, buf_text(&seqs));
        ok = db_run(db, "outbox_mark", &args, NULL, err);
    }
    buf_done(&seqs);
    return ok;
}

static bool write_rows(struct outbox *o, struct db *db, struct err *err)
{
    struct buf ours;
    struct db_args args = {0};
    bool ok;

    buf_init(&ours, ROWS_MAX_BYTES);
    seqs_of(o, is_ours, &ours);
    db_array_end(&o->topics);
    db_bytes_end(&o->keys, DB_BYTEA, o->rows_n);
    db_bytes_end(&o->headers, DB_BYTEA, o->rows_n);
    db_bytes_end(&o->values, DB_BYTEA, o->rows_n);
    db_arg_text(&args, buf_text(&o->topics));
    db_arg_bytes(&args, &o->keys);
    db_arg_bytes(&args, &o->headers);
    db_arg_bytes(&args, &o->values);
    db_arg_text(&args, buf_text(&ours));
    ok = db_ask(db, "outbox_write", &args, &o->unsent, err); /* answered with the commit */
    buf_done(&ours);
    columns_clear(o);
    return ok;
}

bool outbox_has_rows(const struct outbox *o)
{
    return o->rows_n > 0;
}

bool outbox_write(struct outbox *o, struct db *db, struct err *err)
{
    return (clock_mono_ms() < o->mark_due_ms || mark(o, db, err)) &&
           (o->rows_n == 0 || write_rows(o, db, err));
}

/* ---- sending */

static void on_ack(void *ctx, const struct err *err)
{
    struct flight *f = ctx;

    FAILPOINT("outbox.acked");
    metric_add(err ? &outbox_failed_total : &outbox_acked_total, 1);
    atomic_store(&f->state, err ? FLIGHT_FAILED : FLIGHT_ACKED);
}

#define NAMES_MAX_BYTES 2048

/* The opposite of pack_headers(); names get their NUL in `names`. */
static void read_headers(struct record *rec, const unsigned char *data, size_t len,
                         char names[NAMES_MAX_BYTES])
{
    size_t at = 0, used = 0;

    while (at + 6 <= len && rec->headers_n < RECORD_HEADERS_MAX) {
        uint16_t wire_name;
        uint32_t wire_value;
        size_t name_len, value_len;

        memcpy(&wire_name, data + at, sizeof(wire_name));
        name_len = ntohs(wire_name);
        at += sizeof(wire_name);
        if (at + name_len + sizeof(wire_value) > len || used + name_len + 1 > NAMES_MAX_BYTES)
            return;
        memcpy(names + used, data + at, name_len);
        names[used + name_len] = '\0';
        at += name_len;
        memcpy(&wire_value, data + at, sizeof(wire_value));
        value_len = ntohl(wire_value);
        at += sizeof(wire_value);
        if (at + value_len > len)
            return;
        rec->headers[rec->headers_n++] =
            (struct record_header){names + used, (const char *)data + at, value_len};
        used += name_len + 1;
        at += value_len;
    }
}

static void send_record(struct outbox *o, int64_t seq, const struct record *rec)
{
    struct flight *f = calloc(1, sizeof(*f));
    struct err why = {0};

    if (!f)
        return; /* the sweep finds it */
    f->seq = seq;
    if (!producer_send(o->producer, rec, on_ack, f, &why)) {
        log_err(LOG_WARN, "a record stays in the outbox until the sweep", &why);
        free(f);
        return;
    }
    f->next = o->flights;
    o->flights = f;
    FAILPOINT("outbox.sent");
}

/* A row that was read: another writer's, or an old one. */
static void send_row(struct outbox *o, const PGresult *res, int row)
{
    char names[NAMES_MAX_BYTES];
    struct record rec = {.topic = db_text(res, row, 1)};
    size_t headers_len = 0;
    unsigned char *key = PQunescapeBytea((const unsigned char *)db_text(res, row, 2), &rec.key_len);
    unsigned char *headers =
        PQunescapeBytea((const unsigned char *)db_text(res, row, 3), &headers_len);
    unsigned char *value =
        PQunescapeBytea((const unsigned char *)db_text(res, row, 4), &rec.value_len);

    if (key && headers && value) {
        rec.key = key;
        rec.value = value;
        read_headers(&rec, headers, headers_len, names);
        send_record(o, db_int(res, row, 0), &rec);
    }
    PQfreemem(key);
    PQfreemem(headers);
    PQfreemem(value);
}

/* All in the order of their writing; a row without a topic is the next of those at hand. */
static void send_rows(struct outbox *o, const PGresult *res)
{
    const struct kept *kept = o->kept;

    for (int row = 0; row < PQntuples(res); row++) {
        if (db_text(res, row, 1)) {
            send_row(o, res, row);
        } else if (kept) {
            send_record(o, db_int(res, row, 0), &kept->rec);
            kept = kept->next;
        }
    }
}

/* Drops the flights that are over: marked ones, and failed ones, which the sweep finds again. */
static void flights_land(struct outbox *o)
{
    int64_t n = 0;

    for (struct flight **at = &o->flights; *at;) {
        struct flight *f = *at;
        enum flight_state state = atomic_load(&f->state);

        if (state == FLIGHT_MARKED || state == FLIGHT_FAILED) {
            *at = f->next;
            free(f);
        } else {
            at = &f->next;
            n++;
        }
    }
    metric_set(&outbox_waiting, n);
}

void outbox_relay(struct outbox *o)
{
    o->acted_ms = clock_mono_ms();
    flights_land(o);
    if (o->unsent) {
        FAILPOINT("outbox.relay");
        send_rows(o, o->unsent);
    }
    rows_clear(o);
}

void outbox_forget(struct outbox *o)
{
    rows_clear(o);
    for (struct flight *f = o->flights; f; f = f->next)
        if (atomic_load(&f->state) == FLIGHT_MARKED)
            atomic_store(&f->state, FLIGHT_ACKED);
}

/* ---- upkeep */

static bool mark_at_rest(struct outbox *o, struct db *db, struct err *err)
{
    bool has_acked = false;

    for (struct flight *f = o->flights; f && !has_acked; f = f->next)
        has_acked = atomic_load(&f->state) == FLIGHT_ACKED;
    if (!has_acked)
        return true;
    if (!db_begin(db, err))
        return false;
    if (mark(o, db, err) && db_commit(db, err)) {
        flights_land(o);
        return true;
    }
    db_rollback(db);
    outbox_forget(o);
    return false;
}

static bool sweep(struct outbox *o, struct db *db, struct err *err)
{
    AUTO(auto_result) PGresult *res = NULL;
    struct buf ours;
    struct db_args args = {0};
    bool ok;

    flights_land(o);
    buf_init(&ours, ROWS_MAX_BYTES);
    seqs_of(o, is_ours, &ours);
    db_arg_text(&args, buf_text(&ours));
    ok = db_run(db, "outbox_sweep", &args, &res, err);
    buf_done(&ours);
    if (!ok)
        return false;
    metric_add(&outbox_swept_total, PQntuples(res));
    send_rows(o, res);
    if (PQntuples(res) == SWEEP_ROWS)
        o->sweep_due_ms = 0; /* there may be more */
    return true;
}

static bool delete_old(struct outbox *o, struct db *db, struct err *err)
{
    AUTO(auto_result) PGresult *res = NULL;

    if (!db_run(db, "outbox_delete", NULL, &res, err))
        return false;
    if (strtol(PQcmdTuples(res), NULL, 10) == DELETE_ROWS)
        o->delete_due_ms = 0;
    return true;
}

bool outbox_upkeep(struct outbox *o, struct db *db, struct err *err)
{
    int64_t now_ms = clock_mono_ms();

    if (now_ms - o->acted_ms >= MARK_AFTER_MS) {
        o->acted_ms = now_ms;
        if (!mark_at_rest(o, db, err))
            return false;
    }
    if (now_ms >= o->sweep_due_ms) {
        o->sweep_due_ms = now_ms + SWEEP_EVERY_MS;
        if (!sweep(o, db, err))
            return false;
    }
    if (now_ms >= o->delete_due_ms) {
        o->delete_due_ms = now_ms + DELETE_EVERY_MS;
        return delete_old(o, db, err);
    }
    return true;
}

static bool is_any_under_way(const struct outbox *o)
{
    for (struct flight *f = o->flights; f; f = f->next)
        if (atomic_load(&f->state) == FLIGHT_UNDER_WAY)
            return true;
    return false;
}

bool outbox_settle(struct outbox *o, struct db *db, int64_t wait_ms, struct err *err)
{
    int64_t until_ms = clock_mono_ms() + wait_ms;

    while (is_any_under_way(o) && clock_mono_ms() < until_ms)
        clock_sleep_ms(1);
    return mark_at_rest(o, db, err);
}

bool outbox_again(struct db *db, struct err *err)
{
    return db_run(db, "outbox_again", NULL, NULL, err);
}
