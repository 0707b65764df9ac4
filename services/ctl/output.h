/*
 * output - results as aligned tables for people, or as JSON for scripts.
 *
 * Threads     One.
 * Bounds      OUTPUT_CELL_MAX columns of a terminal in a cell, cut with an ellipsis; the last column
 *             is never cut.
 * Width       Chinese characters take two columns; needs a UTF-8 LC_CTYPE.
 */
#ifndef SERVICES_CTL_OUTPUT_H
#define SERVICES_CTL_OUTPUT_H

#include <stdio.h>

#include "proto/shape.h"

#define OUTPUT_CELL_MAX    60
#define OUTPUT_COLUMNS_MAX 16

struct column {
    const char *key, *title; /* member of the rows' objects, heading */
};

/* `rows` is an array of objects. */
void output_table(FILE *to, const json_t *rows, const struct column *columns, size_t n);

/* Members of one object, a line each. */
void output_record(FILE *to, const json_t *object, const struct column *columns, size_t n);

void output_json(FILE *to, const json_t *value);

/* A value as it stands in a cell: no quotes, yes/no, lists with commas, "-" for nothing; control
 * characters as blanks. */
void output_cell(struct buf *out, const json_t *value);

#endif
