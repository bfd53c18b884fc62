/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* error.c - see error.h; knows libc only
 *
 * The names of the setters are macros, too, which parentheses keep away.
 */
#include "base/error.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

printf_format(4, 0) static int set_va(struct error *err, enum error_kind kind,
                                      int code, const char *fmt, va_list ap)
{
    char *text = NULL;

    if (!err)
        return -1;
    if (vasprintf(&text, fmt, ap) < 0)
        text = NULL;
    error_clear(err);
    err->kind = kind;
    err->code = code;
    err->text = text;
    return -1;
}

int(error_set)(struct error *err, enum error_kind kind, const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    set_va(err, kind, 0, fmt, ap);
    va_end(ap);
    return -1;
}

int(error_set_code)(struct error *err, enum error_kind kind, int code,
                    const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    set_va(err, kind, code, fmt, ap);
    va_end(ap);
    return -1;
}

int(error_errno)(struct error *err, int errnum, const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    set_va(err, errnum == ENOMEM ? ERR_MEMORY : ERR_SYSTEM, errnum, fmt, ap);
    va_end(ap);
    return error_append(err, ": %s",
                        strerrordesc_np(errnum) ? strerrordesc_np(errnum)
                                                : "unknown error");
}

int(error_memory)(struct error *err)
{
    if (err) {
        error_clear(err);
        err->kind = ERR_MEMORY;
        err->code = ENOMEM;
    }
    return -1;
}

/* Replace the text of `err` by first + second; without memory it stays. */
static int join(struct error *err, const char *first, const char *second)
{
    char *text = NULL;

    if (asprintf(&text, "%s%s", first, second) < 0)
        return -1;
    free(err->text);
    err->text = text;
    return -1;
}

int(error_prefix)(struct error *err, const char *fmt, ...)
{
    char *front = NULL;
    va_list ap;

    if (!err)
        return -1;
    va_start(ap, fmt);
    if (vasprintf(&front, fmt, ap) < 0)
        front = NULL;
    va_end(ap);
    if (front) {
        char *colon = NULL;

        if (asprintf(&colon, "%s: ", front) >= 0) {
            join(err, colon, error_text(err));
            free(colon);
        }
        free(front);
    }
    return -1;
}

int(error_append)(struct error *err, const char *fmt, ...)
{
    char *back = NULL;
    va_list ap;

    if (!err)
        return -1;
    va_start(ap, fmt);
    if (vasprintf(&back, fmt, ap) < 0)
        back = NULL;
    va_end(ap);
    if (back) {
        join(err, error_text(err), back);
        free(back);
    }
    return -1;
}

void error_move(struct error *to, struct error *from)
{
    if (to) {
        error_clear(to);
        *to = *from;
    } else {
        free(from->text);
    }
    *from = (struct error)ERROR_INIT;
}

const char *error_text(const struct error *err)
{
    if (err->text)
        return err->text;
    return err->kind == ERR_NONE ? "no error" : "out of memory";
}

void error_clear(struct error *err)
{
    free(err->text);
    *err = (struct error)ERROR_INIT;
}
