#include "services/escalator/incident.h"

#include <string.h>

static void *grown(void *items, size_t n, size_t *cap, size_t size, struct arena *arena)
{
    void *more;

    if (n < *cap)
        return items;
    more = arena_take(arena, (n ? 2 * n : 4) * size);
    if (!more)
        return NULL;
    if (n > 0)
        memcpy(more, items, n * size);
    *cap = n ? 2 * n : 4;
    return more;
}

struct chain_run *incident_add_run(struct incident *inc, struct arena *arena)
{
    struct chain_run *runs =
        grown(inc->runs, inc->runs_n, &inc->runs_cap, sizeof(*inc->runs), arena);

    if (!runs)
        return NULL;
    inc->runs = runs;
    return &inc->runs[inc->runs_n++];
}

struct call *incident_add_call(struct incident *inc, struct arena *arena)
{
    struct call *calls =
        grown(inc->calls, inc->calls_n, &inc->calls_cap, sizeof(*inc->calls), arena);

    if (!calls)
        return NULL;
    inc->calls = calls;
    return &inc->calls[inc->calls_n++];
}

struct owed *incident_add_owed(struct incident *inc, struct arena *arena)
{
    struct owed *owed = grown(inc->owed, inc->owed_n, &inc->owed_cap, sizeof(*inc->owed), arena);

    if (!owed)
        return NULL;
    inc->owed = owed;
    return &inc->owed[inc->owed_n++];
}

bool text_keep_n(const char **ret, const char *text, size_t len, struct arena *arena)
{
    char *copy = arena_take(arena, len + 1);

    if (!copy)
        return false;
    memcpy(copy, text, len);
    *ret = copy;
    return true;
}

bool text_keep(const char **ret, const char *text, struct arena *arena)
{
    if (text)
        return text_keep_n(ret, text, strlen(text), arena);
    *ret = NULL;
    return true;
}
