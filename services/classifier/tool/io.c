#include "services/classifier/tool/io.h"

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
