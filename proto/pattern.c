#include "proto/pattern.h"

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>
#include <stdlib.h>
#include <string.h>

#define MESSAGE_MAX 128

struct pattern {
    pcre2_code *code;
};

void pattern_free(struct pattern *p)
{
    if (!p)
        return;
    pcre2_code_free(p->code);
    free(p);
}

bool pattern_compile(struct pattern **ret, const char *text, struct err *err)
{
    AUTO(auto_pattern) struct pattern *p = calloc(1, sizeof(*p));
    PCRE2_UCHAR message[MESSAGE_MAX] = "";
    PCRE2_SIZE at = 0;
    int code = 0;

    if (!p)
        return err_memory(err);
    p->code = pcre2_compile((PCRE2_SPTR)text, strlen(text),
                            PCRE2_UTF | PCRE2_CASELESS | PCRE2_NEVER_BACKSLASH_C, &code, &at, NULL);
    if (!p->code) {
        (void)pcre2_get_error_message(code, message, sizeof(message));
        return err_set(err, ERR_CONFIG, "is no regular expression: %s at character %zu",
                       (const char *)message, (size_t)at + 1);
    }
    *ret = TAKE(p);
    return true;
}

enum pattern_answer pattern_match(const struct pattern *p, const char *text)
{
    size_t starts = strlen(text) + 1; /* PCRE2 counts anew at each */
    uint32_t steps = (uint32_t)(PATTERN_STEPS_MAX / (starts < 100 ? 1 : starts / 100));
    pcre2_match_data *data = pcre2_match_data_create(1, NULL);
    pcre2_match_context *bounds = pcre2_match_context_create(NULL);
    int rc = PCRE2_ERROR_NOMEMORY;

    if (data && bounds && pcre2_set_match_limit(bounds, steps) == 0)
        rc = pcre2_match(p->code, (PCRE2_SPTR)text, strlen(text), 0, PCRE2_NO_UTF_CHECK, data,
                         bounds);
    pcre2_match_data_free(data);
    pcre2_match_context_free(bounds);
    if (rc == PCRE2_ERROR_NOMATCH)
        return PATTERN_DIFFERS;
    return rc >= 0 ? PATTERN_MATCHES : PATTERN_TOO_DEAR;
}
