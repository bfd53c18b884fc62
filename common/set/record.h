/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* record.h - read one record of a data file, checked
 *
 * What restore writes and verify examines goes through here: stored bytes in,
 * plain bytes out, or an error that names file and offset.  One reader belongs
 * to one thread.
 */
#ifndef SET_RECORD_H
#define SET_RECORD_H

#include <stdbool.h>
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

/* Is this a record that is read and checked as a whole: of at most
 * PLAN_CHUNK_SIZE, and not of many times that on disk?
 */
bool record_is_short(const struct index_record *record);

/* The same for a short record whose stored bytes are in memory already, at
 * `stored`: `*ret_plain` are its plain bytes, checked if it has a hash.  They
 * are where they were, or, if it is compressed, at `room` (record->length
 * bytes; NULL: of the reader, until its next call).  ERR_DAMAGED.
 */
must_check int record_unpack(struct record_reader *r, const char *name,
                             const struct index_record *record,
                             const unsigned char *stored, unsigned char *room,
                             const unsigned char **ret_plain,
                             struct error *err);

/* From now on give all stored bytes that record_read reads to `tap` too, in
 * order and before they are looked at; NULL: no more.
 */
void record_reader_tap(struct record_reader *r, stream_put tap, void *opaque);

/* Read the bytes [skip, skip + length) of a record that is not compressed, as
 * they are: nothing is checked.  For what needs no check, or had it before. Not
 * for a file that is read past the page cache (window.h).
 */
must_check int record_pread(int fd, const char *name,
                            const struct index_record *record, uint64_t skip,
                            void *buf, size_t length, struct error *err);

#endif
