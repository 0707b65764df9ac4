/*
 * recent - remembers what the last submissions said, so that one key under two contents is noticed.
 *
 * Threads     Any; a lock is held for the comparison of a few ids.
 * Bounds      RECENT_MAX subjects; of those that share a place the one unused for longest is
 *             forgotten. What is forgotten or was accepted by another instance is not noticed here:
 *             the ids then tell the two apart downstream.
 */
#ifndef SERVICES_INTAKE_RECENT_H
#define SERVICES_INTAKE_RECENT_H

#include "common/base/cleanup.h"
#include "common/base/err.h"
#include "common/base/id.h"

#define RECENT_MAX 16384

struct recent;

bool recent_open(struct recent **ret, struct err *err) MUST_CHECK;
void recent_close(struct recent *r);
DEFINE_AUTO(auto_recent, struct recent, recent_close)

/* True: this subject had another content. Else it is remembered with this one. */
bool recent_differs(struct recent *r, const struct id *subject, const struct id *content);

#endif
