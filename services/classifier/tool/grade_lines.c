#include <stdlib.h>
#include <string.h>

#include "services/classifier/tool/io.h"
#include "services/classifier/tool/tool.h"

static json_t *error_line(size_t line, const struct err *why)
{
    return json_pack("{s:s,s:I,s:s}", "error", why->text, "line", (json_int_t)line, "pointer",
                     why->pointer);
}

static bool grade_line(const struct policy *policy, const char *text, size_t len, size_t line,
                       FILE *out, bool *ret_ok, struct err *err)
{
    AUTO(auto_json) json_t *doc = NULL;
    struct err why = {0};

    *ret_ok = tool_decide(policy, text, len, &doc, &why);
    if (!*ret_ok && why.kind != ERR_INPUT) {
        *err = why;
        return false;
    }
    if (!*ret_ok)
        doc = error_line(line, &why);
    return io_put_json(out, doc, 0, err);
}

bool tool_grade(const struct policy *policy, FILE *in, FILE *out, struct err *err)
{
    AUTO(auto_free) char *text = NULL;
    size_t cap = 0, line = 0, refused = 0;
    ssize_t len;

    while ((len = getline(&text, &cap, in)) >= 0) {
        bool ok = true;

        line++;
        if (strspn(text, " \t\r\n") == (size_t)len)
            continue;
        if (!grade_line(policy, text, (size_t)len, line, out, &ok, err))
            return false;
        refused += !ok;
    }
    if (ferror(in))
        return err_set(err, ERR_FATAL, "standard input could not be read");
    return refused == 0 ||
           err_set(err, ERR_INPUT,
                   "%zu of %zu lines are no reports: their errors stand in their place", refused,
                   line);
}
