/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* process.h - processes known by more than their number
 *
 * Numbers are given again.  Together with the time at which the process
 * started, as the kernel tells it, one can be remembered in writing.
 */
#ifndef HOST_PROCESS_H
#define HOST_PROCESS_H

#include <sys/types.h>

#include "base/error.h"
#include "base/macro.h"

/* "<pid>:<start>", a new string, of letters that need no quoting.  ERR_SYSTEM,
 * code ESRCH: there is no such process.
 */
must_check int process_identity(pid_t pid, char **ret, struct error *err);

/* Kill the process of this identity, and wait until it is gone; fine if it is
 * gone already.  ERR_INPUT: this is no identity; ERR_TIMEOUT.
 */
must_check int process_kill(const char *identity, struct error *err);

#endif
