/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* options.h - the command line of virtnbdbackup as one plain struct
 *
 * The parser checks each value alone; what fits together, and what the world
 * says to it, is checked later (check.h).
 */
#ifndef BACKUP_OPTIONS_H
#define BACKUP_OPTIONS_H

#include <stdbool.h>

#include "cli/groups.h"
#include "set/name.h"

struct backup_options {
    struct cli_common common;
    const char *domain;
    const char *output;
    enum level level;          /* what is wanted, unless auto_level */
    bool auto_level;           /* full if there is none yet, else inc */
    const char *include;       /* one target, or NULL: all */
    const char *exclude;       /* targets separated by commas, or NULL */
    const char *socketfile;    /* NULL: a private one */
    const char *scratchdir;    /* NULL: the private directory */
    const char *uri;           /* NULL: libvirt's default for this user */
    const char *chain;         /* name of the chain; NULL: the default one */
    const char *checkpointdir; /* NULL: `checkpoints` in the output */
    bool no_fallback;          /* no full of a disk in the place of an inc */
    bool no_sparse_detection;  /* inc, diff: read zeroes too */
    bool zero_frames;          /* inc, diff: zero frames instead of holes */
    int compress;              /* lz4 level; 0: not compressed */
    int workers;               /* disks at a time; 0: all */
};

/* Parse the command line; strings are borrowed from argv.  On wrong usage,
 * --help and --version the program ends here with the documented status.
 */
void backup_options_parse(int argc, char **argv, struct backup_options *ret);

/* The level as it was typed: what the log file is named after. */
const char *backup_level_asked(const struct backup_options *options);

#endif
