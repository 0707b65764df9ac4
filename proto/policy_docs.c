#include "proto/policy_docs.h"

/* In this order. */
// clang-format off
#include "proto/shape_rows.h"
#include "proto/policy_docs.def"
// clang-format on

const struct policy_doc policy_docs[] = {
    {"regime", "deploy/policy/regimes/<id>.json: the rules of one regime of grading",
     &policy_regime_shape},
    {"taxonomy", "deploy/policy/taxonomy.json: the categories, and the ways to them",
     &policy_taxonomy_shape},
    {"correlation", "deploy/policy/correlation.json: which incidents belong together",
     &policy_correlation_shape},
    {"words", "deploy/policy/words.json: the word lists of the texts", &policy_words_shape},
    {"figures", "deploy/policy/figures.json: what makes a number a figure", &policy_figures_shape},
};
const size_t policy_docs_n = ARRAY_LEN(policy_docs);
