/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* scratch.c - see scratch.h
 *
 * The free space of the file system is what counts, whoever uses it up.  It is
 * asked for without libvirt, which may be busy or hang.
 */
#include "scratch.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/statvfs.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/text.h"

/* Of the whole file system, and at the most. */
#define RESERVE_SHARE 16
#define RESERVE_MAX (1ULL << 30)

/* Of another host: how often while the job runs, and for how long at most (a
 * link that is dead is found out by those who move data).
 */
#define THERE_EVERY_MS 1000
#define THERE_TIMEOUT_MS 3000

uint64_t scratch_reserve_default(uint64_t size)
{
    return MIN_OF(size / RESERVE_SHARE, RESERVE_MAX);
}

static bool is_unwanted(const struct run *run)
{
    return run->options->scratch_reserve_given &&
           run->options->scratch_reserve == 0;
}

static uint64_t reserve_of(const struct run *run, uint64_t size)
{
    return run->options->scratch_reserve_given ? run->options->scratch_reserve
                                               : scratch_reserve_default(size);
}

/* What is free, and what has to be.  QEMU may be another user: what is kept
 * for root does not count.
 */
static int look(const struct run *run, uint64_t *ret_free,
                uint64_t *ret_reserve)
{
    struct statvfs st;

    if (run->remote || run->unseen || !run->scratch_dir ||
        statvfs(run->scratch_dir, &st) < 0)
        return -1;
    *ret_free = (uint64_t)st.f_bavail * st.f_frsize;
    *ret_reserve = reserve_of(run, (uint64_t)st.f_blocks * st.f_frsize);
    return 0;
}

/* The same on another host. */
static int look_there(const struct run *run, uint64_t *ret_free,
                      uint64_t *ret_reserve)
{
    const char *argv[] = {"stat", "-f", "-c", "%a %b %S", "--", NULL, NULL};
    _cleanup_error_ struct error ignored = ERROR_INIT;
    _cleanup_free_ char *said = NULL;
    uint64_t free_blocks = 0, blocks = 0, size = 0;

    argv[5] = run->scratch_dir;
    if (!run->remote || !run->scratch_dir ||
        remote_run(run->remote, argv, THERE_TIMEOUT_MS, &said, &ignored) < 0 ||
        sscanf(said, "%" SCNu64 " %" SCNu64 " %" SCNu64, &free_blocks, &blocks,
               &size) != 3 ||
        size == 0 || blocks > UINT64_MAX / size)
        return -1;
    *ret_free = free_blocks * size;
    *ret_reserve = reserve_of(run, blocks * size);
    return 0;
}

int scratch_check(const struct run *run, struct error *err)
{
    char left[TEXT_SIZE_ROOM], wanted[TEXT_SIZE_ROOM];
    uint64_t free = 0, reserve = 0;

    if (run->powered_off || run->disk_count == 0 || is_unwanted(run) ||
        (look(run, &free, &reserve) < 0 &&
         look_there(run, &free, &reserve) < 0) ||
        free >= reserve)
        return 0;
    return error_set_code(
        err, ERR_INPUT, ENOSPC,
        "there is no room for scratch files in '%s': %s are free, %s have to "
        "be, so that the guest cannot run out of space; free some, or choose "
        "another --scratchdir or --scratch-reserve",
        run->scratch_dir, text_size(free, left), text_size(reserve, wanted));
}

/* Ask the other host if it is time again.  Nothing else happens meanwhile, so
 * it is let alone for as long behind each answer.
 */
static int look_there_sometimes(struct run *run, uint64_t *ret_free,
                                uint64_t *ret_reserve)
{
    int r;

    if (clock_ms() < run->scratch_due_ms)
        return -1;
    r = look_there(run, ret_free, ret_reserve);
    if (r < 0 && run->scratch_due_ms == 0)
        log_warning("'%s' does not say how much room there is for scratch "
                    "files: nobody looks after it",
                    remote_name(run->remote));
    run->scratch_due_ms = clock_ms() + THERE_EVERY_MS;
    return r;
}

int scratch_watch(struct run *run, struct error *err)
{
    char left[TEXT_SIZE_ROOM], wanted[TEXT_SIZE_ROOM];
    uint64_t free = 0, reserve = 0;

    if (run->powered_off || is_unwanted(run) ||
        (run->remote ? look_there_sometimes(run, &free, &reserve)
                     : look(run, &free, &reserve)) < 0 ||
        free >= reserve)
        return 0;
    return error_set_code(
        err, ERR_SYSTEM, ENOSPC,
        "the backup was ended before the guest runs out of space: only %s are "
        "free for scratch files in '%s', %s have to stay so; free some, choose "
        "another --scratchdir, or back up when the guest writes less",
        text_size(free, left), run->scratch_dir, text_size(reserve, wanted));
}
