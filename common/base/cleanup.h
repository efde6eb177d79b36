/* SPDX-License-Identifier: Apache-2.0 */
#ifndef COMMON_BASE_CLEANUP_H
#define COMMON_BASE_CLEANUP_H
/* Scope-bound ownership: a variable declared with _cleanup_(f) hands its address to f when its scope
 * ends; TAKE_PTR() gives the pointer away so that nothing is freed. */
#include <stdlib.h>
#include <unistd.h>

#define _cleanup_(f) __attribute__((cleanup(f)))
#define _must_check_ __attribute__((warn_unused_result))
#define _printf_(a, b) __attribute__((format(printf, a, b)))

#define TAKE_PTR(ptr)                                                                              \
    ({                                                                                             \
        __typeof__(ptr) *pp_ = &(ptr);                                                             \
        __typeof__(ptr) p_ = *pp_;                                                                 \
        *pp_ = NULL;                                                                               \
        p_;                                                                                        \
    })

#define TAKE_FD(fd)                                                                                \
    ({                                                                                             \
        int *fp_ = &(fd);                                                                          \
        int f_ = *fp_;                                                                             \
        *fp_ = -1;                                                                                 \
        f_;                                                                                        \
    })

/* Defines NAMEp(T **), the form that _cleanup_ wants, from NAME(T *). */
#define DEFINE_CLEANUP(type, name)                                                                 \
    static inline void name##p(type *p)                                                            \
    {                                                                                              \
        if (*p)                                                                                    \
            name(*p);                                                                              \
    }

static inline void freep(void *p)
{
    free(*(void **)p);
}

static inline void closep(const int *fd)
{
    if (*fd >= 0)
        close(*fd);
}

#define _cleanup_free_ _cleanup_(freep)
#define _cleanup_close_ _cleanup_(closep)
#endif
