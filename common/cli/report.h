/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* report.h - what a backup run did, for programs
 *
 * One plain structure, filled by the program, and two forms of it: a JSON
 * object (here) and metrics (metrics.h).  Hides the JSON.  Pure: the files are
 * written elsewhere (result_file.h).
 *
 * The object's keys are a contract: docs/report.schema.json says what each
 * means, and a test holds what is written against it.  New keys may come, and
 * readers have to ignore those they do not know; whatever else changes raises
 * `format`.
 */
#ifndef CLI_REPORT_H
#define CLI_REPORT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "base/macro.h"

#define REPORT_FORMAT 1

/* One disk of the point.  Sizes are bytes; strings are borrowed. */
struct report_disk {
    const char *target;    /* vda */
    const char *level;     /* what was done with this disk */
    const char *parent;    /* point that it builds upon; NULL: none */
    bool lost_tracking;    /* whole, since its changes were not known */
    uint64_t virtual_size; /* of the guest's disk */
    uint64_t changed_size; /* what the bitmap calls changed, or all */
    uint64_t read_size;    /* read from the disk */
    uint64_t zero_size;    /* of the changes: known to be zero, not read */
    uint64_t stored_size;  /* of the data file */
    uint64_t extent_count; /* pieces that the changes were in */
    uint64_t duration_ms;
};

enum report_result {
    REPORT_COMPLETE, /* the point is there */
    REPORT_SKIPPED,  /* nothing was to be saved, or that was not asked for */
    REPORT_FAILED,   /* no point was made */
};

/* Strings are borrowed, and may be NULL where the run did not get so far. */
struct report {
    const char *program;
    const char *domain;
    const char *domain_uuid;
    const char *directory; /* absolute; NULL: an archive to stdout */
    const char *level_asked;
    const char *level_done;
    const char *chain_uuid;
    const char *point; /* name; NULL: none was made */
    const char *point_uuid;
    uint64_t sequence; /* of the point in its directory */
    enum report_result result;
    int exit_status;
    const char *error;    /* the sentence; NULL: none */
    int64_t begun, ended; /* seconds since 1970 */
    uint64_t duration_ms;
    uint64_t frozen_ms;
    const char **warnings; /* the first ones */
    size_t warning_count;  /* of `warnings` */
    const struct report_disk *disks;
    size_t disk_count;
    /* The set as it is now; not known: -1. */
    int64_t set_points;        /* in the directory */
    int64_t set_size;          /* bytes of their data files */
    int64_t chain_length;      /* the newest full and what builds on it */
    int64_t set_lost_tracking; /* disks saved whole in the place of an inc */
    int64_t last_success;      /* when the newest point was begun; 1970 on */
};

/* Sums over the disks. */
struct report_disk report_total(const struct report *r);

/* The object as text, with a newline at its end; the caller's. */
must_check int report_json(const struct report *r, char **ret_text,
                           struct error *err);

#endif
