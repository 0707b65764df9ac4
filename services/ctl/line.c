#include "services/ctl/line.h"

#include <string.h>

static const struct conf_option *find_option(const char *flag)
{
    size_t len = strcspn(flag, "=");

    for (size_t i = 0; i < ctl_conf_table.n; i++) {
        const char *name = ctl_conf_table.options[i].name;
        size_t k = 0;

        while (k + 2 < len && name[k] && flag[2 + k] == (name[k] == '_' ? '-' : name[k]))
            k++;
        if (!name[k] && (k + 2 == len || strncmp(flag + 2 + k, "-file", len - 2 - k) == 0))
            return &ctl_conf_table.options[i];
    }
    return NULL;
}

bool line_arrange(struct line *line, int argc, char **argv, struct err *err)
{
    char *words[LINE_ARGS_MAX];
    int words_n = 0;

    if (argc >= LINE_ARGS_MAX)
        return err_set(err, ERR_CONFIG, "too many arguments");
    line->args[line->n++] = argv[0];
    for (int i = 1; i < argc; i++) {
        const struct conf_option *option;

        if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0) {
            line->wants_help = true;
            continue;
        }
        if (strncmp(argv[i], "--", 2) != 0) {
            words[words_n++] = argv[i];
            continue;
        }
        option = find_option(argv[i]);
        line->args[line->n++] = argv[i];
        if (option)
            line->given[line->given_n++] = option;
        if (!option || option->type == CONF_TYPE_FLAG || strchr(argv[i], '='))
            continue;
        if (i + 1 == argc || strncmp(argv[i + 1], "--", 2) == 0)
            return err_set(err, ERR_CONFIG, "%s needs a value, %s=VALUE: %s", argv[i], argv[i],
                           option->help);
        line->args[line->n++] = argv[++i];
    }
    for (int i = 0; i < words_n; i++)
        line->args[line->n++] = words[i];
    return true;
}
