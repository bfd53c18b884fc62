/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* image.h - one disk of a point becomes an image file */
#ifndef RESTORE_IMAGE_H
#define RESTORE_IMAGE_H

#include "base/error.h"
#include "base/progress.h"
#include "set.h"

struct image_task {
    const struct backup_set *set;
    const struct selection_disk *disk;
    const char *path;        /* of the image to be made */
    const char *runtime_dir; /* for the socket */
    struct progress *progress;
};

/* Make the image like the original (as far as the set tells), fill it, and
 * make it durable.  On failure the file may be there; it is the caller's to
 * remove.
 */
must_check int image_restore(const struct image_task *task, struct error *err);

#endif
