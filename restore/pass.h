/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* pass.h - all of a data file, read once, by several threads
 *
 * Its records are decompressed and hashed, and its bytes summed, while the next
 * ones are read.  What is found comes in the order of the file, whichever
 * thread came to it first.  Memory is a constant.
 *
 * Knows data files and their indexes; must not know what a fault means.
 */
#ifndef RESTORE_PASS_H
#define RESTORE_PASS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "base/progress.h"
#include "base/workers.h"
#include "sample.h"
#include "set/index.h"

/* Threads and their memory, for one file after the other. */
struct pass;
must_check int pass_new(struct pass **ret, struct error *err);
void pass_free(struct pass *p);
DEFINE_CLEANUP(struct pass *, pass_free);

/* The threads, for other work meanwhile. */
struct workers *pass_workers(const struct pass *p);

struct pass_request {
    int fd;           /* which then is read past the page cache (window.h) */
    const char *name; /* for messages */
    uint64_t size;    /* of the file */
    const struct index *idx;
    const struct sample *sample; /* the records to be read */
    bool sum;                    /* sum all bytes: of the file, not of those */
    struct progress *progress;   /* ticks */
    struct progress_disk *disk;  /* counts */
    /* Something is wrong with the record (NULL: with what is between records).
     * 0: go on, `err` is clear; -1: that is the end.
     */
    int (*fault)(void *opaque, const struct index_record *record,
                 struct error *err);
    void *opaque;
};

/* Read the file.  `*ret_sum` is its adler32, if it is wanted and nothing was
 * wrong.  -1: a fault was the end.
 */
must_check int pass_run(struct pass *p, const struct pass_request *request,
                        uint32_t *ret_sum, struct error *err);

#endif
