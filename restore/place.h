/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* place.h - where a restored disk goes
 *
 * Into a new image in the output directory; or onto what the user named: a
 * block device, a raw image file, an NBD export.  That has contents of its own,
 * which are lost, so everything that can be checked is checked here, before
 * anything is written.
 *
 * Knows nothing of how a disk gets there.
 */
#ifndef RESTORE_PLACE_H
#define RESTORE_PLACE_H

#include "base/error.h"
#include "nbd/conn.h"
#include "set.h"

enum place_kind {
    PLACE_IMAGE = 0,
    PLACE_DEVICE,
    PLACE_FILE,
    PLACE_EXPORT,
};

struct place {
    enum place_kind kind;
    const struct selection_disk *disk; /* what goes there; borrowed */
    const char *format;                /* "qcow2" or "raw" */
    char *name; /* PLACE_IMAGE: in the output directory; else NULL */
    char *path; /* absolute: of the image, device or file; NULL: an export */
    const char *uri;       /* PLACE_EXPORT; borrowed */
    int fd;                /* device, file: held, so that nobody mounts it */
    struct nbd_conn *conn; /* PLACE_EXPORT: the first connection */
};

#define PLACE_INIT                                                             \
    {                                                                          \
        .fd = -1                                                               \
    }

void place_done(struct place *p);

/* Open what the user named for `disk`: an absolute path or an NBD URI (both
 * borrowed).  ERR_INPUT: it is not there, of another kind, read-only, too
 * small, or a file of the set; ERR_BUSY: it is in use; ERR_NBD.  Says (log)
 * what is going to happen to it.
 */
must_check int place_open(const char *text, const struct selection_disk *disk,
                          const struct backup_set *set, struct place *ret,
                          struct error *err);

/* Refuse two places that are the same.  ERR_INPUT. */
must_check int places_check(const struct place *places, size_t count,
                            struct error *err);

/* For messages: path or URI. */
const char *place_text(const struct place *p);

#endif
