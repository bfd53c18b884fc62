/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* job_state.h - asking libvirt for a domain's job (inside virt only)
 *
 * What job.c and job_end.c share, for call functions.  See virt/call.h.
 */
#ifndef VIRT_JOB_STATE_H
#define VIRT_JOB_STATE_H

#include <stdbool.h>

#include "base/error.h"
#include "base/macro.h"
#include "virt/call.h"
#include "virt/job.h"

/* Fill `ret` from libvirt; a domain that is off has no job. */
must_check int job_get_stats(struct call *call, virDomainPtr domain,
                             struct job_stats *ret, struct error *err);

/* The mark of the backup job (owned): 1, or 0 if there is no backup job. */
must_check int job_get_mark(struct call *call, virDomainPtr domain, char **ret,
                            struct error *err);

/* Does the error say that the domain itself is gone: a transient one that was
 * shut down?
 */
bool job_domain_is_gone(const struct error *err);

#endif
