/*
 * file - a whole file into memory.
 *
 * Threads     Any.
 * Bounds      The buffer's.
 * Errors      ERR_CONFIG: it cannot be read, or has more bytes than the buffer takes.
 */
#ifndef COMMON_BASE_FILE_H
#define COMMON_BASE_FILE_H

#include <stdio.h>

#include "common/base/buf.h"
#include "common/base/err.h"

bool file_read(struct buf *ret, const char *path, struct err *err) MUST_CHECK;

/* For AUTO(auto_fclose) FILE *f. */
static inline void auto_fclose(FILE **f)
{
    if (*f)
        (void)fclose(*f);
}

#endif
