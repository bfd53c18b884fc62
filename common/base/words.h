/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* words.h - a list of words in the making: arguments of a program, variables
 *
 *     _cleanup_words_ struct words argv = WORDS_INIT;
 *
 *     words_add(&argv, "ls");
 *     words_add(&argv, "--width=%u", width);
 *     if (words_end(&argv, err) < 0)
 *         return -1;
 *     request.argv = words_list(&argv);
 *
 * That there is no memory is said once, at the end.  Knows libc only.
 */
#ifndef BASE_WORDS_H
#define BASE_WORDS_H

#include <stdbool.h>
#include <stddef.h>

#include "base/error.h"
#include "base/macro.h"

struct words {
    char **items; /* owned, as each word is */
    size_t count; /* words, without the NULL at the end */
    size_t cap;
    bool failed;
};

#define WORDS_INIT                                                             \
    {                                                                          \
        NULL, 0, 0, false                                                      \
    }

/* Append a word. */
void words_add(struct words *w, const char *fmt, ...) printf_format(2, 3);

/* Put the NULL behind them.  ERR_MEMORY if a word is missing. */
must_check int words_end(struct words *w, struct error *err);

/* As argv wants it, after words_end; borrowed. */
static inline const char *const *words_list(const struct words *w)
{
    return (const char *const *)w->items;
}

/* The words joined by `separator`: a new string; NULL: no memory. */
must_check char *words_join(const struct words *w, const char *separator);

void words_done(struct words *w);
#define _cleanup_words_ __attribute__((cleanup(words_done)))

#endif
