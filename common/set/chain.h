/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* chain.h - the points of a backup directory in order
 *
 * Reads every manifest of a directory and puts them in order by their sequence
 * numbers and the hash each bears of the one before; the data of a disk follows
 * the parents' UUIDs.  A directory without manifests is a set of upstream's:
 * its points come from the metadata of its streams; so do those that upstream
 * has put behind points of ours, if `<domain>.cpt` lists them.  File times, and
 * the order in which a directory lists names, decide nothing.  What is
 * ambiguous is refused.
 *
 * Damage does not hide the points in front of it: chain_open notes it, and
 * chain_select refuses what it touches.  Reads files of the set only; must not
 * know what is done with them.
 */
#ifndef SET_CHAIN_H
#define SET_CHAIN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/error.h"
#include "base/macro.h"
#include "set/index.h"
#include "set/manifest.h"
#include "set/marks.h"
#include "set/name.h"
#include "stream/meta.h"

/* A data file of a point. */
struct chain_file {
    char *disk;       /* target name */
    char *file;       /* leaf name */
    enum level level; /* of this disk: full also for a full inside an inc */
    bool raw;         /* a plain image, without metadata */
    bool owner;       /* it has a checkpoint of its own: may be a parent */
    uint64_t file_size;
    uint64_t virtual_size;
    ssize_t parent; /* number of the point it builds upon, or -1 */
    char *damage;   /* NULL, or a sentence: why it cannot be used */
    const struct manifest_disk *entry; /* in the manifest; NULL: not ours */
    struct meta meta;                  /* only of a set of upstream's */
};

struct chain_point {
    char *name; /* "virtnbdbackup.3", "copy", "diff.1700000000" */
    enum level level;
    bool ours;                /* it has a manifest */
    struct manifest manifest; /* empty if not ours */
    struct chain_file *files; /* one a disk */
    size_t file_count;
    char *damage; /* NULL, or a sentence: why it cannot be used as a whole */
};

/* What a person should know about the directory. */
enum chain_note_kind {
    CHAIN_UNCOMMITTED = 0, /* a data file under a final name that no manifest
                              names, with an index of ours, or named by an
                              intent, or in a set that has manifests and not
                              in the list of upstream's checkpoints */
    CHAIN_PARTIAL,         /* *.partial */
    CHAIN_FOREIGN,         /* *.data with a name that is none of the suite's */
    CHAIN_INTENT,          /* intent.*.json */
    CHAIN_DAMAGE,          /* what does not fit */
};

struct chain_note {
    enum chain_note_kind kind;
    char *name; /* of the file */
    char *text; /* CHAIN_DAMAGE: the sentence; otherwise NULL */
};

struct chain {
    int dirfd;                  /* owned */
    bool archived;              /* chain_open_archived */
    bool bare;                  /* there is no data file and no index */
    struct chain_point *points; /* the oldest first; those that are not ours
                                   stand behind all that are */
    size_t point_count;
    struct chain_note *notes;
    size_t note_count;
    bool ours;                        /* there are manifests */
    char uuid[UUID_TEXT_SIZE];        /* "" if not ours */
    char domain_uuid[UUID_TEXT_SIZE]; /* "" if not ours */
    const char *domain_name;          /* NULL if not ours */
};

/* Read the directory `dirfd` (duplicated).  An empty one gives no points and is
 * no error.  ERR_DAMAGED where not even a part makes sense: manifests of two
 * chains or two domains, two manifests of one sequence number or UUID, a file
 * that two manifests name, too many names, metadata that allows two orders.
 * Freed with chain_free.
 */
must_check int chain_open(int dirfd, struct chain **ret, struct error *err);

/* The same for the working directory of backups whose data went elsewhere, into
 * archives: manifests, configuration and the like are here, data files and
 * indexes are not, and that is no damage.  Everything else is checked as by
 * chain_open.  Files of disks cannot be opened (ERR_INPUT).  ERR_INPUT if there
 * is a data file or an index of ours or of upstream's: then it is a backup
 * directory, and a chain must not lie in both.  An upstream's working directory
 * gives no points.
 */
must_check int chain_open_archived(int dirfd, struct chain **ret,
                                   struct error *err);

/* A chain of no points, to begin a new one where an older one lies. */
must_check int chain_open_empty(int dirfd, struct chain **ret,
                                struct error *err);

/* A chain of exactly these files (leaf names with commas in between), the
 * oldest first: one point a file, each upon the one before, all of one disk.
 * Neither manifests nor what streams say of their parents matter; an index
 * beside a file has to fit it.  ERR_INPUT: a name makes no sense, or the files
 * do not go on top of each other; ERR_DAMAGED, ERR_SYSTEM.
 */
must_check int chain_open_sequence(int dirfd, const char *files,
                                   struct chain **ret, struct error *err);

void chain_free(struct chain *chain);
void chain_freep(struct chain **chain);

/* The number of notes of this kind. */
size_t chain_count_notes(const struct chain *chain, enum chain_note_kind kind);

/* ERR_DAMAGED with the first damage of the directory or of any point. */
must_check int chain_check(const struct chain *chain, struct error *err);

/* ERR_DAMAGED if the directory holds data that belongs to no point: then the
 * newest point may not be what the user thinks it is.  (What a run under way,
 * or one that did not finish, has there is none of that.)
 */
must_check int chain_check_newest(const struct chain *chain, struct error *err);

/* The number of the point of this name, or -1. */
ssize_t chain_find(const struct chain *chain, const char *name);

/* The number of the point that the next increment of a disk builds upon: the
 * newest committed one of this disk that owns a checkpoint; or -1.
 */
ssize_t chain_parent(const struct chain *chain, const char *disk);

/* Fill what ties a new manifest to the ones there are: chain UUID (a new one if
 * the set is empty), sequence, previous.  ERR_DAMAGED if chain_check fails;
 * ERR_EXISTS if the directory holds points of upstream's: they have to be
 * adopted first (adopt.h).
 */
must_check int chain_continue(const struct chain *chain, struct manifest *m,
                              struct error *err);

/* The checkpoints of the chain in use, the oldest first, as the first `count`
 * points own them, and behind them `next`, a point that is not committed yet
 * (NULL: none).  A full begins a new list.  `*ret` must be empty (CPT_INIT).
 */
must_check int chain_cpt(const struct chain *chain, size_t count,
                         const struct manifest *next, struct cpt *ret,
                         struct error *err);

/* The text that `<domain>.cpt` will have once `next` is committed behind all
 * points that are there.  Owned by the caller.
 */
must_check int cpt_text_with(const struct chain *chain,
                             const struct manifest *next, char **ret,
                             struct error *err);

/* Open a data file of the set for reading: regular, not through a link, of the
 * size that it had when the chain was opened.
 */
must_check int chain_file_open(const struct chain *chain,
                               const struct chain_file *file, int *ret_fd,
                               struct error *err);

/* Read the metadata of a stream file and compare it with name and manifest.
 * ERR_DAMAGED.  `*ret` is the caller's to meta_free.
 */
must_check int chain_file_meta(const struct chain *chain,
                               const struct chain_file *file, struct meta *ret,
                               struct error *err);

/* The table of a data file: its index if it has one, which is checked against
 * the manifest and the size of the file; otherwise made by walking the file.
 */
must_check int chain_file_index(const struct chain *chain,
                                const struct chain_file *file,
                                struct index **ret, struct error *err);

/* What has to be applied, in order, to get one disk of a point. */
struct selection_disk {
    const char *disk;
    const struct chain_file **files; /* the oldest first; array owned */
    size_t file_count;
    size_t point;          /* number of the point of the last file */
    uint64_t virtual_size; /* of the last file */
};

struct selection {
    size_t point; /* number of the selected point */
    struct selection_disk *disks;
    size_t disk_count;
};

#define SELECTION_INIT                                                         \
    {                                                                          \
        0                                                                      \
    }

/* Choose the point of the name `until`, or the newest if NULL, and for every
 * disk its files up to there.  A disk that the point does not hold is given in
 * its newest state before (its `point` is then less).  ERR_INPUT: no such
 * point, or none at all; ERR_DAMAGED: a file of it is missing or does not fit,
 * or the newest is asked for and the directory has damage that may hide a newer
 * one.  The result borrows from `chain`.
 */
must_check int chain_select(const struct chain *chain, const char *until,
                            struct selection *ret, struct error *err);

/* The same for one disk only: damage of the others does not matter.  ERR_INPUT
 * if it is in no point up to there.
 */
must_check int chain_select_disk(const struct chain *chain, const char *until,
                                 const char *disk, struct selection *ret,
                                 struct error *err);
void selection_done(struct selection *selection);
#define _cleanup_selection_ __attribute__((cleanup(selection_done)))

#endif
