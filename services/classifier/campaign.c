#include "services/classifier/campaign.h"

#include <stdlib.h>
#include <string.h>

#include "common/base/utf8.h"
#include "services/classifier/indicator.h"

/* As proto/events.def and proto/parts.def bound them. */
#define REASON_CHARS_MAX  500
#define TITLE_CHARS_MAX   200
#define TEXT_CHARS_MAX    20000
#define VALUE_SHOWN_CHARS 120 /* of a value inside a sentence */
#define BYTES_PER_CHAR    4

/* --- who shares one --- */

void circle_done(struct circle *c)
{
    for (size_t i = 0; i < c->eras_n; i++)
        free(c->eras[i].enterprises);
    free(c->eras);
    free(c->members);
    *c = (struct circle){0};
}

static bool make_room(void **array, size_t n, size_t *cap, size_t size, struct err *err)
{
    size_t more = *cap ? 2 * *cap : 8;
    void *moved;

    if (n < *cap)
        return true;
    moved = reallocarray(*array, more, size);
    if (!moved)
        return err_memory(err);
    *array = moved;
    *cap = more;
    return true;
}

static bool is_same(const struct id *a, const struct id *b)
{
    return strcmp(a->text, b->text) == 0;
}

static int compare(const struct member *a, const struct member *b)
{
    if (a->occurred_at != b->occurred_at)
        return a->occurred_at < b->occurred_at ? -1 : 1;
    return strcmp(a->incident_id.text, b->incident_id.text);
}

static bool insert(struct circle *c, const struct member *m, size_t *ret, struct err *err)
{
    void *array = c->members;
    size_t at = c->members_n;

    if (!make_room(&array, c->members_n, &c->members_cap, sizeof(*c->members), err))
        return false;
    c->members = array;
    while (at > 0 && compare(&c->members[at - 1], m) > 0)
        at--;
    memmove(&c->members[at + 1], &c->members[at], (c->members_n - at) * sizeof(*c->members));
    c->members[at] = *m;
    c->members_n++;
    *ret = at;
    return true;
}

static void take_out(struct circle *c, size_t at)
{
    c->members_n--;
    memmove(&c->members[at], &c->members[at + 1], (c->members_n - at) * sizeof(*c->members));
}

bool circle_add_member(struct circle *c, const struct member *m, struct err *err)
{
    size_t at;

    return insert(c, m, &at, err);
}

bool circle_add_era(struct circle *c, const struct era *era, struct err *err)
{
    void *array = c->eras;

    if (!make_room(&array, c->eras_n, &c->eras_cap, sizeof(*c->eras), err))
        return false;
    c->eras = array;
    c->eras[c->eras_n++] = *era;
    return true;
}

bool era_add_enterprise(struct era *era, const struct id *enterprise_id, struct err *err)
{
    struct id *more;

    for (size_t i = 0; i < era->enterprises_n; i++)
        if (is_same(&era->enterprises[i], enterprise_id))
            return true;
    more = reallocarray(era->enterprises, era->enterprises_n + 1, sizeof(*more));
    if (!more)
        return err_memory(err);
    era->enterprises = more;
    era->enterprises[era->enterprises_n++] = *enterprise_id;
    return true;
}

static bool waits(const struct member *m)
{
    return !id_is_set(&m->campaign_id);
}

/* Where the era reaches to that a newcomer belongs to, and the earliest of the campaigns that it has. */
struct reach {
    int64_t window_ms;
    int64_t from, to;
    size_t campaign; /* index; eras_n: none */
};

static bool touches(const struct reach *r, int64_t from, int64_t to)
{
    return from <= r->to + r->window_ms && to >= r->from - r->window_ms;
}

static bool stretch(struct reach *r, int64_t from, int64_t to)
{
    bool ret = from < r->from || to > r->to;

    if (from < r->from)
        r->from = from;
    if (to > r->to)
        r->to = to;
    return ret;
}

static bool is_earlier(const struct era *a, const struct era *b)
{
    return a->first_at != b->first_at ? a->first_at < b->first_at
                                      : strcmp(a->campaign_id.text, b->campaign_id.text) < 0;
}

/* Both ways once: members stand in order, so one way each is as far as they lead. */
static bool stretch_by_members(struct reach *r, const struct circle *c)
{
    bool ret = false;

    for (size_t i = 0; i < 2 * c->members_n; i++) {
        const struct member *m = &c->members[i < c->members_n ? i : 2 * c->members_n - 1 - i];

        if (waits(m) && touches(r, m->occurred_at, m->occurred_at))
            ret = stretch(r, m->occurred_at, m->occurred_at) || ret;
    }
    return ret;
}

static bool stretch_by_eras(struct reach *r, const struct circle *c)
{
    bool ret = false;

    for (size_t i = 0; i < c->eras_n; i++) {
        if (!touches(r, c->eras[i].first_at, c->eras[i].last_at))
            continue;
        if (r->campaign == c->eras_n || is_earlier(&c->eras[i], &c->eras[r->campaign]))
            r->campaign = i;
        ret = stretch(r, c->eras[i].first_at, c->eras[i].last_at) || ret;
    }
    return ret;
}

static struct reach reach_of(const struct circle *c, const struct member *m)
{
    struct reach r = {c->trait->rule->window_ms, m->occurred_at, m->occurred_at, c->eras_n};

    for (bool more = true; more;) {
        more = stretch_by_members(&r, c);
        more = stretch_by_eras(&r, c) || more;
    }
    return r;
}

/* The enterprises inside a window that moves, each with how often. */
struct tally {
    const struct id *enterprises[CORRELATION_ENTERPRISES_MAX];
    size_t counts[CORRELATION_ENTERPRISES_MAX];
    size_t n;
};

static size_t tally_find(const struct tally *t, const struct id *enterprise_id)
{
    size_t i = 0;

    while (i < t->n && !is_same(t->enterprises[i], enterprise_id))
        i++;
    return i;
}

static void tally_add(struct tally *t, const struct id *enterprise_id)
{
    size_t i = tally_find(t, enterprise_id);

    if (i == t->n) {
        t->enterprises[i] = enterprise_id;
        t->counts[i] = 0;
        t->n++;
    }
    t->counts[i]++;
}

static void tally_drop(struct tally *t, const struct id *enterprise_id)
{
    size_t i = tally_find(t, enterprise_id);

    if (--t->counts[i] > 0)
        return;
    t->n--;
    t->enterprises[i] = t->enterprises[t->n];
    t->counts[i] = t->counts[t->n];
}

/* Do enough enterprises wait within one window around that time? Further away they did not before, so they do not now. */
static bool is_enough(const struct circle *c, int64_t around)
{
    const struct correlation_rule *rule = c->trait->rule;
    struct tally tally = {0};
    size_t first = 0;

    while (first < c->members_n && c->members[first].occurred_at < around - rule->window_ms)
        first++;
    for (size_t i = first; i < c->members_n; i++) {
        const struct member *m = &c->members[i];

        if (m->occurred_at > around + rule->window_ms)
            break;
        if (!waits(m))
            continue;
        for (; c->members[first].occurred_at < m->occurred_at - rule->window_ms; first++)
            if (waits(&c->members[first]))
                tally_drop(&tally, &c->members[first].enterprise_id);
        tally_add(&tally, &m->enterprise_id);
        if (tally.n >= rule->enterprises)
            return true;
    }
    return false;
}

static size_t count_own(const struct circle *c, const struct member *newcomer)
{
    int64_t window_ms = c->trait->rule->window_ms;
    size_t ret = 0;

    for (size_t i = 0; i < c->members_n; i++) {
        const struct member *m = &c->members[i];

        ret += waits(m) && m->occurred_at >= newcomer->occurred_at - window_ms &&
               m->occurred_at <= newcomer->occurred_at + window_ms &&
               is_same(&m->enterprise_id, &newcomer->enterprise_id);
    }
    return ret;
}

static void derive_campaign(struct id *ret, const struct trait *t, const struct member *first)
{
    struct id_hash hash;

    id_derive(&hash, "campaign");
    id_derive_text(&hash, "trait", t->id.text);
    id_derive_text(&hash, "first", first->incident_id.text);
    id_derive_end(&hash, ret);
}

static bool open_campaign(struct circle *c, struct reach *r, struct err *err)
{
    struct era era = {.first_at = r->from, .last_at = r->to};
    size_t first = 0;

    while (!waits(&c->members[first]) || c->members[first].occurred_at < r->from)
        first++;
    derive_campaign(&era.campaign_id, c->trait, &c->members[first]);
    r->campaign = c->eras_n;
    return circle_add_era(c, &era, err);
}

/* All that wait within reach belong to the campaign now. */
static bool link_all(struct circle *c, const struct reach *r, size_t newcomer, struct linked *ret,
                     struct err *err)
{
    struct era *era = &c->eras[r->campaign];

    *ret = (struct linked){
        .era = era, .members = calloc(c->members_n, sizeof(*ret->members)), .newcomer = newcomer};
    if (!ret->members)
        return err_memory(err);
    for (size_t i = 0; i < c->members_n; i++) {
        struct member *m = &c->members[i];

        if (!waits(m) || m->occurred_at < r->from || m->occurred_at > r->to)
            continue;
        m->campaign_id = era->campaign_id;
        m->is_linked = true;
        if (!era_add_enterprise(era, &m->enterprise_id, err))
            return false;
        if (m->occurred_at < era->first_at)
            era->first_at = m->occurred_at;
        if (m->occurred_at > era->last_at)
            era->last_at = m->occurred_at;
        era->incidents++;
        ret->members[ret->members_n++] = i;
    }
    era->is_changed = true;
    return true;
}

void linked_done(struct linked *l)
{
    free(l->members);
    *l = (struct linked){0};
}

enum linking campaign_link(struct circle *c, const struct member *newcomer, struct linked *ret,
                           struct err *err)
{
    struct reach r = reach_of(c, newcomer);
    bool opens = r.campaign == c->eras_n;
    size_t at;

    *ret = (struct linked){0};
    if (!insert(c, newcomer, &at, err))
        return LINKING_FAILED;
    c->members[at].is_new = true;
    if (opens && !is_enough(c, newcomer->occurred_at)) {
        if (count_own(c, newcomer) <= CAMPAIGN_OWN_MAX)
            return LINKING_WAITS;
        take_out(c, at);
        return LINKING_LEFT_OUT;
    }
    if ((opens && !open_campaign(c, &r, err)) || !link_all(c, &r, at, ret, err))
        return LINKING_FAILED;
    ret->opens = opens;
    return LINKING_LINKED;
}

/* --- what is said of it --- */

static void put_cut(struct buf *to, const char *text, size_t chars)
{
    size_t at = 0;

    while (text[at] && (((unsigned char)text[at] & 0xC0) == 0x80 || chars-- > 0))
        at++;
    buf_add(to, text, at);
    if (text[at])
        buf_str(to, "…");
}

/* Puts in what the braces name, and cuts what would be too long. NULL: no memory. */
static const char *fill(const char *text, const struct circle *c, const struct era *era,
                        size_t value_chars, size_t chars_max, struct arena *arena)
{
    AUTO(buf_done) struct buf whole, cut;
    char *copy;

    buf_init(&whole, (TEXT_CHARS_MAX + INDICATOR_VALUE_MAX) * BYTES_PER_CHAR);
    buf_init(&cut, (chars_max + 1) * BYTES_PER_CHAR);
    while (*text && !whole.failed) {
        size_t plain = strcspn(text, "{");

        buf_add(&whole, text, plain);
        text += plain;
        if (strncmp(text, "{enterprises}", 13) == 0)
            buf_printf(&whole, "%zu", era->enterprises_n);
        else if (strncmp(text, "{value}", 7) == 0)
            put_cut(&whole, c->trait->value, value_chars);
        else if (strncmp(text, "{window}", 8) == 0)
            buf_str(&whole, c->trait->rule->window);
        text += strcspn(text, "}");
        text += *text == '}';
    }
    put_cut(&cut, buf_text(&whole), chars_max - 1);
    copy = cut.failed ? NULL : arena_take(arena, cut.len + 1);
    if (copy)
        memcpy(copy, buf_text(&cut), cut.len + 1);
    return copy;
}

static bool fill_texts(struct incident_linked *ret, const struct circle *c, const struct era *era,
                       struct arena *arena)
{
    const struct correlation_rule *rule = c->trait->rule;
    const size_t shown = VALUE_SHOWN_CHARS, whole = INDICATOR_VALUE_MAX;

    ret->zh = fill(rule->zh, c, era, shown, REASON_CHARS_MAX, arena);
    ret->en = fill(rule->en, c, era, shown, REASON_CHARS_MAX, arena);
    if (!ret->opens || !rule->title)
        return ret->zh && ret->en;
    ret->advisory = arena_take(arena, sizeof(*ret->advisory));
    if (!ret->advisory)
        return false;
    ret->advisory->title = fill(rule->title, c, era, shown, TITLE_CHARS_MAX, arena);
    ret->advisory->text = fill(rule->text, c, era, whole, TEXT_CHARS_MAX, arena);
    ret->advisory->audience = rule->audience;
    SHAPE_SET(ret->advisory, tlp, rule->tlp);
    return ret->zh && ret->en && ret->advisory->title && ret->advisory->text;
}

static bool fill_shared(struct incident_linked *ret, const struct trait *t, struct arena *arena)
{
    switch (t->rule->kind) {
    case CORRELATION_SUB_CATEGORY:
        ret->sub = t->value;
        return true;
    case CORRELATION_SUPPLIER:
        ret->supplier = t->value;
        return true;
    case CORRELATION_INDICATOR:
        break;
    }
    ret->indicator = arena_take(arena, sizeof(*ret->indicator));
    if (!ret->indicator)
        return false;
    SHAPE_SET(ret->indicator, type, t->type);
    ret->indicator->value = t->value;
    return true;
}

/* The newest first. */
static bool list_others(struct incident_linked *ret, const struct circle *c, const struct member *m,
                        struct arena *arena)
{
    ret->linked_incident_ids =
        arena_take(arena, CAMPAIGN_LINKED_MAX * sizeof(*ret->linked_incident_ids));
    if (!ret->linked_incident_ids)
        return false;
    for (size_t i = c->members_n; i-- > 0 && ret->linked_incident_ids_n < CAMPAIGN_LINKED_MAX;)
        if (&c->members[i] != m && is_same(&c->members[i].campaign_id, &m->campaign_id))
            ret->linked_incident_ids[ret->linked_incident_ids_n++] = c->members[i].incident_id.text;
    return true;
}

bool campaign_body(struct incident_linked *ret, const struct circle *c, const struct linked *l,
                   size_t i, const char *policy_version, struct arena *arena, struct err *err)
{
    const struct member *m = &c->members[l->members[i]];

    *ret = (struct incident_linked){.enterprise_id = m->enterprise_id.text,
                                    .incident_id = m->incident_id.text,
                                    .campaign = arena_take(arena, sizeof(*ret->campaign)),
                                    .rule = c->trait->rule->id,
                                    .policy_version = policy_version};
    if (!ret->campaign)
        return err_memory(err);
    SHAPE_SET(ret, occurred_at, c->members[l->newcomer].occurred_at);
    SHAPE_SET(ret, drill, c->trait->drill);
    SHAPE_SET(ret, opens, l->opens && l->members[i] == l->newcomer);
    ret->campaign->campaign_id = l->era->campaign_id.text;
    SHAPE_SET(ret->campaign, enterprises, (int64_t)l->era->enterprises_n);
    SHAPE_SET(ret->campaign, incidents, l->era->incidents);
    return (fill_shared(ret, c->trait, arena) && list_others(ret, c, m, arena) &&
            fill_texts(ret, c, l->era, arena)) ||
           err_memory(err);
}

void campaign_event_id(struct id *ret, const struct id *parent, const struct id *campaign_id,
                       const struct id *incident_id)
{
    char about[2 * ID_TEXT_LEN + 1];

    memcpy(about, campaign_id->text, ID_TEXT_LEN);
    memcpy(about + ID_TEXT_LEN, incident_id->text, ID_TEXT_LEN + 1);
    event_id_derive(ret, parent, "linked", about);
}
