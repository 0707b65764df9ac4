/* io - files in (common/base/file), results out. Errors: ERR_FATAL when the output was closed, or is full. */
#ifndef SERVICES_CLASSIFIER_TOOL_IO_H
#define SERVICES_CLASSIFIER_TOOL_IO_H

#include <stdio.h>

#include "common/base/file.h"
#include "proto/shape.h"

bool io_put_text(FILE *out, const struct buf *text, struct err *err) MUST_CHECK;

/* On one line, or with jansson's flags otherwise; `doc` NULL: no memory to make it. */
bool io_put_json(FILE *out, const json_t *doc, size_t flags, struct err *err) MUST_CHECK;

#endif
