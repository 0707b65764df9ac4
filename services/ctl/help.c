#include <stdio.h>
#include <string.h>

#include "services/ctl/command.h"

bool help_has_group(const char *group)
{
    size_t len = strlen(group);

    for (size_t i = 0; i < commands_n; i++)
        if (strncmp(commands[i].name, group, len) == 0 && commands[i].name[len] == ' ')
            return true;
    return false;
}

void help_all(FILE *to, const char *group)
{
    size_t len = strlen(group);

    (void)fprintf(to, "tongbao - %s\n\nUsage: tongbao COMMAND [ARGUMENT] [--OPTION ...]\n\n",
                  ctl_conf_table.purpose);
    for (size_t i = 0; i < commands_n; i++)
        if (len == 0 ||
            (strncmp(commands[i].name, group, len) == 0 && commands[i].name[len] == ' '))
            (void)fprintf(to, "  %s %s\n        %s\n", commands[i].name, commands[i].usage,
                          commands[i].summary);
    (void)fprintf(to, "\n  --json      prints JSON instead of tables\n"
                      "  --help      behind a command: its options\n"
                      "  --version\n");
}

bool command_takes(const struct command *command, const char *option)
{
    size_t len = strlen(option);

    for (const char *at = command->options; (at = strstr(at, option)); at += len)
        if ((at == command->options || at[-1] == ' ') && (at[len] == '\0' || at[len] == ' '))
            return true;
    return strcmp(option, "json") == 0;
}

static void print_flag(const char *name)
{
    (void)printf("--");
    for (; *name; name++)
        (void)putchar(*name == '_' ? '-' : *name);
}

void help_command(const struct command *command)
{
    (void)printf("tongbao %s - %s\n\nUsage: tongbao %s%s%s [--OPTION ...]\n\n%s\n", command->name,
                 command->summary, command->name, *command->usage ? " " : "", command->usage,
                 command->help);
    for (size_t i = 0; i < ctl_conf_table.n; i++) {
        const struct conf_option *option = &ctl_conf_table.options[i];

        if (!command_takes(command, option->name))
            continue;
        (void)printf("  ");
        print_flag(option->name);
        (void)printf("%s\n        %s\n", option->type == CONF_TYPE_FLAG ? "" : "=VALUE",
                     option->help);
    }
    (void)printf("\nEach option can be given as TONGBAO_CTL_<OPTION> in the environment too.\n");
}
