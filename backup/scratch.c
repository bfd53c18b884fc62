/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* scratch.c - see scratch.h
 *
 * The free space of the file system is what counts, whoever uses it up.  It is
 * asked for without libvirt, which may be busy or hang.
 */
#include "scratch.h"

#include <errno.h>
#include <inttypes.h>
#include <sys/statvfs.h>

#include "base/text.h"

/* Of the whole file system, and at the most. */
#define RESERVE_SHARE 16
#define RESERVE_MAX (1ULL << 30)

uint64_t scratch_reserve_default(uint64_t size)
{
    return MIN_OF(size / RESERVE_SHARE, RESERVE_MAX);
}

/* What is free, and what has to be.  QEMU may be another user: what is kept
 * for root does not count.
 */
static int look(const struct run *run, uint64_t *ret_free,
                uint64_t *ret_reserve)
{
    struct statvfs st;

    if (!run->scratch_dir || statvfs(run->scratch_dir, &st) < 0)
        return -1;
    *ret_free = (uint64_t)st.f_bavail * st.f_frsize;
    *ret_reserve =
        run->options->scratch_reserve_given
            ? run->options->scratch_reserve
            : scratch_reserve_default((uint64_t)st.f_blocks * st.f_frsize);
    return 0;
}

int scratch_check(const struct run *run, struct error *err)
{
    char left[TEXT_SIZE_ROOM], wanted[TEXT_SIZE_ROOM];
    uint64_t free = 0, reserve = 0;

    if (run->powered_off || run->disk_count == 0 ||
        look(run, &free, &reserve) < 0 || free >= reserve)
        return 0;
    return error_set_code(
        err, ERR_INPUT, ENOSPC,
        "there is no room for scratch files in '%s': %s are free, %s have to "
        "be, so that the guest cannot run out of space; free some, or choose "
        "another --scratchdir or --scratch-reserve",
        run->scratch_dir, text_size(free, left), text_size(reserve, wanted));
}

int scratch_watch(const struct run *run, struct error *err)
{
    char left[TEXT_SIZE_ROOM], wanted[TEXT_SIZE_ROOM];
    uint64_t free = 0, reserve = 0;

    if (run->powered_off || look(run, &free, &reserve) < 0 || free >= reserve)
        return 0;
    return error_set_code(
        err, ERR_SYSTEM, ENOSPC,
        "the backup was ended before the guest runs out of space: only %s are "
        "free for scratch files in '%s', %s have to stay so; free some, choose "
        "another --scratchdir, or back up when the guest writes less",
        text_size(free, left), run->scratch_dir, text_size(reserve, wanted));
}
