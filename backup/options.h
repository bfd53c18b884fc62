/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* options.h - the command line of virtnbdbackup as one plain struct
 *
 * The parser checks each value alone, and then what fits together (usage.h);
 * what the world says to it turns out later.
 */
#ifndef BACKUP_OPTIONS_H
#define BACKUP_OPTIONS_H

#include <stdbool.h>
#include <stdint.h>

#include "cli/groups.h"
#include "cli/login.h"
#include "cli/ssh.h"
#include "cli/transport.h"
#include "set/name.h"

struct backup_options {
    struct cli_common common;
    struct cli_ssh ssh; /* for a hypervisor that is reached so */
    const char *domain;
    const char *output;     /* a directory, or "-": a zip archive to stdout */
    bool to_stdout;         /* the latter */
    enum level level;       /* what is wanted, unless auto_level */
    bool auto_level;        /* full if there is none yet, else inc */
    const char *include;    /* targets separated by commas, or NULL */
    const char *exclude;    /* targets separated by commas, or NULL */
    bool raw_disks;         /* save raw disks, LUNs and devices too */
    bool raw_output;        /* plain images instead of streams */
    const char *socketfile; /* NULL: a private one */
    const char *scratchdir; /* NULL: the private directory */
    const char *uri;        /* NULL: libvirt's default for this user */
    struct cli_login login; /* for a libvirt that asks */
    struct cli_transport transport;
    const char *chain;         /* name of the chain; NULL: the default one */
    const char *since;         /* to stdout: the newest point that still is */
    const char *checkpointdir; /* NULL: `checkpoints` in the output */
    int io_seconds;            /* silence of a server; 0: for ever */
    uint64_t scratch_reserve; /* bytes that stay free where scratch files are */
    bool scratch_reserve_given;
    bool check_source;         /* compare all that should be unchanged */
    bool no_fallback;          /* no full of a disk in the place of an inc */
    bool no_sparse_detection;  /* inc, diff: read zeroes too */
    bool zero_frames;          /* inc, diff: zero frames instead of holes */
    bool ask_nbdinfo;          /* let nbdinfo tell the extents */
    int compress;              /* lz4 level; 0: not compressed */
    int workers;               /* disks at a time; 0: all */
    uint64_t bwlimit;          /* bytes a second for all disks; 0: none */
    uint64_t threshold;        /* inc, diff: bytes that make it worth while */
    bool start_domain;         /* powered off: start it paused meanwhile */
    bool pause;                /* no vCPU runs while the job begins */
    const char *freeze_mounts; /* freeze these only, or NULL: all */
    int freeze_seconds;        /* deadline of the freeze; 0: do not freeze */
    bool require_freeze;       /* no backup without */
    bool guest_info;           /* save what the agent says of the guest */
    bool bitlocker_keys;       /* save a Windows guest's recovery keys */
    bool start_only;           /* begin the job and leave it */
    bool kill_only;            /* end the job that runs */
    bool print_only;           /* print how much it would be */
    const char *report;        /* where a JSON report goes; NULL: nowhere */
    const char *metrics;       /* the same for node-exporter's metrics */
    const char *group;         /* digits: may read what is made; NULL: nobody */
    bool strict;               /* warnings make the exit status 2 */
    bool syslog;
};

/* Parse the command line; strings are borrowed from argv.  On wrong usage,
 * --help and --version the program ends here with the documented status.
 */
void backup_options_parse(int argc, char **argv, struct backup_options *ret);

/* The level as it was typed: what the log file is named after. */
const char *backup_level_asked(const struct backup_options *options);

#endif
