/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* domain.h - one guest: its XML, its state, its disks
 *
 * A domain is known by its UUID from the moment it is opened: if somebody
 * replaces it by another one of the same name, calls fail instead of reaching
 * the other.  Hides libvirt; knows base and virt/session.
 */
#ifndef VIRT_DOMAIN_H
#define VIRT_DOMAIN_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/error.h"
#include "base/macro.h"
#include "virt/disk.h"
#include "virt/session.h"

struct domain;

/* Look up by name.  ERR_INPUT if libvirt knows none of that name.  The session
 * must outlive the domain.
 */
must_check int domain_open(struct session *s, const char *name,
                           struct domain **ret, struct error *err);

/* The same by UUID (36 characters), for what an intent names; a stop does not
 * hinder it.
 */
must_check int domain_open_uuid(struct session *s, const char *uuid,
                                struct domain **ret, struct error *err);

/* NULL is fine. */
void domain_close(struct domain *d);

/* Borrowed; live as long as the domain. */
const char *domain_name(const struct domain *d);
const char *domain_uuid(const struct domain *d);

/* Its XML as it is now (of the running guest, if it runs); owned by the
 * caller.
 */
must_check int domain_xml(struct domain *d, char **ret, struct error *err);

/* The XML of the next start; the same as domain_xml for a transient one. */
must_check int domain_xml_inactive(struct domain *d, char **ret,
                                   struct error *err);

/* Outcomes 1 = yes, 0 = no. */
must_check int domain_is_active(struct domain *d, struct error *err);
must_check int domain_is_persistent(struct domain *d, struct error *err);
must_check int domain_is_paused(struct domain *d, struct error *err);
must_check int domain_has_autostart(struct domain *d, struct error *err);

/* Stop the guest's CPUs (--pause). */
must_check int domain_suspend(struct domain *d, struct error *err);

/* Let them go on; a stop does not hinder it.  Outcome 1 = resumed, 0 = they ran
 * already.
 */
must_check int domain_resume(struct domain *d, struct error *err);

/* Start the guest, which is off, with its CPUs stopped, so that what it runs
 * does not notice (--start-domain).  It stays when our connection breaks:
 * domain_stop_if_untouched() is to be called after this whatever it returns.
 * ERR_BUSY: it has a saved state, which a start would use up.  ERR_LIBVIRT: it
 * runs already, or cannot.  ERR_TIMEOUT, ERR_STOPPED: the state is unknown;
 * should it start later, it is stopped then, as long as this process lives.
 */
must_check int domain_start_paused(struct domain *d, struct error *err);

/* Stop the guest if nobody has let its CPUs run since it was started; a stop
 * does not hinder it.  QEMU knows, so that it does not matter which process
 * started it, but what this `d` did not start itself may be somebody
 * else's: call it for a guest that an own domain_start_paused() has started or
 * may have started.  QEMU gets the time to write its dirty bitmaps and is never
 * killed.  Outcome 1 = stopped, 0 = left as it is: somebody has resumed it (and
 * perhaps suspended it again), or started it anew, or it is off.
 */
must_check int domain_stop_if_untouched(struct domain *d, struct error *err);

/* All disks of the domain in the order of its XML, each either to be backed up
 * or with the reason why not (virt/disk.h).  A volume is resolved through its
 * storage pool.  ERR_LIBVIRT, or ERR_INPUT for an XML that makes no sense.
 */
must_check int domain_disks(struct domain *d, struct domain_disk_list *ret,
                            struct error *err);

/* The size of the disk `target` as its guest sees it, in bytes; of a domain
 * that is off what its image says, which need not be whole sectors.
 * `timeout_ms` 0: the session's.  ERR_LIBVIRT: it is not known, as that of a
 * volume of a domain that is off is not.
 */
must_check int domain_disk_size(struct domain *d, const char *target,
                                int timeout_ms, uint64_t *ret,
                                struct error *err);

/* Is there a block job on the disk `target`, by whomever?  Outcome 1 = yes, and
 * `*ret_what` (owned; may be NULL) is "pull", "copy", "commit", "backup" or
 * "unknown"; 0 = no, or the guest is off.  ERR_LIBVIRT: no such disk.
 */
must_check int domain_block_job(struct domain *d, const char *target,
                                char **ret_what, struct error *err);

/* The user and group that the guest's QEMU runs as, from the DAC label of a
 * running guest; both -1 if libvirt manages none (then it is the user of
 * the session's daemon).  `ret_gid` may be NULL.
 */
must_check int domain_qemu_user(struct domain *d, uid_t *ret_uid,
                                gid_t *ret_gid, struct error *err);

static inline void domain_closep(struct domain **d)
{
    domain_close(*d);
}

#endif
