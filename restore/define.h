/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* define.h - the adjusted configuration, and the domain that it becomes
 *
 * Decided before the first disk is written, so that what libvirt or the user
 * would refuse is refused in time; used when everything is in place.
 */
#ifndef RESTORE_DEFINE_H
#define RESTORE_DEFINE_H

#include <stdbool.h>

#include "base/error.h"
#include "bootfiles.h"
#include "machine.h"

struct definition {
    char *name; /* of the domain; NULL: there is none */
    char *xml;
    bool autostart;
};

/* Adjust the configuration of the request, with these boot files; it will be
 * called `config_name` (NULL: the set has none).  With --define, look whether
 * the domain could be defined.  See machine_plan.
 */
must_check int definition_make(const struct machine_request *request,
                               const struct bootfiles *boot,
                               const char *config_name, struct definition *ret,
                               struct error *err);
void definition_done(struct definition *d);

/* Define the domain.  Outcome 1: done, but it does not start with its host as
 * the original did (log).  An error says what is there and what to do.
 */
must_check int definition_use(const struct definition *d,
                              const struct machine_request *request,
                              const char *config_name, struct error *err);

/* If the target directory is a storage pool, let libvirt look at it again.
 * What fails is no failure; nobody is asked unless libvirt is wanted anyway.
 */
void definition_refresh_pool(const struct machine_request *request);

#endif
