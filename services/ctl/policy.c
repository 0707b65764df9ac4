/* grade, model, policy check, test: handed over to the classifier's own program. explain and diff: grades.c reads what they ask about. */
#include <string.h>
#include <unistd.h>

#include "common/base/clock.h"
#include "services/ctl/command.h"
#include "services/ctl/grades.h"
#include "services/ctl/program.h"

#define DAY_MS  INT64_C(86400000)
#define HOUR_MS INT64_C(3600000)

struct words {
    const char *words[PROGRAM_WORDS_MAX + 1];
    size_t n;
};

static void add(struct words *w, const char *word)
{
    if (w->n < PROGRAM_WORDS_MAX)
        w->words[w->n++] = word;
}

/* Options first, then the command. */
static void begin(struct words *w, const struct ctl_conf *conf, const char *command)
{
    add(w, "--policy");
    add(w, conf->policy);
    add(w, "--lang");
    add(w, conf->lang);
    if (conf->json)
        add(w, "--json");
    if (*conf->replay || *conf->file) {
        add(w, "--file");
        add(w, *conf->replay ? "-" : conf->file);
    }
    add(w, command);
}

static bool call(const struct ctl_conf *conf, const char *command, const char *arg, struct err *err)
{
    struct words w = {.n = 0};

    begin(&w, conf, command);
    if (arg)
        add(&w, arg);
    return program_become(w.words, err);
}

bool grade_run(const struct ctl_conf *conf, char **args, struct err *err)
{
    (void)args;
    return call(conf, "grade", NULL, err);
}

bool model_train(const struct ctl_conf *conf, char **args, struct err *err)
{
    (void)args;
    return call(conf, "train-model", NULL, err);
}

bool model_test(const struct ctl_conf *conf, char **args, struct err *err)
{
    (void)args;
    return call(conf, "test-model", NULL, err);
}

bool policy_check(const struct ctl_conf *conf, char **args, struct err *err)
{
    return call(conf, "check", args[0], err);
}

bool policy_test(const struct ctl_conf *conf, char **args, struct err *err)
{
    return call(conf, "test", args[0], err);
}

/* --- explain --- */

bool policy_explain(const struct ctl_conf *conf, char **args, struct err *err)
{
    struct incident_name name;
    struct words w = {.n = 0};

    if (incident_name_parse(&name, args[0])) {
        begin(&w, conf, "explain-grade");
        return grades_explain(conf->pg, &name, w.words, err);
    }
    if (strcmp(args[0], "-") != 0 && access(args[0], F_OK) != 0)
        return err_set(
            err, ERR_CONFIG,
            "\"%.80s\" is neither a file nor an incident: an incident is named by its id "
            "or by its reference TB-…, whose last character is a check character (was one "
            "mistyped?)",
            args[0]);
    return call(conf, "explain", args[0], err);
}

/* --- diff --- */

/* "7d", "36h", a day, or an RFC 3339 time. */
static bool read_since(int64_t *ret, const char *text, struct err *err)
{
    size_t len = strlen(text), digits = strspn(text, "0123456789");
    int64_t unit = len == digits + 1 && text[digits] == 'd'   ? DAY_MS
                   : len == digits + 1 && text[digits] == 'h' ? HOUR_MS
                                                              : 0;
    char day[CLOCK_TEXT_MAX];

    if (unit > 0 && digits > 0 && digits <= 5) {
        *ret = clock_wall_ms() - unit * strtol(text, NULL, 10);
        return true;
    }
    if (len == strlen("2026-11-22")) {
        (void)snprintf(day, sizeof(day), "%sT00:00:00Z", text);
        if (clock_parse(ret, day, strlen(day)))
            return true;
    }
    return clock_parse(ret, text, len) ||
           err_set(err, ERR_CONFIG,
                   "%.40s: must be how far back (7d, 36h), a day (2026-11-22, from 00:00 "
                   "UTC) or a time (2026-11-22T03:00:00+08:00)",
                   text);
}

bool model_corrections(const struct ctl_conf *conf, char **args, struct err *err)
{
    int64_t since_ms;

    return read_since(&since_ms, args[0], err) &&
           grades_corrections(conf->pg, since_ms, stdout, err);
}

bool policy_diff(const struct ctl_conf *conf, char **args, struct err *err)
{
    struct words w = {.n = 0};
    int64_t since_ms;

    if (*conf->replay && *conf->file)
        return err_set(err, ERR_CONFIG, "give --replay or --file, not both");
    begin(&w, conf, "diff");
    add(&w, args[0]);
    add(&w, args[1]);
    if (!*conf->replay)
        return program_become(w.words, err);
    return read_since(&since_ms, conf->replay, err) &&
           grades_replay(conf->pg, since_ms, w.words, err);
}
