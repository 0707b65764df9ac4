/*
 * park - the file of `tongbao enterprise add`, read and checked. Pure.
 *
 * Ownership   park_done() frees; strings live in it.
 * Ids         Absent ids are derived from code and name, so that the same file again names the same
 *             rows.
 * Errors      ERR_INPUT with the JSON pointer, and what is legal there.
 */
#ifndef SERVICES_CTL_PARK_H
#define SERVICES_CTL_PARK_H

#include "common/base/id.h"
#include "proto/enums.h"
#include "proto/shape.h"

#include "proto/shape_members.h"
#include "services/ctl/park.def"

#define PARK_MAX_BYTES ((size_t)64 * 1024 * 1024)

struct park_file {
    json_t *doc;
    struct arena arena;
    struct park park;
};

bool park_parse(struct park_file *ret, const char *text, size_t len, struct err *err) MUST_CHECK;
void park_done(struct park_file *file);

void park_enterprise_id(struct id *ret, const char *code);
void park_person_id(struct id *ret, const char *enterprise_id, const char *name);

bool park_scopes_valid(const char *const *scopes, size_t n);
#define PARK_LABEL_MAX 100 /* characters; intake shows a key's label as its name */
bool park_label_valid(const char *label);

/* A key's text, its id and the hash that is kept. */
struct park_secret {
    char key_id[13], text[96], sha256[SHA256_HEX_MAX];
};
void park_secret_new(struct park_secret *ret);

#endif
