/* migrations - every SQL file of the tree, in order of folder and name; the table is made by CMake
 * (cmake/embed_sql.cmake). */
#ifndef SERVICES_CTL_MIGRATIONS_H
#define SERVICES_CTL_MIGRATIONS_H

#include <stddef.h>

struct migration {
    const char *folder; /* "archiver" of services/archiver/sql, "flow" of common/flow/sql */
    const char *name;   /* "0001_init.sql" */
    const char *sql;
};

extern const struct migration migrations[];
extern const size_t migrations_n;

#endif
