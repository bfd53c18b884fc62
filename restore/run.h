/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* run.h - the restore action: a point of a set becomes images */
#ifndef RESTORE_RUN_H
#define RESTORE_RUN_H

#include "base/error.h"
#include "base/patience.h"
#include "host/guardian.h"
#include "options.h"
#include "set.h"

/* What the guardian is told. */
#define FACT_STAGING "staging" /* the staging directory, absolute */
#define FACT_RUNTIME "runtime" /* the private directory */
#define FACT_SOCKET "socket"   /* of qemu-nbd, where the user chose it */
#define FACT_TARGET "target"   /* a device or the like that is written now */

/* Restore what the options ask for: everything, under final names and
 * durable, or nothing; but for what --target names, whose old contents are lost
 * either way.  `watch` (or NULL) goes on in a thread with as few rights as we
 * have then.  Outcome 1: it is there, but something else is not as it should be
 * (log).
 */
must_check int restore_run(const struct restore_options *options,
                           const struct backup_set *set,
                           struct guardian *guardian,
                           struct patience_watch *watch, struct error *err);

/* For guardian_main. */
int restore_as_guardian(const struct guardian_facts *facts, struct error *err);

#endif
