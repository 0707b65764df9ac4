/* The escalator's core, played from scripts: the whole of what it publishes, in order. */
#include "tests/support/test.h"

#include "tests/unit/test_escalator_bench.h"

#define GENERAL "R general.1 dept_head first_grade O+ triage-1h running S reported/general"
#define CALLS   "R larger.1 security_lead first_grade R larger.park.1 duty_officer first_grade "
#define LARGER  CALLS "O+ triage-1h running S reported/larger"
#define LARGER_CAC                                                                                 \
    CALLS "O+ operator-4h running O+ summary-30d anchor_missing O+ triage-1h running S "           \
          "reported/larger"

#define CHALLENGED  "R challenged.park.1 duty_officer challenged S "
#define CALLED_PARK CHALLENGED "reported/general"
#define CALLED_2    "R challenged.park.2 centre_head challenged"
#define TRIAGED     LARGER " O= triage-1h satisfied S triaged/larger "

static const struct row {
    const char *name, *script, *want;
} rows[] = {
    {"a report alone says nothing", "report", ""},
    {"no grade in time pages the duty officer", "report; +59; +2",
     "R ungraded.1 duty_officer ungraded"},
    {"a grade in time stops that", "report; +59; grade general 0; +2", GENERAL},
    {"a grade opens an unknown incident", "grade general 0; report", GENERAL},
    {"a level has its chains", "grade larger 0", LARGER},
    {"the top levels call all at once", "grade extreme 0",
     "R top.1 security_lead first_grade R top.1 owner first_grade R top.park.1 "
     "duty_officer first_grade O+ triage-1h running S reported/extreme"},
    {"the chain climbs, and the park hears of a silent enterprise",
     "grade general 0; acknowledged p; +3599; +1; +3600; +1800; +1800; +9999",
     GENERAL " O= triage-1h satisfied S triaged/general R general.2 it unacknowledged R "
             "silent.1 duty_officer unacknowledged R silent.1 duty_officer unacknowledged"},
    {"an acknowledgement stops it", "grade general 0; acknowledged e; +99999",
     GENERAL " O= triage-1h satisfied S triaged/general"},
    {"by its id", "grade general 0; ack e 1", GENERAL " O= triage-1h satisfied S triaged/general"},
    {"by another's id", "grade larger 0; ack p 1", LARGER " S reported/larger!"},
    {"by an id that is not there", "grade general 0; ack e 0", GENERAL " S reported/general!"},
    {"twice", "grade general 0; acknowledged e; acknowledged e",
     GENERAL " O= triage-1h satisfied S triaged/general S triaged/general!"},
    {"a chain's end for information is its end", "grade larger 0; acknowledged e; +99999",
     LARGER " O= triage-1h satisfied S triaged/larger"},
    {"a greater level begins again", "grade general 0; acknowledged e; grade larger 1",
     GENERAL " O= triage-1h satisfied S triaged/general R larger.1 security_lead "
             "level_raised R larger.park.1 duty_officer level_raised S triaged/larger"},
    {"the old page cannot be acknowledged then", "grade general 0; grade larger 1; ack e 1",
     GENERAL " R larger.1 security_lead level_raised R larger.park.1 duty_officer "
             "level_raised S reported/larger S reported/larger!"},
    {"a lower level pages nobody and stops nobody", "grade larger 0; grade general 1; +1800",
     LARGER " S reported/general R larger.2 deputy unacknowledged"},
    {"an older revision is refused", "grade larger 1; grade extreme 0",
     LARGER " S reported/larger!"},
    {"the same revision is refused", "grade general 0; grade general 0",
     GENERAL " S reported/general!"},
    {"a person's decision that became the grade", "grade general 0; grade larger 1 decided",
     GENERAL " R larger.1 security_lead level_raised R larger.park.1 duty_officer level_raised "
             "S reported/larger^"},
    {"one that does not count changes nothing but hears why",
     "grade general 0; grade larger 1 decided; grade larger 1 refused; grade extreme 1 cac "
     "refused; grade major 2",
     GENERAL " R larger.1 security_lead level_raised R larger.park.1 duty_officer level_raised "
             "S reported/larger^ S reported/larger!^ S reported/larger!^ R top.1 security_lead "
             "level_raised R top.1 owner level_raised R top.park.1 duty_officer level_raised "
             "S reported/major"},
    {"nor does it stop a clock", "grade general 0; grade general 0 refused; +3599",
     GENERAL " S reported/general!^ O~ triage-1h warned O# triage-1h overdue"},
    {"nor is one that comes late a grade of anybody", "grade larger 2; grade general 1 refused",
     LARGER " S reported/larger!^"},
    {"the grade that a refusal repeats was not heard", "grade larger 1 refused; grade larger 1",
     CALLS "O+ triage-1h running S reported/larger!^ S reported/larger!"},
    {"duties of the law", "grade larger 0 cac user",
     "R larger.1 security_lead first_grade R larger.park.1 duty_officer first_grade "
     "O+ operator-4h running O+ summary-30d anchor_missing O+ triage-1h running O+ "
     "user-data-24h-cac running O+ user-data-24h-park running S reported/larger"},
    {"of critical infrastructure", "grade larger 0 cac cii",
     "R larger.1 security_lead first_grade R larger.park.1 duty_officer first_grade "
     "O+ cii-1h-protection running O+ cii-1h-police running O+ summary-30d "
     "anchor_missing O+ triage-1h running S reported/larger"},
    {"of a drill", "grade larger 0 cac user drill",
     "R larger.1 security_lead first_grade R larger.park.1 duty_officer first_grade "
     "O+ triage-1h running O+ user-data-24h-park running S reported/larger"},
    {"a duty warns, then is overdue, once", "grade general 0; +2399; +1; +899; +1; +1",
     GENERAL " O~ triage-1h warned O# triage-1h overdue"},
    {"both after a long rest", "grade general 0; +3599",
     GENERAL " O~ triage-1h warned O# triage-1h overdue"},
    {"acknowledged when overdue: late", "grade general 0; +3599; acknowledged e",
     GENERAL " O~ triage-1h warned O# triage-1h overdue O= triage-1h satisfied_late S "
             "triaged/general"},
    {"due before it began: warned of at once, never overdue, never late",
     "+7200; grade general 0; +1; acknowledged e; +99999",
     "R general.1 dept_head first_grade O+ triage-1h warned S reported/general "
     "O= triage-1h satisfied S triaged/general"},
    {"what a person's grade does not owe any more falls away, and comes back anew",
     "grade larger 0 cac; acknowledged e; grade general 1 decided; grade larger 2 cac",
     LARGER_CAC " O= triage-1h satisfied S triaged/larger O= operator-4h stopped O= "
                "summary-30d stopped S triaged/general^ R larger.1 security_lead level_raised R "
                "larger.park.1 duty_officer level_raised O+ operator-4h running O+ summary-30d "
                "anchor_missing S triaged/larger"},
    {"what runs goes on whatever rules make of what more is known",
     "grade larger 0 cac; acknowledged e; grade larger 1; file operator-4h",
     LARGER_CAC " O= triage-1h satisfied S triaged/larger S triaged/larger O= operator-4h "
                "satisfied S triaged/larger"},
    {"filing", "grade larger 0 cac; acknowledged e; file operator-4h; file operator-4h",
     LARGER_CAC " O= triage-1h satisfied S triaged/larger O= operator-4h satisfied S "
                "triaged/larger S triaged/larger!"},
    {"filing what is not satisfied by filing", "grade general 0; file triage-1h",
     GENERAL " S reported/general!"},
    {"filing what is not owed", "grade general 0; file operator-4h",
     GENERAL " S reported/general!"},
    {"refuted: everything stops", "grade larger 0 cac; refuted p; +99999; file operator-4h",
     LARGER_CAC " O= operator-4h stopped O= summary-30d stopped O= triage-1h stopped S "
                "refuted/larger S refuted/larger!"},
    {"a greater level of a refuted one pages nobody", "grade general 0; refuted p; grade larger 1",
     GENERAL " O= triage-1h stopped S refuted/general S refuted/larger"},
    {"until it is reopened", "grade general 0; refuted p; grade larger 1; reopened p",
     GENERAL " O= triage-1h stopped S refuted/general S refuted/larger R larger.1 "
             "security_lead reopened R larger.park.1 duty_officer reopened O+ triage-1h "
             "running S reported/larger"},
    {"handling ends",
     "grade larger 0 cac; acknowledged e; confirmed e; contained e; recovered e; reopened e",
     LARGER_CAC " O= triage-1h satisfied S triaged/larger S confirmed/larger S "
                "contained/larger O+ summary-30d running S recovered/larger R larger.1 "
                "security_lead reopened R larger.park.1 duty_officer reopened O= summary-30d "
                "stopped O+ summary-30d anchor_missing S reported/larger"},
    {"closing keeps the duties that run",
     "grade larger 0 cac; acknowledged e; confirmed e; contained e; recovered e; reviewed e; "
     "closed e; file summary-30d",
     LARGER_CAC " O= triage-1h satisfied S triaged/larger S confirmed/larger S "
                "contained/larger O+ summary-30d running S recovered/larger S reviewed/larger "
                "S closed/larger O= summary-30d satisfied S closed/larger"},
    {"actions wait for the grade", "acknowledged e; report; confirmed e; grade general 0",
     GENERAL " O= triage-1h satisfied S triaged/general S confirmed/general"},
    {"but the page that none came can be answered", "report; +61; acknowledged p; +9999",
     "R ungraded.1 duty_officer ungraded S ungraded"},
    {"not by the enterprise", "report; +61; acknowledged e; grade general 0",
     "R ungraded.1 duty_officer ungraded " GENERAL " O= triage-1h satisfied S triaged/general"},
    {"a stranger's action", "grade general 0; acknowledged f", GENERAL},
    {"a stranger's early action", "acknowledged f; grade general 0", GENERAL},
    {"only the classifier acts on a person's grade", "grade general 0; reclassified e", NULL},
    {"what is not heard does not fire", "grade general 0; quiet +9999", GENERAL},
    {"steps of a deaf bus do, unconfirmed", "grade general 0; deaf +3600; +0",
     GENERAL " R general.2 it unacknowledged? O~ triage-1h warned O# triage-1h overdue"},
    {"a message that no one got hastens the next step", "grade general 0; dead 1; +59; +1",
     GENERAL " R general.2 it undelivered"},
    {"unless another one arrived", "grade general 0; sent 1; dead 1; +60", GENERAL},
    {"or arrives later", "grade general 0; dead 1; sent 1; +60", GENERAL},
    {"news against a decision of the park calls the park",
     "grade larger 0; acknowledged e; challenge p; +600; +600; +600; +600; +99999",
     TRIAGED CHALLENGED "triaged/larger " CALLED_2 " " CALLED_2 " " CALLED_2},
    {"against one of the enterprise the enterprise, and the park when nobody answers",
     "grade larger 0; acknowledged e; challenge e; +1800; +1800; +1800; +1800; +9999",
     TRIAGED "R challenged.1 security_lead challenged S triaged/larger R challenged.2 deputy "
             "challenged R challenged.3 owner challenged R challenged.silent.1 duty_officer "
             "challenged R challenged.silent.1 duty_officer challenged"},
    {"an acknowledgement by its own scope stops it",
     "grade larger 0; acknowledged e; challenge p; acknowledged e; acknowledged p; +9999",
     TRIAGED CHALLENGED "triaged/larger S triaged/larger! S triaged/larger"},
    {"by its id", "grade larger 0; acknowledged e; challenge p; ack p 3; ack p 3; +9999",
     TRIAGED CHALLENGED "triaged/larger S triaged/larger S triaged/larger!"},
    {"each challenge is a call of its own, and takes the place of the one before",
     "grade larger 0; acknowledged e; challenge p; +599; challenge p; ack p 3; +1; +599; ack p 4; "
     "challenge p; +9999; ack p 5; ack p 6; challenge p",
     TRIAGED CHALLENGED "triaged/larger " CHALLENGED "triaged/larger S triaged/larger! " CALLED_2
                        " S triaged/larger " CHALLENGED "triaged/larger " CALLED_2
                        " S triaged/larger! S triaged/larger " CHALLENGED "triaged/larger"},
    {"a raised level does not end it, nor does it end the level's",
     "grade general 0; challenge p; grade larger 1; +600; acknowledged p; +1200",
     GENERAL " " CALLED_PARK " R larger.1 security_lead level_raised R larger.park.1 duty_officer "
             "level_raised S reported/larger R challenged.park.2 centre_head challenged O= "
             "triage-1h satisfied S triaged/larger R larger.2 deputy unacknowledged"},
    {"a campaign that opens calls the park, once; who joins says nothing",
     "grade general 0; campaign opens; campaign joins; acknowledged p; +599; campaign joins",
     GENERAL " R campaign.1 duty_officer campaign S reported/general O= triage-1h satisfied S "
             "triaged/general"},
    {"who takes the level's message has not read the campaign's",
     "grade major 0; campaign opens; ack p 3; +600",
     "R top.1 security_lead first_grade R top.1 owner first_grade R top.park.1 duty_officer "
     "first_grade O+ triage-1h running S reported/major R campaign.1 duty_officer campaign S "
     "reported/major O= triage-1h satisfied S triaged/major R top.2 deputy unacknowledged R "
     "campaign.2 centre_head campaign"},
    {"who takes the campaign's message has not read the level's",
     "grade major 0; campaign opens; ack p 4; +600",
     "R top.1 security_lead first_grade R top.1 owner first_grade R top.park.1 duty_officer "
     "first_grade O+ triage-1h running S reported/major R campaign.1 duty_officer campaign S "
     "reported/major S reported/major R top.2 deputy unacknowledged R "
     "top.park.2 centre_head unacknowledged"},
    {"campaigns that open at one time call once",
     "grade general 0; campaign opens; campaign opens; acknowledged p; campaign opens",
     GENERAL " R campaign.1 duty_officer campaign S reported/general S reported/general O= "
             "triage-1h satisfied S triaged/general S triaged/general"},
    {"one that opens later calls, whatever became of the first",
     "grade general 0; campaign opens; +60; campaign opens; acknowledged p; +600",
     GENERAL " R campaign.1 duty_officer campaign S reported/general R campaign.1 duty_officer "
             "campaign S reported/general O= triage-1h satisfied S triaged/general"},
    {"a campaign whose call ended unanswered does not silence the next one",
     "grade general 0; campaign opens; refuted p; reopened p; campaign opens",
     GENERAL " R campaign.1 duty_officer campaign S reported/general O= triage-1h stopped S "
             "refuted/general R general.1 dept_head reopened O+ triage-1h running S "
             "reported/general R campaign.1 duty_officer campaign S reported/general"},
    {"nobody answers the campaign", "grade general 0; campaign opens; +600",
     GENERAL " R campaign.1 duty_officer campaign S reported/general R campaign.2 centre_head "
             "campaign"},
    {"a campaign and a challenge climb side by side",
     "grade general 0; campaign opens; challenge p; +600",
     GENERAL " R campaign.1 duty_officer campaign S reported/general " CALLED_PARK
             " R campaign.2 centre_head campaign R challenged.park.2 centre_head challenged"},
    {"both wait for the grade",
     "challenge p; report; campaign opens; campaign joins; +30; grade general 0",
     GENERAL " " CALLED_PARK " R campaign.1 duty_officer campaign S reported/general"},
    {"neither is for what is refuted, until it is reopened",
     "grade general 0; refuted p; challenge p; campaign opens; +9999; reopened p; challenge p",
     GENERAL " O= triage-1h stopped S refuted/general S refuted/general! S refuted/general! "
             "R general.1 dept_head reopened O+ triage-1h warned S reported/general " CALLED_PARK},
    {"refuting ends both", "grade general 0; challenge p; campaign opens; refuted p; +9999",
     GENERAL " " CALLED_PARK " R campaign.1 duty_officer campaign S reported/general O= triage-1h "
             "stopped S refuted/general"},
    {"a message that no one got hastens it, whatever became of the one before",
     "grade general 0; challenge p; sent 2; challenge p; dead 3; +59; +1",
     GENERAL " " CALLED_PARK " " CALLED_PARK " R challenged.park.2 centre_head challenged"},
    {"tasks", "grade general 0; assigned e; task_done p",
     GENERAL " S reported/general S reported/general"},
};

static void play_row(void **state)
{
    const struct row *row = *state;
    struct bench b;

    bench_open(&b);
    if (row->want) {
        bench_play(&b, row->script);
        assert_string_equal(buf_text(&b.transcript), row->want);
    } else {
        assert_false(escalate_wants(EVENT_ACTION_RECLASSIFIED));
    }
    bench_close(&b);
}

/* --- the policy is exchanged while chains climb ---------------------------------------------------- */

#define STEP(role, seconds) "{\"call\":[\"" role "\"],\"acknowledge_within_s\":" #seconds "}"
#define CHAIN(id, scope, levels, steps, more)                                                      \
    "{\"id\":\"" id "\",\"scope\":\"" scope "\",\"levels\":[" levels "],\"steps\":[" steps         \
    "]" more "}"
#define POLICY(ungraded, list)                                                                     \
    "{\"ungraded_after_s\":60,\"undelivered_after_s\":60,\"ungraded\":\"" ungraded                 \
    "\",\"challenged_enterprise\":\"c.e\",\"challenged_park\":\"c.p\",\"campaign\":\"c\","         \
    "\"chains\":[" list "," CHAIN(ungraded, "park", "", STEP("duty_officer", 600), "") "," CHAIN(  \
        "c.e", "enterprise", "", STEP("owner", 600),                                               \
        "") "," CHAIN("c.p", "park", "", STEP("duty_officer", 600),                                \
                      "") "," CHAIN("c", "park", "", STEP("duty_officer", 600), "") "]}"
#define GENERALLY "\"general\""
#define OTHERS    "\"larger\",\"major\",\"extreme\""
#define SHORTER                                                                                    \
    POLICY("ungraded", CHAIN("general", "enterprise", GENERALLY, STEP("it", 60), "") "," CHAIN(    \
                           "larger", "enterprise", OTHERS, STEP("owner", 60), ",\"repeats\":1"))
#define RENAMED                                                                                    \
    POLICY("waiting",                                                                              \
           CHAIN("general", "enterprise", GENERALLY, STEP("it", 60),                               \
                 ",\"then\":\"quiet\"") "," CHAIN("larger2", "enterprise", OTHERS,                 \
                                                  STEP("owner", 60),                               \
                                                  "") "," CHAIN("quiet", "park", "",               \
                                                                STEP("centre_head", 60), ""))

static const struct reload_row {
    const char *name, *chains, *script, *want;
} reloads[] = {
    {"a policy with fewer steps: the last one is repeated, as often as it says", SHORTER,
     "grade larger 0; +1800; reload; +1800; +60; +60",
     LARGER " R larger.2 deputy unacknowledged R larger.1 owner unacknowledged O~ triage-1h "
            "warned O# triage-1h overdue"},
    {"a renamed chain: the level's of the same scope", RENAMED, "grade larger 0; reload; +1800",
     LARGER " R larger2.1 owner policy_changed"},
    {"a renamed chain without a level: what follows the level's", RENAMED,
     "grade general 0; acknowledged p; +3600; +3600; reload; +1800",
     GENERAL " O= triage-1h satisfied S triaged/general R general.2 it unacknowledged R silent.1 "
             "duty_officer unacknowledged R quiet.1 centre_head policy_changed"},
    {"nothing follows any more: all are called anew", SHORTER,
     "grade general 0; acknowledged p; +3600; +3600; reload; +1800",
     GENERAL " O= triage-1h satisfied S triaged/general R general.2 it unacknowledged R silent.1 "
             "duty_officer unacknowledged R general.1 it policy_changed"},
    {"a renamed chain for what has no grade", RENAMED, "report; reload; +61",
     "R waiting.1 duty_officer ungraded"},
    {"an event's chain that is gone: the new one for such events", RENAMED,
     "grade larger 0; acknowledged e; challenge p; reload; +600",
     TRIAGED CHALLENGED "triaged/larger R c.p.1 duty_officer challenged"},
    {"two events' chains that are gone: one climb each", RENAMED,
     "grade larger 0; acknowledged e; challenge p; campaign opens; reload; +600; +600",
     TRIAGED CHALLENGED "triaged/larger R campaign.1 duty_officer campaign S triaged/larger "
                        "R c.p.1 duty_officer challenged R c.1 duty_officer campaign"},
    {"renamed while it climbs", RENAMED, "report; +61; reload; +600",
     "R ungraded.1 duty_officer ungraded R waiting.1 duty_officer policy_changed"},
};

static void play_reload(void **state)
{
    const struct reload_row *row = *state;
    AUTO(auto_policy) struct policy *reload = bench_policy_of(row->chains);
    struct bench b;

    bench_open(&b);
    b.reload = reload;
    bench_play(&b, row->script);
    assert_string_equal(buf_text(&b.transcript), row->want);
    assert_null(bench_broken_rule(&b));
    bench_close(&b);
}

/* --- the life of an incident: every action in every state --------------------------------------- */

static const struct life {
    const char *name, *way; /* how the state is reached */
    const char *legal;      /* what may follow */
} lives[] = {
    {"reported", "", "acknowledged refuted assigned task_done"},
    {"triaged", "acknowledged e", "confirmed refuted assigned task_done"},
    {"confirmed", "acknowledged e; confirmed e", "contained refuted assigned task_done"},
    {"contained", "acknowledged e; confirmed e; contained e", "recovered assigned task_done"},
    {"recovered", "acknowledged e; confirmed e; contained e; recovered e",
     "reviewed reopened assigned task_done"},
    {"reviewed", "acknowledged e; confirmed e; contained e; recovered e; reviewed e",
     "closed reopened assigned task_done"},
    {"closed", "acknowledged e; confirmed e; contained e; recovered e; reviewed e; closed e",
     "reopened"},
    {"refuted", "refuted e", "reopened"},
};

static void check_life(void **state)
{
    static const char *const actions[] = {"acknowledged", "confirmed", "refuted", "contained",
                                          "recovered",    "reviewed",  "closed",  "reopened",
                                          "assigned",     "task_done"};
    const struct life *life = *state;

    for (size_t i = 0; i < ARRAY_LEN(actions); i++) {
        struct bench b;
        char step[64];

        bench_open(&b);
        bench_play(&b, "grade general 0");
        bench_play(&b, life->way);
        assert_string_equal(enum_text(&state_table, (int)b.inc.state), life->name);
        buf_reset(&b.transcript);
        snprintf(step, sizeof(step), "%s e", actions[i]);
        bench_play(&b, step);
        if (!strchr(buf_text(&b.transcript), '!') != !!strstr(life->legal, actions[i]))
            fail_msg("%s in %s: %s", actions[i], life->name, buf_text(&b.transcript));
        bench_close(&b);
    }
}

/* --- properties ------------------------------------------------------------------------------------ */

#define ORDER_N 7
static const char *const order_steps[ORDER_N] = {"report",
                                                 "copy",
                                                 "other",
                                                 "grade larger 0 cac",
                                                 "grade major 1 cac",
                                                 "grade major 1 cac refused",
                                                 "acknowledged e"};

static void describe_end(const struct bench *b, struct buf *ret)
{
    const struct incident *inc = &b->inc;

    buf_printf(ret, "%s %s %d %lld", enum_text(&state_table, (int)inc->state),
               enum_text(&level_table, (int)inc->level), (int)inc->revision,
               (long long)inc->discovered_at);
    for (size_t i = 0; i < inc->owed_n; i++) /* in the policy's order */
        buf_printf(ret, " %s=%s@%lld", inc->owed[i].duty,
                   enum_text(&clock_state_table, (int)inc->owed[i].state),
                   (long long)inc->owed[i].due_at);
}

static void play_order(const int *order, struct buf *want)
{
    AUTO(buf_done) struct buf end;
    struct bench b;
    bool reported = false;

    buf_init(&end, 65536);
    bench_open(&b);
    for (int i = 0; i < ORDER_N; i++) {
        if (order[i] <= 1 && reported)
            continue; /* the copy is the same record: the sink knows its id */
        reported = reported || order[i] <= 1;
        bench_play(&b, order_steps[order[i]]);
    }
    describe_end(&b, &end);
    if (want->len == 0)
        buf_str(want, buf_text(&end));
    assert_string_equal(buf_text(&end), buf_text(want));
    bench_close(&b);
}

typedef void play_fn(const int *order, struct buf *want);

static void permute(int *order, int from, int n, play_fn *play, struct buf *want)
{
    if (from == n)
        play(order, want);
    for (int i = from; i < n; i++) {
        int first = order[from];

        order[from] = order[i];
        order[i] = first;
        permute(order, from + 1, n, play, want);
        order[i] = order[from];
        order[from] = first;
    }
}

static void all_orders_end_alike(void **state)
{
    AUTO(buf_done) struct buf want;
    int order[ORDER_N] = {0, 1, 2, 3, 4, 5, 6};

    (void)state;
    buf_init(&want, 65536);
    permute(order, 0, ORDER_N, play_order, &want);
}

/* What events call for waits for the grade, and is called once, whatever came before it. */
static void play_calls(const int *order, struct buf *want)
{
    static const char *const steps[] = {"report",      "grade general 0", "grade larger 1",
                                        "challenge p", "campaign opens",  "campaign joins"};
    static const char *const calls[] = {" challenged.park.1 ", " campaign.1 "};
    struct bench b;

    (void)want;
    bench_open(&b);
    for (int i = 0; i < 6; i++)
        bench_play(&b, steps[order[i]]);
    for (size_t i = 0; i < ARRAY_LEN(calls); i++) {
        const char *call = strstr(buf_text(&b.transcript), calls[i]);

        assert_non_null(call);
        assert_null(strstr(call + 1, calls[i]));
    }
    bench_play(&b, "+600");
    assert_contains(buf_text(&b.transcript), " campaign.2 centre_head campaign");
    assert_contains(buf_text(&b.transcript), " challenged.park.2 centre_head challenged");
    assert_null(bench_broken_rule(&b));
    bench_close(&b);
}

static void all_orders_call_for_events(void **state)
{
    int order[6] = {0, 1, 2, 3, 4, 5};

    (void)state;
    permute(order, 0, 6, play_calls, NULL);
}

static unsigned dice(unsigned *seed, unsigned sides)
{
    *seed = *seed * 1664525U + 1013904223U;
    return (*seed >> 16) % sides;
}

static void random_script(unsigned *seed, struct buf *ret)
{
    static const char *const steps[] = {
        "report",
        "other",
        "grade general %d",
        "grade larger %d cac",
        "grade major %d user",
        "grade extreme %d decided",
        "grade general %d refused",
        "acknowledged e",
        "acknowledged p",
        "acknowledged f",
        "confirmed e",
        "contained p",
        "recovered e",
        "reviewed e",
        "closed e",
        "refuted p",
        "reopened e",
        "file operator-4h",
        "file summary-30d",
        "+61",
        "+1800",
        "+3600",
        "quiet +600",
        "deaf +600",
        "assigned e",
        "ack e 0",
        "challenge p",
        "challenge e",
        "campaign opens",
        "campaign joins",
    };
    int revision = 0;

    for (int i = 0; i < 40; i++) {
        const char *step = steps[dice(seed, ARRAY_LEN(steps))];
        const char *hole = strstr(step, "%d");

        if (hole)
            buf_printf(ret, "%.*s%d%s; ", (int)(hole - step), step, revision++, hole + 2);
        else
            buf_printf(ret, "%s; ", step);
    }
}

/* A history that breaks a rule is shown. */
static void check_rules(struct bench *b, const char *script)
{
    const char *broken = bench_broken_rule(b);

    if (broken)
        fail_msg("%s in: %s\n%s", broken, script, buf_text(&b->transcript));
}

static void random_histories_hold(void **state)
{
    unsigned seed = 7;

    (void)state;
    for (int round = 0; round < 300; round++) {
        AUTO(buf_done) struct buf script;
        AUTO(buf_done) struct buf first;
        struct bench b;

        buf_init(&script, 65536);
        buf_init(&first, 1024 * 1024);
        random_script(&seed, &script);
        for (int again = 0; again < 2; again++) { /* the same work has the same ids */
            bench_open(&b);
            bench_play(&b, buf_text(&script));
            if (again)
                assert_string_equal(buf_text(&b.ids), buf_text(&first));
            else
                buf_str(&first, buf_text(&b.ids));
            check_rules(&b, buf_text(&script));
            bench_close(&b);
        }
    }
}

int main(void)
{
    static struct test_list list;

    TEST_ADD_ROWS(&list, rows, play_row);
    TEST_ADD_ROWS(&list, reloads, play_reload);
    TEST_ADD_ROWS(&list, lives, check_life);
    TEST_ADD(&list, all_orders_end_alike);
    TEST_ADD(&list, all_orders_call_for_events);
    TEST_ADD(&list, random_histories_hold);
    return test_run("escalator core", &list);
}
