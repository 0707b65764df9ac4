#include "services/classifier/quantity.h"

#include <math.h>
#include <stdint.h>
#include <string.h>

#include "common/base/cleanup.h"
#include "services/classifier/spot.h"

#define VALUE_MAX 1e15
#define SIGN_LEN  3 /* bytes of a Chinese numeral */

enum near { NEAR_IT, NEAR_ABOVE, NEAR_AT_LEAST, NEAR_BELOW_IT, NEAR_UNDER };

struct cursor {
    const char *text;
    size_t len, at;
    size_t seen_at; /* where may_be() looked last, and what may begin there */
    unsigned seen;
};

/* What begins with a symbol; most begin nothing, and no word of these tables is looked for there. */
#define NEAR    0x01 /* a word before a number: near_words */
#define SEVERAL 0x02
#define NUMBER  0x04
#define HALF    0x08
#define TIMES   0x10 /* multipliers */
#define MORE    0x20 /* "30多万" */

// clang-format off
static const uint8_t begins[0xA000] = {
    ['0' ... '9'] = NUMBER, ['+'] = MORE,
    ['a'] = NEAR | SEVERAL | NUMBER, ['b'] = TIMES, ['c'] = NEAR, ['d'] = SEVERAL, ['e'] = NUMBER,
    ['f'] = NEAR | NUMBER, ['h'] = SEVERAL | TIMES, ['k'] = TIMES, ['l'] = NEAR,
    ['m'] = NEAR | SEVERAL | TIMES, ['n'] = NEAR | NUMBER, ['o'] = NEAR | NUMBER, ['r'] = NEAR,
    ['s'] = NEAR | SEVERAL | NUMBER, ['t'] = SEVERAL | NUMBER | TIMES, ['u'] = NEAR, ['w'] = TIMES,
    [L'上'] = NEAR, [L'不'] = NEAR, [L'低'] = NEAR, [L'大'] = NEAR, [L'将'] = NEAR, [L'少'] = NEAR,
    [L'接'] = NEAR, [L'突'] = NEAR, [L'约'] = NEAR, [L'至'] = NEAR, [L'超'] = NEAR, [L'近'] = NEAR,
    [L'逾'] = NEAR, [L'好'] = SEVERAL, [L'数'] = SEVERAL, [L'几'] = SEVERAL | MORE, [L'余'] = MORE,
    [L'多'] = MORE, [L'来'] = MORE, [L'半'] = HALF, [L'〇'] = NUMBER, [L'零'] = NUMBER,
    [L'一'] = NUMBER, [L'二'] = NUMBER, [L'两'] = NUMBER, [L'三'] = NUMBER, [L'四'] = NUMBER,
    [L'五'] = NUMBER, [L'六'] = NUMBER, [L'七'] = NUMBER, [L'八'] = NUMBER, [L'九'] = NUMBER,
    [L'十'] = NUMBER | TIMES, [L'百'] = NUMBER | TIMES, [L'千'] = NUMBER | TIMES, [L'万'] = TIMES,
    [L'亿'] = TIMES,
};
// clang-format on

static unsigned begins_with(uint16_t symbol)
{
    if (symbol < ARRAY_LEN(begins))
        return begins[symbol];
    return symbol >= 0xFF10 && symbol <= 0xFF19 ? NUMBER : 0; /* full-width digits */
}

bool quantity_may_begin(uint16_t symbol)
{
    return begins_with(symbol) & (NEAR | SEVERAL | NUMBER | HALF);
}

static bool may_be(struct cursor *c, unsigned what)
{
    uint16_t symbol;

    if (c->at >= c->len)
        return false;
    if (c->seen_at != c->at) {
        (void)symbol_at(c->text, c->len, c->at, &symbol);
        c->seen = begins_with(symbol);
        c->seen_at = c->at;
    }
    return c->seen & what;
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
    if (!spot_has(c->text, c->len, c->at, word))
        return false;
    c->at += strlen(word);
    return true;
}

/* Of a word that could stand here: most of a table have another. */
static char first_byte(const struct cursor *c)
{
    return c->at < c->len ? ascii_lower(c->text[c->at]) : '\0';
}

/* --- how near: words before and behind the number; longer ones first --- */

struct near_word {
    const char *word;
    enum near near;
};

static const struct near_word near_words[] = {
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
    char first = first_byte(c);

    for (size_t i = 0; i < n; i++)
        if (words[i].word[0] == first && take(c, words[i].word)) {
            *ret = words[i].near;
            return true;
        }
    return false;
}

/* "三十多万", "十余", "40+" */
static bool take_more(struct cursor *c)
{
    uint16_t symbol;

    if (!may_be(c, MORE))
        return false;
    c->at += symbol_at(c->text, c->len, c->at, &symbol);
    return true;
}

/* --- numbers --- */

struct numeral {
    const char *text;
    double value;
};

enum sign_kind { SIGN_DIGIT, SIGN_TEN, SIGN_MYRIAD };

static const struct sign {
    uint16_t symbol;
    enum sign_kind kind;
    double value;
} signs[] = {
    {L'零', SIGN_DIGIT, 0},    {L'〇', SIGN_DIGIT, 0},    {L'一', SIGN_DIGIT, 1},
    {L'二', SIGN_DIGIT, 2},    {L'两', SIGN_DIGIT, 2},    {L'三', SIGN_DIGIT, 3},
    {L'四', SIGN_DIGIT, 4},    {L'五', SIGN_DIGIT, 5},    {L'六', SIGN_DIGIT, 6},
    {L'七', SIGN_DIGIT, 7},    {L'八', SIGN_DIGIT, 8},    {L'九', SIGN_DIGIT, 9},
    {L'十', SIGN_TEN, 10},     {L'百', SIGN_TEN, 100},    {L'千', SIGN_TEN, 1000},
    {L'万', SIGN_MYRIAD, 1e4}, {L'亿', SIGN_MYRIAD, 1e8},
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
    char first = first_byte(c);

    for (size_t i = 0; i < n; i++)
        if (list[i].text[0] == first && take(c, list[i].text)) {
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

/* The Chinese numeral here; NULL: none. */
static const struct sign *sign_at(struct cursor *c)
{
    uint16_t symbol;

    if (!may_be(c, NUMBER | TIMES))
        return NULL;
    (void)symbol_at(c->text, c->len, c->at, &symbol);
    for (size_t i = 0; i < ARRAY_LEN(signs); i++)
        if (signs[i].symbol == symbol)
            return &signs[i];
    return NULL;
}

static bool take_myriad(struct cursor *c, double *ret)
{
    const struct sign *sign = sign_at(c);

    if (!sign || sign->kind != SIGN_MYRIAD)
        return false;
    *ret = sign->value;
    c->at += SIGN_LEN;
    return true;
}

/* "一百二十万", "十二", "两千零五": of each section its digit times its ten; 万 and 亿 close a section. */
static bool take_chinese(struct cursor *c, double *ret)
{
    double total = 0, section = 0, digit = -1;
    size_t from = c->at;

    for (;;) {
        const struct sign *sign = sign_at(c);

        if (!sign || (sign->kind == SIGN_MYRIAD && c->at == from))
            break;
        switch (sign->kind) {
        case SIGN_DIGIT: /* "一二三" as it is dialled */
            digit = digit > 0 ? digit * 10 + sign->value : sign->value;
            break;
        case SIGN_TEN:
            section += (digit < 0 ? 1 : digit) * sign->value;
            digit = -1;
            break;
        case SIGN_MYRIAD:
            section += digit > 0 ? digit : 0;
            total =
                sign->value > 1e4 ? (total + section) * sign->value : total + section * sign->value;
            section = 0;
            digit = -1;
            break;
        }
        c->at += SIGN_LEN;
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
    if (may_be(c, TIMES) && TAKE_NUMERAL(c, multipliers, ret))
        return true;
    c->at = from;
    return false;
}

/* "数百", "几十", "several": of the unit it is one to ten. */
static bool read_several(struct cursor *c, struct quantity *ret)
{
    double unit, more;

    if (!may_be(c, SEVERAL) || !TAKE_NUMERAL(c, several, &unit))
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
    } else if (!take_chinese(c, ret) && !(may_be(c, NUMBER) && TAKE_NUMERAL(c, english, ret))) {
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
        return has_near && take_myriad(c, ret);
    if (!*ret_more)
        read_rest(c, ret);
    if (take(c, "个半"))
        *ret += 0.5;
    return *ret <= VALUE_MAX;
}

bool quantity_read(const char *text, size_t len, size_t at, struct quantity *ret)
{
    struct cursor c = {.text = text, .len = len, .at = at, .seen_at = len};
    enum near near = NEAR_IT;
    bool has_near, more;
    double value;

    if (!may_be(&c, NEAR | SEVERAL | NUMBER | HALF))
        return false;
    has_near = may_be(&c, NEAR) && take_near(&c, near_words, ARRAY_LEN(near_words), &near);
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
    struct cursor c = {.text = text, .len = len, .at = q->end, .seen_at = len};
    enum near near;

    skip_blanks(&c);
    if (!take_near(&c, behind_unit, ARRAY_LEN(behind_unit), &near))
        return;
    if (near != NEAR_IT && q->at_least == q->at_most)
        set_range(q, q->at_least, near);
    q->end = c.at;
}
