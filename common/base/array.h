/* SPDX-License-Identifier: Apache-2.0 */
#ifndef COMMON_BASE_ARRAY_H
#define COMMON_BASE_ARRAY_H
/* A growing array of any type: struct { ARRAY(struct item) items; }.  Starts zeroed, is freed with
 * array_free(); elements are the owner's to release. */
#include <string.h>
#include "common/base/mem.h"

#define ARRAY(type)                                                                                \
    struct {                                                                                       \
        type *data;                                                                                \
        size_t len, cap;                                                                           \
    }

/* Room for one more at the end; yields a pointer to the zeroed new element. */
#define array_add(a)                                                                               \
    ({                                                                                             \
        __typeof__(a) a_ = (a);                                                                    \
        if (a_->len == a_->cap) {                                                                  \
            a_->cap = a_->cap ? a_->cap * 2 : 8;                                                   \
            a_->data = xreallocarray(a_->data, a_->cap, sizeof *a_->data);                         \
        }                                                                                          \
        memset(&a_->data[a_->len], 0, sizeof *a_->data);                                           \
        &a_->data[a_->len++];                                                                      \
    })
#define array_push(a, value) (*array_add(a) = (value))
/* Removes element `at` and keeps the order. */
#define array_remove(a, at)                                                                        \
    do {                                                                                           \
        size_t at_ = (at);                                                                         \
        memmove(&(a)->data[at_], &(a)->data[at_ + 1], ((a)->len - at_ - 1) * sizeof *(a)->data);   \
        (a)->len--;                                                                                \
    } while (0)
/* Removes element `at` by moving the last one there. */
#define array_remove_swap(a, at)                                                                   \
    do {                                                                                           \
        size_t at_ = (at);                                                                         \
        (a)->len--;                                                                                \
        if (at_ != (a)->len)                                                                       \
            (a)->data[at_] = (a)->data[(a)->len];                                                  \
    } while (0)
#define array_free(a)                                                                              \
    do {                                                                                           \
        free((a)->data);                                                                           \
        (a)->data = NULL;                                                                          \
        (a)->len = (a)->cap = 0;                                                                   \
    } while (0)
#define array_each(a, it)                                                                          \
    for (__typeof__(*(a)->data) *it = (a)->data; it && it < (a)->data + (a)->len; it++)
#define ARRAY_SIZE(x) (sizeof(x) / sizeof((x)[0]))
#endif
