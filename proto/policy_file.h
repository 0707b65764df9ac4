/*
 * policy_file - one JSON file of a policy: read strictly, decoded by its shape, and the line of it that an error is about.
 *
 * Threads     A struct policy_file belongs to one thread.
 * Ownership   policy_file_done() frees; what was decoded borrows from `doc`, which may be kept by a reference of its own.
 * Bounds      POLICY_FILE_MAX_BYTES a file.
 * Errors      ERR_CONFIG "regimes/x.json:17: /rules/2/level: must be …": the file, the line where the value at fault begins (or what should have held
 *             it), its pointer, and what is legal there.
 */
#ifndef PROTO_POLICY_FILE_H
#define PROTO_POLICY_FILE_H

#include <dirent.h>

#include "proto/shape.h"

#define POLICY_FILE_MAX_BYTES ((size_t)1024 * 1024)

struct policy_file {
    const char *name; /* inside its folder; borrowed */
    struct buf text;
    json_t *doc;
};

bool policy_file_read(struct policy_file *ret, const char *folder, const char *name,
                      struct err *err) MUST_CHECK;
void policy_file_done(struct policy_file *f);

/* For scandir(): "<name>.json", nothing hidden. */
int policy_file_is_json(const struct dirent *entry);

/* Closed: an unknown member is an error. `ret` is a struct of the shape. */
bool policy_file_decode(const struct policy_file *f, const struct shape *shape, void *ret,
                        struct arena *arena, struct err *err) MUST_CHECK;

/* Makes an error about a value of the file (its pointer is set) one about the file. Returns false. */
bool policy_file_refuse(const struct policy_file *f, struct err *err);

#endif
