/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* options.h - the command line of virtnbdrestore as one plain struct */
#ifndef RESTORE_OPTIONS_H
#define RESTORE_OPTIONS_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "cli/groups.h"
#include "cli/login.h"
#include "cli/ssh.h"
#include "cli/transport.h"

enum restore_action {
    ACTION_RESTORE,
    ACTION_LIST,   /* print the points, for people or as JSON */
    ACTION_DUMP,   /* print the metadata */
    ACTION_REPORT, /* write a page for a browser */
    ACTION_VERIFY, /* read everything and compare it with its checksums */
};

#define TARGETS_MAX 64

/* --target DISK=PLACE */
struct target_option {
    const char *disk;   /* begins with the disk's name ... */
    size_t disk_length; /* ... of so many bytes */
    const char *place;  /* an absolute path or an NBD URI */
};

struct restore_options {
    struct cli_common common;
    struct cli_ssh ssh;             /* for another host that is reached so */
    struct cli_transport transport; /* of the data to that host */
    enum restore_action action;
    const char *input;
    const char *output;   /* where to; of a report: a file; else NULL */
    const char *disk;     /* one target, or NULL: all */
    const char *until;    /* a point as until.h reads it, or NULL: the newest */
    const char *sequence; /* data files to be taken in this order, or NULL */
    const char *logfile;  /* NULL: the default */

    int io_seconds; /* silence of the target; 0: for ever */

    /* The images: */
    const char *format; /* "qcow2", "raw", or NULL: as it was */
    struct target_option targets[TARGETS_MAX];
    size_t target_count;
    const char *socketfile; /* NULL: in a private directory */
    bool preallocate;
    bool compress;
    bool allow_missing;
    bool raw; /* accepted: raw images are restored anyway */

    /* The guest's configuration, and what it boots from: */
    bool adjust;
    bool define;
    const char *name;        /* of the domain, or NULL: made from the old one */
    const char *config_file; /* a leaf name, or NULL: the default */
    const char *uri;         /* of libvirt, or NULL: the default */
    struct cli_login login;  /* for a libvirt that asks */
    bool keep_mac;
    bool trust_config;
    bool boot_in_place;

    bool json;      /* of list */
    bool no_verify; /* of report: read no data */

    /* Of verify, and of report: */
    uint32_t sample;   /* millionths of the data to be read; 0: all */
    uint64_t seed;     /* which ones */
    bool seeded;       /* the user chose it */
    uint64_t buffsize; /* accepted: the size of reads does not change sums */
};

/* Of a directory that is made for what is restored: private; but who defines
 * the guest wants to start it, as another user who has to get through.
 */
static inline mode_t restore_directory_mode(const struct restore_options *o)
{
    return o->define ? 0711 : 0700;
}

/* Parse the command line; strings are borrowed from argv.  On wrong usage,
 * --help and --version the program ends here with the documented status.
 */
void restore_options_parse(int argc, char **argv, struct restore_options *ret);

/* What --target says of this disk, or NULL. */
const char *restore_options_target(const struct restore_options *o,
                                   const char *disk);

#endif
