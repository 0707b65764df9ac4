/* What enterprises write and what the registry holds, through templates and channels: no crash, no header of its own, no address in a hint. */
#include <assert.h>
#include <string.h>

#include "services/notifier/channel.h"
#include "services/notifier/templates.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

#define PARTS                                                                                      \
    "\"acknowledge\":\"{acknowledge_by}\",\"information\":\"i\",\"drill\":\"d\","                  \
    "\"unconfirmed\":\"u\",\"duplicate\":\"2\",\"unknown\":\"?\""
#define TEMPLATE                                                                                   \
    "{\"subject\":\"{enterprise_name}\",\"body\":\"{summary}{why}{url}{role}\"," PARTS "}"

static void send_by(enum channel c, const struct outgoing *m)
{
    const struct channel_conf conf = {
        .smtp_url = "smtp://x", .smtp_from = "a@b", .smtp_username = ""};
    char hint[HINT_MAX];
    struct request req;
    struct err err = {0};

    request_init(&req);
    if (channel_of(c)->prepare(&conf, m, &req, &err) && c == CHANNEL_EMAIL)
        assert(!strstr(req.transfer.body, "\nBcc"));
    channel_of(c)->hint(m->address, hint);
    assert(memchr(hint, '\0', HINT_MAX) && hint[0]);
    request_done(&req);
}

/* The input: an address, a name and a summary, each ended by NUL; what follows is a template file. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    static const char *const names[] = {"zh", "en"};
    AUTO(auto_free) char *text = calloc(1, len + 4);
    const char *fields[4] = {text, text, text, text};
    const char *texts[] = {TEMPLATE, TEMPLATE};
    struct escalation_raised call = {.incident_id = "i", .reference = "r", .why = "w"};
    const struct occasion occasion = {&call, "http://u", 480, true};
    AUTO(auto_templates) struct templates *t = NULL;
    struct buf subject, body;
    struct err err = {0};

    memcpy(text, data, len);
    for (size_t i = 1; i < 4; i++) {
        const char *next = fields[i - 1] + strlen(fields[i - 1]) + 1;

        fields[i] = next <= text + len ? next : text + len;
    }
    call.enterprise_name = fields[1];
    call.summary = fields[2];
    if (*fields[3])
        texts[1] = fields[3];
    buf_init(&subject, TEXT_MAX_BYTES);
    buf_init(&body, TEXT_MAX_BYTES);
    if (templates_parse(&t, names, texts, &err) &&
        templates_render(t, texts[1] == fields[3] ? "en" : "zh", &occasion, &subject, &body))
        for (enum channel c = CHANNEL_EMAIL; c <= CHANNEL_WEBHOOK; c++)
            send_by(c, &(struct outgoing){.notification_id = "n",
                                          .incident_id = "i",
                                          .address = fields[0],
                                          .secret = fields[1],
                                          .subject = buf_text(&subject),
                                          .text = buf_text(&body),
                                          .raised = "{\"a\":1}"});
    buf_done(&subject);
    buf_done(&body);
    return 0;
}
