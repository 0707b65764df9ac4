/*
 * pattern - a regular expression (PCRE2, UTF-8, without case) for texts from outside.
 *
 * Threads     A compiled pattern is immutable: any thread.
 * Bounds      a hundred times PATTERN_STEPS_MAX steps a match, of whatever length: an expression that needs more is PATTERN_TOO_DEAR for that text, so that no text can hold up a service.
 * Errors      ERR_CONFIG naming what is wrong, and where in the expression.
 */
#ifndef PROTO_PATTERN_H
#define PROTO_PATTERN_H

#include <stdbool.h>

#include "common/base/cleanup.h"
#include "common/base/err.h"

#define PATTERN_STEPS_MAX 100000

struct pattern;

enum pattern_answer { PATTERN_DIFFERS, PATTERN_MATCHES, PATTERN_TOO_DEAR };

bool pattern_compile(struct pattern **ret, const char *text, struct err *err) MUST_CHECK;
void pattern_free(struct pattern *p);
DEFINE_AUTO(auto_pattern, struct pattern, pattern_free)

/* `text` is valid UTF-8. */
enum pattern_answer pattern_match(const struct pattern *p, const char *text);

#endif
