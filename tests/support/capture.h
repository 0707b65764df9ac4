/*
 * capture - what the code under test writes to standard output or standard error.
 *
 *     struct capture c;
 *     capture_begin(&c, STDERR_FILENO);
 *     log_plain(LOG_INFO, "x");
 *     AUTO(auto_free) char *text = capture_end(&c);
 *
 * Threads     One capture of a descriptor at a time.
 * Ownership   The text is the caller's (free). NUL-terminated.
 */
#ifndef TESTS_SUPPORT_CAPTURE_H
#define TESTS_SUPPORT_CAPTURE_H

#include <fcntl.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/support/test.h"

struct capture {
    int fd, saved_fd, file_fd;
};

static inline void capture_begin(struct capture *c, int fd)
{
    (void)fflush(NULL);
    c->fd = fd;
    c->saved_fd = dup(fd);
    c->file_fd = memfd_create("capture", MFD_CLOEXEC);
    assert_true(c->saved_fd >= 0 && c->file_fd >= 0);
    assert_int_equal(fcntl(c->file_fd, F_SETFL, O_APPEND), 0); /* threads share the position */
    assert_true(dup2(c->file_fd, fd) >= 0);
}

static inline char *capture_end(struct capture *c)
{
    struct stat info = {0};
    char *text;

    (void)fflush(NULL);
    assert_true(dup2(c->saved_fd, c->fd) >= 0);
    (void)close(c->saved_fd);
    assert_int_equal(fstat(c->file_fd, &info), 0);
    text = calloc(1, (size_t)info.st_size + 1);
    assert_non_null(text);
    assert_int_equal(pread(c->file_fd, text, (size_t)info.st_size, 0), info.st_size);
    (void)close(c->file_fd);
    return text;
}

#endif
