#include "services/ctl/files.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

bool file_read(struct buf *out, const char *path, size_t max, struct err *err)
{
    bool is_stdin = strcmp(path, "-") == 0, ok;
    FILE *file = is_stdin ? stdin : fopen(path, "re");
    char piece[65536];
    size_t n;

    buf_init(out, max);
    if (!file)
        return err_set(err, ERR_CONFIG, "%s: %s", path, strerrordesc_np(errno));
    while ((n = fread(piece, 1, sizeof(piece), file)) > 0)
        (void)buf_add(out, piece, n);
    ok = !ferror(file);
    if (!is_stdin)
        (void)fclose(file);
    if (!ok)
        return err_set(err, ERR_CONFIG, "%s: cannot be read", path);
    if (out->failed)
        return err_set(err, ERR_CONFIG, "%s: has more than %zu bytes", path, max);
    return true;
}
