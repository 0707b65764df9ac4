/* policy: the deployed one loads; every mistake is refused with its file and place; the version follows the rules and not their layout; a reload that is
 * refused changes nothing. */
#include "tests/support/test.h"

#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/base/file.h"
#include "proto/policy_file.h"
#include "services/classifier/live.h"

#define DEPLOYED "deploy/policy"
#define PARK     "regimes/park-lingang.json"
#define CAC      "regimes/cac-2025.json"
#define SCRATCH  "/tmp/tongbao-policy-XXXXXX"

#define LINKS "correlation.json"

static const char *const files[] = {"words.json",
                                    "figures.json",
                                    "taxonomy.json",
                                    LINKS,
                                    PARK,
                                    CAC,
                                    "regimes/eu-dora.json",
                                    "regimes/eu-nis2.json",
                                    "regimes/gbt-20986.json",
                                    "regimes/miit-2024.json",
                                    "regimes/pboc-2025.json"};

static const struct row {
    const char *name, *file, *parent, *member;
    const char *value; /* JSON; NULL: the member is removed */
    const char *part;
} rows[] = {
    {"unknown member of a rule", PARK, "/rules/0", "needs_humans", "true",
     "/rules/0/needs_humans: is not a field"},
    {"unknown member of a regime", PARK, "", "rulez", "[]", "/rulez: is not a field"},
    {"no id", PARK, "/rules/1", "id", NULL, "/rules/1/id: is missing"},
    {"empty text", PARK, "/rules/1", "zh", "\"\"", "/rules/1/zh: must be a text of 1 to 300"},
    {"no level that exists", PARK, "/rules/0", "level", "\"huge\"",
     "/rules/0/level: must be one of general, larger, major, extreme"},
    {"neither level nor person", PARK, "/rules/0", "level", NULL, "gives neither"},
    {"repeated id", PARK, "/rules/1", "id", "\"park.customer-data-leaked\"", "stands there twice"},
    {"no condition", PARK, "/rules/2", "when", NULL, "/rules/2/when: must be a condition"},
    {"condition of a wrong form", PARK, "/rules/2", "when", "{\"at\":\"/facts/impact\"}",
     "/rules/2/when: beside \"at\" stands exactly one of"},
    {"pointer to no field", PARK, "/rules/2", "when",
     "{\"at\":\"/facts/impact/outage_hours\",\"ge\":1}", "/facts/impact/outage_hours: no such"},
    {"pointer behind a scalar", PARK, "/rules/2", "when",
     "{\"at\":\"/facts/impact/outage_minutes/x\",\"ge\":1}", "no such field"},
    {"pointer outside", PARK, "/rules/2", "when", "{\"at\":\"/level\",\"eq\":\"major\"}",
     "/level: no such field"},
    {"pointer into the profile", PARK, "/rules/2", "when",
     "{\"at\":\"/profile/turnover\",\"ge\":1}", "/profile/turnover: no such field"},
    {"a text for a number", PARK, "/rules/2", "when",
     "{\"at\":\"/facts/impact/outage_minutes\",\"eq\":\"120\"}", "with its unit"},
    {"a value that the enum has not", PARK, "/rules/2", "when",
     "{\"at\":\"/facts/system/site_class\",\"in\":[\"enterprise\",\"shop\"]}",
     "is none of the values of site_class"},
    {"a bad condition deep inside", PARK, "/rules/2", "when",
     "{\"all\":[{\"not\":{\"any\":[{\"at\":\"/words/nonsense\",\"exists\":true}]}}]}",
     "/words/nonsense: words.json has no such name"},
    {"keywords against a number", PARK, "/rules/2", "when",
     "{\"at\":\"/facts/impact/outage_minutes\",\"matches\":[\"x\"]}", "fits a text only"},
    {"a list is asked for its value", PARK, "/rules/2", "when",
     "{\"at\":\"/words/leak\",\"eq\":\"x\"}", "only \"exists\" fits"},
    {"no source", PARK, "/rules/0", "source", NULL, "/rules/0/source: is missing"},
    {"a source without a document", PARK, "/rules/0/source", "document", NULL,
     "/rules/0/source/document: is missing"},
    {"verified is no truth", PARK, "/rules/0", "verified", "\"yes\"",
     "/verified: must be true or false"},
    {"no rules", PARK, "", "rules", "[]", "/rules: must be a list with at least one rule"},
    {"a condition of what counts otherwise", PARK, "/otherwise", "when",
     "{\"at\":\"/words/leak\",\"exists\":true}", "/otherwise/when: counts when no rule does"},
    {"two regimes of one name", PARK, "", "id", "\"cac-2025\"", "another regime is called"},
    {"nine of the ten", "taxonomy.json", "", "gbt20986",
     "[{\"name\":\"other\",\"category\":\"intrusion\",\"subs\":[]}]", "each of the ten"},
    {"a sub-category that is none", "taxonomy.json", "/rules/0", "sub", "\"勒索\"",
     "none of its sub-categories"},
    {"a category that is none", "taxonomy.json", "/rules/0", "category", "\"fire\"", "/category"},
    {"no mapping for one of the four", "taxonomy.json", "/categories", "malware", NULL,
     "/categories/malware: is missing"},
    {"no default category", "taxonomy.json", "", "otherwise", NULL, "/otherwise: is missing"},
    {"a bad word list", "words.json", "/lists", "leak", "[\"\"]", "/lists/leak/0: must be a word"},
    {"a bad factor", "figures.json", "/units/minutes", "小时", "0",
     "/units/minutes: \"小时\" must be a number above 0"},
    {"an unknown member of the figures", "figures.json", "", "unit", "{}", "/unit: is not a field"},
    {"a figure that is not told", CAC, "/rules/0", "when", "{\"at\":\"/said/fire\",\"ge\":1}",
     "/said/fire: figures.json has no such name"},
    {"a comparison that no range has", CAC, "/rules/0", "when",
     "{\"at\":\"/said/outage_minutes\",\"eq\":1}", "only \"exists\" fits"},
    {"a number for a word", "words.json", "/lists", "leak", "[\"502\"]", "/lists/leak/0: a number"},
    {"a first day that is none", CAC, "/rules/0", "valid_from", "\"2025-02-30\"",
     "/rules/0/valid_from: must be a day"},
    {"a last day before the first", CAC, "", "valid_to", "\"2025-10-01\"",
     "/valid_to: must not be before"},
    {"a condition that is not named", CAC, "/rules/2", "when", "{\"is\":\"own_sites\"}",
     "/rules/2/when/is: must be the name of one"},
    {"a named condition that is wrong in itself", CAC, "/conditions", "outage_short",
     "{\"at\":\"/facts/impact/outage_minutes\",\"lt\":2}", "/conditions/outage_short/lt: must be"},
    {"a condition that contradicts itself", PARK, "/rules/2", "when",
     "{\"all\":[{\"at\":\"/facts/system/servers_hit\",\"ge\":5},"
     "{\"not\":{\"at\":\"/facts/system/servers_hit\",\"ge\":2}}]}",
     "/rules/2/when: contradicts itself"},
    {"a rule that decides nothing", PARK, "/rules/11", "when",
     "{\"all\":[{\"at\":\"/facts/system/servers_hit\",\"ge\":5},"
     "{\"at\":\"/words/worm\",\"exists\":true}]}",
     "\"park.one-workstation\" can never decide anything: whenever it fires, \"park.servers-hit\""},
    {"a category that is never reached", "taxonomy.json", "/rules/9", "when",
     "{\"all\":[{\"at\":\"/facts/ransom\",\"exists\":true},"
     "{\"at\":\"/words/worm\",\"exists\":true}]}",
     "can never be reached: whenever it fires, \"category.ransom-given\" did before"},
    {"an unknown member of the words", "words.json", "", "list", "{}", "/list: is not a field"},
    {"an unknown member of the links", LINKS, "", "ignored", "[]", "/ignored: is not a field"},
    {"an unknown member of a link", LINKS, "/rules/0", "windows", "\"7 d\"",
     "/rules/0/windows: is not a field"},
    {"no list of links", LINKS, "", "rules", NULL, "/rules: is missing"},
    {"a link without an id", LINKS, "/rules/0", "id", NULL, "/rules/0/id: is missing"},
    {"two links of one id", LINKS, "/rules/1", "id", "\"correlation.malware\"",
     "/rules/1/id: \"correlation.malware\" stands there twice"},
    {"a link of no kind", LINKS, "/rules/0", "kind", "\"place\"", "/rules/0/kind: must be"},
    {"indicators that are none", LINKS, "/rules/0", "indicator_types", "[\"sha256\",\"phone\"]",
     "/rules/0/indicator_types/1: must be one of ip, domain"},
    {"an indicator twice", LINKS, "/rules/0", "indicator_types", "[\"ip\",\"ip\"]",
     "/indicator_types/1: stands in the list already"},
    {"no indicators", LINKS, "/rules/0", "indicator_types", "[]", "/indicator_types: must be"},
    {"indicators of a supplier", LINKS, "/rules/3", "indicator_types", "[\"ip\"]",
     "/rules/3/indicator_types: only with kind indicator"},
    {"sub-categories of a supplier", LINKS, "/rules/3", "subs", "[\"勒索软件\"]",
     "/rules/3/subs: only with kind sub_category"},
    {"no sub-categories", LINKS, "/rules/2", "subs", "[]", "/rules/2/subs: must be a list"},
    {"a sub-category of no taxonomy", LINKS, "/rules/2", "subs", "[\"勒索\"]",
     "/rules/2/subs/0: must be a sub-category that taxonomy.json lists"},
    {"the sub-category of the rest", LINKS, "/rules/2", "subs", "[\"勒索软件\",\"其他\"]",
     "/rules/2/subs/1: must be a sub-category that taxonomy.json lists, not"},
    {"a window without a unit", LINKS, "/rules/0", "window", "\"7\"", "/rules/0/window: must be"},
    {"a window of weeks", LINKS, "/rules/0", "window", "\"1 w\"", "got \"1 w\""},
    {"a window of nothing", LINKS, "/rules/0", "window", "\"0 d\"", "got \"0 d\""},
    {"too long a window", LINKS, "/rules/0", "window", "\"91 d\"", "at most 90 d"},
    {"one enterprise", LINKS, "/rules/0", "enterprises", "1",
     "/rules/0/enterprises: must be a whole number from 2 to 20"},
    {"too many enterprises", LINKS, "/rules/0", "enterprises", "21", "/enterprises: must be"},
    {"a part of an enterprise", LINKS, "/rules/0", "enterprises", "2.5", "/enterprises: must be"},
    {"no reason", LINKS, "/rules/0", "en", NULL, "/rules/0/en: is missing"},
    {"a place that nothing fills", LINKS, "/rules/0", "zh", "\"{name} 家\"",
     "/rules/0/zh: only {enterprises}, {value} and {window}"},
    {"an unknown member of an advisory", LINKS, "/rules/0/advisory", "to", "\"all\"",
     "/rules/0/advisory/to: is not a field"},
    {"an advisory without a text", LINKS, "/rules/0/advisory", "text", NULL,
     "/rules/0/advisory/text: is missing"},
    {"an advisory of no colour", LINKS, "/rules/0/advisory", "tlp", "\"AMBER\"",
     "/rules/0/advisory/tlp: must be one of TLP:RED"},
    {"an advisory to nobody", LINKS, "/rules/0/advisory", "audience", "\"sector:\"",
     "/rules/0/advisory/audience: must be all, or sector:<name>"},
    {"a value to ignore that is none", LINKS, "", "ignore", "[\"8.8.8.8\",\" \"]",
     "/ignore/1: must be a text"},
};

struct scratch {
    char folder[sizeof(SCRATCH)];
};

static void path_of(char path[256], const struct scratch *s, const char *file)
{
    snprintf(path, 256, "%s/%s", s->folder, file);
}

static json_t *read_doc(const char *folder, const char *file)
{
    char path[256];
    json_t *doc;

    snprintf(path, sizeof(path), "%s/%s", folder, file);
    doc = json_load_file(path, 0, NULL);
    if (!doc)
        fail_msg("cannot read %s", path);
    return doc;
}

static void write_doc(const struct scratch *s, const char *file, json_t *doc, size_t flags)
{
    char path[256];

    path_of(path, s, file);
    assert_int_equal(json_dump_file(doc, path, flags), 0);
}

static void link_model(const struct scratch *s)
{
    AUTO(auto_free) char *deployed = realpath(DEPLOYED "/model.bin", NULL);
    char path[256];

    path_of(path, s, "model.bin");
    assert_non_null(deployed);
    assert_int_equal(symlink(deployed, path), 0);
}

static void scratch_open(struct scratch *s)
{
    char regimes[256];

    *s = (struct scratch){SCRATCH};
    assert_non_null(mkdtemp(s->folder));
    path_of(regimes, s, "regimes");
    assert_int_equal(mkdir(regimes, 0700), 0);
    for (size_t i = 0; i < ARRAY_LEN(files); i++) {
        AUTO(auto_json) json_t *doc = read_doc(DEPLOYED, files[i]);

        write_doc(s, files[i], doc, JSON_INDENT(1));
    }
    link_model(s);
}

static void scratch_close(struct scratch *s)
{
    char path[256];

    for (size_t i = 0; i < ARRAY_LEN(files); i++) {
        path_of(path, s, files[i]);
        unlink(path);
    }
    path_of(path, s, "model.bin");
    unlink(path);
    path_of(path, s, "regimes");
    rmdir(path);
    rmdir(s->folder);
}

/* The object or item that a pointer leads to. */
static json_t *walk(json_t *at, const char *pointer)
{
    while (*pointer) {
        char name[64];
        size_t len = strcspn(pointer + 1, "/");

        snprintf(name, sizeof(name), "%.*s", (int)len, pointer + 1);
        at = json_is_array(at) ? json_array_get(at, strtoul(name, NULL, 10))
                               : json_object_get(at, name);
        assert_non_null(at);
        pointer += len + 1;
    }
    return at;
}

static void patch(const struct scratch *s, const struct row *row)
{
    AUTO(auto_json) json_t *doc = read_doc(s->folder, row->file);
    json_t *parent = walk(doc, row->parent);

    if (row->value)
        json_object_set_new(parent, row->member, json_loads(row->value, JSON_DECODE_ANY, NULL));
    else
        json_object_del(parent, row->member);
    write_doc(s, row->file, doc, JSON_INDENT(1));
}

static void mistakes_are_refused(void **state)
{
    const struct row *row = *state;
    AUTO(scratch_close) struct scratch s;
    struct policy *policy = NULL;
    struct err err = {0};

    scratch_open(&s);
    patch(&s, row);
    assert_fails(policy_load(&policy, s.folder, &err), &err, ERR_CONFIG, row->part);
    assert_contains(err.text, row->file);
    assert_null(policy);
}

/* Where the wrong value begins, or what should have held a missing one. */
static void an_error_names_its_line(void **state)
{
    static const struct row row = {"", PARK, "/rules/4", "level", "\"huge\"", ""};
    AUTO(scratch_close) struct scratch s;
    AUTO(buf_done) struct buf text;
    struct policy *policy = NULL;
    struct err err = {0};
    char path[256], want[64];
    int line = 1;

    (void)state;
    scratch_open(&s);
    patch(&s, &row);
    path_of(path, &s, PARK);
    assert_ok(file_read(&text, path, POLICY_FILE_MAX_BYTES, &err), &err);
    for (const char *c = buf_text(&text), *end = strstr(c, "\"huge\""); c < end; c++)
        line += *c == '\n';
    snprintf(want, sizeof(want), PARK ":%d: /rules/4/level: ", line);
    assert_fails(policy_load(&policy, s.folder, &err), &err, ERR_CONFIG, want);
    assert_true(line > 50);
}

static void load_version(char ret[POLICY_VERSION_MAX], const char *folder)
{
    AUTO(auto_policy) struct policy *policy = NULL;
    struct err err = {0};

    assert_ok(policy_load(&policy, folder, &err), &err);
    memcpy(ret, policy->version, POLICY_VERSION_MAX);
}

static void the_deployed_policy_loads(void **state)
{
    AUTO(auto_policy) struct policy *policy = NULL;
    struct err err = {0};

    (void)state;
    assert_ok(policy_load(&policy, DEPLOYED, &err), &err);
    assert_int_equal(strlen(policy->version), 64);
    assert_int_equal(policy->regimes_n, 7);
    assert_string_equal(policy->regimes[0].id, "cac-2025"); /* in order of the files' names */
    assert_string_equal(policy->regimes[5].id, "park-lingang");
    assert_int_equal(policy->correlation->rules_n, 4);
}

/* And the version says so. */
static void without_links_it_loads(void **state)
{
    AUTO(scratch_close) struct scratch s;
    AUTO(auto_policy) struct policy *policy = NULL;
    struct err err = {0};
    char path[256], with[POLICY_VERSION_MAX];

    (void)state;
    scratch_open(&s);
    load_version(with, s.folder);
    path_of(path, &s, LINKS);
    assert_int_equal(unlink(path), 0);
    assert_ok(policy_load(&policy, s.folder, &err), &err);
    assert_null(policy->correlation);
    assert_string_not_equal(policy->version, with);
}

static void the_version_follows_the_rules_only(void **state)
{
    AUTO(scratch_close) struct scratch s;
    AUTO(auto_json) json_t *doc = NULL;
    char deployed[POLICY_VERSION_MAX], copied[POLICY_VERSION_MAX], changed[POLICY_VERSION_MAX];

    (void)state;
    scratch_open(&s);
    load_version(deployed, DEPLOYED);
    doc = read_doc(s.folder, PARK);
    write_doc(&s, PARK, doc, JSON_SORT_KEYS | JSON_INDENT(7));
    load_version(copied, s.folder);
    assert_string_equal(deployed, copied);
    json_object_set_new(walk(doc, "/rules/0"), "level", json_string("extreme"));
    write_doc(&s, PARK, doc, 0);
    load_version(changed, s.folder);
    assert_string_not_equal(deployed, changed);
}

static const struct regime *park_of(const struct policy *policy)
{
    const struct regime *ret = policy->regimes;

    while (ret < policy->regimes + policy->regimes_n && strcmp(ret->id, "park-lingang") != 0)
        ret++;
    assert_true(ret < policy->regimes + policy->regimes_n);
    return ret;
}

static void what_is_not_verified_never_grades(void **state)
{
    AUTO(scratch_close) struct scratch s;
    AUTO(auto_policy) struct policy *policy = NULL;
    const struct row unverified = {"", PARK, "/rules/0", "verified", "false", ""};
    const struct row unsaid = {"", PARK, "/rules/1", "verified", NULL, ""};
    struct err err = {0};

    (void)state;
    scratch_open(&s);
    patch(&s, &unverified);
    patch(&s, &unsaid);
    assert_ok(policy_load(&policy, s.folder, &err), &err);
    for (size_t i = 0; i < 2; i++) {
        assert_false(park_of(policy)->rules[i].has_level);
        assert_true(park_of(policy)->rules[i].needs_human);
    }
    assert_true(park_of(policy)->rules[2].has_level);
}

#define PROPOSAL(id, level, when)                                                                  \
    "{\"id\":\"" id "\",\"level\":\"" level "\",\"when\":" when                                    \
    ",\"zh\":\"a\",\"en\":\"a\",\"source\":{\"document\":\"d\"}}"
#define WIDE   "{\"at\":\"/facts/impact/outage_minutes\",\"ge\":\"1 h\"}"
#define NARROW "{\"all\":[" WIDE ",{\"at\":\"/facts/ongoing\",\"eq\":true}]}"

static const struct proposals_row {
    const char *name, *rules;
    bool is_good;
} proposals_rows[] = {
    {"a higher one beside a wider one: a surer level between them silences that only",
     PROPOSAL("low", "larger", WIDE) "," PROPOSAL("high", "extreme", NARROW), true},
    {"a lower one beside a wider one",
     PROPOSAL("high", "extreme", WIDE) "," PROPOSAL("low", "larger", NARROW), false},
};

static void a_proposal_adds_what_it_may_ask(void **state)
{
    const struct proposals_row *row = *state;
    AUTO(scratch_close) struct scratch s;
    AUTO(auto_policy) struct policy *policy = NULL;
    AUTO(auto_json) json_t *doc = NULL;
    char text[2048];
    struct err err = {0};

    snprintf(text, sizeof(text),
             "{\"id\":\"park-lingang\",\"zh\":\"a\",\"en\":\"a\",\"rules\":[%s]}", row->rules);
    scratch_open(&s);
    doc = json_loads(text, 0, NULL);
    write_doc(&s, PARK, doc, 0);
    if (row->is_good)
        assert_ok(policy_load(&policy, s.folder, &err), &err);
    else
        assert_fails(policy_load(&policy, s.folder, &err), &err, ERR_CONFIG,
                     "\"low\" can never decide anything");
}

static void files_that_cannot_be_read_are_named(void **state)
{
    AUTO(scratch_close) struct scratch s;
    struct policy *policy = NULL;
    struct err err = {0};
    char path[256];
    FILE *file;

    (void)state;
    scratch_open(&s);
    path_of(path, &s, PARK);
    file = fopen(path, "w");
    fputs("{\"id\": \"x\",\n \"id\": \"y\"}", file);
    fclose(file);
    assert_fails(policy_load(&policy, s.folder, &err), &err, ERR_CONFIG, PARK);
    assert_contains(err.text, "line 2");
    for (size_t i = 3; i < ARRAY_LEN(files); i++) {
        path_of(path, &s, files[i]);
        unlink(path);
    }
    assert_fails(policy_load(&policy, s.folder, &err), &err, ERR_CONFIG, "1 to 16 files");
    path_of(path, &s, "words.json");
    unlink(path);
    assert_int_equal(mkfifo(path, 0600), 0); /* nobody ever writes into it */
    assert_fails(policy_load(&policy, s.folder, &err), &err, ERR_CONFIG, "is no regular file");
    unlink(path);
    assert_fails(policy_load(&policy, "/nowhere", &err), &err, ERR_CONFIG, "/nowhere");
    assert_fails(policy_load(&policy, DEPLOYED "/words.json", &err), &err, ERR_CONFIG,
                 "no such folder");
    assert_null(policy);
}

static void a_refused_reload_changes_nothing(void **state)
{
    AUTO(scratch_close) struct scratch s;
    AUTO(auto_policy_live) struct policy_live *live = NULL;
    struct policy *mine = NULL;
    const struct row good = {"", PARK, "/rules/0", "level", "\"extreme\"", ""};
    const struct row bad = {"", PARK, "/rules/0", "level", "\"huge\"", ""};
    const struct policy *first;
    struct err err = {0};

    (void)state;
    scratch_open(&s);
    assert_ok(policy_live_open(&live, s.folder, &err), &err);
    policy_live_update(live, &mine);
    first = mine;
    patch(&s, &bad);
    policy_live_reload(live);
    policy_live_update(live, &mine);
    assert_ptr_equal(mine, first);
    patch(&s, &good);
    policy_live_reload(live);
    assert_ptr_equal(mine, first); /* until its owner asks */
    policy_live_update(live, &mine);
    assert_ptr_not_equal(mine, first);
    assert_int_equal(park_of(mine)->rules[0].level, LEVEL_EXTREME);
    policy_unref(mine);
}

int main(void)
{
    static struct test_list list;

    TEST_ADD_ROWS(&list, rows, mistakes_are_refused);
    TEST_ADD(&list, an_error_names_its_line);
    TEST_ADD(&list, the_deployed_policy_loads);
    TEST_ADD(&list, without_links_it_loads);
    TEST_ADD(&list, the_version_follows_the_rules_only);
    TEST_ADD(&list, what_is_not_verified_never_grades);
    TEST_ADD_ROWS(&list, proposals_rows, a_proposal_adds_what_it_may_ask);
    TEST_ADD(&list, files_that_cannot_be_read_are_named);
    TEST_ADD(&list, a_refused_reload_changes_nothing);
    return test_run("classifier policy", &list);
}
