/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* options.h - the command line of virtnbdmap as one plain struct
 *
 * What each value means alone is checked here, and which go together.
 */
#ifndef MAP_OPTIONS_H
#define MAP_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/words.h"
#include "cli/groups.h"

#define MAP_PORT 10809          /* of NBD */
#define MAP_ADDRESS "127.0.0.1" /* for TCP, if nothing else is said */
#define MAP_DEVICE "/dev/nbd0"

enum map_place {
    PLACE_URI = 0, /* an NBD server, and nothing else */
    PLACE_DEVICE,  /* devices of the kernel */
    PLACE_FUSE,    /* files */
};

struct map_options {
    struct cli_common common;

    /* What: input or files. */
    const char *input;  /* the backup directory, or NULL */
    struct words disks; /* of it; none: all */
    const char *until;  /* a point of it as set/until.h reads it, or NULL */
    struct words files; /* data files of one disk, in order */
    const char *export; /* name of the export of the only disk, or NULL */

    /* Where. */
    enum map_place place;
    struct words devices; /* one a disk */
    const char *fuse;     /* directory */
    bool tcp;
    const char *address;
    uint16_t port; /* 0: a free one */
    bool tls;
    const char *tls_cert; /* directory, or NULL */
    const char *owner;    /* user, or NULL */

    /* How. */
    bool writable;
    const char *keep;   /* directory for overlays, or NULL; implies writable */
    unsigned blocksize; /* bytes, 0: no limit */
    unsigned threads;   /* 0: as many as are safe */
    bool hexdump;

    const char *logfile; /* NULL: the default */
    char **command;      /* NULL, or program and arguments, then NULL */
};

/* Parse the command line; strings are borrowed from argv.  On wrong usage,
 * --help and --version the program ends here with the documented status.
 */
void map_options_parse(int argc, char **argv, struct map_options *ret);
void map_options_done(struct map_options *o);

#endif
