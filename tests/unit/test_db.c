/* What of common/db needs no server: array literals, arguments, connection strings. */
#include "common/db/db.h"

#include "tests/support/test.h"

static const struct row {
    const char *name;
    const char *items[4];
    size_t n;
    const char *want;
} rows[] = {
    {"none", {NULL}, 0, "{}"},
    {"one", {"a"}, 1, "{\"a\"}"},
    {"NULL beside text", {NULL, "NULL"}, 2, "{NULL,\"NULL\"}"},
    {"empty text is not NULL", {""}, 1, "{\"\"}"},
    {"quotes and backslashes", {"a\"b", "c\\d"}, 2, "{\"a\\\"b\",\"c\\\\d\"}"},
    {"braces and commas", {"{x,y}", "通报"}, 2, "{\"{x,y}\",\"通报\"}"},
};

static void writes_arrays(void **state)
{
    const struct row *row = *state;
    struct buf b;

    buf_init(&b, 1024);
    db_array_begin(&b);
    for (size_t i = 0; i < row->n; i++)
        db_array_text(&b, row->items[i]);
    db_array_end(&b);
    assert_string_equal(buf_text(&b), row->want);
    buf_done(&b);
}

static void writes_numbers_and_times(void **state)
{
    struct buf b;

    (void)state;
    buf_init(&b, 1024);
    db_array_begin(&b);
    db_array_int(&b, -5);
    db_array_time(&b, 0);
    db_array_time(&b, 1763780400123);
    db_array_end(&b);
    assert_string_equal(buf_text(&b), "{-5,NULL,2025-11-22T03:00:00.123Z}");
    buf_done(&b);
}

static void writes_bytes(void **state)
{
    static const unsigned char want[] = {0, 0,   0, 1, 0, 0, 0,   1,   0,   0,  0, 17,
                                         0, 0,   0, 3, 0, 0, 0,   1,   0,   0,  0, 2,
                                         0, 255, 0, 0, 0, 0, 255, 255, 255, 255};
    struct db_args args = {0};
    struct buf b;

    (void)state;
    buf_init(&b, 1024);
    db_bytes_begin(&b);
    db_bytes_add(&b, "\0\377", 2);
    db_bytes_add(&b, "", 0);
    db_bytes_add(&b, NULL, 0);
    db_bytes_end(&b, DB_BYTEA, 3);
    assert_int_equal(b.len, sizeof(want));
    assert_memory_equal(b.data, want, sizeof(want));
    db_arg_text(&args, "before");
    db_arg_bytes(&args, &b);
    assert_int_equal(args.formats[0], 0);
    assert_int_equal(args.formats[1], 1);
    assert_int_equal(args.lengths[1], sizeof(want));
    buf_done(&b);
}

static void keeps_arguments(void **state)
{
    struct db_args args = {0};

    (void)state;
    db_arg_text(&args, NULL);
    db_arg_int(&args, 9007199254740993);
    db_arg_bool(&args, true);
    db_arg_time(&args, 0);
    db_arg_time(&args, 1000);
    assert_int_equal(args.n, 5);
    assert_null(args.values[0]);
    assert_string_equal(args.values[1], "9007199254740993");
    assert_string_equal(args.values[2], "true");
    assert_null(args.values[3]);
    assert_string_equal(args.values[4], "1970-01-01T00:00:01.000Z");
}

static void refuses_a_bad_connection_string(void **state)
{
    struct db_conf conf = {.conninfo = "host=a port"};
    struct db *db = NULL;
    struct err err = {0};

    (void)state;
    assert_false(db_open(&db, &conf, &err));
    assert_int_equal(err.kind, ERR_CONFIG);
}

static void says_when_the_server_is_away(void **state)
{
    struct db_conf conf = {.conninfo = "host=127.0.0.1 port=1 dbname=x", .application_name = "t"};
    AUTO(auto_db) struct db *db = NULL;
    struct err err = {0};

    (void)state;
    assert_ok(db_open(&db, &conf, &err), &err);
    assert_false(db_ready(db, &err));
    assert_int_equal(err.kind, ERR_TRANSIENT);
    assert_false(db_is_connected(db));
    assert_false(db_run(db, "any", NULL, NULL, &err));
    assert_int_equal(err.kind, ERR_TRANSIENT);
    db_rollback(db);
}

int main(void)
{
    static struct test_list list;

    TEST_ADD_ROWS(&list, rows, writes_arrays);
    TEST_ADD(&list, writes_numbers_and_times);
    TEST_ADD(&list, writes_bytes);
    TEST_ADD(&list, keeps_arguments);
    TEST_ADD(&list, refuses_a_bad_connection_string);
    TEST_ADD(&list, says_when_the_server_is_away);
    return test_run("db", &list);
}
