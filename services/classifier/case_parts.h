/*
 * case_parts - what case.c (inputs, who may say what), case_stages.c (the merging, stage by stage) and case_regrade.c (the grade that follows) share; for
 * these three only.
 */
#ifndef SERVICES_CLASSIFIER_CASE_PARTS_H
#define SERVICES_CLASSIFIER_CASE_PARTS_H

#include "services/classifier/case.h"
#include "services/classifier/classify.h"

enum scope case_scope_of(const struct event *ev);
int case_compare_times(const struct event *a, const struct event *b);
/* The first report: who reported what when. NULL: none yet. */
const struct report_submitted *case_first_report(const struct case_file *c);
const struct campaign *case_widest_campaign(const struct case_file *c);
bool case_is_fact(const struct case_input *input);
size_t case_count_known(const struct case_file *c);
/* The person's decision that counts. NULL: nobody decided. */
const struct event *case_deciding(const struct case_file *c);
const char *case_summary_of(const struct event *ev);
void case_write_digest(char ret[SHA256_HEX_MAX], const struct incident_classified *body);

struct merging {
    const struct case_file *c;
    const struct policy *policy;
    struct facts facts;
    struct classify_input in;
    struct arena *arena; /* what was merged lives there */
};

void merging_begin(struct merging *m, const struct case_file *c, const struct policy *policy,
                   struct arena *arena);

/* The decision at the last stage of the merging that reached the highest level, and what a challenge has to know of the way there. */
struct highest {
    struct incident_classified body;
    struct arena arena; /* the body lives there */
    bool is_set;
    enum level before; /* the highest level that a stage without news reached; is_split: or more */
    bool is_split;     /* some of what is no news was merged behind news */
    const struct event *by; /* the last news when the level was first reached; NULL: none yet */
};

/* Each text is read once: reading is what a grade costs. with_news: false leaves out what is news to whoever decided. The first report never is. */
bool case_find_highest(struct highest *ret, struct merging *m, const struct event *decision,
                       bool with_news, struct err *err) MUST_CHECK;
void highest_done(struct highest *h);

#endif
