/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* intent.h - what a run is about to do
 *
 * `intent.<point uuid>.json` is written, durable, before a run changes
 * anything, and removed after the commit.  A later run that holds the
 * directory's lock and finds one knows that its writer is gone, and cleans up
 * exactly what it names. Nothing that no intent of ours names is ever removed.
 * Hides the JSON.  Must not know libvirt: checkpoint and job of an intent are
 * the caller's work.
 *
 * The file is sealed JSON (sealed.h); keys: `format` (1), `point`, `chain`,
 * `domain` {`name`, `uuid`}, `uri`, `level`, `name` (of the point),
 * `checkpoint` (or empty), `files` (array of final names: leaf names, or
 * `checkpoints/` and a leaf), `runtimeDir` (or empty), `socket` (or empty),
 * `place`, `pid`, `time` (UTC), `kept`, `frozen`, `suspended` and `started`
 * (booleans; absent if not so), `checksum`.
 */
#ifndef SET_INTENT_H
#define SET_INTENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "base/macro.h"
#include "set/manifest.h"
#include "set/name.h"

#define INTENT_MAX_FILES 20000

/* Everything in here is owned by the structure. */
struct intent {
    char point[UUID_TEXT_SIZE];
    char chain[UUID_TEXT_SIZE];
    char *domain_name;
    char domain_uuid[UUID_TEXT_SIZE];
    char *uri; /* see intent_set_uri */
    enum level level;
    char *name;        /* of the point */
    char *checkpoint;  /* to be created, or "" */
    char *runtime_dir; /* absolute, or "" */
    char *socket;      /* absolute, or "" */
    char *place;       /* which machine and directory, see intent_place */
    int64_t pid;       /* of the writer; informative: the lock decides */
    char *time;
    bool kept;      /* the run ended on purpose, and its job goes on */
    bool frozen;    /* the run was about to freeze the guest's file systems */
    bool suspended; /* ... to stop its vCPUs */
    bool started;   /* the domain was off and was started for the run */
    char **files;   /* final names of all files to be made */
    size_t file_count;
};

#define INTENT_INIT                                                            \
    {                                                                          \
        0                                                                      \
    }

void intent_done(struct intent *in);
#define _cleanup_intent_ __attribute__((cleanup(intent_done)))

/* A string for this directory of this machine: a copy of the directory, here or
 * elsewhere, has another one.  An intent whose `place` differs tells nothing
 * about jobs, checkpoints and private directories of this machine.  Owned.
 */
must_check int intent_place(int dirfd, char **ret, struct error *err);

/* Set the URI of libvirt, after the point: without what can be a secret
 * (base/redact), for the file may lie where others read it.  If anything is
 * missing in it, "#" and a hash of point and URI follow, so that it still
 * differs where the URI does.
 */
must_check int intent_set_uri(struct intent *in, const char *uri,
                              struct error *err);

/* Is it the URI of the intent?  It may have it as it was, too: older ones have.
 * 1 or 0.
 */
must_check int intent_is_uri(const struct intent *in, const char *uri,
                             struct error *err);

/* Add the final name of a file to be made. */
must_check int intent_add_file(struct intent *in, const char *name,
                               struct error *err);

must_check int intent_encode(const struct intent *in, char **ret_text,
                             size_t *ret_len, struct error *err);

/* Strict; pure, made to be fuzzed.  ERR_DAMAGED. */
must_check int intent_decode(const char *text, size_t len, struct intent *ret,
                             struct error *err);

/* Write the file, durable, mode 0600.  A later call for the same point replaces
 * it: an intent may learn more names before they come to exist.  ERR_EXISTS if
 * a name that is new in it, or its `.partial`, exists already: what is not the
 * run's own work must never be in an intent, as it would be removed.
 */
must_check int intent_write(int dirfd, const struct intent *in,
                            struct error *err);

/* The file names of all intents, sorted. */
struct intent_list {
    struct name_text *names;
    size_t count;
};
must_check int intent_list(int dirfd, struct intent_list *ret,
                           struct error *err);
void intent_list_done(struct intent_list *list);
#define _cleanup_intent_list_ __attribute__((cleanup(intent_list_done)))

must_check int intent_load(int dirfd, const char *filename, struct intent *ret,
                           struct error *err);

/* Is the point committed: does a manifest with its UUID exist?  1 or 0.
 * ERR_DAMAGED if a manifest of that name cannot be read: then nobody can tell.
 */
must_check int intent_is_committed(int dirfd, const struct intent *in,
                                   struct error *err);

/* Remove what the run left: for each of its files `<file>.partial` and our own
 * temporary files for it; and the final name, if the point is not committed and
 * no manifest names it.  A data file under its final name is removed only where
 * its index lies beside it and gives its size, and not if `<domain>.cpt` lists
 * the point: then another program has made it since.  An index or checksum
 * whose data file the intent does not name (adopt.h) goes alone.  Needs the
 * lock.  Stops with an error, before anything is removed, when a manifest of
 * the directory cannot be read.  `*ret_kept`, unless NULL, counts final names
 * left alone for these reasons.
 */
must_check int intent_remove_files(int dirfd, const struct intent *in,
                                   size_t *ret_kept, struct error *err);

/* Remove the intent itself, durable.  Missing is fine. */
must_check int intent_drop(int dirfd, const struct intent *in,
                           struct error *err);

#endif
