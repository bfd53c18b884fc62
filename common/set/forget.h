/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* forget.h - going back to an older point whose archive is still there
 *
 * Backups written to stdout leave their working files in a directory.  When
 * archives were lost on their way, the points that they held are taken back
 * here, so that the next increment builds upon a point that exists.  Only for
 * such directories: data is never removed.  Must not know libvirt: deleting the
 * checkpoints is the caller's work.
 */
#ifndef SET_FORGET_H
#define SET_FORGET_H

#include <stddef.h>

#include "base/error.h"
#include "base/macro.h"
#include "set/chain.h"
#include "set/manifest.h"

/* A checkpoint whose point is forgotten. */
struct forgotten {
    char *checkpoint;           /* its name; owned */
    char point[UUID_TEXT_SIZE]; /* its identity */
};

struct forgotten_list {
    struct forgotten *items; /* owned; the newest first */
    size_t count;
};

#define FORGOTTEN_INIT                                                         \
    {                                                                          \
        NULL, 0                                                                \
    }

void forgotten_done(struct forgotten_list *list);
#define _cleanup_forgotten_ __attribute__((cleanup(forgotten_done)))

/* What chain_forget_after would forget, without doing it, with the same
 * outcomes and errors.  Deleting the checkpoints first leaves none behind that
 * nobody knows, whatever ends us: the points are still there, and it can be
 * repeated.
 */
must_check int chain_forget_list(const struct chain *chain, const char *point,
                                 struct forgotten_list *ret, struct error *err);

/* Forget all points behind the one named `point`: remove their manifests, the
 * newest first, each removal durable, so that whatever ends us leaves a shorter
 * chain; then the small files that only they list, if they are as listed; then
 * `<domain>.cpt` is what the rest owns.  `chain` is from chain_open_archived on
 * `dirfd`, whose lock is held; it does not learn of this: open it again.
 *
 * Outcome 1: something was forgotten, `*ret` has the checkpoints of it;
 * 0: `point` is the newest already (`<domain>.cpt` is put right all the same).
 * ERR_INPUT: the chain has no such point, or it owns no checkpoint (the message
 * lists those that do), or the directory holds the data itself.  ERR_DAMAGED:
 * the chain is not in order.
 */
must_check int chain_forget_after(int dirfd, const struct chain *chain,
                                  const char *point, struct forgotten_list *ret,
                                  struct error *err);

/* The same for all points: a new chain begins in their place. */
must_check int chain_forget_all(int dirfd, const struct chain *chain,
                                struct error *err);

#endif
