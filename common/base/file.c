#include "common/base/file.h"

#include <errno.h>
#include <string.h>

bool file_read(struct buf *ret, const char *path, struct err *err)
{
    AUTO(auto_fclose) FILE *f = fopen(path, "re");
    char piece[4096];
    size_t n;

    if (!f)
        return err_set(err, ERR_CONFIG, "%s", strerror(errno));
    while ((n = fread(piece, 1, sizeof(piece), f)) > 0)
        buf_add(ret, piece, n);
    if (ferror(f))
        return err_set(err, ERR_CONFIG, "%s", strerror(errno));
    return !ret->failed || err_set(err, ERR_CONFIG, "has more than %zu bytes", ret->max);
}
