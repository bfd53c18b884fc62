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
#include "host/qemu.h"
#include "host/remote.h"
#include "options.h"
#include "set/chain.h"
#include "set/intent.h"
#include "set/manifest.h"
#include "sink/sink.h"
#include "transport.h"
#include "virt/checkpoint.h"
#include "virt/domain.h"
#include "virt/session.h"

struct run_disk {
    const struct domain_disk *disk; /* one of run.all_disks */
    bool raw_disk;    /* libvirt keeps no track of it: always a copy */
    bool raw;         /* saved as a plain image */
    char *data_file;  /* vda.full.data */
    char *index_file; /* vda.full.index */
    char *info_file;  /* vda.<ident>.qcow.json */
    bool cover;       /* only data frames: older data lies in the directory */
    /* Set by track_disks: */
    enum level level;     /* of this disk: full where an inc is not possible */
    ssize_t parent;       /* number of the point it builds on, or -1 */
    uint64_t parent_size; /* bytes of the disk then */
    char *source_id;      /* which image it is */
    /* Set by exports_open: */
    struct nbd_target target; /* where the disk can be read */
    char *bitmap;             /* context of the changes; NULL: none */
    bool size_known;          /* by libvirt: */
    uint64_t size;            /* what the export has to have */
    char *export_name;        /* owned */
    char *socket;             /* powered off: of its server, owned */
    struct qemu_nbd *server;  /* powered off */
    struct disk_result result;
    uint64_t duration_ms; /* what it took to read and write it */
};

struct run {
    const struct backup_options *options;
    int dirfd;       /* the backup directory */
    int lockfd;      /* its lock */
    char *directory; /* absolute path, for the guardian */
    char *log_name;  /* of the log file in the directory */
    struct guardian *guardian;
    struct remote *remote; /* the hypervisor; NULL: this machine */
    char *local_dir;       /* our private directory here, if it is not */
    struct session *session;
    struct domain *domain;
    struct transport transport;
    bool unseen;      /* the hypervisor's files cannot be reached from here */
    bool powered_off; /* the disks are read from their images */
    bool started;     /* we have started it, paused (--start-domain) */
    struct domain_disk_list all_disks; /* of the domain, wanted or not */
    char *xml;               /* of the domain, as it was just before the job */
    bool autostart;          /* the same */
    struct chain *chain;     /* what the directory held before */
    struct chain *old_chain; /* to stdout: what a full or copy is no part of */
    char point_uuid[TEXT_UUID_ROOM];
    char description[CHECKPOINT_DESCRIPTION_ROOM]; /* of the checkpoint */
    enum level level;       /* what is done; never auto */
    char *chain_name;       /* NULL: the default chain */
    char *point;            /* name of the point: virtnbdbackup.0, copy */
    char *checkpoint;       /* to be made; NULL: none */
    char *next;             /* the checkpoint that metadata names */
    char *checkpoint_xml;   /* its description, once libvirt has told it */
    int checkpointfd;       /* where descriptions of checkpoints lie */
    char *runtime_dir;      /* private, on the hypervisor */
    char *socket;           /* QEMU's, on the hypervisor; over TCP the job's
                               mark (virt/job), which takes its place */
    char *scratch_dir;      /* on the hypervisor */
    int64_t scratch_due_ms; /* when its room is looked at next, if it is
                               another host's */
    char *local_socket;     /* where we connect to in its place; NULL: there */
    struct run_disk *disks;
    size_t disk_count;
    struct sink *archive;   /* -o -: what goes to stdout; else NULL */
    uint64_t frozen_ms;     /* how long the guest's file systems were frozen */
    bool frozen;            /* they have to be thawed yet */
    bool thawed_early;      /* it was not frozen any more when it was thawed */
    bool suspended;         /* the guest has to be resumed yet */
    struct boot_copy *boot; /* files that the guest boots from (boot.h) */
    size_t boot_count;
    struct guest_text *guest; /* what the agent told (guest.h) */
    size_t guest_count;
    bool intent_written;
    bool committed;
    bool delivered;     /* a copy to stdout: complete, nothing stays here */
    bool skipped;       /* too little has changed: nothing is saved */
    bool kept;          /* --startonly: the job goes on after us */
    bool begin_unknown; /* libvirt may begin the job yet */
    bool ended_early;   /* we ended the job, since a disk had failed */
    bool job_left;      /* the job could not be ended */
    bool left_over;     /* something could not be put back; it was named */
    bool hand_over;     /* the guardian is to go on cleaning up */
    struct intent intent;
    uint64_t sequence; /* number of the point in its directory */
    time_t begun;
    uint64_t begun_ms; /* the same by base/clock */
};

/* Look at what the directory holds, choose the disks of the domain that the
 * options ask for (and say why others are left out), decide level and names of
 * the point, and refuse what would replace or mix anything.  Nothing is
 * changed, but that points are forgotten which --since says were lost.  Fails
 * when a filter matches nothing.
 */
must_check int point_prepare(struct run *run, struct error *err);

/* Is it only to be looked at, or started: does it make no point? */
bool point_is_dry(const struct run *run);

/* What messages call the directory: as the user wrote it, or its path if he
 * wrote "-".
 */
const char *point_place(const struct run *run);

/* Set a string of a manifest or intent; NULL counts as "". */
must_check int point_set(char **member, const char *value, struct error *err);

/* Set it to a time in UTC, as manifests have it. */
must_check int point_time(time_t when, char **ret, struct error *err);

/* Free what the two made. */
void point_done(struct run *run);

#endif
