#include "common/base/failpoint.h"

#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/base/clock.h"
#include "tests/support/test.h"

/* `end` is what waitpid() reports of a child that passes "a", "b", "a", "a" and then exits with 0:
 * the signal that ended or stopped it, at the passage-th of them. */
static const struct row {
    const char *name, *set;
    int end;
    int passages; /* how many the child had begun */
} rows[] = {
#ifdef TONGBAO_TESTING
    {"not set", NULL, 0, 4},
    {"empty", "", 0, 4},
    {"another name", "ab=kill", 0, 4},
    {"kill at the first", "a=kill", SIGKILL, 1},
    {"kill at the second name", "b=kill", SIGKILL, 2},
    {"kill at the second passage", "a=kill@2", SIGKILL, 3},
    {"kill at the third passage", "a=kill@3", SIGKILL, 4},
    {"never passed so often", "a=kill@4", 0, 4},
    {"abort", "a=abort@2", SIGABRT, 3},
    {"stop", "a=stop@3", SIGSTOP, 4},
    {"each passage", "b=kill@*", SIGKILL, 2},
    {"two entries", "x=kill,b=stop", SIGSTOP, 2},
    {"sleep lets it go on", "a=sleep:1@*", 0, 4},
    {"no action", "a", SIGABRT, 1},
    {"unknown action", "a=die", SIGABRT, 1},
    {"passage 0", "a=kill@0", SIGABRT, 1},
    {"passage is no number", "a=kill@x", SIGABRT, 1},
    {"sleep without a time", "a=sleep", SIGABRT, 1},
    {"sleep of no time", "a=sleep:", SIGABRT, 1},
    {"empty entry", "b=kill,", SIGABRT, 1},
#else
    {"nothing in a release", "a=kill", 0, 4},
#endif
};

static void pass_all(int progress_fd, const char *set)
{
    static const char *const names[] = {"a", "b", "a", "a"};

    if (set)
        setenv("TONGBAO_FAILPOINTS", set, 1);
    (void)close(STDERR_FILENO); /* an abort's message is not ours to show */
    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        if (write(progress_fd, "x", 1) != 1)
            _exit(99);
        FAILPOINT(names[i]);
        (void)names[i];
    }
    _exit(0);
}

static void child_ends_where_it_should(void **state)
{
    const struct row *row = *state;
    int status = 0, passages = 0, progress[2];
    char byte;
    pid_t pid;

    assert_int_equal(pipe(progress), 0);
    pid = fork();
    if (pid == 0)
        pass_all(progress[1], row->set);
    (void)close(progress[1]);
    assert_int_equal(waitpid(pid, &status, WUNTRACED), pid);
    if (WIFSTOPPED(status)) {
        assert_int_equal(WSTOPSIG(status), row->end);
        (void)kill(pid, SIGKILL);
        assert_int_equal(waitpid(pid, NULL, 0), pid);
    } else if (WIFSIGNALED(status)) {
        assert_int_equal(WTERMSIG(status), row->end);
    } else {
        assert_int_equal(WEXITSTATUS(status), 0);
        assert_int_equal(row->end, 0);
    }
    while (read(progress[0], &byte, 1) == 1)
        passages++;
    (void)close(progress[0]);
    assert_int_equal(passages, row->passages);
}

#ifdef TONGBAO_TESTING
static void sleep_takes_its_time(void **state)
{
    int64_t start_us = clock_mono_us();

    (void)state;
    setenv("TONGBAO_FAILPOINTS", "slow=sleep:20@*",
           1); /* read once: only this test loads it here */
    FAILPOINT("slow");
    FAILPOINT("slow");
    assert_true(clock_mono_us() - start_us >= 40000);
    unsetenv("TONGBAO_FAILPOINTS");
}
#endif

int main(void)
{
    static struct test_list list;

    TEST_ADD_ROWS(&list, rows, child_ends_where_it_should);
#ifdef TONGBAO_TESTING
    TEST_ADD(&list, sleep_takes_its_time);
#endif
    return test_run("failpoint", &list);
}
