#include "services/classifier/tool/io.h"

#include <errno.h>
#include <string.h>

bool io_read(struct buf *ret, const char *path, size_t max, struct err *err)
{
    bool is_stdin = strcmp(path, "-") == 0, ok;
    FILE *file = is_stdin ? stdin : fopen(path, "re");
    char piece[65536];
    size_t n;

    buf_init(ret, max);
    if (!file)
        return err_set(err, ERR_CONFIG, "%s: %s", path, strerrordesc_np(errno));
    while (!ret->failed && (n = fread(piece, 1, sizeof(piece), file)) > 0)
        (void)buf_add(ret, piece, n);
    ok = !ferror(file);
    if (!is_stdin)
        (void)fclose(file);
    if (!ok)
        return err_set(err, ERR_CONFIG, "%s: cannot be read", path);
    return !ret->failed || err_set(err, ERR_CONFIG, "%s: has more than %zu bytes", path, max);
}

static bool put_failed(struct err *err)
{
    return err_set(err, ERR_FATAL, "the output could not be written");
}

bool io_put_text(FILE *out, const struct buf *text, struct err *err)
{
    if (text->failed)
        return err_memory(err);
    return fputs(buf_text(text), out) != EOF || put_failed(err);
}

bool io_put_json(FILE *out, const json_t *doc, size_t flags, struct err *err)
{
    if (!doc)
        return err_memory(err);
    return (json_dumpf(doc, out, flags ? flags : JSON_COMPACT) == 0 && fputc('\n', out) != EOF) ||
           put_failed(err);
}
