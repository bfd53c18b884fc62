/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* run.h - the restore action: a point of a set becomes images */
#ifndef RESTORE_RUN_H
#define RESTORE_RUN_H

#include "base/error.h"
#include "host/guardian.h"
#include "options.h"
#include "set.h"

/* What the guardian is told. */
#define FACT_STAGING "staging" /* the staging directory, absolute */
#define FACT_RUNTIME "runtime" /* the private directory */

/* Restore what the options ask for: everything, under final names and
 * durable, or nothing.
 */
must_check int restore_run(const struct restore_options *options,
                           const struct backup_set *set,
                           struct guardian *guardian, struct error *err);

/* For guardian_main. */
int restore_as_guardian(const struct guardian_facts *facts, struct error *err);

#endif
