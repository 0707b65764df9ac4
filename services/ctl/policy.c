/* grade, model: the classifier's own program beside ours does it, for no service includes another. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "services/ctl/command.h"

#define PROGRAM "tongbao-policy"

/* The program in the folder of ours. */
static bool find_program(char ret[4096], struct err *err)
{
    char self[4096];
    ssize_t len = readlink("/proc/self/exe", self, sizeof(self) - 1);
    char *slash;

    if (len < 0)
        return err_set(err, ERR_FATAL, "/proc/self/exe: %s", strerror(errno));
    self[len] = '\0';
    slash = strrchr(self, '/');
    if (!slash || snprintf(ret, 4096, "%.*s/" PROGRAM, (int)(slash - self), self) >= 4096)
        return err_set(err, ERR_FATAL, "the path of this program is too long");
    return true;
}

static bool hand_over(char *const *args, struct err *err)
{
    char program[4096];

    if (!find_program(program, err))
        return false;
    execv(program, args);
    return err_set(err, ERR_CONFIG, "%s: %s; it is installed beside tongbao", program,
                   strerror(errno));
}

static bool call(const struct ctl_conf *conf, const char *command, struct err *err)
{
    char name[] = PROGRAM, option[] = "--policy";
    char *const words[] = {name, option, (char *)(uintptr_t)conf->policy,
                           (char *)(uintptr_t)command, NULL};

    return hand_over(words, err);
}

bool grade_run(const struct ctl_conf *conf, char **args, struct err *err)
{
    (void)args;
    return call(conf, "grade", err);
}

bool model_train(const struct ctl_conf *conf, char **args, struct err *err)
{
    (void)args;
    return call(conf, "train-model", err);
}

bool model_test(const struct ctl_conf *conf, char **args, struct err *err)
{
    (void)args;
    return call(conf, "test-model", err);
}
