/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* outlet.h - bytes to a descriptor that we were given, such as stdout
 *
 * A reader that sleeps must not keep us from ending, and the descriptor's flags
 * are not ours to change: so there is never a write that could wait, where that
 * can be known (pipes, sockets), and every wait watches base/stop.  Of this
 * folder only.  Knows the kernel's calls, not what the bytes are.
 */
#ifndef SINK_OUTLET_H
#define SINK_OUTLET_H

#include <stddef.h>

#include "base/error.h"
#include "base/macro.h"

enum outlet_kind {
    OUTLET_PIPE,
    OUTLET_SOCKET,
    OUTLET_STORAGE, /* a regular file or a block device */
    OUTLET_OTHER,   /* /dev/null and the like */
};

struct outlet {
    int fd; /* owned */
    enum outlet_kind kind;
};

#define OUTLET_INIT                                                            \
    {                                                                          \
        -1, OUTLET_OTHER                                                       \
    }

/* Write to a duplicate of `fd`.  ERR_USAGE if it is a terminal or not open for
 * writing.  `*ret` is closed with outlet_close.
 */
must_check int outlet_open(int fd, struct outlet *ret, struct error *err);
void outlet_close(struct outlet *outlet);

/* Write all `length` bytes.  ERR_STOPPED if the end was asked for; otherwise
 * ERR_SYSTEM, with what a person can do.  How much was written is then not
 * known.
 */
must_check int outlet_write(struct outlet *outlet, const void *bytes,
                            size_t length, struct error *err);

/* Wait until what was written is where it should be: on the disk, or taken by
 * the reader of a pipe or socket.  Errors as above.
 */
must_check int outlet_settle(struct outlet *outlet, struct error *err);

#endif
