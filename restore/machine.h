/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* machine.h - what a guest is besides its disks
 *
 * Its configuration, as it was saved or adjusted so that it can live beside the
 * original, and the files that it boots from.  All is decided, and refused,
 * before the first disk is written; it grows in the staging directory with the
 * disks and gets its names together with them; a domain is defined only when
 * everything is there to stay.
 *
 * Everything read from the set is untrusted.  Nothing outside the target
 * directory is written but with --boot-files-in-place.
 */
#ifndef RESTORE_MACHINE_H
#define RESTORE_MACHINE_H

#include <stdbool.h>
#include <stddef.h>

#include "base/error.h"
#include "options.h"
#include "places.h"
#include "set.h"
#include "vmconfig.h"

struct machine_request {
    bool elsewhere; /* all of it is for another host: `target` is there, and
                       targetfd leads to an empty directory */
    const struct restore_options *options;
    const struct backup_set *set;
    const struct chain_point *point;
    const struct vmconfig *config;
    const char *target; /* absolute path of the target directory ... */
    int targetfd;       /* ... and it opened */
    const struct place_list *places; /* of the disks */
};

struct machine;

/* Decide what will be made.  Says what is left out or changed (log).
 * ERR_INPUT: the configuration is missing, makes no sense, or would run or
 * open something of this host and nobody said that it may; or the domain's name
 * is taken.  ERR_DAMAGED: a file of the set is not what its manifest says.
 * ERR_LIBVIRT: libvirt, which --define needs, is not there.
 * `request` is borrowed until machine_free.
 */
must_check int machine_plan(const struct machine_request *request,
                            struct machine **ret, struct error *err);

/* How many names in the target directory will be made besides the disks', and
 * name number `i`, which lives as long as the machine.
 */
size_t machine_name_count(const struct machine *m);
const char *machine_name(const struct machine *m, size_t i);

/* Make them in the staging directory, durable. */
must_check int machine_stage(struct machine *m, int stagingfd,
                             struct error *err);

/* With --boot-files-in-place: put the staged files to their places; if
 * something fails afterwards, machine_take_back removes them again.
 */
must_check int machine_place(struct machine *m, int stagingfd,
                             struct error *err);
void machine_take_back(struct machine *m);

/* When everything has its name: define the domain, and let storage pools look
 * again.  If the domain cannot be defined, the error says what is there and
 * what to do.  Outcome 1: done, but for something that was said (log).
 */
must_check int machine_define(struct machine *m, struct error *err);

void machine_free(struct machine *m);

static inline void machine_freep(struct machine **m)
{
    machine_free(*m);
}

#endif
