#include "services/classifier/numbers.h"

#include <string.h>

#include "services/classifier/daytime.h"
#include "services/classifier/quantity.h"
#include "services/classifier/spot.h"

#define LOOKS_MAX   128 /* numbers that are looked at, whether they count something or not */
#define NAME_DIGITS 8   /* in a row, at least: a number of somebody or something */
#define NOUN_STEPS  6   /* between a number and a noun that counts: "600万个注册邮箱账号" */

static const char piece[] = "个"; /* may stand between a number and what it counts */
#define PIECE_LEN (sizeof(piece) - 1)

struct scan {
    const struct units *units;
    const char *text;
    size_t len;
    struct numbers *ret;
    size_t clause_from, clause_before, sentence_from;
    size_t looks;
    struct daytime clock;
};

/* --- what a number counts --- */

static const struct unit_word *unit_at(const struct scan *s, size_t at, enum unit_place place)
{
    return units_at(s->units, s->text, s->len, at, place);
}

static bool is_piece(const struct scan *s, size_t at)
{
    return spot_begins(s->text, s->len, at, piece, PIECE_LEN);
}

static bool is_number(const struct scan *s, size_t at)
{
    struct quantity unused;

    return quantity_read(s->text, s->len, at, &unused);
}

/* "600万个注册邮箱账号", "12,000 customer records": the noun that is counted stands a little behind. */
static const struct unit_word *noun_behind(const struct scan *s, size_t at, size_t *ret_end)
{
    bool is_counted = at < s->len && (ascii_is_letter(s->text[at]) || is_piece(s, at));

    for (int steps = 0; is_counted && steps <= NOUN_STEPS; steps++) {
        const struct unit_word *word = unit_at(s, at, UNIT_BEHIND);

        if (word && word->unit != s->units->minutes) {
            *ret_end = at + word->len;
            return word;
        }
        /* "one hundred and fifty thousand", "120个营业厅停电3小时" */
        if (word || (steps > 0 && is_number(s, at))) {
            s->ret->has_unread = true;
            return NULL;
        }
        if (!spot_step(s->text, s->len, &at))
            return NULL;
    }
    return NULL;
}

/* Nothing behind the number that it could count: "影响客户800多万,", "手机号210万个". */
static bool stands_alone(const struct scan *s, size_t at)
{
    uint16_t unused;
    size_t n;

    if (is_piece(s, at))
        at += PIECE_LEN;
    at = spot_skip_blanks(s->text, s->len, at);
    return at >= s->len || mark_at(s->text, s->len, at, &unused, &n) != MARK_NONE;
}

static size_t skip_digits(const struct scan *s, size_t at)
{
    while (at < s->len && ascii_is_digit(s->text[at]))
        at++;
    return at;
}

/* "工号10086123", "手机号码:13812345678" */
static bool is_named(const struct scan *s, size_t from)
{
    static const char *const names[] = {"号", "码", "id", "qq"};
    size_t at = from;

    if (at > 0 && s->text[at - 1] == ':')
        at--;
    else if (at >= 3 && memcmp(s->text + at - 3, "：", 3) == 0)
        at -= 3;
    at = spot_skip_back(s->text, at);
    for (size_t i = 0; i < ARRAY_LEN(names); i++)
        if (spot_ends(s->text, s->len, at, names[i], strlen(names[i])))
            return true;
    return false;
}

/* A noun behind such a row of digits begins what is said next: "手机号13812345678客户信息泄露". Words that only count ("条", "人") are of one character. */
static bool is_noun(const struct unit_word *word)
{
    uint16_t unused;

    return symbol_at(word->text, word->len, 0, &unused) < word->len;
}

/* The word that says what the number from … *to counts; *to moves behind it when it stands there. */
static const struct unit_word *unit_of(const struct scan *s, size_t from, size_t *to)
{
    size_t behind = spot_skip_blanks(s->text, s->len, *to), before;
    const struct unit_word *word = unit_at(s, behind, UNIT_BEHIND);
    bool is_row = skip_digits(s, from) == *to && *to - from >= NAME_DIGITS;

    if (is_row && word &&
        (*to - from > s->units->digits_max[word->unit] || (is_noun(word) && is_named(s, from))))
        return NULL;
    if (!word && is_piece(s, behind)) {
        word = unit_at(s, behind + PIECE_LEN, UNIT_BEHIND);
        behind += word ? PIECE_LEN : 0;
    }
    if (word) {
        *to = behind + word->len;
        return word;
    }
    before = spot_skip_back(s->text, from);
    word = unit_at(s, before, UNIT_BEFORE);
    if (!word)
        word = noun_behind(s, behind, to);
    if (!word && (!is_row || is_piece(s, *to)) && stands_alone(s, *to))
        word = unit_at(s, before, UNIT_NOUN);
    return word;
}

/* --- numbers --- */

static void add_number(struct scan *s, const struct number *number)
{
    struct numbers *ret = s->ret;
    struct number *last = ret->n > 0 ? &ret->numbers[ret->n - 1] : NULL;

    /* "2小时30分钟" */
    if (last && last->unit == number->unit && number->unit == s->units->minutes &&
        spot_skip_blanks(s->text, s->len, last->to) == number->from &&
        number->at_most < last->at_least) {
        last->at_least += number->at_least;
        last->at_most += number->at_most;
        last->to = number->to;
        return;
    }
    if (ret->n == NUMBERS_MAX) {
        ret->has_unread = true;
        return;
    }
    ret->numbers[ret->n] = *number;
    ret->numbers[ret->n].clause_from = s->clause_from;
    ret->numbers[ret->n].clause_before = s->clause_before;
    ret->numbers[ret->n++].sentence_from = s->sentence_from;
}

/* "2 345 678", "1，234，567": the digits before it belong to it. */
static bool is_rest_of_number(const struct scan *s, size_t at)
{
    size_t before = at;

    if (!ascii_is_digit(s->text[at]))
        return false;
    if (before >= 3 && memcmp(s->text + before - 3, "\xEF\xBC\x8C", 3) == 0)
        before -= 3;
    else if (before > 0 && memchr(" ,-", s->text[before - 1], sizeof(" ,-")))
        before--;
    return before < at && before > 0 && ascii_is_digit(s->text[before - 1]);
}

/* One look more; false: there were too many. */
static bool may_look(struct scan *s)
{
    s->looks++;
    if (s->looks > LOOKS_MAX)
        s->ret->has_unread = true;
    return s->looks <= LOOKS_MAX;
}

/* Takes the number at `at`; returns where to go on, `at` when there is none. */
static size_t take_number(struct scan *s, size_t at)
{
    struct quantity q;
    const struct unit_word *word;

    if (!quantity_read(s->text, s->len, at, &q))
        return at;
    if (!may_look(s))
        return q.end;
    if (is_rest_of_number(s, at)) {
        s->ret->has_unread = true;
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

static size_t take_clock(struct scan *s, size_t at)
{
    double least, most;
    long now_min;
    size_t end = daytime_read(s->text, s->len, at, &now_min);

    if (end == at || !may_look(s))
        return end;
    if (daytime_until(&s->clock, s->text, s->len, at, end, now_min, &least, &most) &&
        s->units->minutes < UNITS_MAX)
        add_number(s, &(struct number){.at_least = least,
                                       .at_most = most,
                                       .unit = s->units->minutes,
                                       .from = at,
                                       .to = end});
    return end;
}

/* --- the text --- */

static void end_clause(struct scan *s, size_t at, size_t mark_len, bool ends_sentence)
{
    struct number *numbers = s->ret->numbers;

    for (size_t i = s->ret->n; i-- > 0 && numbers[i].sentence_to == 0;) {
        if (numbers[i].clause_to == 0)
            numbers[i].clause_to = at;
        if (ends_sentence)
            numbers[i].sentence_to = at;
    }
    s->clause_before = ends_sentence ? at + mark_len : s->clause_from;
    s->clause_from = at + mark_len;
    if (ends_sentence)
        s->sentence_from = at + mark_len;
}

/* More digits than are understood: none of them begins a number. They are one when a unit stands behind them. */
static size_t pass_digits(struct scan *s, size_t at)
{
    size_t end = skip_digits(s, at);

    if (unit_at(s, end, UNIT_BEHIND))
        s->ret->has_unread = true;
    return end;
}

/* Takes what tells a number at `at`, where a symbol of n bytes stands; returns where to go on. */
static size_t take(struct scan *s, size_t at, uint16_t symbol, size_t n)
{
    size_t next = at;

    if (!quantity_may_begin(symbol) ||
        (at > 0 && ascii_is_letter(s->text[at]) && ascii_is_alnum(s->text[at - 1])))
        return at + n;
    if (ascii_is_digit(s->text[at]))
        next = take_clock(s, at);
    if (next == at)
        next = take_number(s, at);
    if (next == at && ascii_is_digit(s->text[at]))
        next = pass_digits(s, at);
    return next > at ? next : at + n;
}

void numbers_scan(const struct units *units, const char *text, size_t len, struct numbers *ret)
{
    struct scan s = {.units = units, .text = text, .len = len, .ret = ret};

    ret->n = 0; /* the numbers themselves are written before they are read */
    ret->has_unread = false;
    for (size_t at = 0, n; at < len;) {
        uint16_t symbol;
        enum mark mark = mark_at(text, len, at, &symbol, &n);

        if (mark != MARK_NONE)
            end_clause(&s, at, n, mark == MARK_SENTENCE);
        at = mark == MARK_NONE ? take(&s, at, symbol, n) : at + n;
    }
    end_clause(&s, len, 0, true);
}
