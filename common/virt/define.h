/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* define.h - making a domain known to libvirt
 *
 * Hides libvirt; knows base and virt/session.
 */
#ifndef VIRT_DEFINE_H
#define VIRT_DEFINE_H

#include <stdbool.h>

#include "base/error.h"
#include "base/macro.h"
#include "virt/session.h"

/* Is there a domain of that name?  Outcomes 1 = yes, 0 = no. */
must_check int define_is_known(struct session *s, const char *name,
                               struct error *err);

/* Define a domain.  With a UUID that is new, none that exists is touched: if
 * its name is taken, libvirt refuses (ERR_LIBVIRT, as for everything that it
 * does not like).
 */
must_check int define_domain(struct session *s, const char *xml,
                             struct error *err);

/* Let the domain start with its host. */
must_check int define_autostart(struct session *s, const char *name,
                                struct error *err);

/* Let the storage pool that is the directory `path` look for new volumes.
 * Outcomes 1 = done, 0 = no active pool is there.
 */
must_check int define_refresh_pool(struct session *s, const char *path,
                                   struct error *err);

#endif
