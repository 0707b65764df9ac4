/*
 * policy_docs - the shapes of a policy's files: what may stand in them, once, for the loaders and for the JSON Schemas (proto/schemas/policy).
 */
#ifndef PROTO_POLICY_DOCS_H
#define PROTO_POLICY_DOCS_H

#include "proto/event.h"

/* In this order. */
// clang-format off
#include "proto/shape_members.h"
#include "proto/policy_docs.def"
// clang-format on

struct policy_doc {
    const char *name, *purpose;
    const struct shape *shape;
};
extern const struct policy_doc policy_docs[];
extern const size_t policy_docs_n;

#endif
