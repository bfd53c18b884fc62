/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* name.h - the names of the files in a backup directory
 *
 * Hides how (disk, level, point) become a file name and back
 * (docs/FORMAT.md, "File names").  Pure text: opens nothing, knows nothing of
 * what is inside a file.
 *
 *     <disk>.full.data                     a full
 *     <disk>.copy.data                     a copy
 *     <disk>.inc.<point>.data              an increment
 *     <disk>.diff.<unix time>.data         a differential
 *     <data file>.partial                  not complete yet
 *     <data file>.chksum                   adler32 of the data file
 *     <disk>.<level...>.index              hashes of the data file (index.h)
 *     manifest.<point>.json                a committed point (manifest.h)
 *     intent.<uuid>.json                   a run under way (intent.h)
 *     vmconfig.<point>.xml                 the domain's XML
 *     <domain>.cpt                         list of checkpoints (marks.h)
 *     checkpoints/<checkpoint>.xml         XML of a checkpoint
 *
 * Names read from a set are hostile: only those that name_is_safe() accepts
 * are ever opened, relative to the set's directory.
 */
#ifndef SET_NAME_H
#define SET_NAME_H

#include <stdbool.h>
#include <stddef.h>

#include "base/error.h"
#include "base/macro.h"

#define NAME_SAFE_MAX                                                          \
    200                    /* longest name of a set's file; leaves room for    \
                              the suffixes of temporary files */
#define NAME_DISK_MAX 64   /* longest target name of a disk */
#define NAME_POINT_MAX 100 /* longest name of a point */

/* Buffers for the above, with the NUL.  A file name built from a disk and a
 * point always fits struct name_text.
 */
struct name_text {
    char text[NAME_SAFE_MAX + 1];
};

enum level {
    LEVEL_FULL = 0,
    LEVEL_COPY,
    LEVEL_INC,
    LEVEL_DIFF,
};

enum name_kind {
    NAME_DATA = 0,      /* a finished data file */
    NAME_DATA_PARTIAL,  /* <data file>.partial */
    NAME_CHECKSUM,      /* <data file>.chksum */
    NAME_INDEX,         /* <disk>.<level...>.index */
    NAME_INDEX_PARTIAL, /* <index>.partial */
    NAME_MANIFEST,      /* manifest.<point>.json */
    NAME_INTENT,        /* intent.<uuid>.json */
};

/* A file name taken apart. */
struct name {
    enum name_kind kind;
    enum level level;               /* data, checksum, index only */
    char disk[NAME_DISK_MAX + 1];   /* the same; otherwise "" */
    char point[NAME_POINT_MAX + 1]; /* inc: the point; diff: the time; manifest:
                                       the point; intent: the UUID; else "" */
};

/* Is `name` a leaf name of [A-Za-z0-9._-]{1,NAME_SAFE_MAX} that begins with
 * neither a dot nor a dash?  NULL is not.
 */
bool name_is_safe(const char *name);

/* The same for the name of a disk: [A-Za-z0-9_-]{1,NAME_DISK_MAX}, no dash in
 * front.
 */
bool name_is_disk(const char *name);

/* The same for the name of a point: safe, at most NAME_POINT_MAX long. */
bool name_is_point(const char *name);

/* Is `name` safe, or "checkpoints/" and a safe name? */
bool name_is_safe_below(const char *name);

/* Is `text` a UUID in the usual lower-case form? */
bool name_is_uuid(const char *text);

/* Is `text` 32 lower-case hexadecimal digits, a hash of ours? */
bool name_is_hash(const char *text);

/* Take `filename` apart.  Returns 1: it is one of ours and `*ret` is filled;
 * 0: it is anything else.
 */
int name_parse(const char *filename, struct name *ret);

/* The data file of a disk: `point` is the name of the point for LEVEL_INC, the
 * digits of the Unix time for LEVEL_DIFF, and ignored for the others. ERR_INPUT
 * if a part is not safe.
 */
must_check int name_data(const char *disk, enum level level, const char *point,
                         struct name_text *ret, struct error *err);

/* The index that belongs to a data file.  ERR_INPUT if it is not a data file's
 * name.
 */
must_check int name_index(const char *datafile, struct name_text *ret,
                          struct error *err);

/* "manifest.<point>.json" and "intent.<uuid>.json". */
must_check int name_manifest(const char *point, struct name_text *ret,
                             struct error *err);
must_check int name_intent(const char *uuid, struct name_text *ret,
                           struct error *err);

/* "full", "copy", "inc", "diff". */
const char *level_text(enum level level);

/* Back again.  Returns 1 and sets `*ret`, or 0. */
int level_parse(const char *text, enum level *ret);

/* The number at the end of a point's name: 12 for "virtnbdbackup.12" and
 * "virtnbdbackup.weekly.12"; "virtnbdbackup" alone, which the first releases
 * used, is 0.  Returns 1, or 0 if there is none.
 */
int name_point_number(const char *point, unsigned long long *ret);

/* Compare two safe names the way people count: runs of digits by their value,
 * the rest by bytes.  Like strcmp.
 */
int name_compare(const char *a, const char *b);

#endif
