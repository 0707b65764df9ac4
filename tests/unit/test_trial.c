#include <signal.h>
#include <stdatomic.h>
#include <sys/mman.h>
#include <unistd.h>

#include "common/base/clock.h"
#include "common/flow/reader.h"
#include "tests/support/test.h"

#define PATIENCE_MS 3200

enum deed { RETURN, EXIT, KILL, HANG };

/* What the children do, one after the other: a trial is over with the first that does not hang. */
static const struct row {
    const char *name;
    enum deed deeds[3];
    int children;
    bool survives;
    const char *how;
} rows[] = {
    {"comes back", {RETURN}, 1, true, NULL},
    {"ends its process", {EXIT}, 1, false, "ended its process with status 3"},
    {"kills its process", {KILL}, 1, false, "killed its process by signal 6"},
    {"hangs once: not to blame", {HANG, RETURN}, 2, true, NULL},
    {"hangs twice, then kills", {HANG, HANG, KILL}, 3, false, "killed its process by signal 6"},
    {"hangs each time", {HANG, HANG, HANG}, 3, false, "did not end within 3200 ms"},
};

struct trial {
    const struct row *row;
    _Atomic int *children; /* seen by all of them */
};

static void do_deed(void *ctx)
{
    struct trial *t = ctx;

    switch (t->row->deeds[atomic_fetch_add(t->children, 1)]) {
    case RETURN:
        return;
    case EXIT:
        _exit(3);
    case KILL:
        (void)signal(SIGABRT, SIG_DFL);
        (void)raise(SIGABRT);
        return;
    case HANG:
        for (;;)
            pause();
    }
}

static void tells_a_killer_from_a_hang(void **state)
{
    const struct row *row = *state;
    struct trial t = {row, mmap(NULL, sizeof(*t.children), PROT_READ | PROT_WRITE,
                                MAP_SHARED | MAP_ANONYMOUS, -1, 0)};
    int64_t began_ms = clock_mono_ms();
    char how[64] = "";

    assert_int_equal(trial_survives(do_deed, &t, PATIENCE_MS, how), row->survives);
    assert_int_equal(atomic_load(t.children), row->children);
    if (row->how)
        assert_string_equal(how, row->how);
    if (row->survives) /* one hang does not cost the whole patience */
        assert_true(clock_mono_ms() - began_ms < PATIENCE_MS / 2);
    assert_int_equal(munmap(t.children, sizeof(*t.children)), 0);
}

int main(void)
{
    return TEST_ROWS("trial", rows, tells_a_killer_from_a_hang);
}
