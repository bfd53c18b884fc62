/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* manifest_rules.c - see manifest_rules.h; pure */
#include "set/manifest_rules.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"

/* "2026-01-31T23:59:59Z", by shape: the value only informs. */
static bool is_time(const char *text)
{
    static const char shape[] = "dddd-dd-ddTdd:dd:ddZ";

    if (!text || strlen(text) != sizeof(shape) - 1)
        return false;
    for (size_t i = 0; i < sizeof(shape) - 1; i++) {
        bool digit = text[i] >= '0' && text[i] <= '9';

        if (shape[i] == 'd' ? !digit : text[i] != shape[i])
            return false;
    }
    return true;
}

static bool is_domain_name(const char *text)
{
    if (!text || !*text || strlen(text) > 1024 || strchr(text, '/'))
        return false;
    for (const char *p = text; *p; p++)
        if ((unsigned char)*p < 0x20 || *p == 0x7f)
            return false;
    return true;
}

/* May a disk of this level stand in a point of that level? */
static bool level_fits(enum level point, enum level disk)
{
    if (point == LEVEL_INC || point == LEVEL_DIFF)
        return disk == point || disk == LEVEL_FULL;
    return disk == point;
}

static int check_disk_names(const struct manifest_disk *d, enum error_kind kind,
                            struct error *err)
{
    struct name name = {0};
    struct name_text index = {""};

    if (!name_is_disk(d->target))
        return error_set(err, kind, "'%s' is not the name of a disk",
                         d->target ? d->target : "");
    if (!d->file || !name_parse(d->file, &name) || name.kind != NAME_DATA ||
        strcmp(name.disk, d->target) != 0 || !level_fits(name.level, d->level))
        return error_set(err, kind, "'%s' is not the name of its data file",
                         d->file ? d->file : "");
    if (name_index(d->file, &index, err) < 0)
        return -1;
    if (!d->index || strcmp(index.text, d->index) != 0)
        return error_set(err, kind, "'%s' is not the name of its index",
                         d->index ? d->index : "");
    if (!name_is_safe(d->format))
        return error_set(err, kind, "its format is '%s'",
                         d->format ? d->format : "");
    return 0;
}

/* Of a raw disk no changes are known: it is a copy in a full too. */
static bool is_raw_copy(const struct manifest_disk *d)
{
    return d->raw && d->level == LEVEL_COPY && !d->checkpoint[0];
}

static int check_disk(const struct manifest *m, const struct manifest_disk *d,
                      enum error_kind kind, struct error *err)
{
    bool base = d->level == LEVEL_FULL || d->level == LEVEL_COPY;

    if (check_disk_names(d, kind, err) < 0)
        return -1;
    if (!level_fits(m->level_done, d->level) &&
        !(m->level_done == LEVEL_FULL && is_raw_copy(d)))
        return error_set(err, kind, "level %s in a point of level %s",
                         level_text(d->level), level_text(m->level_done));
    if (base ? d->parent[0] != '\0' : !name_is_uuid(d->parent))
        return error_set(err, kind, "level %s with the parent '%s'",
                         level_text(d->level), d->parent);
    if (strcmp(d->parent, m->point) == 0)
        return error_set(err, kind, "it is its own parent");
    if (!d->checkpoint || (d->checkpoint[0] && !name_is_point(d->checkpoint)))
        return error_set(err, kind, "its checkpoint is '%s'",
                         d->checkpoint ? d->checkpoint : "");
    if (d->checkpoint[0] &&
        (m->level_done == LEVEL_COPY || m->level_done == LEVEL_DIFF))
        return error_set(err, kind, "a point of level %s owns a checkpoint",
                         level_text(m->level_done));
    if (d->virtual_size > INT64_MAX || d->file_size > INT64_MAX ||
        d->data_size > d->virtual_size || d->zero_size > d->virtual_size)
        return error_set(err, kind, "its sizes do not fit each other");
    if (d->raw && d->compressed)
        return error_set(err, kind, "a raw image cannot be compressed");
    if (!name_is_hash(d->index_hash))
        return error_set(err, kind, "its index has no hash");
    return 0;
}

static int check_disks(const struct manifest *m, enum error_kind kind,
                       struct error *err)
{
    if (m->disk_count > MANIFEST_MAX_DISKS)
        return error_set(err, kind, "it names too many disks");
    for (size_t i = 0; i < m->disk_count; i++) {
        const char *target = m->disks[i].target;

        if (check_disk(m, &m->disks[i], kind, err) < 0)
            return error_prefix(err, "disk '%s'", target ? target : "");
        for (size_t k = 0; k < i; k++)
            if (strcmp(m->disks[k].target, target) == 0)
                return error_set(err, kind, "disk '%s' is named twice", target);
    }
    return 0;
}

static int compare(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static int check_files(const struct manifest *m, enum error_kind kind,
                       struct error *err)
{
    size_t count = 0, max = m->file_count + 2 * m->disk_count;
    _cleanup_free_ const char **names = calloc(max + 1, sizeof(*names));

    if (!names)
        return error_memory(err);
    if (m->file_count > MANIFEST_MAX_FILES)
        return error_set(err, kind, "it names too many files");
    for (size_t i = 0; i < m->file_count; i++) {
        if (!name_is_safe_below(m->files[i].name))
            return error_set(err, kind, "'%s' is not the name of a file",
                             m->files[i].name);
        if (!name_is_hash(m->files[i].hash) || m->files[i].size > INT64_MAX)
            return error_set(err, kind, "'%s' has no hash or no size",
                             m->files[i].name);
        names[count++] = m->files[i].name;
    }
    for (size_t i = 0; i < m->disk_count; i++) {
        names[count++] = m->disks[i].file;
        names[count++] = m->disks[i].index;
    }
    qsort(names, count, sizeof(*names), compare);
    for (size_t i = 1; i < count; i++)
        if (strcmp(names[i - 1], names[i]) == 0)
            return error_set(err, kind, "'%s' is named twice", names[i]);
    return 0;
}

int manifest_check_rules(const struct manifest *m, enum error_kind kind,
                         struct error *err)
{
    enum level asked = LEVEL_FULL;

    if (!name_is_uuid(m->chain) || !name_is_uuid(m->point))
        return error_set(err, kind, "it has no UUID");
    if (!name_is_point(m->name))
        return error_set(err, kind, "its name is '%s'", m->name ? m->name : "");
    if (m->sequence > INT64_MAX)
        return error_set(err, kind, "its sequence number is too large");
    if (m->sequence == 0 ? m->previous[0] != '\0' : !name_is_hash(m->previous))
        return error_set(err, kind,
                         "number %llu does not go with the previous hash '%s'",
                         (unsigned long long)m->sequence, m->previous);
    if (!m->level_asked || (strcmp(m->level_asked, "auto") != 0 &&
                            !level_parse(m->level_asked, &asked)))
        return error_set(err, kind, "the level asked for is '%s'",
                         m->level_asked ? m->level_asked : "");
    if (!is_domain_name(m->domain_name) || !name_is_uuid(m->domain_uuid))
        return error_set(err, kind, "it names no domain");
    if (!is_time(m->time))
        return error_set(err, kind, "its time is '%s'", m->time ? m->time : "");
    if (!m->tool)
        return error_set(err, kind, "it does not say what wrote it");
    if (m->frozen_ms > INT64_MAX)
        return error_set(err, kind, "its freeze was too long");
    if (check_disks(m, kind, err) < 0)
        return -1;
    return check_files(m, kind, err);
}
