#include "services/archiver/store.h"

#include <arpa/inet.h>
#include <string.h>

#include "common/base/hash.h"
#include "common/base/utf8.h"
#include "services/archiver/project.h"
#include "services/archiver/statements.h"

#define COLUMN_MAX_BYTES  ((size_t)64 * 1024 * 1024)
#define HEADERS_MAX_BYTES ((size_t)4 * 1024 * 1024)
#define BYTEA_OID         17

struct store {
    struct buf columns[ROW_KINDS_N][ROW_CELLS_MAX]; /* array literals; the memory is kept */
    bool is_json[ROW_KINDS_N][ROW_CELLS_MAX];       /* a binary array instead */
    size_t columns_n[ROW_KINDS_N], rows_n[ROW_KINDS_N];
    struct buf ids, headers;
};

#define PROJECTION(symbol, statement, purpose) [symbol] = (statement),
static const char *const statements[ROW_KINDS_N] = {
#include "services/archiver/projections.def"
};
#undef PROJECTION

enum fate { FATE_EVENT, FATE_REPEAT, FATE_CONFLICT, FATE_DEAD_LETTER, FATE_UNREADABLE, FATES_N };

struct batch {
    struct store *store;
    struct db *db;
    const struct flow_record *records;
    size_t n;
    enum fate *fates;
    PGresult *incarnations, *known; /* known: NULL when nothing repeats */
    int incarnation_row;            /* of the record before */
    const char *refused; /* set: nothing is projected, the records are archived with this problem */
    struct db_copy copy;
};

bool store_open(struct store **ret, struct err *err)
{
    struct store *s = calloc(1, sizeof(*s));

    if (!s)
        return err_memory(err);
    for (size_t kind = 0; kind < ROW_KINDS_N; kind++)
        for (size_t i = 0; i < ROW_CELLS_MAX; i++)
            buf_init(&s->columns[kind][i], COLUMN_MAX_BYTES);
    buf_init(&s->ids, COLUMN_MAX_BYTES);
    buf_init(&s->headers, HEADERS_MAX_BYTES);
    *ret = s;
    return true;
}

void store_close(struct store *s)
{
    if (!s)
        return;
    for (size_t kind = 0; kind < ROW_KINDS_N; kind++)
        for (size_t i = 0; i < ROW_CELLS_MAX; i++)
            buf_done(&s->columns[kind][i]);
    buf_done(&s->ids);
    buf_done(&s->headers);
    free(s);
}

/* ---- projections: rows become columns, a column becomes one argument */

static void keep_row(void *ctx, const struct row *row)
{
    struct store *s = ctx;

    for (size_t i = 0; i < row->n; i++) {
        struct buf *column = &s->columns[row->kind][i];
        const struct cell *cell = &row->cells[i];

        if (s->rows_n[row->kind] == 0) {
            buf_reset(column);
            s->is_json[row->kind][i] = cell->type == CELL_JSON;
            if (cell->type == CELL_JSON)
                db_bytes_begin(column);
            else
                db_array_begin(column);
        }
        switch (cell->type) {
        case CELL_NULL:
            db_array_text(column, NULL);
            break;
        case CELL_TEXT:
            db_array_text_n(column, cell->text, cell->len);
            break;
        case CELL_JSON:
            db_bytes_add(column, cell->text, cell->len);
            break;
        case CELL_INT:
            db_array_int(column, cell->number);
            break;
        case CELL_TIME:
            db_array_time(column, cell->number);
            break;
        }
    }
    s->columns_n[row->kind] = row->n;
    s->rows_n[row->kind]++;
}

static bool write_projections(struct store *s, struct db *db, struct err *err)
{
    for (size_t kind = 0; kind < ROW_KINDS_N; kind++) {
        struct db_args args = {0};

        if (s->rows_n[kind] == 0)
            continue;
        for (size_t i = 0; i < s->columns_n[kind]; i++) {
            struct buf *column = &s->columns[kind][i];

            if (s->is_json[kind][i])
                db_bytes_end(column, DB_JSON, s->rows_n[kind]);
            else
                db_array_end(column);
            if (column->failed)
                return err_set(err, ERR_INPUT, "%s: the batch is too large", statements[kind]);
            if (s->is_json[kind][i])
                db_arg_bytes(&args, column);
            else
                db_arg_text(&args, column->data);
        }
        if (!db_run(db, statements[kind], &args, NULL, err))
            return false;
    }
    return true;
}

/* ---- which records are repeats */

static bool is_dead_letter(const struct flow_record *rec)
{
    return strcmp(rec->topic, topics[TOPIC_DEAD].name) == 0;
}

static const char *event_id_of(const struct flow_record *rec)
{
    return rec->event_id && id_valid(rec->event_id, strlen(rec->event_id)) ? rec->event_id : NULL;
}

/* Asks what the ids that were seen before stood for. */
static bool read_known(struct batch *b, struct err *err)
{
    struct db_args args = {0};
    size_t n = 0;

    buf_reset(&b->store->ids);
    db_array_begin(&b->store->ids);
    for (size_t i = 0; i < b->n; i++) {
        const char *id = event_id_of(&b->records[i]);

        if (!b->records[i].is_repeat || is_dead_letter(&b->records[i]) || !id)
            continue;
        db_array_text(&b->store->ids, id);
        n++;
    }
    db_array_end(&b->store->ids);
    if (n == 0)
        return true;
    db_arg_text(&args, buf_text(&b->store->ids));
    return db_run(b->db, "known_events", &args, &b->known, err);
}

/* The row with this id among the known, which are sorted; -1: none. */
static int find_known(const PGresult *known, const char *id)
{
    int low = 0, high = known ? PQntuples(known) : 0;

    while (low < high) {
        int middle = low + (high - low) / 2;
        int order = strcmp(db_text(known, middle, 0), id);

        if (order == 0)
            return middle;
        if (order < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return -1;
}

/* The digest of what an event says. An action or a supplement that is sent again came later, which
 * its occurred_at says: that is not told apart. */
static void content_of(char ret_hex[SHA256_HEX_MAX], const struct flow_record *rec)
{
    static const char when[] = "\"occurred_at\":\"";
    const size_t when_len = sizeof(when) - 1;
    bool is_follow_up = strncmp(rec->event_type, "action.", 7) == 0 ||
                        strcmp(rec->event_type, "report.supplemented") == 0;
    const char *value = rec->value, *end = value + rec->value_len;
    const char *from = is_follow_up ? memmem(value, rec->value_len, when, when_len) : NULL;
    const char *to = from ? memchr(from + when_len, '"', (size_t)(end - from) - when_len) : NULL;
    uint8_t digest[SHA256_LEN];
    struct sha256 h;

    sha256_begin(&h);
    sha256_add(&h, rec->event_type, strlen(rec->event_type));
    sha256_add(&h, "\n", 1);
    sha256_add(&h, value, (size_t)((to ? from : end) - value));
    if (to)
        sha256_add(&h, to + 1, (size_t)(end - to) - 1);
    sha256_end(&h, digest);
    hex_encode(ret_hex, digest, sizeof(digest));
}

/* An event whose id the sink has seen before: what is it here? */
static enum fate fate_of_seen(const struct batch *b, size_t at)
{
    const struct flow_record *rec = &b->records[at];
    int row = find_known(b->known, rec->event_id);
    char content[SHA256_HEX_MAX], first[SHA256_HEX_MAX];

    content_of(content, rec);
    if (row >= 0)
        return strcmp(content, db_text(b->known, row, 1)) == 0 ? FATE_REPEAT : FATE_CONFLICT;
    for (size_t i = at; i-- > 0;) {
        if (b->fates[i] != FATE_EVENT || strcmp(b->records[i].event_id, rec->event_id) != 0)
            continue;
        content_of(first, &b->records[i]);
        return strcmp(content, first) == 0 ? FATE_REPEAT : FATE_CONFLICT;
    }
    return FATE_EVENT; /* only a dead letter, or an unreadable record, had this id */
}

/* ---- the rows of archive.event */

/* Looks first where the record before was found: a partition's records stand together. */
static int32_t incarnation_of(struct batch *b, const struct flow_record *rec)
{
    for (int rows = PQntuples(b->incarnations), n = 0; n < rows; n++) {
        int row = (b->incarnation_row + n) % rows;

        if (db_int(b->incarnations, row, 1) != rec->partition ||
            strcmp(db_text(b->incarnations, row, 0), rec->topic) != 0)
            continue;
        b->incarnation_row = row;
        return (int32_t)db_int(b->incarnations, row, 2);
    }
    return 1;
}

static void add_int4(struct buf *out, int64_t value)
{
    uint32_t wire = htonl((uint32_t)value);

    buf_add(out, &wire, sizeof(wire));
}

static void add_element(struct buf *out, const void *data, size_t len)
{
    add_int4(out, data ? (int64_t)len : -1);
    if (data)
        buf_add(out, data, len);
}

/* bytea[] in PostgreSQL's binary form: name, value, name, value, … */
static void headers_of(struct buf *out, const rd_kafka_message_t *msg)
{
    rd_kafka_headers_t *headers = NULL;
    const char *name;
    const void *value;
    size_t len, n;

    buf_reset(out);
    n = rd_kafka_message_headers(msg, &headers) ? 0 : rd_kafka_header_cnt(headers);
    add_int4(out, n > 0); /* dimensions */
    add_int4(out, 1);     /* there may be nulls */
    add_int4(out, BYTEA_OID);
    if (n == 0)
        return;
    add_int4(out, (int64_t)n * 2);
    add_int4(out, 1); /* the first index */
    for (size_t i = 0; i < n && !rd_kafka_header_get_all(headers, i, &name, &value, &len); i++) {
        add_element(out, name, strlen(name));
        add_element(out, value, len);
    }
}

static void copy_text(struct db_copy *c, const char *text)
{
    db_copy_bytes(c, text, text ? utf8_valid_prefix(text, strlen(text)) : 0);
}

static bool copy_event(struct batch *b, size_t at, const struct event *ev, const char *problem,
                       struct err *err)
{
    const struct flow_record *rec = &b->records[at];
    const rd_kafka_message_t *msg = rec->message;
    struct db_copy *c = &b->copy;
    enum fate fate = b->fates[at];

    headers_of(&b->store->headers, msg);
    if (b->store->headers.failed)
        return err_set(err, ERR_FATAL, "headers of %zu bytes", b->store->headers.len);
    db_copy_row(c, EVENT_COLUMNS);
    db_copy_int8(c, rec->offset);
    db_copy_time(c, rec->appended_ms);
    db_copy_time(c, problem ? 0 : ev->occurred_at);
    db_copy_uuid(c, event_id_of(rec));
    db_copy_uuid(c, problem ? rec->key_text : ev->incident_id.text);
    db_copy_uuid(c, problem ? NULL : ev->enterprise_id.text);
    db_copy_int4(c, rec->partition);
    db_copy_int4(c, incarnation_of(b, rec));
    db_copy_bool(c, fate == FATE_REPEAT || fate == FATE_CONFLICT);
    db_copy_bool(c, fate == FATE_CONFLICT);
    db_copy_bytes(c, rec->topic, strlen(rec->topic));
    copy_text(c, rec->event_type);
    copy_text(c, problem);
    db_copy_bytes(c, msg->key, msg->key_len);
    db_copy_bytes(c, b->store->headers.data, b->store->headers.len);
    db_copy_bytes(c, msg->payload, msg->len);
    return true;
}

static bool write_record(struct batch *b, size_t at, struct err *err)
{
    const struct flow_record *rec = &b->records[at];
    const struct event_record in = {.type = rec->event_type,
                                    .id = rec->event_id,
                                    .key = rec->key,
                                    .key_len = rec->key_len,
                                    .value = rec->value,
                                    .value_len = rec->value_len,
                                    .without_doc = true};
    AUTO(auto_event) struct event ev = {0};
    struct err why = {0};

    if (is_dead_letter(rec)) {
        b->fates[at] = FATE_DEAD_LETTER;
        return copy_event(b, at, &ev, "dead letter", err);
    }
    if (b->refused || !event_decode(&ev, &in, &why)) {
        if (why.kind == ERR_FATAL) {
            *err = why;
            return false;
        }
        b->fates[at] = FATE_UNREADABLE;
        return copy_event(b, at, &ev, b->refused ? b->refused : why.text, err);
    }
    b->fates[at] = rec->is_repeat ? fate_of_seen(b, at) : FATE_EVENT;
    if (b->fates[at] == FATE_EVENT)
        project_event(&ev, rec->appended_ms, keep_row, b->store);
    return copy_event(b, at, &ev, NULL, err);
}

static bool write_batch(struct batch *b, struct err *err)
{
    memset(b->store->rows_n, 0, sizeof(b->store->rows_n));
    if (!db_copy_begin(&b->copy, b->db, copy_events, err))
        return false;
    for (size_t i = 0; i < b->n; i++)
        if (!write_record(b, i, err)) {
            buf_done(&b->copy.row); /* the rollback ends the COPY itself */
            return false;
        }
    return db_copy_end(&b->copy, err) && write_projections(b->store, b->db, err);
}

/* A single record is archived in any case: what the projections refuse is kept as unreadable. */
static bool write_single(struct batch *b, struct err *err)
{
    char refused[sizeof(err->text)];

    if (!db_exec(b->db, "SAVEPOINT single", err))
        return false;
    if (write_batch(b, err) && db_settle(b->db, err)) /* now, not with the commit */
        return true;
    if (err->kind != ERR_INPUT || !db_exec(b->db, "ROLLBACK TO SAVEPOINT single", err))
        return false;
    memcpy(refused, err->text, sizeof(refused));
    b->refused = refused;
    return write_batch(b, err);
}

bool store_batch(struct store *s, struct db *db, const struct flow_record *records, size_t n,
                 struct store_tally *ret, struct err *err)
{
    AUTO(auto_free) char *fates = calloc(n, sizeof(enum fate));
    AUTO(auto_result) PGresult *incarnations = NULL;
    AUTO(auto_result) PGresult *known = NULL;
    struct batch b = {.store = s, .db = db, .records = records, .n = n, .fates = (void *)fates};
    size_t tally[FATES_N] = {0};

    if (!fates)
        return err_memory(err);
    if (!db_run(db, "incarnations", NULL, &incarnations, err))
        return false;
    b.incarnations = incarnations;
    if (!read_known(&b, err))
        return false;
    known = b.known;
    if (!(n == 1 ? write_single(&b, err) : write_batch(&b, err)))
        return false;
    for (size_t i = 0; i < n; i++)
        tally[b.fates[i]]++;
    *ret = (struct store_tally){.events = tally[FATE_EVENT],
                                .repeats = tally[FATE_REPEAT],
                                .conflicts = tally[FATE_CONFLICT],
                                .dead_letters = tally[FATE_DEAD_LETTER],
                                .unreadable = tally[FATE_UNREADABLE]};
    return true;
}

bool store_make_months(struct db *db, int64_t ahead, struct err *err)
{
    struct db_args args = {0};

    db_arg_int(&args, ahead);
    return db_run(db, "make_months", &args, NULL, err);
}
