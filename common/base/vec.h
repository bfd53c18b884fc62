/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* vec.h - a typed array that grows
 *
 *     VEC(struct extent) list = {0};
 *
 *     if (vec_push(&list, one) < 0)
 *         return error_memory(err);
 *     vec_foreach (e, &list)
 *         use(e->offset);
 *     vec_free(&list);
 *
 * All zero is the empty array.  `v` is always a pointer to one, without side
 * effects.  Elements move when the array grows, so pointers into it do not
 * outlive a push.  Knows libc only.
 */
#ifndef BASE_VEC_H
#define BASE_VEC_H

#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include "base/macro.h"

#define VEC(type)                                                              \
    struct {                                                                   \
        type *items;                                                           \
        size_t count; /* elements in use */                                    \
        size_t cap;   /* elements allocated */                                 \
    }

/* `items` with room for `need` elements of `size` bytes, or NULL (no memory;
 * `items` is then as it was).  Use vec_reserve.
 */
static inline void *vec_grown(void *items, size_t *cap, size_t need,
                              size_t size)
{
    size_t room = *cap < 8 ? 8 : *cap + *cap / 2;
    void *grown = NULL;

    if (room < need)
        room = need;
    if (room > PTRDIFF_MAX / size)
        return NULL;
    grown = realloc(items, room * size);
    if (grown)
        *cap = room;
    return grown;
}

must_check static inline int vec_result(int result)
{
    return result;
}

/* Make room for `extra` more elements: 0, or -1 without memory. */
#define vec_reserve(v, extra)                                                  \
    vec_result(__extension__({                                                 \
        size_t vec_extra_ = (extra);                                           \
        int vec_result_ = 0;                                                   \
        if ((v)->cap - (v)->count < vec_extra_) {                              \
            void *vec_grown_ = NULL;                                           \
            if (vec_extra_ <= SIZE_MAX - (v)->count)                           \
                vec_grown_ =                                                   \
                    vec_grown((v)->items, &(v)->cap, (v)->count + vec_extra_,  \
                              sizeof(*(v)->items));                            \
            if (vec_grown_)                                                    \
                (v)->items = vec_grown_;                                       \
            else                                                               \
                vec_result_ = -1;                                              \
        }                                                                      \
        vec_result_;                                                           \
    }))

/* Append one value: 0, or -1 without memory (the array is then unchanged). */
#define vec_push(v, ...)                                                       \
    vec_result(vec_reserve(v, 1) < 0                                           \
                   ? -1                                                        \
                   : ((v)->items[(v)->count++] = __VA_ARGS__, 0))

/* Pointer to the last element, or NULL if there is none. */
#define vec_last(v) ((v)->count ? &(v)->items[(v)->count - 1] : NULL)

/* Run the statement that follows for each element; `ptr` is declared here. */
#define vec_foreach(ptr, v)                                                    \
    for (__typeof__((v)->items) ptr = (v)->items;                              \
         ptr && ptr < (v)->items + (v)->count; ptr++)

/* Free the array (not what elements point to); it is empty again. */
#define vec_free(v)                                                            \
    do {                                                                       \
        free((v)->items);                                                      \
        (v)->items = NULL;                                                     \
        (v)->count = 0;                                                        \
        (v)->cap = 0;                                                          \
    } while (0)

#endif
