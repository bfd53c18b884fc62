/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* image.h - one disk of a point becomes an image, or goes onto a target */
#ifndef RESTORE_IMAGE_H
#define RESTORE_IMAGE_H

#include <stdbool.h>

#include "base/error.h"
#include "base/progress.h"
#include "options.h"
#include "place.h"
#include "set.h"
#include "transport.h"

/* The name beside the image that its plain form has while it is compressed. */
#define IMAGE_PLAIN ".plain"

struct image_task {
    const struct restore_options *options;
    const struct backup_set *set;
    const struct place *place;
    struct remote *on;   /* NULL: here; else `dir` is there.. */
    const char *servers; /* ..and this is a private directory there */
    const char *dir;     /* PLACE_IMAGE: the directory in which it is made */
    const char *socket;  /* for qemu-nbd, but over TCP */
    const struct transport *transport;
    struct progress *progress;
    bool *touched; /* set once something of the place may be written; or NULL */
};

/* The format that a disk's image gets without --format. */
const char *image_format(const struct selection_disk *disk);

/* Fill the place and make it durable.  An image is made like the original (as
 * far as the set tells) as `dir`/`place->name`; on failure it may be there, the
 * caller's to remove.
 */
must_check int image_restore(const struct image_task *task, struct error *err);

#endif
