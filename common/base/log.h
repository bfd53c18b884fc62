/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* log.h - what the programs say
 *
 * One record is one line, whatever is in it:
 *
 *     [2026-06-01 12:00:00] INFO virtnbdbackup disk - disk_copy [vda]: text
 *
 * logger, module (source file without its suffix), function, thread.  Control
 * characters in the text are escaped, secrets are replaced (base/redact).
 * Records go to stderr, a file and syslog, as set below; initially to stderr,
 * plain, from INFO on.  Thread-safe; never fails and never ends a run; errno
 * stays as it was.  One process-wide log: this is the only state of its kind
 * besides base/stop.
 *
 * Nothing in common/ logs above debug.
 */
#ifndef BASE_LOG_H
#define BASE_LOG_H

#include <stdbool.h>

#include "base/error.h"
#include "base/macro.h"

enum log_level {
    LOG_LEVEL_DEBUG,
    LOG_LEVEL_INFO,
    LOG_LEVEL_WARNING,
    LOG_LEVEL_ERROR,
    LOG_LEVEL_NONE, /* as a limit: nothing */
};

#define log_debug(...)                                                         \
    log_write(LOG_LEVEL_DEBUG, __FILE__, __func__, __VA_ARGS__)
#define log_info(...) log_write(LOG_LEVEL_INFO, __FILE__, __func__, __VA_ARGS__)
#define log_warning(...)                                                       \
    log_write(LOG_LEVEL_WARNING, __FILE__, __func__, __VA_ARGS__)
#define log_error(...)                                                         \
    log_write(LOG_LEVEL_ERROR, __FILE__, __func__, __VA_ARGS__)

void log_write(enum log_level level, const char *file, const char *function,
               const char *fmt, ...) printf_format(4, 5);

/* The name in every line; the program's by default.  Copied. */
void log_name(const char *logger);

/* Records below `level` are dropped (by all targets). */
void log_limit(enum log_level level);

/* Would a record of this level go anywhere? */
bool log_wanted(enum log_level level);

/* Write to stderr?  In colour?  (The caller has looked for a terminal.) */
void log_stderr(bool on, bool colour);

/* Append to the file `name` in `dirfd` too (made with mode 0600; no symbolic
 * link); it replaces the file of an earlier call.
 */
must_check int log_open_file(int dirfd, const char *name, struct error *err);

/* Write to syslog too. */
void log_syslog(bool on);

/* The file does not answer: never write to it again, nor close it.  False: not
 * within `wait_ms`, for a thread hangs in it; then every record would hang too.
 */
must_check bool log_give_up_file(int wait_ms);

/* Close the file and syslog. */
void log_close(void);

/* The calling thread's tag; "main" by default.  Copied, cut at 63 bytes. */
void log_thread(const char *name);

/* Warnings and errors so far, dropped ones too. */
unsigned log_count_warnings(void);
unsigned log_count_errors(void);

/* Remember the texts of warnings from now on, the first LOG_KEEP_MAX of them.
 */
#define LOG_KEEP_MAX 100
void log_keep_warnings(void);

/* The text of kept warning `i`, a copy; NULL: there is no such, or no memory.
 */
must_check char *log_kept_warning(unsigned i);

/* Something that is drawn at the bottom of the terminal (base/progress).  It
 * is cleared before a line is written to stderr and drawn again after it; both
 * are called with the log locked, and must not log.
 */
struct log_screen {
    void (*clear)(struct log_screen *screen);
    void (*draw)(struct log_screen *screen);
};

/* Install `screen`; the one before it is cleared.  NULL: none. */
void log_set_screen(struct log_screen *screen);

/* Clear and draw the screen now, if there is one. */
void log_refresh_screen(void);

#endif
