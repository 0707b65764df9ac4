/* Scripts of any order and length against the escalator's core: each byte is a step. What is published can be read by the contract, and the rules hold. */
#include "tests/unit/test_escalator_bench.h"

#define STEPS_MAX 120

static const char *const steps[] = {
    "report",
    "other",
    "grade general %d",
    "grade larger %d cac",
    "grade major %d",
    "grade extreme %d cac cii user",
    "acknowledged e",
    "acknowledged p",
    "acknowledged f",
    "confirmed e",
    "confirmed p",
    "contained e",
    "recovered e",
    "reviewed e",
    "closed e",
    "refuted p",
    "refuted e",
    "reopened e",
    "reopened p",
    "file operator-4h",
    "file triage-1h",
    "file summary-30d",
    "file user-data-24h-cac",
    "+1",
    "+61",
    "+600",
    "+1800",
    "+3600",
    "+99999",
    "quiet +600",
    "quiet +9999",
    "deaf +600",
    "deaf +9999",
    "assigned e",
    "task_done p",
    "ack e 0",
    "confirmed f",
    "reload",
    "challenge p",
    "challenge e",
    "campaign opens",
    "campaign joins",
};

/* Fewer steps, other names, nothing for the park but what has no grade. */
#define OTHER_POLICY                                                                               \
    "{\"ungraded_after_s\":60,\"undelivered_after_s\":60,\"ungraded\":\"waiting\","                \
    "\"challenged_enterprise\":\"c.e\",\"challenged_park\":\"challenged.park\","                   \
    "\"campaign\":\"c\",\"chains\":["                                                              \
    "{\"id\":\"c.e\",\"scope\":\"enterprise\",\"steps\":[{\"call\":[\"owner\"],"                   \
    "\"acknowledge_within_s\":600}]},"                                                             \
    "{\"id\":\"challenged.park\",\"scope\":\"park\",\"steps\":[{\"call\":[\"centre_head\"]}]},"    \
    "{\"id\":\"c\",\"scope\":\"park\",\"steps\":[{\"call\":[\"expert\"],"                          \
    "\"acknowledge_within_s\":600}]},"                                                             \
    "{\"id\":\"general\",\"scope\":\"enterprise\",\"levels\":[\"general\",\"extreme\"],"           \
    "\"repeats\":1,"                                                                               \
    "\"steps\":[{\"call\":[\"it\"],\"acknowledge_within_s\":600}]},"                               \
    "{\"id\":\"top\",\"scope\":\"enterprise\",\"levels\":[\"larger\",\"major\"],\"repeats\":2,"    \
    "\"steps\":[{\"call\":[\"owner\"],\"acknowledge_within_s\":600}],\"then\":\"quiet\"},"         \
    "{\"id\":\"quiet\",\"scope\":\"park\",\"steps\":[{\"call\":[\"expert\"],"                      \
    "\"acknowledge_within_s\":600}]},"                                                             \
    "{\"id\":\"waiting\",\"scope\":\"park\",\"steps\":[{\"call\":[\"duty_officer\"],"              \
    "\"acknowledge_within_s\":600}]}]}"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const struct policy *reload;
    struct bench b;
    int revision = 0;
    const char *broken;

    if (!reload)
        reload = bench_policy_of(OTHER_POLICY);
    bench_open(&b);
    b.reload = reload;
    for (size_t i = 0; i < size && i < STEPS_MAX; i++) {
        const char *step = steps[data[i] % ARRAY_LEN(steps)], *hole = strstr(step, "%d");
        char text[64];

        if (hole)
            snprintf(text, sizeof(text), "%.*s%d%s", (int)(hole - step), step, revision++,
                     hole + 2);
        else
            snprintf(text, sizeof(text), "%s", step);
        if (b.calls_n + 40 < BENCH_CALLS_MAX)
            bench_step(&b, text);
    }
    broken = bench_broken_rule(&b);
    if (broken) {
        (void)fprintf(stderr, "%s: %s\n", broken, buf_text(&b.transcript));
        abort();
    }
    bench_close(&b);
    return 0;
}
