/*
 * line - a command line in the order that common/base/conf wants: options first, words behind.
 *
 * Ownership   Pointers into argv; the struct is the caller's.
 * Bounds      LINE_ARGS_MAX arguments.
 */
#ifndef SERVICES_CTL_LINE_H
#define SERVICES_CTL_LINE_H

#include "services/ctl/command.h"

#define LINE_ARGS_MAX 64

/* People write both orders: the options that were given as flags come first, the words behind. */
struct line {
    char *args[LINE_ARGS_MAX + 1];
    int n;
    const struct conf_option *given[LINE_ARGS_MAX];
    int given_n;
    bool wants_help;
};

/* `ret` is zeroed by the caller. ERR_CONFIG: too many arguments, or an
 * option without its value. */
bool line_arrange(struct line *ret, int argc, char **argv, struct err *err) MUST_CHECK;

#endif
