/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* adopt.c - see adopt.h */
#include "set/adopt.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/text.h"
#include "set/adopt_private.h"
#include "set/files.h"
#include "set/intent.h"
#include "set/marks.h"

size_t adopt_first(const struct chain *chain)
{
    size_t i = 0;

    while (i < chain->point_count && chain->points[i].ours)
        i++;
    return i;
}

/* Upstream's local time as UTC; what cannot be read is now. */
static int set_time(struct manifest *m, const struct chain_point *p,
                    struct error *err)
{
    const char *date = p->file_count > 0 ? p->files[0].meta.date : NULL;
    struct tm tm = {.tm_isdst = -1};
    time_t when = (time_t)-1;
    char text[32] = "";

    if (date && sscanf(date, "%4d-%2d-%2dT%2d:%2d:%2d", &tm.tm_year, &tm.tm_mon,
                       &tm.tm_mday, &tm.tm_hour, &tm.tm_min, &tm.tm_sec) == 6) {
        tm.tm_year -= 1900;
        tm.tm_mon--;
        when = mktime(&tm);
    }
    if (when < 0)
        when = time(NULL);
    if (!gmtime_r(&when, &tm) ||
        !strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%SZ", &tm))
        return error_set(err, ERR_INPUT, "the time cannot be told");
    return manifest_set(&m->time, text, err);
}

static int fill_disk(const struct chain *chain, const struct chain_file *f,
                     struct manifest *m, struct error *err)
{
    struct manifest_disk *d = manifest_add_disk(m, err);
    const char *format = f->raw ? "raw" : f->meta.disk_format;
    struct name_text index = {""};

    if (!d || name_index(f->file, &index, err) < 0 ||
        manifest_set(&d->target, f->disk, err) < 0 ||
        manifest_set(&d->file, f->file, err) < 0 ||
        manifest_set(&d->index, index.text, err) < 0 ||
        manifest_set(&d->format, format, err) < 0 ||
        manifest_set(&d->checkpoint, f->owner ? f->meta.checkpoint_name : "",
                     err) < 0)
        return -1;
    d->level = f->level;
    d->raw = f->raw;
    d->compressed = !f->raw && f->meta.compressed;
    if (f->parent >= 0)
        memcpy(d->parent, chain->points[f->parent].manifest.point,
               sizeof(d->parent));
    return 0;
}

/* Everything but what reading the data will tell, and the small files. */
static int fill_manifest(const struct chain *chain, size_t number,
                         const struct adopt_request *request,
                         struct manifest *m, struct error *err)
{
    const struct chain_point *p = &chain->points[number];
    const struct manifest *last =
        number > 0 ? &chain->points[number - 1].manifest : NULL;

    if (uuid_new(m->point, err) < 0)
        return -1;
    if (last) {
        memcpy(m->chain, last->chain, sizeof(m->chain));
        memcpy(m->previous, last->hash, sizeof(m->previous));
        m->sequence = last->sequence + 1;
    } else if (uuid_new(m->chain, err) < 0) {
        return -1;
    }
    m->adopted = true;
    m->level_done = p->level;
    if (manifest_set(&m->tool, request->tool, err) < 0 ||
        manifest_set(&m->name, p->name, err) < 0 ||
        manifest_set(&m->level_asked, level_text(p->level), err) < 0 ||
        manifest_set(&m->domain_name, request->domain_name, err) < 0 ||
        set_time(m, p, err) < 0)
        return -1;
    snprintf(m->domain_uuid, sizeof(m->domain_uuid), "%s",
             request->domain_uuid);
    for (size_t i = 0; i < p->file_count; i++)
        if (fill_disk(chain, &p->files[i], m, err) < 0)
            return -1;
    return 0;
}

/* The word in the names of a point's small files: a differential's disks have
 * one each.
 */
static int file_ident(const struct chain_file *f, char *ret, size_t room,
                      struct error *err)
{
    struct name name = {0};

    if (!name_parse(f->file, &name))
        return error_set(err, ERR_DAMAGED, "'%s' is no name of a data file",
                         f->file);
    snprintf(ret, room, "%s",
             name.level == LEVEL_FULL   ? f->meta.checkpoint_name
             : name.level == LEVEL_COPY ? "copy"
                                        : name.point);
    return 0;
}

static bool ends_with(const char *text, const char *end)
{
    size_t len = strlen(text), n = strlen(end);

    return len > n && strcmp(text + len - n, end) == 0;
}

/* Is `name` one of the small files of this disk's part of the point: the
 * domain's XML, what qemu-img told, or a file whose name ends in the ident?
 */
static bool is_small_file(const struct chain_file *f, const char *ident,
                          const char *name)
{
    char text[2 * NAME_SAFE_MAX] = "";

    snprintf(text, sizeof(text), "vmconfig.%s.xml", ident);
    if (strcmp(name, text) == 0)
        return true;
    snprintf(text, sizeof(text), "%s.%s.qcow.json", f->disk, ident);
    if (strcmp(name, text) == 0)
        return true;
    snprintf(text, sizeof(text), ".%s", ident);
    return strcmp(ident, "copy") != 0 && ends_with(name, text);
}

static bool has_file(const struct manifest *m, const char *name)
{
    for (size_t i = 0; i < m->file_count; i++)
        if (strcmp(m->files[i].name, name) == 0)
            return true;
    return false;
}

static int add_checkpoint(int dirfd, const struct chain_file *f,
                          struct manifest *m, struct error *err)
{
    _cleanup_free_ char *name = NULL;
    int found = 0;

    if (!f->owner)
        return 0;
    name = text_dup_printf("checkpoints/%s.xml", f->meta.checkpoint_name);
    if (!name)
        return error_memory(err);
    if (has_file(m, name))
        return 0;
    found = files_exists(dirfd, name, err);
    return found <= 0 ? found : manifest_add_file(m, dirfd, name, err);
}

static int add_small_files(int dirfd, const struct chain_file *f,
                           struct manifest *m, struct error *err)
{
    _cleanup_file_names_ struct file_names names = FILE_NAMES_INIT;
    char ident[NAME_SAFE_MAX + 1] = "";

    if (add_checkpoint(dirfd, f, m, err) < 0)
        return -1;
    if (f->raw)
        snprintf(ident, sizeof(ident), "%s", m->name);
    else if (file_ident(f, ident, sizeof(ident), err) < 0)
        return -1;
    if (files_list(dirfd, FILES_MAX_NAMES, &names, err) < 0)
        return -1;
    for (size_t i = 0; i < names.count; i++)
        if (is_small_file(f, ident, names.names[i]) &&
            !has_file(m, names.names[i]) &&
            manifest_add_file(m, dirfd, names.names[i], err) < 0)
            return -1;
    return 0;
}

/* Name the files that will be made: the indexes, and checksums where there is
 * none.
 */
static int fill_intent(int dirfd, const struct chain_point *p,
                       const struct manifest *m, struct intent *in,
                       struct error *err)
{
    memcpy(in->point, m->point, sizeof(in->point));
    memcpy(in->chain, m->chain, sizeof(in->chain));
    memcpy(in->domain_uuid, m->domain_uuid, sizeof(in->domain_uuid));
    in->level = m->level_done;
    in->pid = getpid();
    if (manifest_set(&in->domain_name, m->domain_name, err) < 0 ||
        manifest_set(&in->uri, "", err) < 0 ||
        manifest_set(&in->name, m->name, err) < 0 ||
        manifest_set(&in->checkpoint, "", err) < 0 ||
        manifest_set(&in->runtime_dir, "", err) < 0 ||
        manifest_set(&in->socket, "", err) < 0 ||
        manifest_set(&in->time, m->time, err) < 0)
        return -1;
    for (size_t i = 0; i < p->file_count; i++) {
        _cleanup_free_ char *sum =
            text_dup_printf("%s.chksum", p->files[i].file);
        int found = sum ? files_exists(dirfd, sum, err) : error_memory(err);

        if (found < 0 || intent_add_file(in, m->disks[i].index, err) < 0 ||
            (!found && intent_add_file(in, sum, err) < 0))
            return -1;
    }
    return 0;
}

/* Compare the adler32 with the one that is there, or write it. */
static int check_sum(int dirfd, const struct chain_file *f, uint32_t adler,
                     struct error *err)
{
    _cleanup_free_ char *name = text_dup_printf("%s.chksum", f->file);
    uint32_t saved = 0;
    int found = name ? files_exists(dirfd, name, err) : error_memory(err);

    if (found < 0)
        return -1;
    if (!found)
        return chksum_write(dirfd, f->file, adler, err);
    found = chksum_read(dirfd, f->file, &saved, err);
    if (found > 0 && saved != adler)
        return error_set(err, ERR_DAMAGED,
                         "'%s' is damaged: its checksum is %lu instead of %lu",
                         f->file, (unsigned long)adler, (unsigned long)saved);
    return found < 0 ? -1 : 0;
}

static int commit(int dirfd, const struct chain *chain,
                  const struct chain_point *p, struct manifest *m,
                  struct error *err)
{
    for (size_t i = 0; i < p->file_count; i++) {
        struct manifest_disk *d = &m->disks[i];
        uint32_t adler = 0;

        if (adopt_index(dirfd, chain, &p->files[i], d->index, d, &adler, err) <
                0 ||
            check_sum(dirfd, &p->files[i], adler, err) < 0 ||
            manifest_check_disk(dirfd, d, true, err) < 0 ||
            add_small_files(dirfd, &p->files[i], m, err) < 0)
            return -1;
    }
    return manifest_write(dirfd, m, err);
}

static int check_request(const struct chain *chain, size_t number,
                         const struct adopt_request *request, const char *name,
                         struct error *err)
{
    if (chain_check(chain, err) < 0)
        return -1;
    if (chain->ours && strcmp(chain->domain_uuid, request->domain_uuid) != 0)
        return error_set(err, ERR_EXISTS,
                         "the directory holds backups of another domain: '%s'",
                         chain->domain_name);
    if (number == chain->point_count ||
        strcmp(chain->points[number].name, name) != 0)
        return error_set(err, ERR_INPUT, "'%s' is not the next point to adopt",
                         name);
    return 0;
}

/* What fails here is done by the next run, which finds the intent. */
static void undo(int dirfd, const struct intent *in)
{
    _cleanup_error_ struct error ignored = ERROR_INIT;

    if (intent_remove_files(dirfd, in, NULL, &ignored) == 0 &&
        intent_drop(dirfd, in, &ignored) < 0)
        error_clear(&ignored);
}

int adopt_point(int dirfd, const struct chain *chain,
                const struct adopt_request *request, const char *name,
                struct error *err)
{
    _cleanup_manifest_ struct manifest m = MANIFEST_INIT;
    _cleanup_intent_ struct intent in = INTENT_INIT;
    size_t number = adopt_first(chain);
    const struct chain_point *p = NULL;

    if (check_request(chain, number, request, name, err) < 0)
        return -1;
    p = &chain->points[number];
    if (fill_manifest(chain, number, request, &m, err) < 0 ||
        fill_intent(dirfd, p, &m, &in, err) < 0 ||
        intent_place(dirfd, &in.place, err) < 0 ||
        intent_write(dirfd, &in, err) < 0)
        return error_prefix(err, "adopt '%s'", name);
    if (commit(dirfd, chain, p, &m, err) < 0) {
        undo(dirfd, &in);
        return error_prefix(err, "adopt '%s'", name);
    }
    return intent_drop(dirfd, &in, err);
}
