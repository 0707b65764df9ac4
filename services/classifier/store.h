/*
 * store - the rows of the schema `classifier`: turns them into cases, and what became of cases into rows. Decides nothing.
 *
 * Order       store_load() locks the rows of all incidents of a batch, in order of their ids, before anything of them is read (hard case 12).
 * Threads     One at a time. Bounds: a batch has at most as many cases as events.
 */
#ifndef SERVICES_CLASSIFIER_STORE_H
#define SERVICES_CLASSIFIER_STORE_H

#include "common/db/db.h"
#include "common/flow/flow.h"
#include "services/classifier/case.h"

#define CLASSIFIER_SCHEMA "classifier"

extern const struct db_statement store_statements[];
extern const size_t store_statements_n;

/* Where an input was read, and its bytes. */
struct origin {
    const char *topic;
    const char *body; /* not NUL-terminated */
    size_t body_len;
    int32_t partition;
    int64_t offset;
    bool is_stored_early; /* its row says that it is early */
};

/* A case with what its row said. */
struct stored_case {
    struct case_file file;
    int64_t inputs;  /* rows of case_input */
    int64_t news;    /* inputs of this batch at most */
    bool has_inputs; /* file.inputs holds the rows */
    bool is_changed; /* the caller's word that its row must be written */
};

struct store_batch {
    struct stored_case *cases; /* by incident id, each once */
    size_t cases_n;
    PGresult *inputs; /* what loaded inputs borrow from */
    struct origin *origins;
};

/*
 * Locks the cases (cases_n, each with its incident_id and `news`, in order of ids; made when missing) and reads them. The inputs of a case are read when,
 * with its news, it has two or more: with fewer there is nothing to grade again.
 */
bool store_load(struct db *db, struct store_batch *b, struct err *err) MUST_CHECK;
struct stored_case *store_find(const struct store_batch *b, const struct id *incident_id);

/* The record that an input was, as far as it was kept. Borrows from it. */
void store_record_of(struct flow_record *ret, const struct case_input *input);

/* Writes changed cases, adds new inputs, deletes strangers, and cases of which nothing is known after all. */
bool store_save(struct db *db, const struct store_batch *b, struct err *err) MUST_CHECK;
void store_batch_done(struct store_batch *b);

/* Early inputs that wait for incidents of this enterprise. */
bool store_count_early(struct db *db, const struct id *enterprise_id, int64_t *ret,
                       struct err *err) MUST_CHECK;

/* Deletes early inputs older than `before_ms`, some of them, and hands each to fn: true in *ret_more when others may be left. */
typedef bool store_expired_fn(void *ctx, const struct flow_record *rec, struct err *err);
bool store_expire(struct db *db, int64_t before_ms, store_expired_fn *fn, void *ctx, bool *ret_more,
                  struct err *err) MUST_CHECK;

#endif
