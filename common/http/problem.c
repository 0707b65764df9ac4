#include "common/http/internal.h"

#include <string.h>

#include "common/base/utf8.h"

static void add_member(struct buf *out, const char *name, const char *text)
{
    (void)buf_printf(out, ",\"%s\":", name);
    (void)buf_json_n(out, text, utf8_valid_prefix(text, strlen(text)));
}

bool problem_write(struct buf *out, const struct http_problem *problem)
{
    (void)buf_printf(out, "{\"type\":\"/problems/%s\"", problem->type);
    add_member(out, "title", problem->title);
    (void)buf_printf(out, ",\"status\":%d", problem->status);
    if (problem->detail)
        add_member(out, "detail", problem->detail);
    if (problem->pointer)
        add_member(out, "pointer", problem->pointer);
    if (problem->advice)
        add_member(out, "advice", problem->advice);
    return buf_str(out, "}\n");
}
