#include "services/classifier/figures.h"

#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "services/classifier/quantity.h"

#define UNIT_WORDS_MAX 320
#define UNITS_MAX      16
#define LISTS_MAX      16  /* word lists that a figure names */
#define NUMBERS_MAX    32  /* of one text */
#define BARE_STEPS     3   /* what a clause may say beside its number and still be bare */
#define LOOKS_MAX      128 /* numbers that are looked at, whether they count something or not */
#define NOUN_STEPS     6 /* between a number and a noun that counts: "600万个注册邮箱账号" */

enum place { PLACE_BEHIND, PLACE_NOUN, PLACE_BEFORE };

struct unit_word { /* "小时": 60 of minutes */
    const char *text;
    size_t len, unit;
    double at_least, at_most;
    enum place place;
};

struct rule {
    const char *name;
    size_t unit;
    uint16_t of[LISTS_MAX], not_of[LISTS_MAX], void_by[LISTS_MAX];
    size_t of_n, not_of_n, void_by_n;
    double least;
    bool is_bare, is_far;
    size_t unless; /* the figure that a number is rather; FIGURES_MAX: none */
};

struct figures {
    const struct words *words;
    const char *units[UNITS_MAX];
    size_t units_n;
    struct unit_word unit_words[UNIT_WORDS_MAX];
    size_t unit_words_n;
    struct rule rules[FIGURES_MAX];
    size_t rules_n;
    size_t minutes; /* the unit of what the clock tells; UNITS_MAX: none */
};

void figures_free(struct figures *f)
{
    free(f);
}

size_t figures_count(const struct figures *f)
{
    return f->rules_n;
}

const char *figures_name(const struct figures *f, size_t id)
{
    return id < f->rules_n ? f->rules[id].name : NULL;
}

bool figures_find(const struct figures *f, const char *name, size_t *ret_id)
{
    for (size_t i = 0; i < f->rules_n; i++)
        if (strcmp(f->rules[i].name, name) == 0) {
            *ret_id = i;
            return true;
        }
    return false;
}

/* --- loading --- */

static bool find_unit(const struct figures *f, const char *name, size_t *ret)
{
    for (size_t i = 0; name && i < f->units_n; i++)
        if (strcmp(f->units[i], name) == 0) {
            *ret = i;
            return true;
        }
    return false;
}

static bool read_factor(const json_t *value, double *ret_least, double *ret_most)
{
    const json_t *least = json_array_get(value, 0), *most = json_array_get(value, 1);

    if (json_is_number(value))
        least = most = value;
    *ret_least = json_number_value(least);
    *ret_most = json_number_value(most);
    return *ret_least > 0 && *ret_least <= *ret_most;
}

static bool add_unit_word(struct figures *f, const char *text, size_t unit, enum place place,
                          const json_t *factor, struct err *err)
{
    struct unit_word *word = &f->unit_words[f->unit_words_n];

    if (f->unit_words_n == UNIT_WORDS_MAX || !*text)
        return err_set(err, ERR_CONFIG, "more than %d words, or an empty one", UNIT_WORDS_MAX);
    *word = (struct unit_word){.text = text,
                               .len = strlen(text),
                               .unit = unit,
                               .place = place,
                               .at_least = 1,
                               .at_most = 1};
    if (factor && !read_factor(factor, &word->at_least, &word->at_most))
        return err_set(err, ERR_CONFIG,
                       "\"%s\" must be a number above 0, or a list of the least and the most that "
                       "it may be",
                       text);
    f->unit_words_n++;
    return true;
}

static bool load_units(struct figures *f, json_t *units, struct err *err)
{
    const char *name, *text;
    json_t *words, *factor;

    json_object_foreach(units, name, words)
    {
        if (f->units_n == UNITS_MAX || json_object_size(words) == 0)
            return err_set(err, ERR_CONFIG,
                           "/units/%s: must be an object of words; at most %d units", name,
                           UNITS_MAX);
        f->units[f->units_n++] = name;
        json_object_foreach(
            words, text, factor) if (!add_unit_word(f, text, f->units_n - 1, PLACE_BEHIND, factor,
                                                    err)) return err_wrap(err, "/units/%s", name);
    }
    return f->units_n > 0 || err_set(err, ERR_CONFIG, "/units: must be an object of units");
}

/* Words of units that do not stand right behind the number. */
static bool load_places(struct figures *f, json_t *source, const char *member, enum place place,
                        struct err *err)
{
    const char *name, *text;
    json_t *words, *item;
    size_t unit, i;

    json_object_foreach(json_object_get(source, member), name, words)
    {
        if (!find_unit(f, name, &unit))
            return err_set(err, ERR_CONFIG, "/%s/%s: is none of the units", member, name);
        if (!json_is_array(words) && !json_is_object(words))
            return err_set(err, ERR_CONFIG, "/%s/%s: must be words", member, name);
        json_array_foreach(
            words, i,
            item) if (!add_unit_word(f, json_is_string(item) ? json_string_value(item) : "", unit,
                                     place, NULL, err)) return err_wrap(err, "/%s/%s/%zu", member,
                                                                        name, i);
        json_object_foreach(words, text,
                            item) if (!add_unit_word(f, text, unit, place, item,
                                                     err)) return err_wrap(err, "/%s/%s", member,
                                                                           name);
    }
    return true;
}

static bool load_lists(const struct figures *f, json_t *rule, const char *member, uint16_t *ret,
                       size_t *ret_n, struct err *err)
{
    json_t *lists = json_object_get(rule, member), *item;
    size_t i, id;

    if ((lists && !json_is_array(lists)) || json_array_size(lists) > LISTS_MAX)
        return err_set(err, ERR_CONFIG, "/%s must be a list of at most %d word lists", member,
                       LISTS_MAX);
    json_array_foreach(lists, i, item)
    {
        if (!json_is_string(item) || !words_find(f->words, json_string_value(item), &id))
            return err_set(err, ERR_CONFIG, "/%s/%zu: words.json has no such list", member, i);
        ret[(*ret_n)++] = (uint16_t)id;
    }
    return true;
}

static bool json_is_number_value(const json_t *value)
{
    return json_is_number(value);
}

static bool json_is_truth(const json_t *value)
{
    return json_is_boolean(value);
}

static bool has_type(const json_t *object, const char *name, bool (*is)(const json_t *value))
{
    const json_t *value = json_object_get(object, name);

    return !value || is(value);
}

static bool load_rule(struct figures *f, const char *name, json_t *source, struct err *err)
{
    static const char *const members[] = {"unit",  "of",   "not", "void",
                                          "least", "bare", "far", "unless"};
    struct rule *rule = &f->rules[f->rules_n];
    const json_t *unless = json_object_get(source, "unless");
    const char *member;
    json_t *value;

    if (f->rules_n == FIGURES_MAX)
        return err_set(err, ERR_CONFIG, "more than %d figures", FIGURES_MAX);
    json_object_foreach(source, member, value)
    {
        bool known = false;

        for (size_t i = 0; i < ARRAY_LEN(members); i++)
            known = known || strcmp(member, members[i]) == 0;
        if (!known)
            return err_set(err, ERR_CONFIG,
                           "/%s: no such member; legal are unit, of, not, void, least, "
                           "bare, far, unless",
                           member);
    }
    if (!has_type(source, "least", json_is_number_value) ||
        !has_type(source, "bare", json_is_truth) || !has_type(source, "far", json_is_truth))
        return err_set(err, ERR_CONFIG,
                       "/least must be a number, /bare and /far must be true or false");
    rule->name = name;
    rule->least = json_number_value(json_object_get(source, "least"));
    rule->is_bare = json_is_true(json_object_get(source, "bare"));
    rule->is_far = json_is_true(json_object_get(source, "far"));
    if (!find_unit(f, json_string_value(json_object_get(source, "unit")), &rule->unit))
        return err_set(err, ERR_CONFIG, "/unit: must be one of the units");
    if (!load_lists(f, source, "of", rule->of, &rule->of_n, err) ||
        !load_lists(f, source, "not", rule->not_of, &rule->not_of_n, err) ||
        !load_lists(f, source, "void", rule->void_by, &rule->void_by_n, err))
        return false;
    rule->unless = FIGURES_MAX;
    if (unless &&
        (!json_is_string(unless) || !figures_find(f, json_string_value(unless), &rule->unless)))
        return err_set(err, ERR_CONFIG, "/unless: must be a figure that stands before this one");
    if (rule->of_n == 0)
        return err_set(err, ERR_CONFIG, "/of: must name the word lists that tell of it");
    f->rules_n++;
    return true;
}

bool figures_load(struct figures **ret, const struct words *words, json_t *source, struct err *err)
{
    AUTO(auto_figures) struct figures *f = calloc(1, sizeof(*f));
    const char *name;
    json_t *rule;

    if (!f)
        return err_memory(err);
    f->words = words;
    if (!load_units(f, json_object_get(source, "units"), err) ||
        !load_places(f, source, "nouns", PLACE_NOUN, err) ||
        !load_places(f, source, "before", PLACE_BEFORE, err))
        return false;
    json_object_foreach(
        json_object_get(source, "figures"), name,
        rule) if (!load_rule(f, name, rule, err)) return err_wrap(err, "/figures/%s", name);
    if (!find_unit(f, "minutes", &f->minutes))
        f->minutes = UNITS_MAX;
    *ret = TAKE(f);
    return true;
}

/* --- numbers with their units --- */

struct number {
    double at_least, at_most;
    size_t unit;
    size_t from, to; /* the number with its unit */
    size_t clause_from, clause_to, sentence_from, sentence_to;
    size_t clause_before; /* of the same sentence; clause_from: there is none */
};

struct scan {
    const struct figures *f;
    const char *text;
    size_t len;
    const struct word_places *places;
    struct number numbers[NUMBERS_MAX];
    size_t numbers_n;
    size_t clause_from, clause_before, sentence_from;
    size_t looks;
    bool has_unread; /* there are numbers that were not read, or not understood */
    long since_min;  /* the clock as it was told last; -1: not yet */
    long first_min;  /* as it was told first */
    bool has_day;    /* a day was named since */
    size_t day_from; /* looked at up to here */
};

static char lower(char c)
{
    return c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
}

static bool is_latin(char c)
{
    c = lower(c);
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
}

static bool is_letter(char c)
{
    c = lower(c);
    return c >= 'a' && c <= 'z';
}

static bool stands_at(const struct scan *s, size_t at, const char *word, size_t n)
{
    if (n > s->len - at)
        return false;
    for (size_t i = 0; i < n; i++)
        if (lower(s->text[at + i]) != lower(word[i]))
            return false;
    return !is_letter(word[n - 1]) || at + n == s->len || !is_letter(s->text[at + n]);
}

static bool ends_at(const struct scan *s, size_t at, const char *word, size_t n)
{
    return n <= at && stands_at(s, at - n, word, n) &&
           (!is_letter(word[0]) || at == n || !is_letter(s->text[at - n - 1]));
}

static size_t skip_blanks(const struct scan *s, size_t at)
{
    while (at < s->len && s->text[at] == ' ')
        at++;
    return at;
}

static size_t skip_back(const struct scan *s, size_t at)
{
    while (at > 0 && s->text[at - 1] == ' ')
        at--;
    return at;
}

/* The byte of a word that is next to its number: most words differ in it. */
static char edge_of(const struct unit_word *word)
{
    return word->text[word->place == PLACE_BEHIND ? 0 : word->len - 1];
}

static const struct unit_word *longest_at(const struct scan *s, size_t at, enum place place)
{
    const struct unit_word *ret = NULL;
    char edge;

    if (place == PLACE_BEHIND ? at >= s->len : at == 0)
        return NULL;
    edge = lower(s->text[place == PLACE_BEHIND ? at : at - 1]);

    for (size_t i = 0; i < s->f->unit_words_n; i++) {
        const struct unit_word *word = &s->f->unit_words[i];

        if (word->place != place || (ret && word->len <= ret->len) || lower(edge_of(word)) != edge)
            continue;
        if (place == PLACE_BEHIND ? stands_at(s, at, word->text, word->len)
                                  : ends_at(s, at, word->text, word->len))
            ret = word;
    }
    return ret;
}

/* One character or one Latin word on; the end of the text or a mark: no further. */
static bool step_on(const struct scan *s, size_t *at)
{
    size_t unused, i = *at;

    if (i >= s->len || words_stop_at(s->text, s->len, i, &unused) != STOP_NONE)
        return false;
    if (is_latin(s->text[i]))
        while (i < s->len && is_latin(s->text[i]))
            i++;
    else
        do
            i++;
        while (i < s->len && ((unsigned char)s->text[i] & 0xC0) == 0x80);
    *at = skip_blanks(s, i);
    return true;
}

static bool is_number(const struct scan *s, size_t at)
{
    struct quantity unused;

    return quantity_read(s->text, s->len, at, &unused);
}

/* "600万个注册邮箱账号", "12,000 customer records": the noun that is counted stands a little behind. */
static const struct unit_word *noun_behind(struct scan *s, size_t *at)
{
    size_t i = *at;
    bool is_counted = is_letter(i < s->len ? s->text[i] : ' ') || stands_at(s, i, "个", 3);

    for (int steps = 0; is_counted && steps <= NOUN_STEPS; steps++) {
        const struct unit_word *word = longest_at(s, i, PLACE_BEHIND);

        if (word && word->unit != s->f->minutes) {
            *at = i + word->len;
            return word;
        }
        if (word || (steps > 0 && is_number(s, i))) {
            s->has_unread = true; /* "one hundred and fifty thousand", "120个营业厅停电3小时" */
            return NULL;
        }
        if (!step_on(s, &i))
            return NULL;
    }
    return NULL;
}

/* Nothing behind the number that it could count: "影响客户800多万,", "手机号210万个". */
static bool stands_alone(const struct scan *s, size_t at)
{
    size_t unused;

    if (stands_at(s, at, "个", 3))
        at += 3;
    at = skip_blanks(s, at);
    return at >= s->len || words_stop_at(s->text, s->len, at, &unused) != STOP_NONE;
}

/* The word that says what is counted; *at moves behind it when it stands there. */
static const struct unit_word *unit_of(struct scan *s, size_t from, size_t *at)
{
    size_t behind = skip_blanks(s, *at);
    const struct unit_word *word = longest_at(s, behind, PLACE_BEHIND);

    if (!word && stands_at(s, behind, "个", 3))
        word = longest_at(s, behind + 3, PLACE_BEHIND);
    if (word) {
        while (!stands_at(s, behind, word->text, word->len))
            behind++;
        *at = behind + word->len;
        return word;
    }
    word = longest_at(s, skip_back(s, from), PLACE_BEFORE);
    if (!word)
        word = noun_behind(s, &behind);
    if (word && word->place == PLACE_BEHIND)
        *at = behind;
    if (!word && stands_alone(s, *at))
        word = longest_at(s, skip_back(s, from), PLACE_NOUN);
    return word;
}

static void add_number(struct scan *s, const struct number *number)
{
    struct number *last = s->numbers_n > 0 ? &s->numbers[s->numbers_n - 1] : NULL;

    /* "2小时30分钟" */
    if (last && last->unit == number->unit && number->unit == s->f->minutes &&
        skip_blanks(s, last->to) == number->from && number->at_most < last->at_least) {
        last->at_least += number->at_least;
        last->at_most += number->at_most;
        last->to = number->to;
        return;
    }
    if (s->numbers_n == NUMBERS_MAX) {
        s->has_unread = true;
        return;
    }
    s->numbers[s->numbers_n] = *number;
    s->numbers[s->numbers_n].clause_from = s->clause_from;
    s->numbers[s->numbers_n].clause_before = s->clause_before;
    s->numbers[s->numbers_n++].sentence_from = s->sentence_from;
}

/* "2 345 678", "1，234，567": the digits before it belong to it. */
static bool is_rest_of_number(const struct scan *s, size_t at)
{
    size_t before = at;

    if (s->text[at] < '0' || s->text[at] > '9')
        return false;
    if (before >= 3 && memcmp(s->text + before - 3, "\xEF\xBC\x8C", 3) == 0)
        before -= 3;
    else if (before > 0 && strchr(" ,-", s->text[before - 1]))
        before--;
    return before < at && before > 0 && s->text[before - 1] >= '0' && s->text[before - 1] <= '9';
}

/* Takes the number at `at`; returns where to go on, `at` when there is none. */
static size_t take_number(struct scan *s, size_t at)
{
    struct quantity q;
    const struct unit_word *word;

    if (!quantity_read(s->text, s->len, at, &q))
        return at;
    if (++s->looks > LOOKS_MAX || is_rest_of_number(s, at)) {
        s->has_unread = true;
        return q.end;
    }
    word = unit_of(s, at, &q.end);
    if (!word)
        return q.end;
    quantity_read_after(s->text, s->len, &q);
    add_number(s, &(struct number){.at_least = q.at_least * word->at_least,
                                   .at_most = q.at_most * word->at_most,
                                   .unit = word->unit,
                                   .from = at,
                                   .to = q.end});
    return q.end;
}

/* --- the clock --- */

static size_t read_digits(const struct scan *s, size_t at, long *ret)
{
    size_t i = at;

    for (*ret = 0; i < s->len && i < at + 2 && s->text[i] >= '0' && s->text[i] <= '9'; i++)
        *ret = *ret * 10 + (s->text[i] - '0');
    return i;
}

static bool is_afternoon(const struct scan *s, size_t at, size_t end)
{
    static const char *const words[] = {"下午", "晚上", "晚间", "傍晚", "当晚", "夜里"};

    for (size_t i = 0; i < ARRAY_LEN(words); i++)
        if (ends_at(s, at, words[i], strlen(words[i])))
            return true;
    return stands_at(s, skip_blanks(s, end), "pm", 2) ||
           stands_at(s, skip_blanks(s, end), "p.m.", 4);
}

/* "14:07", "14时07分", "9点半": behind it, or `at` when it is none. */
static size_t read_clock(const struct scan *s, size_t at, long *ret_min)
{
    static const char *const marks[] = {":", "\xEF\xBC\x9A", "时", "点"};
    long hours, minutes = 0;
    size_t i = read_digits(s, at, &hours), end;

    if (i == at || hours > 24 || (at > 0 && is_latin(s->text[at - 1])))
        return at;
    for (size_t m = 0; m < ARRAY_LEN(marks); m++) {
        if (!stands_at(s, i, marks[m], strlen(marks[m])))
            continue;
        i += strlen(marks[m]);
        end = read_digits(s, i, &minutes);
        if (m < 2 && end != i + 2)
            return at;
        if (stands_at(s, end, "分", 3) && !stands_at(s, end, "分钟", 6))
            end += 3;
        if (end == i && stands_at(s, i, "半", 3)) {
            minutes = 30;
            end += 3;
        }
        hours += hours < 12 && is_afternoon(s, at, end) ? 12 : 0;
        *ret_min = hours * 60 + minutes;
        return end;
    }
    return at;
}

/* "到22:00才全部恢复", "16:50恢复" */
static bool is_until(const struct scan *s, size_t from, size_t to)
{
    static const char *const until[] = {"到", "至", "-", "~", "—", "–", "until", "till", "to"};
    static const char *const halves[] = {"上午", "中午", "下午", "晚上", "晚间", "傍晚",
                                         "凌晨", "当晚", "次日", "当日", "当天"};
    size_t at = skip_back(s, from);

    for (size_t i = 0; i < ARRAY_LEN(halves); i++)
        if (ends_at(s, at, halves[i], strlen(halves[i])))
            at = skip_back(s, at - strlen(halves[i]));
    for (size_t i = 0; i < ARRAY_LEN(until); i++)
        if (ends_at(s, at, until[i], strlen(until[i])))
            return true;
    for (int steps = 0; steps < NOUN_STEPS; steps++) {
        if (stands_at(s, to, "恢复", 6))
            return true;
        if (!step_on(s, &to))
            return false;
    }
    return false;
}

/* Between two clocks: then they are not of one day. */
static bool names_day(const struct scan *s, size_t from, size_t to)
{
    static const char *const words[] = {"日",   "号",        "第二天", "隔天",    "翌",
                                        "次",   "天后",      "明",     "今早",    "今晨",
                                        "next", "following", "day",    "morning", "later"};

    for (size_t at = from; at < to; at++)
        for (size_t i = 0; i < ARRAY_LEN(words); i++)
            if (stands_at(s, at, words[i], strlen(words[i])))
                return true;
    return false;
}

static size_t take_clock(struct scan *s, size_t at)
{
    long now_min;
    size_t end = read_clock(s, at, &now_min);

    if (end == at)
        return at;
    if (++s->looks > LOOKS_MAX) {
        s->has_unread = true;
        return end;
    }
    if (s->since_min >= 0 && s->f->minutes < UNITS_MAX && is_until(s, at, end)) {
        double least = (double)((now_min - s->since_min + 2880) % 1440);
        double most = (double)((now_min - s->first_min + 2880) % 1440);

        s->has_day = s->has_day || names_day(s, s->day_from, at);
        s->day_from = at;
        if (s->has_day)
            most = HUGE_VAL;
        add_number(s, &(struct number){.at_least = least,
                                       .at_most = most > least ? most : least,
                                       .unit = s->f->minutes,
                                       .from = at,
                                       .to = end});
    }
    if (s->since_min < 0) {
        s->first_min = now_min;
        s->day_from = end;
    }
    s->since_min = now_min;
    return end;
}

/* --- the text --- */

static void end_clause(struct scan *s, size_t at, size_t mark_len, bool ends_sentence)
{
    for (size_t i = s->numbers_n; i-- > 0 && s->numbers[i].sentence_to == 0;) {
        if (s->numbers[i].clause_to == 0)
            s->numbers[i].clause_to = at;
        if (ends_sentence)
            s->numbers[i].sentence_to = at;
    }
    s->clause_before = ends_sentence ? at + mark_len : s->clause_from;
    s->clause_from = at + mark_len;
    if (ends_sentence)
        s->sentence_from = at + mark_len;
}

static void find_numbers(struct scan *s)
{
    for (size_t i = 0, next; i < s->len; i = next) {
        size_t stop_len;
        enum words_stop stop = words_stop_at(s->text, s->len, i, &stop_len);

        next = i + stop_len;
        if (stop != STOP_NONE) {
            end_clause(s, i, stop_len, stop == STOP_SENTENCE);
            continue;
        }
        next = i + 1;
        if (((unsigned char)s->text[i] & 0xC0) == 0x80 ||
            (i > 0 && is_letter(s->text[i]) && is_latin(s->text[i - 1])))
            continue;
        next = s->text[i] >= '0' && s->text[i] <= '9' ? take_clock(s, i) : i;
        if (next == i)
            next = take_number(s, i);
        if (next == i)
            next = i + 1;
    }
    end_clause(s, s->len, 0, true);
}

/* --- which figure a number is --- */

enum told { TOLD_NOT, TOLD_BY_TEXT, TOLD_BY_SENTENCE, TOLD_BY_CLAUSE };

static bool any_stands(const struct scan *s, const uint16_t *lists, size_t n, size_t from,
                       size_t to)
{
    for (size_t i = 0; i < n; i++)
        if (words_stand(s->f->words, s->places, lists[i], from, to))
            return true;
    return false;
}

static bool says_nothing_else(const struct scan *s, const struct number *n)
{
    size_t at = n->clause_from;
    int steps = 0;

    while (at < n->clause_to) {
        if (at >= n->from && at < n->to) {
            at = n->to;
            continue;
        }
        if (!step_on(s, &at))
            break;
        steps++;
    }
    return steps <= BARE_STEPS;
}

static enum told told_of(const struct scan *s, const struct number *n, const struct rule *rule)
{
    bool is_bare;
    size_t from;

    if (n->unit != rule->unit || n->at_most < rule->least)
        return TOLD_NOT;
    /* "转出两笔,共265万元": a bare clause belongs to the one before it. */
    is_bare = says_nothing_else(s, n);
    from = is_bare ? n->clause_before : n->clause_from;
    if (any_stands(s, rule->not_of, rule->not_of_n, from, n->clause_to) ||
        any_stands(s, rule->void_by, rule->void_by_n, n->sentence_from, n->sentence_to))
        return TOLD_NOT;
    if (any_stands(s, rule->of, rule->of_n, from, n->clause_to))
        return TOLD_BY_CLAUSE;
    if (rule->is_bare && !is_bare)
        return TOLD_NOT;
    if (any_stands(s, rule->of, rule->of_n, n->sentence_from, n->sentence_to))
        return TOLD_BY_SENTENCE;
    return rule->is_far && any_stands(s, rule->of, rule->of_n, 0, s->len) ? TOLD_BY_TEXT : TOLD_NOT;
}

/* The greatest is proven; what they may be together is not ruled out. */
static void tell(struct figure *to, const struct number *n)
{
    if (!to->is_told || n->at_least > to->at_least)
        to->at_least = n->at_least;
    to->at_most = to->is_told ? to->at_most + n->at_most : n->at_most;
    to->is_told = true;
}

/* A number of the unit that another place in the text explains better: it may be this figure all the same. */
static void leave_open(struct figure *to, const struct number *n)
{
    if (to->is_told && n->at_most > to->at_most)
        to->at_most = n->at_most;
}

/* A number is that figure of which it says so nearest by; a figure has those numbers which say so nearest by in their sentence. */
static bool is_nearest(const struct scan *s, enum told told[NUMBERS_MAX][FIGURES_MAX], size_t n,
                       size_t r)
{
    size_t unless = s->f->rules[r].unless;

    if (unless < FIGURES_MAX && told[n][unless] != TOLD_NOT && told[n][unless] >= told[n][r])
        return false;
    for (size_t other = 0; other < s->f->rules_n; other++)
        if (told[n][other] > told[n][r])
            return false;
    for (size_t other = 0; other < s->numbers_n; other++)
        if (told[other][r] > told[n][r] &&
            (told[n][r] == TOLD_BY_TEXT ||
             s->numbers[other].sentence_from == s->numbers[n].sentence_from))
            return false;
    return true;
}

/* Of several texts the greatest. What was not all read rules nothing out. */
static void join(struct figure *to, const struct figure *found, bool is_open)
{
    double most = is_open ? HUGE_VAL : found->at_most;

    if (!found->is_told)
        return;
    if (!to->is_told || found->at_least > to->at_least)
        to->at_least = found->at_least;
    if (!to->is_told || most > to->at_most)
        to->at_most = most;
    to->is_told = true;
}

void figures_scan(const struct figures *f, const char *text, size_t len,
                  const struct word_places *places, struct figure_hits *hits)
{
    enum told told[NUMBERS_MAX][FIGURES_MAX];
    struct scan s = {.f = f, .text = text, .len = len, .places = places, .since_min = -1};
    struct figure_hits found = {0};

    find_numbers(&s);
    for (size_t i = 0; i < s.numbers_n; i++)
        for (size_t r = 0; r < f->rules_n; r++)
            told[i][r] = told_of(&s, &s.numbers[i], &f->rules[r]);
    for (size_t i = 0; i < s.numbers_n; i++)
        for (size_t r = 0; r < f->rules_n; r++)
            if (told[i][r] != TOLD_NOT && is_nearest(&s, told, i, r))
                tell(&found.figures[r], &s.numbers[i]);
    for (size_t i = 0; i < s.numbers_n; i++)
        for (size_t r = 0; r < f->rules_n; r++)
            if (told[i][r] != TOLD_NOT && !is_nearest(&s, told, i, r))
                leave_open(&found.figures[r], &s.numbers[i]);
    for (size_t r = 0; r < f->rules_n; r++)
        join(&hits->figures[r], &found.figures[r], s.has_unread || places->n == WORD_PLACES_MAX);
}
