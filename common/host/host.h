/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* host.h - private places on this machine
 *
 * A run keeps its socket and its scratch files in a directory of its own, with
 * a name that nobody can guess.  Hides who may enter it, and that removing it
 * is safe whoever named it: the name may come from a file that others can
 * write.  Knows nothing of what is put there.
 */
#ifndef HOST_HOST_H
#define HOST_HOST_H

#include <sys/types.h>

#include "base/error.h"
#include "base/macro.h"

struct remote;

/* Runtime directories are this and HOST_RUNTIME_DIGITS lower case hex digits.
 */
#define HOST_RUNTIME_PARENT "/var/tmp"
#define HOST_RUNTIME_PREFIX HOST_RUNTIME_PARENT "/virtnbdbackup."
#define HOST_RUNTIME_DIGITS 16

/* A new name for a runtime directory, so that it can be written down before
 * the directory exists.  `*ret_path` is the caller's.
 */
must_check int host_runtime_name(char **ret_path, struct error *err);

/* Make it.  `uid` and `gid` are QEMU's, -1 if unknown.  Mode 0700, and if we
 * are root, it belongs to QEMU; if QEMU is somebody else and we may not give
 * it away, everybody may make files in it who knows its name (mode 1733).
 * ERR_INPUT: not a name as above; ERR_EXISTS: something is there.
 */
must_check int host_runtime_make(const char *path, uid_t uid, gid_t gid,
                                 struct error *err);

/* Both in one. */
must_check int host_runtime_dir(uid_t uid, gid_t gid, char **ret_path,
                                struct error *err);

/* Remove a runtime directory and the files in it, here (NULL) or on another
 * host; fine if it is not there.  Follows no symbolic links and enters no
 * directories.  ERR_INPUT: `path` is
 * not a name as above, nothing was touched.
 */
must_check int host_remove_dir(struct remote *on, const char *path,
                               struct error *err);

/* Make the content of the file `path` durable, here (NULL) or on another host,
 * through any cache that programs used for writing it.  (Its name is made
 * durable by file_sync_dir.)
 */
must_check int host_sync_file(struct remote *on, const char *path,
                              struct error *err);

#endif
