/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* disk.h - one disk from an NBD export to a finished data file
 *
 * Connects, asks what is allocated, reads asynchronously, and writes the
 * stream file (or the raw image) and its index, both durable but still under
 * temporary names: whether they become part of a restore point is decided
 * elsewhere.
 *
 * Knows neither libvirt nor manifests.
 */
#ifndef BACKUP_DISK_H
#define BACKUP_DISK_H

#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"
#include "base/progress.h"
#include "base/rate.h"
#include "base/workers.h"
#include "nbd/conn.h"
#include "set/chain.h"
#include "set/index.h"
#include "sink/sink.h"

#define DISK_CONNECTIONS_MAX 4

struct disk_task {
    const char *name;   /* target of the disk: vda */
    const char *format; /* driver type: qcow2 */
    struct nbd_target target;
    /* A long way: DISK_CONNECTIONS_MAX connections, since ssh lets no more than
     * 2 MiB be under way on each, which is 50 MB/s where there and back takes
     * 40 ms; and more requests at a time. */
    bool far_away;
    struct sink *sink;
    int dirfd;             /* where the index goes */
    const char *data_file; /* final names; both are made under others */
    const char *index_file;
    /* The data file is the disk, byte for byte, with holes where it reads as
     * zero: no metadata, no frames.  Neither `bitmap` nor `level` then.  An
     * export that does not tell what is allocated is read as a whole. */
    bool raw;
    /* What the metadata says. */
    const char *checkpoint;
    const char *parent; /* "" for none */
    /* The dirty bitmap's context that tells what changed; NULL: everything is
     * saved.  If it turns out that the bitmap cannot be used (the server does
     * not offer it, or the disk has shrunk below `parent_size` bytes),
     * everything is saved all the same. */
    const char *bitmap;
    uint64_t parent_size;
    /* The export must have this size, to the sector; if it is known. */
    bool size_known;
    uint64_t size;
    /* What the parent belongs to: unchanged blocks are compared with it, and
     * everything is saved if they have changed (unchanged.h).  NULL: they are
     * not compared. */
    const struct chain *chain;
    bool check_source; /* compare all of them, not some */
    bool no_fallback;  /* fail where everything would be saved instead */
    bool ask_nbdinfo;  /* the program is asked for the extents (nbdinfo.h) */
    bool read_zeroes;  /* changed areas are read even where they are zero */
    bool zero_frames;  /* changed areas that are zero become zero frames */
    int level;         /* of lz4; 0: not compressed */
    /* Cover the whole disk with data frames, because older data of the same
     * disk lies in the directory and not every reader applies zero frames. */
    bool cover;
    unsigned memory;         /* bytes of buffers this disk may use */
    struct workers *writers; /* shared by all disks */
    struct workers *codecs;  /* the same; only used when compressing */
    struct progress *progress;
    struct rate *rate; /* of reading, shared by all disks; NULL: no limit */
    int io_timeout_ms; /* silence of the server that ends the run */
};

struct disk_result {
    bool whole; /* everything was saved although `bitmap` was given */
    uint64_t virtual_size; /* bytes of the disk */
    uint64_t dirty_size;   /* bytes the bitmap calls changed, or all */
    size_t extent_count;   /* of what had to be saved */
    uint64_t data_size;    /* bytes in data frames, holes included; of a raw
                            * image: bytes but those in zero_size */
    uint64_t zero_size;    /* bytes that the index calls zero */
    uint64_t read_size;    /* bytes that were read */
    uint64_t file_size;    /* bytes of the data file */
    uint32_t adler;        /* adler32 of the data file */
    char index_hash[HASH_TEXT_SIZE];
};

/* Back the disk up.  On success `<data_file>.partial` is complete and
 * durable.  On failure nothing of ours is left.  Logs one line about what is
 * going to be read.  The server has to take two clients at a time.
 */
must_check int disk_back_up(const struct disk_task *task,
                            struct disk_result *ret, struct error *err);

struct disk_examined {
    bool incremental;      /* the bitmap can be used */
    uint64_t virtual_size; /* bytes of the disk */
    size_t extent_count;   /* of what would be saved */
    uint64_t data_size;    /* bytes that would be read */
    uint64_t zero_size;    /* bytes that would be saved without being read */
};

/* What would disk_back_up do?  Copies nothing, writes nothing; sink, dirfd,
 * the files' names, the threads and the progress are not used.
 */
must_check int disk_examine(const struct disk_task *task,
                            struct disk_examined *ret, struct error *err);

#endif
