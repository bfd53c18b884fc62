/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* seal.h - past the checksum of sealed JSON (set/sealed.h)
 *
 * For fuzzers: hardly a change survives a checksum, so that a text is tried as
 * it is if its seal is good, and else with a new one.
 */
#ifndef TESTS_FUZZ_SEAL_H
#define TESTS_FUZZ_SEAL_H

#include <string.h>

#include "base/cleanup.h"
#include "set/sealed.h"

/* The text up to its seal, or all of it, sealed anew; NULL: it is no object. */
static inline char *seal_anew(const char *text, size_t length,
                              size_t *ret_length)
{
    static const char seal[] = ",\n    \"checksum\"";
    _cleanup_free_ char *copy = malloc(length + sizeof(seal));
    char *sealed = NULL;
    char *end = NULL;

    if (!copy)
        return NULL;
    memcpy(copy, text, length);
    copy[length] = '\0';
    end = strstr(copy, seal);
    if (end)
        strcpy(end, "\n}");
    return sealed_add(copy, &sealed, ret_length, NULL) == 0 ? sealed : NULL;
}

static inline void try_as_it_is_and_sealed(const char *text, size_t length,
                                           void (*try)(const char *text,
                                                       size_t length))
{
    size_t sealed_length = 0;
    _cleanup_free_ char *sealed = NULL;

    try(text, length);
    if (sealed_check(text, length, NULL) == 0)
        return;
    sealed = seal_anew(text, length, &sealed_length);
    if (sealed)
        try(sealed, sealed_length);
}

#endif
