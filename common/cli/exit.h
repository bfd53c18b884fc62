/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* exit.h - the exit statuses, the same for every program of the suite
 *
 * The man pages list them too; scripts rely on them.
 */
#ifndef CLI_EXIT_H
#define CLI_EXIT_H

#include "base/error.h"

enum exit_status {
    EXIT_OK = 0,       /* what was asked is there, durable */
    EXIT_FAILED = 1,   /* it failed */
    EXIT_WARNINGS = 2, /* done, but there were warnings, under --strict */
    EXIT_DAMAGED = 3,  /* the backup set is damaged or incomplete */
    EXIT_LEFTOVER = 4, /* done, but something could not be put back or cleaned
                        * up; stderr names it */
    EXIT_USAGE = 64,   /* the command line makes no sense */
    EXIT_SIGNAL = 128, /* + the signal that ended it, after cleaning up */
};

/* The status for a run that failed with `err`. */
static inline int exit_from_error(const struct error *err)
{
    switch (err->kind) {
    case ERR_NONE:
        return EXIT_OK;
    case ERR_USAGE:
        return EXIT_USAGE;
    case ERR_DAMAGED:
        return EXIT_DAMAGED;
    case ERR_STOPPED:
        return EXIT_SIGNAL + err->code;
    default:
        return EXIT_FAILED;
    }
}

#endif
