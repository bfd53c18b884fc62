/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* point.h - what a run makes: names, identities, and the state on the way
 *
 * Everything that the parts of a run have to agree on stands in struct run.
 * The order of the steps is in run.c.
 */
#ifndef BACKUP_POINT_H
#define BACKUP_POINT_H

#include <stdbool.h>
#include <stdint.h>
#include <time.h>

#include "base/error.h"
#include "base/text.h"
#include "disk.h"
#include "host/guardian.h"
#include "options.h"
#include "set/chain.h"
#include "set/intent.h"
#include "set/manifest.h"
#include "virt/checkpoint.h"
#include "virt/domain.h"
#include "virt/session.h"

struct run_disk {
    const struct domain_disk *disk; /* one of run.all_disks */
    char *data_file;                /* vda.full.data */
    char *index_file;               /* vda.full.index */
    char *info_file;                /* vda.<ident>.qcow.json */
    bool cover; /* only data frames: older data lies in the directory */
    /* Set by track_disks: */
    enum level level;     /* of this disk: full where an inc is not possible */
    ssize_t parent;       /* number of the point it builds on, or -1 */
    uint64_t parent_size; /* bytes of the disk then */
    char *bitmap;         /* context of the changes; NULL: none */
    char *source_id;      /* which image it is */
    struct disk_result result;
};

struct run {
    const struct backup_options *options;
    int dirfd;       /* the backup directory */
    int lockfd;      /* its lock */
    char *directory; /* absolute path, for the guardian */
    struct guardian *guardian;
    struct session *session;
    struct domain *domain;
    struct domain_disk_list all_disks; /* of the domain, wanted or not */
    char *xml;           /* of the domain, as it was just before the job */
    struct chain *chain; /* what the directory held before */
    char point_uuid[TEXT_UUID_ROOM];
    char description[CHECKPOINT_DESCRIPTION_ROOM]; /* of the checkpoint */
    enum level level; /* what is done; never auto */
    char *chain_name; /* NULL: the default chain */
    char *point;      /* name of the point: virtnbdbackup.0, copy */
    char *checkpoint; /* to be made; NULL: none */
    char *next;       /* the checkpoint that metadata names */
    int checkpointfd; /* where descriptions of checkpoints lie */
    char *runtime_dir;
    char *socket;
    struct run_disk *disks;
    size_t disk_count;
    bool intent_written;
    bool committed;
    bool begin_unknown; /* libvirt may begin the job yet */
    bool ended_early;   /* we ended the job, since a disk had failed */
    bool job_left;      /* the job could not be ended */
    bool left_over;     /* something could not be put back; it was named */
    bool hand_over;     /* the guardian is to go on cleaning up */
    struct intent intent;
    time_t started;
};

/* Choose the disks of the domain that the options ask for, and say why the
 * others are left out.  Fails when a filter matches nothing.
 */
must_check int point_choose_disks(struct run *run, struct error *err);

/* Look at what the directory holds, decide the names of the point, and refuse
 * what would replace or mix anything.  Nothing is changed.
 */
must_check int point_prepare(struct run *run, struct error *err);

/* Set a string of a manifest or intent; NULL counts as "". */
must_check int point_set(char **member, const char *value, struct error *err);

/* Set it to a time in UTC, as manifests have it. */
must_check int point_time(time_t when, char **ret, struct error *err);

/* Free what the two made. */
void point_done(struct run *run);

#endif
