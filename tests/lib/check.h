/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* check.h - assertions of the unit tests
 *
 * A test program is a list of functions:
 *
 *     static void test_roundtrip(void) { CHECK_EQ_U64(f(1), 2); }
 *     int main(void) { RUN(test_roundtrip); return check_result(); }
 *
 * It prints TAP.  A failed check prints both values and goes on, so that one
 * run shows all; check_result() is the exit status.
 */
#ifndef TESTS_CHECK_H
#define TESTS_CHECK_H

#include <inttypes.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int check_number;
static int check_failed;
static bool check_this_failed;

#define CHECK_FAIL(...)                                                        \
    do {                                                                       \
        check_this_failed = true;                                              \
        printf("# %s:%d: ", __FILE__, __LINE__);                               \
        printf(__VA_ARGS__);                                                   \
        printf("\n");                                                          \
    } while (0)

#define CHECK(cond)                                                            \
    do {                                                                       \
        if (!(cond))                                                           \
            CHECK_FAIL("not true: %s", #cond);                                 \
    } while (0)

/* For what the rest of the test cannot do without. */
#define REQUIRE(cond)                                                          \
    do {                                                                       \
        if (!(cond)) {                                                         \
            CHECK_FAIL("not true: %s", #cond);                                 \
            return;                                                            \
        }                                                                      \
    } while (0)

#define CHECK_EQ_U64(a, b)                                                     \
    do {                                                                       \
        uint64_t check_a = (uint64_t)(a), check_b = (uint64_t)(b);             \
        if (check_a != check_b)                                                \
            CHECK_FAIL("%s is %" PRIu64 " (0x%" PRIx64 "), not %s = %" PRIu64, \
                       #a, check_a, check_a, #b, check_b);                     \
    } while (0)

#define CHECK_EQ_INT(a, b)                                                     \
    do {                                                                       \
        long long check_a = (a), check_b = (b);                                \
        if (check_a != check_b)                                                \
            CHECK_FAIL("%s is %lld, not %s = %lld", #a, check_a, #b, check_b); \
    } while (0)

#define CHECK_STR(a, b)                                                        \
    do {                                                                       \
        const char *check_a = (a), *check_b = (b);                             \
        if (!check_a || !check_b || strcmp(check_a, check_b) != 0)             \
            CHECK_FAIL("%s is \"%s\", not \"%s\"", #a,                         \
                       check_a ? check_a : "(null)",                           \
                       check_b ? check_b : "(null)");                          \
    } while (0)

/* `text` contains `part`. */
#define CHECK_CONTAINS(text, part)                                             \
    do {                                                                       \
        const char *check_a = (text), *check_b = (part);                       \
        if (!check_a || !strstr(check_a, check_b))                             \
            CHECK_FAIL("%s is \"%s\", without \"%s\"", #text,                  \
                       check_a ? check_a : "(null)", check_b);                 \
    } while (0)

#define CHECK_MEM(a, b, n)                                                     \
    do {                                                                       \
        if (memcmp((a), (b), (n)) != 0)                                        \
            CHECK_FAIL("%s and %s differ", #a, #b);                            \
    } while (0)

/* The call returns 0; otherwise its error is printed. */
#define CHECK_OK(call, errp)                                                   \
    do {                                                                       \
        if ((call) < 0)                                                        \
            CHECK_FAIL("%s failed: %s", #call, error_text(errp));              \
    } while (0)

/* The call fails and its error contains `part`; the error is cleared. */
#define CHECK_FAILS(call, errp, part)                                          \
    do {                                                                       \
        if ((call) >= 0)                                                       \
            CHECK_FAIL("%s did not fail", #call);                              \
        else                                                                   \
            CHECK_CONTAINS(error_text(errp), part);                            \
        error_clear(errp);                                                     \
    } while (0)

#define RUN(test)                                                              \
    do {                                                                       \
        check_this_failed = false;                                             \
        test();                                                                \
        check_number++;                                                        \
        check_failed += check_this_failed;                                     \
        printf("%sok %d %s\n", check_this_failed ? "not " : "", check_number,  \
               #test);                                                         \
        fflush(stdout);                                                        \
    } while (0)

/* Skip the whole program: print why and leave with the status for it. */
static inline void check_skip_all(const char *why)
{
    printf("1..0 # SKIP %s\n", why);
    exit(0);
}

static inline int check_result(void)
{
    printf("1..%d\n", check_number);
    return check_failed > 0;
}

#endif
