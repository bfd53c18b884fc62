/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* fuse.h - an NBD export as a plain file, by nbdfuse
 *
 * The file is made empty and nbdfuse mounts over it.  What is mounted is known
 * by the name of its file system, so that nothing else is ever unmounted, even
 * by the guardian, who knows nothing but a path.
 */
#ifndef MAP_FUSE_H
#define MAP_FUSE_H

#include <stdbool.h>

#include "base/error.h"
#include "base/macro.h"
#include "base/spawn.h"

/* Make the file `name` in the directory `dir` (absolute) and show the export at
 * `uri` there; it is there when this returns.  The child dies with the calling
 * *thread*, and the file system with it; fuse_release removes what is left.
 * `stderr_fd` gets its complaints.  ERR_EXISTS: there is such a file;
 * ERR_CHILD: nbdfuse refuses.
 */
must_check int fuse_start(const char *dir, const char *name, const char *uri,
                          bool read_only, int stderr_fd, struct child **ret,
                          struct error *err);

/* Unmount, whoever uses it, and remove the file.  Fine if neither is there. */
must_check int fuse_release(const char *dir, const char *name,
                            struct error *err);

#endif
