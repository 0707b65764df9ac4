#include "common/service/health.h"

#include <inttypes.h>
#include <string.h>

#include "common/base/utf8.h"

static void set_text(char *to, size_t size, const char *text)
{
    size_t len = utf8_valid_prefix(text, strlen(text));

    if (len >= size)
        len = utf8_cut(text, len, size - 1);
    memcpy(to, text, len);
    to[len] = '\0';
}

bool health_check(struct health *h, const char *name, bool ready, const char *detail)
{
    size_t i = 0;
    bool was_ready;

    while (i < h->checks_n && strcmp(h->checks[i].name, name) != 0)
        i++;
    if (i == HEALTH_MAX) {
        i--;
        ready = false;
        detail = "more checks than the process has room for";
    }
    was_ready = i < h->checks_n ? h->checks[i].ready : !ready;
    if (i == h->checks_n) {
        h->checks_n++;
        set_text(h->checks[i].name, sizeof(h->checks[i].name), name);
    }
    h->checks[i].ready = ready;
    set_text(h->checks[i].detail, sizeof(h->checks[i].detail), detail ? detail : "");
    return ready != was_ready;
}

void health_alive(struct health *h, const char *loop, int64_t now_mono_ms)
{
    size_t i = 0;

    while (i < h->loops_n && strcmp(h->loops[i].name, loop) != 0)
        i++;
    if (i == HEALTH_MAX)
        return;
    if (i == h->loops_n) {
        h->loops_n++;
        set_text(h->loops[i].name, sizeof(h->loops[i].name), loop);
    }
    h->loops[i].alive_mono_ms = now_mono_ms;
}

void health_forget(struct health *h, const char *loop)
{
    for (size_t i = 0; i < h->loops_n; i++)
        if (strcmp(h->loops[i].name, loop) == 0) {
            h->loops[i] = h->loops[--h->loops_n];
            return;
        }
}

bool health_write_ready(struct buf *out, const struct health *h)
{
    bool ready = true;

    for (size_t i = 0; i < h->checks_n; i++)
        ready = ready && h->checks[i].ready;
    (void)buf_printf(out, "{\"ready\":%s,\"checks\":[", ready ? "true" : "false");
    for (size_t i = 0; i < h->checks_n; i++) {
        const struct health_check *check = &h->checks[i];

        (void)buf_str(out, i > 0 ? ",{\"name\":" : "{\"name\":");
        (void)buf_json(out, check->name);
        (void)buf_printf(out, ",\"ready\":%s,\"detail\":", check->ready ? "true" : "false");
        (void)buf_json(out, check->detail);
        (void)buf_char(out, '}');
    }
    (void)buf_str(out, "]}\n");
    return ready;
}

bool health_write_alive(struct buf *out, const struct health *h, int64_t now_mono_ms)
{
    for (size_t i = 0; i < h->loops_n; i++) {
        int64_t silent_ms = now_mono_ms - h->loops[i].alive_mono_ms;

        if (silent_ms <= HEALTH_SILENT_MS)
            continue;
        (void)buf_str(out, "{\"alive\":false,\"loop\":");
        (void)buf_json(out, h->loops[i].name);
        (void)buf_printf(out, ",\"silent_s\":%" PRId64 "}\n", silent_ms / 1000);
        return false;
    }
    (void)buf_str(out, "{\"alive\":true}\n");
    return true;
}
