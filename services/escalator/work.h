/*
 * work - what the parts of the core share while one input is worked on: escalate.c (events), chains.c (who is called), duties.c (what is owed).
 *
 * All functions that return bool fail only when the arena is full.
 */
#ifndef SERVICES_ESCALATOR_WORK_H
#define SERVICES_ESCALATOR_WORK_H

#include "services/escalator/escalate.h"

struct work {
    struct incident *inc;
    const struct world *w;
    struct changes *out;
    int64_t occurred_at; /* of what is published: the input's, or when the clock was due */
    bool is_counted;     /* incident_seq has grown for this input */
};

/* incident_seq grows, once for one input. */
void work_count(struct work *k);
/* The next thing that fires is an input of its own, at the time at which it was due. */
void work_at(struct work *k, int64_t due_at);
bool work_publish(struct work *k, enum event_type type, const struct id *id, const void *body);
void *work_take(struct work *k, size_t size);

#define WORK_COMMON(k, body)                                                                       \
    do {                                                                                           \
        (body)->enterprise_id = (k)->inc->enterprise_id.text;                                      \
        (body)->incident_id = (k)->inc->id.text;                                                   \
        SHAPE_SET(body, occurred_at, (k)->occurred_at);                                            \
        SHAPE_SET(body, drill, (k)->inc->drill);                                                   \
    } while (0)
#define WORK_SEQ(k, body) SHAPE_SET(body, incident_seq, (k)->inc->seq)

/* --- chains.c */
bool chains_begin_ungraded(struct work *k);
bool chains_begin(struct work *k, const char *why); /* those of the incident's level */
/* The chain that the policy names for an event; begun anew if it climbs already. It has a life of its own: a raised level does not end it. */
bool chains_begin_for(struct work *k, const char *occasion, enum scope scope,
                      const struct id *cause);
/* Are people called for an event of that time, or have they answered? */
bool chains_was_called(const struct incident *inc, const char *occasion, int64_t occurred_at);
/* Was it an event that the call was made for? */
bool chains_is_for_event(const struct incident *inc, const char *escalation_id);
void chains_stop_all(struct work *k);
void chains_new_generation(struct work *k);
bool chains_due(struct work *k, int64_t heard_ms, bool is_deaf);
bool chains_is_present(const struct incident *inc, const struct call *call);
bool chains_is_open(const struct incident *inc, enum scope scope);
/* Does the chain wait for an acknowledgement, to take its next step without one? */
bool chains_is_climbing(const struct incident *inc, const char *chain);
struct call *chains_find_call(struct incident *inc, const char *escalation_id);
/* What is open to the scope is acknowledged, and its chains stop: everything, or, with the id of a call, what was begun as that was (by the level, or by
 * one and the same event). */
void chains_acknowledge(struct work *k, enum scope scope, const char *escalation_id,
                        const struct id *action, int64_t at_ms);
void chains_delivered(struct work *k, struct call *call);
void chains_undelivered(struct work *k, const struct call *call);

/* --- duties.c */
bool duties_judge(struct work *k, const struct event *grade); /* inc->duties by the policy */
/* Duties that the latest grade owes begin, those that it does not owe any more fall away. */
bool duties_begin(struct work *k, int64_t appended_ms);
bool duties_anchored(struct work *k, enum anchor anchor, int64_t appended_ms);
bool duties_satisfied_by(struct work *k, const struct event *action, int64_t appended_ms);
bool duties_file(struct work *k, struct owed *o, const struct event *action, int64_t appended_ms);
bool duties_stop_all(struct work *k);
bool duties_stop_anchored(struct work *k, enum anchor anchor);
bool duties_due(struct work *k, int64_t heard_ms);
struct owed *duties_find(struct incident *inc, const char *obligation_id);
bool owed_is_open(const struct owed *o);

#endif
