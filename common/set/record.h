/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* record.h - read one record of a data file, checked
 *
 * What restore writes and verify examines goes through here: stored bytes in,
 * plain bytes out, or an error that names file and offset.  One reader belongs
 * to one thread.
 */
#ifndef SET_RECORD_H
#define SET_RECORD_H

#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "set/index.h"
#include "stream/put.h"

struct record_reader;

must_check int record_reader_new(struct record_reader **ret, struct error *err);
void record_reader_free(struct record_reader *r);

static inline void record_reader_freep(struct record_reader **r)
{
    record_reader_free(*r);
}

/* Hand the plain bytes of `record`, or of the part [skip, skip + length) of it
 * if it is neither hashed nor compressed, to `put` in order, in parts of at
 * most PLAN_CHUNK_SIZE.  What has a hash is handed out only after it was
 * checked.  `name` is the file's, for messages.  ERR_DAMAGED.
 */
must_check int record_read(struct record_reader *r, int fd, const char *name,
                           const struct index_record *record, uint64_t skip,
                           uint64_t length, stream_put put, void *opaque,
                           struct error *err);

/* Read the bytes [skip, skip + length) of a record that is not compressed, as
 * they are: nothing is checked.  For what needs no check, or had it before.
 */
must_check int record_pread(int fd, const char *name,
                            const struct index_record *record, uint64_t skip,
                            void *buf, size_t length, struct error *err);

#endif
