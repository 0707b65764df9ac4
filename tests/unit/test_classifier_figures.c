/* figures: which quantities of a text are harm, by the deployed policy's units and figures. */
#include "tests/support/test.h"

#include <math.h>

#include "services/classifier/policy.h"

static struct policy *policy;

static const struct row {
    const char *text, *figure;
    double at_least, at_most; /* at_least < 0: it is not told */
} rows[] = {
    /* how long */
    {"系统瘫痪3小时。", "outage_minutes", 180, 180},
    {"系統癱瘓,服務中断兩個半小時。", "outage_minutes", 150, 150},
    {"生产系统宕机约2小时30分钟。", "outage_minutes", 150, 150},
    {"业务中断数小时", "outage_minutes", 60, 540},
    {"服务中断2小时以上。", "outage_minutes", 120, 1200},
    {"收银系统瘫痪十余天", "outage_minutes", 14400, 28800},
    {"14:07存储报警,官网打不开,到22:00才恢复。", "outage_minutes", 473, 473},
    {"上午10点系统宕机,下午3点恢复。", "outage_minutes", 300, 300},
    {"23:30断电宕机,次日1:00恢复", "outage_minutes", 90, HUGE_VAL},
    {"The portal was down for more than 3 hours.", "outage_minutes", 180, 240},
    {"The system was down from 10:00 to 3 pm", "outage_minutes", -1, 0},
    {"服务器瘫痪,对方要求24小时内付款。", "outage_minutes", -1, 0},
    {"2023年11月12日系统瘫痪。", "outage_minutes", -1, 0},
    /* more clocks than two, or another day: what is not sure is not ruled out */
    {"13:00官网无法访问,18:30厂家到场,19:30恢复。", "outage_minutes", 60, 390},
    {"官网9月10日14:00无法访问,9月12日14:30才恢复。", "outage_minutes", 30, HUGE_VAL},
    {"官网中断10分钟。当天多次中断,累计26小时。", "outage_minutes", 1560, 1570},
    {"培训持续3小时。", "outage_minutes", -1, 0},
    {"未发现业务中断3小时的情况", "outage_minutes", -1, 0},
    {"网页出现不雅内容约12秒。", "illegal_content_minutes", 0.2, 0.2},
    /* whose data */
    {"客户资料泄露,约12万余条。", "personal_records_persons", 120000, 130000},
    {"約一百二十萬條客户信息外泄", "personal_records_persons", 1.2e6, 1.2e6},
    {"用户库被公开,超过600万个注册邮箱账号。", "personal_records_persons", 6e6, 7e6},
    {"客户资料被窃取。经查共涉及30万人。", "personal_records_persons", 300000, 300000},
    {"Personal data of 1.2 million customers was leaked.", "personal_records_persons", 1.2e6,
     1.2e6},
    {"12,000 customer records were stolen", "personal_records_persons", 12000, 12000},
    {"批量爬走用户手机号210万个。", "personal_records_persons", 2.1e6, 2.1e6},
    {"客户信息2023年被泄露。", "personal_records_persons", -1, 0},
    {"一名客户个人信息泄露,手机号13812345678。", "personal_records_persons", -1, 0},
    {"泄露1名用户个人信息,用户13812345678。", "personal_records_persons", -1, 0},
    {"客户手机号13812345678客户信息泄露", "personal_records_persons", -1, 0},
    {"客户手机号：13812345678,客户信息泄露", "personal_records_persons", -1, 0},
    {"13812345678客户信息泄露", "personal_records_persons", -1, 0},
    {"工号10086123客户资料外泄", "personal_records_persons", -1, 0},
    {"用户58123456反映个人信息泄露", "personal_records_persons", -1, 0},
    {"泄露用户数据12000000条", "personal_records_persons", 12e6, 12e6},
    {"泄露手机号12000000个", "personal_records_persons", 12e6, 12e6},
    {"约260亿条客户信息泄露", "personal_records_persons", 26e9, 26e9},
    {"银行卡号6222021234567890123用户信息泄露", "personal_records_persons", -1, 0},
    {"身份证号310101199001011234人员信息泄露", "personal_records_persons", -1, 0},
    {"直接经济损失12345678901234567元", "direct_loss_cny", -1, 0},
    {"直接经济损失12345678901元", "direct_loss_cny", 12345678901, 12345678901},
    {"會員資料外洩,約三十五萬筆", "personal_records_persons", 350000, 350000},
    {"一名员工泄露了客户资料。", "personal_records_persons", -1, 0},
    {"发出约100万条短信,其中1万名客户资料外泄。", "personal_records_persons", 1e4, 1e6},
    {"未来科技客户数据泄露。", "personal_records_persons", -1, 0},
    /* several mentions, one of them nearer */
    {"网上公开了500条客户信息,黑客称手里共有300万条。", "personal_records_persons", 500, 3e6},
    {"泄露了120w条客户信息。", "personal_records_persons", 1.2e6, 1.2e6},
    {"12m customer records were stolen", "personal_records_persons", 1.2e7, 1.2e7},
    {"泄露客户信息1，234，567条", "personal_records_persons", -1, 0},
    {"2 345 678 customer records were leaked", "personal_records_persons", -1, 0},
    {"本公司有员工5000人。", "personal_records_persons", -1, 0},
    /* how many are hit */
    {"商城停服,影响客户800多万。", "people_affected", 8e6, 9e6},
    {"系统瘫痪,近千名患者等候。", "people_affected", 900, 999},
    {"An outage hit 3,000 customers", "people_affected", 3000, 3000},
    {"首批受影响用户20人,总数已达15万人。", "people_affected", 20, 150020},
    {"系统中断影响A市6万用户、B市5万用户。", "people_affected", 60000, 110000},
    {"one hundred and fifty thousand customers were affected", "people_affected", 50000, HUGE_VAL},
    {"系统被攻破,牵涉802人。", "people_affected", -1, 0},
    {"100多台电脑断网,遭到攻击。", "workstations_out", 100, 200},
    {"Ransomware encrypted 35 laptops", "workstations_hit", 35, 35},
    /* how much money */
    {"被骗走2670万元。", "direct_loss_cny", 2.67e7, 2.67e7},
    {"分两笔汇出85万和180万元,共265万元。", "direct_loss_cny", 2.65e6, 4.45e6},
    {"骗走约356.9万美元", "direct_loss_cny", 3.569e6 * 6, 3.569e6 * 8},
    {"分两次转走300万元和280万元。", "direct_loss_cny", 3e6, 5.8e6},
    {"财务没有转账。但随后被黑客盗走了800万元。", "direct_loss_cny", 8e6, 8e6},
    {"损失超过亿元", "direct_loss_cny", 1e8, 2e8},
    {"直接经济损失不足五百万元。", "direct_loss_cny", 0, 4999999},
    {"We lost RMB 5 million to a scam.", "direct_loss_cny", 5e6, 5e6},
    {"We lost 5 million yuan.", "direct_loss_cny", 5e6, 5e6},
    {"黑客索要50万元赎金。", "direct_loss_cny", -1, 0},
    {"有人骗取服务费,全案金额1.2亿元。", "direct_loss_cny", -1, 0},
    {"业绩损失超亿元。", "direct_loss_cny", -1, 0},
    {"要求转出287万元,核实后没有转账。", "direct_loss_cny", -1, 0},
    {"注册资本500万元。", "direct_loss_cny", -1, 0},
};

static void check(void **state)
{
    const struct row *row = *state;
    struct figure_hits hits = {0};
    struct word_hits words = {0};
    struct word_places places;
    const struct figure *got = NULL;
    size_t len = strlen(row->text);
    char text[1024];

    words_normalise(policy->words, row->text, len, text);
    words_scan(policy->words, text, len, &words, &places);
    figures_scan(policy->figures, text, len, &places, &hits);
    for (size_t i = 0; i < figures_count(policy->figures); i++)
        if (strcmp(figures_name(policy->figures, i), row->figure) == 0)
            got = &hits.figures[i];
    assert_non_null(got);
    if (got->is_told != (row->at_least >= 0))
        fail_msg("%s is %s: %f to %f", row->figure, got->is_told ? "told" : "not told",
                 got->at_least, got->at_most);
    if (got->is_told &&
        (got->at_least < 0.999 * row->at_least || got->at_least > 1.001 * row->at_least ||
         got->at_most < 0.999 * row->at_most || got->at_most > 1.001 * row->at_most))
        fail_msg("%s is %f to %f", row->figure, got->at_least, got->at_most);
}

/* More numbers than are kept: what was read stays, and nothing is ruled out. */
static void a_long_text_rules_nothing_out(void **state)
{
    AUTO(buf_done) struct buf text;
    struct figure_hits hits = {0};
    struct word_hits words = {0};
    struct word_places places;
    size_t id;

    (void)state;
    buf_init(&text, 16000);
    buf_str(&text, "客户信息泄露20条。");
    for (int i = 0; i < 40; i++)
        buf_printf(&text, "第%d步用时%d分钟;", i, i);
    words_scan(policy->words, text.data, text.len, &words, &places);
    figures_scan(policy->figures, text.data, text.len, &places, &hits);
    assert_true(figures_find(policy->figures, "personal_records_persons", &id));
    assert_true(hits.figures[id].is_told && hits.figures[id].at_least == 20 &&
                isinf(hits.figures[id].at_most));
}

static void scan(const char *text, struct figure_hits *hits)
{
    struct word_hits words = {0};
    struct word_places places;

    words_scan(policy->words, text, strlen(text), &words, &places);
    figures_scan(policy->figures, text, strlen(text), &places, hits);
}

/* What one text tells stays open when another could not be read to its end, whichever comes first. */
static void a_text_that_is_not_understood_rules_nothing_out(void **state)
{
    static const char *const texts[] = {"客户信息泄露20条。",
                                        "One hundred and fifty thousand customers were affected."};
    size_t id;

    (void)state;
    assert_true(figures_find(policy->figures, "personal_records_persons", &id));
    for (size_t first = 0; first < 2; first++) {
        struct figure_hits hits = {0};

        scan(texts[first], &hits);
        scan(texts[!first], &hits);
        assert_true(hits.figures[id].is_told && hits.figures[id].at_least == 20);
        assert_true(isinf(hits.figures[id].at_most));
    }
}

static const struct bad_row {
    const char *name, *source, *place;
} bad_rows[] = {
    {"no units", "{}", "/units"},
    {"a unit without words", "{\"units\":{\"minutes\":{}}}", "/units/minutes"},
    {"a factor of nothing", "{\"units\":{\"minutes\":{\"h\":0}}}", "/units/minutes"},
    {"a range upside down", "{\"units\":{\"yuan\":{\"usd\":[8,6]}}}", "/units/yuan"},
    {"a noun of no unit", "{\"units\":{\"m\":{\"h\":1}},\"nouns\":{\"x\":[\"y\"]}}", "/nouns/x"},
    {"a figure of no unit", "{\"units\":{\"m\":{\"h\":1}},\"figures\":{\"f\":{\"of\":[\"leak\"]}}}",
     "/figures/f/unit"},
    {"a list that is not there",
     "{\"units\":{\"m\":{\"h\":1}},\"figures\":{\"f\":{\"unit\":\"m\",\"of\":[\"nothing\"]}}}",
     "/figures/f/of/0"},
    {"nothing that tells of it",
     "{\"units\":{\"m\":{\"h\":1}},\"figures\":{\"f\":{\"unit\":\"m\"}}}", "/figures/f/of"},
    {"lists that are none",
     "{\"units\":{\"m\":{\"h\":1}},\"figures\":{\"f\":{\"unit\":\"m\",\"of\":\"leak\"}}}",
     "/figures/f/of: must be a list"},
    {"a truth that is none",
     "{\"units\":{\"m\":{\"h\":1}},\"figures\":{\"f\":{\"unit\":\"m\",\"bare\":\"yes\"}}}",
     "/figures/f: least must be"},
    {"digits of no unit", "{\"units\":{\"m\":{\"h\":1}},\"digits\":{\"x\":3}}", "/digits/x"},
    {"no digits", "{\"units\":{\"m\":{\"h\":1}},\"digits\":{\"m\":0}}", "/digits/m"},
    {"words that are none", "{\"units\":{\"m\":{\"h\":1}},\"nouns\":{\"m\":\"x\"}}",
     "/nouns/m: must be"},
    {"a member that is not known",
     "{\"units\":{\"m\":{\"h\":1}},\"figures\":{\"f\":{\"unit\":\"m\",\"off\":[]}}}",
     "/figures/f/off"},
};

static void refuses(void **state)
{
    const struct bad_row *row = *state;
    json_t *source = json_loads(row->source, 0, NULL);
    AUTO(auto_figures) struct figures *f = NULL;
    struct err err = {0};

    assert_false(figures_load(&f, policy->words, source, &err));
    assert_int_equal(err.kind, ERR_INPUT);
    err_wrap(&err, "%s", err.pointer);
    assert_contains(err.text, row->place);
    json_decref(source);
}

int main(void)
{
    static struct test_list list;
    struct err err = {0};
    int failed;

    if (!policy_load(&policy, "deploy/policy", &err)) {
        print_error("%s\n", err.text);
        return EXIT_FAILURE;
    }
    TEST_ADD_ROWS(&list, rows, check);
    TEST_ADD(&list, a_long_text_rules_nothing_out);
    TEST_ADD(&list, a_text_that_is_not_understood_rules_nothing_out);
    TEST_ADD_ROWS(&list, bad_rows, refuses);
    failed = test_run("classifier figures", &list);
    policy_unref(policy);
    return failed;
}
