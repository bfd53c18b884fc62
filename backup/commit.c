/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* commit.c - see commit.h */
#include "commit.h"

#include <stdlib.h>
#include <string.h>

#include "archive.h"
#include "base/cleanup.h"
#include "base/file.h"
#include "base/log.h"
#include "base/stop.h"
#include "base/text.h"
#include "extras.h"
#include "set/marks.h"

static int add_disk(struct run *run, const struct run_disk *d,
                    struct manifest *m, struct error *err)
{
    struct manifest_disk *entry = manifest_add_disk(m, err);
    _cleanup_free_ char *sum = text_dup_printf("%s.chksum", d->data_file);

    if (!entry)
        return -1;
    if (!sum)
        return error_memory(err);
    entry->level = d->result.whole ? LEVEL_FULL : d->level;
    if (entry->level == LEVEL_INC || entry->level == LEVEL_DIFF)
        memcpy(entry->parent, run->chain->points[d->parent].manifest.point,
               sizeof(entry->parent));
    entry->raw = d->raw;
    entry->compressed = !d->raw && run->options->compress > 0;
    entry->virtual_size = d->result.virtual_size;
    entry->data_size = d->result.data_size;
    entry->zero_size = d->result.zero_size;
    entry->file_size = d->result.file_size;
    memcpy(entry->index_hash, d->result.index_hash, sizeof(entry->index_hash));
    if (point_set(&entry->target, d->disk->target, err) < 0 ||
        point_set(&entry->file, d->data_file, err) < 0 ||
        point_set(&entry->index, d->index_file, err) < 0 ||
        point_set(&entry->checkpoint, d->raw_disk ? "" : run->checkpoint, err) <
            0 ||
        point_set(&entry->source_id, d->source_id, err) < 0 ||
        point_set(&entry->format, d->disk->format, err) < 0)
        return -1;
    /* The index first: a data file under its name always has one. */
    if (index_publish(run->dirfd, d->index_file, err) < 0 ||
        (run->archive && archive_index(run, d, err) < 0))
        return -1;
    if (d->raw)
        return 0; /* as upstream: readers of streams look for it */
    if (chksum_write(run->dirfd, d->data_file, d->result.adler, err) < 0)
        return -1;
    return manifest_add_file(m, run->dirfd, sum, err);
}

static int publish_data(struct run *run, struct error *err)
{
    if (run->archive)
        return 0;
    for (size_t i = 0; i < run->disk_count; i++) {
        _cleanup_free_ char *partial =
            text_dup_printf("%s.partial", run->disks[i].data_file);

        if (!partial)
            return error_memory(err);
        if (file_rename_noreplace(run->dirfd, partial, run->disks[i].data_file,
                                  err) < 0)
            return -1;
    }
    return file_sync_dir(run->dirfd, err);
}

int commit_describe(struct run *run, struct manifest *m, struct error *err)
{
    memcpy(m->point, run->point_uuid, sizeof(m->point));
    checkpoint_describe(m->point, m->chain, run->description);
    memcpy(m->domain_uuid, domain_uuid(run->domain), sizeof(m->domain_uuid));
    m->level_done = run->level;
    if (point_set(&m->tool, "virtnbdbackup " VERSION, err) < 0 ||
        point_set(&m->name, run->point, err) < 0 ||
        point_set(&m->level_asked, backup_level_asked(run->options), err) < 0 ||
        point_set(&m->domain_name, domain_name(run->domain), err) < 0 ||
        point_time(run->begun, &m->time, err) < 0)
        return -1;
    return 0;
}

static int add_warnings(struct manifest *m, struct error *err)
{
    for (unsigned i = 0; i < LOG_KEEP_MAX; i++) {
        _cleanup_free_ char *text = log_kept_warning(i);

        if (!text)
            break;
        if (manifest_add_warning(m, text, err) < 0)
            return -1;
    }
    return 0;
}

/* Everything is there: names for all files, then the manifest. */
int commit_point(struct run *run, struct manifest *m, struct error *err)
{
    for (size_t i = 0; i < run->disk_count; i++)
        if (add_disk(run, &run->disks[i], m, err) < 0)
            return -1;
    if (extras_write(run, m, err) < 0 || publish_data(run, err) < 0 ||
        add_warnings(m, err) < 0 || stop_check(err) < 0)
        return -1;
    m->frozen_ms = run->frozen_ms;
    if (run->archive && archive_close(run, m, err) < 0)
        return -1;
    if (run->archive && run->level == LEVEL_COPY) {
        run->delivered = true;
        return 0;
    }
    if (manifest_write(run->dirfd, m, err) < 0)
        return error_prefix(err, "commit the backup");
    run->committed = true;
    return 0;
}
