/* Whom a call reaches, and what follows from an attempt. */
#include "tests/support/test.h"

#include "services/notifier/plan.h"

#define ACME "11111111-1111-8111-8111-111111111111"
#define PARK "22222222-2222-8222-8222-222222222222"

/* lead: mail, then webhook; deputy: mail; officer of the park: webhook; silent: nothing */
static struct contact contacts[] = {
    {"away", "zh", CHANNEL_EMAIL, "away@acme.test", NULL},
    {"deputy", "zh", CHANNEL_EMAIL, "deputy@acme.test", NULL},
    {"lead", "zh", CHANNEL_EMAIL, "lead@acme.test", NULL},
    {"lead", "zh", CHANNEL_WEBHOOK, "http://lead", "s"},
    {"officer", "en", CHANNEL_WEBHOOK, "http://officer", NULL},
};
static struct role_holder holders[] = {
    {ACME, ROLE_SECURITY_LEAD, "lead"},    {ACME, ROLE_SECURITY_LEAD, "silent"},
    {ACME, ROLE_SECURITY_LEAD, "deputy"},  {ACME, ROLE_EXPERT, "away"},
    {ACME, ROLE_EXPERT, "deputy"},         {ACME, ROLE_IT, "away"},
    {PARK, ROLE_SECURITY_LEAD, "officer"},
};
static struct absence absences[] = {{"away", 1000, 2000}};
static const struct directory directory = {.park_id = PARK,
                                           .contacts = contacts,
                                           .contacts_n = ARRAY_LEN(contacts),
                                           .holders = holders,
                                           .holders_n = ARRAY_LEN(holders),
                                           .absences = absences,
                                           .absences_n = ARRAY_LEN(absences)};

static const struct next_row {
    const char *name, *person_id;
    enum scope scope;
    enum role role;
    size_t tried_n;   /* of the ways below, in order */
    const char *want; /* address */
    int64_t now_ms;
} nexts[] = {
    {"the first contact of the person", "lead", SCOPE_ENTERPRISE, ROLE_SECURITY_LEAD, 0,
     "lead@acme.test", 0},
    {"then the second", "lead", SCOPE_ENTERPRISE, ROLE_SECURITY_LEAD, 1, "http://lead", 0},
    {"then the next who holds the role and can be reached", "lead", SCOPE_ENTERPRISE,
     ROLE_SECURITY_LEAD, 2, "deputy@acme.test", 0},
    {"then nobody", "lead", SCOPE_ENTERPRISE, ROLE_SECURITY_LEAD, 3, NULL, 0},
    {"a person without contacts: the others", "silent", SCOPE_ENTERPRISE, ROLE_SECURITY_LEAD, 0,
     "lead@acme.test", 0},
    {"no person: who holds the role", NULL, SCOPE_ENTERPRISE, ROLE_SECURITY_LEAD, 0,
     "lead@acme.test", 0},
    {"the person counts, whatever the role", "officer", SCOPE_ENTERPRISE, ROLE_LEGAL, 0,
     "http://officer", 0},
    {"a role that nobody holds", NULL, SCOPE_ENTERPRISE, ROLE_LEGAL, 0, NULL, 0},
    {"a role of the park is not the enterprise's", NULL, SCOPE_PARK, ROLE_SECURITY_LEAD, 0,
     "http://officer", 0},
    {"who is absent is left out", NULL, SCOPE_ENTERPRISE, ROLE_EXPERT, 0, "deputy@acme.test", 1000},
    {"and nobody else is there", NULL, SCOPE_ENTERPRISE, ROLE_IT, 0, NULL, 1999},
    {"not before the absence", NULL, SCOPE_ENTERPRISE, ROLE_EXPERT, 0, "away@acme.test", 999},
    {"nor after it", NULL, SCOPE_ENTERPRISE, ROLE_EXPERT, 0, "away@acme.test", 2000},
    {"whom the call names is told", "away", SCOPE_ENTERPRISE, ROLE_IT, 0, "away@acme.test", 1000},
    {"somebody unknown", "nobody", SCOPE_ENTERPRISE, ROLE_LEGAL, 0, NULL, 0},
};

static void check_next(void **state)
{
    static const struct way tried[] = {{"lead", CHANNEL_EMAIL, "lead@acme.test"},
                                       {"lead", CHANNEL_WEBHOOK, "http://lead"},
                                       {"deputy", CHANNEL_EMAIL, "deputy@acme.test"}};
    const struct next_row *row = *state;
    const struct escalation_raised call = {
        .enterprise_id = ACME, .person_id = row->person_id, .scope = row->scope, .role = row->role};
    const struct contact *next = plan_next(&directory, &call, tried, row->tried_n, row->now_ms);

    if (!row->want)
        assert_null(next);
    else
        assert_string_equal(next ? next->address : "(nobody)", row->want);
}

/* The same way of the same call has the same id; anything else has another. */
static void check_ids(void **state)
{
    static const struct escalation_raised calls[] = {{.incident_id = ACME, .escalation_id = PARK},
                                                     {.incident_id = ACME, .escalation_id = ACME}};
    static const struct contact other_address = {"lead", "zh", CHANNEL_EMAIL, "lead2@acme.test",
                                                 NULL};
    struct id first, again, ids[4];

    (void)state;
    plan_id(&first, &calls[0], &contacts[2]);
    plan_id(&again, &calls[0], &contacts[2]);
    assert_string_equal(first.text, again.text);
    plan_id(&ids[0], &calls[1], &contacts[2]);
    plan_id(&ids[1], &calls[0], &contacts[3]);
    plan_id(&ids[2], &calls[0], &contacts[1]);
    plan_id(&ids[3], &calls[0], &other_address);
    for (size_t i = 0; i < ARRAY_LEN(ids); i++)
        assert_string_not_equal(first.text, ids[i].text);
}

static const struct retry_policy policy = {.attempts_max = 4, .first_ms = 1000};

static const struct after_row {
    const char *name;
    enum fate fate;
    int64_t attempt, asked_ms;
    const char *want;
    int64_t least_ms, most_ms; /* of the pause; 0, 0: none */
} afters[] = {
    {"delivered", FATE_DELIVERED, 1, 0, "sent", 0, 0},
    {"delivered at the last attempt", FATE_DELIVERED, 4, 0, "sent", 0, 0},
    {"refused for good", FATE_NEVER, 1, 0, "dead", 0, 0},
    {"refused for a while", FATE_LATER, 1, 0, "failed", 800, 1200},
    {"the pause doubles", FATE_LATER, 2, 0, "failed", 1600, 2400},
    {"and again", FATE_LATER, 3, 0, "failed", 3200, 4800},
    {"until the attempts end", FATE_LATER, 4, 0, "dead", 0, 0},
    {"more attempts than allowed (crashes count too)", FATE_LATER, 9, 0, "dead", 0, 0},
    {"unknown", FATE_UNKNOWN, 1, 0, "unknown", 800, 1200},
    {"unknown at the last attempt", FATE_UNKNOWN, 4, 0, "dead", 0, 0},
    {"a longer pause is asked for", FATE_LATER, 1, 60000, "failed", 60000, 60000},
    {"a shorter pause is asked for", FATE_LATER, 1, 10, "failed", 800, 1200},
    {"an absurd pause is asked for", FATE_LATER, 1, INT64_MAX, "failed", RETRY_PAUSE_MAX_MS,
     RETRY_PAUSE_MAX_MS},
};

static void check_after(void **state)
{
    const struct after_row *row = *state;
    int64_t pause_ms = 0, again_ms = 0;

    assert_string_equal(message_state_name(plan_after(row->fate, ACME, row->attempt, row->asked_ms,
                                                      &policy, &pause_ms)),
                        row->want);
    assert_in_range(pause_ms, row->least_ms, row->most_ms);
    plan_after(row->fate, ACME, row->attempt, row->asked_ms, &policy, &again_ms);
    assert_int_equal(pause_ms, again_ms); /* the same after a restart */
}

/* However many attempts: never longer than the bound, never an overflow. */
static void pauses_are_bounded(void **state)
{
    const struct retry_policy patient = {.attempts_max = 1000, .first_ms = RETRY_PAUSE_MAX_MS};

    (void)state;
    for (int64_t attempt = 1; attempt < 1000; attempt++) {
        int64_t pause_ms = 0;

        plan_after(FATE_LATER, PARK, attempt, 0, &patient, &pause_ms);
        assert_in_range(pause_ms, RETRY_PAUSE_MAX_MS * 4 / 5, RETRY_PAUSE_MAX_MS * 6 / 5);
    }
}

int main(void)
{
    static struct test_list list;

    TEST_ADD_ROWS(&list, nexts, check_next);
    TEST_ADD(&list, check_ids);
    TEST_ADD_ROWS(&list, afters, check_after);
    TEST_ADD(&list, pauses_are_bounded);
    return test_run("notifier_plan", &list);
}
