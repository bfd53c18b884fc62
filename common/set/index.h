/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* index.h - where the disk's bytes lie in a data file, and their hashes
 *
 * Beside `<disk>.<level...>.data` lies `<disk>.<level...>.index`: for every
 * frame, and within a plain data frame for every piece of at most 1 MiB, one
 * record of fixed size.  Restore and map find a place by binary search and
 * check what they read before they use it.  The hash of the index file stands
 * in the manifest, and so covers the data file.
 *
 * Hides the binary layout, xxh3-128 and how frames are walked in a file that
 * has no index.  Knows one data file, nothing of chains.
 *
 * The file, all numbers little-endian:
 *
 * | Offset | Bytes | Header                                                   |
 * |--------|-------|----------------------------------------------------------|
 * | 0      | 8     | `VNBINDEX`                                               |
 * | 8      | 4     | version, 1                                               |
 * | 12     | 4     | size of a record, 64                                     |
 * | 16     | 8     | virtual size of the disk                                 |
 * | 24     | 40    | zero                                                     |
 *
 * | Offset | Bytes | Record                                                   |
 * |--------|-------|----------------------------------------------------------|
 * | 0      | 8     | offset on the disk                                       |
 * | 8      | 8     | length on the disk, not 0                                |
 * | 16     | 8     | offset in the data file; 0 if nothing is stored          |
 * | 24     | 8     | bytes stored there; 0 for a zero frame                   |
 * | 32     | 1     | kind: 1 data, 2 zero                                     |
 * | 33     | 1     | flags: 1 compressed (one whole lz4 frame), 2 hashed      |
 * | 34     | 14    | zero                                                     |
 * | 48     | 16    | xxh3-128 of the plain bytes (canonical order); zero if   |
 * |        |       | not hashed                                               |
 *
 * | Offset | Bytes | Footer, after the last record                            |
 * |--------|-------|----------------------------------------------------------|
 * | 0      | 8     | `VNBINEND`                                               |
 * | 8      | 8     | number of records                                        |
 * | 16     | 8     | size of the data file                                    |
 * | 24     | 8     | disk bytes of kind data                                  |
 * | 32     | 8     | disk bytes of kind zero                                  |
 * | 40     | 8     | zero                                                     |
 * | 48     | 16    | xxh3-128 of every byte before                            |
 *
 * Records ascend by disk offset and by file offset, without overlap.  In a file
 * data records are hashed, zero records are not: what a zero record stores (the
 * hole of a data frame, or lz4 of zeroes) reads as zeroes.  Only a compressed
 * record of more than 1 MiB, which upstream writes and we only take over
 * (adopt.h), has no hash: it would be known too late, after all of it was used;
 * its lz4 frame has checksums of its own.
 */
#ifndef SET_INDEX_H
#define SET_INDEX_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "base/macro.h"
#include "set/name.h"
#include "set/sealed.h"

#define INDEX_RECORD_SIZE 64
#define INDEX_PLAIN_MAX MIB /* longest hashed plain record */
#define INDEX_COMPRESSED_MAX                                                   \
    (32 * MIB) /* longest compressed one (its plain                            \
                  length) */
#define INDEX_HASH_SIZE 16

enum index_kind {
    INDEX_DATA = 1,
    INDEX_ZERO = 2,
};

struct index_record {
    uint64_t offset;        /* on the disk */
    uint64_t length;        /* on the disk */
    uint64_t file_offset;   /* in the data file */
    uint64_t stored_length; /* there */
    enum index_kind kind;
    bool compressed;
    bool hashed;
    unsigned char hash[INDEX_HASH_SIZE];
};

/* xxh3-128 of `len` plain bytes. */
void index_hash_block(const void *data, size_t len,
                      unsigned char ret[INDEX_HASH_SIZE]);

/* The same in parts. */
struct index_hasher;
must_check int index_hasher_new(struct index_hasher **ret, struct error *err);
void index_hasher_reset(struct index_hasher *h);
void index_hasher_add(struct index_hasher *h, const void *data, size_t len);
void index_hasher_get(const struct index_hasher *h,
                      unsigned char ret[INDEX_HASH_SIZE]);
void index_hasher_free(struct index_hasher *h);

/* Writing.  The file is `<name>.partial` (0600, must not exist yet) until
 * index_publish.  index_writer_free removes it unless it was finished.
 */
struct index_writer;
must_check int index_writer_new(int dirfd, const char *name,
                                uint64_t virtual_size,
                                struct index_writer **ret, struct error *err);

/* Append a record; refused if it breaks a rule of the file. */
must_check int index_writer_add(struct index_writer *w,
                                const struct index_record *record,
                                struct error *err);

/* Disk bytes added so far. */
uint64_t index_writer_data_size(const struct index_writer *w);
uint64_t index_writer_zero_size(const struct index_writer *w);

/* Write the footer, fsync.  `file_size` is the exact size of the data file;
 * `ret_hash` the index's hash for the manifest.
 */
must_check int index_writer_finish(struct index_writer *w, uint64_t file_size,
                                   char ret_hash[HASH_TEXT_SIZE],
                                   struct error *err);
void index_writer_free(struct index_writer *w);

/* Give the finished index its final name; ERR_EXISTS if that is taken.  Publish
 * an index before its data file: a data file under its final name whose index
 * is not there is nobody's remains (intent.h).
 */
must_check int index_publish(int dirfd, const char *name, struct error *err);

/* Reading.  The index is held in memory and never changes. */
struct index;
void index_free(struct index *idx);
void index_freep(struct index **idx);

/* Open `name`, check every record, and the hash if `hash` is not NULL.
 * ERR_DAMAGED, ERR_SYSTEM.
 */
must_check int index_open(int dirfd, const char *name, const char *hash,
                          struct index **ret, struct error *err);

/* The same from memory, copied; pure, made to be fuzzed. */
must_check int index_decode(const void *bytes, size_t len, struct index **ret,
                            struct error *err);

/* Only the checks. */
must_check int index_validate(const void *bytes, size_t len, struct error *err);

/* Make the table of a stream file that has no index, by walking its frames: not
 * hashed, one record a frame or piece.  Strict as stream/reader.h is.
 */
must_check int index_scan(int dirfd, const char *datafile, struct index **ret,
                          struct error *err);

/* The same for a raw image of `size` bytes: its holes are zero, the rest data.
 */
must_check int index_scan_raw(int dirfd, const char *datafile,
                              struct index **ret, struct error *err);

/* A copy that has only the records of these numbers, which ascend; it covers
 * nothing any more, and its totals are of what is left.
 */
must_check int index_pick(const struct index *idx, const uint32_t *numbers,
                          size_t count, struct index **ret, struct error *err);

size_t index_count(const struct index *idx);
uint64_t index_virtual_size(const struct index *idx);
uint64_t index_file_size(const struct index *idx); /* of the data file */
uint64_t index_data_size(const struct index *idx); /* disk bytes: data */
uint64_t index_zero_size(const struct index *idx); /* disk bytes: zero */

/* Record `i`, below index_count(). */
struct index_record index_get(const struct index *idx, size_t i);

/* The number of the first record that ends behind `offset`: the one that
 * contains it, or the next; index_count() if there is none.
 */
size_t index_find(const struct index *idx, uint64_t offset);

/* Do the records cover the whole disk without a gap, as a full must? */
bool index_covers(const struct index *idx);

#endif
