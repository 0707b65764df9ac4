#include "services/classifier/words.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define NAME_MAX_BYTES 48
#define AFTER_STEPS    2 /* between a word and an "after" word: "泄露的风险" */
#define NODES_MAX      60000

/* What a word in the trie is: of list n, or one of these. */
enum kind {
    KIND_NOTHING_FOUND = WORD_IDS_MAX,
    KIND_NOT,
    KIND_ENDS,
    KIND_NEVER,
    KIND_AFTER,
};

struct word {
    uint16_t kind;
    uint16_t next; /* another word with the same text, index + 1; 0: none */
    uint8_t len;
    char text[WORD_MAX_BYTES + 1]; /* in lower case */
    char shown[WORD_MAX_BYTES + 1];
};

struct words {
    char names[WORD_IDS_MAX][NAME_MAX_BYTES];
    size_t lists_n, ids_n; /* combinations follow the lists */
    uint16_t together[WORD_IDS_MAX][WORD_TOGETHER_MAX];
    size_t together_n[WORD_IDS_MAX];
    bool is_plain[WORD_IDS_MAX]; /* no denial counts */
    long reach;
    uint16_t *simplified; /* of each character of the BMP; 0: itself */
    struct word *words;
    size_t words_n;
    /* The trie: next[node * classes + class of the byte]; 0: no way on. Node 0 is the root. */
    uint8_t class_of[256];
    size_t classes, nodes_n;
    uint16_t *next;
    uint16_t *word_at; /* node -> index of a word + 1 */
};

void words_free(struct words *w)
{
    if (!w)
        return;
    free(w->simplified);
    free(w->words);
    free(w->next);
    free(w->word_at);
    free(w);
}

size_t words_count(const struct words *w)
{
    return w->ids_n;
}

const char *words_name(const struct words *w, size_t id)
{
    return id < w->ids_n ? w->names[id] : NULL;
}

static bool find_name(const struct words *w, const char *name, size_t below, size_t *ret)
{
    for (size_t i = 0; i < below; i++)
        if (strcmp(w->names[i], name) == 0) {
            *ret = i;
            return true;
        }
    return false;
}

bool words_find(const struct words *w, const char *name, size_t *ret_id)
{
    return find_name(w, name, w->ids_n, ret_id);
}

/* --- loading --- */

static uint8_t lower(uint8_t c)
{
    return c >= 'A' && c <= 'Z' ? (uint8_t)(c - 'A' + 'a') : c;
}

static bool add_word(struct words *w, uint16_t kind, const json_t *source, const char *place,
                     size_t i, struct err *err)
{
    size_t len = json_string_length(source);
    struct word *word;

    if (len == 0 || len > WORD_MAX_BYTES)
        return err_set(err, ERR_CONFIG, "%s/%zu: must be a word of 1 to %d bytes", place, i,
                       WORD_MAX_BYTES);
    if (strspn(json_string_value(source), "0123456789., ") == len)
        return err_set(err, ERR_CONFIG, "%s/%zu: a number is no word: it stands in every report",
                       place, i);
    if (w->words_n == WORDS_MAX)
        return err_set(err, ERR_CONFIG, "%s/%zu: more than %d words", place, i, WORDS_MAX);
    word = &w->words[w->words_n++];
    word->kind = kind;
    word->len = (uint8_t)len;
    memcpy(word->shown, json_string_value(source), len);
    for (size_t b = 0; b < len; b++)
        word->text[b] = (char)lower((uint8_t)word->shown[b]);
    return true;
}

static bool add_words(struct words *w, uint16_t kind, const json_t *list, const char *place,
                      struct err *err)
{
    const json_t *item;
    size_t i;

    if (json_array_size(list) == 0)
        return err_set(err, ERR_CONFIG, "%s: must be a list of words", place);
    json_array_foreach(list, i, item) if (!add_word(w, kind, item, place, i, err)) return false;
    return true;
}

static bool add_name(struct words *w, const char *name, const char *place, struct err *err)
{
    size_t unused, len = strlen(name);

    if (w->ids_n == WORD_IDS_MAX)
        return err_set(err, ERR_CONFIG, "%s: more than %d lists and combinations", place,
                       WORD_IDS_MAX);
    if (len == 0 || len >= NAME_MAX_BYTES || find_name(w, name, w->ids_n, &unused))
        return err_set(err, ERR_CONFIG, "%s: \"%s\" must be a name that no other has", place, name);
    memcpy(w->names[w->ids_n++], name, len + 1);
    return true;
}

static bool load_lists(struct words *w, json_t *lists, struct err *err)
{
    const char *name;
    json_t *list;

    if (json_object_size(lists) == 0)
        return err_set(err, ERR_CONFIG, "/lists: must be an object with lists of words");
    /* The order of a file's members is that of its text, so ids are stable. */
    json_object_foreach(lists, name, list)
    {
        char place[NAME_MAX_BYTES + 16];

        snprintf(place, sizeof(place), "/lists/%.*s", NAME_MAX_BYTES, name);
        if (!add_name(w, name, "/lists", err) ||
            !add_words(w, (uint16_t)(w->ids_n - 1), list, place, err))
            return false;
    }
    w->lists_n = w->ids_n;
    return true;
}

static bool load_plain(struct words *w, const json_t *plain, struct err *err)
{
    const json_t *item;
    size_t i, id;

    if (plain && !json_is_array(plain))
        return err_set(err, ERR_CONFIG, "/plain: must be a list of lists' names");
    json_array_foreach(plain, i, item)
    {
        if (!json_is_string(item) || !find_name(w, json_string_value(item), w->lists_n, &id))
            return err_set(err, ERR_CONFIG, "/plain/%zu: must be the name of a list", i);
        w->is_plain[id] = true;
    }
    return true;
}

static bool load_together(struct words *w, json_t *together, struct err *err)
{
    const char *name;
    json_t *parts, *part;
    size_t i, list;

    if (together && !json_is_object(together))
        return err_set(err, ERR_CONFIG, "/together: must be an object with lists of lists' names");
    json_object_foreach(together, name, parts)
    {
        if (!add_name(w, name, "/together", err))
            return false;
        if (json_array_size(parts) < 2 || json_array_size(parts) > WORD_TOGETHER_MAX)
            return err_set(err, ERR_CONFIG, "/together/%s: must name 2 to %d lists", name,
                           WORD_TOGETHER_MAX);
        json_array_foreach(parts, i, part)
        {
            if (!json_is_string(part) || !find_name(w, json_string_value(part), w->lists_n, &list))
                return err_set(err, ERR_CONFIG, "/together/%s/%zu: must be the name of a list",
                               name, i);
            w->together[w->ids_n - 1][i] = (uint16_t)list;
        }
        w->together_n[w->ids_n - 1] = json_array_size(parts);
    }
    return true;
}

static bool load_denial(struct words *w, const json_t *denial, struct err *err)
{
    static const struct {
        const char *name, *place;
        uint16_t kind;
    } rows[] = {
        {"nothing_found", "/denial/nothing_found", KIND_NOTHING_FOUND},
        {"not", "/denial/not", KIND_NOT},
        {"ends", "/denial/ends", KIND_ENDS},
        {"never", "/denial/never", KIND_NEVER},
        {"after", "/denial/after", KIND_AFTER},
    };
    const json_t *reach = json_object_get(denial, "reach");

    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        if (!add_words(w, rows[i].kind, json_object_get(denial, rows[i].name), rows[i].place, err))
            return false;
    w->reach = (long)json_integer_value(reach);
    if (w->reach < 1 || w->reach > 100)
        return err_set(err, ERR_CONFIG, "/denial/reach: must be a number of steps from 1 to 100");
    return true;
}

/* A character of three bytes: U+0800 to U+FFFF; 0: another one. */
static uint16_t wide_at(const char *text, size_t len, size_t at)
{
    const uint8_t *c = (const uint8_t *)text + at;

    if (len - at < 3 || (c[0] & 0xF0) != 0xE0 || (c[1] & 0xC0) != 0x80 || (c[2] & 0xC0) != 0x80)
        return 0;
    return (uint16_t)((c[0] & 0x0F) << 12 | (c[1] & 0x3F) << 6 | (c[2] & 0x3F));
}

static bool load_traditional(struct words *w, json_t *source, struct err *err)
{
    const json_t *from = json_object_get(source, "from"), *to = json_object_get(source, "to");
    size_t len = json_string_length(from);

    w->simplified = calloc(UINT16_MAX + 1, sizeof(*w->simplified));
    if (!w->simplified)
        return err_memory(err);
    if (len != json_string_length(to) || len % 3 != 0)
        return err_set(
            err, ERR_CONFIG,
            "/traditional: from and to must have as many characters, each of three bytes");
    for (size_t at = 0; at < len; at += 3) {
        uint16_t key = wide_at(json_string_value(from), len, at);
        uint16_t value = wide_at(json_string_value(to), len, at);

        if (key == 0 || value == 0 || w->simplified[key] != 0)
            return err_set(
                err, ERR_CONFIG,
                "/traditional: character %zu is not one of three bytes, or stands in from "
                "twice",
                at / 3 + 1);
        w->simplified[key] = value;
    }
    return true;
}

void words_normalise(const struct words *w, const char *text, size_t len, char *ret)
{
    memcpy(ret, text, len);
    for (size_t at = 0; at < len; at++) {
        uint16_t c = wide_at(text, len, at), to = w->simplified[c];

        if (to == 0)
            continue;
        ret[at] = (char)(0xE0 | to >> 12);
        ret[at + 1] = (char)(0x80 | (to >> 6 & 0x3F));
        ret[at + 2] = (char)(0x80 | (to & 0x3F));
    }
}

static bool insert(struct words *w, size_t index, struct err *err)
{
    struct word *word = &w->words[index];
    size_t node = 0;

    for (size_t i = 0; i < word->len; i++) {
        uint16_t *way = &w->next[node * w->classes + w->class_of[(uint8_t)word->text[i]]];

        if (*way == 0) {
            if (w->nodes_n == NODES_MAX)
                return err_set(err, ERR_CONFIG, "/lists: too many words");
            *way = (uint16_t)w->nodes_n++;
        }
        node = *way;
    }
    word->next = w->word_at[node];
    w->word_at[node] = (uint16_t)(index + 1);
    return true;
}

static bool build_trie(struct words *w, struct err *err)
{
    size_t bytes = 1;

    w->classes = 1; /* class 0: bytes that no word has */
    for (size_t i = 0; i < w->words_n; i++) {
        bytes += w->words[i].len;
        for (size_t b = 0; b < w->words[i].len; b++) {
            uint8_t *class = &w->class_of[(uint8_t)w->words[i].text[b]];

            if (*class == 0)
                *class = (uint8_t)w->classes++;
        }
    }
    for (size_t c = 'A'; c <= 'Z'; c++)
        w->class_of[c] = w->class_of[lower((uint8_t)c)];
    w->next = calloc(bytes * w->classes, sizeof(*w->next));
    w->word_at = calloc(bytes, sizeof(*w->word_at));
    if (!w->next || !w->word_at)
        return err_memory(err);
    w->nodes_n = 1;
    for (size_t i = w->words_n; i-- > 0;)
        if (!insert(w, i, err))
            return false;
    return true;
}

bool words_load(struct words **ret, json_t *source, struct err *err)
{
    AUTO(auto_words) struct words *w = calloc(1, sizeof(*w));

    if (!w)
        return err_memory(err);
    w->words = calloc(WORDS_MAX, sizeof(*w->words));
    if (!w->words)
        return err_memory(err);
    if (!load_lists(w, json_object_get(source, "lists"), err) ||
        !load_plain(w, json_object_get(source, "plain"), err) ||
        !load_together(w, json_object_get(source, "together"), err) ||
        !load_denial(w, json_object_get(source, "denial"), err) ||
        !load_traditional(w, json_object_get(source, "traditional"), err) || !build_trie(w, err))
        return false;
    *ret = TAKE(w);
    return true;
}

/* --- scanning --- */

#define NONE (-1L)

/* The steps behind the last denials of a clause; NONE. */
struct denials {
    long not_end, nothing_found_end;
};
static const struct denials no_denials = {NONE, NONE};

struct scan {
    const struct words *w;
    const uint8_t *text;
    size_t len;
    struct word_hits *hits;
    struct word_places *places;
    long step;                   /* Chinese characters and Latin words so far */
    struct denials now, outside; /* of this clause; of the one that a bracket stands in */
    bool in_brackets;
    size_t skip_to; /* inside a denial or a "never" word no other begins */
    bool any_in_sentence;
    const char *in_sentence[WORD_IDS_MAX]; /* lists that have a word in this sentence */
};

static bool is_latin(uint8_t c)
{
    c = lower(c);
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
}

static bool is_first_byte(uint8_t c)
{
    return (c & 0xC0) != 0x80;
}

/* A Latin letter's neighbour outside the word must be none. */
static bool is_whole(const struct scan *s, size_t from, size_t to)
{
    bool before = from > 0 && is_latin(s->text[from - 1]) && is_latin(s->text[from]);
    bool after = to < s->len && is_latin(s->text[to]) && is_latin(s->text[to - 1]);

    return !before && !after;
}

/* The steps that the bytes from … to are. */
static long steps_between(const struct scan *s, size_t from, size_t to)
{
    long steps = 0;

    for (size_t i = from; i < to; i++)
        if (is_latin(s->text[i]) ? i == from || !is_latin(s->text[i - 1])
                                 : s->text[i] >= 0x80 && is_first_byte(s->text[i]))
            steps++;
    return steps;
}

/* A full-width mark: EF BC or E3 80, and a last byte. "、" is none: "未发现篡改、泄露" denies both. */
static enum words_stop wide_stop_at(const uint8_t *c)
{
    if (c[0] == 0xE3 && c[1] == 0x80) {
        switch (c[2]) {
        case 0x82: /* 。 */
            return STOP_SENTENCE;
        case 0x90: /* 【 */
            return STOP_OPEN;
        case 0x91: /* 】 */
            return STOP_CLOSE;
        default:
            return STOP_NONE;
        }
    }
    if (c[0] != 0xEF || c[1] != 0xBC)
        return STOP_NONE;
    switch (c[2]) {
    case 0x81: /* ! */
    case 0x9B: /* ; */
    case 0x9F: /* ? */
        return STOP_SENTENCE;
    case 0x88: /* ( */
        return STOP_OPEN;
    case 0x89: /* ) */
        return STOP_CLOSE;
    case 0x8C: /* , */
    case 0x9A: /* : */
        return STOP_CLAUSE;
    default:
        return STOP_NONE;
    }
}

/* Is there a mark that ends a clause or a sentence, or a bracket? "1,000", "15:23" and "setup.exe" have none. */
enum words_stop words_stop_at(const char *text, size_t len, size_t i, size_t *ret_len)
{
    const uint8_t *bytes = (const uint8_t *)text;
    bool inside = i + 1 < len && is_latin(bytes[i + 1]);

    *ret_len = 1;
    switch (bytes[i]) {
    case '\n':
    case '!':
    case '?':
    case ';':
        return STOP_SENTENCE;
    case '(':
    case '[':
        return STOP_OPEN;
    case ')':
    case ']':
        return STOP_CLOSE;
    case '.':
        return inside ? STOP_NONE : STOP_SENTENCE;
    case ',':
    case ':':
        return inside ? STOP_NONE : STOP_CLAUSE;
    case 0xE3:
    case 0xEF:
        *ret_len = 3;
        return len - i < 3 ? STOP_NONE : wide_stop_at(bytes + i);
    default:
        return STOP_NONE;
    }
}

static enum words_stop stop_at(const struct scan *s, size_t i, size_t *ret_len)
{
    return words_stop_at((const char *)s->text, s->len, i, ret_len);
}

/* An "after" word near behind `from`, in the same clause, also in brackets: "泄露(演练)". */
static bool denied_after(const struct scan *s, size_t from)
{
    const struct words *w = s->w;
    size_t unused;

    for (size_t i = from, left = AFTER_STEPS + 1; i < s->len && left > 0; i++) {
        size_t node = 0;

        if (stop_at(s, i, &unused) >= STOP_CLAUSE)
            return false;
        if (!is_first_byte(s->text[i]))
            continue;
        if (steps_between(s, i, i + 1) > 0)
            left--;
        for (size_t j = i; j < s->len; j++) {
            node = w->next[node * w->classes + w->class_of[s->text[j]]];
            if (node == 0)
                break;
            for (size_t k = w->word_at[node]; k > 0; k = w->words[k - 1].next)
                if (w->words[k - 1].kind == KIND_AFTER && is_whole(s, i, j + 1))
                    return true;
        }
    }
    return false;
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

static void end_sentence(struct scan *s)
{
    const struct words *w = s->w;

    s->in_brackets = false;
    end_clause(s);
    if (!s->any_in_sentence)
        return;
    for (size_t id = w->lists_n; id < w->ids_n; id++) {
        struct word_hit hit = {0};

        for (size_t i = 0; i < w->together_n[id]; i++)
            if (s->in_sentence[w->together[id][i]])
                hit.words[hit.n++] = s->in_sentence[w->together[id][i]];
        if (hit.n == w->together_n[id] && s->hits->hits[id].n == 0)
            s->hits->hits[id] = hit;
    }
    memset(s->in_sentence, 0, sizeof(s->in_sentence));
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
    struct word_hit *to = &s->hits->hits[word->kind];

    if (s->in_sentence[word->kind] && !s->places)
        return;
    if (!s->w->is_plain[word->kind] && (denied_before(s) || denied_after(s, end)))
        return;
    note_place(s->places, word->kind, at);
    if (s->in_sentence[word->kind])
        return;
    s->in_sentence[word->kind] = word->shown;
    s->any_in_sentence = true;
    if (to->n == 0)
        *to = (struct word_hit){.words = {word->shown}, .n = 1};
}

/* Of the denials that begin here the longest counts: "没有发现" is more than "没有". */
static void deny(struct scan *s, const struct word *word, size_t at, size_t end)
{
    long step_behind = s->step + steps_between(s, at, end);

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

/* All words that begin at `at`. */
static void words_at(struct scan *s, size_t at)
{
    const struct words *w = s->w;
    const struct word *denial = NULL;
    size_t node = 0, denial_end = 0;

    for (size_t i = at; i < s->len; i++) {
        node = w->next[node * w->classes + w->class_of[s->text[i]]];
        if (node == 0)
            break;
        for (size_t k = w->word_at[node]; k > 0; k = w->words[k - 1].next) {
            const struct word *word = &w->words[k - 1];

            if (!is_whole(s, at, i + 1))
                continue;
            if (word->kind < WORD_IDS_MAX) {
                hit(s, word, at, i + 1);
            } else if (word->kind != KIND_AFTER) {
                denial = word;
                denial_end = i + 1;
            }
        }
    }
    if (denial && at >= s->skip_to)
        deny(s, denial, at, denial_end);
}

static void step_at(struct scan *s, size_t i)
{
    if (!is_first_byte(s->text[i]))
        return;
    words_at(s, i);
    s->step += is_latin(s->text[i]) ? (i == 0 || !is_latin(s->text[i - 1])) : s->text[i] >= 0x80;
}

void words_scan(const struct words *w, const char *text, size_t len, struct word_hits *hits,
                struct word_places *places)
{
    struct scan s = {.w = w,
                     .text = (const uint8_t *)text,
                     .len = len,
                     .hits = hits,
                     .places = places,
                     .now = no_denials};

    if (places)
        places->n = 0;
    for (size_t i = 0; i < len; i++) {
        size_t stop_len;
        enum words_stop stop = stop_at(&s, i, &stop_len);

        switch (stop) {
        case STOP_SENTENCE:
            end_sentence(&s);
            break;
        case STOP_CLAUSE:
            end_clause(&s);
            break;
        case STOP_OPEN:
            open_brackets(&s);
            break;
        case STOP_CLOSE:
            close_brackets(&s);
            break;
        case STOP_NONE:
            step_at(&s, i);
            break;
        }
        i += stop == STOP_NONE ? 0 : stop_len - 1;
    }
    end_sentence(&s);
}

static bool list_stands(const struct word_places *places, size_t list, size_t from, size_t to)
{
    for (size_t i = 0; i < places->n && places->places[i].at < to; i++)
        if (places->places[i].list == list && places->places[i].at >= from)
            return true;
    return false;
}

bool words_stand(const struct words *w, const struct word_places *places, size_t id, size_t from,
                 size_t to)
{
    for (size_t i = 0; i < w->together_n[id]; i++)
        if (!list_stands(places, w->together[id][i], from, to))
            return false;
    return w->together_n[id] > 0 || list_stands(places, id, from, to);
}
