/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* device.h - an NBD export as a device of the kernel, by qemu-nbd
 *
 * qemu-nbd stays in the foreground as our child: if it ends, however that
 * happens, the kernel lets go of the device.
 */
#ifndef MAP_DEVICE_H
#define MAP_DEVICE_H

#include <stdbool.h>
#include <sys/types.h>

#include "base/error.h"
#include "base/macro.h"
#include "base/spawn.h"
#include "follow.h"

/* Can `device` be used?  ERR_INPUT: it is no "/dev/nbdN", or not there;
 * ERR_BUSY: somebody uses it.
 */
must_check int device_check(const char *device, struct error *err);

/* Attach the raw disk at `uri`; it is there when this returns.  `socket` is a
 * path for qemu-nbd's own use.  The child dies with the calling *thread*.
 * ERR_CHILD: qemu-nbd, or the kernel, refuses.
 */
must_check int device_start(const char *device, const char *uri,
                            const char *socket, bool read_only,
                            struct follow *follow, struct child **ret,
                            struct error *err);

/* Write what the kernel has for it, and detach it: `child` has then ended. */
must_check int device_stop(const char *device, struct child *child,
                           struct error *err);

/* Detach it if it is still attached and process `pid`, 0: not known, which was
 * to serve it, is gone.  For the guardian.
 */
must_check int device_release(const char *device, pid_t pid, struct error *err);

#endif
