/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* engine.h - the two ways from extents to a data file
 *
 * Both read asynchronously and keep a constant amount of memory.  They differ
 * in what is known in advance: uncompressed, the place of every byte, so that
 * reads land where they are written from (plain.c); compressed, nothing, so
 * that frames are coded by several threads and put in order (packed.c).
 */
#ifndef BACKUP_ENGINE_H
#define BACKUP_ENGINE_H

#include <stdint.h>

#include "base/error.h"
#include "base/progress.h"
#include "base/rate.h"
#include "base/workers.h"
#include "block/extent.h"
#include "block/plan.h"
#include "nbd/pull.h"
#include "outfile.h"
#include "set/index.h"
#include "stream/meta.h"

struct engine {
    bool raw; /* plain only: an image, not a stream; without meta and head */
    const struct meta *meta;
    const char *head; /* the same as bytes: header, JSON, line end */
    size_t head_length;
    const struct extent_list *extents;
    struct plan_policy policy;
    struct pull *pull; /* the engine frees it and sets it to NULL */
    struct outfile *out;
    struct index_writer *index;
    struct workers *codecs;
    struct progress_disk *progress;
    struct rate *rate; /* of reading, shared by all disks; NULL: no limit */
    int level;
    unsigned frames; /* packed: frames under way at the most */
    int wake_fd;     /* signalled by writers and codec threads */
    /* engine.c's own: until the next read is granted; 0: nothing waits. */
    uint64_t rate_wait_ns;
};

/* Copy everything; then all segments are collected and `*ret_size` is the
 * size of the file.  In any case no read is under way any more.
 */
must_check int engine_plain(struct engine *e, uint64_t *ret_size,
                            struct error *err);
must_check int engine_packed(struct engine *e, uint64_t *ret_size,
                             struct error *err);

/* How many of `length` bytes (not 0) the next read may ask for, now; it has to
 * be started then.  0: none, because the server is busy or because of the rate.
 */
size_t engine_may_read(struct engine *e, uint64_t length);

/* Wait until the server, a writer or a codec thread did something, or until the
 * rate may grant what it refused.
 */
must_check int engine_wait(struct engine *e, struct error *err);

/* Wait until a writer or a codec thread did something. */
must_check int engine_wait_job(struct engine *e, struct error *err);

#endif
