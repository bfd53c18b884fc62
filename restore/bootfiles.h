/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* bootfiles.h - what the guest boots from: loader, NVRAM, kernel, initrd
 *
 * They are restored beside the disks, or with --boot-files-in-place to where
 * the configuration has them.  The configuration comes from the set: without
 * that option nothing but the base names of its paths is used.
 */
#ifndef RESTORE_BOOTFILES_H
#define RESTORE_BOOTFILES_H

#include <stdbool.h>
#include <stddef.h>

#include "base/error.h"
#include "set.h"
#include "vmconfig.h"

#define BOOTFILES_MAX 4

struct bootfile {
    enum file_role role;
    char *file;                        /* in the set */
    const struct manifest_file *entry; /* borrowed; NULL: hash not known */
    const char *original; /* path in the configuration, or NULL; borrowed */
    char *name;           /* in the target directory */
    bool is_there;        /* and it is there already, the same to the byte */
    bool in_place;        /* goes to `original` instead ... */
    bool stays;           /* ... where there is one, which is not touched */
    bool placed;          /* we put it there */
    char *staged;         /* in the staging directory; NULL: not yet */
};

struct bootfiles {
    struct bootfile items[BOOTFILES_MAX];
    size_t count;
};

/* The boot files of a point.  What the configuration names and the set does not
 * have is a warning.  ERR_DAMAGED: two files for one purpose.
 */
must_check int bootfiles_find(const struct backup_set *set,
                              const struct chain_point *point,
                              const struct vmconfig *config,
                              struct bootfiles *ret, struct error *err);
void bootfiles_done(struct bootfiles *files);

/* The file for that purpose, or NULL. */
const struct bootfile *bootfiles_get(const struct bootfiles *files,
                                     enum file_role role);

/* Decide that they go where the configuration has them.  A loader that is there
 * stays, with a warning if it is another one; an NVRAM, kernel or initrd must
 * be the same or not be there; `alone`: an NVRAM must not be there at all, as
 * another guest may use it.  ERR_EXISTS, ERR_INPUT.
 */
must_check int bootfiles_in_place(struct bootfiles *files,
                                  const struct backup_set *set, bool alone,
                                  struct error *err);

/* Give the others names in the target directory, none of which is in `taken`,
 * and see which of them are there already.
 */
must_check int bootfiles_name(struct bootfiles *files,
                              const struct backup_set *set, int targetfd,
                              char *const *taken, size_t count,
                              struct error *err);

/* Does a file in the set refer to another file, as an overlay does?  A guest
 * that boots from it would read that one.  Outcomes 1 = yes, 0 = no.
 */
must_check int bootfile_refers(const struct bootfile *file,
                               const struct backup_set *set, struct error *err);

/* Copy what is needed to the staging directory, compare it with its hash, make
 * it durable.  ERR_DAMAGED.
 */
must_check int bootfiles_stage(struct bootfiles *files,
                               const struct backup_set *set, int stagingfd,
                               struct error *err);

/* Put the staged ones in place, each in one step, never over another file. */
must_check int bootfiles_place(struct bootfiles *files, int stagingfd,
                               struct error *err);

/* Remove again what was put in place. */
void bootfiles_take_back(struct bootfiles *files);

#endif
