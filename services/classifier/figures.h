/*
 * figures - how much harm a text tells of: how many people, how long, how much money. Each as a range, for texts are seldom exact.
 *
 *     "units":   {"minutes": {"分钟": 1, "小时": 60, "hours": 60, …}, "yuan": {"元": 1, "美元": [6, 8], …}, …}
 *     "nouns":   {"persons": ["客户", "用户", …]}                        stand before a number without a unit: "影响客户800多万"
 *     "figures": {"outage_minutes": {"unit": "minutes", "of": ["outage", "failure"], "not": ["deadline"], "least": 0}, …}
 *
 * A number with a unit (services/classifier/quantity.h) is a figure when a word list of "of" occurs in its clause; else, when in its sentence; else, of a
 * "far" figure, when in the text, and nothing in its sentence says what it is. "not": lists whose words in the clause say that it is not. "bare": only a clause that says
 * nothing of its own ("共265万元") looks at its sentence. "least": smaller numbers are no harm ("一名员工"). "unless": a number that
 * is told as that figure as near by is not this one. "void": lists that make it none in its
 * sentence ("没有转账"). Several mentions: at least the greatest, at most all together. From … until, told by the clock ("14:07 … 到22:00恢复"), is a number of minutes.
 *
 * Files       units.c: what numbers count. numbers.c: the numbers of a text, with quantity.c (as people write them) and daytime.c (by the clock).
 *             figures.c: which figure a number is.
 * Threads     struct figures is immutable after figures_load(): any thread.
 * Ownership   Borrows the words and the source document.
 * Bounds      FIGURES_MAX figures; 32 numbers and 128 looks a text: when there are more, or one that is not understood, nothing is ruled out (at_most is
 *             infinite). Scanning allocates nothing.
 * Errors      ERR_INPUT with the pointer of the place.
 */
#ifndef SERVICES_CLASSIFIER_FIGURES_H
#define SERVICES_CLASSIFIER_FIGURES_H

#include "services/classifier/words.h"

#define FIGURES_MAX 16

struct figures;

struct figure {
    bool is_told;
    double at_least, at_most;
};
struct figure_hits {
    struct figure figures[FIGURES_MAX];
    bool is_open; /* not all was read, in one of the texts: nothing is ruled out */
};

bool figures_load(struct figures **ret, const struct words *words, json_t *source,
                  struct err *err) MUST_CHECK;
void figures_free(struct figures *f);
DEFINE_AUTO(auto_figures, struct figures, figures_free)

size_t figures_count(const struct figures *f);
const char *figures_name(const struct figures *f, size_t id); /* NULL beyond */
bool figures_find(const struct figures *f, const char *name, size_t *ret_id);

/* Adds what `text` tells to `hits`; `places`: where its words stand (words_scan()). */
void figures_scan(const struct figures *f, const char *text, size_t len,
                  const struct word_places *places, struct figure_hits *hits);

#endif
