/* io - files in, results out. Errors: ERR_CONFIG for what cannot be read; ERR_FATAL when the output was closed, or is full. */
#ifndef SERVICES_CLASSIFIER_TOOL_IO_H
#define SERVICES_CLASSIFIER_TOOL_IO_H

#include <stdio.h>

#include "proto/shape.h"

/* The whole file; "-" is standard input. Initialises `ret`, which is to be done with also after an error. */
bool io_read(struct buf *ret, const char *path, size_t max, struct err *err) MUST_CHECK;

bool io_put_text(FILE *out, const struct buf *text, struct err *err) MUST_CHECK;

/* On one line, or with jansson's flags otherwise; `doc` NULL: no memory to make it. */
bool io_put_json(FILE *out, const json_t *doc, size_t flags, struct err *err) MUST_CHECK;

#endif
