/*
 * classify - the decision: which category, which level by which regime, why, and what is not known that could raise it. Pure.
 *
 * Category    One of the park's four, always: what the reporter takes it for (category_hint), else the first rule of the taxonomy that is proven, else
 *             its "otherwise". The text model is asked by the taxonomy's own rules, which come last.
 * Level       By regime the highest level whose rule is proven, else the regime's "otherwise", else none: it cannot be told. Over all regimes the
 *             highest; with none at all `general`, and a person has to look.
 * In force    Rules count for what was noticed from their first to their last day. A regime that does not apply is not named.
 * Abroad      A regime abroad says whether it has to be reported under it: yes, no (none of its rules can be true any more, and none asks a person), or cannot be told.
 * Unknown     is not false: a rule that an unknown fact keeps open, and that would raise its regime's level, gives a `missing`.
 * Same input and same policy: the same decision, byte by byte. Adding a fact or a word never takes a proven rule back unless the rule says so.
 *
 * Threads     Any.
 * Ownership   The decision borrows from policy, input and arena; all must outlive it.
 * Bounds      The lists of incident_classified (64 reasons, 64 missing, 16 fields a reason); what is beyond is left out, the levels are not.
 * Errors      ERR_FATAL: no memory.
 */
#ifndef SERVICES_CLASSIFIER_CLASSIFY_H
#define SERVICES_CLASSIFIER_CLASSIFY_H

#include "proto/event.h"
#include "services/classifier/policy.h"

#define CLASSIFY_REASONS_MAX                                                                       \
    64 /* as proto/events.def has it: the list of a decision has room for so many */
#define CLASSIFY_ARENA_MAX_BYTES ((size_t)1024 * 1024)

struct classify_input {  /* all borrowed */
    const char *summary; /* NULL: none */
    const struct facts *facts;
    const struct profile *profile; /* NULL: not known */
    int64_t discovered_at;         /* ms since 1970 UTC: the rules that were in force then count */
    struct word_hits hits;         /* of the texts: classify_read() */
    struct figure_hits said;       /* in whole numbers */
    const char *
        first_text; /* that was read: the text model is asked about it, if a rule asks for the model */
    const struct campaign *campaign; /* the one that it is a part of; NULL: none */
};

/* Adds what the texts of a report or a supplement say. */
void classify_read(const struct policy *policy, const char *summary, const struct facts *facts,
                   struct classify_input *in);

/* Sets in `ret` what follows from the facts: category, gbt20986, level, regimes, reasons, missing, needs_human, campaign, policy_version, and decided_by
 * (system). Nothing else is touched. */
bool classify(const struct policy *policy, const struct classify_input *in, struct arena *arena,
              struct incident_classified *ret, struct err *err) MUST_CHECK;

#endif
