/*
 * ends - asks the broker every 250 ms where the partitions of an assignment end, so that a sink
 * knows up to when it has heard everything.
 *
 * An answer proves that the broker was reached after `asked_ms`: a cached watermark would not (hard
 * case 1: a frozen broker must not look like silence).
 *
 * Threads     A thread of its own; ends_set() and ends_read() from the sink's thread.
 */
#ifndef COMMON_FLOW_ENDS_H
#define COMMON_FLOW_ENDS_H

#include "common/flow/reader.h"

struct ends;

bool ends_open(struct ends **ret, rd_kafka_t *rk, struct err *err) MUST_CHECK;
void ends_close(struct ends *e); /* before the consumer is closed */
DEFINE_AUTO(auto_ends, struct ends, ends_close)

/* Names the partitions; forgets what was known. */
void ends_set(struct ends *e, const struct reader_part *parts, size_t n);

/* Copies the last answer into part->end and ->end_asked_ms; without one the part is left alone. */
void ends_read(struct ends *e, struct reader_part *part);

#endif
