/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* set.h - the backup as the user named it: opened, and looked at
 *
 * What all three actions begin with.
 */
#ifndef RESTORE_SET_H
#define RESTORE_SET_H

#include <stdbool.h>

#include "base/error.h"
#include "set/chain.h"

struct backup_set {
    const char *path; /* as the user wrote it; borrowed */
    int dirfd;
    struct chain *chain;
};

#define BACKUP_SET_INIT                                                        \
    {                                                                          \
        NULL, -1, NULL                                                         \
    }

/* Open the directory and read what points there are.  ERR_INPUT: no such
 * directory, or nothing of a backup in it.
 */
must_check int backup_set_open(const char *path, struct backup_set *ret,
                               struct error *err);
void backup_set_close(struct backup_set *s);

/* Refuse a set with data files that belong to no point: somebody has to decide
 * what they are before a restore may look complete.  ERR_DAMAGED.
 */
must_check int backup_set_check_strangers(const struct backup_set *s,
                                          struct error *err);

#endif
