/* What each channel sends, and what it makes of the answer. */
#include "tests/support/test.h"

#include "services/notifier/channel.h"

#define ID     "5d99d461-0e44-8307-8877-1afdf82dbe55"
#define NOW_MS INT64_C(1795317912500) /* Sun, 22 Nov 2026 03:25:12 UTC */

static const struct channel_conf conf = {.smtp_url = "smtp://mail.test:25",
                                         .smtp_from = "tongbao@park.test",
                                         .smtp_username = "",
                                         .smtp_password = "",
                                         .timeout_ms = 1000};

static struct outgoing message(const char *address)
{
    return (struct outgoing){.notification_id = ID,
                             .incident_id = ID,
                             .address = address,
                             .subject = "subject",
                             .text = "one\ntwo",
                             .raised = "{\"a\":1}",
                             .now_ms = NOW_MS};
}

static const struct address_row {
    const char *name, *address;
    enum channel channel;
    bool is_usable;
    const char *hint;
} addresses[] = {
    {"a mail address", "lead@acme.test", CHANNEL_EMAIL, true, "l***@acme.test"},
    {"one letter", "l@acme.test", CHANNEL_EMAIL, true, "l***@acme.test"},
    {"plus and dots", "a.b+c@acme.test", CHANNEL_EMAIL, true, "a***@acme.test"},
    {"no domain", "lead@", CHANNEL_EMAIL, false, "l***@"},
    {"nobody", "@acme.test", CHANNEL_EMAIL, false, "***"},
    {"no at", "lead", CHANNEL_EMAIL, false, "***"},
    {"empty", "", CHANNEL_EMAIL, false, "***"},
    {"a new header", "a@b\r\nBcc: c@d", CHANNEL_EMAIL, false, NULL},
    {"another recipient", "a@b>,<c@d", CHANNEL_EMAIL, false, NULL},
    {"a blank", "a b@c", CHANNEL_EMAIL, false, NULL},
    {"not ASCII", "张@acme.test", CHANNEL_EMAIL, false, "张***@acme.test"},
    {"https", "https://hooks.test/token", CHANNEL_WEBHOOK, true, "https://hooks.test/…"},
    {"http with port", "http://hooks.test:8080", CHANNEL_WEBHOOK, true, "http://hooks.test:8080/…"},
    {"a password in it", "https://user:pw@hooks.test/x?y", CHANNEL_WEBHOOK, true,
     "https://hooks.test/…"},
    {"an at in the path", "https://hooks.test/@x", CHANNEL_WEBHOOK, true, "https://hooks.test/…"},
    {"a file", "file:///etc/passwd", CHANNEL_WEBHOOK, false, "file:///…"},
    {"mail as a webhook", "smtp://hooks.test", CHANNEL_WEBHOOK, false, "smtp://hooks.test/…"},
    {"no URL", "hooks.test", CHANNEL_WEBHOOK, false, "***"},
    {"a blank in a URL", "http://a b", CHANNEL_WEBHOOK, false, NULL},
};

static void check_address(void **state)
{
    const struct address_row *row = *state;
    struct outgoing m = message(row->address);
    char hint[HINT_MAX];
    struct request req;
    struct err err = {0};

    request_init(&req);
    if (row->is_usable)
        assert_ok(channel_of(row->channel)->prepare(&conf, &m, &req, &err), &err);
    else
        assert_fails(channel_of(row->channel)->prepare(&conf, &m, &req, &err), &err, ERR_INPUT,
                     "cannot be used");
    request_done(&req);
    channel_of(row->channel)->hint(row->address, hint);
    if (row->hint)
        assert_string_equal(hint, row->hint);
}

static const struct verdict_row {
    const char *name;
    enum channel channel;
    struct http_result result;
    enum fate fate;
    int64_t asked_ms;
    const char *text;
} verdicts[] = {
    {"mail taken", CHANNEL_EMAIL, {.status = 250}, FATE_DELIVERED, 0, "SMTP 250"},
    {"mail: busy", CHANNEL_EMAIL, {.status = 451}, FATE_LATER, 0, "SMTP 451"},
    {"mail: closing", CHANNEL_EMAIL, {.status = 421}, FATE_LATER, 0, "SMTP 421"},
    {"mail: no such person", CHANNEL_EMAIL, {.status = 550}, FATE_NEVER, 0, "SMTP 550"},
    {"mail: our password is wrong", CHANNEL_EMAIL, {.status = 535}, FATE_LATER, 0, "SMTP 535"},
    {"mail: odd reply", CHANNEL_EMAIL, {.status = 354}, FATE_LATER, 0, "SMTP 354"},
    {"taken", CHANNEL_WEBHOOK, {.status = 204}, FATE_DELIVERED, 0, "HTTP 204"},
    {"moved: not followed", CHANNEL_WEBHOOK, {.status = 302}, FATE_NEVER, 0, "HTTP 302"},
    {"unknown address", CHANNEL_WEBHOOK, {.status = 404}, FATE_NEVER, 0, "HTTP 404"},
    {"gone", CHANNEL_WEBHOOK, {.status = 410}, FATE_NEVER, 0, "HTTP 410"},
    {"too many",
     CHANNEL_WEBHOOK,
     {.status = 429, .retry_after = "7"},
     FATE_LATER,
     7000,
     "HTTP 429"},
    {"a date to come again",
     CHANNEL_WEBHOOK,
     {.status = 503, .retry_after = "Sun, 22 Nov 2026"},
     FATE_LATER,
     0,
     "HTTP 503"},
    {"an absurd time to come again",
     CHANNEL_WEBHOOK,
     {.status = 503, .retry_after = "99999999999999999999"},
     FATE_LATER,
     775807000,
     "HTTP 503"},
    {"a server's own trouble", CHANNEL_WEBHOOK, {.status = 500}, FATE_LATER, 0, "HTTP 500"},
};

static void check_verdict(void **state)
{
    const struct verdict_row *row = *state;
    struct verdict verdict;

    channel_of(row->channel)->verdict(&row->result, &verdict);
    assert_int_equal(verdict.fate, row->fate);
    assert_int_equal(verdict.asked_ms, row->asked_ms);
    assert_string_equal(verdict.text, row->text);
}

/* No full answer: what was sent may have arrived, what was not sent has not. */
static void check_no_answer(void **state)
{
    const struct err why = {.kind = ERR_TRANSIENT, .text = "no answer within 1 s"};
    struct verdict verdict;

    (void)state;
    for (enum channel c = CHANNEL_EMAIL; c <= CHANNEL_WEBHOOK; c++) {
        channel_of(c)->verdict(&(struct http_result){.err = &why, .may_have_arrived = true},
                               &verdict);
        assert_int_equal(verdict.fate, FATE_UNKNOWN);
        assert_contains(verdict.text, why.text);
        channel_of(c)->verdict(&(struct http_result){.err = &why, .status = 200}, &verdict);
        assert_int_equal(verdict.fate, FATE_LATER);
    }
}

static const struct mail_row {
    const char *name, *subject, *text, *want;
} mails[] = {
    {"headers", "s", "x",
     "From: tongbao <tongbao@park.test>\r\nTo: <lead@acme.test>\r\nSubject: =?UTF-8?B?cw==?=\r\n"
     "Date: Sun, 22 Nov 2026 03:25:12 +0000\r\nMessage-ID: <" ID "@park.test>\r\n"
     "References: <incident." ID
     "@park.test>\r\nAuto-Submitted: auto-generated\r\nMIME-Version: 1.0\r\n"
     "Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: "
     "base64\r\n\r\neA==\r\n"},
    {"a subject cannot end its header", "a\r\nBcc: x@y", "x",
     "Subject: =?UTF-8?B?YQ0KQmNjOiB4QHk=?=\r\nDate:"},
    {"a long subject is folded at whole characters", "通通通通通通通通通通通通通通通", "x",
     "Subject: =?UTF-8?B?6YCa6YCa6YCa6YCa6YCa6YCa6YCa6YCa6YCa6YCa6YCa6YCa6YCa6YCa?=\r\n "
     "=?UTF-8?B?6YCa?=\r\nDate:"},
    {"every line end becomes CRLF", "s", "a\nb\r\nc\rd", "\r\n\r\nYQ0KYg0KYw0KZA==\r\n"},
    {"long texts have short lines", "s",
     "0123456789012345678901234567890123456789012345678901234567890123456789",
     "\r\n\r\nMDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2\r\n"
     "Nzg5MDEyMzQ1Njc4OQ==\r\n"},
    {"an empty text", "s", "", "base64\r\n\r\n"},
};

static void check_mail(void **state)
{
    const struct mail_row *row = *state;
    struct outgoing m = message("lead@acme.test");
    struct request req;
    struct err err = {0};

    m.subject = row->subject;
    m.text = row->text;
    request_init(&req);
    assert_ok(channel_of(CHANNEL_EMAIL)->prepare(&conf, &m, &req, &err), &err);
    assert_contains(req.transfer.body, row->want);
    assert_int_equal(req.transfer.body_len, strlen(req.transfer.body));
    assert_string_equal(req.transfer.url, conf.smtp_url);
    assert_string_equal(req.transfer.mail_to, "lead@acme.test");
    assert_null(req.transfer.username);
    request_done(&req);
}

/* The signature was computed with Python's hmac, independently. */
static void check_webhook(void **state)
{
    struct outgoing m = message("https://hooks.test/x");
    struct request req;
    struct err err = {0};

    (void)state;
    m.secret = "whsec_MDEyMzQ1Njc4OWFiY2RlZg==";
    m.may_be_duplicate = true;
    request_init(&req);
    assert_ok(channel_of(CHANNEL_WEBHOOK)->prepare(&conf, &m, &req, &err), &err);
    assert_string_equal(req.transfer.body, "{\"type\":\"escalation.raised\",\"timestamp\":\"2026-"
                                           "11-22T03:25:12.500Z\",\"data\":{\"a\":1,"
                                           "\"notification_id\":\"" ID
                                           "\",\"may_be_duplicate\":true,\"subject\":\"subject\","
                                           "\"text\":\"one\\ntwo\"}}");
    assert_string_equal(req.transfer.headers[2], "webhook-id: " ID);
    assert_string_equal(req.transfer.headers[3], "webhook-timestamp: 1795317912");
    assert_string_equal(req.transfer.headers[4],
                        "webhook-signature: v1,O7jGV1xgLkBqsuOJf/AYvb2k0HduqRMQyO0fqWPMrfg=");
    request_done(&req);
    m.secret = NULL;
    request_init(&req);
    assert_ok(channel_of(CHANNEL_WEBHOOK)->prepare(&conf, &m, &req, &err), &err);
    assert_null(req.transfer.headers[4]);
    request_done(&req);
}

int main(void)
{
    static struct test_list list;

    TEST_ADD_ROWS(&list, addresses, check_address);
    TEST_ADD_ROWS(&list, verdicts, check_verdict);
    TEST_ADD(&list, check_no_answer);
    TEST_ADD_ROWS(&list, mails, check_mail);
    TEST_ADD(&list, check_webhook);
    return test_run("notifier_channel", &list);
}
