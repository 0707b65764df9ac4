/*
 * program - tongbao-policy, which does what belongs to the classifier: no service includes another. It lies beside this program.
 *
 * Threads     One.
 * Errors      When the program ended with an error it has said why: ours then has its kind and an empty text.
 */
#ifndef SERVICES_CTL_PROGRAM_H
#define SERVICES_CTL_PROGRAM_H

#include <stddef.h>
#include <sys/types.h>

#include "common/base/err.h"

#define PROGRAM_WORDS_MAX 16

/* `words` are its arguments, NULL at the end. Becomes the program: returns only when it is not there. */
bool program_become(const char *const *words, struct err *err) MUST_CHECK;

struct program {
    pid_t pid;
    int input;
};

/* Runs it with a pipe as its standard input. After true: program_end() or program_stop(). */
bool program_start(struct program *ret, const char *const *words, struct err *err) MUST_CHECK;

/* False without an error: it takes no more; program_end() says why. */
bool program_write(struct program *p, const char *text, size_t len) MUST_CHECK;

/* Closes its input and waits for it. */
bool program_end(struct program *p, struct err *err) MUST_CHECK;

/* Ends it before it believes that its input was complete. */
void program_stop(struct program *p);

#endif
