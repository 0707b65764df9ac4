/*
 * cleanup - the handful of macros that every file may use.
 *
 * AUTO(fn)      a variable that is destroyed when its scope ends, by fn(&variable).
 * DEFINE_AUTO   makes such an fn from an ordinary destructor; destructors accept NULL.
 * TAKE(p)       moves ownership out of an AUTO variable; the scope has nothing left to free.
 */
#ifndef COMMON_BASE_CLEANUP_H
#define COMMON_BASE_CLEANUP_H

#include <stddef.h>
#include <stdlib.h>

#define AUTO(fn)               __attribute__((cleanup(fn)))
#define PRINTF_LIKE(fmt, args) __attribute__((format(printf, fmt, args)))
#define MUST_CHECK             __attribute__((warn_unused_result))
#define ARRAY_LEN(a)           (sizeof(a) / sizeof((a)[0]))

#define DEFINE_AUTO(name, type, destroy)                                                           \
    static inline void name(type **p)                                                              \
    {                                                                                              \
        if (*p)                                                                                    \
            destroy(*p);                                                                           \
        *p = NULL;                                                                                 \
    }

#define TAKE(p)                                                                                    \
    __extension__({                                                                                \
        __typeof__(p) moved_ = (p);                                                                \
        (p) = NULL;                                                                                \
        moved_;                                                                                    \
    })

DEFINE_AUTO(auto_free, char, free)

#endif
