/*
 * conf - the options of a program, declared once.
 *
 * A service lists its options in conf.def, one row each; the same row gives the member of its conf
 * struct, the flag, the environment variable, its line in --help and in docs/config.md, and the
 * check. In conf.h of the service:
 *
 *     struct intake_conf {
 *     #include "common/base/conf_members.h"
 *     #include "…/intake/conf.def"
 *     };
 *     extern const struct conf_table intake_conf_table;
 *
 * and in conf.c (or main.c):
 *
 *     #define CONF_STRUCT struct intake_conf
 *     static const struct conf_option options[] = {
 *     #include "common/base/conf_rows.h"
 *     #include "…/intake/conf.def"
 *     };
 *     const struct conf_table intake_conf_table = {"intake", "accepts reports …", options,
 *                                                  ARRAY_LEN(options)};
 *
 * Rows        CONF_TEXT(name, fallback, help)           const char *name (NULL fallback: required)
 *             CONF_SECRET(name, fallback, help)         the same, never printed; --name-file PATH
 *                                                       reads it from a file (one newline at its
 *                                                       end is not part of it)
 *             CONF_INT(name, fallback, min, max, help)  int64_t name, unit in it: _ms, _bytes, _max
 *             CONF_FLAG(name, help)                     bool name (default false)
 * Order       A flag (--ack-deadline-ms 1000 or =1000) wins over the environment
 *             (TONGBAO_INTAKE_ACK_DEADLINE_MS), which wins over the fallback. An unknown flag, an
 *             unknown TONGBAO_<SERVICE>_* variable, and one option given twice, are errors.
 * Built in    --help, --version, --check-config (checks, prints nothing but problems, exits 0 or
 *             78), --print-options (a Markdown table). A table also has what
 *             common/service/conf.def, common/kafka/conf.def and common/db/conf.def list, where it
 *             includes them.
 * Known names An option `instance` that is empty becomes the host's name; with `log_level` it is
 *             given to log_open().
 * Threads     conf_load() before any other thread exists.
 * Ownership   Strings live as long as the process.
 * Bounds      CONF_OPTIONS_MAX rows in a table; a secret's file has at most 64 KiB.
 * Errors      ERR_CONFIG naming the option as it was given (flag or variable), the value, and what
 *             is legal. Never a secret's value.
 */
#ifndef COMMON_BASE_CONF_H
#define COMMON_BASE_CONF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/base/cleanup.h"
#include "common/base/err.h"

#define CONF_OPTIONS_MAX 64

enum conf_type { CONF_TYPE_TEXT, CONF_TYPE_SECRET, CONF_TYPE_INT, CONF_TYPE_FLAG };

struct conf_option {
    const char *name; /* snake_case; the flag has hyphens */
    enum conf_type type;
    size_t offset;
    const char *fallback_text;
    int64_t fallback, min, max;
    const char *help;
};

struct conf_table {
    const char *service; /* "intake"; the environment prefix is TONGBAO_INTAKE_ */
    const char *purpose; /* one line */
    const struct conf_option *options;
    size_t n;
};

enum conf_outcome {
    CONF_RUN,  /* go on */
    CONF_EXIT, /* --help, --version, --check-config and the like did their work: exit 0 */
    CONF_FAIL, /* err is set (ERR_CONFIG) */
};

/* Fills `conf` (a struct of the table's type). argv[0] is skipped. The first argument that is no
 * option ends them: it is an error unless ret_rest is given, which then points at it, or at the
 * NULL behind the last (for commands such as `tongbao submit FILE`). */
enum conf_outcome conf_load(void *conf, const struct conf_table *table, int argc, char **argv,
                            char ***ret_rest, struct err *err);

/* Prints the table in Markdown (docs/config.md is made of these). */
void conf_print_markdown(const struct conf_table *table);

#endif
