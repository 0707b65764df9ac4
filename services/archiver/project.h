/*
 * project - what an event changes in the tables that analysts query: rows as data.
 *
 * Threads     Pure functions of their arguments.
 * Order       Rows may be applied in any order, any number of times: state carries the number that orders it (incident_seq, revision, attempt), and the
 *             statements keep the greater one; effects are keyed by their id (hard case 2).
 * Ownership   Texts of a cell are borrowed from the event and its record's value until `emit` returns.
 * Bounds      ROW_CELLS_MAX cells; an event gives at most two rows, an escalation.state one more per acknowledged call (at most 200).
 */
#ifndef SERVICES_ARCHIVER_PROJECT_H
#define SERVICES_ARCHIVER_PROJECT_H

#include "proto/event.h"

#define PROJECTION(symbol, statement, purpose) symbol,
enum row_kind {
#include "services/archiver/projections.def"
    ROW_KINDS_N
};
#undef PROJECTION

#define ROW_CELLS_MAX 24

enum cell_type { CELL_NULL, CELL_TEXT, CELL_JSON, CELL_INT, CELL_TIME };

struct cell {
    enum cell_type type;
    const char *text; /* CELL_TEXT, CELL_JSON: len bytes; CELL_JSON: NULL when there is none */
    size_t len;
    int64_t number; /* CELL_TIME: wall time in ms */
};

struct row {
    enum row_kind kind;
    size_t n;
    struct cell cells[ROW_CELLS_MAX];
};

typedef void project_emit_fn(void *ctx, const struct row *row);

/* appended_ms is the broker's time of the record: when the bus had it. Types that only the timeline shows give no row. */
void project_event(const struct event *ev, int64_t appended_ms, project_emit_fn *emit, void *ctx);

#endif
