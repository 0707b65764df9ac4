/* words: what counts as said, what counts as denied, and what is wrong with a list. */
#include "tests/support/test.h"

#include "proto/shape.h"
#include "services/classifier/words.h"

#define SOURCE                                                                                           \
    "{\"lists\":{\"leak\":[\"泄露\",\"外泄\",\"leaked\",\"leak\"],\"customer\":[\"客户资料\","   \
    "\"customer data\"],\"trojan\":[\"木马\",\"RAT\"],\"harmless\":[\"没有转账\"]},"               \
    "\"together\":{\"customer_leak\":[\"customer\",\"leak\"]},"                                          \
    "\"denial\":{\"nothing_found\":[\"未发现\",\"没有发现\",\"no evidence\"],"                    \
    "\"not\":[\"未\",\"没有\",\"不是\",\"not\",\"no\",\"此前\"],\"ends\":[\"导致\",\"造成\"," \
    "\"but\"],"                                                                                          \
    "\"never\":[\"未授权\",\"not only\"],\"after\":[\"风险\",\"risk\"],\"reach\":10}}"

static const struct row {
    const char *name, *text, *list;
    bool want;
} rows[] = {
    {"a word occurs", "客户数据泄露", "leak", true},
    {"another word of the list", "资料外泄", "leak", true},
    {"no word occurs", "一切正常", "leak", false},
    {"an empty text", "", "leak", false},
    {"Latin without case", "Files LEAKED yesterday", "leak", true},
    {"Latin inside a word", "bleak weather", "leak", false},
    {"Latin at the end", "there was a leak", "leak", true},
    {"Latin beside Chinese", "中了rat木马", "trojan", true},
    {"Latin inside another word", "operation", "trojan", false},
    {"denied", "未发现泄露", "leak", false},
    {"denied a few characters before", "经核查未发现客户资料泄露", "leak", false},
    {"denied by a weak word", "数据没有泄露", "leak", false},
    {"denied in English", "no evidence of any leak", "leak", false},
    {"denied in English, further off", "the data was not leaked", "leak", false},
    {"a clause further, the denial is over", "没有人员受伤,但数据泄露", "leak", true},
    {"a full-width comma ends a clause", "没有停机,客户资料泄露", "leak", true},
    {"the ideographic comma does not", "未发现篡改、泄露", "leak", false},
    {"a sentence further", "未发现异常。客户资料外泄", "leak", true},
    {"out of reach", "没有按照公司规定的流程及时更新补丁程序泄露", "leak", true},
    {"a cause ends a weak denial", "未打补丁导致泄露", "leak", true},
    {"but not one that belongs to it", "未造成泄露", "leak", false},
    {"nor that nothing was found", "未发现因此造成泄露", "leak", false},
    {"brackets have a clause of their own", "(没有公网地址)客户资料泄露", "leak", true},
    {"so have others", "[not public] data leaked", "leak", true},
    {"and full-width ones", "【没有公网地址】数据泄露,(没有备份)", "leak", true},
    {"full-width round ones", "\xef\xbc\x88没有公网地址\xef\xbc\x89数据泄露", "leak", true},
    {"a weak denial does not reach into them", "没有停机(客户资料泄露)", "leak", true},
    {"that nothing was found does", "未发现异常(如篡改,泄露)", "leak", false},
    {"behind them their clause goes on", "未发现客户资料(含姓名,住址)泄露", "leak", false},
    {"also when they hold another denial", "没有客户资料(不是全部)泄露", "leak", false},
    {"one that closes nothing ends a clause", "1)没有停机2)泄露", "leak", true},
    {"brackets never closed end with the sentence", "没有停机(。数据泄露", "leak", true},
    {"what follows in brackets still counts", "数据泄露(风险)", "leak", false},
    {"what only looks like a denial", "未授权访问后泄露", "leak", true},
    {"what only looks like one in English", "not only was it leaked", "leak", true},
    {"a word that begins with a denial", "最后没有转账", "harmless", true},
    {"only a risk", "存在泄露风险", "leak", false},
    {"a risk two steps behind", "存在泄露的风险", "leak", false},
    {"a risk in the next clause", "数据泄露,风险很大", "leak", true},
    {"earlier history does not count", "此前曾中过木马", "trojan", false},
    {"denied once, said once", "未发现泄露。后来确认泄露", "leak", true},
    {"together in a sentence", "客户资料被人拿走,已外泄", "customer_leak", true},
    {"in two sentences", "客户资料完好。内部文件外泄", "customer_leak", false},
    {"together, one denied", "客户资料未外泄", "customer_leak", false},
    {"together across a line's end", "客户资料\n外泄", "customer_leak", false},
    {"a dot inside a name is no end", "customer data in dump.zip leaked", "customer_leak", true},
    {"a dot at a sentence's end is one", "customer data is safe. A memo leaked", "customer_leak",
     false},
    {"a comma inside a number is none", "no 1,000 leaked", "leak", false},
    {"broken UTF-8 is passed over", "\xe6\xb3 泄露 \xff\xfe", "leak", true},
    {"a word cut by the text's end", "泄\xe9\x9c", "leak", false},
    {"a wide mark cut by the text's end", "泄露\xef\xbc", "leak", true},
};

static struct words *load(void)
{
    AUTO(auto_json) json_t *source = json_loads(SOURCE, 0, NULL);
    struct words *w = NULL;
    struct err err = {0};

    assert_non_null(source);
    assert_ok(words_load(&w, source, &err), &err);
    return w;
}

static void check(void **state)
{
    const struct row *row = *state;
    AUTO(auto_words) struct words *w = load();
    struct word_hits hits = {0};
    size_t id = 0;

    words_scan(w, row->text, strlen(row->text), &hits, NULL);
    assert_true(words_find(w, row->list, &id));
    assert_int_equal(words_found(&hits, id), row->want);
}

static void traditional_characters_are_read(void **state)
{
    AUTO(auto_json)
    json_t *source = json_loads("{\"traditional\":{\"from\":\"洩資\",\"to\":\"泄资\"},"
                                "\"lists\":{\"leak\":[\"泄露\"]},\"denial\":{\"nothing_found\":"
                                "[\"a\"],\"not\":[\"b\"],\"ends\":[\"c\"],\"never\":[\"d\"],"
                                "\"after\":[\"e\"],\"reach\":10}}",
                                0, NULL);
    AUTO(auto_words) struct words *w = NULL;
    struct err err = {0};
    const char text[] = "客戶資料 洩露\xe6\xb4";
    char got[sizeof(text)] = "";

    (void)state;
    assert_ok(words_load(&w, source, &err), &err);
    words_normalise(w, text, strlen(text), got);
    assert_string_equal(got, "客戶资料 泄露\xe6\xb4"); /* what the table does not have stays */
}

static void a_bad_table_of_characters_is_refused(void **state)
{
    static const char *const tables[] = {"{\"from\":\"洩\",\"to\":\"\"}",
                                         "{\"from\":\"abc\",\"to\":\"abc\"}",
                                         "{\"from\":\"洩洩\",\"to\":\"泄泄\"}"};

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(tables); i++) {
        AUTO(auto_json) json_t *source = json_loads(SOURCE, 0, NULL);
        struct words *w = NULL;
        struct err err = {0};

        json_object_set_new(source, "traditional", json_loads(tables[i], 0, NULL));
        assert_fails(words_load(&w, source, &err), &err, ERR_INPUT, "three bytes");
    }
}

static void hits_name_the_words(void **state)
{
    AUTO(auto_words) struct words *w = load();
    struct word_hits hits = {0};
    const char text[] = "客户资料外泄,后来又泄露", more[] = "another leak";
    const char *words[WORD_TOGETHER_MAX];
    size_t unused;

    (void)state;
    words_scan(w, text, strlen(text), &hits, NULL);
    words_scan(w, more, strlen(more), &hits, NULL); /* adds, and keeps what was there */
    assert_int_equal(words_explain(w, &hits, 0, words), 1);
    assert_string_equal(words[0], "外泄");
    assert_string_equal(words_name(w, 4), "customer_leak");
    assert_int_equal(words_explain(w, &hits, 4, words), 2);
    assert_string_equal(words[0], "客户资料");
    assert_string_equal(words[1], "外泄");
    assert_int_equal(words_explain(w, &hits, 2, words), 0); /* trojan */
    assert_null(words_name(w, words_count(w)));
    assert_false(words_find(w, "nothing", &unused));
}

static void a_text_is_read_once(void **state)
{
    /* A hundred thousand words that all deny and all hit: quadratic work would show as a timeout. */
    AUTO(auto_words) struct words *w = load();
    AUTO(auto_free) char *text = calloc(100000, 13);
    struct word_hits hits = {0};

    (void)state;
    assert_non_null(text);
    for (size_t i = 0; i < 100000; i++)
        memcpy(text + i * 12, "没有泄露", 12);
    words_scan(w, text, 1200000, &hits, NULL);
    assert_false(words_found(&hits, 0));
}

static void places_are_in_the_texts_order(void **state)
{
    AUTO(auto_words) struct words *w = load();
    struct word_hits hits = {0};
    struct word_places places;
    struct word_set stand;
    const char text[] = "客户资料外泄,未发现木马,木马泄露";

    (void)state;
    words_scan(w, text, strlen(text), &hits, &places);
    assert_int_equal(places.n, 4); /* the first 木马 is denied */
    for (size_t i = 1; i < places.n; i++)
        assert_true(places.places[i].at > places.places[i - 1].at);
    words_stand(w, &places, 0, strlen("客户资料外泄"), NULL, &stand);
    assert_true(word_set_has(&stand, 0) && word_set_has(&stand, 1) && word_set_has(&stand, 4));
    assert_false(word_set_has(&stand, 2));
    words_stand(w, &places, strlen("客户资料外泄"), strlen(text), NULL, &stand);
    assert_true(word_set_has(&stand, 0) && word_set_has(&stand, 2));
    assert_false(word_set_has(&stand, 1) || word_set_has(&stand, 4)); /* a part is missing */
}

/* As many words as a policy may have, each found and none taken for another. */
static void every_word_of_many_is_found(void **state)
{
    AUTO(auto_json) json_t *source = json_loads(SOURCE, 0, NULL);
    AUTO(auto_words) struct words *w = NULL;
    json_t *list = json_array();
    struct err err = {0};

    (void)state;
    for (int i = 0; i < 3500; i++) {
        char word[16];

        snprintf(word, sizeof(word), "w%03xz", i);
        json_array_append_new(list, json_string(word));
    }
    json_object_set_new(json_object_get(source, "lists"), "many", list);
    assert_ok(words_load(&w, source, &err), &err);
    for (int i = 0; i < 4096; i++) {
        struct word_hits hits = {0};
        const char *words[WORD_TOGETHER_MAX];
        char word[16];
        size_t id = 0;

        snprintf(word, sizeof(word), "W%03xz", i);
        words_scan(w, word, strlen(word), &hits, NULL);
        assert_true(words_find(w, "many", &id));
        assert_int_equal(words_found(&hits, id), i < 3500);
        assert_int_equal(words_explain(w, &hits, id, words), i < 3500);
        if (i < 3500)
            assert_string_equal(words[0] + 1, word + 1);
    }
}

#define DENIAL                                                                                     \
    "\"denial\":{\"nothing_found\":[\"x\"],\"not\":[\"x\"],\"ends\":[\"x\"],\"never\":[\"x\"],"    \
    "\"after\":[\"x\"],\"reach\":10}"
static const struct bad_row {
    const char *name, *source, *part;
} bad_rows[] = {
    {"nothing", "{}", "/lists"},
    {"a list that is none", "{\"lists\":{\"a\":\"b\"}," DENIAL "}", "/lists/a: must be a list"},
    {"an empty list", "{\"lists\":{\"a\":[]}," DENIAL "}", "/lists/a: must be a list"},
    {"an empty word", "{\"lists\":{\"a\":[\"b\",\"\"]}," DENIAL "}", "/lists/a/1"},
    {"a number", "{\"lists\":{\"a\":[7]}," DENIAL "}", "/lists/a/0"},
    {"one name twice", "{\"lists\":{\"a\":[\"b\"]},\"together\":{\"a\":[\"a\",\"a\"]}," DENIAL "}",
     "that no other has"},
    {"together with what is no list",
     "{\"lists\":{\"a\":[\"b\"]},\"together\":{\"c\":[\"a\",\"z\"]}," DENIAL "}", "/together/c/1"},
    {"together alone", "{\"lists\":{\"a\":[\"b\"]},\"together\":{\"c\":[\"a\"]}," DENIAL "}",
     "/together/c: must name 2"},
    {"no denial", "{\"lists\":{\"a\":[\"b\"]}}", "/denial/nothing_found"},
    {"reach too far",
     "{\"lists\":{\"a\":[\"b\"]},\"denial\":{\"nothing_found\":[\"x\"],\"not\":[\"x\"],"
     "\"ends\":[\"x\"],\"never\":[\"x\"],\"after\":[\"x\"],\"reach\":1000}}",
     "/denial/reach"},
};

static void check_bad(void **state)
{
    const struct bad_row *row = *state;
    AUTO(auto_json) json_t *source = json_loads(row->source, 0, NULL);
    struct words *w = NULL;
    struct err err = {0};

    assert_non_null(source);
    assert_fails(words_load(&w, source, &err), &err, ERR_INPUT, "");
    err_wrap(&err, "%s", err.pointer);
    assert_contains(err.text, row->part);
    assert_null(w);
}

int main(void)
{
    static struct test_list list;

    TEST_ADD_ROWS(&list, rows, check);
    TEST_ADD_ROWS(&list, bad_rows, check_bad);
    TEST_ADD(&list, traditional_characters_are_read);
    TEST_ADD(&list, a_bad_table_of_characters_is_refused);
    TEST_ADD(&list, hits_name_the_words);
    TEST_ADD(&list, a_text_is_read_once);
    TEST_ADD(&list, places_are_in_the_texts_order);
    TEST_ADD(&list, every_word_of_many_is_found);
    return test_run("classifier words", &list);
}
