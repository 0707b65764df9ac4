#include <string.h>

#include "services/classifier/symbol.h"
#include "services/classifier/words_parts.h"

#define AFTER_STEPS 2 /* between a word and an "after" word: "泄露的风险" */
#define NONE        (-1L)

/* The steps behind the last denials of a clause; NONE. */
struct denials {
    long not_end, nothing_found_end;
};
static const struct denials no_denials = {NONE, NONE};

struct scan {
    const struct words *w;
    const char *text;
    size_t len;
    struct word_hits *hits;
    struct word_places *places;
    long step;                   /* Chinese characters and Latin words so far */
    struct denials now, outside; /* of this clause; of the one that a bracket stands in */
    bool in_brackets;
    size_t after_from;           /* 0, or where denied_after() was asked last */
    bool is_denied_after;        /* what it said */
    size_t skip_to;              /* inside a denial or a "never" word no other begins */
    struct word_set in_sentence; /* lists that have a word in this sentence */
    bool any_in_sentence;
    uint16_t words[WORD_IDS_MAX]; /* of those lists: which word */
};

size_t words_count(const struct words *w)
{
    return w->ids_n;
}

const char *words_name(const struct words *w, size_t id)
{
    return id < w->ids_n ? w->names[id] : NULL;
}

size_t words_explain(const struct words *w, const struct word_hits *hits, size_t id,
                     const char *ret[WORD_TOGETHER_MAX])
{
    size_t n = id < w->lists_n ? 1 : w->together_n[id];

    if (!words_found(hits, id))
        return 0;
    for (size_t i = 0; i < n; i++)
        ret[i] = w->words[hits->words[id][i]].text;
    return n;
}

void words_normalise(const struct words *w, const char *text, size_t len, char *ret)
{
    uint16_t symbol;

    memcpy(ret, text, len);
    for (size_t at = 0, n; at < len; at += n) {
        uint16_t to;

        n = symbol_at(text, len, at, &symbol);
        to = n == 3 ? w->simplified[symbol] : 0;
        if (to == 0)
            continue;
        ret[at] = (char)(0xE0 | to >> 12);
        ret[at + 1] = (char)(0x80 | (to >> 6 & 0x3F));
        ret[at + 2] = (char)(0x80 | (to & 0x3F));
    }
}

/* Does a Latin word, or a character that is none, begin with the symbol? */
static bool is_step(uint16_t symbol, bool latin_before)
{
    if (symbol < 0x80)
        return !latin_before && symbol_is_latin(symbol);
    return !symbol_is_rest(symbol);
}

long words_steps(const char *text, size_t len)
{
    bool latin_before = false;
    uint16_t symbol;
    long steps = 0;

    for (size_t at = 0; at < len;) {
        at += symbol_at(text, len, at, &symbol);
        steps += is_step(symbol, latin_before);
        latin_before = symbol_is_latin(symbol);
    }
    return steps;
}

/* --- a place in the text --- */

/* A symbol of n bytes at `at` between its neighbours; 0: there is none. */
struct place {
    size_t at, n, next_n;
    uint16_t before, symbol, next;
};

static inline void place_end(const struct scan *s, struct place *p)
{
    size_t end = p->at + p->n;

    p->next = 0;
    p->next_n = end < s->len ? symbol_at(s->text, s->len, end, &p->next) : 0;
}

static void place_at(const struct scan *s, size_t at, struct place *ret)
{
    ret->at = at;
    ret->before = 0;
    if (at > 0)
        (void)symbol_at(s->text, at, at - 1, &ret->before); /* a Latin letter, or something else */
    ret->n = symbol_at(s->text, s->len, at, &ret->symbol);
    place_end(s, ret);
}

static inline void place_next(const struct scan *s, struct place *p)
{
    p->at += p->n;
    p->n = p->next_n;
    p->before = p->symbol;
    p->symbol = p->next;
    place_end(s, p);
}

static enum mark place_mark(const struct place *p)
{
    return mark_of(p->symbol, symbol_is_latin(p->next));
}

/* May a word of the trie begin here? A Latin one begins with no letter's neighbour. */
static inline bool place_may_begin(const struct place *p, const struct trie *t)
{
    return trie_may_begin(t, p->symbol, p->next) &&
           !(symbol_is_latin(p->before) && symbol_is_latin(p->symbol)) &&
           !symbol_is_rest(p->symbol);
}

/* --- denials --- */

/* A Latin letter's neighbour outside the word must be none. */
static bool is_cut(const struct scan *s, size_t at)
{
    return at > 0 && at < s->len && ascii_is_alnum(s->text[at - 1]) && ascii_is_alnum(s->text[at]);
}

static bool after_word_at(const struct scan *s, size_t at)
{
    const struct trie_edge *edge;
    uint16_t node = TRIE_ROOT, symbol;

    while (at < s->len) {
        at += symbol_at(s->text, s->len, at, &symbol);
        edge = trie_step(&s->w->after, node, symbol);
        if (!edge)
            return false;
        if (edge->value > 0 && !is_cut(s, at))
            return true;
        node = edge->to;
    }
    return false;
}

static bool search_after(const struct scan *s, size_t from)
{
    struct place p;
    int left = AFTER_STEPS + 1;

    if (from == s->len)
        return false;
    for (place_at(s, from, &p); p.n > 0 && left > 0; place_next(s, &p)) {
        if (place_mark(&p) >= MARK_CLAUSE)
            return false;
        left -= is_step(p.symbol, false);
        if (place_may_begin(&p, &s->w->after) && after_word_at(s, p.at))
            return true;
    }
    return false;
}

/* An "after" word near behind `from`, in the same clause, also in brackets: "泄露(演练)". Often several words end at one place. */
static bool denied_after(struct scan *s, size_t from)
{
    if (s->after_from != from)
        s->is_denied_after = search_after(s, from);
    s->after_from = from;
    return s->is_denied_after;
}

static bool denied_before(const struct scan *s)
{
    const struct denials *d = &s->now;

    return (d->not_end != NONE && s->step - d->not_end <= s->w->reach) ||
           (d->nothing_found_end != NONE && s->step - d->nothing_found_end <= s->w->reach);
}

/* What is said in brackets is a clause of its own, but what was not found before them is not found in them; behind them the clause that they stand in goes on. */
static void end_clause(struct scan *s)
{
    s->now = no_denials;
    if (s->in_brackets)
        s->now.nothing_found_end = s->outside.nothing_found_end;
}

static void open_brackets(struct scan *s)
{
    if (!s->in_brackets)
        s->outside = s->now;
    s->in_brackets = true;
    end_clause(s);
}

static void close_brackets(struct scan *s)
{
    s->now = s->in_brackets ? s->outside : no_denials; /* "1) …" */
    s->in_brackets = false;
}

/* Of the denials that begin here the longest counts: "没有发现" is more than "没有". */
static void deny(struct scan *s, const struct word *word, size_t end)
{
    long step_behind = s->step + word->steps;

    switch (word->kind) {
    case KIND_NOTHING_FOUND:
        s->now.nothing_found_end = step_behind;
        break;
    case KIND_NOT:
        s->now.not_end = step_behind;
        break;
    case KIND_ENDS: /* "未造成": right behind the denial it belongs to it */
        if (s->now.not_end != NONE && s->step > s->now.not_end)
            s->now.not_end = NONE;
        break;
    default: /* never */
        break;
    }
    if (word->kind != KIND_ENDS)
        s->skip_to = end;
}

/* --- hits --- */

static void end_sentence(struct scan *s)
{
    const struct words *w = s->w;

    s->in_brackets = false;
    end_clause(s);
    if (!s->any_in_sentence)
        return;
    for (size_t id = w->lists_n; id < w->ids_n; id++) {
        if (!word_set_covers(&s->in_sentence, &w->together_of[id]) || words_found(s->hits, id))
            continue;
        for (size_t i = 0; i < w->together_n[id]; i++)
            s->hits->words[id][i] = s->words[w->together[id][i]];
        word_set_add(&s->hits->found, id);
    }
    s->in_sentence = (struct word_set){0};
    s->any_in_sentence = false;
}

static void note_place(struct word_places *places, uint16_t list, size_t at)
{
    if (!places || places->n == WORD_PLACES_MAX)
        return;
    places->places[places->n].list = list;
    places->places[places->n++].at = (uint32_t)at;
}

static void hit(struct scan *s, const struct word *word, size_t at, size_t end)
{
    uint16_t list = word->kind, index = (uint16_t)(word - s->w->words);
    bool is_known = word_set_has(&s->in_sentence, list);

    if (is_known && !s->places)
        return;
    if (!s->w->is_plain[list] && (denied_before(s) || denied_after(s, end)))
        return;
    note_place(s->places, list, at);
    if (is_known)
        return;
    s->words[list] = index;
    word_set_add(&s->in_sentence, list);
    s->any_in_sentence = true;
    if (words_found(s->hits, list))
        return;
    s->hits->words[list][0] = index;
    word_set_add(&s->hits->found, list);
}

/* All words that begin there. */
static void words_at(struct scan *s, const struct place *first)
{
    const struct word *denial = NULL;
    const struct trie_edge *edge;
    size_t denial_end = 0;
    uint16_t node = TRIE_ROOT;

    for (struct place p = *first; p.n > 0; place_next(s, &p)) {
        edge = trie_step(&s->w->trie, node, p.symbol);
        if (!edge)
            break;
        node = edge->to;
        if (symbol_is_latin(p.symbol) && symbol_is_latin(p.next))
            continue; /* no word ends inside another */
        for (size_t k = edge->value; k > 0; k = s->w->words[k - 1].next) {
            const struct word *word = &s->w->words[k - 1];

            if (word->kind < WORD_IDS_MAX) {
                hit(s, word, first->at, p.at + p.n);
            } else {
                denial = word;
                denial_end = p.at + p.n;
            }
        }
    }
    if (denial && first->at >= s->skip_to)
        deny(s, denial, denial_end);
}

void words_scan(const struct words *w, const char *text, size_t len, struct word_hits *hits,
                struct word_places *places)
{
    struct scan s;
    struct place p;

    /* Not the array of words: only what in_sentence has of it is read. */
    s.w = w;
    s.text = text;
    s.len = len;
    s.hits = hits;
    s.places = places;
    s.step = 0;
    s.now = s.outside = no_denials;
    s.in_brackets = s.any_in_sentence = false;
    s.skip_to = s.after_from = 0;
    s.is_denied_after = false;
    s.in_sentence = (struct word_set){0};
    if (places)
        places->n = 0;
    if (len == 0)
        return;
    for (place_at(&s, 0, &p); p.n > 0; place_next(&s, &p))
        switch (place_mark(&p)) {
        case MARK_SENTENCE:
            end_sentence(&s);
            break;
        case MARK_CLAUSE:
            end_clause(&s);
            break;
        case MARK_OPEN:
            open_brackets(&s);
            break;
        case MARK_CLOSE:
            close_brackets(&s);
            break;
        case MARK_NONE:
            if (place_may_begin(&p, &w->trie))
                words_at(&s, &p);
            s.step += is_step(p.symbol, symbol_is_latin(p.before));
            break;
        }
    end_sentence(&s);
}

/* --- where they stand --- */

void words_stand(const struct words *w, const struct word_places *places, size_t from, size_t to,
                 const struct word_set *within, struct word_set *ret)
{
    struct word_set lists = {0};

    for (size_t i = 0; i < places->n && places->places[i].at < to; i++)
        if (places->places[i].at >= from)
            word_set_add(&lists, places->places[i].list);
    *ret = lists;
    for (size_t i = w->lists_n / WORD_SET_BITS; i < ARRAY_LEN(ret->bits); i++) {
        uint64_t left = within ? within->bits[i] : ~UINT64_C(0);

        for (left &= w->combinations.bits[i]; left; left &= left - 1) {
            size_t id = i * WORD_SET_BITS + (size_t)__builtin_ctzll(left);

            if (word_set_covers(&lists, &w->together_of[id]))
                word_set_add(ret, id);
        }
    }
}
