/* A grade as a person reads it: golden texts. */
#include "tests/support/test.h"

#include "services/classifier/tool/explain.h"

#define ARENA_BYTES ((size_t)1024 * 1024)

/* {"grade", "at", "earlier"} as `tongbao` gives it to the program, and what comes. */
static const struct row {
    const char *name, *doc, *zh, *en;
} rows[] = {
    {"rules, doubts, every kind of value",
     "{\"grade\": {\"enterprise_id\": \"291cda6f-1948-8c93-9470-df4c2acb3ac8\", \"incident_id\": "
     "\"141bd7c8-87f4-8aba-b020-476223bff445\", \"occurred_at\": \"2026-11-22T05:20:00.000Z\", "
     "\"drill\": false, \"reference\": \"TB-2GDXFJ47YJNTG\", \"parent_event_id\": "
     "\"93370081-82e6-8860-92ed-3399f9346ef7\", \"policy_version\": "
     "\"abababababababababababababababababababababababababababababababab\", \"discovered_at\":"
     " \"2026-11-22T03:00:00.000Z\", \"facts\": {}, \"profile\": {\"code\": \"HXJM\", \"name\": "
     "\"\\u534e\\u82af\\u7cbe\\u5bc6\", \"sector\": \"manufacturing\", \"staff\": 860, \"is_cii\": "
     "false, \"is_listed\": true}, \"revision\": 0, \"category\": \"data_leak\", \"gbt20986\": "
     "{\"name\": \"data_security\", \"zh\": \"\\u6570\\u636e\\u5b89\\u5168\", \"sub\": "
     "\"\\u6570\\u636e\\u6cc4\\u9732\"}, \"level\": \"major\", \"needs_human\": true, "
     "\"decided_by\": "
     "\"system\", \"summary\": "
     "\"\\u7b2c\\u4e00\\u884c\\n\\u001b[2J\\u7b2c\\u4e8c\\u884c\\u0085\\u5c3e\", "
     "\"regimes\": [{\"regime\": \"gdpr\", \"needs_human\": false}, {\"regime\": \"park\", "
     "\"level\": "
     "\"larger\", \"needs_human\": false}, {\"regime\": \"cac\", \"level\": \"major\", "
     "\"needs_human\": "
     "true}, {\"regime\": \"nis2\", \"needs_human\": false, \"reportable\": false}], \"reasons\": "
     "[{\"rule\": \"category.leak\", \"regime\": \"gbt-20986\", \"zh\": "
     "\"\\u6587\\u5b57\\u63d0\\u5230\\u5916\\u6cc4\", \"en\": \"the text tells of a leak\", "
     "\"fields\": "
     "[{\"pointer\": \"/words/leak\", \"value\": "
     "\"[\\\"\\u50a8\\u6237\\\",\\\"\\u5916\\u6cc4\\\"]\"}, "
     "{\"pointer\": \"/model/data_leak\", \"value\": \"{\\\"probability\\\":0.83}\"}]}, {\"rule\": "
     "\"park.leak\", \"regime\": \"park\", \"level\": \"larger\", \"zh\": "
     "\"\\u4f01\\u4e1a\\u6570\\u636e\\u6cc4\\u9732\", \"en\": \"enterprise data leaked\", "
     "\"fields\": "
     "[{\"pointer\": \"/facts/impact/data_leaked\", \"value\": \"true\"}, {\"pointer\": "
     "\"/facts/impact/direct_loss_cny\", \"value\": \"7000000\"}, {\"pointer\": "
     "\"/facts/data_kinds\", \"value\": \"[\\\"customer\\\"]\"}], \"source\": {\"document\": "
     "\"\\u56ed\\u533a\\u89c4\\u5219\"}}, {\"rule\": \"cac.1\", \"regime\": \"cac\", \"level\": "
     "\"extreme\","
     " \"zh\": \"\\u5f71\\u54cd\\u5927\", \"en\": \"large effect\"}, {\"rule\": \"cac.2\", "
     "\"regime\": "
     "\"cac\", \"zh\": \"\\u793e\\u4f1a\\u5f71\\u54cd\", \"en\": \"effect on society\"}, "
     "{\"rule\": "
     "\"cac.5\", \"regime\": \"cac\", \"level\": \"major\", \"zh\": \"\\u6cc4\\u9732 1000 "
     "\\u4e07\\u4eba\", "
     "\"en\": \"10 million people\", \"fields\": [{\"pointer\": "
     "\"/said/personal_records_persons\", "
     "\"value\": \"{\\\"at_least\\\":13000000,\\\"at_most\\\":14000000}\"}, {\"pointer\": "
     "\"/said/people_affected\", \"value\": \"{\\\"at_least\\\":999,\\\"at_most\\\":null}\"}, "
     "{\"pointer\": \"/said/outage_minutes\", \"value\": "
     "\"{\\\"at_least\\\":210,\\\"at_most\\\":210}\"}],"
     " \"source\": {\"document\": \"\\u7ba1\\u7406\\u529e\\u6cd5\", \"article\": \"\\u7b2c5\\u9879 "
     "\\u91cd\\u5927\", \"url\": \"https://law.example/5\"}}], \"missing\": [{\"pointer\": "
     "\"/facts/system/site_class\", \"regime\": \"cac\", \"level\": \"extreme\", \"zh\": "
     "\"\\u82e5\\u7532,\\u5219\\u4e3a\\u7279\\u522b\\u91cd\\u5927\", \"en\": \"extremely major if: "
     "a\"},"
     " {\"pointer\": \"/profile/is_cii\", \"regime\": \"cac\", \"level\": \"extreme\", \"zh\": "
     "\"\\u82e5\\u4e59,\\u5219\\u4e3a\\u7279\\u522b\\u91cd\\u5927\", \"en\": \"extremely major if: "
     "b\"}]}, \"at\": \"2026-11-22 05:20:01Z\"}",
     "事件  TB-2GDXFJ47YJNTG  141bd7c8-87f4-8aba-b020-476223bff445\n"
     "单位  华芯精密 (HXJM)\n"
     "经过  第一行  [2J第二行 尾\n"
     "级别  重大\n"
     "类别  数据泄露(国标 GB/T 20986:数据安全 · 数据泄露)\n"
     "决定  规则\n"
     "人工  须人工确认:cac (cac.1, cac.2)\n"
     "版本  第 0 版,2026-11-22 05:20:01Z,策略 "
     "abababababababababababababababababababababababababababababababab\n"
     "\n"
     "为什么是这一类别\n"
     "    文字提到外泄  [category.leak]\n"
     "      读到  文中“储户”“外泄”(词表 leak)\n"
     "            文本模型 data_leak,概率 0.83\n"
     "\n"
     "为什么是这一级别\n"
     "  重大  按 cac\n"
     "    泄露 1000 万人  [cac.5]\n"
     "      读到  文中数字 personal_records_persons = 13,000,000 至 14,000,000\n"
     "            文中数字 people_affected = 至少 999\n"
     "            文中数字 outage_minutes = 210\n"
     "      出处  管理办法,第5项 重大\n"
     "            https://law.example/5\n"
     "    影响大  [cac.1]\n"
     "      须人工判断;若成立为特别重大\n"
     "    社会影响  [cac.2]\n"
     "      须人工判断是否成立\n"
     "  较大  按 park\n"
     "    企业数据泄露  [park.leak]\n"
     "      读到  /impact/data_leaked = true\n"
     "            /impact/direct_loss_cny = 7,000,000\n"
     "            /data_kinds = [\"customer\"]\n"
     "      出处  园区规则\n"
     "  未定  按 nis2  无须上报\n"
     "  不能判定:gdpr\n"
     "\n"
     "尚不清楚、补报后可能升级的\n"
     "  /system/site_class  若甲,则为特别重大  [cac]\n"
     "  /profile/is_cii     若乙,则为特别重大  [cac]\n",
     "incident  TB-2GDXFJ47YJNTG  141bd7c8-87f4-8aba-b020-476223bff445\n"
     "reporter  华芯精密 (HXJM)\n"
     "summary   第一行  [2J第二行 尾\n"
     "level     major\n"
     "category  data leak (GB/T 20986: data security, 数据泄露)\n"
     "decided   by the rules\n"
     "look      a person has to look: cac (cac.1, cac.2)\n"
     "version   revision 0, 2026-11-22 05:20:01Z, policy "
     "abababababababababababababababababababababababababababababababab\n"
     "\n"
     "Why this category\n"
     "    the text tells of a leak  [category.leak]\n"
     "      read    the text says \"储户\", \"外泄\" (list leak)\n"
     "              the text model: data_leak, probability 0.83\n"
     "\n"
     "Why this level\n"
     "  major  by cac\n"
     "    10 million people  [cac.5]\n"
     "      read    the text tells personal_records_persons = 13,000,000 to 14,000,000\n"
     "              the text tells people_affected = at least 999\n"
     "              the text tells outage_minutes = 210\n"
     "      source  管理办法, 第5项 重大\n"
     "              https://law.example/5\n"
     "    large effect  [cac.1]\n"
     "      a person has to judge it; if it applies: extremely major\n"
     "    effect on society  [cac.2]\n"
     "      a person has to judge whether it applies\n"
     "  larger  by park\n"
     "    enterprise data leaked  [park.leak]\n"
     "      read    /impact/data_leaked = true\n"
     "              /impact/direct_loss_cny = 7,000,000\n"
     "              /data_kinds = [\"customer\"]\n"
     "      source  园区规则\n"
     "  not told  by nis2  need not be reported\n"
     "  cannot be told: gdpr\n"
     "\n"
     "Not known yet; could raise the level when it is supplemented\n"
     "  /system/site_class  extremely major if: a  [cac]\n"
     "  /profile/is_cii     extremely major if: b  [cac]\n"},
    {"a person, a drill, a campaign, earlier grades",
     "{\"grade\": {\"enterprise_id\": \"291cda6f-1948-8c93-9470-df4c2acb3ac8\", \"incident_id\": "
     "\"141bd7c8-87f4-8aba-b020-476223bff445\", \"occurred_at\": \"2026-11-22T05:20:00.000Z\", "
     "\"drill\": true, \"reference\": \"TB-2GDXFJ47YJNTG\", \"parent_event_id\": "
     "\"93370081-82e6-8860-92ed-3399f9346ef7\", \"policy_version\": "
     "\"abababababababababababababababababababababababababababababababab\", \"discovered_at\":"
     " \"2026-11-22T03:00:00.000Z\", \"facts\": {}, \"profile\": {\"code\": \"HXJM\", \"name\": "
     "\"\\u534e\\u82af\\u7cbe\\u5bc6\", \"sector\": \"manufacturing\", \"staff\": 860, \"is_cii\": "
     "false, \"is_listed\": true}, \"revision\": 2, \"category\": \"malware\", \"gbt20986\": "
     "{\"name\": \"malicious_program\", \"zh\": \"\\u6076\\u610f\\u7a0b\\u5e8f\"}, \"level\": "
     "\"general\","
     " \"needs_human\": false, \"decided_by\": \"park\", \"actor\": {\"scope\": \"park\", \"id\": "
     "\"k1\", "
     "\"name\": \"\\u503c\\u73ed\\u5458 \\u5468\\u654f\"}, \"why\": "
     "\"\\u8bef\\u62a5,\\u6837\\u672c\\u5df2\\u9a8c\\u8bc1\", \"summary\": \"\\u52d2\\u7d22\", "
     "\"regimes\":"
     " [{\"regime\": \"park\", \"level\": \"larger\", \"needs_human\": false}], \"reasons\": "
     "[{\"rule\":"
     " \"park.ransom\", \"regime\": \"park\", \"level\": \"larger\", \"zh\": \"\\u52d2\\u7d22\", "
     "\"en\": "
     "\"ransom\"}], \"campaign\": {\"campaign_id\": \"93370081-82e6-8860-92ed-3399f9346ef7\", "
     "\"enterprises\": 3, \"incidents\": 12}}, \"at\": \"2026-11-22 05:20:01Z\", \"earlier\": "
     "[{\"revision\": 1, \"at\": \"2026-11-22 05:10:00Z\", \"level\": \"major\", \"category\": "
     "\"data_leak\", \"decided_by\": \"enterprise\", \"actor\": \"\\u738b\\u5b89\", "
     "\"policy_version\": "
     "\"cdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcd\"}, {\"revision\": 0,"
     " \"at\": \"2026-11-22 05:00:00Z\", \"level\": \"larger\", \"category\": \"malware\", "
     "\"decided_by\": \"system\", \"actor\": null, \"policy_version\": "
     "\"abababababababababababababababababababababababababababababababab\"}]}",
     "事件  TB-2GDXFJ47YJNTG  141bd7c8-87f4-8aba-b020-476223bff445  [演练]\n"
     "单位  华芯精密 (HXJM)\n"
     "经过  勒索\n"
     "级别  一般\n"
     "类别  恶意软件(国标 GB/T 20986:恶意程序)\n"
     "决定  园区 值班员 周敏:误报,样本已验证\n"
     "人工  已由人决定\n"
     "关联  同一波攻击:3 家单位,12 起事件\n"
     "版本  第 2 版,2026-11-22 05:20:01Z,策略 "
     "abababababababababababababababababababababababababababababababab\n"
     "\n"
     "级别由人决定;按规则则为\n"
     "  较大  按 park\n"
     "    勒索  [park.ransom]\n"
     "\n"
     "以前的定级\n"
     "  第 1 版  2026-11-22 05:10:00Z  重大  数据泄露  决定:企业 王安  策略 cdcdcdcdcdcd\n"
     "  第 0 版  2026-11-22 05:00:00Z  较大  恶意软件  决定:规则  策略 abababababab\n",
     "incident  TB-2GDXFJ47YJNTG  141bd7c8-87f4-8aba-b020-476223bff445  [drill]\n"
     "reporter  华芯精密 (HXJM)\n"
     "summary   勒索\n"
     "level     general\n"
     "category  malware (GB/T 20986: malicious program)\n"
     "decided   by the park, 值班员 周敏: 误报,样本已验证\n"
     "look      a person has decided\n"
     "campaign  part of a campaign: 3 enterprises, 12 incidents\n"
     "version   revision 2, 2026-11-22 05:20:01Z, policy "
     "abababababababababababababababababababababababababababababababab\n"
     "\n"
     "The level is a person's decision; by the rules it would be\n"
     "  larger  by park\n"
     "    ransom  [park.ransom]\n"
     "\n"
     "Earlier grades\n"
     "  revision 1  2026-11-22 05:10:00Z  major, data leak  by enterprise 王安  policy "
     "cdcdcdcdcdcd\n"
     "  revision 0  2026-11-22 05:00:00Z  larger, malware  by the rules  policy abababababab\n"},
    {"kept from an earlier grade",
     "{\"grade\": {\"enterprise_id\": \"291cda6f-1948-8c93-9470-df4c2acb3ac8\", \"incident_id\": "
     "\"141bd7c8-87f4-8aba-b020-476223bff445\", \"occurred_at\": \"2026-11-22T05:20:00.000Z\", "
     "\"drill\": false, \"reference\": \"TB-2GDXFJ47YJNTG\", \"parent_event_id\": "
     "\"93370081-82e6-8860-92ed-3399f9346ef7\", \"policy_version\": "
     "\"abababababababababababababababababababababababababababababababab\", \"discovered_at\":"
     " \"2026-11-22T03:00:00.000Z\", \"facts\": {}, \"profile\": {\"code\": \"HXJM\", \"name\": "
     "\"\\u534e\\u82af\\u7cbe\\u5bc6\", \"sector\": \"manufacturing\", \"staff\": 860, \"is_cii\": "
     "false, \"is_listed\": true}, \"revision\": 3, \"category\": \"intrusion\", \"gbt20986\": "
     "{\"name\": \"other\", \"zh\": \"\\u5176\\u4ed6\"}, \"level\": \"larger\", \"needs_human\": "
     "true, "
     "\"decided_by\": \"system\", \"summary\": \"x\", \"regimes\": [{\"regime\": \"park\", "
     "\"level\": "
     "\"general\", \"needs_human\": true}], \"reasons\": [{\"rule\": \"park.otherwise\", "
     "\"regime\": "
     "\"park\", \"level\": \"general\", \"zh\": \"\\u9ed8\\u8ba4\", \"en\": \"by default\"}]}, "
     "\"at\": "
     "\"2026-11-22 05:20:01Z\"}",
     "事件  TB-2GDXFJ47YJNTG  141bd7c8-87f4-8aba-b020-476223bff445\n"
     "单位  华芯精密 (HXJM)\n"
     "经过  x\n"
     "级别  较大\n"
     "类别  网络入侵(国标 GB/T 20986:其他)\n"
     "决定  规则\n"
     "人工  须人工确认:park (park.otherwise);以前定得更高,规则不降级,只有人能降\n"
     "版本  第 3 版,2026-11-22 05:20:01Z,策略 "
     "abababababababababababababababababababababababababababababababab\n"
     "\n"
     "为什么是这一级别\n"
     "  一般  按 park\n"
     "    默认  [park.otherwise]\n",
     "incident  TB-2GDXFJ47YJNTG  141bd7c8-87f4-8aba-b020-476223bff445\n"
     "reporter  华芯精密 (HXJM)\n"
     "summary   x\n"
     "level     larger\n"
     "category  intrusion (GB/T 20986: other)\n"
     "decided   by the rules\n"
     "look      a person has to look: park (park.otherwise); an earlier grade was higher: rules "
     "never lower, a person may\n"
     "version   revision 3, 2026-11-22 05:20:01Z, policy "
     "abababababababababababababababababababababababababababababababab\n"
     "\n"
     "Why this level\n"
     "  general  by park\n"
     "    by default  [park.otherwise]\n"},
    {"no rule tells a level",
     "{\"grade\": {\"enterprise_id\": \"291cda6f-1948-8c93-9470-df4c2acb3ac8\", \"incident_id\": "
     "\"141bd7c8-87f4-8aba-b020-476223bff445\", \"occurred_at\": \"2026-11-22T05:20:00.000Z\", "
     "\"drill\": false, \"reference\": \"TB-2GDXFJ47YJNTG\", \"parent_event_id\": "
     "\"93370081-82e6-8860-92ed-3399f9346ef7\", \"policy_version\": "
     "\"abababababababababababababababababababababababababababababababab\", \"discovered_at\":"
     " \"2026-11-22T03:00:00.000Z\", \"facts\": {}, \"profile\": {\"code\": \"HXJM\", \"name\": "
     "\"\\u534e\\u82af\\u7cbe\\u5bc6\", \"sector\": \"manufacturing\", \"staff\": 860, \"is_cii\": "
     "false, \"is_listed\": true}, \"revision\": 3, \"category\": \"intrusion\", \"gbt20986\": "
     "{\"name\": \"other\", \"zh\": \"\\u5176\\u4ed6\"}, \"level\": \"general\", \"needs_human\": "
     "true, "
     "\"decided_by\": \"system\", \"summary\": \"x\", \"regimes\": [{\"regime\": \"cac\", "
     "\"needs_human\":"
     " false}], \"reasons\": []}, \"at\": \"2026-11-22 05:20:01Z\"}",
     "事件  TB-2GDXFJ47YJNTG  141bd7c8-87f4-8aba-b020-476223bff445\n"
     "单位  华芯精密 (HXJM)\n"
     "经过  x\n"
     "级别  一般\n"
     "类别  网络入侵(国标 GB/T 20986:其他)\n"
     "决定  规则\n"
     "人工  须人工确认:没有一条规则能定级\n"
     "版本  第 3 版,2026-11-22 05:20:01Z,策略 "
     "abababababababababababababababababababababababababababababababab\n"
     "\n"
     "为什么是这一级别\n"
     "  不能判定:cac\n",
     "incident  TB-2GDXFJ47YJNTG  141bd7c8-87f4-8aba-b020-476223bff445\n"
     "reporter  华芯精密 (HXJM)\n"
     "summary   x\n"
     "level     general\n"
     "category  intrusion (GB/T 20986: other)\n"
     "decided   by the rules\n"
     "look      a person has to look: no rule could tell a level\n"
     "version   revision 3, 2026-11-22 05:20:01Z, policy "
     "abababababababababababababababababababababababababababababababab\n"
     "\n"
     "Why this level\n"
     "  cannot be told: cac\n"},
};

static void write_page(struct buf *out, const char *text, const json_t *regimes,
                       enum explain_language language)
{
    AUTO(auto_json) json_t *doc = NULL;
    AUTO(arena_done) struct arena arena;
    struct incident_classified body;
    struct err err = {0};

    arena_init(&arena, ARENA_BYTES);
    assert_ok(json_read_strict(&doc, text, strlen(text), &err), &err);
    assert_ok(shape_decode(&incident_classified_shape, json_object_get(doc, "grade"), false,
                           TIME_EXACT, &body, &arena, &err),
              &err);
    explain_write(out,
                  &(struct explain){.body = &body,
                                    .at = json_string_value(json_object_get(doc, "at")),
                                    .regimes = regimes,
                                    .earlier = json_object_get(doc, "earlier")},
                  language);
    assert_false(out->failed);
}

static void is_as_golden(void **state)
{
    const struct row *row = *state;
    AUTO(buf_done) struct buf out = {0};

    buf_init(&out, ARENA_BYTES);
    write_page(&out, row->doc, NULL, EXPLAIN_ZH);
    assert_string_equal(buf_text(&out), row->zh);
    buf_reset(&out);
    write_page(&out, row->doc, NULL, EXPLAIN_EN);
    assert_string_equal(buf_text(&out), row->en);
}

static void a_regime_is_named_where_its_name_is_known(void **state)
{
    AUTO(auto_json)
    json_t *regimes = json_pack("{s:{s:s,s:s}}", "cac", "zh", "管理办法", "en", "the Measures");
    AUTO(buf_done) struct buf out = {0};

    (void)state;
    buf_init(&out, ARENA_BYTES);
    write_page(&out, rows[0].doc, regimes, EXPLAIN_ZH);
    assert_non_null(strstr(buf_text(&out), "  重大  按 管理办法  [cac]\n"));
    buf_reset(&out);
    write_page(&out, rows[0].doc, regimes, EXPLAIN_EN);
    assert_non_null(strstr(buf_text(&out), "  major  by the Measures  [cac]\n"));
}

/* The reporter's text has an escape sequence, a newline and a C1 control. */
static void no_report_moves_the_cursor(void **state)
{
    const struct row *row = *state;
    AUTO(buf_done) struct buf out = {0};

    assert_non_null(strstr(row->doc, "\\u001b"));
    buf_init(&out, ARENA_BYTES);
    write_page(&out, row->doc, NULL, EXPLAIN_ZH);
    for (const char *at = buf_text(&out); *at; at++) {
        assert_true((unsigned char)*at >= ' ' || *at == '\n');
        assert_false((unsigned char)at[0] == 0xC2 && (unsigned char)at[1] < 0xA0);
    }
}

int main(void)
{
    static struct test_list list;

    TEST_ADD_ROWS(&list, rows, is_as_golden);
    TEST_ADD(&list, a_regime_is_named_where_its_name_is_known);
    test_add(&list, "no_report_moves_the_cursor", no_report_moves_the_cursor, &rows[0]);
    return test_run("classifier policy explain", &list);
}
