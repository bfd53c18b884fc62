/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* marks.h - the small files that upstream keeps beside the data
 *
 * `<domain>.cpt`: JSON array of checkpoint names, the oldest first.
 * `<data file>.chksum`: adler32 of the data file in decimal, no newline.
 * They are written for upstream's sake; what exists is decided by manifests.
 */
#ifndef SET_MARKS_H
#define SET_MARKS_H

#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "base/macro.h"

#define CPT_MAX_SIZE MIB
#define CPT_MAX_NAMES 100000

struct cpt {
    char **names; /* owned, the oldest first */
    size_t count;
};

#define CPT_INIT                                                               \
    {                                                                          \
        0                                                                      \
    }

void cpt_done(struct cpt *cpt);
#define _cleanup_cpt_ __attribute__((cleanup(cpt_done)))

must_check int cpt_add(struct cpt *cpt, const char *name, struct error *err);

/* 1 if the name is in the list. */
int cpt_has(const struct cpt *cpt, const char *name);

/* The text of a list: a JSON array of strings that are names of points.
 * ERR_DAMAGED otherwise.  Pure, made to be fuzzed.  `*ret` must be empty.
 */
must_check int cpt_decode(const char *text, size_t len, struct cpt *ret,
                          struct error *err);

/* As upstream's: `["virtnbdbackup.0", "virtnbdbackup.1"]`, no newline. */
must_check int cpt_encode(const struct cpt *cpt, char **ret_text,
                          struct error *err);

/* Read `<domain>.cpt`.  Returns 1: read, 0: there is none. */
must_check int cpt_read(int dirfd, const char *domain, struct cpt *ret,
                        struct error *err);

/* Write it, durable and in one step, over the old one. */
must_check int cpt_write(int dirfd, const char *domain, const struct cpt *cpt,
                         struct error *err);

/* Read `<datafile>.chksum`.  Returns 1 and the value; 0: there is none, or it
 * says `None`.
 */
must_check int chksum_read(int dirfd, const char *datafile, uint32_t *ret,
                           struct error *err);

/* The text of such a file: 1 and the value, 0 for `None`, or ERR_DAMAGED. */
must_check int chksum_decode(const char *text, size_t len, uint32_t *ret,
                             struct error *err);

/* Write it, durable; one that is there already is ERR_EXISTS. */
must_check int chksum_write(int dirfd, const char *datafile, uint32_t adler,
                            struct error *err);

#endif
