#include "services/classifier/units.h"

#include <string.h>

#include "services/classifier/spot.h"

bool units_find(const struct units *u, const char *name, size_t *ret)
{
    for (size_t i = 0; name && i < u->names_n; i++)
        if (strcmp(u->names[i], name) == 0) {
            *ret = i;
            return true;
        }
    return false;
}

/* --- loading --- */

static bool read_factor(const json_t *value, double *ret_least, double *ret_most)
{
    const json_t *least = json_array_get(value, 0), *most = json_array_get(value, 1);

    if (json_is_number(value))
        least = most = value;
    *ret_least = json_number_value(least);
    *ret_most = json_number_value(most);
    return *ret_least > 0 && *ret_least <= *ret_most;
}

static bool add_word(struct units *u, const char *text, size_t unit, enum unit_place place,
                     const json_t *factor, struct err *err)
{
    struct unit_word *word = &u->words[u->words_n];

    if (u->words_n == UNIT_WORDS_MAX || !*text)
        return err_at(err, "", "more than %d words, or an empty one", UNIT_WORDS_MAX);
    *word = (struct unit_word){.text = text,
                               .len = strlen(text),
                               .unit = unit,
                               .place = place,
                               .at_least = 1,
                               .at_most = 1};
    if (factor && !read_factor(factor, &word->at_least, &word->at_most))
        return err_at(
            err, "",
            "\"%s\" must be a number above 0, or a list of the least and the most that it may be",
            text);
    u->words_n++;
    return true;
}

static bool load_units(struct units *u, json_t *units, struct err *err)
{
    const char *name, *text;
    json_t *words, *factor;

    json_object_foreach(units, name, words)
    {
        if (u->names_n == UNITS_MAX || json_object_size(words) == 0)
            return err_at(err, "", "must be an object of words; at most %d units", UNITS_MAX) ||
                   err_under(err, "/units/%s", name);
        u->names[u->names_n++] = name;
        json_object_foreach(words, text,
                            factor) if (!add_word(u, text, u->names_n - 1, UNIT_BEHIND, factor,
                                                  err)) return err_under(err, "/units/%s", name);
    }
    return u->names_n > 0 || err_at(err, "/units", "must be an object of units");
}

/* Words of units that do not stand right behind the number. */
static bool load_places(struct units *u, json_t *source, const char *member, enum unit_place place,
                        struct err *err)
{
    const char *name, *text;
    json_t *words, *item;
    size_t unit, i;

    json_object_foreach(json_object_get(source, member), name, words)
    {
        if (!units_find(u, name, &unit))
            return err_at(err, "", "is none of the units") ||
                   err_under(err, "/%s/%s", member, name);
        if (!json_is_array(words) && !json_is_object(words))
            return err_at(err, "", "must be words") || err_under(err, "/%s/%s", member, name);
        json_array_foreach(
            words, i,
            item) if (!add_word(u, json_is_string(item) ? json_string_value(item) : "", unit, place,
                                NULL, err)) return err_under(err, "/%s/%s/%zu", member, name, i);
        json_object_foreach(words, text, item) if (!add_word(u, text, unit, place, item,
                                                             err)) return err_under(err, "/%s/%s",
                                                                                    member, name);
    }
    return true;
}

/* The byte beside the number, in which most words differ: of a wide character the last one. */
static size_t edge_byte(const char *text, size_t len, size_t at, enum unit_place place)
{
    size_t i = place == UNIT_BEHIND ? at : at - 1;

    if (place == UNIT_BEHIND && ((unsigned char)text[at] & 0xF0) == 0xE0 && len - at >= 3)
        i += 2;
    return (unsigned char)ascii_lower(text[i]);
}

static size_t edge_of(const struct unit_word *word)
{
    return edge_byte(word->text, word->len, word->place == UNIT_BEHIND ? 0 : word->len,
                     word->place);
}

static bool stands_before(const struct unit_word *a, const struct unit_word *b)
{
    if (a->place != b->place)
        return a->place < b->place;
    if (edge_of(a) != edge_of(b))
        return edge_of(a) < edge_of(b);
    return a->len > b->len;
}

/* Words that are equal in all of this keep the order of their source. */
static void sort_words(struct units *u)
{
    size_t next = 0;

    for (size_t i = 1; i < u->words_n; i++) {
        struct unit_word word = u->words[i];
        size_t to = i;

        for (; to > 0 && stands_before(&word, &u->words[to - 1]); to--)
            u->words[to] = u->words[to - 1];
        u->words[to] = word;
    }
    for (size_t place = 0; place < UNIT_PLACES; place++)
        for (size_t byte = 0; byte <= 256; byte++) {
            u->from[place][byte] = (uint16_t)next;
            while (next < u->words_n && u->words[next].place == place &&
                   edge_of(&u->words[next]) == byte)
                next++;
        }
}

static bool load_digits(struct units *u, json_t *digits, struct err *err)
{
    const char *name;
    json_t *most;
    size_t unit;

    for (size_t i = 0; i < u->names_n; i++)
        u->digits_max[i] = SIZE_MAX;
    json_object_foreach(digits, name, most)
    {
        if (!units_find(u, name, &unit) || json_integer_value(most) < 1)
            return err_at(err, "", "must be one of the units, and a number of digits") ||
                   err_under(err, "/digits/%s", name);
        u->digits_max[unit] = (size_t)json_integer_value(most);
    }
    return true;
}

bool units_load(struct units *ret, json_t *source, struct err *err)
{
    *ret = (struct units){0};
    if (!load_units(ret, json_object_get(source, "units"), err) ||
        !load_places(ret, source, "nouns", UNIT_NOUN, err) ||
        !load_places(ret, source, "before", UNIT_BEFORE, err) ||
        !load_digits(ret, json_object_get(source, "digits"), err))
        return false;
    sort_words(ret);
    if (!units_find(ret, "minutes", &ret->minutes))
        ret->minutes = UNITS_MAX;
    return true;
}

/* --- looking --- */

const struct unit_word *units_at(const struct units *u, const char *text, size_t len, size_t at,
                                 enum unit_place place)
{
    size_t byte;

    if (place == UNIT_BEHIND ? at >= len : at == 0)
        return NULL;
    byte = edge_byte(text, len, at, place);
    for (size_t i = u->from[place][byte]; i < u->from[place][byte + 1]; i++) {
        const struct unit_word *word = &u->words[i];

        if (place == UNIT_BEHIND ? spot_begins(text, len, at, word->text, word->len)
                                 : spot_ends(text, len, at, word->text, word->len))
            return word;
    }
    return NULL;
}
