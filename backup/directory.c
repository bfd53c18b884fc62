/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* directory.c - see directory.h */
#include "directory.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/file.h"
#include "base/lock.h"
#include "base/log.h"
#include "base/stop.h"
#include "base/text.h"

/* Somebody may just be cleaning up after a run that was killed. */
#define LOCK_TRIES 200
#define LOCK_TRY_MS 50

static int take_lock(struct run *run, struct error *err)
{
    for (int i = 0; i < LOCK_TRIES; i++) {
        int r = lock_take(run->dirfd, LOCK_NAME, &run->lockfd, err);

        if (r < 0)
            return -1;
        if (r == LOCK_TAKEN)
            return 0;
        if (r == LOCK_READ_ONLY)
            return error_set(err, ERR_INPUT, "'%s' cannot be written to%s",
                             point_place(run),
                             run->options->to_stdout
                                 ? "; with -o - the current directory keeps "
                                   "what a run must not forget, so start it "
                                   "in one of its own"
                                 : "");
        if (stop_wait(-1, LOCK_TRY_MS) == STOP_NOW)
            return stop_check(err);
    }
    return error_set(err, ERR_BUSY,
                     "another run (process %d) works in '%s'; wait for it, or "
                     "choose another directory",
                     (int)lock_holder(run->dirfd, LOCK_NAME), point_place(run));
}

static int open_log(struct run *run, struct error *err)
{
    char stamp[32];
    struct tm tm;

    localtime_r(&run->begun, &tm);
    strftime(stamp, sizeof(stamp), "%m%d%Y%H%M%S", &tm);
    run->log_name = text_dup_printf("backup.%s.%s.log",
                                    backup_level_asked(run->options), stamp);
    if (!run->log_name)
        return error_memory(err);
    return log_open_file(run->dirfd, run->log_name, err);
}

static int make_or_open(struct run *run, struct error *err)
{
    const char *path = run->options->to_stdout ? "." : run->options->output;
    bool new = faccessat(AT_FDCWD, path, F_OK, AT_SYMLINK_NOFOLLOW) < 0;

    if (dir_make(path, 0700, err) < 0)
        return -1;
    run->dirfd = dir_open(path, err);
    if (run->dirfd < 0 || (new &&file_share(run->dirfd, path, err) < 0))
        return -1;
    run->directory = realpath(path, NULL);
    if (!run->directory)
        return error_errno(err, errno, "find the path of '%s'", path);
    return 0;
}

int directory_open(struct run *run, struct error *err)
{
    if (make_or_open(run, err) < 0 || take_lock(run, err) < 0)
        return -1;
    return open_log(run, err);
}
