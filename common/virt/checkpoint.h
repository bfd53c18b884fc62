/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* checkpoint.h - libvirt's checkpoints of a domain
 *
 * A checkpoint is a dirty bitmap a disk plus libvirt's notes about it.  A name
 * is no identity: which restore point a checkpoint belongs to says its
 * description, which libvirt returns unchanged.
 *
 * Knows base and the rest of virt.  What a stop does: virt/session.h.
 */
#ifndef VIRT_CHECKPOINT_H
#define VIRT_CHECKPOINT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "base/macro.h"
#include "base/text.h"
#include "virt/domain.h"

struct checkpoint {
    char *name;
    char *parent;      /* or NULL */
    char *description; /* "" if there is none */
    int64_t created;   /* seconds since 1970 */
};

struct checkpoint_list {
    struct checkpoint *items;
    size_t count, cap;
};

/* ---- identity ---- */

#define CHECKPOINT_DESCRIPTION_ROOM 128

/* "virtnbdbackup point=<uuid> chain=<uuid>", to be a checkpoint's description.
 * Written to `out`, which is returned.
 */
const char *checkpoint_describe(const char *point_uuid, const char *chain_uuid,
                                char out[static CHECKPOINT_DESCRIPTION_ROOM]);

/* Read such a description: outcome 1 = it is exactly one, 0 = it is something
 * else (NULL too); then nothing is written.
 */
must_check int checkpoint_identity(const char *description,
                                   char ret_point[static TEXT_UUID_ROOM],
                                   char ret_chain[static TEXT_UUID_ROOM]);

/* Read the XML of a checkpoint (libvirt's, or of a backup set: not trusted).
 * ERR_INPUT if it is none.
 */
must_check int checkpoint_parse(const char *xml, struct checkpoint *ret,
                                struct error *err);

/* The UUID of the domain that such an XML describes within: outcome 1 = there
 * is one, owned by the caller; 0 = there is none.
 */
must_check int checkpoint_parse_domain(const char *xml, char **ret_uuid,
                                       struct error *err);

/* The XML that defines the checkpoint `name` of the disk `target` alone, for
 * checkpoint_purge.  Owned.
 */
must_check int checkpoint_stray_xml(const char *name, const char *target,
                                    char **ret, struct error *err);

/* The size that checkpoint_xml tells for a disk: outcome 1 = known, 0 = not. */
must_check int checkpoint_parse_size(const char *xml, const char *target,
                                     uint64_t *ret_bytes, struct error *err);

/* The sizes of all disks together; a disk without one counts for nothing.
 * ERR_INPUT if no disk has one, or together they are too many bytes.
 */
must_check int checkpoint_parse_sizes(const char *xml, uint64_t *ret_bytes,
                                      struct error *err);

/* The same XML without its parent: what can be redefined where libvirt does
 * not know the parent.  (Each bitmap tells all changes since its own
 * checkpoint, so that nothing is lost by that.)  Owned.
 */
must_check int checkpoint_orphan(const char *xml, char **ret,
                                 struct error *err);

/* ---- asking ---- */

/* All checkpoints, parents before children. */
must_check int checkpoint_list(struct domain *d, struct checkpoint_list *ret,
                               struct error *err);

/* Outcome 1 = found, 0 = there is none of that name.  `ret` may be NULL. */
must_check int checkpoint_find(struct domain *d, const char *name,
                               struct checkpoint *ret, struct error *err);

/* Its XML without the domain's: what checkpoint_redefine takes.  Of a running
 * guest with the sizes (bytes dirty since) where libvirt can tell.
 * `timeout_ms` 0: the session's.
 */
must_check int checkpoint_xml(struct domain *d, const char *name,
                              int timeout_ms, char **ret, struct error *err);

/* Bytes written to the disk `target` since the checkpoint, by libvirt's
 * estimate: outcome 1 = known, 0 = unknown (guest off, disk not in it).
 */
must_check int checkpoint_size(struct domain *d, const char *name,
                               const char *target, uint64_t *ret_bytes,
                               struct error *err);

/* The same for all disks of the checkpoint together.  ERR_INPUT: there is no
 * such checkpoint, or the guest is off.
 */
must_check int checkpoint_changed_size(struct domain *d, const char *name,
                                       uint64_t *ret, struct error *err);

/* Are the bitmaps behind the checkpoint there and sound?  The guest must run.
 * Outcome 1 = yes; 0 = no, and `*ret_why` (owned; may be NULL) is the reason.
 */
must_check int checkpoint_validate(struct domain *d, const char *name,
                                   char **ret_why, struct error *err);

/* ---- changing ---- */

/* Tell libvirt about a checkpoint it has forgotten, from its XML.  `validate`:
 * only if its bitmaps are there and sound (the guest must run).
 * Outcome 1 = done; 0 = they are not, `*ret_why` as above, nothing was done.
 */
must_check int checkpoint_redefine(struct domain *d, const char *xml,
                                   bool validate, char **ret_why,
                                   struct error *err);

/* Delete the checkpoint: its bitmaps merge into the parent's, if it has one.
 * `metadata_only`: libvirt forgets it, bitmaps stay as they are (for
 * broken ones).  Outcome 1 = deleted, 0 = there was none.
 */
must_check int checkpoint_delete(struct domain *d, const char *name,
                                 bool metadata_only, struct error *err);

/* Delete it if its description is exactly `description`.  Outcome 1 = deleted,
 * 0 = there is none, or it is another's.
 */
must_check int checkpoint_delete_own(struct domain *d, const char *name,
                                     const char *description,
                                     struct error *err);

/* Delete several, children before parents, whatever their order here; names
 * that libvirt does not know are passed over.  Where the bitmap cannot be
 * deleted because it is broken or gone, libvirt forgets the checkpoint, and
 * `ret_forced[i]` (`count` of them, or NULL) becomes true.  Stops at the first
 * error.
 */
must_check int checkpoint_delete_many(struct domain *d,
                                      const char *const *names, size_t count,
                                      bool *ret_forced, struct error *err);

/* Delete the bitmap `name` of the disk `target`, which no checkpoint known to
 * libvirt owns: such a one is defined for this disk alone, and deleted with its
 * bitmap.  Outcome 1 = deleted, 0 = there is none that can be deleted.
 */
must_check int checkpoint_purge(struct domain *d, const char *name,
                                const char *target, struct error *err);

/* Free the contents.  Also the cleanup functions. */
void checkpoint_free(struct checkpoint *c);
void checkpoint_list_free(struct checkpoint_list *list);

#endif
