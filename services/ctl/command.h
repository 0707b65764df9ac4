/*
 * command - the commands of `tongbao`: one row each in commands.c; one file for each group.
 *
 * Threads     One.
 * Errors      Texts say what to do next; main() prints them. Results go to standard output, all
 *             else to standard error.
 */
#ifndef SERVICES_CTL_COMMAND_H
#define SERVICES_CTL_COMMAND_H

#include <stdio.h>

#include "common/base/conf.h"
#include "common/kafka/client.h"

struct ctl_conf {
#include "common/base/conf_members.h"
#include "services/ctl/conf.def"
};
extern const struct conf_table ctl_conf_table;

typedef bool command_fn(const struct ctl_conf *conf, char **args, struct err *err);

struct command {
    const char *name;    /* "enterprise add" */
    const char *usage;   /* "FILE", "OLD NEW": as many words as arguments; "" = none */
    const char *summary; /* one line */
    const char *help;
    const char *options; /* names, separated by blanks; --json has every command */
    command_fn *fn;
};
extern const struct command commands[];
extern const size_t commands_n;

command_fn migrate_run, topics_create, topics_check_all, enterprise_add, enterprise_list,
    enterprise_key, report_submit, incident_show, grade_run, policy_check, policy_test,
    policy_explain, policy_diff, model_train, model_test, model_corrections, replay_run,
    offsets_accept;

/* help.c: of all commands of a group ("policy"; "": of all groups), and of one; whether a command has the option. */
void help_all(FILE *to, const char *group);
bool help_has_group(const char *group);
void help_command(const struct command *command);
bool command_takes(const struct command *command, const char *option);

static inline struct kafka_conf ctl_kafka(const struct ctl_conf *conf)
{
    return (struct kafka_conf){.brokers = conf->kafka_brokers,
                               .properties = conf->kafka_properties,
                               .client_id = "tongbao"};
}

#endif
