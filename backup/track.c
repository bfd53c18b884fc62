/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* track.c - see track.h
 *
 * libvirt judges a checkpoint as a whole; if one is not sound, each disk of it
 * is tried alone, by a job that is ended at once.
 */
#include "track.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/cleanup.h"
#include "base/file.h"
#include "base/log.h"
#include "base/text.h"
#include "checkpoints.h"
#include "virt/job.h"

#define PROBE_TIMEOUT_MS 60000

enum verdict {
    VERDICT_UNKNOWN = 0,
    VERDICT_SOUND,
    VERDICT_SUSPECT, /* some disk of it is not sound */
    VERDICT_LOST,    /* not there, or not ours */
};

/* What is known about the checkpoint of each point, and why it is lost. */
struct tracker {
    struct run *run;
    struct checkpoint_list known;
    enum verdict *verdicts;
    char **reasons;
};

static void tracker_done(struct tracker *t)
{
    for (size_t i = 0; t->reasons && i < t->run->chain->point_count; i++)
        free(t->reasons[i]);
    free(t->reasons);
    free(t->verdicts);
    checkpoint_list_free(&t->known);
}

int track_source_id(const struct run *run, const struct domain_disk *disk,
                    char **ret, struct error *err)
{
    struct statx st;
    bool known =
        !run->unseen && !run->remote && disk->source &&
        statx(AT_FDCWD, disk->source, 0, STATX_INO | STATX_BTIME, &st) == 0;

    *ret = known
               ? text_dup_printf(
                     "%u:%u:%llu:%lld.%u", st.stx_dev_major, st.stx_dev_minor,
                     (unsigned long long)st.stx_ino,
                     st.stx_mask & STATX_BTIME ? (long long)st.stx_btime.tv_sec
                                               : 0,
                     st.stx_mask & STATX_BTIME ? st.stx_btime.tv_nsec : 0)
               : strdup("");
    return *ret ? 0 : error_memory(err);
}

static const struct checkpoint *find_known(const struct tracker *t,
                                           const char *name)
{
    for (size_t i = 0; i < t->known.count; i++)
        if (strcmp(t->known.items[i].name, name) == 0)
            return &t->known.items[i];
    return NULL;
}

static int lost(struct tracker *t, size_t point, char *own_reason,
                struct error *err)
{
    if (!own_reason)
        return error_memory(err);
    t->reasons[point] = own_reason;
    t->verdicts[point] = VERDICT_LOST;
    return 0;
}

/* The XML to redefine a checkpoint from: without its parent, if libvirt does
 * not know that one either.
 */
static int fit_parent(const struct tracker *t, char **xml, struct error *err)
{
    struct checkpoint saved = {0};
    char *orphan = NULL;
    bool known;

    if (checkpoint_parse(*xml, &saved, err) < 0)
        return -1;
    known = !saved.parent || find_known(t, saved.parent);
    checkpoint_free(&saved);
    if (known)
        return 0;
    if (checkpoint_orphan(*xml, &orphan, err) < 0)
        return -1;
    free(*xml);
    *xml = orphan;
    return 0;
}

/* libvirt does not know it (any more): tell it again, if its bitmap is there
 * and sound.
 */
static int redefine(struct tracker *t, size_t point, struct error *err)
{
    const struct chain_point *p = &t->run->chain->points[point];
    _cleanup_free_ char *xml = NULL;
    _cleanup_free_ char *why = NULL;
    _cleanup_error_ struct error failed = ERROR_INIT;
    int r = checkpoints_load(t->run, p, &xml, err);

    if (r < 0)
        return -1;
    if (r == 0)
        return lost(t, point,
                    text_dup_printf("libvirt has no checkpoint '%s', and its "
                                    "description is not in the backup",
                                    p->name),
                    err);
    r = fit_parent(t, &xml, &failed);
    if (r == 0)
        r = checkpoint_redefine(t->run->domain, xml, true, &why, &failed);
    if (r > 0) {
        log_info("libvirt had forgotten checkpoint '%s'; redefined", p->name);
        checkpoint_list_free(&t->known);
        return checkpoint_list(t->run->domain, &t->known, err);
    }
    if (r < 0 && (failed.kind == ERR_STOPPED || failed.kind == ERR_TIMEOUT)) {
        error_move(err, &failed);
        return -1;
    }
    return lost(t, point,
                text_dup_printf("checkpoint '%s' is lost: %s", p->name,
                                r < 0 ? error_text(&failed)
                                      : (why ? why : "no reason given")),
                err);
}

static bool owns_checkpoint(const struct chain_point *p)
{
    for (size_t i = 0; p->ours && i < p->manifest.disk_count; i++)
        if (p->manifest.disks[i].checkpoint[0])
            return true;
    return false;
}

/* All of the chain's checkpoints, the oldest first: those that no increment
 * needs any more are needed to be deleted one day.
 */
static int redefine_forgotten(struct tracker *t, struct error *err)
{
    const struct chain *chain = t->run->chain;

    for (size_t i = 0; i < chain->point_count; i++)
        if (owns_checkpoint(&chain->points[i]) &&
            !find_known(t, chain->points[i].name) && redefine(t, i, err) < 0)
            return -1;
    return 0;
}

static int judge(struct tracker *t, size_t point, struct error *err)
{
    const struct chain_point *p = &t->run->chain->points[point];
    const struct checkpoint *c = find_known(t, p->name);
    _cleanup_free_ char *why = NULL;
    int r;

    if (!c)
        return lost(t, point,
                    text_dup_printf("libvirt has no checkpoint '%s'", p->name),
                    err);
    r = checkpoints_is_own(t->run, p, c, err);
    if (r < 0)
        return -1;
    if (r == 0)
        return lost(t, point,
                    text_dup_printf("libvirt's checkpoint '%s' belongs to "
                                    "another backup",
                                    p->name),
                    err);
    if (t->run->powered_off) {
        /* Nobody but qemu-nbd can say what the bitmap is worth. */
        t->verdicts[point] = VERDICT_SOUND;
        return 0;
    }
    r = checkpoint_validate(t->run->domain, p->name, &why, err);
    if (r < 0)
        return -1;
    if (r == 0)
        log_debug("checkpoint '%s': %s", p->name, why ? why : "not sound");
    t->verdicts[point] = r > 0 ? VERDICT_SOUND : VERDICT_SUSPECT;
    return 0;
}

/* Would a job take this disk's bitmap?  Outcome 1 or 0. */
static int probe(struct tracker *t, const struct run_disk *d,
                 const char *checkpoint, char **ret_why, struct error *err)
{
    struct run *run = t->run;
    struct job_disk disk = {.target = d->disk->target,
                            .incremental = checkpoint};
    struct job_request request = {
        .scratch_dir = run->scratch_dir,
        .prefix = run->point_uuid,
        .disks = &disk,
        .disk_count = 1,
    };
    _cleanup_error_ struct error failed = ERROR_INIT;

    transport_request(run, &request);
    if (transport_begin(run, &request, &failed) == 0)
        return job_end(run->domain, run->socket, PROBE_TIMEOUT_MS, err) < 0 ? -1
                                                                            : 1;
    if (failed.kind != ERR_LIBVIRT) {
        error_move(err, &failed);
        return -1;
    }
    if (job_undo(run->domain, &request, PROBE_TIMEOUT_MS, err) < 0)
        return -1;
    *ret_why = strdup(error_text(&failed));
    return *ret_why ? 0 : error_memory(err);
}

int track_give_up(struct run *run, struct run_disk *d, const char *why,
                  struct error *err)
{
    if (run->options->no_fallback)
        return error_set(err, ERR_INPUT,
                         "disk %s: its changes cannot be told: %s; without "
                         "--no-fallback it would be saved whole",
                         d->disk->target, why);
    log_warning("%s: saved whole in this point: %s", d->disk->target, why);
    d->level = LEVEL_FULL;
    d->cover = true;
    d->parent = -1;
    return 0;
}

/* Another image under the old name may bear a bitmap of the same name. */
static int is_replaced(const struct run_disk *d, const struct manifest_disk *m)
{
    return m->source_id && m->source_id[0] && d->source_id[0] &&
           strcmp(m->source_id, d->source_id) != 0;
}

static int track_disk(struct tracker *t, struct run_disk *d, struct error *err)
{
    struct run *run = t->run;
    const char *target = d->disk->target;
    ssize_t parent = chain_parent(run->chain, target);
    const struct chain_point *p;
    const struct manifest_disk *m;
    _cleanup_free_ char *why = NULL;
    int r;

    if (parent < 0)
        return track_give_up(run, d, "it is new in this backup", err);
    p = &run->chain->points[parent];
    m = manifest_find_disk(&p->manifest, target);
    if (!m)
        return track_give_up(run, d, "its last state is not ours", err);
    if (is_replaced(d, m))
        return track_give_up(run, d, "it is another image than last time", err);
    if (t->verdicts[parent] == VERDICT_UNKNOWN &&
        judge(t, (size_t)parent, err) < 0)
        return -1;
    if (t->verdicts[parent] == VERDICT_LOST)
        return track_give_up(run, d, t->reasons[parent], err);
    if (t->verdicts[parent] == VERDICT_SUSPECT) {
        r = probe(t, d, p->name, &why, err);
        if (r <= 0)
            return r < 0 ? -1 : track_give_up(run, d, why, err);
    }
    d->level = run->level;
    d->parent = parent;
    d->parent_size = m->virtual_size;
    return 0;
}

int track_disks(struct run *run, struct error *err)
{
    _cleanup_(tracker_done) struct tracker t = {.run = run};
    size_t points = run->chain->point_count;

    for (size_t i = 0; i < run->disk_count; i++) {
        run->disks[i].level = run->disks[i].raw_disk ? LEVEL_COPY : run->level;
        run->disks[i].parent = -1;
        if (track_source_id(run, run->disks[i].disk, &run->disks[i].source_id,
                            err) < 0)
            return -1;
    }
    if (run->level != LEVEL_INC && run->level != LEVEL_DIFF)
        return 0;
    t.verdicts = calloc(points + 1, sizeof(*t.verdicts));
    t.reasons = calloc(points + 1, sizeof(*t.reasons));
    if (!t.verdicts || !t.reasons)
        return error_memory(err);
    if (checkpoint_list(run->domain, &t.known, err) < 0 ||
        (!run->powered_off && redefine_forgotten(&t, err) < 0))
        return -1;
    for (size_t i = 0; i < run->disk_count; i++)
        if (track_disk(&t, &run->disks[i], err) < 0)
            return -1;
    return 0;
}
