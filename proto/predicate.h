/*
 * predicate - the small closed language of policy conditions: compiled once against the shape of what it will be asked about, into a flat program;
 * evaluated in three-valued logic.
 *
 *     {"all": [P, …]}  {"any": [P, …]}  {"not": P}
 *     {"is": "name"}                                              a condition that the view names
 *     {"at": "/facts/impact/outage_minutes", "ge": "2 h"}         lt le gt ge; a measured number has its unit: min h d, persons, CNY
 *     {"at": "/facts/system/servers_hit", "ge": 1}                a count has none
 *     {"at": "/facts/system/site_class", "eq": "enterprise"}      eq ne with a number, text or boolean
 *     {"at": "/level", "in": ["major", "extreme"]}                membership
 *     {"at": "/facts/system/is_cii", "exists": true}
 *     {"at": "/summary", "matches": ["勒索", "ransomware", …]}      any of the keywords occurs (Latin ones at word boundaries, without case)
 *     {"at": "/summary", "regex": "CVE-\\d{4}-\\d+"}               PCRE2, UTF-8, without case
 *     {"at": "/words/leak", "exists": true}                       names of the view that are no fields
 *
 * View        What the pointers lead into: a shape, and roots behind which stand names: found or not, ranges, or values of an enum.
 * Lists       A list field matches when one of its items does; an empty one is nothing.
 * Ranges      A number that is not known exactly (at least, at most): lt le gt ge are known when all of it agrees.
 * Unknown     What is not there makes the comparison TRI_UNKNOWN, never false: unknown is not false. `exists` is always known. all, any and not are
 *             Kleene's. A regular expression that needs more than its bound of steps is unknown, too.
 * Sharing     Predicates that are asked about one and the same input may share answers: proto/predicate_set.h.
 * Threads     A compiled predicate is immutable: any thread.
 * Named       {"is": …} is compiled as what it stands for.
 * Ownership   predicate_free() frees; nothing of the source JSON is kept. Shapes and tables of the view are static.
 * Bounds      PREDICATE_NODES_MAX nodes, depth 16, 3 objects on a pointer's way. Evaluation allocates nothing (a regular expression: PCRE2's own, freed
 *             at once) and is linear in the program.
 * Errors      ERR_INPUT with the place inside the expression and what is legal there: pointers to what does not exist, values that a field can never
 *             have, numbers without their unit.
 */
#ifndef PROTO_PREDICATE_H
#define PROTO_PREDICATE_H

#include "proto/shape.h"

#define PREDICATE_NODES_MAX 1024
#define PREDICATE_READS_MAX 16

enum tri { TRI_FALSE, TRI_TRUE, TRI_UNKNOWN };

struct predicate;
struct predicate_answers;

/* What a comparison looks at. */
enum predicate_source { PREDICATE_FIELD, PREDICATE_FOUND, PREDICATE_RANGE, PREDICATE_ENUM };

/* Names that stand behind a root and are no fields: "/words/leak", "/regimes/cac-2025/level". */
struct predicate_names {
    enum predicate_source source;
    const char *root, *end;          /* "/words/", ""; "/regimes/", "/level" */
    const char *help;                /* where the names stand, for errors */
    const struct enum_table *values; /* PREDICATE_ENUM */
    bool is_dear;                    /* looking costs: only when an answer needs it */
    bool (*find)(void *ctx, const char *name, size_t *ret_id);
    void *ctx;
};

struct predicate_view {
    const struct shape *shape;
    const struct predicate_names *names;
    size_t names_n;
    const json_t *conditions; /* object of conditions by name; NULL: none */
    const char *unasked;      /* root of fields that nobody can be asked for; NULL: none */
};

/* What it is evaluated over. The functions are asked for the names of their kind; a kind that the view does not have may be NULL. */
struct predicate_input {
    const void *body; /* a struct of the view's shape */
    const void *ctx;
    bool (*found)(const void *ctx, size_t id);
    bool (*range)(const void *ctx, size_t id, double *ret_least, double *ret_most);
    bool (*value)(const void *ctx, size_t id, int *ret);
    struct predicate_answers *answers; /* predicate_set_begin() sets it; NULL: nothing is shared */
};

/* What an evaluation looked at, each pointer once (borrowed from the predicate). */
struct predicate_read {
    const char *pointer;
    enum predicate_source source;
    bool is_known;
    size_t id;                 /* of a name */
    const struct field *field; /* of a field, inside the struct `at` */
    const void *at;
};
struct predicate_reads {
    struct predicate_read reads[PREDICATE_READS_MAX];
    size_t n;
};

bool predicate_compile(struct predicate **ret, const struct predicate_view *view,
                       const json_t *expression, struct err *err) MUST_CHECK;
void predicate_free(struct predicate *p);
DEFINE_AUTO(auto_predicate, struct predicate, predicate_free)

/*
 * Can `p` be true while `unless` (NULL: none) is not? False only when that is proven: found without any input, by trying what each pointer may be.
 * Texts and lists are taken to answer every comparison independently. Takes from *steps what it costs, at most PREDICATE_STEPS_MAX; who runs out of
 * them is told that it can.
 */
#define PREDICATE_STEPS_MAX 100000
bool predicate_can_hold(const struct predicate *p, const struct predicate *unless, size_t *steps);

enum tri predicate_eval(const struct predicate *p, const struct predicate_input *in,
                        struct predicate_reads *reads);

/* The first field that keeps an evaluation from an answer and that somebody can be asked for; NULL: none. Names of the view are not meant.
 * Predicates of one set give one address for one field. */
const char *predicate_misses(const struct predicate *p, const struct predicate_input *in);

#endif
