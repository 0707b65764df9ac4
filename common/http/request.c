#include "common/http/request.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "common/base/utf8.h"

enum { FIRST_CHUNK_BYTES = 4096 };

/* What the headers say about the body. */
struct framing {
    unsigned hosts, lengths, encodings;
    bool is_chunked;
    uint64_t body_len;
    struct http_text content_type;
};

static bool name_is(const struct http_text *name, const char *want, size_t want_len)
{
    return name->len == want_len && strncasecmp(name->data, want, want_len) == 0;
}
#define NAME_IS(name, want) name_is((name), (want), sizeof(want) - 1)

/* RFC 9110 token characters: libmicrohttpd keeps "Content-Length " as a name of its own, which a
 * proxy may read otherwise. */
static bool is_token(const struct http_text *text)
{
    for (size_t i = 0; i < text->len; i++) {
        unsigned char c = (unsigned char)text->data[i];

        if (!isalnum(c) && !strchr("!#$%&'*+-.^_`|~", c))
            return false;
    }
    return text->len > 0;
}

static bool has_control(const struct http_text *text)
{
    unsigned char bad = 0;

    for (size_t i = 0; i < text->len; i++) {
        unsigned char c = (unsigned char)text->data[i];

        bad |= (unsigned char)((c < 0x20 && c != '\t') | (c == 0x7f));
    }
    return bad != 0;
}

/* libmicrohttpd has already refused what is not a number. */
static uint64_t read_length(const struct http_text *text)
{
    uint64_t n = 0;

    for (size_t i = 0; i < text->len && n <= UINT64_MAX / 10 - 1; i++)
        n = n * 10 + (uint64_t)(text->data[i] - '0');
    return n;
}

static bool refuse(struct refused *refused, enum refusal why, const char *detail)
{
    refused->why = why;
    (void)snprintf(refused->text, sizeof(refused->text), "%s", detail);
    return false;
}

static bool read_header(struct framing *f, const struct http_pair *h, struct refused *refused)
{
    if (!is_token(&h->name))
        return refuse(refused, REFUSAL_FRAMING,
                      "A header's name holds a character that is not allowed.");
    if (has_control(&h->value))
        return refuse(refused, REFUSAL_FRAMING, "A header's value holds a control character.");
    if (NAME_IS(&h->name, "Host")) {
        f->hosts++;
    } else if (NAME_IS(&h->name, "Content-Type")) {
        f->content_type = h->value;
    } else if (NAME_IS(&h->name, "Content-Length")) {
        f->lengths++;
        f->body_len = read_length(&h->value);
    } else if (NAME_IS(&h->name, "Transfer-Encoding")) {
        f->encodings++;
        f->is_chunked = NAME_IS(&h->value, "chunked");
    }
    return true;
}

static bool check_framing(struct framing *f, const struct http_head *head,
                          const struct http_server_conf *conf, struct refused *refused)
{
    if (head->has_too_many || head->len > (size_t)conf->header_max_bytes)
        return refuse(refused, REFUSAL_HEADERS,
                      "The request line and the headers are over the limit.");
    for (size_t i = 0; i < head->headers_n; i++)
        if (!read_header(f, &head->headers[i], refused))
            return false;
    if (f->hosts != 1)
        return refuse(refused, REFUSAL_FRAMING,
                      f->hosts ? "There is more than one Host." : "There is no Host.");
    if (f->lengths > 1)
        return refuse(refused, REFUSAL_FRAMING, "There is more than one Content-Length.");
    if (f->encodings > 0 && (f->lengths > 0 || f->encodings > 1 || !head->is_http_1_1))
        return refuse(refused, REFUSAL_FRAMING,
                      "Transfer-Encoding is given twice, beside Content-Length, or in HTTP/1.0.");
    if (f->encodings > 0 && !f->is_chunked)
        return refuse(refused, REFUSAL_ENCODING, "Transfer-Encoding is not \"chunked\".");
    if (f->body_len > (uint64_t)conf->body_max_bytes) {
        refused->why = REFUSAL_BODY;
        (void)snprintf(refused->text, sizeof(refused->text),
                       "The body has %llu bytes; at most %lld are taken.",
                       (unsigned long long)f->body_len, (long long)conf->body_max_bytes);
        return false;
    }
    return true;
}

/* ---- copying into the block */

static char *copy(char **at, const char *data, size_t len)
{
    char *text = *at;

    if (len > 0)
        memcpy(text, data, len);
    text[len] = '\0';
    *at = text + len + 1;
    return text;
}

static size_t strings_size(const struct http_head *head, const char *peer)
{
    size_t size = strlen(head->path) + 1 + strlen(peer) + 1;

    for (size_t i = 0; i < head->headers_n; i++)
        size += head->headers[i].name.len + head->headers[i].value.len + 2;
    for (size_t i = 0; i < head->args_n; i++)
        size += head->args[i].name.len + head->args[i].value.len + 2;
    return size;
}

static void copy_pairs(char **at, struct http_field *to, const struct http_pair *from, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        to[i].name = copy(at, from[i].name.data, from[i].name.len);
        to[i].value = copy(at, from[i].value.data, from[i].value.len);
    }
}

/* ret_path: the copy of the path, to be cut into segments in place. */
static struct http_request *allocate(const struct http_head *head, const struct framing *f,
                                     const char *peer, char **ret_path)
{
    size_t fields_n = head->headers_n + head->args_n;
    size_t fixed = sizeof(struct http_request) + fields_n * sizeof(struct http_field);
    size_t body_cap = f->is_chunked ? 0 : (size_t)f->body_len;
    struct http_request *req = malloc(fixed + strings_size(head, peer) + body_cap + 1);
    char *at;

    if (!req)
        return NULL;
    memset(req, 0, sizeof(*req));
    at = (char *)req + fixed;
    req->headers_n = head->headers_n;
    req->args = req->headers + head->headers_n;
    req->args_n = head->args_n;
    copy_pairs(&at, req->headers, head->headers, head->headers_n);
    copy_pairs(&at, req->args, head->args, head->args_n);
    req->peer = copy(&at, peer, strlen(peer));
    *ret_path = copy(&at, head->path, strlen(head->path));
    req->is_chunked = f->is_chunked;
    if (!f->is_chunked) {
        req->body = at;
        req->body_cap = body_cap;
        req->body[0] = '\0';
    }
    atomic_init(&req->refs, 1);
    return req;
}

/* ---- the target */

static int hex_value(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c = (char)(c | 0x20);
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* In place. False: a bad escape, a control character or invalid UTF-8. */
static bool decode(char *text)
{
    char *to = text;

    for (const char *from = text; *from; from++) {
        int high, low;

        if (*from != '%') {
            *to++ = *from;
            continue;
        }
        high = hex_value(from[1]);
        low = high < 0 ? -1 : hex_value(from[2]);
        if (low < 0)
            return false;
        *to++ = (char)(high * 16 + low);
        from += 2;
    }
    *to = '\0';
    for (const char *c = text; c < to; c++)
        if ((unsigned char)*c < 0x20 || *c == 0x7f)
            return false; /* NUL among them: it would hide what follows */
    return utf8_valid(text, (size_t)(to - text));
}

/* Cuts the path at its slashes, then decodes: "%2F" stays inside its segment. More segments than
 * the array holds are counted, not kept. */
static bool split_path(const char *segments[HTTP_SEGMENTS_MAX], size_t *ret_n, char *path)
{
    char *segment = path + 1;
    size_t n = 0;

    if (*path != '/' || strchr(path, ' '))
        return false;
    while (segment) {
        char *slash = strchr(segment, '/');

        if (slash)
            *slash = '\0';
        if (!decode(segment) || strcmp(segment, ".") == 0 || strcmp(segment, "..") == 0)
            return false;
        if (n < HTTP_SEGMENTS_MAX)
            segments[n] = segment;
        n++;
        segment = slash ? slash + 1 : NULL;
    }
    *ret_n = n;
    return true;
}

static bool decode_target(struct http_request *req, const struct http_head *head, char *path,
                          const char *segments[HTTP_SEGMENTS_MAX], size_t *ret_n)
{
    for (size_t i = 0; i < req->args_n; i++)
        if (!decode(req->args[i].name) || !decode(req->args[i].value))
            return false;
    return !head->has_nul && split_path(segments, ret_n, path);
}

/* ---- routes */

/* `pattern` is "/v1/incidents/{id}". An empty segment fits no parameter. */
static bool path_fits(const char *pattern, const char *const *segments, size_t n,
                      const char *params[HTTP_PARAMS_MAX], size_t *ret_params_n)
{
    size_t params_n = 0;

    for (size_t i = 0; i < n; i++) {
        size_t len;

        if (*pattern != '/')
            return false;
        pattern++;
        len = strcspn(pattern, "/");
        if (*pattern == '{' && segments[i][0] != '\0')
            params[params_n++] = segments[i];
        else if (strlen(segments[i]) != len || memcmp(pattern, segments[i], len) != 0)
            return false;
        pattern += len;
    }
    *ret_params_n = params_n;
    return *pattern == '\0';
}

static void allow_add(struct refused *refused, const char *method)
{
    size_t len = strlen(refused->text);

    (void)snprintf(refused->text + len, sizeof(refused->text) - len, "%s%s", len > 0 ? ", " : "",
                   method);
}

static bool find_route(struct http_request *req, const char *method,
                       const struct http_route *routes, size_t routes_n,
                       const char *const *segments, size_t n, struct refused *refused)
{
    refused->text[0] = '\0';
    for (size_t i = 0; n <= HTTP_SEGMENTS_MAX && i < routes_n; i++) {
        if (!path_fits(routes[i].path, segments, n, req->params, &req->params_n))
            continue;
        if (strcmp(routes[i].method, method) == 0) {
            req->route = &routes[i];
            return true;
        }
        allow_add(refused, routes[i].method);
    }
    if (refused->text[0] == '\0')
        return refuse(refused, REFUSAL_PATH, "No interface has this path.");
    refused->why = REFUSAL_METHOD;
    refused->allow = refused->text;
    return false;
}

static bool media_type_is(const struct http_text *value, const char *want)
{
    size_t len = 0;

    while (len < value->len && value->data[len] != ';')
        len++;
    while (len > 0 && (value->data[len - 1] == ' ' || value->data[len - 1] == '\t'))
        len--;
    return len == strlen(want) && strncasecmp(value->data, want, len) == 0;
}

static bool check_body(const struct http_request *req, const struct framing *f,
                       struct refused *refused)
{
    const char *want = req->route->content_type;

    if (!f->is_chunked && f->body_len == 0)
        return true;
    if (!want)
        return refuse(refused, REFUSAL_UNASKED, "The request came with a body.");
    if (media_type_is(&f->content_type, want))
        return true;
    refused->why = REFUSAL_MEDIA;
    (void)snprintf(refused->text, sizeof(refused->text), "Content-Type has to be %s.", want);
    return false;
}

void request_new(struct http_request **ret, const struct http_head *head, const char *peer,
                 const struct http_server_conf *conf, const struct http_route *routes,
                 size_t routes_n, struct refused *refused)
{
    struct framing f = {0};
    const char *segments[HTTP_SEGMENTS_MAX];
    size_t n = 0;
    char *path;

    *ret = NULL;
    refused->why = REFUSAL_NONE;
    refused->allow = NULL;
    if (!check_framing(&f, head, conf, refused))
        return;
    *ret = allocate(head, &f, peer, &path);
    if (!*ret)
        return;
    if (!decode_target(*ret, head, path, segments, &n))
        (void)refuse(refused, REFUSAL_TARGET, "The path or the query cannot be decoded.");
    else if (find_route(*ret, head->method, routes, routes_n, segments, n, refused))
        (void)check_body(*ret, &f, refused);
}

void request_unref(struct http_request *req)
{
    if (!req || atomic_fetch_sub_explicit(&req->refs, 1, memory_order_acq_rel) > 1)
        return;
    if (req->is_chunked)
        free(req->body);
    free(req);
}

static bool grow_body(struct http_request *req, size_t need, size_t body_max_bytes)
{
    size_t cap = req->body_cap ? req->body_cap : FIRST_CHUNK_BYTES;
    char *body;

    while (cap < need)
        cap *= 2;
    if (cap > body_max_bytes)
        cap = body_max_bytes;
    body = realloc(req->body, cap + 1);
    if (!body)
        return false;
    req->body = body;
    req->body_cap = cap;
    return true;
}

enum body_taken request_take_body(struct http_request *req, const char *data, size_t len,
                                  size_t body_max_bytes, bool keep)
{
    size_t need = req->body_len + len;

    if (len > body_max_bytes || need > body_max_bytes)
        return BODY_TOO_LARGE;
    if (keep) {
        if (need > req->body_cap && !grow_body(req, need, body_max_bytes))
            return BODY_NO_MEMORY;
        memcpy(req->body + req->body_len, data, len);
        req->body[need] = '\0';
    }
    req->body_len = need;
    return BODY_TAKEN;
}

bool request_check_routes(const struct http_route *routes, size_t routes_n, struct err *err)
{
    for (size_t i = 0; i < routes_n; i++) {
        size_t params_n = 0;

        for (const char *c = routes[i].path; *c; c++)
            params_n += *c == '{';
        if (routes[i].path[0] != '/' || params_n > HTTP_PARAMS_MAX)
            return err_set(err, ERR_FATAL, "route %s: at most %d parameters, and a slash in front",
                           routes[i].path, HTTP_PARAMS_MAX);
    }
    return true;
}

/* ---- what a handler reads */

const char *http_param(const struct http_request *req, size_t i)
{
    return i < req->params_n ? req->params[i] : "";
}

const char *http_header(const struct http_request *req, const char *name)
{
    for (size_t i = 0; i < req->headers_n; i++)
        if (strcasecmp(req->headers[i].name, name) == 0)
            return req->headers[i].value;
    return NULL;
}

const char *http_query(const struct http_request *req, const char *name)
{
    for (size_t i = 0; i < req->args_n; i++)
        if (strcmp(req->args[i].name, name) == 0)
            return req->args[i].value;
    return NULL;
}

const char *http_body(const struct http_request *req, size_t *ret_len)
{
    *ret_len = req->body_len;
    return req->body ? req->body : "";
}

const char *http_peer(const struct http_request *req)
{
    return req->peer;
}

int64_t http_received_wall_ms(const struct http_request *req)
{
    return req->received_wall_ms;
}
