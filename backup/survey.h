/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* survey.h - what of a disk there is to save
 *
 * Connects to the export and finds the extents: of the whole disk, or of what
 * a dirty bitmap calls changed.  Hides whether the server is asked by us or by
 * nbdinfo.  Must not know what is made of the extents.
 */
#ifndef BACKUP_SURVEY_H
#define BACKUP_SURVEY_H

#include <stdbool.h>
#include <stdint.h>

#include "block/extent.h"
#include "disk.h"
#include "nbd/conn.h"

struct survey {
    struct nbd_conn *conn;      /* to read from; owned */
    bool incremental;           /* the bitmap tells what changed */
    struct extent_list extents; /* the whole disk, or what changed of it */
    uint64_t dirty_size;        /* bytes that the bitmap calls changed */
};

/* Survey the disk of `task`.  `*ret` is all zero before, and has to be given to
 * survey_done also after a failure.  The server has to take two clients at a
 * time.
 */
must_check int survey_make(const struct disk_task *task, struct survey *ret,
                           struct error *err);

/* Does another connection to the export show a disk of the same size? */
must_check int survey_check_size(const struct survey *s,
                                 const struct nbd_conn *conn,
                                 struct error *err);

void survey_done(struct survey *survey);

#endif
