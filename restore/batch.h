/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* batch.h - a stretch of a disk, put together in memory
 *
 * Records are small and many, come from any file of a chain, and begin where
 * the guest's data does; writes are best long and aligned.  So what lies close
 * together on the disk is read in few long reads, checked, and laid side by
 * side, before any of it is written.
 *
 * Knows data files; must not know where the disk goes.
 */
#ifndef RESTORE_BATCH_H
#define RESTORE_BATCH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "set/record.h"
#include "set/source.h"
#include "set/window.h"

/* Bytes of the disk that a batch holds at most. */
#define BATCH_SIZE ((uint64_t)(4 * MIB))

/* [offset, offset + length) of the disk. */
struct batch_part {
    uint64_t offset;
    uint64_t length;
};

/* What to read with: one thread's. */
struct batch_tools {
    struct record_reader *reader;
    struct window *window;
};

must_check int batch_tools_init(struct batch_tools *tools, struct error *err);
void batch_tools_done(struct batch_tools *tools);

struct batch;
must_check int batch_new(struct batch **ret, struct error *err);
void batch_free(struct batch *b);
DEFINE_CLEANUP(struct batch *, batch_free);

/* Empty the batch and give it the next pieces of work, as many as go in.
 * Outcomes: 0: there are none; 1; BATCH_LONG: `*ret_long` is a record that is
 * too long for any batch, and the batch is empty.
 */
enum { BATCH_LONG = 2 };
must_check int batch_gather(struct batch *b, const struct source *s,
                            struct source_cursor *cursor,
                            struct source_work *ret_long, struct error *err);

/* Read all of it, and check it. */
must_check int batch_read(struct batch *b, const struct source *s,
                          const struct batch_tools *tools, struct error *err);

/* Or give it bytes that were read and checked otherwise; at most BATCH_SIZE. */
void batch_set(struct batch *b, uint64_t offset, const void *bytes,
               size_t length);

/* After either: the bytes of the disk at `offset`, which is in a part. */
const unsigned char *batch_bytes(const struct batch *b, uint64_t offset);

/* What was read, ascending and not touching. */
const struct batch_part *batch_parts(const struct batch *b, size_t *ret_count);

/* Records in it, and their bytes in the files. */
size_t batch_records(const struct batch *b);
uint64_t batch_stored(const struct batch *b);

#endif
