/*
 * incident - what the escalator knows of one incident: the state that its core reads and leaves behind.
 *
 * Threads     One at a time.
 * Ownership   Plain values; texts and lists live in the arena of the batch (struct world). Nothing is freed singly.
 * Rows        Each part is one row of the schema escalator; `changed` says that the row has to be written.
 * Times       Wall milliseconds; 0 = not known, or not running.
 * Bounds      Lists are bounded by the policy: chains, their steps and calls, duties. `calls` holds the present
 *             climb of each chain (and older ones of this batch); of a duty's rows in `owed` the last counts.
 */
#ifndef SERVICES_ESCALATOR_INCIDENT_H
#define SERVICES_ESCALATOR_INCIDENT_H

#include <stdint.h>

#include "proto/event.h"

/* A chain of roles on its way up. While next_at is set, the next step is taken then. */
struct chain_run {
    const char *chain; /* its id in the policy */
    enum scope scope;
    int64_t generation;   /* the incident's; of a chain that an event began: how often one did */
    struct id cause;      /* the event that began it; not set: the level, or the lack of a grade */
    const char *occasion; /* with a cause: "challenged" or "campaign" */
    int64_t
        step; /* the one that was called last, from 1; 0: none yet (ungraded: waits for the grade) */
    int64_t occurrence; /* the last step can be called more than once */
    int64_t next_at;
    bool changed;
};

/* Somebody was called: escalation.raised. */
struct call {
    struct id id;
    const char *chain;
    int64_t generation, step, occurrence;
    enum role role;
    enum scope scope;
    struct id person; /* not set: nobody holds the role */
    bool wanted;      /* an acknowledgement is */
    bool delivered;   /* one message at least arrived */
    int64_t raised_at, acknowledge_by, acknowledged_at;
    struct id acknowledged_by; /* the action */
    bool changed;
};

/* A duty with its clock. While next_at is set, it warns (running) or is overdue (warned) then. */
struct owed {
    struct id id;
    const char *regime, *duty;
    int64_t generation;
    const char *title_zh, *title_en, *recipient_zh, *recipient_en;
    const char *document, *article, *url; /* the source; the last two may be NULL */
    enum anchor anchor;
    int64_t within_ms, warn_before_ms;
    int64_t created_at, anchor_at, due_at, next_at;
    enum clock_state state;
    const char *satisfied_by; /* event type */
    struct id satisfied_by_event;
    int64_t satisfied_at;
    const char *filed_reference; /* NULL: none */
    bool changed;
};

struct incident {
    struct id id, enterprise_id;
    int32_t
        partition; /* of every topic: all have the same number, and the incident's id is the key */
    bool is_open;  /* false: nothing is known but the id */
    bool drill;
    char reference[REFERENCE_TEXT_MAX];
    const char *enterprise_name, *summary;
    enum state state;
    bool is_graded;
    enum level level;
    enum category category;
    int64_t revision;
    int64_t seq;        /* incident_seq */
    int64_t generation; /* of the chains of its level: level raised, reopened */
    int64_t discovered_at, reported_at, graded_at, handling_ended_at;
    const char *duties; /* what the latest grade owes: "regime/duty", separated by blanks */
    struct chain_run *runs;
    size_t runs_n, runs_cap;
    struct call *calls;
    size_t calls_n, calls_cap;
    struct owed *owed;
    size_t owed_n, owed_cap;
    bool changed;
};

/* One more, zeroed, at the list's end; earlier pointers into the list are void. NULL: out of memory. */
struct chain_run *incident_add_run(struct incident *inc, struct arena *arena);
struct call *incident_add_call(struct incident *inc, struct arena *arena);
struct owed *incident_add_owed(struct incident *inc, struct arena *arena);

/* A copy in the arena; NULL stays NULL. False: out of memory. */
bool text_keep(const char **ret, const char *text, struct arena *arena);
/* The same of len bytes, with a NUL behind them. */
bool text_keep_n(const char **ret, const char *text, size_t len, struct arena *arena);

#endif
