/*
 * indicator - the values that incidents are compared by, written one way: what people type, paste out of a report or make harmless ("hxxp", "[.]") is one
 * value here. Pure.
 *
 * Written     Full-width characters as ASCII ones, no blanks around and one inside; addresses as inet_ntop() writes them; domains, mail addresses, hashes,
 *             scheme and host of a URL in small letters; CVE ids in capitals; no dot at a name's end. A ransom note's id keeps its letters.
 * Nothing     follows from what many have by nature: private, shared, loopback, link-local and multicast addresses, names that only mean something
 *             inside a house (localhost, *.local). Documentation's addresses do count.
 * Threads     Pure functions of their arguments. Texts in are valid UTF-8 and so are those out.
 * Bounds      INDICATOR_VALUE_MAX bytes; a longer value is none.
 */
#ifndef SERVICES_CLASSIFIER_INDICATOR_H
#define SERVICES_CLASSIFIER_INDICATOR_H

#include <stdbool.h>
#include <stddef.h>

#include "proto/enums.h"

#define INDICATOR_VALUE_MAX 2048 /* with the NUL */
#define CVE_TEXT_MAX        20

/* False: not such a value, or one that nothing follows from. */
bool indicator_normalise(char ret[INDICATOR_VALUE_MAX], enum indicator_type type,
                         const char *value);

/* Any other text that is compared: a supplier's name, an entry of a list. False: empty, or too long. */
bool indicator_plain(char ret[INDICATOR_VALUE_MAX], const char *text);

/* The host of a normalised URL, not NUL-terminated. */
const char *indicator_host(const char *url, size_t *ret_len);

/* The next CVE id in a text, as it is normalised, and behind it; NULL: no more. */
const char *indicator_next_cve(const char *text, char ret[CVE_TEXT_MAX]);

#endif
