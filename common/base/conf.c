#include "common/base/conf.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "common/base/log.h"

enum {
    NAME_MAX_BYTES = 128,     /* of a flag or a variable, with its prefix */
    SECRET_MAX_BYTES = 65536, /* of the file behind --name-file */
    HOST_MAX_BYTES = 256,
};

enum source { SOURCE_FALLBACK, SOURCE_FLAG, SOURCE_VARIABLE };

/* One way of giving a value: --name, or --name-file where a file holds it. */
struct given {
    size_t option; /* index in the table */
    enum source source;
    bool is_file;
};

struct load {
    char *conf;
    const struct conf_table *table;
    struct given from[CONF_OPTIONS_MAX];
    bool check_only;
};

/* Strings that conf_load() makes live as long as the process: reachable from here, so no leak. */
static struct kept {
    struct kept *next;
    char text[];
} * kept;

static const char *keep(const char *text, size_t len)
{
    struct kept *k = malloc(sizeof(*k) + len + 1);

    if (!k)
        return NULL;
    memcpy(k->text, text, len);
    k->text[len] = '\0';
    k->next = kept;
    kept = k;
    return k->text;
}

/* --- names ------------------------------------------------------------------------------------ */

static char upper(char c)
{
    return c >= 'a' && c <= 'z' ? (char)(c - 'a' + 'A') : c;
}

static char hyphen(char c)
{
    return c == '_' ? '-' : c;
}

static void put_prefix(char text[NAME_MAX_BYTES], const struct conf_table *table)
{
    (void)snprintf(text, NAME_MAX_BYTES, "TONGBAO_%s_", table->service);
    for (char *p = text; *p; p++)
        *p = upper(*p);
}

/* The name as its giver wrote it: --ack-deadline-ms or TONGBAO_INTAKE_ACK_DEADLINE_MS. */
static const char *put_name(char text[NAME_MAX_BYTES], const struct conf_table *table,
                            const struct given *g)
{
    const char *name = table->options[g->option].name, *tail = g->is_file ? "_file" : "";
    bool is_variable = g->source == SOURCE_VARIABLE;

    if (is_variable)
        (void)snprintf(text, NAME_MAX_BYTES, "TONGBAO_%s_%s%s", table->service, name, tail);
    else
        (void)snprintf(text, NAME_MAX_BYTES, "--%s%s", name, tail);
    for (char *p = text; *p; p++)
        *p = is_variable ? upper(*p) : hyphen(*p);
    return text;
}

static const char *program_name(char text[NAME_MAX_BYTES], const struct conf_table *table)
{
    bool is_ctl = strcmp(table->service, "ctl") == 0;

    (void)snprintf(text, NAME_MAX_BYTES, "tongbao%s%s", is_ctl ? "" : "-",
                   is_ctl ? "" : table->service);
    return text;
}

static bool find(const struct conf_table *table, enum source source, const char *name, size_t len,
                 struct given *ret)
{
    for (size_t i = 0; i < table->n; i++) {
        for (int is_file = 0; is_file <= (table->options[i].type == CONF_TYPE_SECRET); is_file++) {
            struct given g = {.option = i, .source = source, .is_file = is_file};
            char own[NAME_MAX_BYTES];

            if (strlen(put_name(own, table, &g)) == len && memcmp(own, name, len) == 0) {
                *ret = g;
                return true;
            }
        }
    }
    return false;
}

/* --- values ----------------------------------------------------------------------------------- */

static bool read_secret(const char **ret, const char *name, const char *path, struct err *err)
{
    char text[SECRET_MAX_BYTES + 1];
    FILE *file = fopen(path, "re");
    size_t len;
    bool ok;

    if (!file)
        return err_set(err, ERR_CONFIG, "%s: %s: %m", name, path);
    len = fread(text, 1, sizeof(text), file);
    ok = !ferror(file);
    (void)fclose(file);
    if (!ok || len > SECRET_MAX_BYTES || memchr(text, '\0', len))
        return err_set(err, ERR_CONFIG, "%s: %s is not a text of at most %d bytes", name, path,
                       SECRET_MAX_BYTES);
    if (len > 0 && text[len - 1] == '\n')
        len--;
    *ret = keep(text, len);
    explicit_bzero(text, sizeof(text));
    return *ret || err_memory(err);
}

static bool put_text(struct load *l, const struct given *g, const char *name, const char *value,
                     struct err *err)
{
    const struct conf_option *option = &l->table->options[g->option];
    const char **to = (const char **)(void *)(l->conf + option->offset);

    if (g->is_file && !read_secret(&value, name, value, err))
        return false;
    if (!*value && !option->fallback_text)
        return err_set(err, ERR_CONFIG, "%s: is empty, but a value is required", name);
    *to = value;
    return true;
}

static bool put_int(struct load *l, const struct given *g, const char *name, const char *value,
                    struct err *err)
{
    const struct conf_option *option = &l->table->options[g->option];
    int64_t *to = (int64_t *)(void *)(l->conf + option->offset);
    char first_digit = value[value[0] == '-'];
    long long number;
    char *end;

    errno = 0;
    number = strtoll(value, &end, 10);
    if (first_digit < '0' || first_digit > '9' || *end || errno || number < option->min ||
        number > option->max)
        return err_set(err, ERR_CONFIG,
                       "%s: \"%s\" is not a whole number from %" PRId64 " to %" PRId64, name, value,
                       option->min, option->max);
    *to = number;
    return true;
}

static bool put_flag(struct load *l, const struct given *g, const char *name, const char *value,
                     struct err *err)
{
    bool *to = (bool *)(l->conf + l->table->options[g->option].offset);

    if (strcmp(value, "true") != 0 && strcmp(value, "false") != 0)
        return err_set(err, ERR_CONFIG, "%s: \"%s\" is neither true nor false", name, value);
    *to = *value == 't';
    return true;
}

/* A value of the same source is there already: which one was meant? A flag beats a variable. */
static bool put(struct load *l, const struct given *g, const char *value, struct err *err)
{
    struct given *from = &l->from[g->option];
    char name[NAME_MAX_BYTES];

    put_name(name, l->table, g);
    if (from->source == g->source)
        return err_set(err, ERR_CONFIG, "%s: the option is given twice", name);
    if (from->source == SOURCE_FLAG)
        return true;
    *from = *g;
    switch (l->table->options[g->option].type) {
    case CONF_TYPE_TEXT:
    case CONF_TYPE_SECRET:
        return put_text(l, g, name, value, err);
    case CONF_TYPE_INT:
        return put_int(l, g, name, value, err);
    case CONF_TYPE_FLAG:
        return put_flag(l, g, name, value, err);
    }
    return false;
}

/* --- what is printed -------------------------------------------------------------------------- */

/* `text` has room for what is made; what stands in the table is returned as it is. */
static const char *legal(char text[NAME_MAX_BYTES], const struct conf_option *option)
{
    switch (option->type) {
    case CONF_TYPE_TEXT:
        return "text";
    case CONF_TYPE_SECRET:
        return "text; or the name of a file in …-file";
    case CONF_TYPE_INT:
        (void)snprintf(text, NAME_MAX_BYTES, "%" PRId64 " to %" PRId64, option->min, option->max);
        return text;
    case CONF_TYPE_FLAG:
        return "true or false";
    }
    return "";
}

static const char *fallback(char text[NAME_MAX_BYTES], const struct conf_option *option)
{
    if (option->type == CONF_TYPE_FLAG)
        return "false";
    if (option->type == CONF_TYPE_INT) {
        (void)snprintf(text, NAME_MAX_BYTES, "%" PRId64, option->fallback);
        return text;
    }
    if (!option->fallback_text)
        return "required";
    if (!*option->fallback_text)
        return "empty";
    return option->type == CONF_TYPE_SECRET ? "set" : option->fallback_text;
}

static void print_help(const struct conf_table *table, bool takes_rest)
{
    char name[NAME_MAX_BYTES];

    (void)printf("%s - %s\n\nUsage: %s [OPTION]...%s\n\n", program_name(name, table),
                 table->purpose, name, takes_rest ? " COMMAND..." : "");
    for (size_t i = 0; i < table->n; i++) {
        const struct conf_option *option = &table->options[i];
        struct given g = {.option = i, .source = SOURCE_FLAG};
        char one[NAME_MAX_BYTES], two[NAME_MAX_BYTES];

        (void)printf("  %s%s\n        %s\n        %s; default: %s; ", put_name(name, table, &g),
                     option->type == CONF_TYPE_FLAG ? "" : "=VALUE", option->help,
                     legal(one, option), fallback(two, option));
        g.source = SOURCE_VARIABLE;
        (void)printf("%s\n", put_name(name, table, &g));
    }
    (void)printf(
        "  --help  --version\n"
        "  --check-config\n        checks the options and exits: 0, or 78 with the problem\n"
        "  --print-options\n        prints the options as a Markdown table\n\n"
        "A flag wins over its environment variable.\n");
}

static void print_cell(const char *text, const char *behind)
{
    for (; *text; text++)
        (void)printf(*text == '|' ? "\\%c" : "%c", *text);
    (void)printf(" |%s", behind);
}

void conf_print_markdown(const struct conf_table *table)
{
    char name[NAME_MAX_BYTES];

    (void)printf("## %s\n\n", program_name(name, table));
    (void)printf("%s\n\n| option | variable | default | legal | meaning |\n|---|---|---|---|---|\n",
                 table->purpose);
    for (size_t i = 0; i < table->n; i++) {
        const struct conf_option *option = &table->options[i];
        struct given g = {.option = i, .source = SOURCE_FLAG};
        char cell[NAME_MAX_BYTES];

        (void)printf("| `%s` | ", put_name(name, table, &g));
        g.source = SOURCE_VARIABLE;
        (void)printf("`%s` | ", put_name(name, table, &g));
        print_cell(fallback(cell, option), " ");
        print_cell(legal(cell, option), " ");
        print_cell(option->help, "\n");
    }
}

/* --- loading ---------------------------------------------------------------------------------- */

/* The flags that every program has. CONF_RUN: it was none, or one that lets the others be read. */
static bool built_in(struct load *l, const char *flag, bool takes_rest, enum conf_outcome *ret)
{
    char name[NAME_MAX_BYTES];

    *ret = CONF_EXIT;
    if (strcmp(flag, "--help") == 0) {
        print_help(l->table, takes_rest);
    } else if (strcmp(flag, "--version") == 0) {
        (void)printf("%s %s\n", program_name(name, l->table), TONGBAO_VERSION);
    } else if (strcmp(flag, "--print-options") == 0) {
        conf_print_markdown(l->table);
    } else if (strcmp(flag, "--check-config") == 0) {
        l->check_only = true;
        *ret = CONF_RUN;
    } else {
        return false;
    }
    return true;
}

/* One flag at argv[0], its value perhaps in argv[1]; *ret_used tells how many were taken. */
static bool load_flag(struct load *l, char **argv, int *ret_used, struct err *err)
{
    const char *equals = strchr(argv[0], '=');
    size_t len = equals ? (size_t)(equals - argv[0]) : strlen(argv[0]);
    const char *value = equals ? equals + 1 : argv[1];
    struct given g;

    if (!find(l->table, SOURCE_FLAG, argv[0], len, &g))
        return err_set(err, ERR_CONFIG, "%.*s: unknown option (--help lists them)", (int)len,
                       argv[0]);
    if (!equals && l->table->options[g.option].type == CONF_TYPE_FLAG)
        value = "true";
    else if (!equals)
        *ret_used = 2;
    if (!value)
        return err_set(err, ERR_CONFIG, "%s: a value must follow", argv[0]);
    return put(l, &g, value, err);
}

static enum conf_outcome load_flags(struct load *l, int argc, char **argv, char ***ret_rest,
                                    struct err *err)
{
    int i = 1;

    while (i < argc && argv[i][0] == '-' && argv[i][1] != '\0') {
        enum conf_outcome outcome;
        int used = 1;

        if (strcmp(argv[i], "--") == 0) {
            i++;
            break;
        }
        if (!built_in(l, argv[i], ret_rest, &outcome)) {
            if (!load_flag(l, argv + i, &used, err))
                return CONF_FAIL;
        } else if (outcome == CONF_EXIT) {
            return CONF_EXIT;
        }
        i += used;
    }
    if (ret_rest)
        *ret_rest = argv + (i < argc ? i : argc);
    else if (i < argc) {
        err_set(err, ERR_CONFIG, "%s: unexpected argument (--help lists the options)", argv[i]);
        return CONF_FAIL;
    }
    return CONF_RUN;
}

static bool load_variables(struct load *l, struct err *err)
{
    char prefix[NAME_MAX_BYTES];

    put_prefix(prefix, l->table);
    for (char **at = environ; at && *at; at++) {
        const char *equals = strchr(*at, '=');
        struct given g;

        if (!equals || strncmp(*at, prefix, strlen(prefix)) != 0)
            continue;
        if (!find(l->table, SOURCE_VARIABLE, *at, (size_t)(equals - *at), &g))
            return err_set(err, ERR_CONFIG, "%.*s: unknown variable (--help lists them)",
                           (int)(equals - *at), *at);
        if (!put(l, &g, equals + 1, err))
            return false;
    }
    return true;
}

static bool load_fallbacks(struct load *l, struct err *err)
{
    for (size_t i = 0; i < l->table->n; i++) {
        const struct conf_option *option = &l->table->options[i];
        void *to = l->conf + option->offset;
        char flag[NAME_MAX_BYTES], variable[NAME_MAX_BYTES];

        if (l->from[i].source != SOURCE_FALLBACK)
            continue;
        switch (option->type) {
        case CONF_TYPE_TEXT:
        case CONF_TYPE_SECRET:
            if (!option->fallback_text)
                return err_set(
                    err, ERR_CONFIG, "%s (or %s) is required",
                    put_name(flag, l->table, &(struct given){i, SOURCE_FLAG, false}),
                    put_name(variable, l->table, &(struct given){i, SOURCE_VARIABLE, false}));
            *(const char **)to = option->fallback_text;
            break;
        case CONF_TYPE_INT:
            *(int64_t *)to = option->fallback;
            break;
        case CONF_TYPE_FLAG:
            *(bool *)to = false;
            break;
        }
    }
    return true;
}

/* The two options that name the process and its log, where the table has them. */
static bool open_log(struct load *l, struct err *err)
{
    static const char *const levels[] = {"debug", "info", "warn", "error"};
    enum log_level least = LOG_INFO;
    const char *instance = "";

    for (size_t i = 0; i < l->table->n; i++) {
        const char *name = l->table->options[i].name;
        const char **value = (const char **)(void *)(l->conf + l->table->options[i].offset);

        if (strcmp(name, "instance") == 0) {
            char host[HOST_MAX_BYTES] = "";

            if (!**value && gethostname(host, sizeof(host) - 1))
                return err_set(err, ERR_CONFIG, "--instance: the host has no name: %m");
            if (!**value && !(*value = keep(host, strlen(host))))
                return err_memory(err);
            instance = *value;
        } else if (strcmp(name, "log_level") == 0) {
            char given_as[NAME_MAX_BYTES];
            size_t level = 0;

            while (level < ARRAY_LEN(levels) && strcmp(levels[level], *value) != 0)
                level++;
            if (level == ARRAY_LEN(levels))
                return err_set(err, ERR_CONFIG, "%s: \"%s\" is not debug, info, warn or error",
                               put_name(given_as, l->table, &l->from[i]), *value);
            least = (enum log_level)level;
        }
    }
    log_open(l->table->service, instance, least);
    return true;
}

enum conf_outcome conf_load(void *conf, const struct conf_table *table, int argc, char **argv,
                            char ***ret_rest, struct err *err)
{
    struct load l = {.conf = conf, .table = table};
    enum conf_outcome outcome;

    if (table->n > CONF_OPTIONS_MAX)
        abort(); /* a longer table needs a greater bound */
    outcome = load_flags(&l, argc, argv, ret_rest, err);
    if (outcome != CONF_RUN)
        return outcome;
    if (!load_variables(&l, err) || !load_fallbacks(&l, err) || !open_log(&l, err))
        return CONF_FAIL;
    return l.check_only ? CONF_EXIT : CONF_RUN;
}
