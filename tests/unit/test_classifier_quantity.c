/* quantity: numbers as people write them, each read as the range that it can mean. */
#include "tests/support/test.h"

#include <math.h>

#include "services/classifier/quantity.h"

static const struct row {
    const char *text;
    double at_least, at_most; /* at_least < 0: no number */
    const char *rest;
} rows[] = {
    {"12", 12, 12, ""},
    {"12,000条", 12000, 12000, "条"},
    {"1,2", 1, 1, ",2"},
    {"1.5小时", 1.5, 1.5, "小时"},
    {"1.2万", 12000, 12000, ""},
    {"12条", 12, 12, "条"},
    {"2千万元", 2e7, 2e7, "元"},
    {"1.2亿", 1.2e8, 1.2e8, ""},
    {"一百二十万条", 1.2e6, 1.2e6, "条"},
    {"约一百二十万", 1.2e6, 1.2e6, ""},
    {"十", 10, 10, ""},
    {"十二", 12, 12, ""},
    {"二十", 20, 20, ""},
    {"两千零五", 2005, 2005, ""},
    {"一亿二千万", 1.2e8, 1.2e8, ""},
    {"三亿", 3e8, 3e8, ""},
    {"1亿零300万", 1.03e8, 1.03e8, ""},
    {"3亿5000万", 3.5e8, 3.5e8, ""},
    {"3万5千", 35000, 35000, ""},
    {"85万,180万", 850000, 850000, ",180万"},
    {"两", 2, 2, ""},
    {"半小时", 0.5, 0.5, "小时"},
    {"3个半小时", 3.5, 3.5, "小时"},
    {"30多万", 300000, 400000, ""},
    {"12万余条", 120000, 130000, "条"},
    {"1300余万", 1.3e7, 1.4e7, ""},
    {"十余天", 10, 20, "天"},
    {"十几万", 100000, 200000, ""},
    {"三百多", 300, 400, ""},
    {"40+", 40, 50, ""},
    {"超过600万个", 6e6, 7e6, "个"},
    {"逾2000万", 2e7, 3e7, ""},
    {"超亿元", 1e8, 2e8, "元"},
    {"上千台", 1000, 2000, "台"},
    {"至少1万名", 1e4, 1e5, "名"},
    {"不少于500", 500, 5000, ""},
    {"近千名", 900, 999, "名"},
    {"将近100万", 900000, 999999, ""},
    {"不足100万", 0, 999999, ""},
    {"不到 50 人", 0, 49, " 人"},
    {"数百人", 100, 999, "人"},
    {"几十万", 100000, 999999, ""},
    {"数小时", 1, 9, "小时"},
    {"几百", 100, 999, ""},
    {"more than 40", 40, 50, ""},
    {"over 1.2 million users", 1.2e6, 1.3e6, " users"},
    {"at least 10,000", 10000, 100000, ""},
    {"nearly 500", 450, 499, ""},
    {"fewer than 50", 0, 49, ""},
    {"about three hours", 3, 3, " hours"},
    {"hundreds of customers", 100, 999, " customers"},
    {"several hours", 1, 9, " hours"},
    {"500k users", 500000, 500000, " users"},
    {"2 million", 2e6, 2e6, ""},
    {"one", 1, 1, ""},
    {"oneself", -1, 0, ""},
    {"overall", -1, 0, ""},
    {"约", -1, 0, ""},
    {"上午", -1, 0, ""},
    {"数据", 1, 9, "据"}, /* no unit follows: figures drops it */
    {"１２３人", 123, 123, "人"},
    {"1２万", 120000, 120000, ""},
    {"99999999999999999999", -1, 0, ""},
    {"", -1, 0, ""},
};

static void check(void **state)
{
    const struct row *row = *state;
    struct quantity q;
    size_t len = strlen(row->text);

    if (row->at_least < 0) {
        assert_false(quantity_read(row->text, len, 0, &q));
        return;
    }
    assert_true(quantity_read(row->text, len, 0, &q));
    if (fabs(q.at_least - row->at_least) > 1e-6 * row->at_least ||
        fabs(q.at_most - row->at_most) > 1e-6 * row->at_most)
        fail_msg("%s is %f to %f", row->text, q.at_least, q.at_most);
    assert_string_equal(row->text + q.end, row->rest);
}

static const struct after_row {
    const char *text;
    double at_least, at_most;
} after_rows[] = {
    {"2以上", 2, 20},    {"2以下", 0, 1.98},   {"30左右", 30, 30},
    {"100余", 100, 200}, {"2 or more", 2, 20}, {"2", 2, 2},
};

static void check_after(void **state)
{
    const struct after_row *row = *state;
    struct quantity q = {.at_least = strtod(row->text, NULL), .at_most = strtod(row->text, NULL)};

    q.end = strspn(row->text, "0123456789");
    quantity_read_after(row->text, strlen(row->text), &q);
    assert_true(fabs(q.at_least - row->at_least) < 1e-6 && fabs(q.at_most - row->at_most) < 1e-6);
}

/* Words are looked for only where one of them can begin: none may be forgotten there. */
// clang-format off
static const char *const every_word[] = {
    "超过5", "突破5", "超5", "逾5", "上5", "至少5", "不少于5", "不低于5", "将近5", "接近5", "近5", "不足5", "不到5",
    "不超过5", "少于5", "低于5", "大约5", "大概5", "约5", "more than 5", "over 5", "at least 5",
    "no fewer than 5", "no less than 5", "nearly 5", "almost 5", "close to 5", "fewer than 5",
    "less than 5", "under 5", "up to 5", "approximately 5", "about 5", "around 5", "roughly 5",
    "some 5", "hundreds of millions of", "tens of millions of", "hundreds of thousands of",
    "tens of thousands of", "millions of", "thousands of", "hundreds of", "dozens of", "several",
    "a few", "好几", "几", "数", "半", "3个半", "a dozen", "one", "two", "three", "four", "five", "six",
    "seven", "eight", "nine", "ten", "eleven", "twelve", "twenty", "thirty", "forty", "fifty",
    "〇", "一", "二", "两", "三", "四", "五", "六", "七", "八", "九", "十", "百", "千", "超万", "超亿", "5千万",
    "5百万", "5十万", "5千亿", "5百亿", "5十亿", "5万亿", "5万", "5亿", "5十", "5百", "5千", "5 thousand",
    "5 million", "5 billion", "5 hundred", "5k", "5bn", "5w", "5m", "5mn", "5mln", "5 millions",
    "5 thousands", "5多", "5余", "5来", "5几", "5+", "零", "０", "９", "SOME 5", "FIFTY",
};
// clang-format on

static void every_word_is_looked_for(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(every_word); i++) {
        struct quantity q = {0};

        if (!quantity_read(every_word[i], strlen(every_word[i]), 0, &q) ||
            q.end != strlen(every_word[i]))
            fail_msg("%s is read up to %zu", every_word[i], q.end);
    }
}

int main(void)
{
    static struct test_list list;

    TEST_ADD_ROWS(&list, rows, check);
    TEST_ADD_ROWS(&list, after_rows, check_after);
    TEST_ADD(&list, every_word_is_looked_for);
    return test_run("classifier quantity", &list);
}
