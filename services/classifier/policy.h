/*
 * policy - what the classifier decides by, as data: loaded and compiled once, immutable afterwards.
 *
 *     FOLDER/words.json        word lists of the texts (services/classifier/words.h)
 *     FOLDER/figures.json      units, and what makes a number a figure (services/classifier/figures.h)
 *     FOLDER/model.bin         the text model (services/classifier/model.h); may be missing
 *     FOLDER/taxonomy.json     the ten categories of GB/T 20986 with their sub-categories and the park's category of each; the rules that choose
 *     FOLDER/correlation.json  which incidents belong together (services/classifier/correlation.h); may be missing
 *     FOLDER/regimes/ *.json   one regime of grading each: a law, a standard, or the park's own rule
 *
 * What stands in them: proto/policy_docs.def; meaning of each member: services/classifier/README.md. `when` is a predicate (proto/predicate.h) over the
 * shape `grading` (view.def: /summary, /facts/…, /profile/…, /campaign/…), /words/<list>, /said/<figure> and /model/<category> (the text model is sure of
 * it). A rule that is not verified only says that a person has to look.
 *
 * Version     SHA-256 over the names and canonical texts of the files, in order of their names: the same rules give the same version whatever their
 *             layout. It goes into every decision.
 * Threads     policy_load() from any; a loaded policy is immutable; ref and unref from any.
 * Ownership   Everything in it lives as long as the policy; policy_unref() of the last reference frees it.
 * Bounds      POLICY_FILE_MAX_BYTES a file, those of proto/policy_docs.def, the counts below.
 * Errors      ERR_CONFIG: the file, the line and the place in it, and what is legal there. Unknown members, pointers to fields that do not exist,
 *             values that a field cannot have, unknown word lists, repeated ids, conditions that contradict themselves, rules that can never decide
 *             anything are errors: a bad policy is refused as a whole.
 */
#ifndef SERVICES_CLASSIFIER_POLICY_H
#define SERVICES_CLASSIFIER_POLICY_H

#include <stdatomic.h>

#include "proto/event.h"
#include "proto/predicate_set.h"
#include "services/classifier/correlation.h"
#include "services/classifier/figures.h"
#include "services/classifier/model.h"
#include "services/classifier/words.h"

#include "proto/shape_members.h"
#include "services/classifier/view.def"

#define POLICY_REGIMES_MAX 16 /* incident_classified.regimes has no more */
#define POLICY_RULES_MAX   256
#define POLICY_VERSION_MAX 65

struct rule {
    int64_t from_ms, until_ms; /* in force: of what was noticed from … until, ms since 1970 UTC */
    struct predicate *when;
    bool has_level, proposes; /* proposes only: it would give the level, but is not verified */
    enum level level;
    bool is_reportable;
    bool needs_human;
    const char *id, *zh, *en;
    struct source source;
    char *missing_zh, *missing_en; /* what a `missing` says of it */
};

struct regime {
    const char *id, *zh, *en;
    struct predicate *applies; /* NULL: always */
    struct rule *rules;
    size_t rules_n;
    bool asks_report;   /* one of them says that it is to be reported */
    bool has_otherwise; /* counts when no rule gives a level; `when` is not used */
    struct rule otherwise;
};

/* One way to a category; the first whose condition is proven wins. */
struct choice {
    const char *id, *zh, *en;
    enum gbt20986 gbt;
    const char *sub; /* NULL: none */
    enum category category;
    struct predicate *when;
};

struct gbt_row {
    enum category category; /* the park's nearest */
    const char **subs;
    size_t subs_n;
};

struct policy {
    atomic_size_t refs;
    char version[POLICY_VERSION_MAX];
    struct words *words;
    struct figures *figures;
    struct text_model *model;        /* NULL: the folder has none */
    struct correlation *correlation; /* NULL: the folder has no correlation.json */
    double model_sure;               /* the least probability that counts */
    struct predicate_names names[3]; /* /words/…, /said/… and /model/… */
    struct predicate_view view;
    struct predicate *hint; /* reads /facts/category_hint */
    struct gbt_row gbt[GBT_OTHER + 1];
    enum gbt20986 gbt_of_category[CATEGORY_INTRUSION +
                                  1]; /* for a reporter who names the park's category only */
    struct choice *choices;
    size_t choices_n;
    struct choice otherwise;
    struct regime regimes[POLICY_REGIMES_MAX];
    size_t regimes_n;
    struct predicate_set *conditions; /* of all rules and choices */
    json_t *docs;                     /* the files: every text of the policy points into them */
    struct arena arena;               /* what they decoded into */
    size_t check_steps;               /* that are left for finding rules that decide nothing */
};

/* Names of /model/… have ids behind those of /words/…. */
#define POLICY_MODEL_IDS WORD_IDS_MAX

bool policy_load(struct policy **ret, const char *folder, struct err *err) MUST_CHECK;
struct policy *policy_ref(struct policy *p);
void policy_unref(struct policy *p);
DEFINE_AUTO(auto_policy, struct policy, policy_unref)

#endif
