#include "services/classifier/quantity.h"

#include <math.h>
#include <stdint.h>
#include <string.h>

#include "common/base/cleanup.h"

#define VALUE_MAX 1e15

enum near { NEAR_IT, NEAR_ABOVE, NEAR_AT_LEAST, NEAR_BELOW_IT, NEAR_UNDER };

struct cursor {
    const char *text;
    size_t len, at;
};

static char lower(char c)
{
    return c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
}

static bool is_letter(char c)
{
    c = lower(c);
    return c >= 'a' && c <= 'z';
}

/* A digit, also a full-width one: how many bytes it has; 0: none. */
static size_t digit_at(const struct cursor *c, size_t at, int *ret)
{
    const unsigned char *b = (const unsigned char *)c->text + at;

    if (at < c->len && b[0] >= '0' && b[0] <= '9') {
        *ret = b[0] - '0';
        return 1;
    }
    if (c->len - at < 3 || at >= c->len || b[0] != 0xEF || b[1] != 0xBC || b[2] < 0x90 ||
        b[2] > 0x99)
        return 0;
    *ret = b[2] - 0x90;
    return 3;
}

static void skip_blanks(struct cursor *c)
{
    while (c->at < c->len && (c->text[c->at] == ' ' || c->text[c->at] == '\t'))
        c->at++;
}

/* Takes the word when it stands here; one of Latin letters must end here, too. */
static bool take(struct cursor *c, const char *word)
{
    size_t n = strlen(word);

    if (n > c->len - c->at)
        return false;
    for (size_t i = 0; i < n; i++)
        if (lower(c->text[c->at + i]) != word[i])
            return false;
    if (is_letter(word[n - 1]) && c->at + n < c->len && is_letter(c->text[c->at + n]))
        return false;
    c->at += n;
    return true;
}

/* --- how near: words before and behind the number; longer ones first --- */

struct near_word {
    const char *word;
    enum near near;
};

static const struct near_word before[] = {
    {"超过", NEAR_ABOVE},
    {"突破", NEAR_ABOVE},
    {"超", NEAR_ABOVE},
    {"逾", NEAR_ABOVE},
    {"上", NEAR_ABOVE},
    {"至少", NEAR_AT_LEAST},
    {"不少于", NEAR_AT_LEAST},
    {"不低于", NEAR_AT_LEAST},
    {"将近", NEAR_BELOW_IT},
    {"接近", NEAR_BELOW_IT},
    {"近", NEAR_BELOW_IT},
    {"不足", NEAR_UNDER},
    {"不到", NEAR_UNDER},
    {"不超过", NEAR_UNDER},
    {"少于", NEAR_UNDER},
    {"低于", NEAR_UNDER},
    {"大约", NEAR_IT},
    {"大概", NEAR_IT},
    {"约", NEAR_IT},
    {"more than", NEAR_ABOVE},
    {"over", NEAR_ABOVE},
    {"at least", NEAR_AT_LEAST},
    {"no fewer than", NEAR_AT_LEAST},
    {"no less than", NEAR_AT_LEAST},
    {"nearly", NEAR_BELOW_IT},
    {"almost", NEAR_BELOW_IT},
    {"close to", NEAR_BELOW_IT},
    {"fewer than", NEAR_UNDER},
    {"less than", NEAR_UNDER},
    {"under", NEAR_UNDER},
    {"up to", NEAR_UNDER},
    {"approximately", NEAR_IT},
    {"about", NEAR_IT},
    {"around", NEAR_IT},
    {"roughly", NEAR_IT},
    {"some", NEAR_IT},
};

static const struct near_word behind_unit[] = {
    {"以上", NEAR_AT_LEAST},    {"以下", NEAR_UNDER},    {"左右", NEAR_IT},
    {"上下", NEAR_IT},          {"多", NEAR_ABOVE},      {"余", NEAR_ABOVE},
    {"or more", NEAR_AT_LEAST}, {"or less", NEAR_UNDER},
};

static bool take_near(struct cursor *c, const struct near_word *words, size_t n, enum near *ret)
{
    for (size_t i = 0; i < n; i++)
        if (take(c, words[i].word)) {
            *ret = words[i].near;
            return true;
        }
    return false;
}

/* "三十多万", "十余", "40+" */
static bool take_more(struct cursor *c)
{
    return take(c, "多") || take(c, "余") || take(c, "来") || take(c, "几") || take(c, "+");
}

/* --- numbers --- */

struct numeral {
    const char *text;
    double value;
};

static const struct numeral digits[] = {
    {"零", 0}, {"〇", 0}, {"一", 1}, {"二", 2}, {"两", 2}, {"三", 3},
    {"四", 4}, {"五", 5}, {"六", 6}, {"七", 7}, {"八", 8}, {"九", 9},
};
static const struct numeral tens[] = {{"十", 10}, {"百", 100}, {"千", 1000}};
static const struct numeral myriads[] = {
    {"万", 1e4},
    {"亿", 1e8},
};
static const struct numeral english[] = {
    {"a dozen", 12}, {"one", 1},     {"two", 2},     {"three", 3},  {"four", 4},   {"five", 5},
    {"six", 6},      {"seven", 7},   {"eight", 8},   {"nine", 9},   {"ten", 10},   {"eleven", 11},
    {"twelve", 12},  {"twenty", 20}, {"thirty", 30}, {"forty", 40}, {"fifty", 50},
};
static const struct numeral several[] = {
    {"hundreds of millions of", 1e8},
    {"tens of millions of", 1e7},
    {"hundreds of thousands of", 1e5},
    {"tens of thousands of", 1e4},
    {"millions of", 1e6},
    {"thousands of", 1e3},
    {"hundreds of", 100},
    {"dozens of", 10},
    {"several", 1},
    {"a few", 1},
    {"好几", 1},
    {"几", 1},
    {"数", 1},
};
static const struct numeral multipliers[] = {
    {"千万", 1e7},    {"百万", 1e6},  {"十万", 1e5},     {"千亿", 1e11},     {"百亿", 1e10},
    {"十亿", 1e9},    {"万亿", 1e12}, {"万", 1e4},       {"亿", 1e8},        {"十", 10},
    {"百", 100},      {"千", 1000},   {"thousand", 1e3}, {"million", 1e6},   {"billion", 1e9},
    {"hundred", 100}, {"k", 1e3},     {"bn", 1e9},       {"w", 1e4},         {"m", 1e6},
    {"mn", 1e6},      {"mln", 1e6},   {"millions", 1e6}, {"thousands", 1e3},
};

static bool take_numeral(struct cursor *c, const struct numeral *list, size_t n, double *ret)
{
    for (size_t i = 0; i < n; i++)
        if (take(c, list[i].text)) {
            *ret = list[i].value;
            return true;
        }
    return false;
}
#define TAKE_NUMERAL(c, list, ret) take_numeral(c, list, ARRAY_LEN(list), ret)

/* A comma between digits: three follow. */
static bool is_group(const struct cursor *c)
{
    size_t at = c->at + 1;
    int unused;

    if (c->at >= c->len || c->text[c->at] != ',')
        return false;
    for (int i = 0; i < 3; i++) {
        size_t n = digit_at(c, at, &unused);

        if (n == 0)
            return false;
        at += n;
    }
    return true;
}

/* "12,000", "1.5" */
static bool take_figures(struct cursor *c, double *ret)
{
    double scale = 0.1;
    size_t n;
    int d;

    if (digit_at(c, c->at, &d) == 0)
        return false;
    for (*ret = 0; *ret <= VALUE_MAX;) {
        n = digit_at(c, c->at, &d);
        if (n == 0 && !is_group(c))
            break;
        if (n > 0)
            *ret = *ret * 10 + d;
        c->at += n > 0 ? n : 1;
    }
    if (c->at >= c->len || c->text[c->at] != '.' || digit_at(c, c->at + 1, &d) == 0)
        return *ret <= VALUE_MAX;
    for (c->at++; (n = digit_at(c, c->at, &d)) > 0; c->at += n, scale /= 10)
        *ret += scale * d;
    return *ret <= VALUE_MAX;
}

/* "一百二十万", "十二", "两千零五": of each section its digit times its ten; 万 and 亿 close a section. */
static bool take_chinese(struct cursor *c, double *ret)
{
    double total = 0, section = 0, digit = -1, value;
    size_t from = c->at;

    for (;;) {
        if (TAKE_NUMERAL(c, digits, &value)) {
            digit = digit > 0 ? digit * 10 + value : value; /* "一二三" as it is dialled */
        } else if (TAKE_NUMERAL(c, tens, &value)) {
            section += (digit < 0 ? 1 : digit) * value;
            digit = -1;
        } else if (c->at > from && TAKE_NUMERAL(c, myriads, &value)) {
            section += digit > 0 ? digit : 0;
            total = value > 1e4 ? (total + section) * value : total + section * value;
            section = 0;
            digit = -1;
        } else {
            break;
        }
        if (total > VALUE_MAX || section > VALUE_MAX || digit > VALUE_MAX)
            return false;
    }
    *ret = total + section + (digit > 0 ? digit : 0);
    return c->at > from;
}

/* What "30多万" may still be: up to the next number that is as round. */
static double step_of(double value)
{
    double step = 1;

    if (value < 1)
        return value;
    while (step * 10 <= value && fmod(value, step * 10) == 0)
        step *= 10;
    return step;
}

/* The greatest that is below. */
static double below(double value)
{
    return value >= 10 ? value - 1 : 0.99 * value;
}

static void set_range(struct quantity *q, double value, enum near near)
{
    q->at_least = q->at_most = value;
    switch (near) {
    case NEAR_IT:
        break;
    case NEAR_ABOVE:
        q->at_most = value + step_of(value);
        break;
    case NEAR_AT_LEAST:
        q->at_most = 10 * value;
        break;
    case NEAR_BELOW_IT:
        q->at_least = 0.9 * value;
        q->at_most = below(value);
        break;
    case NEAR_UNDER:
        q->at_least = 0;
        q->at_most = below(value);
        break;
    }
}

/* Blanks belong to it only when one stands behind them. */
static bool take_multiplier(struct cursor *c, double *ret)
{
    size_t from = c->at;

    skip_blanks(c);
    if (TAKE_NUMERAL(c, multipliers, ret))
        return true;
    c->at = from;
    return false;
}

/* "数百", "几十", "several": of the unit it is one to ten. */
static bool read_several(struct cursor *c, struct quantity *ret)
{
    double unit, more;

    if (!TAKE_NUMERAL(c, several, &unit))
        return false;
    while (take_multiplier(c, &more))
        unit *= more;
    ret->at_least = unit;
    ret->at_most = 10 * unit - 1;
    return unit <= VALUE_MAX;
}

/* "1.2万", "2 million", "30多万": one number and what multiplies it. */
static bool read_part(struct cursor *c, double *ret, bool *ret_more)
{
    double by;
    int unused;

    if (digit_at(c, c->at, &unused) > 0) {
        if (!take_figures(c, ret))
            return false;
    } else if (!take_chinese(c, ret) && !TAKE_NUMERAL(c, english, ret)) {
        return false;
    }
    *ret_more = take_more(c);
    while (take_multiplier(c, &by))
        *ret *= by;
    *ret_more = take_more(c) || *ret_more;
    return true;
}

/* "1亿零300万", "3万5千": smaller parts follow. */
static void read_rest(struct cursor *c, double *value)
{
    double last = *value, part;
    bool more;

    for (size_t from = c->at; last >= 1e4; from = c->at) {
        (void)take(c, "零");
        if (!read_part(c, &part, &more) || part >= last || part < 1000 || more) {
            c->at = from;
            return;
        }
        *value += part;
        last = part;
    }
}

/* "上千", "超亿": a multiplier alone; otherwise a number. */
static bool read_number(struct cursor *c, bool has_near, double *ret, bool *ret_more)
{
    *ret_more = false;
    *ret = 0.5;
    if (take(c, "半"))
        return true;
    if (!read_part(c, ret, ret_more))
        return has_near && TAKE_NUMERAL(c, myriads, ret);
    if (!*ret_more)
        read_rest(c, ret);
    if (take(c, "个半"))
        *ret += 0.5;
    return *ret <= VALUE_MAX;
}

/* Can a number, or a word before one, begin with this character? Most do not. */
static bool may_begin(const char *text, size_t len, size_t at)
{
    const unsigned char *c = (const unsigned char *)text + at;

    if (c[0] < 0x80)
        return strchr("0123456789acdefhlmnorstuACDEFHLMNORSTU", c[0]) && c[0] != '\0';
    if (len - at < 3 || (c[0] & 0xF0) != 0xE0)
        return false;
    // clang-format off
    switch ((c[0] & 0x0F) << 12 | (c[1] & 0x3F) << 6 | (c[2] & 0x3F)) {
    case L'〇': case L'一': case L'七': case L'万': case L'三': case L'上': case L'不':
    case L'两': case L'九': case L'二': case L'五': case L'亿': case L'低': case L'八':
    case L'六': case L'几': case L'十': case L'千': case L'半': case L'四': case L'大':
    case L'好': case L'将': case L'少': case L'接': case L'数': case L'百': case L'突':
    case L'约': case L'至': case L'超': case L'近': case L'逾': case L'零':
        return true;
    default:
        return c[0] == 0xEF; /* full-width digits */
    }
    // clang-format on
}

bool quantity_read(const char *text, size_t len, size_t at, struct quantity *ret)
{
    struct cursor c = {text, len, at};
    enum near near = NEAR_IT;
    bool has_near, more;
    double value;

    if (at >= len || !may_begin(text, len, at))
        return false;
    has_near = take_near(&c, before, ARRAY_LEN(before), &near);
    skip_blanks(&c);
    if (!read_several(&c, ret)) {
        if (!read_number(&c, has_near, &value, &more))
            return false;
        set_range(ret, value, more && near == NEAR_IT ? NEAR_ABOVE : near);
    }
    ret->end = c.at;
    return true;
}

void quantity_read_after(const char *text, size_t len, struct quantity *q)
{
    struct cursor c = {text, len, q->end};
    enum near near;

    skip_blanks(&c);
    if (!take_near(&c, behind_unit, ARRAY_LEN(behind_unit), &near))
        return;
    if (near != NEAR_IT && q->at_least == q->at_most)
        set_range(q, q->at_least, near);
    q->end = c.at;
}
