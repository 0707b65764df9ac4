/* Campaigns: values written one way; the traits of events; who is linked with whom, from both sides of every bound; texts; and that the order in which
 * incidents come changes nothing. */
#include "tests/support/test.h"

#include <stdio.h>

#include "services/classifier/campaign.h"
#include "services/classifier/indicator.h"

#define HOUR     INT64_C(3600000)
#define DAY      (24 * HOUR)
#define SHA256   "8f14e45fceea167a5a36dedd4bea2543d1f0f1a9d5f6a7b8c9d0e1f2a3b4c5d6"
#define CAPITALS "8F14E45FCEEA167A5A36DEDD4BEA2543D1F0F1A9D5F6A7B8C9D0E1F2A3B4C5D6"

/* --- values --- */

static const struct value {
    const char *name;
    enum indicator_type type;
    const char *in, *want; /* NULL: no value */
} values[] = {
    {"an address", INDICATOR_IP, "203.0.113.45", "203.0.113.45"},
    {"blanks around it", INDICATOR_IP, " 203.0.113.45\n", "203.0.113.45"},
    {"made harmless", INDICATOR_IP, "203[.]0(.)113[dot]45", "203.0.113.45"},
    {"full-width", INDICATOR_IP, "２０３．０．１１３．４５", "203.0.113.45"},
    {"ideographic stops", INDICATOR_IP, "203。0。113。45", "203.0.113.45"},
    {"with a port", INDICATOR_IP, "203.0.113.45:443", "203.0.113.45"},
    {"of six", INDICATOR_IP, "2001:0DB8:0:0::1", "2001:db8::1"},
    {"of six with a port", INDICATOR_IP, "[2001:db8::1]:443", "2001:db8::1"},
    {"of four in six", INDICATOR_IP, "::ffff:203.0.113.45", "203.0.113.45"},
    {"private in six", INDICATOR_IP, "::ffff:10.1.2.3", NULL},
    {"a network", INDICATOR_IP, "203.0.113.0/24", NULL},
    {"no address", INDICATOR_IP, "203.0.113", NULL},
    {"private 10", INDICATOR_IP, "10.255.255.255", NULL},
    {"behind 10", INDICATOR_IP, "11.0.0.0", "11.0.0.0"},
    {"before 172.16", INDICATOR_IP, "172.15.255.255", "172.15.255.255"},
    {"private 172.16", INDICATOR_IP, "172.16.0.0", NULL},
    {"private 172.31", INDICATOR_IP, "172.31.255.255", NULL},
    {"behind 172.31", INDICATOR_IP, "172.32.0.0", "172.32.0.0"},
    {"private 192.168", INDICATOR_IP, "192.168.0.1", NULL},
    {"behind 192.168", INDICATOR_IP, "192.169.0.1", "192.169.0.1"},
    {"shared 100.64", INDICATOR_IP, "100.127.255.255", NULL},
    {"behind 100.64", INDICATOR_IP, "100.128.0.0", "100.128.0.0"},
    {"loopback", INDICATOR_IP, "127.1.2.3", NULL},
    {"link-local", INDICATOR_IP, "169.254.0.1", NULL},
    {"multicast", INDICATOR_IP, "224.0.0.1", NULL},
    {"before multicast", INDICATOR_IP, "223.255.255.255", "223.255.255.255"},
    {"unspecified", INDICATOR_IP, "0.0.0.0", NULL},
    {"loopback of six", INDICATOR_IP, "::1", NULL},
    {"unspecified of six", INDICATOR_IP, "::", NULL},
    {"unique local of six", INDICATOR_IP, "fd00::1", NULL},
    {"unique local of six, first half", INDICATOR_IP, "fc00::1", NULL},
    {"link-local of six", INDICATOR_IP, "fe80::1", NULL},
    {"link-local of six, the end", INDICATOR_IP, "febf::1", NULL},
    {"behind link-local of six", INDICATOR_IP, "fec0::1", "fec0::1"},
    {"a domain", INDICATOR_DOMAIN, "Evil.Example.", "evil.example"},
    {"a domain made harmless", INDICATOR_DOMAIN, "evil[.]Example", "evil.example"},
    {"a domain in Chinese", INDICATOR_DOMAIN, "恶意。例子", "恶意.例子"},
    {"an address is no domain", INDICATOR_DOMAIN, "203.0.113.45", NULL},
    {"one label", INDICATOR_DOMAIN, "localhost", NULL},
    {"a name inside the house", INDICATOR_DOMAIN, "dc01.corp.local", NULL},
    {"a name with a blank", INDICATOR_DOMAIN, "evil. example", NULL},
    {"an empty label", INDICATOR_DOMAIN, "evil..example", NULL},
    {"a dot alone", INDICATOR_DOMAIN, ".", NULL},
    {"a mail address", INDICATOR_EMAIL, "mailto:Boss[at]Evil[.]Example", "boss@evil.example"},
    {"no name before the @", INDICATOR_EMAIL, "@evil.example", NULL},
    {"no domain behind it", INDICATOR_EMAIL, "boss@localhost", NULL},
    {"two of them", INDICATOR_EMAIL, "a@b@evil.example", NULL},
    {"a URL", INDICATOR_URL, "HXXPS://Evil[.]Example:443/Path?Q=1#top",
     "https://evil.example/Path?Q=1"},
    {"a bare host", INDICATOR_URL, "http://evil.example/", "http://evil.example"},
    {"without a scheme", INDICATOR_URL, "Evil.Example/a", "http://evil.example/a"},
    {"who logs in", INDICATOR_URL, "ftp://me:secret@evil.example:2121/a",
     "ftp://evil.example:2121/a"},
    {"at an address", INDICATOR_URL, "http://203[.]0[.]113[.]45:8080/a",
     "http://203.0.113.45:8080/a"},
    {"at an address of six", INDICATOR_URL, "http://[2001:DB8::1]/a", "http://[2001:db8::1]/a"},
    {"at home", INDICATOR_URL, "http://192.168.1.1/login", NULL},
    {"at home of six", INDICATOR_URL, "http://[::1]/login", NULL},
    {"at localhost", INDICATOR_URL, "http://localhost:8080/", NULL},
    {"an @ in the path", INDICATOR_URL, "http://evil.example/@me", "http://evil.example/@me"},
    {"no host", INDICATOR_URL, "http:///a", NULL},
    {"no scheme", INDICATOR_URL, "://evil.example", NULL},
    {"a hash", INDICATOR_SHA256, CAPITALS, SHA256},
    {"a short hash", INDICATOR_SHA256, "8f14e45fceea167a5a36dedd4bea2543", NULL},
    {"a hash with a letter", INDICATOR_MD5, "8f14e45fceea167a5a36dedd4bea254g", NULL},
    {"a hash of 32", INDICATOR_MD5, "8F14E45FCEEA167A5A36DEDD4BEA2543",
     "8f14e45fceea167a5a36dedd4bea2543"},
    {"a hash of 40", INDICATOR_SHA1, "8F14E45FCEEA167A5A36DEDD4BEA2543D1F0F1A9",
     "8f14e45fceea167a5a36dedd4bea2543d1f0f1a9"},
    {"a CVE id", INDICATOR_CVE, "cve-2024-3400", "CVE-2024-3400"},
    {"a long dash", INDICATOR_CVE, "ＣＶＥ—2024–12345", "CVE-2024-12345"},
    {"three digits", INDICATOR_CVE, "CVE-2024-340", NULL},
    {"more behind it", INDICATOR_CVE, "CVE-2024-3400 and more", NULL},
    {"a ransom note keeps its letters", INDICATOR_RANSOM_NOTE, " bc1qXY  z9 ", "bc1qXY z9"},
    {"too short a note", INDICATOR_RANSOM_NOTE, "12345", NULL},
    {"anything else", INDICATOR_OTHER, "Mutex  Global\\ABC", "mutex global\\abc"},
    {"nothing", INDICATOR_OTHER, " \t ", NULL},
    {"without a width", INDICATOR_DOMAIN, "evil\u200b.example\ufeff", "evil.example"},
};

static void value_is_written_one_way(void **state)
{
    const struct value *row = *state;
    char got[INDICATOR_VALUE_MAX], again[INDICATOR_VALUE_MAX];

    if (!row->want) {
        assert_false(indicator_normalise(got, row->type, row->in));
        return;
    }
    assert_true(indicator_normalise(got, row->type, row->in));
    assert_string_equal(got, row->want);
    assert_true(indicator_normalise(again, row->type, got));
    assert_string_equal(again, got);
}

static void a_long_value_is_none(void **state)
{
    char got[INDICATOR_VALUE_MAX], in[INDICATOR_VALUE_MAX + 1];

    (void)state;
    memset(in, 'x', sizeof(in));
    in[INDICATOR_VALUE_MAX - 1] = '\0';
    assert_true(indicator_normalise(got, INDICATOR_OTHER, in));
    in[INDICATOR_VALUE_MAX - 1] = 'x';
    in[INDICATOR_VALUE_MAX] = '\0';
    assert_false(indicator_normalise(got, INDICATOR_OTHER, in));
}

/* --- traits --- */

static const char rules[] =
    "{\"ignore\":[\"8.8.8.8\",\"QQ[.]com\",\"未知\",\"LockBit\"],\"rules\":["
    "{\"id\":\"i\",\"kind\":\"indicator\",\"indicator_types\":[\"ip\",\"url\",\"domain\",\"cve\","
    "\"ransom_note\"],\"window\":\"24 h\",\"enterprises\":3,"
    "\"zh\":\"{enterprises} 家:{value}({window})\",\"en\":\"{enterprises}: {value} in {window}\","
    "\"advisory\":{\"title\":\"T {value}\",\"text\":\"{value} {enterprises}\","
    "\"tlp\":\"TLP:AMBER\",\"audience\":\"sector:it\"}},"
    "{\"id\":\"ip\",\"kind\":\"indicator\",\"indicator_types\":[\"ip\"],\"window\":\"7 d\","
    "\"enterprises\":2,\"zh\":\"z\",\"en\":\"e\"},"
    "{\"id\":\"s\",\"kind\":\"sub_category\",\"subs\":[\"勒索软件\"],\"window\":\"30 min\","
    "\"enterprises\":2,\"zh\":\"z\",\"en\":\"e\"},"
    "{\"id\":\"v\",\"kind\":\"supplier\",\"window\":\"7 d\",\"enterprises\":2,\"zh\":\"z\","
    "\"en\":\"e\"}]}";

static bool is_sub(const void *ctx, const char *sub)
{
    (void)ctx;
    return strcmp(sub, "勒索软件") == 0;
}

/* Its document lives as long as the program. */
static const struct correlation *loaded(void)
{
    static struct correlation *ret;
    static json_t *doc;
    struct err err = {0};

    if (!ret) {
        doc = json_loads(rules, 0, NULL);
        assert_non_null(doc);
        assert_ok(correlation_load(&ret, doc, is_sub, NULL, &err), &err);
    }
    return ret;
}

static const struct seen {
    const char *name, *type, *change; /* laid over the example */
    const char *want;                 /* "rule value" each, sorted by value and rule */
} seen[] = {
    {"an address, under both rules", "report.submitted",
     "{\"indicators\":[{\"type\":\"ip\",\"value\":\"203[.]0.113.45\"}]}",
     "i 203.0.113.45|ip 203.0.113.45|"},
    {"twice the same", "report.submitted",
     "{\"indicators\":[{\"type\":\"domain\",\"value\":\"a.example\"},{\"type\":\"domain\","
     "\"value\":\"A.EXAMPLE.\"}]}",
     "i a.example|"},
    {"one value of two types", "report.submitted",
     "{\"indicators\":[{\"type\":\"domain\",\"value\":\"a.example\"},{\"type\":\"url\","
     "\"value\":\"http://a.example\"}]}",
     "i a.example|i http://a.example|"},
    {"what no rule looks at", "report.submitted",
     "{\"indicators\":[{\"type\":\"md5\",\"value\":\"8f14e45fceea167a5a36dedd4bea2543\"}]}", ""},
    {"what is ignored", "report.submitted",
     "{\"indicators\":[{\"type\":\"ip\",\"value\":\"8.8.8.8\"},{\"type\":\"domain\",\"value\":"
     "\"qq.com\"},{\"type\":\"url\",\"value\":\"https://qq.com/a\"}]}",
     ""},
    {"below an ignored name", "report.submitted",
     "{\"indicators\":[{\"type\":\"domain\",\"value\":\"evil.qq.com\"}]}", "i evil.qq.com|"},
    {"a private address", "report.submitted",
     "{\"indicators\":[{\"type\":\"ip\",\"value\":\"192.168.1.1\"}]}", ""},
    {"a ransom note", "report.submitted", "{\"ransom\":{\"note_id\":\"bc1qXYZ9\"}}", "i bc1qXYZ9|"},
    {"an ignored note, in capitals", "report.submitted", "{\"ransom\":{\"note_id\":\"LOCKBIT\"}}",
     ""},
    {"CVE ids in the texts", "report.submitted",
     "{\"summary\":\"利用CVE-2024-3400入侵;cve-2023-46604也在\",\"cause\":\"CVE-2024-3400\","
     "\"traces\":\"xCVE-2020-0001 CVE-2021-44228x\"}",
     "i CVE-2021-44228|i CVE-2023-46604|i CVE-2024-3400|"},
    {"a supplement's", "report.supplemented",
     "{\"summary\":\"CVE-2024-3400\",\"supplier\":\" ＡＣＭＥ  软件 \"}",
     "i CVE-2024-3400|v acme 软件|"},
    {"an ignored supplier", "report.submitted", "{\"supplier\":\"未知\"}", ""},
    {"a sub-category", "incident.classified",
     "{\"gbt20986\":{\"name\":\"malicious_program\",\"zh\":\"恶意程序\",\"sub\":\"勒索软件\"}}",
     "s 勒索软件|"},
    {"a later grade's", "incident.reclassified",
     "{\"gbt20986\":{\"name\":\"malicious_program\",\"zh\":\"恶意程序\",\"sub\":\"勒索软件\"}}",
     "s 勒索软件|"},
    {"another sub-category", "incident.classified",
     "{\"gbt20986\":{\"name\":\"network_attack\",\"zh\":\"网络攻击\",\"sub\":\"网络钓鱼\"}}", ""},
    {"no sub-category", "incident.classified",
     "{\"gbt20986\":{\"name\":\"network_attack\",\"zh\":\"网络攻击\"}}", ""},
    {"a decision", "action.reclassified", "{\"reason\":\"CVE-2024-3400\"}", ""},
};

static void decode(struct event *ev, const char *type, const char *change)
{
    AUTO(auto_json) json_t *patch = json_loads(change, 0, NULL);
    AUTO(auto_json) json_t *doc = NULL;
    AUTO(auto_free) char *value = NULL;
    char path[128];
    struct err err = {0};

    snprintf(path, sizeof(path), "proto/examples/%s.json", type);
    doc = json_load_file(path, 0, NULL);
    assert_non_null(doc);
    assert_non_null(patch);
    json_object_del(doc, "indicators");
    json_object_del(doc, "ransom");
    json_object_del(doc, "supplier");
    assert_int_equal(json_object_update(doc, patch), 0);
    value = json_dumps(doc, JSON_COMPACT);
    assert_ok(event_decode(ev,
                           &(struct event_record){
                               .type = type,
                               .id = "0b0e8d2c-0000-8000-8000-000000000001",
                               .key = json_string_value(json_object_get(doc, "incident_id")),
                               .key_len = ID_TEXT_LEN,
                               .value = value,
                               .value_len = strlen(value)},
                           &err),
              &err);
}

static int by_value(const void *a, const void *b)
{
    const struct trait *x = a, *y = b;
    int order = strcmp(x->value, y->value);

    return order ? order : strcmp(x->rule->id, y->rule->id);
}

static void event_has_traits(void **state)
{
    const struct seen *row = *state;
    AUTO(auto_event) struct event ev = {0};
    AUTO(arena_done) struct arena arena;
    struct traits traits;
    char got[2048] = "";

    arena_init(&arena, 65536);
    decode(&ev, row->type, row->change);
    traits_of(&traits, loaded(), &ev, &arena);
    for (size_t i = 1; i < traits.n; i++)
        assert_true(strcmp(traits.items[i - 1].id.text, traits.items[i].id.text) < 0);
    qsort(traits.items, traits.n, sizeof(*traits.items), by_value);
    for (size_t i = 0; i < traits.n; i++)
        snprintf(got + strlen(got), sizeof(got) - strlen(got), "%s %s|", traits.items[i].rule->id,
                 traits.items[i].value);
    assert_string_equal(got, row->want);
    assert_int_equal(traits.left_out, 0);
}

static void trait_of(struct trait *ret, const char *change)
{
    static struct arena arena = {.max = 65536};
    AUTO(auto_event) struct event ev = {0};
    struct traits traits;

    decode(&ev, "report.submitted", change);
    traits_of(&traits, loaded(), &ev, &arena);
    assert_int_equal(traits.n, 1);
    *ret = traits.items[0];
}

static void a_drill_has_traits_of_its_own(void **state)
{
    struct trait real, drill, again;

    (void)state;
    trait_of(&real, "{\"supplier\":\"x1\"}");
    trait_of(&drill, "{\"supplier\":\"x1\",\"drill\":true}");
    trait_of(&again, "{\"supplier\":\"X1\"}");
    assert_string_not_equal(real.id.text, drill.id.text);
    assert_string_equal(real.id.text, again.id.text);
}

static void traits_are_bounded(void **state)
{
    AUTO(auto_event) struct event ev = {0};
    AUTO(arena_done) struct arena arena, small;
    AUTO(auto_json) json_t *change = json_pack("{s:[]}", "indicators");
    AUTO(auto_free) char *text = NULL;
    struct traits traits;

    (void)state;
    for (int i = 0; i < TRAITS_MAX + 7; i++)
        json_array_append_new(
            json_object_get(change, "indicators"),
            json_pack("{s:s,s:o}", "type", "domain", "value", json_sprintf("h%d.example", i)));
    text = json_dumps(change, 0);
    decode(&ev, "report.submitted", text);
    arena_init(&arena, 1024 * 1024);
    traits_of(&traits, loaded(), &ev, &arena);
    assert_int_equal(traits.n, TRAITS_MAX);
    assert_int_equal(traits.left_out, 7);
    arena_init(&small, 1);
    traits_of(&traits, loaded(), &ev, &small);
    assert_int_equal(traits.n, 0);
    assert_int_equal(traits.left_out, TRAITS_MAX + 7);
}

/* --- who is linked with whom --- */

/* A member as "A1@3": incident 1 of enterprise A, three hours in. Each is one letter, so 26 x 10 of them. */
static struct member member_of(const char *text)
{
    struct member ret = {.occurred_at = 100 * DAY};
    char id[ID_TEXT_LEN + 1];

    snprintf(id, sizeof(id), "00000000-0000-8000-8000-0000000000%02x", (unsigned)text[0]);
    assert_true(id_set(&ret.enterprise_id, id, ID_TEXT_LEN));
    snprintf(id, sizeof(id), "10000000-0000-8000-8000-00000000%02x%02x", (unsigned)text[0],
             (unsigned)text[1]);
    assert_true(id_set(&ret.incident_id, id, ID_TEXT_LEN));
    ret.occurred_at += (int64_t)(strtod(text + 3, NULL) * (double)HOUR);
    return ret;
}

static void name_of(char ret[3], const struct member *m)
{
    unsigned long name = strtoul(m->incident_id.text + 32, NULL, 16);

    ret[0] = (char)(name >> 8);
    ret[1] = (char)(name & 0xFF);
    ret[2] = '\0';
}

/* What becomes of each newcomer: "A1- " waits, "C1!A1 B1 C1 3/3 " opens with these, "D1+D1 4/4 " joins. */
static void run(struct circle *c, const char *members, char *ret, size_t size)
{
    char text[64];
    const char *at = members;

    ret[0] = '\0';
    for (; *at; at += strcspn(at, " "), at += *at == ' ') {
        AUTO(linked_done) struct linked linked = {0};
        struct member m;
        struct err err = {0};
        char name[3];
        enum linking how;
        size_t n = strlen(ret);

        snprintf(text, sizeof(text), "%.*s", (int)strcspn(at, " "), at);
        m = member_of(text);
        how = campaign_link(c, &m, &linked, &err);
        assert_int_not_equal(how, LINKING_FAILED);
        name_of(name, &m);
        n += (size_t)snprintf(ret + n, size - n, "%s%c", name,
                              how == LINKING_WAITS      ? '-'
                              : how == LINKING_LEFT_OUT ? 'x'
                              : linked.opens            ? '!'
                                                        : '+');
        for (size_t i = 0; i < linked.members_n; i++) {
            name_of(name, &c->members[linked.members[i]]);
            n += (size_t)snprintf(ret + n, size - n, "%s%s", i ? "," : "", name);
        }
        if (how == LINKING_LINKED)
            n += (size_t)snprintf(ret + n, size - n, "=%zu/%d", linked.era->enterprises_n,
                                  (int)linked.era->incidents);
        snprintf(ret + n, size - n, " ");
    }
}

static const struct story {
    const char *name, *members, *want;
} stories[] = {
    /* three enterprises within 24 h */
    {"two are too few", "A1@0 B1@1", "A1- B1- "},
    {"three open", "A1@0 B1@1 C1@2", "A1- B1- C1!A1,B1,C1=3/3 "},
    {"three of one enterprise are one", "A1@0 A2@1 A3@2 B1@3", "A1- A2- A3- B1- "},
    {"all incidents of the three", "A1@0 A2@1 B1@2 C1@3", "A1- A2- B1- C1!A1,A2,B1,C1=3/4 "},
    {"a fourth joins", "A1@0 B1@1 C1@2 D1@3", "A1- B1- C1!A1,B1,C1=3/3 D1+D1=4/4 "},
    {"another of the first", "A1@0 B1@1 C1@2 A2@3", "A1- B1- C1!A1,B1,C1=3/3 A2+A2=3/4 "},
    {"at the window's end", "A1@0 B1@12 C1@24", "A1- B1- C1!A1,B1,C1=3/3 "},
    {"behind the window's end", "A1@0 B1@12 C1@24.01", "A1- B1- C1- "},
    {"the first before the window still belongs to the era", "A1@0 B1@12 C1@25 D1@30",
     "A1- B1- C1- D1!A1,B1,C1,D1=4/4 "},
    {"a new era", "A1@0 B1@1 C1@2 D1@26.01", "A1- B1- C1!A1,B1,C1=3/3 D1- "},
    {"the era's last moment", "A1@0 B1@1 C1@2 D1@26", "A1- B1- C1!A1,B1,C1=3/3 D1+D1=4/4 "},
    {"a campaign goes on from its last", "A1@0 B1@1 C1@2 D1@26 E1@50",
     "A1- B1- C1!A1,B1,C1=3/3 D1+D1=4/4 E1+E1=5/5 "},
    {"a second campaign", "A1@0 B1@1 C1@2 A2@100 B2@101 C2@102",
     "A1- B1- C1!A1,B1,C1=3/3 A2- B2- C2!A2,B2,C2=3/3 "},
    {"from behind", "C1@2 B1@1 A1@0", "C1- B1- A1!A1,B1,C1=3/3 "},
    {"late, before the first", "B1@24 C1@25 D1@26 A1@0", "B1- C1- D1!B1,C1,D1=3/3 A1+A1=4/4 "},
    {"late, too long before", "B1@24 C1@25 D1@26 A1@-0.01", "B1- C1- D1!B1,C1,D1=3/3 A1- "},
    {"one that waits is reached over another", "B1@24 C1@25 D1@26 A1@-20 E1@2",
     "B1- C1- D1!B1,C1,D1=3/3 A1- E1+A1,E1=5/5 "},
    {"a bridge joins the earlier", "A1@0 B1@1 C1@2 A2@40 B2@41 C2@42 D1@20",
     "A1- B1- C1!A1,B1,C1=3/3 A2- B2- C2!A2,B2,C2=3/3 D1+D1=4/4 "},
    {"the same moment", "A1@0 B1@0 C1@0", "A1- B1- C1!A1,B1,C1=3/3 "},
};

static const struct trait *trait(void)
{
    static struct trait t;

    t = (struct trait){.rule = &loaded()->rules[0], .type = INDICATOR_IP, .value = "203.0.113.45"};
    assert_true(id_set(&t.id, "20000000-0000-8000-8000-000000000001", ID_TEXT_LEN));
    return &t;
}

static void story_goes(void **state)
{
    const struct story *row = *state;
    AUTO(circle_done) struct circle c = {.trait = trait()};
    char got[1024];

    run(&c, row->members, got, sizeof(got));
    assert_string_equal(got, row->want);
}

/* One enterprise does not fill a trait; what is beyond is left out until a campaign stands, which takes everybody. */
static void one_enterprise_waits_bounded(void **state)
{
    AUTO(circle_done) struct circle c = {.trait = trait()};
    struct member m = member_of("A1@0");
    char got[256];
    struct err err = {0};

    (void)state;
    for (int i = 0; i < CAMPAIGN_OWN_MAX + 3; i++) {
        AUTO(linked_done) struct linked linked = {0};

        m.incident_id.text[0] = (char)('a' + i % 6);
        m.incident_id.text[1] = (char)('a' + i / 6 % 6);
        m.occurred_at += 1000;
        assert_int_equal(campaign_link(&c, &m, &linked, &err),
                         i < CAMPAIGN_OWN_MAX ? LINKING_WAITS : LINKING_LEFT_OUT);
    }
    assert_int_equal(c.members_n, CAMPAIGN_OWN_MAX);
    run(&c, "A1@-24", got, sizeof(got)); /* further away there is room */
    assert_string_equal(got, "A1- ");
    run(&c, "B1@2 C1@3", got, sizeof(got));
    assert_int_equal(c.eras[0].incidents, CAMPAIGN_OWN_MAX + 2); /* that one is too far away */
    run(&c, "A2@4", got, sizeof(got));
    assert_contains(got, "A2+A2=3/");
}

/* Nor does it lose the one that completes the number. */
static void a_full_enterprise_may_complete_the_number(void **state)
{
    AUTO(circle_done) struct circle c = {.trait = trait()};
    struct member m = member_of("A1@0");
    char got[256];
    struct err err = {0};

    (void)state;
    for (int i = 0; i < CAMPAIGN_OWN_MAX; i++) {
        AUTO(linked_done) struct linked linked = {0};

        m.incident_id.text[0] = (char)('a' + i % 6);
        m.incident_id.text[1] = (char)('a' + i / 6 % 6);
        m.occurred_at += 1000;
        assert_int_equal(campaign_link(&c, &m, &linked, &err), LINKING_WAITS);
    }
    run(&c, "B1@25 C1@26 A2@24", got, sizeof(got));
    assert_contains(got, "B1- C1- A2!");
    assert_int_equal(c.eras[0].incidents, CAMPAIGN_OWN_MAX + 3);
}

/* --- whatever the order --- */

#define CROWD 24

static uint32_t next_random(uint32_t *seed)
{
    *seed = *seed * 1664525U + 1013904223U;
    return *seed >> 8;
}

static void shuffle(struct member *members, size_t n, uint32_t *seed)
{
    for (size_t i = n; i > 1; i--) {
        size_t j = next_random(seed) % i;
        struct member swapped = members[i - 1];

        members[i - 1] = members[j];
        members[j] = swapped;
    }
}

/* A bit for each incident that ends up in a campaign; each is told once. */
static uint32_t linked_of(const struct member *members, size_t n, const struct member *sorted)
{
    AUTO(circle_done) struct circle c = {.trait = trait()};
    uint32_t ret = 0;
    struct err err = {0};

    for (size_t i = 0; i < n; i++) {
        AUTO(linked_done) struct linked linked = {0};

        assert_int_not_equal(campaign_link(&c, &members[i], &linked, &err), LINKING_FAILED);
        for (size_t l = 0; l < linked.members_n; l++)
            for (size_t s = 0; s < n; s++)
                if (strcmp(sorted[s].incident_id.text,
                           c.members[linked.members[l]].incident_id.text) == 0) {
                    assert_int_equal(ret & 1U << s, 0);
                    ret |= 1U << s;
                }
    }
    return ret;
}

static void the_order_changes_nothing(void **state)
{
    uint32_t seed = 12345;
    size_t some = 0;

    (void)state;
    for (int round = 0; round < 400; round++) {
        struct member sorted[CROWD], members[CROWD];
        uint32_t want;

        for (size_t i = 0; i < CROWD; i++) {
            char text[32];

            snprintf(text, sizeof(text), "%c%c@%.2f", (char)('A' + next_random(&seed) % 4),
                     (char)('a' + i), next_random(&seed) % 6000 / 10.0);
            sorted[i] = members[i] = member_of(text);
        }
        want = linked_of(sorted, CROWD, sorted);
        some += want != 0 && want != (1U << CROWD) - 1;
        for (int order = 0; order < 6; order++) {
            shuffle(members, CROWD, &seed);
            assert_int_equal(linked_of(members, CROWD, sorted), want);
        }
    }
    assert_true(some > 100); /* both kinds of incidents were there */
}

/* --- what is said of it --- */

static void body_says_why(void **state)
{
    AUTO(circle_done) struct circle c = {.trait = trait()};
    AUTO(linked_done) struct linked linked = {0};
    AUTO(arena_done) struct arena arena;
    AUTO(buf_done) struct buf text;
    struct incident_linked body;
    struct member third = member_of("C1@2");
    struct err err = {0};
    char got[256];

    (void)state;
    arena_init(&arena, 65536);
    buf_init(&text, EVENT_BODY_MAX_BYTES);
    run(&c, "A1@0 B1@1", got, sizeof(got));
    assert_int_equal(campaign_link(&c, &third, &linked, &err), LINKING_LINKED);
    assert_ok(campaign_body(&body, &c, &linked, 2, SHA256, &arena, &err), &err);
    assert_ok(event_encode(EVENT_INCIDENT_LINKED, &body, &text, &err), &err);
    assert_contains(
        buf_text(&text),
        "{\"advisory\":{\"audience\":\"sector:it\",\"text\":\"203.0.113.45 3\","
        "\"title\":\"T 203.0.113.45\",\"tlp\":\"TLP:AMBER\"},\"campaign\":{\"campaign_id\":");
    assert_contains(buf_text(&text), "\"enterprises\":3,\"incidents\":3},\"drill\":false,"
                                     "\"en\":\"3: 203.0.113.45 in 24 h\",\"enterprise_id\":");
    assert_contains(buf_text(&text),
                    "\"indicator\":{\"type\":\"ip\",\"value\":\"203.0.113.45\"},"
                    "\"linked_incident_ids\":[\"10000000-0000-8000-8000-000000004231\","
                    "\"10000000-0000-8000-8000-000000004131\"],");
    assert_contains(buf_text(&text), "\"opens\":true,");
    assert_contains(buf_text(&text), "\"zh\":\"3 家:203.0.113.45(24 h)\"}");
    assert_ok(campaign_body(&body, &c, &linked, 0, SHA256, &arena, &err), &err);
    assert_false(body.opens);
    assert_null(body.advisory);
    assert_int_equal(body.occurred_at, third.occurred_at);
    assert_string_equal(body.linked_incident_ids[0], third.incident_id.text);
}

/* The longest that a rule and a value can be still fits the event. */
static void long_texts_are_cut(void **state)
{
    AUTO(circle_done) struct circle c = {0};
    AUTO(arena_done) struct arena arena;
    AUTO(buf_done) struct buf text;
    AUTO(linked_done) struct linked linked = {0};
    struct correlation_rule rule = loaded()->rules[0];
    struct trait t = *trait();
    struct incident_linked body;
    struct member third = member_of("C1@2");
    struct err err = {0};
    char value[INDICATOR_VALUE_MAX], long_text[3 * 4000 + 1] = "", got[256];

    (void)state;
    for (size_t i = 0; i + 3 < sizeof(value); i += 3)
        memcpy(value + i, "值", 4);
    for (size_t i = 0; i < 4000 / 7; i++)
        memcpy(long_text + 7 * i, "{value}", sizeof("{value}"));
    rule.zh = rule.en = rule.title = rule.text = long_text;
    t.rule = &rule;
    t.value = value;
    c.trait = &t;
    arena_init(&arena, 1024 * 1024);
    buf_init(&text, EVENT_BODY_MAX_BYTES);
    run(&c, "A1@0 B1@1", got, sizeof(got));
    assert_int_equal(campaign_link(&c, &third, &linked, &err), LINKING_LINKED);
    assert_ok(campaign_body(&body, &c, &linked, 2, SHA256, &arena, &err), &err);
    assert_ok(event_encode(EVENT_INCIDENT_LINKED, &body, &text, &err), &err);
    assert_contains(body.zh, "…");
}

static void two_hundred_others_at_most(void **state)
{
    AUTO(circle_done) struct circle c = {.trait = trait()};
    AUTO(arena_done) struct arena arena;
    struct incident_linked body;
    struct err err = {0};
    char got[256];

    (void)state;
    arena_init(&arena, 1024 * 1024);
    run(&c, "A1@0 B1@0 C1@0", got, sizeof(got));
    for (int i = 0; i < CAMPAIGN_LINKED_MAX + 40; i++) {
        AUTO(linked_done) struct linked linked = {0};
        struct member m = member_of("D1@1");

        snprintf(m.incident_id.text, sizeof(m.incident_id.text), "30000000-0000-8000-8000-%012d",
                 i);
        m.occurred_at += i;
        assert_int_equal(campaign_link(&c, &m, &linked, &err), LINKING_LINKED);
        assert_ok(campaign_body(&body, &c, &linked, 0, SHA256, &arena, &err), &err);
        assert_int_equal(body.linked_incident_ids_n,
                         i + 3 < CAMPAIGN_LINKED_MAX ? i + 3 : CAMPAIGN_LINKED_MAX);
        arena_done(&arena);
        arena_init(&arena, 1024 * 1024);
    }
    assert_int_equal(c.eras[0].incidents, CAMPAIGN_LINKED_MAX + 43);
}

/* The same work gives the same ids; another incident, campaign or cause another. */
static void ids_follow_from_what_happened(void **state)
{
    const struct member a = member_of("A1@0"), b = member_of("B1@0"), p = member_of("C1@0");
    struct id ids[5];

    (void)state;
    campaign_event_id(&ids[0], &p.incident_id, &a.incident_id, &b.incident_id);
    campaign_event_id(&ids[1], &p.incident_id, &a.incident_id, &b.incident_id);
    campaign_event_id(&ids[2], &p.incident_id, &b.incident_id, &a.incident_id);
    campaign_event_id(&ids[3], &p.incident_id, &a.incident_id, &a.incident_id);
    campaign_event_id(&ids[4], &a.incident_id, &a.incident_id, &b.incident_id);
    assert_string_equal(ids[0].text, ids[1].text);
    for (size_t i = 2; i < ARRAY_LEN(ids); i++)
        assert_string_not_equal(ids[0].text, ids[i].text);
}

int main(void)
{
    static struct test_list list;

    TEST_ADD_ROWS(&list, values, value_is_written_one_way);
    TEST_ADD(&list, a_long_value_is_none);
    TEST_ADD_ROWS(&list, seen, event_has_traits);
    TEST_ADD(&list, a_drill_has_traits_of_its_own);
    TEST_ADD(&list, traits_are_bounded);
    TEST_ADD_ROWS(&list, stories, story_goes);
    TEST_ADD(&list, one_enterprise_waits_bounded);
    TEST_ADD(&list, a_full_enterprise_may_complete_the_number);
    TEST_ADD(&list, the_order_changes_nothing);
    TEST_ADD(&list, body_says_why);
    TEST_ADD(&list, long_texts_are_cut);
    TEST_ADD(&list, two_hundred_others_at_most);
    TEST_ADD(&list, ids_follow_from_what_happened);
    return test_run("classifier campaign", &list);
}
