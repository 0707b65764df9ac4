#include "services/ctl/output.h"

#include <string.h>
#include <wchar.h>

#define CELL_MAX_BYTES 4096

/* Columns of the terminal that the character at `at` takes; *ret_len is its bytes. */
static int width_of(const char *at, const char *end, size_t *ret_len)
{
    wchar_t c;
    mbstate_t state = {0};
    size_t len = mbrtowc(&c, at, (size_t)(end - at), &state);
    int width;

    if (len == 0 || len > (size_t)(end - at)) { /* not UTF-8 */
        *ret_len = 1;
        return 1;
    }
    *ret_len = len;
    width = wcwidth(c);
    return width > 0 ? width : 0;
}

static int text_width(const char *text, size_t len)
{
    const char *end = text + len;
    int width = 0;

    while (text < end) {
        width += width_of(text, end, &len);
        text += len;
    }
    return width;
}

static void add_text(struct buf *out, const char *text)
{
    for (; *text; text++)
        (void)buf_char(out, (unsigned char)*text < ' ' ? ' ' : *text);
}

void output_cell(struct buf *out, const json_t *value)
{
    switch (value ? json_typeof(value) : JSON_NULL) {
    case JSON_STRING:
        add_text(out, json_string_value(value));
        break;
    case JSON_INTEGER:
        (void)buf_printf(out, "%lld", (long long)json_integer_value(value));
        break;
    case JSON_REAL:
        (void)buf_printf(out, "%g", json_real_value(value));
        break;
    case JSON_TRUE:
        (void)buf_str(out, "yes");
        break;
    case JSON_FALSE:
        (void)buf_str(out, "no");
        break;
    case JSON_ARRAY:
        for (size_t i = 0; i < json_array_size(value); i++) {
            (void)buf_str(out, i > 0 ? "," : "");
            output_cell(out, json_array_get(value, i));
        }
        break;
    case JSON_OBJECT:
    case JSON_NULL:
        (void)buf_char(out, '-');
        break;
    }
}

/* Cuts what is wider than a cell. */
static void fit(struct buf *cell)
{
    const char *text = buf_text(cell);
    size_t at = 0, len;
    int width = 0;

    if (text_width(text, cell->len) <= OUTPUT_CELL_MAX)
        return;
    while (at < cell->len) {
        width += width_of(text + at, text + cell->len, &len);
        if (width >= OUTPUT_CELL_MAX)
            break;
        at += len;
    }
    cell->len = at;
    (void)buf_str(cell, "…");
}

static int fill_cell(struct buf *cell, const json_t *row, const struct column *column, bool is_last)
{
    buf_reset(cell);
    output_cell(cell, json_object_get(row, column->key));
    if (!is_last)
        fit(cell);
    return text_width(buf_text(cell), cell->len);
}

static void print_padded(FILE *to, const char *text, int width, int wanted, bool is_last)
{
    (void)fprintf(to, "%s%*s", text, is_last ? 0 : wanted - width + 2, "");
}

static int title_width(const struct column *column)
{
    return text_width(column->title, strlen(column->title));
}

void output_table(FILE *to, const json_t *rows, const struct column *columns, size_t n)
{
    int widths[OUTPUT_COLUMNS_MAX] = {0};
    AUTO(buf_done) struct buf cell;

    buf_init(&cell, CELL_MAX_BYTES);
    for (size_t k = 0; k < n; k++)
        widths[k] = title_width(&columns[k]);
    for (size_t i = 0; i < json_array_size(rows); i++)
        for (size_t k = 0; k < n; k++) {
            int width = fill_cell(&cell, json_array_get(rows, i), &columns[k], k + 1 == n);

            widths[k] = width > widths[k] ? width : widths[k];
        }
    for (size_t k = 0; k < n; k++)
        print_padded(to, columns[k].title, title_width(&columns[k]), widths[k], k + 1 == n);
    (void)fputc('\n', to);
    for (size_t i = 0; i < json_array_size(rows); i++) {
        for (size_t k = 0; k < n; k++) {
            int width = fill_cell(&cell, json_array_get(rows, i), &columns[k], k + 1 == n);

            print_padded(to, buf_text(&cell), width, widths[k], k + 1 == n);
        }
        (void)fputc('\n', to);
    }
}

void output_record(FILE *to, const json_t *object, const struct column *columns, size_t n)
{
    AUTO(buf_done) struct buf cell;
    int widest = 0;

    buf_init(&cell, CELL_MAX_BYTES);
    for (size_t k = 0; k < n; k++) {
        int width = title_width(&columns[k]);

        widest = width > widest ? width : widest;
    }
    for (size_t k = 0; k < n; k++) {
        print_padded(to, columns[k].title, title_width(&columns[k]), widest, false);
        buf_reset(&cell);
        output_cell(&cell, json_object_get(object, columns[k].key));
        (void)fprintf(to, "%s\n", buf_text(&cell));
    }
}

void output_json(FILE *to, const json_t *value)
{
    (void)json_dumpf(value, to, JSON_INDENT(2));
    (void)fputc('\n', to);
}
