/* tongbao: finds the command, reads the options, runs it. */
#include <locale.h>
#include <stdio.h>
#include <string.h>

#include "services/ctl/line.h"

static const struct command *find_command(char **words, size_t *ret_words_n)
{
    for (size_t i = 0; i < commands_n; i++) {
        const char *second = strchr(commands[i].name, ' ');
        size_t len = second ? (size_t)(second - commands[i].name) : strlen(commands[i].name);

        if (!words[0] || strlen(words[0]) != len || strncmp(words[0], commands[i].name, len) != 0)
            continue;
        if (!second || (words[1] && strcmp(words[1], second + 1) == 0)) {
            *ret_words_n = second ? 2 : 1;
            return &commands[i];
        }
    }
    return NULL;
}

static bool no_command(char **words, struct err *err)
{
    size_t len = strlen(words[0]);

    for (size_t i = 0; i < commands_n; i++)
        if (strncmp(commands[i].name, words[0], len) == 0 && commands[i].name[len] == ' ')
            return err_set(err, ERR_CONFIG,
                           "\"%s%s%s\" is not a command; \"%s %s\" is one, tongbao --help "
                           "lists all",
                           words[0], words[1] ? " " : "", words[1] ? words[1] : "",
                           commands[i].name, commands[i].usage);
    return err_set(err, ERR_CONFIG, "\"%s%s%s\" is not a command; tongbao --help lists them",
                   words[0], words[1] ? " " : "", words[1] ? words[1] : "");
}

static bool check(const struct command *command, const struct line *line, char **args,
                  struct err *err)
{
    size_t given_n = 0, wanted_n = *command->usage ? 1 : 0;

    for (const char *at = command->usage; *at; at++)
        wanted_n += *at == ' ';
    for (int i = 0; i < line->given_n; i++)
        if (!command_takes(command, line->given[i]->name))
            return err_set(err, ERR_CONFIG,
                           "the option %s does not belong to `tongbao %s`; --help behind it lists "
                           "its own",
                           line->given[i]->name, command->name);
    while (args[given_n])
        given_n++;
    if (given_n == wanted_n)
        return true;
    return err_set(err, ERR_CONFIG, "usage: tongbao %s %s", command->name, command->usage);
}

/* What `. var/tongbao.env` sets, taken where our own variable is not set. */
static void take_environment(void)
{
    static const char *const pairs[][2] = {{"TONGBAO_URL", "TONGBAO_CTL_URL"},
                                           {"TONGBAO_KAFKA_BROKERS", "TONGBAO_CTL_KAFKA_BROKERS"},
                                           {"TONGBAO_POLICY", "TONGBAO_CTL_POLICY"}};

    for (size_t i = 0; i < ARRAY_LEN(pairs); i++) {
        const char *value = getenv(pairs[i][0]);

        if (value && *value)
            (void)setenv(pairs[i][1], value, 0);
    }
}

static bool run(int argc, char **argv, struct err *err)
{
    struct line line = {.n = 0};
    struct ctl_conf conf = {0};
    const struct command *command;
    enum conf_outcome outcome;
    size_t words_n = 0;
    char **words;

    take_environment();
    if (!line_arrange(&line, argc, argv, err))
        return false;
    outcome = conf_load(&conf, &ctl_conf_table, line.n, line.args, &words, err);
    if (outcome != CONF_RUN)
        return outcome == CONF_EXIT;
    command = find_command(words, &words_n);
    if (command && line.wants_help) {
        help_command(command);
        return true;
    }
    if (!command && (line.wants_help || !words[0])) {
        help_all(line.wants_help ? stdout : stderr,
                 words[0] && help_has_group(words[0]) ? words[0] : "");
        return line.wants_help || err_set(err, ERR_CONFIG, "no command was given");
    }
    if (!command)
        return no_command(words, err);
    return check(command, &line, words + words_n, err) && command->fn(&conf, words + words_n, err);
}

int main(int argc, char **argv)
{
    struct err err = {0};

    (void)setlocale(LC_CTYPE, "C.UTF-8"); /* widths of Chinese text, whatever the terminal says */
    if (run(argc, argv, &err) && fflush(stdout) == 0)
        return EXIT_SUCCESS;
    if (err.kind && !*err.text)
        return err_exit_code(&err); /* the program that we called has said it */
    (void)fprintf(stderr, "tongbao: %s\n", err.kind ? err.text : "the output could not be written");
    return err_exit_code(&err);
}
