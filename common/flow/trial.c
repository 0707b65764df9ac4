#include <signal.h>
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/base/clock.h"
#include "common/flow/reader.h"

#define TRIES 3

/* glibc makes malloc usable in a child of a process with threads, and what is tried here takes no
 * other lock of ours. */
static pid_t start(void (*fn)(void *ctx), void *ctx)
{
    pid_t pid = fork();

    if (pid != 0)
        return pid;
    alarm(60); /* should the parent die, too */
    fn(ctx);
    _exit(0);
}

enum end { END_ALIVE, END_KILLED, END_LATE };

static enum end try_once(void (*fn)(void *ctx), void *ctx, int64_t timeout_ms, char ret_how[64])
{
    int64_t until_ms = clock_mono_ms() + timeout_ms;
    pid_t pid = start(fn, ctx);
    int status = 0;

    if (pid < 0)
        return END_ALIVE; /* no child to be had: the record gets its chance */
    while (waitpid(pid, &status, WNOHANG) == 0) {
        if (clock_mono_ms() >= until_ms) {
            kill(pid, SIGKILL);
            waitpid(pid, &status, 0);
            snprintf(ret_how, 64, "did not end within %lld ms", (long long)timeout_ms);
            return END_LATE;
        }
        clock_sleep_ms(1);
    }
    if (WIFSIGNALED(status))
        snprintf(ret_how, 64, "killed its process by signal %d", WTERMSIG(status));
    else if (WEXITSTATUS(status) != 0)
        snprintf(ret_how, 64, "ended its process with status %d", WEXITSTATUS(status));
    return ret_how[0] ? END_KILLED : END_ALIVE;
}

/* A child may hang for no fault of the record's, on a lock that another thread held at the fork:
 * only one that hangs each time is to blame. The first hang is cheap, the last one has all the
 * time: 1/16, 1/4, 1. */
bool trial_survives(void (*fn)(void *ctx), void *ctx, int64_t timeout_ms, char ret_how[64])
{
    enum end end = END_LATE;

    for (int i = 0; i < TRIES && end == END_LATE; i++) {
        ret_how[0] = '\0';
        end = try_once(fn, ctx, timeout_ms >> 2 * (TRIES - 1 - i), ret_how);
    }
    return end == END_ALIVE;
}
