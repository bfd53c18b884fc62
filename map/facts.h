/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* facts.h - what the guardian is told, and what it does with it
 *
 * Everything we start dies with us (base/spawn), but nbdkit, which chooses its
 * own way to do so and then waits for its clients.  What else is left are
 * names: the private directory, files that a FUSE file system is mounted over,
 * devices that nobody serves any more, and overlays of a start that did not get
 * to its end.
 */
#ifndef MAP_FACTS_H
#define MAP_FACTS_H

#include "base/error.h"
#include "host/guardian.h"

#define FACT_RUNTIME "runtime" /* the private directory */
#define FACT_NBDKITS                                                           \
    "nbdkits"                        /* identities (host/process), with "/"    \
                                        between them */
#define FACT_FUSE "fuse"             /* directory with mounted files */
#define FACT_FUSE_FILES "fuse-files" /* their names, with "/" between them */
#define FACT_FUSE_MADE "fuse-made"   /* set: the directory is ours, too */
#define FACT_OVERLAYS "overlays"     /* directory with unfinished overlays */
#define FACT_OVERLAY_FILES "overlay-files" /* their names, as above */
#define FACT_DEVICE "device.%zu"           /* "/dev/nbdN", the first one is 0 */
#define FACT_DEVICE_PID "device-pid.%zu"   /* who serves it */

/* For guardian_main. */
int map_as_guardian(const struct guardian_facts *facts, struct error *err);

#endif
