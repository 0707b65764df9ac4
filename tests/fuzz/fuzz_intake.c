/* Requests into events: whatever is accepted can be read by every service, and gives the same ids
 * and bytes again. The first byte chooses: report, supplement, action, registry, the texts of
 * headers and paths. */
#include <stdlib.h>
#include <string.h>

#include "services/intake/registry.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define NOW_MS INT64_C(1795287600000)

static struct profile profile = {.code = "A",
                                 .name = "n",
                                 .sector = "s",
                                 .has_staff = true,
                                 .has_is_cii = true,
                                 .has_is_listed = true};
static const struct caller caller = {.enterprise_id = "0a000000-0000-8000-8000-000000000001",
                                     .key_id = "aaaaaaaaaaaa",
                                     .actor_id = "aaaaaaaaaaaa",
                                     .profile = &profile};
static const struct target target = {.incident_id = {"11111111-1111-8111-8111-111111111111"},
                                     .enterprise_id = {"0a000000-0000-8000-8000-000000000001"}};

union request {
    struct report_request report;
    struct supplement_request supplement;
    struct action_request action;
};

static bool make(int kind, const char *text, size_t len, struct workshop *w, struct outgoing *out)
{
    static const struct shape *const shapes[] = {&report_request_shape, &supplement_request_shape,
                                                 &action_request_shape};
    struct submission sub = {.caller = &caller, .received_ms = NOW_MS};
    AUTO(arena_done) struct arena arena;
    AUTO(auto_json) json_t *doc = NULL;
    union request req;
    struct err err;

    arena_init(&arena, INTAKE_ARENA_MAX_BYTES);
    if (!request_decode(shapes[kind], text, len, &req, &doc, &arena, &err))
        return false;
    if (kind == 0)
        return intake_report(&sub, &req.report, w, &arena, out, &err);
    if (kind == 1)
        return intake_check_supplement(&req.supplement, &arena, &err) &&
               intake_supplement(&sub, &target, &req.supplement, w, out, &err);
    return intake_check_action(&req.action, NOW_MS, &err) &&
           intake_action(&sub, &target, &req.action, w, out, &err);
}

static void check_event(int kind, const char *text, size_t len)
{
    AUTO(workshop_done) struct workshop first, second;
    AUTO(auto_event) struct event ev = {0};
    struct outgoing a, b;
    struct receipt receipt;
    struct err err;

    workshop_init(&first);
    workshop_init(&second);
    if (!make(kind, text, len, &first, &a))
        return;
    if (!make(kind, text, len, &second, &b) || memcmp(&a, &b, sizeof(a)) != 0 ||
        first.body.len != second.body.len ||
        memcmp(first.body.data, second.body.data, first.body.len) != 0)
        abort();
    if (!event_decode(&ev,
                      &(struct event_record){.type = event_types[a.type].name,
                                             .id = a.event_id.text,
                                             .key = a.incident_id.text,
                                             .key_len = ID_TEXT_LEN,
                                             .value = first.body.data,
                                             .value_len = first.body.len},
                      &err))
        abort();
    intake_receipt(&receipt, &a, NOW_MS);
    if (receipt.body_len >= sizeof(receipt.body))
        abort();
}

static void check_texts(const char *text)
{
    char key_id[KEY_ID_LEN + 1];
    struct incident_name name;
    const char *secret;
    struct err err;

    (void)intake_parse_bearer(text, key_id, &secret);
    (void)intake_key_valid(text);
    if (intake_parse_name(&name, text, &err) && id_is_set(&name.id) == (name.reference[0] != '\0'))
        abort(); /* one of the two */
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    AUTO(auto_registry) struct registry *registry = NULL;
    AUTO(auto_free) char *text = size > 0 ? strndup((const char *)data + 1, size - 1) : NULL;
    struct err err;

    if (!text)
        return 0;
    if (data[0] % 5 < 3)
        check_event(data[0] % 5, (const char *)data + 1, size - 1);
    else if (data[0] % 5 == 3 && registry_parse(&registry, (const char *)data + 1, size - 1, &err))
        (void)registry_authenticate(registry, "Bearer tbk_aaaaaaaaaaaa_x");
    else
        check_texts(text);
    return 0;
}
