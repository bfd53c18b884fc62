/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* exports.c - see exports.h */
#include "exports.h"

#include <string.h>

#include "base/cleanup.h"
#include "base/log.h"

/* Nobody looks after the scratch space meanwhile. */
#define ASK_MS 5000

/* Does libvirt know what QEMU shows?  Of a domain that runs it asks QEMU.  Of
 * one that is off it reads the image itself, and of other formats than qcow2
 * not as QEMU does: raw ones may be encrypted, with a header that it leaves
 * out, a VHD has a footer, a VMDK may be a text that names its parts.
 */
static bool can_tell_size(const struct run *run, const struct run_disk *d)
{
    return !run->powered_off || strcmp(d->disk->format, "qcow2") == 0;
}

/* The sizes that the exports have to have, by libvirt.  QEMU resizes no disk
 * while it has a backup job, and nobody an image that qemu-nbd has locked, so
 * what libvirt says now is what was true when the exports began.  Where it does
 * not say, or says 0, which no guest's disk has, there is nothing to compare
 * with.
 */
static void ask_sizes(struct run *run)
{
    for (size_t i = 0; i < run->disk_count; i++) {
        struct run_disk *d = &run->disks[i];
        _cleanup_error_ struct error err = ERROR_INIT;

        if (!can_tell_size(run, d))
            continue;
        if (domain_disk_size(run->domain, d->disk->target, ASK_MS, &d->size,
                             &err) == 0) {
            d->size_known = d->size > 0;
            continue;
        }
        log_debug("%s", error_text(&err));
        if (!run->powered_off || err.kind == ERR_TIMEOUT)
            return;
    }
}

int exports_open(struct run *run, struct error *err)
{
    int r = run->powered_off ? offline_open(run, err) : online_open(run, err);

    if (r == 0)
        ask_sizes(run);
    return r;
}

void exports_close(struct run *run)
{
    if (run->powered_off)
        offline_close(run);
    else
        online_close(run);
}

void exports_break(struct run *run)
{
    run->ended_early = true;
    if (run->powered_off)
        offline_break(run);
    else
        online_break(run);
}

int exports_explain(struct run *run, struct error *err)
{
    if (run->remote && !remote_is_alive(run->remote))
        return error_prefix(err, "the connection to '%s' was lost",
                            remote_name(run->remote));
    return run->powered_off ? -1 : online_explain(run, err);
}
