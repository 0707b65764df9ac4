#include "common/base/failpoint.h"

#ifdef TONGBAO_TESTING

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/clock.h"

enum { POINTS_MAX = 32 };

enum action { ACTION_KILL, ACTION_STOP, ACTION_ABORT, ACTION_SLEEP };

static struct point {
    char name[64];
    enum action action;
    long sleep_ms;
    long on; /* the passage that acts; 0: each */
    atomic_long passed;
} points[POINTS_MAX];
static size_t points_n;

static bool number(const char *text, long *ret)
{
    char *end;

    *ret = strtol(text, &end, 10);
    return end != text && *end == '\0' && *ret > 0;
}

/* "sink.committed=kill@3" */
static bool parse_point(struct point *p, char *text)
{
    char *action = strchr(text, '='), *on = strchr(text, '@');

    if (!action || (size_t)(action - text) >= sizeof(p->name))
        return false;
    *action++ = '\0';
    (void)snprintf(p->name, sizeof(p->name), "%s", text);
    p->on = 1;
    if (on) {
        *on++ = '\0';
        if (strcmp(on, "*") == 0)
            p->on = 0;
        else if (!number(on, &p->on))
            return false;
    }
    if (strncmp(action, "sleep:", 6) == 0) {
        p->action = ACTION_SLEEP;
        return number(action + 6, &p->sleep_ms);
    }
    p->action = strcmp(action, "kill") == 0   ? ACTION_KILL
                : strcmp(action, "stop") == 0 ? ACTION_STOP
                                              : ACTION_ABORT;
    return p->action != ACTION_ABORT || strcmp(action, "abort") == 0;
}

static void load(void)
{
    // NOLINTNEXTLINE(concurrency-mt-unsafe): nothing sets the environment
    const char *set = getenv("TONGBAO_FAILPOINTS");
    char *text = set && *set ? strdup(set) : NULL, *rest = text, *one;

    while ((one = strsep(&rest, ","))) {
        if (points_n == POINTS_MAX || !parse_point(&points[points_n++], one)) {
            (void)fprintf(stderr, "TONGBAO_FAILPOINTS: bad entry %zu of \"%s\"\n", points_n, set);
            abort(); /* a test that nothing interrupts would pass for the wrong reason */
        }
    }
    free(text);
}

static void act(const struct point *p)
{
    switch (p->action) {
    case ACTION_KILL:
        (void)raise(SIGKILL);
        break;
    case ACTION_STOP:
        (void)raise(SIGSTOP);
        break;
    case ACTION_ABORT:
        abort();
    case ACTION_SLEEP:
        clock_sleep_ms(p->sleep_ms);
        break;
    }
}

void failpoint_pass(const char *name)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;

    (void)pthread_once(&once, load);
    for (size_t i = 0; i < points_n; i++) {
        struct point *p = &points[i];

        if (strcmp(p->name, name) != 0)
            continue;
        if (atomic_fetch_add(&p->passed, 1) + 1 == p->on || p->on == 0)
            act(p);
    }
}

#else
typedef int failpoint_is_empty_in_a_release; /* a translation unit must declare something */
#endif
