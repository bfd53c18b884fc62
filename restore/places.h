/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* places.h - which disks of a point are restored, and where to
 *
 * Hides the rules for disks that are missing, and for names of images.
 */
#ifndef RESTORE_PLACES_H
#define RESTORE_PLACES_H

#include "base/error.h"
#include "options.h"
#include "place.h"
#include "set.h"
#include "vmconfig.h"

struct places_request {
    const struct restore_options *options;
    const struct backup_set *set;
    const struct selection *selection;
    const struct vmconfig *config;
    const char *target; /* absolute path of the output directory */
};

struct place_list {
    struct place *items;
    size_t count;
};

void place_list_done(struct place_list *list);

/* Decide, and open what --target names.  ERR_INPUT: a disk that the user named
 * is not there, or its place does not do; ERR_DAMAGED: the backup lacks a disk
 * that it should hold.  `*ret` must be empty.
 */
must_check int places_choose(const struct places_request *request,
                             struct place_list *ret, struct error *err);

#endif
