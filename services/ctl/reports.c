/* `tongbao submit` and `tongbao incident show`: clients of the HTTP interface. */
#include <stdio.h>
#include <string.h>

#include "common/base/file.h"
#include "common/http/client.h"
#include "proto/shape.h"
#include "services/ctl/command.h"
#include "services/ctl/output.h"

enum { TIMEOUT_MS = 10000, TEXT_MAX = 512 };
#define REPORT_MAX_BYTES ((size_t)393216) /* no intake takes more; it judges what is shorter */

/* ---- the key */

static bool key_of(const struct ctl_conf *conf, bool duty_too, const char **ret, struct err *err)
{
    char name[64];
    const char *duty = duty_too ? getenv("TONGBAO_DUTY_KEY") : NULL;

    *ret = conf->key;
    if (*conf->key)
        return true;
    (void)snprintf(name, sizeof(name), "TONGBAO_KEY_%s", conf->as);
    for (char *p = name; *p; p++)
        *p = *p >= 'a' && *p <= 'z' ? (char)(*p - 'a' + 'A') : *p;
    *ret = *conf->as ? getenv(name) : duty;
    if (*ret && **ret)
        return true;
    if (*conf->as)
        return err_set(err, ERR_CONFIG,
                       "%s is not set: `. var/tongbao.env` sets the demonstration's", name);
    return err_set(err, ERR_CONFIG,
                   "no key: give --key, or --as CODE with TONGBAO_KEY_<CODE> set%s",
                   duty_too ? ", or set TONGBAO_DUTY_KEY" : "");
}

/* ---- asking */

static const char *text_of(const json_t *doc, const char *member)
{
    const char *text = json_string_value(json_object_get(doc, member));

    return text ? text : "";
}

static bool refused(int status, const json_t *problem, struct err *err)
{
    const char *pointer = text_of(problem, "pointer"), *detail = text_of(problem, "detail");
    const char *advice = text_of(problem, "advice");
    bool ends = *detail && strchr(".!?", detail[strlen(detail) - 1]);

    return err_set(err, status >= 500 ? ERR_TRANSIENT : ERR_INPUT, "%d %s%s%s%s%s%s%s", status,
                   text_of(problem, "title"), *pointer ? ": " : "", pointer, *detail ? ": " : "",
                   detail,
                   !*advice ? ""
                   : ends   ? " "
                            : ". ",
                   advice);
}

/* One exchange with intake. A status of 400 and above is an error with the problem's words. */
static bool ask(const struct ctl_conf *conf, const char *method, const char *path, const char *key,
                const struct buf *body, json_t **ret, struct err *err)
{
    char url[TEXT_MAX * 4], authorization[TEXT_MAX];
    struct http_transfer transfer = {.url = url,
                                     .method = method,
                                     .headers = {authorization, "Content-Type: application/json"},
                                     .body = body ? buf_text(body) : NULL,
                                     .body_len = body ? body->len : 0,
                                     .timeout_ms = TIMEOUT_MS};
    AUTO(auto_free) char *answer = NULL;
    AUTO(auto_json) json_t *doc = NULL;
    size_t url_len = strlen(conf->url), len = 0;
    int status = 0;

    if (!strstr(conf->url, "://"))
        return err_set(err, ERR_CONFIG, "--url %s: write http://%s", conf->url, conf->url);
    while (url_len > 0 && conf->url[url_len - 1] == '/')
        url_len--;
    (void)snprintf(url, sizeof(url), "%.*s%s", (int)url_len, conf->url, path);
    (void)snprintf(authorization, sizeof(authorization), "Authorization: Bearer %s", key);
    if (!http_fetch(&transfer, NULL, &status, &answer, &len, err))
        return err_wrap(err, "intake at %s (--url or TONGBAO_URL)", conf->url);
    doc = json_loadb(answer ? answer : "", len, 0, NULL);
    if (status >= 400)
        return refused(status, doc, err);
    if (!doc)
        return err_set(err, ERR_TRANSIENT, "%s answers %d without JSON: is it intake's address?",
                       url, status);
    *ret = TAKE(doc);
    return true;
}

static bool read_report(struct buf *body, const char *path, struct err *err)
{
    if (file_read_any(body, path, REPORT_MAX_BYTES, err))
        return true;
    return body->failed ? err_set(err, ERR_CONFIG,
                                  "%s: has more than %zu bytes; intake takes 262144 unless it is "
                                  "told otherwise: put files where evidence[].url names them",
                                  path, REPORT_MAX_BYTES)
                        : false;
}

bool report_submit(const struct ctl_conf *conf, char **args, struct err *err)
{
    static const struct column columns[] = {
        {"reference", "reference"}, {"incident_id", "incident_id"}, {"received_at", "received_at"}};
    AUTO(buf_done) struct buf body = {0};
    AUTO(auto_json) json_t *receipt = NULL;
    const char *key;

    if (!key_of(conf, false, &key, err) || !read_report(&body, args[0], err) ||
        !ask(conf, "POST", "/v1/reports", key, &body, &receipt, err))
        return false;
    if (conf->json)
        output_json(stdout, receipt);
    else
        output_record(stdout, receipt, columns, ARRAY_LEN(columns));
    return true;
}

/* ---- showing */

static void show_list(const json_t *incident, const char *member, const struct column *columns,
                      size_t n)
{
    const json_t *rows = json_object_get(incident, member);

    (void)printf("\n%s: %zu\n", member, json_array_size(rows));
    if (json_array_size(rows) > 0)
        output_table(stdout, rows, columns, n);
}

static void show(const json_t *incident)
{
    static const struct column head[] = {{"reference", "reference"},
                                         {"incident_id", "incident_id"},
                                         {"state", "state"},
                                         {"level", "level"},
                                         {"category", "category"},
                                         {"drill", "drill"},
                                         {"discovered_at", "discovered"},
                                         {"received_at", "received"},
                                         {"summary", "summary"}};
    static const struct column reasons[] = {{"rule", "rule"}, {"level", "level"}, {"zh", "why"}};
    static const struct column clocks[] = {{"due_at", "due"},
                                           {"state", "state"},
                                           {"title_zh", "what"},
                                           {"recipient_zh", "to"},
                                           {"obligation_id", "obligation_id"}};
    static const struct column escalations[] = {{"raised_at", "raised"},
                                                {"role", "role"},
                                                {"scope", "scope"},
                                                {"why", "why"},
                                                {"acknowledge_by", "acknowledge by"},
                                                {"acknowledged_at", "acknowledged"}};
    static const struct column notifications[] = {{"at", "at"},
                                                  {"channel", "channel"},
                                                  {"address_hint", "to"},
                                                  {"state", "state"},
                                                  {"attempt", "attempt"}};
    static const struct column timeline[] = {{"appended_at", "when"},
                                             {"type", "what"},
                                             {"actor_name", "who"},
                                             {"applied", "applied"},
                                             {"refused_why", "refused because"},
                                             {"reason", "reason"},
                                             {"note", "note"}};

    output_record(stdout, incident, head, ARRAY_LEN(head));
    show_list(incident, "reasons", reasons, ARRAY_LEN(reasons));
    show_list(incident, "clocks", clocks, ARRAY_LEN(clocks));
    show_list(incident, "escalations", escalations, ARRAY_LEN(escalations));
    show_list(incident, "notifications", notifications, ARRAY_LEN(notifications));
    show_list(incident, "timeline", timeline, ARRAY_LEN(timeline));
}

static void put_path(char path[TEXT_MAX], const char *name)
{
    size_t len = (size_t)snprintf(path, TEXT_MAX, "/v1/incidents/");

    for (; *name && len + 4 < TEXT_MAX; name++) {
        bool is_plain = (*name >= '0' && *name <= '9') || (*name >= 'A' && *name <= 'Z') ||
                        (*name >= 'a' && *name <= 'z') || *name == '-';

        len += (size_t)snprintf(path + len, TEXT_MAX - len, is_plain ? "%c" : "%%%02X",
                                (unsigned char)*name);
    }
}

bool incident_show(const struct ctl_conf *conf, char **args, struct err *err)
{
    AUTO(auto_json) json_t *incident = NULL;
    char path[TEXT_MAX];
    const char *key;

    put_path(path, args[0]);
    if (!key_of(conf, true, &key, err) || !ask(conf, "GET", path, key, NULL, &incident, err))
        return false;
    if (conf->json)
        output_json(stdout, incident);
    else
        show(incident);
    return true;
}
