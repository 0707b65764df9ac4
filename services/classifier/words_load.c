#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "services/classifier/symbol.h"
#include "services/classifier/words_parts.h"

void words_free(struct words *w)
{
    if (!w)
        return;
    free(w->simplified);
    free(w->words);
    trie_done(&w->trie);
    trie_done(&w->after);
    free(w);
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

static bool add_word(struct words *w, uint16_t kind, const json_t *source, const char *place,
                     size_t i, struct err *err)
{
    size_t len = json_string_length(source);
    struct word *word;

    if (len == 0 || len > WORD_MAX_BYTES)
        return err_at(err, "", "must be a word of 1 to %d bytes", WORD_MAX_BYTES) ||
               err_under(err, "%s/%zu", place, i);
    if (strspn(json_string_value(source), "0123456789., ") == len)
        return err_at(err, "", "a number is no word: it stands in every report") ||
               err_under(err, "%s/%zu", place, i);
    if (w->words_n == WORDS_MAX)
        return err_at(err, "", "more than %d words", WORDS_MAX) ||
               err_under(err, "%s/%zu", place, i);
    word = &w->words[w->words_n++];
    word->kind = kind;
    word->len = (uint8_t)len;
    memcpy(word->text, json_string_value(source), len);
    word->steps = (uint8_t)words_steps(word->text, len);
    return true;
}

static bool add_words(struct words *w, uint16_t kind, const json_t *list, const char *place,
                      struct err *err)
{
    const json_t *item;
    size_t i;

    if (json_array_size(list) == 0)
        return err_at(err, "", "must be a list of words") || err_under(err, "%s", place);
    json_array_foreach(list, i, item) if (!add_word(w, kind, item, place, i, err)) return false;
    return true;
}

static bool add_name(struct words *w, const char *name, const char *place, struct err *err)
{
    size_t unused, len = strlen(name);

    if (w->ids_n == WORD_IDS_MAX)
        return err_at(err, "", "more than %d lists and combinations", WORD_IDS_MAX) ||
               err_under(err, "%s", place);
    if (len == 0 || len >= WORDS_NAME_MAX_BYTES || find_name(w, name, w->ids_n, &unused))
        return err_at(err, "", "\"%s\" must be a name that no other has", name) ||
               err_under(err, "%s", place);
    memcpy(w->names[w->ids_n++], name, len + 1);
    return true;
}

static bool load_lists(struct words *w, json_t *lists, struct err *err)
{
    const char *name;
    json_t *list;

    if (json_object_size(lists) == 0)
        return err_at(err, "/lists", "must be an object with lists of words");
    /* The order of a file's members is that of its text, so ids are stable. */
    json_object_foreach(lists, name, list)
    {
        char place[WORDS_NAME_MAX_BYTES + 16];

        snprintf(place, sizeof(place), "/lists/%.*s", WORDS_NAME_MAX_BYTES, name);
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
        return err_at(err, "/plain", "must be a list of lists' names");
    json_array_foreach(plain, i, item)
    {
        if (!json_is_string(item) || !find_name(w, json_string_value(item), w->lists_n, &id))
            return err_at(err, "", "must be the name of a list") || err_under(err, "/plain/%zu", i);
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
        return err_at(err, "/together", "must be an object with lists of lists' names");
    json_object_foreach(together, name, parts)
    {
        if (!add_name(w, name, "/together", err))
            return false;
        word_set_add(&w->combinations, w->ids_n - 1);
        if (json_array_size(parts) < 2 || json_array_size(parts) > WORD_TOGETHER_MAX)
            return err_at(err, "", "must name 2 to %d lists", WORD_TOGETHER_MAX) ||
                   err_under(err, "/together/%s", name);
        json_array_foreach(parts, i, part)
        {
            if (!json_is_string(part) || !find_name(w, json_string_value(part), w->lists_n, &list))
                return err_at(err, "", "must be the name of a list") ||
                       err_under(err, "/together/%s/%zu", name, i);
            w->together[w->ids_n - 1][i] = (uint16_t)list;
            word_set_add(&w->together_of[w->ids_n - 1], list);
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
        return err_at(err, "/denial/reach", "must be a number of steps from 1 to 100");
    return true;
}

/* A character of three bytes; 0: another one. */
static uint16_t wide_at(const char *text, size_t len, size_t at)
{
    uint16_t symbol;

    return symbol_at(text, len, at, &symbol) == 3 ? symbol : 0;
}

static bool load_traditional(struct words *w, json_t *source, struct err *err)
{
    const json_t *from = json_object_get(source, "from"), *to = json_object_get(source, "to");
    size_t len = json_string_length(from);

    w->simplified = calloc(UINT16_MAX + 1, sizeof(*w->simplified));
    if (!w->simplified)
        return err_memory(err);
    if (len != json_string_length(to) || len % 3 != 0)
        return err_at(err, "/traditional",
                      "from and to must have as many characters, each of three bytes");
    for (size_t at = 0; at < len; at += 3) {
        uint16_t key = wide_at(json_string_value(from), len, at);
        uint16_t value = wide_at(json_string_value(to), len, at);

        if (key == 0 || value == 0 || w->simplified[key] != 0)
            return err_at(err, "/traditional",
                          "character %zu is not one of three bytes, or stands in from twice",
                          at / 3 + 1);
        w->simplified[key] = value;
    }
    return true;
}

/* In front of the words with the same text: so they stand in the lists' order when they are added backwards. */
static bool insert(struct words *w, size_t index, struct err *err)
{
    struct word *word = &w->words[index];
    struct trie *trie = word->kind == KIND_AFTER ? &w->after : &w->trie;
    uint16_t *first = trie_add(trie, word->text, word->len, err);

    if (!first)
        return err_under(err, "/lists");
    word->next = *first;
    *first = (uint16_t)(index + 1);
    return true;
}

static bool build_tries(struct words *w, struct err *err)
{
    if (!trie_init(&w->trie, err) || !trie_init(&w->after, err))
        return false;
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
        !load_traditional(w, json_object_get(source, "traditional"), err) || !build_tries(w, err))
        return false;
    *ret = TAKE(w);
    return true;
}
