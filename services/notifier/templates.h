/*
 * templates - what a message says, in each language, as data (deploy/policy/templates/<language>.json).
 *
 * A file holds the parts of templates.def as texts (or lists of lines) and `why`, an object that says each reason of a call in words. A text may
 * name facts in braces, {reference}; which ones there are: facts.def. Nothing else is expanded, and what a fact holds is never expanded again.
 *
 * Threads     templates_load() reads files; the rest are pure functions.
 * Bounds      TEMPLATE_FILE_MAX_BYTES; a rendered text at most TEXT_MAX_BYTES.
 * Errors      ERR_CONFIG naming file, part and what is legal: missing part, unknown part, unknown fact, unclosed brace.
 */
#ifndef SERVICES_NOTIFIER_TEMPLATES_H
#define SERVICES_NOTIFIER_TEMPLATES_H

#include "common/base/buf.h"
#include "proto/event.h"

#define TEMPLATE_FILE_MAX_BYTES ((size_t)64 * 1024)
#define TEXT_MAX_BYTES          ((size_t)128 * 1024)

struct templates;

bool templates_load(struct templates **ret, const char *policy_folder, struct err *err) MUST_CHECK;
/* The same from texts, one per language in order (zh, en); `names` are for errors. */
bool templates_parse(struct templates **ret, const char *const *names, const char *const *texts,
                     struct err *err) MUST_CHECK;
void templates_free(struct templates *t);
DEFINE_AUTO(auto_templates, struct templates, templates_free)

struct occasion { /* what a message is about */
    const struct escalation_raised *call;
    const char *public_url; /* where the API is reached: the link into the incident */
    int64_t utc_offset_min; /* of the times shown */
    bool may_be_duplicate;
};

/* An unknown language is read as the first one. Both buffers are emptied first. False: a text grew over TEXT_MAX_BYTES. */
bool templates_render(const struct templates *t, const char *language,
                      const struct occasion *occasion, struct buf *subject,
                      struct buf *text) MUST_CHECK;

#endif
