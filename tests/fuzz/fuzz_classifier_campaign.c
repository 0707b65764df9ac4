/* Any JSON as the rules that link incidents, any text as a value that they may share, any crowd of incidents: refused with a text, or taken, and
 * then usable; a value once written one way stays as it is; nobody is linked twice, and no campaign has too few enterprises. The first byte picks. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/utf8.h"
#include "services/classifier/campaign.h"
#include "services/classifier/indicator.h"
#include "tests/fuzz/deployed.h"

#define CROWD_MAX 64

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static bool is_sub(const void *ctx, const char *sub)
{
    (void)ctx;
    return sub[0] != '-';
}

static void try_rules(const char *text, size_t len)
{
    AUTO(auto_json) json_t *doc = NULL;
    AUTO(auto_correlation) struct correlation *c = NULL;
    struct err err = {0};

    if (!json_read_strict(&doc, text, len, &err))
        return;
    err = (struct err){0};
    if (!correlation_load(&c, doc, is_sub, NULL, &err)) {
        require(err.kind == ERR_INPUT && err.text[0] != '\0');
        return;
    }
    require(c->rules_n <= CORRELATION_RULES_MAX);
    for (size_t i = 0; i < c->rules_n; i++)
        require(c->rules[i].window_ms >= 60000 && c->rules[i].enterprises >= 2);
    for (size_t i = 0; i < c->ignore_n; i++)
        require(correlation_ignores(c, c->ignore[i], strlen(c->ignore[i])));
}

/* Defanging is undone once: what still looks defanged behind it may change again. */
static bool is_stable(enum indicator_type type)
{
    return type != INDICATOR_URL && type != INDICATOR_EMAIL;
}

static void try_value(enum indicator_type type, const char *text)
{
    char once[INDICATOR_VALUE_MAX], twice[INDICATOR_VALUE_MAX], cve[CVE_TEXT_MAX];
    size_t len;

    if (indicator_normalise(once, type, text)) {
        const char *host = indicator_host(once, &len);

        require(utf8_valid(once, strlen(once)) && once[0] != '\0');
        require(host >= once && host + len <= once + strlen(once));
        if (is_stable(type))
            require(indicator_normalise(twice, type, once) && strcmp(once, twice) == 0);
    }
    if (indicator_plain(once, text))
        require(indicator_plain(twice, once) && strcmp(once, twice) == 0);
    while ((text = indicator_next_cve(text, cve)))
        require(indicator_normalise(once, INDICATOR_CVE, cve) && strcmp(once, cve) == 0);
}

static void check_linked(const struct circle *c, const struct linked *linked, size_t wanted,
                         bool *told)
{
    require(linked->era->enterprises_n >= wanted);
    for (size_t i = 0; i < linked->members_n; i++) {
        unsigned long number =
            strtoul(c->members[linked->members[i]].incident_id.text + 32, NULL, 16);

        require(!told[number]);
        told[number] = true;
    }
}

/* Two bytes an incident: whose it is, and when. */
static void try_crowd(const uint8_t *data, size_t size)
{
    struct correlation_rule rule = {.id = "r", .window_ms = 5, .enterprises = 2 + data[0] % 3};
    struct trait trait = {.rule = &rule, .value = "x"};
    AUTO(circle_done) struct circle c = {.trait = &trait};
    bool told[CROWD_MAX] = {false};
    struct err err = {0};

    for (size_t i = 0; i < CROWD_MAX && 2 * i + 2 < size; i++) {
        AUTO(linked_done) struct linked linked = {0};
        struct member m = {.occurred_at = data[2 * i + 2]};

        snprintf(m.enterprise_id.text, sizeof(m.enterprise_id.text),
                 "00000000-0000-8000-8000-%012x", data[2 * i + 1] % 6U);
        snprintf(m.incident_id.text, sizeof(m.incident_id.text), "10000000-0000-8000-8000-%012x",
                 (unsigned)i);
        switch (campaign_link(&c, &m, &linked, &err)) {
        case LINKING_FAILED:
            abort();
        case LINKING_LINKED:
            check_linked(&c, &linked, rule.enterprises, told);
            break;
        case LINKING_LEFT_OUT:
        case LINKING_WAITS:
            break;
        }
    }
    for (size_t i = 0; i < c.members_n; i++)
        require(told[strtoul(c.members[i].incident_id.text + 32, NULL, 16)] ==
                id_is_set(&c.members[i].campaign_id));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *text;

    if (size < 2)
        return 0;
    if (data[0] % 3 == 0) {
        try_rules((const char *)data + 1, size - 1);
        return 0;
    }
    if (data[0] % 3 == 1) {
        try_crowd(data + 1, size - 1);
        return 0;
    }
    text = strndup((const char *)data + 2, size - 2);
    require(text != NULL);
    if (utf8_valid(text, strlen(text)))
        try_value((enum indicator_type)(data[1] % (INDICATOR_OTHER + 1)), text);
    free(text);
    return 0;
}
