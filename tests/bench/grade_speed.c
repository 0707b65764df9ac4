/*
 * grade_speed - how fast the classifier's core grades, on one core, with no broker: the texts of a file of policy cases.
 *
 *     grade_speed POLICY CASES REPORTS     prints "pure_per_s json_per_s short_per_s long_per_s"
 *
 * pure: read the text and decide, the report being decoded. json: decode the record as it comes from Kafka, decide, write the event's bytes.
 * short and long are as pure: a text in which no word of a list stands, so that the text model is asked; and one of 4 000 characters, the cases' one after another.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "common/base/utf8.h"
#include "services/classifier/classify.h"
#include "services/classifier/facts.h"
#include "services/classifier/grade.h"

enum { CASES_MAX = 1000, LONG_CHARS = 4000 };

struct input {
    struct event ev;
    struct facts facts;
    char *json;
};

struct inputs {
    struct input inputs[CASES_MAX];
    size_t n;
};

static const char wordless[] = "已收到,谢谢。";

static double cpu_s(void)
{
    struct timespec t;

    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void stop_if(bool failed, const char *what, const struct err *err)
{
    if (!failed)
        return;
    fprintf(stderr, "grade_speed: %s: %s\n", what, err ? err->text : "");
    exit(EXIT_FAILURE);
}

static struct event_record record_of(const char *json)
{
    return (struct event_record){.type = "report.submitted",
                                 .id = "01900000-0000-7000-8000-000000000001",
                                 .key = "01900000-0000-7000-8000-000000000002",
                                 .key_len = ID_TEXT_LEN,
                                 .value = json,
                                 .value_len = strlen(json),
                                 .without_doc = true};
}

static void add(struct inputs *to, const char *summary)
{
    struct input *in = &to->inputs[to->n];
    struct err err = {0};
    struct event_record rec;
    json_t *doc =
        json_pack("{s:s,s:s,s:s,s:b,s:s,s:s,s:s,s:s,s:{s:s,s:s},s:{s:s,s:s,s:s,s:i,s:b,s:b}}",
                  "incident_id", "01900000-0000-7000-8000-000000000002", "enterprise_id",
                  "01900000-0000-7000-8000-000000000003", "occurred_at", "2026-11-22T03:00:00.000Z",
                  "drill", 0, "reference", "TB-RG71T461WHZGX", "summary", summary, "discovered_at",
                  "2026-11-22T03:00:00.000Z", "via", "api", "actor", "scope", "enterprise", "id",
                  "k", "profile", "code", "X", "name", "x", "sector", "manufacturing", "staff", 300,
                  "is_cii", 0, "is_listed", 0);

    stop_if(to->n == CASES_MAX || !doc, "too many cases", NULL);
    in->json = json_dumps(doc, JSON_COMPACT);
    json_decref(doc);
    rec = record_of(in->json);
    stop_if(!event_decode(&in->ev, &rec, &err), in->json, &err);
    facts_of_report(&in->facts, in->ev.report_submitted);
    to->n++;
}

static void read_cases(struct inputs *ret, const char *path)
{
    json_t *doc = json_load_file(path, 0, NULL), *item;
    size_t i;

    json_array_foreach(json_object_get(doc, "cases"), i, item)
        add(ret, json_string_value(json_object_get(json_object_get(item, "report"), "summary")));
    json_decref(doc);
    stop_if(ret->n == 0, path, NULL);
}

/* The cases' texts one after another, as often as there is room. */
static void add_long(struct inputs *to, const struct inputs *cases)
{
    struct buf text;
    size_t chars = 0;

    buf_init(&text, EVENT_BODY_MAX_BYTES);
    for (size_t i = 0;; i++) {
        const char *summary = cases->inputs[i % cases->n].ev.report_submitted->summary;

        chars += utf8_count(summary, strlen(summary));
        if (chars > LONG_CHARS)
            break;
        buf_str(&text, summary);
    }
    add(to, buf_text(&text));
    buf_done(&text);
}

static double pure(const struct policy *policy, const struct inputs *inputs, long n)
{
    double began = cpu_s();

    for (long i = 0; i < n; i++) {
        const struct input *from = &inputs->inputs[(size_t)i % inputs->n];
        const struct report_submitted *report = from->ev.report_submitted;
        struct classify_input in = {.summary = report->summary,
                                    .facts = &from->facts,
                                    .profile = report->profile,
                                    .discovered_at = report->discovered_at};
        struct incident_classified body = {0};
        struct arena arena;
        struct err err = {0};

        arena_init(&arena, CLASSIFY_ARENA_MAX_BYTES);
        classify_read(policy, report->summary, &from->facts, &in);
        stop_if(!classify(policy, &in, &arena, &body, &err), "classify", &err);
        arena_done(&arena);
    }
    return (double)n / (cpu_s() - began);
}

static double json(struct policy_live *live, const struct inputs *inputs, long n)
{
    struct grader grader;
    double began = cpu_s();

    grader_init(&grader, live);
    for (long i = 0; i < n; i++) {
        const struct event_record from = record_of(inputs->inputs[(size_t)i % inputs->n].json);
        const struct flow_record rec = {.event_type = from.type,
                                        .event_id = from.id,
                                        .key = from.key,
                                        .key_len = from.key_len,
                                        .value = from.value,
                                        .value_len = from.value_len};
        struct pipe_out out = {0};
        struct err err = {0};

        buf_init(&out.value, EVENT_BODY_MAX_BYTES);
        stop_if(grade_transform(&grader, &rec, 0, &out, &err) != OUTCOME_DONE, "grade", &err);
        buf_done(&out.value);
    }
    grader_done(&grader);
    return (double)n / (cpu_s() - began);
}

int main(int argc, char **argv)
{
    static struct inputs cases, short_text, long_text;
    struct policy_live *live = NULL;
    struct policy *policy = NULL;
    struct err err = {0};
    long n = argc == 4 ? strtol(argv[3], NULL, 10) : 0;

    if (n < 1) {
        fprintf(stderr, "usage: grade_speed POLICY CASES REPORTS\n");
        return EXIT_FAILURE;
    }
    stop_if(!policy_live_open(&live, argv[1], &err), argv[1], &err);
    policy_live_update(live, &policy);
    read_cases(&cases, argv[2]);
    add(&short_text, wordless);
    add_long(&long_text, &cases);
    (void)pure(policy, &cases, n / 10); /* warm */
    printf("%.0f %.0f %.0f %.0f\n", pure(policy, &cases, n), json(live, &cases, n),
           pure(policy, &short_text, n), pure(policy, &long_text, n / 50 + 1));
    policy_unref(policy);
    policy_live_close(live);
    return EXIT_SUCCESS;
}
