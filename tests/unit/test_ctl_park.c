/* The file of `tongbao enterprise add`: what is taken, what is refused and where; keys; tables with
 * Chinese in them. */
#include "tests/support/test.h"

#include <locale.h>
#include <stdio.h>

#include "services/ctl/output.h"
#include "services/ctl/park.h"

#define HEAD          "{\"enterprises\":[{\"code\":\"ACME\",\"name\":\"n\",\"sector\":\"s\",\"staff\":5"
#define PERSON(extra) HEAD ",\"people\":[{\"name\":\"王\"" extra "}]}]}"

static const struct bad_row {
    const char *name, *in, *pointer, *part;
} bad_rows[] = {
    {"not JSON", "x", "", "JSON"},
    {"unknown field", HEAD ",\"size\":1}]}", "/enterprises/0/size", ""},
    {"no staff", "{\"enterprises\":[{\"code\":\"A\",\"name\":\"n\",\"sector\":\"s\"}]}",
     "/enterprises/0/staff", "missing"},
    {"small code",
     "{\"enterprises\":[{\"code\":\"Acme\",\"name\":\"n\",\"sector\":\"s\",\"staff\":1}]}",
     "/enterprises/0/code", "capital"},
    {"code that begins with a digit",
     "{\"enterprises\":[{\"code\":\"1A\",\"name\":\"n\",\"sector\":\"s\",\"staff\":1}]}",
     "/enterprises/0/code", "capital"},
    {"code twice", HEAD "},{\"code\":\"ACME\",\"name\":\"m\",\"sector\":\"s\",\"staff\":1}]}",
     "/enterprises/1/code", "already"},
    {"two parks",
     HEAD ",\"is_park\":true},{\"code\":\"B\",\"name\":\"m\",\"sector\":\"s\",\"staff\":1,\"is_"
          "park\":true}]}",
     "/enterprises/1/is_park", "one enterprise"},
    {"unknown kind of data", HEAD ",\"data_kinds\":[\"gossip\"]}]}", "/enterprises/0/data_kinds/0",
     "gossip"},
    {"a name twice", HEAD ",\"people\":[{\"name\":\"王\"},{\"name\":\"王\"}]}]}",
     "/enterprises/0/people/1/name", "already"},
    {"unknown language", PERSON(",\"language\":\"de\""), "/enterprises/0/people/0/language",
     "zh or en"},
    {"unknown role", PERSON(",\"roles\":[{\"role\":\"king\"}]"),
     "/enterprises/0/people/0/roles/0/role", "security_lead"},
    {"rank 0", PERSON(",\"roles\":[{\"role\":\"it\",\"rank\":0}]"),
     "/enterprises/0/people/0/roles/0/rank", "1 to 9"},
    {"a role twice", PERSON(",\"roles\":[{\"role\":\"it\"},{\"role\":\"it\",\"rank\":1}]"),
     "/enterprises/0/people/0/roles/1", "rank 2"},
    {"webhook without URL",
     PERSON(",\"contacts\":[{\"channel\":\"webhook\",\"address\":\"a@b.c\"}]"),
     "/enterprises/0/people/0/contacts/0/address", "http"},
    {"mail without @", PERSON(",\"contacts\":[{\"channel\":\"email\",\"address\":\"abc\"}]"),
     "/enterprises/0/people/0/contacts/0/address", "mail"},
    {"unknown channel", PERSON(",\"contacts\":[{\"channel\":\"pigeon\",\"address\":\"abc\"}]"),
     "/enterprises/0/people/0/contacts/0/channel", "email"},
    {"label twice", HEAD ",\"keys\":[{\"label\":\"l\"},{\"label\":\"l\"}]}]}",
     "/enterprises/0/keys/1", "already"},
    {"unknown scope", HEAD ",\"keys\":[{\"label\":\"l\",\"scopes\":[\"fly\"]}]}]}",
     "/enterprises/0/keys/0", "report, act and read"},
    {"duty that ends before it begins",
     "{\"duty\":[{\"person_name\":\"王\",\"from\":\"2026-11-22T08:00:00+08:00\",\"to\":\"2026-11-"
     "22T08:00:00+08:00\"}]}",
     "/duty/0/to", "later"},
};

static void refuse(void **state)
{
    const struct bad_row *row = *state;
    struct park_file file = {0};
    struct err err = {0};

    assert_fails(park_parse(&file, row->in, strlen(row->in), &err), &err, ERR_INPUT, row->part);
    assert_string_equal(err.pointer, row->pointer);
    assert_null(file.doc);
}

static void a_whole_park_is_read(void **state)
{
    static const char in[] =
        "{\"enterprises\":[{\"code\":\"A_1\",\"name\":\"厂\",\"name_en\":\"Plant\",\"sector\":"
        "\"s\",\"staff\":5,\"is_cii\":true,\"data_kinds\":[\"core\",\"other\"],"
        "\"people\":[{\"name\":\"王\",\"language\":\"en\",\"roles\":[{\"role\":\"it\"},{\"role\":"
        "\"deputy\",\"rank\":2}],"
        "\"contacts\":[{\"channel\":\"email\",\"address\":\"a@b\",\"priority\":2},{\"channel\":"
        "\"webhook\",\"address\":\"https://x\",\"secret\":\"s\"}]},"
        "{\"name\":\"李\",\"roles\":[{\"role\":\"it\",\"rank\":2}]}],\"keys\":[{\"label\":\"l\","
        "\"scopes\":[\"report\"]}]}],"
        "\"duty\":[{\"person_name\":\"王\",\"from\":\"2026-11-22T08:00:00+08:00\",\"to\":\"2026-11-"
        "23T08:00:00+08:00\"}]}";
    AUTO(park_done) struct park_file file = {0};
    const struct park_enterprise *e;
    struct err err = {0};

    (void)state;
    assert_ok(park_parse(&file, in, sizeof(in) - 1, &err), &err);
    e = &file.park.enterprises[0];
    assert_string_equal(e->code, "A_1");
    assert_true(e->is_cii && !e->is_park);
    assert_int_equal(e->people[0].roles[1].rank, 2);
    assert_int_equal(e->people[0].contacts[1].channel, CHANNEL_WEBHOOK);
    assert_string_equal(e->keys[0].scopes[0], "report");
    assert_int_equal(file.park.duty[0].to - file.park.duty[0].from, 86400000);
}

static void the_demonstration_park_is_valid(void **state)
{
    AUTO(buf_done) struct buf text;
    AUTO(park_done) struct park_file park = {0};
    FILE *file = fopen("deploy/demo/park.json", "re");
    struct err err = {0};
    char piece[4096];
    size_t n;

    (void)state;
    assert_non_null(file);
    buf_init(&text, 1 << 20);
    while ((n = fread(piece, 1, sizeof(piece), file)) > 0)
        (void)buf_add(&text, piece, n);
    (void)fclose(file);
    assert_ok(park_parse(&park, buf_text(&text), text.len, &err), &err);
    assert_true(park.park.enterprises_n >= 12);
}

static void ids_follow_from_code_and_name(void **state)
{
    struct id a, b, c, p, q;

    (void)state;
    park_enterprise_id(&a, "ACME");
    park_enterprise_id(&b, "ACME");
    park_enterprise_id(&c, "BETA");
    assert_string_equal(a.text, b.text);
    assert_string_not_equal(a.text, c.text);
    park_person_id(&p, a.text, "王");
    park_person_id(&q, c.text, "王");
    assert_string_not_equal(p.text, q.text);
}

static void a_secret_fits_its_hash(void **state)
{
    struct park_secret one, two;
    uint8_t digest[SHA256_LEN];
    char hex[SHA256_HEX_MAX];

    (void)state;
    park_secret_new(&one);
    park_secret_new(&two);
    assert_string_not_equal(one.text, two.text);
    assert_string_not_equal(one.key_id, two.key_id);
    assert_int_equal(strlen(one.text), 4 + 12 + 1 + 64);
    assert_memory_equal(one.text + 4, one.key_id, 12);
    sha256(one.text + 17, strlen(one.text + 17), digest);
    hex_encode(hex, digest, sizeof(digest));
    assert_string_equal(hex, one.sha256);
}

/* ---- tables */

static const struct cell_row {
    const char *name, *in, *want;
} cell_rows[] = {
    {"text", "\"a\"", "a"},         {"number", "-7", "-7"},
    {"yes", "true", "yes"},         {"no", "false", "no"},
    {"nothing", "null", "-"},       {"an object", "{\"a\":1}", "-"},
    {"a list", "[\"a\",1]", "a,1"}, {"control characters", "\"a\\n\\u001b[31mb\"", "a  [31mb"},
    {"an empty list", "[]", ""},
};

static void print_cell(void **state)
{
    const struct cell_row *row = *state;
    AUTO(auto_json) json_t *value = json_loads(row->in, JSON_DECODE_ANY, NULL);
    AUTO(buf_done) struct buf out;

    buf_init(&out, 256);
    output_cell(&out, value);
    assert_string_equal(buf_text(&out), row->want);
}

static char *table_of(const char *rows_text, const struct column *columns, size_t n)
{
    AUTO(auto_json) json_t *rows = json_loads(rows_text, 0, NULL);
    char *text = NULL;
    size_t size;
    FILE *file = open_memstream(&text, &size);

    assert_non_null(rows);
    output_table(file, rows, columns, n);
    (void)fclose(file);
    return text;
}

static void wide_characters_are_aligned(void **state)
{
    static const struct column columns[] = {{"a", "first"}, {"b", "second"}};
    AUTO(auto_free)
    char *text = table_of("[{\"a\":\"新港电力\",\"b\":1},{\"a\":\"x\",\"b\":\"一\"}]", columns, 2);

    (void)state;
    assert_string_equal(text, "first     second\n"
                              "新港电力  1\n"
                              "x         一\n");
}

static void long_cells_are_cut_but_for_the_last(void **state)
{
    static const struct column columns[] = {{"a", "a"}, {"b", "b"}};
    char rows[512] = "[{\"a\":\"";
    AUTO(auto_free) char *text = NULL;
    const char *cut;

    (void)state;
    for (int i = 0; i < 40; i++)
        (void)strncat(rows, "长", sizeof(rows) - strlen(rows) - 1);
    (void)strncat(rows, "\",\"b\":\"", sizeof(rows) - strlen(rows) - 1);
    for (int i = 0; i < 81; i++)
        (void)strncat(rows, "k", sizeof(rows) - strlen(rows) - 1);
    (void)strncat(rows, "\"}]", sizeof(rows) - strlen(rows) - 1);
    text = table_of(rows, columns, 2);
    cut = strchr(text, '\n') + 1;
    assert_memory_equal(cut + 29 * strlen("长"), "…  k",
                        strlen("…  k")); /* 29 of width 2, and it */
    assert_int_equal(strspn(strchr(cut, 'k'), "k"), 81);
}

int main(void)
{
    static struct test_list list;

    (void)setlocale(LC_CTYPE, "C.UTF-8");
    TEST_ADD_ROWS(&list, bad_rows, refuse);
    TEST_ADD_ROWS(&list, cell_rows, print_cell);
    TEST_ADD(&list, a_whole_park_is_read);
    TEST_ADD(&list, the_demonstration_park_is_valid);
    TEST_ADD(&list, ids_follow_from_code_and_name);
    TEST_ADD(&list, a_secret_fits_its_hash);
    TEST_ADD(&list, wide_characters_are_aligned);
    TEST_ADD(&list, long_cells_are_cut_but_for_the_last);
    return test_run("ctl park", &list);
}
