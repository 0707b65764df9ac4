#include "services/ctl/program.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define NAME       "tongbao-policy"
#define PATH_BYTES 4096

/* In the folder of this program. */
static bool find(char ret[PATH_BYTES], struct err *err)
{
    char self[PATH_BYTES];
    ssize_t len = readlink("/proc/self/exe", self, sizeof(self) - 1);
    char *slash;

    if (len < 0)
        return err_set(err, ERR_FATAL, "/proc/self/exe: %s", strerrordesc_np(errno));
    self[len] = '\0';
    slash = strrchr(self, '/');
    if (!slash || snprintf(ret, PATH_BYTES, "%.*s/" NAME, (int)(slash - self), self) >= PATH_BYTES)
        return err_set(err, ERR_FATAL, "the path of this program is too long");
    if (access(ret, X_OK) != 0)
        return err_set(err, ERR_CONFIG, "%s: %s; it is installed beside tongbao", ret,
                       strerrordesc_np(errno));
    return true;
}

static void execute(const char *path, const char *const *words)
{
    char *args[PROGRAM_WORDS_MAX + 2] = {(char *)(uintptr_t)NAME};

    for (size_t i = 0; words[i] && i < PROGRAM_WORDS_MAX; i++)
        args[i + 1] = (char *)(uintptr_t)words[i];
    (void)execv(path, args);
}

bool program_become(const char *const *words, struct err *err)
{
    char path[PATH_BYTES];

    if (!find(path, err))
        return false;
    execute(path, words);
    return err_set(err, ERR_FATAL, "%s: %s", path, strerrordesc_np(errno));
}

bool program_start(struct program *ret, const char *const *words, struct err *err)
{
    char path[PATH_BYTES];
    int ends[2];

    if (!find(path, err))
        return false;
    if (pipe2(ends, O_CLOEXEC) != 0)
        return err_set(err, ERR_FATAL, "pipe: %s", strerrordesc_np(errno));
    ret->input = ends[1];
    ret->pid = fork();
    if (ret->pid == 0) {
        if (dup2(ends[0], STDIN_FILENO) == STDIN_FILENO)
            execute(path, words);
        _exit(127);
    }
    (void)close(ends[0]);
    if (ret->pid < 0) {
        (void)close(ends[1]);
        return err_set(err, ERR_FATAL, "fork: %s", strerrordesc_np(errno));
    }
    (void)signal(SIGPIPE, SIG_IGN); /* that it takes no more is told by write() */
    return true;
}

bool program_write(struct program *p, const char *text, size_t len)
{
    while (len > 0) {
        ssize_t n = write(p->input, text, len);

        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return false;
        text += n;
        len -= (size_t)n;
    }
    return true;
}

static int wait_for(struct program *p)
{
    int status = 0;

    (void)close(p->input);
    while (waitpid(p->pid, &status, 0) < 0 && errno == EINTR)
        continue;
    return status;
}

bool program_end(struct program *p, struct err *err)
{
    int status = wait_for(p);

    if (WIFSIGNALED(status) && WTERMSIG(status) == SIGPIPE)
        return err_set(err, ERR_FATAL, "the output could not be written");
    if (WIFSIGNALED(status))
        return err_set(err, ERR_FATAL, NAME " was ended by signal %d", WTERMSIG(status));
    if (WEXITSTATUS(status) == 127)
        return err_set(err, ERR_FATAL, NAME " could not be started");
    return WEXITSTATUS(status) == 0 ||
           err_set(err, WEXITSTATUS(status) == 78 ? ERR_CONFIG : ERR_INPUT, "%s", "");
}

void program_stop(struct program *p)
{
    (void)kill(p->pid, SIGTERM);
    (void)wait_for(p);
}
