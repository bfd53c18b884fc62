/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* error.h - how everything here fails
 *
 * The contract, for every function of the suite:
 *
 * 1. A function that can fail takes `struct error *err` last and returns 0 or
 *    -1 (or a pointer or NULL).  It is must_check.
 * 2. -1 means `err` is filled.  Nobody inspects it except to choose a way out
 *    (its kind); everybody may put context in front:
 *    `return error_prefix(err, "disk %s", name);`
 * 3. A positive return is an outcome, not an error: the header of the function
 *    lists it and its direct caller handles it.
 * 4. Nothing in common/ prints, logs above debug level, or exits.
 * 5. The setters return -1, so a failing check is one line.
 * 6. Asynchronous callbacks store the first error and return; every completion
 *    looks at its error argument.
 * 7. Out of memory is an error like any other.
 *
 * `err` starts as ERROR_INIT and is set at most once before it is cleared; a
 * second error_set replaces the first.  Passing NULL drops the error.
 *
 * A message says what was attempted, on what, and why it failed, without a
 * full stop; file names stand in single quotes.
 */
#ifndef BASE_ERROR_H
#define BASE_ERROR_H

#include "base/macro.h"

enum error_kind {
    ERR_NONE = 0,
    ERR_SYSTEM,  /* a system call failed; code is its errno */
    ERR_MEMORY,  /* no memory */
    ERR_USAGE,   /* the command line makes no sense */
    ERR_INPUT,   /* what the user named is not there or not usable */
    ERR_DAMAGED, /* a backup set is damaged, incomplete or ambiguous */
    ERR_EXISTS,  /* something is in the way that we do not replace */
    ERR_BUSY,    /* another run or job holds what we need */
    ERR_LIBVIRT, /* libvirt refused; code is its error number */
    ERR_NBD,     /* an NBD server failed or lied; code is an errno or 0 */
    ERR_CHILD,   /* a program we started failed; code is its exit status */
    ERR_TIMEOUT, /* a deadline passed */
    ERR_STOPPED, /* the user asked us to stop; code is the signal */
};

struct error {
    enum error_kind kind;
    int code;
    char *text; /* owned; NULL: out of memory, error_text() still answers */
};

#define ERROR_INIT                                                             \
    {                                                                          \
        ERR_NONE, 0, NULL                                                      \
    }

/* Fill `err`; code is 0.  Returns -1. */
int error_set(struct error *err, enum error_kind kind, const char *fmt, ...)
    printf_format(3, 4);

/* The same with a code. */
int error_set_code(struct error *err, enum error_kind kind, int code,
                   const char *fmt, ...) printf_format(4, 5);

/* A failed system call: kind ERR_SYSTEM (ERR_MEMORY for ENOMEM), code
 * `errnum`, text "<fmt>: <strerror>".  Returns -1.
 */
int error_errno(struct error *err, int errnum, const char *fmt, ...)
    printf_format(3, 4);

/* No memory, without needing any.  Returns -1. */
int error_memory(struct error *err);

/* Put "<fmt>: " in front of the text.  Kind and code stay.  Returns -1. */
int error_prefix(struct error *err, const char *fmt, ...) printf_format(2, 3);

/* Append text (a hint: what to do).  Kind and code stay.  Returns -1. */
int error_append(struct error *err, const char *fmt, ...) printf_format(2, 3);

/* Say so where they are called, too: neither the compiler nor what analyses one
 * file follows ways that do not exist.
 */
static inline int error_failed(int minus_one)
{
    return -1;
}

#define error_set(...) error_failed(error_set(__VA_ARGS__))
#define error_set_code(...) error_failed(error_set_code(__VA_ARGS__))
#define error_errno(...) error_failed(error_errno(__VA_ARGS__))
#define error_memory(err) error_failed(error_memory(err))
#define error_prefix(...) error_failed(error_prefix(__VA_ARGS__))
#define error_append(...) error_failed(error_append(__VA_ARGS__))

/* Move `from` to `to`, which is cleared first; `from` is then empty. */
void error_move(struct error *to, struct error *from);

/* The sentence; never NULL. */
const char *error_text(const struct error *err);

/* Free the text and start again.  Also the cleanup function. */
void error_clear(struct error *err);

#define _cleanup_error_ __attribute__((cleanup(error_clear)))

#endif
