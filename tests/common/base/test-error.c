/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* test-error.c - base/error */
#include <errno.h>

#include "base/error.h"
#include "check.h"

static void test_set(void)
{
    _cleanup_error_ struct error err = ERROR_INIT;

    CHECK_STR(error_text(&err), "no error");
    CHECK_EQ_INT(error_set(&err, ERR_DAMAGED, "frame at %d", 7), -1);
    CHECK_EQ_INT(err.kind, ERR_DAMAGED);
    CHECK_EQ_INT(err.code, 0);
    CHECK_STR(error_text(&err), "frame at 7");
    CHECK_EQ_INT(error_set_code(&err, ERR_CHILD, 3, "second"), -1);
    CHECK_EQ_INT(err.kind, ERR_CHILD);
    CHECK_EQ_INT(err.code, 3);
    CHECK_STR(error_text(&err), "second");
}

static void test_context(void)
{
    _cleanup_error_ struct error err = ERROR_INIT;

    CHECK_EQ_INT(error_errno(&err, ENOENT, "opening '%s'", "x"), -1);
    CHECK_EQ_INT(err.kind, ERR_SYSTEM);
    CHECK_EQ_INT(err.code, ENOENT);
    CHECK_EQ_INT(error_prefix(&err, "disk %s", "vda"), -1);
    CHECK_EQ_INT(error_append(&err, " (%s)", "try again"), -1);
    CHECK_STR(error_text(&err), "disk vda: opening 'x': "
                                "No such file or directory (try again)");
    CHECK_EQ_INT(err.code, ENOENT);
}

static void test_memory(void)
{
    _cleanup_error_ struct error err = ERROR_INIT;

    CHECK_EQ_INT(error_memory(&err), -1);
    CHECK_EQ_INT(err.kind, ERR_MEMORY);
    CHECK_STR(error_text(&err), "out of memory");
    error_prefix(&err, "disk vda");
    CHECK_STR(error_text(&err), "disk vda: out of memory");
    error_errno(&err, ENOMEM, "mapping");
    CHECK_EQ_INT(err.kind, ERR_MEMORY);
}

static void test_null_and_move(void)
{
    struct error from = ERROR_INIT;
    _cleanup_error_ struct error to = ERROR_INIT;

    CHECK_EQ_INT(error_set(NULL, ERR_INPUT, "dropped"), -1);
    CHECK_EQ_INT(error_errno(NULL, EIO, "dropped"), -1);
    CHECK_EQ_INT(error_prefix(NULL, "dropped"), -1);
    error_set(&to, ERR_INPUT, "old");
    error_set(&from, ERR_BUSY, "new");
    error_move(&to, &from);
    CHECK_EQ_INT(to.kind, ERR_BUSY);
    CHECK_STR(error_text(&to), "new");
    CHECK_EQ_INT(from.kind, ERR_NONE);
    CHECK(from.text == NULL);
    error_set(&from, ERR_BUSY, "freed");
    error_move(NULL, &from);
    CHECK(from.text == NULL);
}

int main(void)
{
    RUN(test_set);
    RUN(test_context);
    RUN(test_memory);
    RUN(test_null_and_move);
    return check_result();
}
