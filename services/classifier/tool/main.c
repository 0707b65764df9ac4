/* tongbao-policy: finds the command and runs it. */
#include <stdlib.h>
#include <string.h>

#include "common/base/conf.h"
#include "services/classifier/tool/tool.h"
#include "services/classifier/tool/train.h"

struct tool_conf {
#include "common/base/conf_members.h"
#include "services/classifier/tool/conf.def"
};

#define CONF_STRUCT struct tool_conf
static const struct conf_option options[] = {
#include "common/base/conf_rows.h"
#include "services/classifier/tool/conf.def"
};
static const struct conf_table table = {
    "policy", "grades reports by a policy, without a broker and a database", options,
    ARRAY_LEN(options)};

static bool grade(const struct tool_conf *conf, char **args, struct err *err)
{
    AUTO(auto_policy) struct policy *policy = NULL;

    (void)args;
    return policy_load(&policy, conf->policy, err) && tool_grade(policy, stdin, stdout, err);
}

typedef bool train_fn(const struct policy *policy, const char *folder, FILE *out, struct err *err);

static bool with_texts(const struct tool_conf *conf, train_fn *fn, struct err *err)
{
    AUTO(auto_policy) struct policy *policy = NULL;

    return policy_load(&policy, conf->policy, err) && fn(policy, conf->policy, stdout, err);
}

static bool train_model(const struct tool_conf *conf, char **args, struct err *err)
{
    (void)args;
    return with_texts(conf, train_write, err);
}

static bool test_model(const struct tool_conf *conf, char **args, struct err *err)
{
    (void)args;
    return with_texts(conf, train_test, err);
}

static bool check(const struct tool_conf *conf, char **args, struct err *err)
{
    return tool_check(args[0], conf->json, stdout, err);
}

static bool test(const struct tool_conf *conf, char **args, struct err *err)
{
    return tool_test(args[0], conf->json, stdout, err);
}

static bool explain(const struct tool_conf *conf, char **args, struct err *err)
{
    return tool_explain_report(conf->policy, args[0], conf->lang, conf->json, stdout, err);
}

static bool explain_grade(const struct tool_conf *conf, char **args, struct err *err)
{
    (void)args;
    return tool_explain_grade(conf->policy, conf->lang, conf->json, stdout, err);
}

static bool diff(const struct tool_conf *conf, char **args, struct err *err)
{
    if (*conf->file)
        return tool_diff_grades(args[0], args[1], conf->file, conf->json, stdout, err);
    return tool_diff_rules(args[0], args[1], conf->json, stdout, err);
}

static const struct {
    const char *name;
    size_t args_n;
    const char *usage;
    bool (*run)(const struct tool_conf *conf, char **args, struct err *err);
} commands[] = {
    {"grade", 0, "< REPORTS", grade},
    {"check", 1, "DIR", check},
    {"test", 1, "DIR", test},
    {"explain", 1, "FILE", explain},
    {"explain-grade", 0, "< GRADE", explain_grade},
    {"diff", 2, "OLD NEW [--file GRADES]", diff},
    {"train-model", 0, "", train_model},
    {"test-model", 0, "", test_model},
};

static bool refuse(struct err *err)
{
    AUTO(buf_done) struct buf text = {0};

    buf_init(&text, 400);
    for (size_t i = 0; i < ARRAY_LEN(commands); i++)
        (void)buf_printf(&text, "%s%s%s%s", i > 0 ? " | " : "", commands[i].name,
                         *commands[i].usage ? " " : "", commands[i].usage);
    return err_set(err, ERR_CONFIG, "usage: tongbao-policy [--policy DIR] %s", buf_text(&text));
}

static bool run(int argc, char **argv, struct err *err)
{
    struct tool_conf conf = {0};
    char **words;
    enum conf_outcome outcome = conf_load(&conf, &table, argc, argv, &words, err);

    if (outcome != CONF_RUN)
        return outcome == CONF_EXIT;
    for (size_t i = 0; words[0] && i < ARRAY_LEN(commands); i++) {
        size_t n = 0;

        while (words[n + 1])
            n++;
        if (strcmp(words[0], commands[i].name) == 0 && n == commands[i].args_n)
            return commands[i].run(&conf, words + 1, err);
    }
    return refuse(err);
}

int main(int argc, char **argv)
{
    struct err err = {0};

    if (run(argc, argv, &err) && fflush(stdout) == 0)
        return EXIT_SUCCESS;
    (void)fflush(stdout);
    (void)fprintf(stderr, "tongbao: %s\n", err.kind ? err.text : "the output could not be written");
    return err_exit_code(&err);
}
