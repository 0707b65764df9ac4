/*
 * file - a whole file into memory; whether anything in a folder has changed.
 *
 * Threads     Any.
 * Bounds      The caller's.
 * Errors      ERR_CONFIG naming the file: it cannot be read, or has more bytes than allowed.
 */
#ifndef COMMON_BASE_FILE_H
#define COMMON_BASE_FILE_H

#include <stdint.h>
#include <stdio.h>

#include "common/base/buf.h"
#include "common/base/err.h"

/* The whole of a regular file: a pipe in a folder of files would be waited for. Initialises `ret`, which is to be done with also after an error. */
bool file_read(struct buf *ret, const char *path, size_t max, struct err *err) MUST_CHECK;
/* The same of whatever a person names; "-" is standard input. */
bool file_read_any(struct buf *ret, const char *path, size_t max, struct err *err) MUST_CHECK;

/* Another number when a file of the folder, or of a folder right in it, was made, written, replaced or removed. 0: it cannot be read. */
uint64_t folder_stamp(const char *folder);

/* For AUTO(auto_fclose) FILE *f. */
static inline void auto_fclose(FILE **f)
{
    if (*f)
        (void)fclose(*f);
}

#endif
