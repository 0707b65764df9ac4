/*
 * traits - what incidents may share under one rule of correlation.json: an indicator, a sub-category, a supplier. Drills and real incidents never share one.
 * Pure.
 *
 * Threads     Any. Ownership: values live in the caller's arena.
 * Bounds      TRAITS_MAX of one event; what is beyond, or finds no room in the arena, is left out and counted.
 */
#ifndef SERVICES_CLASSIFIER_TRAITS_H
#define SERVICES_CLASSIFIER_TRAITS_H

#include "proto/event.h"
#include "services/classifier/correlation.h"

#define TRAITS_MAX 32

struct trait {
    struct id id; /* follows from rule, type, value and drill */
    const struct correlation_rule *rule;
    enum indicator_type type; /* kind indicator */
    const char *value;        /* normalised */
    bool drill;
};

struct traits {
    struct trait items[TRAITS_MAX]; /* by id, each once */
    size_t n, left_out;
};

/* What the event (report.submitted, report.supplemented, incident.classified, incident.reclassified; any other brings none) says of its incident. */
void traits_of(struct traits *ret, const struct correlation *c, const struct event *ev,
               struct arena *arena);

#endif
