/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* maker.h - made-up backup sets of one disk, of every kind there is, and what
 * the disk held at each of their points
 *
 * Ours (manifests, indexes, frames of at most 1 MiB where compressed) or like
 * upstream's (neither; compressed frames of any length, those of 32 MiB and
 * more in pieces).  Points are fulls, increments, empty ones, differentials,
 * and fulls in the middle of the chain; plain and lz4 mixed; zeroes as zero
 * frames or as data; the disk grows and shrinks.  Everything is drawn from one
 * seed.  Files are put together here, by other code than a backup's.
 */
#ifndef TESTS_MAP_MAKER_H
#define TESTS_MAP_MAKER_H

#include "../common/set/lab.h"

#define MAKER_POINTS 12

struct maker_point {
    char name[64];
    char file[128];       /* data file */
    size_t base;          /* number of the point that it builds upon, or its own
                             if it does not */
    bool owner;           /* others may build upon it */
    uint64_t size;        /* of the disk */
    unsigned char *truth; /* what the disk held; owned */
};

struct maker {
    struct lab lab;
    uint64_t seed; /* the state of the random numbers */
    int kind;
    bool nested;            /* there are frames in pieces */
    uint64_t size;          /* of the disk now */
    uint64_t max_size;      /* it never gets larger */
    uint64_t granule;       /* of what counts as changed */
    unsigned char *disk;    /* max_size bytes, zero behind `size` */
    unsigned char *changed; /* a byte a granule, since the last owner */
    struct maker_point points[MAKER_POINTS];
    size_t count;
    size_t owner; /* number of the last one */
    char previous[HASH_TEXT_SIZE];
};

/* A number below `limit`. */
uint64_t maker_random(struct maker *m, uint64_t limit);

/* Kinds of sets, to be combined. */
#define MAKER_OURS 0
#define MAKER_UPSTREAM 1
#define MAKER_DENSE 2  /* no zeroes at first, and the size is the largest */
#define MAKER_PLAIN 4  /* none of the files is compressed */
#define MAKER_PACKED 8 /* all of them are */
#define MAKER_RAW 16   /* upstream's: one file, which is a raw image */

/* An empty set in a new directory, for a disk of at most `max_size` bytes. */
void maker_begin(struct maker *m, uint64_t seed, int kind, uint64_t max_size);
void maker_done(struct maker *m);

/* Change the disk, and add a point: the first one is a full. */
void maker_next(struct maker *m);

/* The seed of this run, from $SEED or the clock, printed. */
uint64_t maker_seed(void);

#endif
