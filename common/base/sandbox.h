/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* sandbox.h - give up what a run does not need (Landlock)
 *
 * What is entered is never left: not by this thread, not by any thread or
 * process that it starts from now on, whatever program that becomes and
 * whatever a file made it do.  Threads and processes that are there already,
 * and descriptors that are open, stay as they are; so do sockets in the file
 * system.  Enter before the first thread, and after starting what has to
 * outlive us or to do what we may not.
 *
 * Modes, owners and times of files are not its matter.  A kernel without
 * Landlock, or one that has it switched off, restricts nothing; older ones
 * restrict less (before 6.7 not the network; before 6.2 not truncate(2);
 * before 5.19 nobody who writes, since no file could be moved to another
 * directory).
 */
#ifndef BASE_SANDBOX_H
#define BASE_SANDBOX_H

#include "base/error.h"
#include "base/macro.h"

enum sandbox_kind {
    /* Below the paths can be read, and so can the system's libraries and
     * settings (/usr, /lib, /etc).  Nothing can be written, made, removed or
     * run, and there is no TCP.
     */
    SANDBOX_READER,
    /* Everything can be read and run; below the paths alone, and on the
     * devices that lead nowhere (/dev/null), can be written, made and removed.
     * (Empty directories beside them can be removed, as they can be
     * themselves.)
     */
    SANDBOX_WRITER,
};

/* Make a sandbox ready, for us or for a child.  `paths` ends with NULL; each is
 * a file or a directory, and one that is not there is left out.  Outcome 1:
 * `*ret_fd` is its descriptor, the caller's; 0: this kernel cannot.
 */
must_check int sandbox_prepare(enum sandbox_kind kind, const char *const *paths,
                               int *ret_fd, struct error *err);

/* Enter it: 0, or -1 with errno.  Async-signal-safe, and waits for no file. */
must_check int sandbox_restrict(int fd);

/* Both.  Outcome 1: restricted; 0: this kernel cannot. */
must_check int sandbox_enter(enum sandbox_kind kind, const char *const *paths,
                             struct error *err);

/* No core dump of this process, or of what it starts, is written from now on
 * (by others than root, if the hard limit was 0, a handler is given one all the
 * same): it would hold what the disks hold, and passwords.  Debuggers are not
 * kept out, as PR_SET_DUMPABLE would do.
 */
void sandbox_no_core(void);

#endif
