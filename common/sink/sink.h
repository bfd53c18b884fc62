/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* sink.h - where the files of a backup go
 *
 * begin, write, finish, publish; or discard.  A file is incomplete, and bears a
 * name that says so, until it is finished and published; publishing never
 * replaces anything.  Hides what stands behind: today a directory (dir.h).
 * Must not know streams, disks or sets.
 *
 * sink_write may be called by several threads at a time on one file, on parts
 * that do not overlap.  All other calls on one file come from one thread while
 * no write is under way.
 */
#ifndef SINK_SINK_H
#define SINK_SINK_H

#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "base/macro.h"

/* Alignment of offsets and memory of every write, bytes. */
#define SINK_ALIGN 4096

struct sink;
struct sink_file;

struct sink_ops {
    int (*begin)(struct sink *sink, const char *name, struct sink_file **ret,
                 struct error *err);
    int (*write)(struct sink_file *file, uint64_t offset, const void *data,
                 size_t length, size_t room, struct error *err);
    int (*finish)(struct sink_file *file, uint64_t size, struct error *err);
    int (*publish)(struct sink *sink, const char *name, struct error *err);
    int (*remove)(struct sink *sink, const char *name, struct error *err);
    void (*discard)(struct sink_file *file);
    void (*free)(struct sink *sink);
};

/* First member of every kind of sink, and of every kind of file. */
struct sink {
    const struct sink_ops *ops;
};
struct sink_file {
    struct sink *sink;
};

/* Begin the file `name` (a leaf name), readable by its owner only.  ERR_EXISTS
 * if an incomplete one of that name is there: then another run writes it, or
 * the remains of one were not cleaned up.
 */
must_check int sink_begin(struct sink *sink, const char *name,
                          struct sink_file **ret, struct error *err);

/* Write `length` bytes at `offset`, a multiple of SINK_ALIGN.  `data` lies at a
 * multiple of SINK_ALIGN and has `room` bytes of readable memory (>= length
 * rounded up to SINK_ALIGN): what is behind `length` may reach the file, and is
 * cut off by sink_finish.  So only the last part of a file may have a length
 * that is no multiple of SINK_ALIGN.  What is never written reads as zeroes and
 * takes no space.  After an error the file can only be discarded.
 */
must_check int sink_write(struct sink_file *file, uint64_t offset,
                          const void *data, size_t length, size_t room,
                          struct error *err);

/* Give the file its exact size in bytes, which is not less than what was
 * written, and make it durable.  On success `file` is gone; on an error it has
 * to be discarded.  A failed fsync is final: the contents cannot be trusted.
 */
must_check int sink_finish(struct sink_file *file, uint64_t size,
                           struct error *err);

/* Give the finished file its final name, durably.  ERR_EXISTS if that is taken;
 * nothing is replaced.
 */
must_check int sink_publish(struct sink *sink, const char *name,
                            struct error *err);

/* Remove the incomplete (finished, but not published) file; missing is fine. */
must_check int sink_remove(struct sink *sink, const char *name,
                           struct error *err);

/* Close and remove the incomplete file.  NULL is fine. */
void sink_discard(struct sink_file *file);

/* NULL is fine. */
void sink_free(struct sink *sink);

static inline void sink_freep(struct sink **sink)
{
    sink_free(*sink);
}
static inline void sink_discardp(struct sink_file **file)
{
    sink_discard(*file);
}

#endif
