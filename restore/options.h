/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* options.h - the command line of virtnbdrestore as one plain struct */
#ifndef RESTORE_OPTIONS_H
#define RESTORE_OPTIONS_H

#include "cli/groups.h"

enum restore_action {
    ACTION_RESTORE,
    ACTION_DUMP,   /* print the metadata */
    ACTION_VERIFY, /* read everything and compare it with its checksums */
};

struct restore_options {
    struct cli_common common;
    enum restore_action action;
    const char *input;
    const char *output;  /* NULL unless restoring */
    const char *disk;    /* one target, or NULL: all */
    const char *until;   /* a point as until.h reads it, or NULL: the newest */
    const char *logfile; /* NULL: the default */
};

/* Parse the command line; strings are borrowed from argv.  On wrong usage,
 * --help and --version the program ends here with the documented status.
 */
void restore_options_parse(int argc, char **argv, struct restore_options *ret);

#endif
