#include "services/notifier/conf.h"

#include <string.h>

#define CONF_STRUCT struct notifier_conf
static const struct conf_option options[] = {
#include "common/base/conf_rows.h"
#include "services/notifier/conf.def"
};

const struct conf_table notifier_conf_table = {
    "notifier", "tells people, each once, by the ways in which they can be reached", options,
    ARRAY_LEN(options)};

/* "http" stands for https too. */
static bool is_url(const char *text, const char *scheme)
{
    size_t len = strlen(scheme);

    if (strncmp(text, scheme, len) != 0)
        return false;
    text += len + (text[len] == 's');
    return strncmp(text, "://", 3) == 0 && text[3] && !strchr("/:?#", text[3]);
}

bool notifier_conf_check(const struct notifier_conf *conf, struct err *err)
{
    if (!is_url(conf->smtp_url, "smtp"))
        return err_set(err, ERR_CONFIG,
                       "--smtp-url: \"%.100s\": write smtp://HOST:PORT, or smtps:// for TLS from "
                       "the start",
                       conf->smtp_url);
    return is_url(conf->public_url, "http") ||
           err_set(err, ERR_CONFIG, "--public-url: \"%.100s\": write http://HOST or https://HOST",
                   conf->public_url);
}
