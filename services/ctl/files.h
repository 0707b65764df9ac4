/* files - reads what a command was given: a file, or standard input ("-"). At most max bytes. */
#ifndef SERVICES_CTL_FILES_H
#define SERVICES_CTL_FILES_H

#include "common/base/buf.h"
#include "common/base/err.h"

bool file_read(struct buf *out, const char *path, size_t max,
               struct err *err) MUST_CHECK; /* initialises `out` */

#endif
