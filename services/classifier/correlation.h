/*
 * correlation - the rules by which incidents of several enterprises belong together, as data: deploy/policy/correlation.json.
 *
 * What stands in it: proto/policy_docs.def (policy_correlation). `ignore` lists what never links: values of any kind, and hosts of URLs; compared after both
 * are written one way (services/classifier/indicator.h).
 *
 * Threads     Immutable once it is loaded. Ownership: texts are borrowed from the document, which must outlive it.
 * Bounds      The counts below.
 * Errors      ERR_INPUT with the pointer, and what is legal there.
 */
#ifndef SERVICES_CLASSIFIER_CORRELATION_H
#define SERVICES_CLASSIFIER_CORRELATION_H

#include <jansson.h>

#include "common/base/cleanup.h"
#include "common/base/err.h"
#include "proto/enums.h"
#include "proto/shape.h"

#define CORRELATION_RULES_MAX       16
#define CORRELATION_ENTERPRISES_MAX 20 /* as proto/policy_docs.def has them */
#define CORRELATION_WINDOW_MAX_MS   (INT64_C(90) * 24 * 3600 * 1000)

struct correlation_rule {
    const char *id, *zh, *en;
    enum correlation_kind kind;
    unsigned types; /* 1 << enum indicator_type */
    const char **subs;
    size_t subs_n;
    const char *window; /* as written */
    int64_t window_ms;
    size_t enterprises;
    const char *title, *text, *audience; /* of the advisory; NULL: none is proposed */
    enum tlp tlp;
};

struct correlation {
    struct correlation_rule rules[CORRELATION_RULES_MAX];
    size_t rules_n;
    char **ignore; /* sorted */
    size_t ignore_n;
    struct arena arena; /* what the document decoded into */
};

/* Has the taxonomy such a sub-category? */
typedef bool correlation_sub_fn(const void *ctx, const char *sub);

bool correlation_load(struct correlation **ret, json_t *doc, correlation_sub_fn *is_sub,
                      const void *ctx, struct err *err) MUST_CHECK;
void correlation_free(struct correlation *c);
DEFINE_AUTO(auto_correlation, struct correlation, correlation_free)

/* `value` is normalised. */
bool correlation_ignores(const struct correlation *c, const char *value, size_t len);

#endif
