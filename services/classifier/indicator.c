#include "services/classifier/indicator.h"

#include <arpa/inet.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "common/base/cleanup.h"

#define FREE_TEXT_MIN  6 /* bytes of what has no form of its own: "1" or "n/a" tells nothing */
#define DOMAIN_MAX     253
#define CVE_DIGITS_MIN 4
#define CVE_DIGITS_MAX 10

/* --- characters --- */

/* The ASCII character that a full-width one stands for, a blank for an ideographic one, '\0' for one without a width, -1 for any other; its bytes. */
static int narrow(const char *text, size_t *ret_len)
{
    const unsigned char *p = (const unsigned char *)text;

    *ret_len = 1;
    if (p[0] < 0x80)
        return p[0] == '\t' || p[0] == '\n' || p[0] == '\r' ? ' ' : p[0];
    if (p[0] != 0xE2 && p[0] != 0xE3 && p[0] != 0xEF)
        return -1;
    *ret_len = 3;
    if (p[0] == 0xEF && p[1] == 0xBC && p[2] >= 0x81) /* U+FF01 to U+FF3F */
        return p[2] - 0x81 + '!';
    if (p[0] == 0xEF && p[1] == 0xBD && p[2] <= 0x9E) /* U+FF40 to U+FF5E */
        return p[2] - 0x80 + '`';
    if (p[0] == 0xE3 && p[1] == 0x80 && p[2] == 0x80)
        return ' ';
    if ((p[0] == 0xE2 && p[1] == 0x80 && p[2] >= 0x8B && p[2] <= 0x8D) ||
        (p[0] == 0xEF && p[1] == 0xBB && p[2] == 0xBF))
        return '\0';
    if (p[0] == 0xE2 && p[1] == 0x80 && p[2] >= 0x90 && p[2] <= 0x95) /* hyphens and dashes */
        return '-';
    *ret_len = 1;
    return -1;
}

/* Narrow, one blank between words and none around. */
static bool fold(char ret[INDICATOR_VALUE_MAX], const char *text)
{
    size_t n = 0, len;

    while (*text) {
        int c = narrow(text, &len);

        if (n + 1 >= INDICATOR_VALUE_MAX)
            return false;
        if (c < 0)
            ret[n++] = *text;
        else if (c == ' ' ? n > 0 && ret[n - 1] != ' ' : c != '\0')
            ret[n++] = (char)c;
        text += len;
    }
    while (n > 0 && ret[n - 1] == ' ')
        n--;
    ret[n] = '\0';
    return n > 0;
}

static void lower(char *text, size_t len)
{
    for (size_t i = 0; i < len; i++)
        if (text[i] >= 'A' && text[i] <= 'Z')
            text[i] = (char)(text[i] - 'A' + 'a');
}

static bool is_alnum(int c)
{
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

/* --- what people do to make an address harmless --- */

static void rearm(char *text)
{
    static const struct {
        const char *from, *to;
    } rows[] = {
        {"[.]", "."}, {"(.)", "."}, {"{.}", "."},     {"[dot]", "."},     {"(dot)", "."},
        {"[:]", ":"}, {"[@]", "@"}, {"(@)", "@"},     {"[at]", "@"},      {"(at)", "@"},
        {"[/]", "/"}, {"。", "."},  {"[://]", "://"}, {"hxxp:", "http:"}, {"hxxps:", "https:"},
        {"[.", "."},  {".]", "."},
    };
    size_t n = 0;

    for (const char *at = text; *at;) {
        size_t i = 0;

        while (i < ARRAY_LEN(rows) && strncasecmp(at, rows[i].from, strlen(rows[i].from)) != 0)
            i++;
        if (i == ARRAY_LEN(rows)) {
            text[n++] = *at++;
            continue;
        }
        memmove(text + n, rows[i].to, strlen(rows[i].to)); /* never longer than what it replaces */
        n += strlen(rows[i].to);
        at += strlen(rows[i].from);
    }
    text[n] = '\0';
}

/* --- addresses --- */

struct network {
    uint8_t bytes[16];
    unsigned bits;
};

static bool is_within(const uint8_t *address, const struct network *net)
{
    unsigned whole = net->bits / 8, rest = net->bits % 8;

    return memcmp(address, net->bytes, whole) == 0 &&
           (rest == 0 || (address[whole] ^ net->bytes[whole]) >> (8 - rest) == 0);
}

static bool is_shared4(const uint8_t *address)
{
    static const struct network networks[] = {
        {{0}, 8},        {{10}, 8},        {{100, 64}, 10}, {{127}, 8}, {{169, 254}, 16},
        {{172, 16}, 12}, {{192, 168}, 16}, {{224}, 3}, /* multicast, reserved, broadcast */
    };

    for (size_t i = 0; i < ARRAY_LEN(networks); i++)
        if (is_within(address, &networks[i]))
            return true;
    return false;
}

static bool is_shared6(const uint8_t *address)
{
    static const struct network networks[] = {
        {{0}, 127}, /* :: and ::1 */
        {{0xFC}, 7},
        {{0xFE, 0x80}, 10},
        {{0xFF}, 8},
    };

    for (size_t i = 0; i < ARRAY_LEN(networks); i++)
        if (is_within(address, &networks[i]))
            return true;
    return false;
}

enum address { ADDRESS_NONE, ADDRESS_SHARED, ADDRESS_PUBLIC };

/* Rewrites an address of either family; one of IPv4 in IPv6's clothes is one of IPv4. */
static enum address normalise_address(char ret[INDICATOR_VALUE_MAX], const char *text)
{
    static const struct network mapped = {{[10] = 0xFF, [11] = 0xFF}, 96};
    uint8_t six[16], four[4];
    bool is_six = inet_pton(AF_INET6, text, six) == 1;

    if (is_six && is_within(six, &mapped))
        memcpy(four, six + 12, sizeof(four));
    else if (is_six)
        return !inet_ntop(AF_INET6, six, ret, INDICATOR_VALUE_MAX) ? ADDRESS_NONE
               : is_shared6(six)                                   ? ADDRESS_SHARED
                                                                   : ADDRESS_PUBLIC;
    else if (inet_pton(AF_INET, text, four) != 1)
        return ADDRESS_NONE;
    if (!inet_ntop(AF_INET, four, ret, INDICATOR_VALUE_MAX))
        return ADDRESS_NONE;
    return is_shared4(four) ? ADDRESS_SHARED : ADDRESS_PUBLIC;
}

/* With or without a port. */
static bool normalise_ip(char value[INDICATOR_VALUE_MAX])
{
    char address[INDICATOR_VALUE_MAX];
    const char *bare = value;
    char *colon = strchr(value, ':');

    if (value[0] == '[') {
        bare = value + 1;
        value[1 + strcspn(bare, "]")] = '\0';
    } else if (colon && !strchr(colon + 1, ':')) {
        *colon = '\0';
    }
    if (normalise_address(address, bare) != ADDRESS_PUBLIC)
        return false;
    memcpy(value, address, strlen(address) + 1);
    return true;
}

/* --- names --- */

static bool ends_in(const char *text, size_t len, const char *end)
{
    size_t end_len = strlen(end);

    return len >= end_len && memcmp(text + len - end_len, end, end_len) == 0;
}

/* A name of at least two labels that means the same everywhere. In small letters, without the dots at its end; its new length, 0: it is none. */
static size_t normalise_name(char *name, size_t len)
{
    static const char *const inside[] = {".local", ".localhost", ".localdomain",
                                         ".lan",   ".internal",  ".home.arpa"};
    char address[INDICATOR_VALUE_MAX];
    size_t label = 0, dots = 0;

    lower(name, len);
    while (len > 0 && name[len - 1] == '.')
        len--;
    for (size_t i = 0; i < len; i++) {
        bool is_dot = name[i] == '.';

        if (is_dot ? label == 0
                   : !is_alnum(name[i]) && name[i] != '-' && name[i] != '_' &&
                         (unsigned char)name[i] < 0x80)
            return 0;
        label = is_dot ? 0 : label + 1;
        dots += is_dot;
    }
    for (size_t i = 0; i < ARRAY_LEN(inside); i++)
        if (ends_in(name, len, inside[i]))
            return 0;
    if (dots == 0 || len > DOMAIN_MAX)
        return 0;
    memcpy(address, name, len);
    address[len] = '\0';
    return normalise_address(address, address) == ADDRESS_NONE ? len : 0;
}

static bool normalise_domain(char *value)
{
    size_t len = normalise_name(value, strlen(value));

    value[len] = '\0';
    return len > 0;
}

static bool normalise_mail(char value[INDICATOR_VALUE_MAX])
{
    static const char scheme[] = "mailto:";
    char *at;

    lower(value, strlen(value));
    if (strncmp(value, scheme, strlen(scheme)) == 0)
        memmove(value, value + strlen(scheme), strlen(value + strlen(scheme)) + 1);
    at = strchr(value, '@');
    return at && at != value && !strchr(value, ' ') && normalise_domain(at + 1);
}

/* --- URLs --- */

const char *indicator_host(const char *url, size_t *ret_len)
{
    const char *mark = strstr(url, "://");
    const char *host = mark ? mark + 3 : url;
    size_t authority = strcspn(host, "/?#");
    const char *at = memrchr(host, '@', authority);

    if (at) {
        authority -= (size_t)(at + 1 - host);
        host = at + 1;
    }
    *ret_len = host[0] == '[' ? strcspn(host, "]") + 1 : strcspn(host, ":");
    if (*ret_len > authority)
        *ret_len = authority;
    return host;
}

/* A name, or a public address. Its new length in place; 0: nothing that counts. */
static size_t normalise_host(char *host, size_t len)
{
    char address[INDICATOR_VALUE_MAX], text[INDICATOR_VALUE_MAX];
    bool is_bracketed = len > 2 && host[0] == '[' && host[len - 1] == ']';
    size_t bare = is_bracketed ? len - 2 : len;

    memcpy(text, host + is_bracketed, bare);
    text[bare] = '\0';
    switch (normalise_address(address, text)) {
    case ADDRESS_NONE:
        return is_bracketed ? 0 : normalise_name(host, len);
    case ADDRESS_SHARED:
        return 0;
    case ADDRESS_PUBLIC:
        break;
    }
    if (!is_bracketed) /* of IPv4, as it was: a colon would have ended the host */
        return len;
    if (strlen(address) > bare)
        return 0;
    memcpy(host + 1, address, strlen(address));
    host[1 + strlen(address)] = ']';
    return strlen(address) + 2;
}

static bool is_default_port(const char *url, const char *port, size_t len)
{
    return (len == 3 && memcmp(port, ":80", 3) == 0 && strncmp(url, "http:", 5) == 0) ||
           (len == 4 && memcmp(port, ":443", 4) == 0 && strncmp(url, "https:", 6) == 0);
}

/* scheme://host[:port][/path][?query]; who logs in and which part of the page is shown are no part of the place. */
static bool normalise_url(char value[INDICATOR_VALUE_MAX])
{
    char url[INDICATOR_VALUE_MAX];
    const char *mark = strstr(value, "://");
    const char *rest, *port;
    size_t scheme = mark ? (size_t)(mark - value) : 0, host_len, len;
    char *host;

    if (strchr(value, ' ') || (mark && scheme == 0))
        return false;
    host = (char *)(uintptr_t)indicator_host(value, &host_len);
    port = host + host_len;
    rest = port + strcspn(port, "/?#");
    len = strcspn(rest, "#");
    if (len == 1 && rest[0] == '/')
        len = 0;
    lower(value, scheme);
    if (is_default_port(value, port, (size_t)(rest - port)))
        port = rest;
    host_len = host_len < INDICATOR_VALUE_MAX ? normalise_host(host, host_len) : 0;
    if (host_len == 0 || snprintf(url, sizeof(url), "%.*s://%.*s%.*s%.*s", mark ? (int)scheme : 4,
                                  mark ? value : "http", (int)host_len, host, (int)(rest - port),
                                  port, (int)len, rest) >= (int)sizeof(url))
        return false;
    memcpy(value, url, strlen(url) + 1);
    return true;
}

/* --- hashes and CVE ids --- */

static bool normalise_hash(char value[INDICATOR_VALUE_MAX], size_t len)
{
    lower(value, strlen(value));
    return strlen(value) == len && strspn(value, "0123456789abcdef") == len;
}

/* The characters of a CVE id one by one, whatever their width. */
static int next_narrow(const char **at)
{
    size_t len = 0;
    int c = **at ? narrow(*at, &len) : -1;

    if (c < 0)
        return -1;
    *at += len;
    return c;
}

static size_t read_digits(const char **at, size_t max, char *ret)
{
    const char *before = *at;
    size_t n = 0;
    int c;

    while ((c = next_narrow(at)) >= '0' && c <= '9') {
        if (n < max)
            ret[n] = (char)c;
        n++;
        before = *at;
    }
    *at = before;
    return n;
}

/* The end of the CVE id that begins here; NULL: none does. */
static const char *read_cve(const char *at, char ret[CVE_TEXT_MAX])
{
    static const char start[] = "cve-";
    char year[5] = "", number[CVE_DIGITS_MAX + 1] = "";
    size_t digits;

    for (size_t i = 0; start[i]; i++)
        if ((next_narrow(&at) | (start[i] == '-' ? 0 : 0x20)) != start[i])
            return NULL;
    if (read_digits(&at, 4, year) != 4 || next_narrow(&at) != '-')
        return NULL;
    digits = read_digits(&at, CVE_DIGITS_MAX, number);
    if (digits < CVE_DIGITS_MIN || digits > CVE_DIGITS_MAX)
        return NULL;
    snprintf(ret, CVE_TEXT_MAX, "CVE-%s-%s", year, number);
    return at;
}

const char *indicator_next_cve(const char *text, char ret[CVE_TEXT_MAX])
{
    bool is_inside = false; /* a word that began before */

    while (*text) {
        size_t len;
        int c = narrow(text, &len);
        const char *end = !is_inside && (c | 0x20) == 'c' ? read_cve(text, ret) : NULL;

        if (end)
            return end;
        is_inside = is_alnum(c);
        text += len;
    }
    return NULL;
}

static bool normalise_cve(char value[INDICATOR_VALUE_MAX])
{
    char cve[CVE_TEXT_MAX];
    const char *end = read_cve(value, cve);

    if (!end || *end)
        return false;
    memcpy(value, cve, strlen(cve) + 1);
    return true;
}

/* --- all --- */

bool indicator_plain(char ret[INDICATOR_VALUE_MAX], const char *text)
{
    if (!fold(ret, text))
        return false;
    lower(ret, strlen(ret));
    return true;
}

bool indicator_normalise(char ret[INDICATOR_VALUE_MAX], enum indicator_type type, const char *value)
{
    if (!fold(ret, value))
        return false;
    if (type == INDICATOR_IP || type == INDICATOR_DOMAIN || type == INDICATOR_URL ||
        type == INDICATOR_EMAIL)
        rearm(ret);
    switch (type) {
    case INDICATOR_IP:
        return normalise_ip(ret);
    case INDICATOR_DOMAIN:
        return normalise_domain(ret);
    case INDICATOR_URL:
        return normalise_url(ret);
    case INDICATOR_SHA256:
        return normalise_hash(ret, 64);
    case INDICATOR_SHA1:
        return normalise_hash(ret, 40);
    case INDICATOR_MD5:
        return normalise_hash(ret, 32);
    case INDICATOR_EMAIL:
        return normalise_mail(ret);
    case INDICATOR_CVE:
        return normalise_cve(ret);
    case INDICATOR_OTHER:
        lower(ret, strlen(ret));
        return strlen(ret) >= FREE_TEXT_MIN;
    case INDICATOR_RANSOM_NOTE:
        return strlen(ret) >= FREE_TEXT_MIN;
    }
    return false;
}
