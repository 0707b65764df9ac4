/* The escalator's policy: what is deployed loads; each kind of mistake is refused with its file and place. */
#include "tests/support/test.h"

#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "services/escalator/policy.h"

#define STEP "{\"call\":[\"it\"],\"acknowledge_within_s\":60}"
#define CHAIN                                                                                      \
    "{\"id\":\"all\",\"scope\":\"park\",\"levels\":[\"general\",\"larger\",\"major\",\"extreme\"]" \
    ",\"steps\":[" STEP "]}"
#define UNGRADED "{\"id\":\"none\",\"scope\":\"park\",\"steps\":[" STEP "]}"
#define OWN(id, scope, more)                                                                       \
    "{\"id\":\"" id "\",\"scope\":\"" scope "\",\"steps\":[" STEP "]" more "}"
#define OF_EVENTS OWN("c.e", "enterprise", "") "," OWN("c.p", "park", "") "," OWN("c", "park", "")
#define NAMES(e, p, c, list)                                                                       \
    "{\"ungraded_after_s\":60,\"ungraded\":\"none\",\"undelivered_after_s\":60,"                   \
    "\"challenged_enterprise\":\"" e "\",\"challenged_park\":\"" p "\",\"campaign\":\"" c          \
    "\",\"chains\":[" CHAIN "," UNGRADED "," list "]}"
#define OF_UNGRADED(chain, list)                                                                   \
    "{\"ungraded_after_s\":60,\"ungraded\":\"" chain                                               \
    "\",\"undelivered_after_s\":60,\"challenged_enterprise\":\"c.e\",\"challenged_park\":\"c.p\"," \
    "\"campaign\":\"c\",\"chains\":[" list "," OF_EVENTS "]}"
#define CHAINS(list) OF_UNGRADED("none", list)
#define GOOD         CHAINS(CHAIN "," UNGRADED)
#define LEADS(id, levels, to)                                                                      \
    "{\"id\":\"" id "\",\"scope\":\"park\",\"levels\":[" levels "],\"steps\":[" STEP               \
    "],\"then\":\"" to "\"}"
#define SOME "\"general\",\"larger\""
#define DUTY(id, more)                                                                             \
    "{\"id\":\"" id "\",\"title\":{\"zh\":\"a\",\"en\":\"a\"},\"recipient\":{\"zh\":\"a\","        \
    "\"en\":\"a\"},\"regulator\":false,\"anchor\":\"discovered\",\"within_s\":60,"                 \
    "\"source\":{\"document\":\"d\"}" more "}"
#define REST                                                                                       \
    ",\"when\":{\"at\":\"/"                                                                        \
    "level\",\"exists\":true},\"satisfied_by\":\"action.filed\",\"verified\":true"
#define DUTIES(list) "{\"regime\":\"r\",\"obligations\":[" list "]}"

static const struct row {
    const char *name, *chains, *duties;
    const char *want; /* part of the refusal; NULL: it loads */
} rows[] = {
    {"good", GOOD, DUTIES(DUTY("a", REST) "," DUTY("b", REST)), NULL},
    {"no JSON", "{", DUTIES(""), "chains.json: "},
    {"a field nobody knows", "{\"ungraded_after\":60}", DUTIES(""),
     "chains.json:1: /ungraded_after"},
    {"a level without a chain",
     CHAINS("{\"id\":\"all\",\"scope\":\"park\",\"levels\":[\"general\"],\"steps\":[" STEP "]}"),
     DUTIES(""), "none for the level larger"},
    {"an unknown role",
     CHAINS("{\"id\":\"all\",\"scope\":\"park\",\"steps\":[{\"call\":[\"boss\"]}]}"), DUTIES(""),
     "chains.json:1: /chains/0/steps/0/call/0"},
    {"a step without roles",
     CHAINS("{\"id\":\"all\",\"scope\":\"park\",\"steps\":[{\"call\":[]}]}"), DUTIES(""),
     "/chains/0/steps/0/call: at least one role"},
    {"a chain without steps", CHAINS("{\"id\":\"all\",\"scope\":\"park\",\"steps\":[]}"),
     DUTIES(""), "/chains/0/steps: at least one"},
    {"a chain twice", CHAINS(CHAIN "," CHAIN), DUTIES(""),
     "/chains/1/id: \"all\" stands there twice"},
    {"a chain of the system", CHAINS("{\"id\":\"all\",\"scope\":\"system\",\"steps\":[" STEP "]}"),
     DUTIES(""), "/chains/0/scope"},
    {"something after a step for information",
     CHAINS("{\"id\":\"all\",\"scope\":\"park\",\"steps\":[{\"call\":[\"it\"]}," STEP "]}"),
     DUTIES(""), "/chains/0/steps/0: without acknowledge_within_s"},
    {"a chain that ends in itself",
     CHAINS("{\"id\":\"all\",\"scope\":\"park\",\"steps\":[" STEP "],\"then\":\"all\"}"),
     DUTIES(""), "/chains/0/then"},
    {"a chain that ends nowhere",
     CHAINS("{\"id\":\"all\",\"scope\":\"park\",\"steps\":[" STEP "],\"then\":\"x\"}"), DUTIES(""),
     "/chains/0/then"},
    {"nobody for what has no grade", OF_UNGRADED("x", CHAIN), DUTIES(""),
     "/ungraded: no chain is called \"x\""},
    {"a level's chain for what has no grade", OF_UNGRADED("all", CHAIN), DUTIES(""),
     "/ungraded: \"all\" and its then have to be without levels"},
    {"what has no grade leads to a level's chain",
     OF_UNGRADED("wait", CHAIN "," LEADS("wait", "", "all")), DUTIES(""),
     "/ungraded: \"wait\" and its then have to be without levels"},
    {"a level leads to the chain for what has no grade",
     CHAINS(CHAIN "," UNGRADED "," LEADS("more", SOME, "none")), DUTIES(""),
     "/chains/2/then: \"none\" is for what has no grade"},
    {"both lead to the same chain",
     OF_UNGRADED("wait",
                 CHAIN "," UNGRADED "," LEADS("wait", "", "none") "," LEADS("more", SOME, "none")),
     DUTIES(""), "/chains/3/then: \"none\" is for what has no grade"},
    {"what has no grade leads to a chain of its own",
     OF_UNGRADED("wait", CHAIN "," UNGRADED "," LEADS("wait", "", "none")), DUTIES(""), NULL},
    {"nobody for an event", NAMES("c.e", "x", "c", OF_EVENTS), DUTIES(""),
     "/challenged_park: no chain is called \"x\""},
    {"the park's people for an enterprise's decision", NAMES("c.p", "c", "c", OF_EVENTS),
     DUTIES(""), "/challenged_enterprise: \"c.p\" has to be a chain of the enterprise"},
    {"one chain for two events", NAMES("c.e", "c", "c", OF_EVENTS), DUTIES(""),
     "/challenged_park: \"c\" and its then have to be without levels"},
    {"what has no grade and an event", NAMES("c.e", "c.p", "none", OF_EVENTS), DUTIES(""),
     "/campaign: \"none\" and its then"},
    {"a level's chain for an event", NAMES("c.e", "all", "c", OF_EVENTS), DUTIES(""),
     "/challenged_park: \"all\" and its then"},
    {"a chain that leads to an event's", CHAINS(CHAIN "," UNGRADED "," LEADS("more", SOME, "c")),
     DUTIES(""), "/campaign: \"c\" and its then"},
    {"an event's chain that ends in a level's",
     NAMES("c.e", "c.p", "d", OF_EVENTS "," OWN("d", "park", ",\"then\":\"all\"")), DUTIES(""),
     "/campaign: \"d\" and its then"},
    {"two that end in the same",
     NAMES("d", "e", "c",
           OF_EVENTS "," OWN("d", "enterprise", ",\"then\":\"f\"") "," OWN(
               "e", "park", ",\"then\":\"f\"") "," OWN("f", "park", "")),
     DUTIES(""), "/challenged_enterprise: \"d\" and its then"},
    {"an event's chain with a then of its own",
     NAMES("d", "c.p", "c",
           OF_EVENTS "," OWN("d", "enterprise", ",\"then\":\"f\"") "," OWN("f", "park", "")),
     DUTIES(""), NULL},
    {"no such anchor", GOOD, DUTIES("{\"anchor\":\"yesterday\"}"), "r.json:1: /obligations/0"},
    {"a value that nobody verified", GOOD,
     DUTIES(DUTY("a",
                 ",\"when\":{\"at\":\"/level\",\"exists\":true},\"satisfied_by\":\"action.filed\","
                 "\"verified\":false")),
     "r.json:1: /obligations/0/verified"},
    {"satisfied by nothing", GOOD,
     DUTIES(DUTY("a", ",\"when\":{\"at\":\"/level\",\"exists\":true},\"satisfied_by\":\"prayer\","
                      "\"verified\":true")),
     "satisfied_by: \"prayer\" is no action's type"},
    {"a predicate that is none", GOOD,
     DUTIES(DUTY(
         "a", ",\"when\":{\"at\":\"level\"},\"satisfied_by\":\"action.filed\",\"verified\":true")),
     "r.json:1: /obligations/0/when"},
    {"a warning before the beginning", GOOD, DUTIES(DUTY("a", REST ",\"warn_before_s\":60")),
     "warn_before_s"},
    {"a duty twice", GOOD, DUTIES(DUTY("a", REST) "," DUTY("a", REST)), "\"a\" stands there twice"},
    {"a name with a blank", GOOD, DUTIES(DUTY("a b", REST)), "without blanks"},
};

static void write_file(const char *folder, const char *name, const char *text)
{
    char path[1024];
    FILE *f;

    snprintf(path, sizeof(path), "%s/%s", folder, name);
    f = fopen(path, "w");
    assert_non_null(f);
    assert_true(fputs(text, f) >= 0);
    assert_int_equal(fclose(f), 0);
}

static void remove_file(const char *folder, const char *name)
{
    char path[1024];

    snprintf(path, sizeof(path), "%s/%s", folder, name);
    (void)remove(path);
}

static void check_row(void **state)
{
    const struct row *row = *state;
    char folder[] = "/tmp/escalator-policy-XXXXXX", duties[512];
    AUTO(auto_policy) struct policy *p = NULL;
    struct err err = {0};
    bool ok;

    assert_non_null(mkdtemp(folder));
    snprintf(duties, sizeof(duties), "%s/obligations", folder);
    assert_int_equal(mkdir(duties, 0700), 0);
    write_file(folder, "chains.json", row->chains);
    write_file(duties, "r.json", row->duties);
    write_file(duties, "notes.txt", "not a policy");
    ok = policy_load(&p, folder, &err);
    remove_file(duties, "r.json");
    remove_file(duties, "notes.txt");
    remove_file(folder, "obligations");
    remove_file(folder, "chains.json");
    (void)rmdir(folder);
    if (!row->want)
        assert_ok(ok, &err);
    else
        assert_fails(ok, &err, ERR_CONFIG, row->want);
}

static void the_deployed_policy_loads(void **state)
{
    AUTO(auto_policy) struct policy *p = NULL;
    struct err err = {0};
    size_t n;

    (void)state;
    assert_ok(policy_load(&p, "deploy/policy", &err), &err);
    assert_non_null(policy_chain(p, policy_chains(p)->ungraded));
    assert_true(policy_duties(p, &n) && n == 8);
}

static void a_missing_folder_is_named(void **state)
{
    AUTO(auto_policy) struct policy *p = NULL;
    struct err err = {0};

    (void)state;
    assert_fails(policy_load(&p, "/nowhere", &err), &err, ERR_CONFIG, "/nowhere/chains.json: ");
}

int main(void)
{
    static struct test_list list;

    TEST_ADD_ROWS(&list, rows, check_row);
    TEST_ADD(&list, the_deployed_policy_loads);
    TEST_ADD(&list, a_missing_folder_is_named);
    return test_run("escalator policy", &list);
}
