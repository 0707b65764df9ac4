/* Who holds a role: ranks, absences, the park's rota. Times are seconds of a day that has no date. */
#include "tests/support/test.h"

#include "services/escalator/directory.h"

#define ACME "11111111-1111-8111-8111-111111111111"
#define BETA "22222222-2222-8222-8222-222222222222"
#define PARK "33333333-3333-8333-8333-333333333333"
#define A    "aaaaaaaa-0000-8000-8000-000000000000"
#define B    "bbbbbbbb-0000-8000-8000-000000000000"
#define C    "cccccccc-0000-8000-8000-000000000000"
#define D    "dddddddd-0000-8000-8000-000000000000"

static const struct row {
    const char *name, *enterprise;
    enum scope scope;
    enum role role;
    int64_t at_ms;
    const char *want;
} rows[] = {
    {"A holds it", ACME, SCOPE_ENTERPRISE, ROLE_SECURITY_LEAD, 5, A},
    {"A is absent: B", ACME, SCOPE_ENTERPRISE, ROLE_SECURITY_LEAD, 10, B},
    {"until A is back", ACME, SCOPE_ENTERPRISE, ROLE_SECURITY_LEAD, 20, A},
    {"both are absent: nobody", ACME, SCOPE_ENTERPRISE, ROLE_SECURITY_LEAD, 15, NULL},
    {"another role of the same person", ACME, SCOPE_ENTERPRISE, ROLE_OWNER, 5, A},
    {"who is absent there too", ACME, SCOPE_ENTERPRISE, ROLE_OWNER, 12, NULL},
    {"a role nobody holds", ACME, SCOPE_ENTERPRISE, ROLE_LEGAL, 5, NULL},
    {"another enterprise", BETA, SCOPE_ENTERPRISE, ROLE_SECURITY_LEAD, 5, D},
    {"an unknown enterprise", C, SCOPE_ENTERPRISE, ROLE_SECURITY_LEAD, 5, NULL},
    {"the park's rota", ACME, SCOPE_PARK, ROLE_DUTY_OFFICER, 5, C},
    {"its next shift", ACME, SCOPE_PARK, ROLE_DUTY_OFFICER, 30, D},
    {"whose officer is absent: the park's holder", ACME, SCOPE_PARK, ROLE_DUTY_OFFICER, 45, B},
    {"outside the rota: the park's holder", ACME, SCOPE_PARK, ROLE_DUTY_OFFICER, 60, B},
    {"a park role without a rota", ACME, SCOPE_PARK, ROLE_CENTRE_HEAD, 5, C},
    {"the park asks its own people, not the enterprise's", ACME, SCOPE_PARK, ROLE_SECURITY_LEAD, 5,
     NULL},
};

static struct directory *filled(void)
{
    struct directory *d = directory_new();
    struct err err = {0};

    directory_set_park(d, PARK);
    assert_ok(directory_add_holder(d, PARK, ROLE_DUTY_OFFICER, 1, B, &err), &err);
    assert_ok(directory_add_holder(d, PARK, ROLE_CENTRE_HEAD, 1, C, &err), &err);
    assert_ok(directory_add_holder(d, ACME, ROLE_SECURITY_LEAD, 2, B, &err), &err);
    assert_ok(directory_add_holder(d, ACME, ROLE_SECURITY_LEAD, 1, A, &err), &err);
    assert_ok(directory_add_holder(d, ACME, ROLE_OWNER, 1, A, &err), &err);
    assert_ok(directory_add_holder(d, BETA, ROLE_SECURITY_LEAD, 1, D, &err), &err);
    assert_ok(directory_add_absence(d, A, 10, 20, &err), &err);
    assert_ok(directory_add_absence(d, B, 15, 16, &err), &err);
    assert_ok(directory_add_absence(d, D, 40, 50, &err), &err);
    assert_ok(directory_add_duty(d, ROLE_DUTY_OFFICER, C, 0, 30, &err), &err);
    assert_ok(directory_add_duty(d, ROLE_DUTY_OFFICER, D, 30, 60, &err), &err);
    directory_seal(d);
    return d;
}

static void check_row(void **state)
{
    const struct row *row = *state;
    AUTO(auto_directory) struct directory *d = filled();
    const struct id *found;
    struct id enterprise;

    assert_true(id_set(&enterprise, row->enterprise, ID_TEXT_LEN));
    found = directory_find(d, &enterprise, row->scope, row->role, row->at_ms);
    if (row->want)
        assert_string_equal(found ? found->text : "nobody", row->want);
    else
        assert_null(found);
}

static void an_empty_directory_has_nobody(void **state)
{
    AUTO(auto_directory) struct directory *d = directory_new();
    struct id enterprise;

    (void)state;
    directory_seal(d);
    assert_true(id_set(&enterprise, ACME, ID_TEXT_LEN));
    assert_null(directory_find(d, &enterprise, SCOPE_PARK, ROLE_DUTY_OFFICER, 5));
}

int main(void)
{
    static struct test_list list;

    TEST_ADD_ROWS(&list, rows, check_row);
    TEST_ADD(&list, an_empty_directory_has_nobody);
    return test_run("escalator directory", &list);
}
