/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* test-words.c - base/words */
#include "base/words.h"

#include <stdlib.h>
#include <string.h>
#include <wchar.h>

#include "base/cleanup.h"
#include "check.h"

static void test_list(void)
{
    _cleanup_words_ struct words w = WORDS_INIT;
    _cleanup_error_ struct error err = ERROR_INIT;
    _cleanup_free_ char *joined = NULL;

    CHECK_OK(words_end(&w, &err), &err);
    CHECK_EQ_U64(w.count, 0);
    CHECK(words_list(&w)[0] == NULL);
    words_add(&w, "one");
    words_add(&w, "%s=%d%%", "two", 2);
    words_add(&w, "%s", "");
    CHECK_OK(words_end(&w, &err), &err);
    CHECK_EQ_U64(w.count, 3);
    CHECK_STR(words_list(&w)[0], "one");
    CHECK_STR(words_list(&w)[1], "two=2%");
    CHECK_STR(words_list(&w)[2], "");
    CHECK(words_list(&w)[3] == NULL);
    joined = words_join(&w, "/");
    CHECK_STR(joined ? joined : "?", "one/two=2%/");
}

static void test_many(void)
{
    _cleanup_words_ struct words w = WORDS_INIT;
    _cleanup_error_ struct error err = ERROR_INIT;

    for (int i = 0; i < 1000; i++)
        words_add(&w, "%d", i);
    CHECK_OK(words_end(&w, &err), &err);
    CHECK_EQ_U64(w.count, 1000);
    CHECK_STR(words_list(&w)[999], "999");
    CHECK(words_list(&w)[1000] == NULL);
}

/* A word that could not be had is told at the end, not lost. */
static void test_no_memory(void)
{
    _cleanup_words_ struct words w = WORDS_INIT;
    _cleanup_error_ struct error err = ERROR_INIT;
    _cleanup_free_ char *joined = NULL;

    words_add(&w, "%lc", (wint_t)0x3b1); /* no letter of this locale */
    words_add(&w, "next");
    CHECK_FAILS(words_end(&w, &err), &err, "memory");
    joined = words_join(&w, " ");
    CHECK(joined == NULL);
}

int main(void)
{
    RUN(test_list);
    RUN(test_many);
    RUN(test_no_memory);
    return check_result();
}
