/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* chain_private.h - what the chain_*.c of this folder share */
#ifndef SET_CHAIN_PRIVATE_H
#define SET_CHAIN_PRIVATE_H

#include <stddef.h>

#include "base/error.h"
#include "set/chain.h"
#include "set/files.h"

/* Append a note; `text` may be NULL. */
must_check int chain_add_note(struct chain *chain, enum chain_note_kind kind,
                              const char *name, const char *text,
                              struct error *err);

/* Append a point, which takes over `own_name`.  NULL: no memory. */
struct chain_point *chain_add_point(struct chain *chain, char *own_name,
                                    enum level level, struct error *err);

/* Append a file to a point: copies of the names, no parent. */
struct chain_file *chain_add_file(struct chain_point *point, const char *disk,
                                  const char *file, struct error *err);

/* Set a damage sentence, unless one is there, to the text of `why`, which is
 * emptied.  -1 if `why` is no damage (no memory, no permission): it is then in
 * `err`.
 */
must_check int chain_set_damage(char **damage, struct error *why,
                                struct error *err);

/* The file of a disk in a point, or NULL. */
struct chain_file *chain_point_file(const struct chain_point *point,
                                    const char *disk);

/* The name of the checkpoint that a point owns, or NULL. */
const char *manifest_checkpoint(const struct manifest *m);

/* Read all manifests named in `names` into points, in order. */
must_check int chain_load_manifests(struct chain *chain,
                                    const struct file_names *names,
                                    struct error *err);

/* Make points of the data files `names`, which have no manifests, behind those
 * that are there.
 */
must_check int chain_load_upstream(struct chain *chain,
                                   const struct file_names *names,
                                   struct error *err);

/* Read the metadata at the start of a data file.  1: read; 0: it is no stream
 * but a raw image; `*ret_size` is the size of the file in both cases.
 */
must_check int chain_read_meta(int dirfd, const char *file, struct meta *ret,
                               uint64_t *ret_size, struct error *err);

/* Can a data file without metadata be a plain image?  ERR_DAMAGED: it is too
 * short, or a stream that has lost its beginning.
 */
must_check int chain_check_raw(int dirfd, const char *file, struct error *err);

#endif
