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

    if (args[0])
        return err_set(err, ERR_CONFIG, "grade reads standard input: \"%s\" is too much", args[0]);
    return policy_load(&policy, conf->policy, err) && tool_grade(policy, stdin, stdout, err);
}

typedef bool train_fn(const struct policy *policy, const char *folder, FILE *out, struct err *err);

static bool with_texts(const struct tool_conf *conf, char **args, train_fn *fn, struct err *err)
{
    AUTO(auto_policy) struct policy *policy = NULL;

    if (args[0])
        return err_set(err, ERR_CONFIG, "the texts lie in the policy's folder: \"%s\" is too much",
                       args[0]);
    return policy_load(&policy, conf->policy, err) && fn(policy, conf->policy, stdout, err);
}

static bool train_model(const struct tool_conf *conf, char **args, struct err *err)
{
    return with_texts(conf, args, train_write, err);
}

static bool test_model(const struct tool_conf *conf, char **args, struct err *err)
{
    return with_texts(conf, args, train_test, err);
}

static const struct {
    const char *name;
    bool (*run)(const struct tool_conf *conf, char **args, struct err *err);
} commands[] = {
    {"grade", grade},
    {"train-model", train_model},
    {"test-model", test_model},
};

static bool run(int argc, char **argv, struct err *err)
{
    struct tool_conf conf = {0};
    char **words;
    enum conf_outcome outcome = conf_load(&conf, &table, argc, argv, &words, err);

    if (outcome != CONF_RUN)
        return outcome == CONF_EXIT;
    for (size_t i = 0; words[0] && i < ARRAY_LEN(commands); i++)
        if (strcmp(words[0], commands[i].name) == 0)
            return commands[i].run(&conf, words + 1, err);
    return err_set(
        err, ERR_CONFIG,
        "usage: tongbao-policy [--policy DIR] grade < REPORTS | train-model | test-model");
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
