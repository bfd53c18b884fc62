/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* startup.h - what every main does first
 *
 *     startup_process();
 *     options_parse(argc, argv, &options);
 *     if (startup_begin("virtnbdbackup", &options.common, &err) < 0) ...
 *     startup_log_file(...), or log_open_file(...)
 *     startup_banner(argc, argv);
 */
#ifndef CLI_STARTUP_H
#define CLI_STARTUP_H

#include <stdbool.h>

#include "base/error.h"
#include "base/macro.h"
#include "base/patience.h"
#include "cli/groups.h"

/* The first line of main.  If we were started without stdin, stdout or stderr,
 * put /dev/null there, so that no file of ours becomes one of them; writing to
 * such a stdout fails.  And no core dumps.
 */
void startup_process(void);

/* Set up the log (name, level, stderr, colour only on a terminal and without
 * NO_COLOR in the environment) and the handlers of base/stop.  Before any
 * thread.
 */
must_check int startup_begin(const char *program,
                             const struct cli_common *common,
                             struct error *err);

/* Append the log to the file `path` too; NULL: to the file `name` in the home
 * directory, or in /tmp if HOME is not set.
 */
must_check int startup_log_file(const char *path, const char *name,
                                struct error *err);

/* From now on make and change files below `paths` (NULL-terminated) alone:
 * enter a writer's sandbox, and so does the thread of `watch` (or NULL), the
 * only other one that there may be.  A run that is not confined is better than
 * none: what stands against it is logged.
 */
must_check int startup_confine(const char *const *paths,
                               struct patience_watch *watch, struct error *err);

/* Should progress be shown (for progress_new)? */
bool startup_progress(const struct cli_common *common);

/* Log, at info level, the version and the command line without secrets. */
void startup_banner(int argc, char *const *argv);

/* A new string: the command line, quoted for a shell, without the values of
 * --password and without user info and query of URIs.  NULL: no memory.
 */
must_check char *startup_command_line(int argc, char *const *argv);

#endif
