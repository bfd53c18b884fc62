/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* fuzz.h - what every fuzzer has: one entry and one way to complain
 *
 * A fuzzer is a file fuzz-NAME.c with LLVMFuzzerTestOneInput, which gets any
 * bytes at all, and aborts when a promise is broken.  Two ways to use it:
 *
 * - Replay, in every `meson test --suite fuzz`: fuzz-main.c feeds it the files
 *   of corpus/NAME.  Works with every compiler.
 * - Search, with clang and libFuzzer: `make fuzz`, in build-fuzz/, on from what
 *   earlier searches kept there.  `scripts/fuzz.sh --minimise` brings what was
 *   found useful into the corpus; files stay small.
 *
 * A crash file goes into the corpus together with the fix, under a name that
 * says what it was.
 */
#ifndef TESTS_FUZZ_FUZZ_H
#define TESTS_FUZZ_FUZZ_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* A promise of the code under test. */
#define PROMISE(cond)                                                          \
    do {                                                                       \
        if (!(cond)) {                                                         \
            fprintf(stderr, "%s:%d: not true: %s\n", __FILE__, __LINE__,       \
                    #cond);                                                    \
            abort();                                                           \
        }                                                                      \
    } while (0)

#endif
