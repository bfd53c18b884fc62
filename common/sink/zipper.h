/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* zipper.h - one zip archive in the making
 *
 * Entry after entry, bytes in order.  Hides libarchive.  Of this folder only,
 * for zip.c, which has the lock: nothing here is thread-safe.
 *
 * Once something failed, everything fails with that reason, and no byte reaches
 * the descriptor any more.
 */
#ifndef SINK_ZIPPER_H
#define SINK_ZIPPER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "base/macro.h"
#include "base/vec.h"
#include "sink/outlet.h"

struct archive;

struct zipper {
    struct outlet outlet;
    struct archive *archive;
    VEC(char *) names; /* of the entries, owned */
    bool open;         /* an entry is under way: the last one */
    bool closed;
    bool failed;
    struct error why; /* why it failed */
};

#define ZIPPER_INIT                                                            \
    {                                                                          \
        .outlet = OUTLET_INIT, .why = ERROR_INIT                               \
    }

/* Begin an archive on a duplicate of `fd`, into `z`, which is ZIPPER_INIT and
 * has to be freed with zipper_done in any case.  That leaves the archive broken
 * unless it was finished.
 */
must_check int zipper_open(int fd, struct zipper *z, struct error *err);
void zipper_done(struct zipper *z);

/* Begin an entry of `*size` bytes, or of any number (NULL).  ERR_BUSY while one
 * is under way, ERR_EXISTS if there is one of this name.
 */
must_check int zipper_begin(struct zipper *z, const char *name,
                            const uint64_t *size, struct error *err);

/* The name of the entry that was begun last. */
const char *zipper_name(const struct zipper *z);

/* Append bytes, or zeroes, to the entry under way; and end it. */
must_check int zipper_append(struct zipper *z, const void *bytes, size_t length,
                             struct error *err);
must_check int zipper_append_zeroes(struct zipper *z, uint64_t length,
                                    struct error *err);
must_check int zipper_end(struct zipper *z, struct error *err);

/* The archive has failed, for the reason `why` (emptied) unless it had one
 * before.  Returns -1 with the first reason in `err`.
 */
int zipper_fail(struct zipper *z, struct error *why, struct error *err);

/* Write the archive's directory and wait until everything has arrived. ERR_BUSY
 * while an entry is under way.  Fine if it is done already.
 */
must_check int zipper_finish(struct zipper *z, struct error *err);

#endif
