/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* staging.h - where restored files grow before they get their names
 *
 * A private directory inside the target directory, so that giving a file its
 * final name is one rename.  If the restore fails, or is killed, the directory
 * goes with all that is in it: under a final name there is never half an
 * image.
 */
#ifndef RESTORE_STAGING_H
#define RESTORE_STAGING_H

#include <stddef.h>

#include "base/error.h"

struct staging {
    int targetfd;     /* the target directory; borrowed */
    int dirfd;        /* the staging directory */
    char *name;       /* of it, inside the target directory */
    char *path;       /* of it, absolute */
    char **published; /* names in the target directory that we made */
    size_t count;
};

#define STAGING_INIT                                                           \
    {                                                                          \
        -1, -1, NULL, NULL, NULL, 0                                            \
    }

/* Choose a name in the directory `target` (absolute path, open as `targetfd`);
 * nothing is made yet, so that the name can be written down first.
 */
must_check int staging_name(int targetfd, const char *target,
                            struct staging *ret, struct error *err);

/* Make it, mode 0700. */
must_check int staging_make(struct staging *s, struct error *err);

/* The path of a file in it, owned by the caller. */
must_check char *staging_path(const struct staging *s, const char *name);

/* Give all files `names` their places in the target directory: all, or none.
 * Nothing is replaced: ERR_EXISTS.
 */
must_check int staging_publish(struct staging *s, char *const *names,
                               size_t count, struct error *err);

/* Remove it with what is left in it, and free.  Not an error if that fails:
 * outcome 1.
 */
int staging_remove(struct staging *s);

/* Remove the staging directory `path`, of a process that is gone. */
must_check int staging_remove_path(const char *path, struct error *err);

#endif
