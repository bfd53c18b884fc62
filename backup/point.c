/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* point.c - see point.h */
#include "point.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "archive.h"
#include "base/cleanup.h"
#include "base/log.h"
#include "base/text.h"
#include "host/qemu.h"
#include "level.h"

int point_set(char **member, const char *value, struct error *err)
{
    return manifest_set(member, value ? value : "", err);
}

int point_time(time_t when, char **ret, struct error *err)
{
    char text[32];
    struct tm tm;

    gmtime_r(&when, &tm);
    strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%SZ", &tm);
    return manifest_set(ret, text, err);
}

/* Is `target` in the comma-separated list? */
static bool is_listed(const char *list, const char *target)
{
    size_t length = strlen(target);

    for (const char *word = list; word; word = strchr(word, ',')) {
        if (*word == ',')
            word++;
        while (*word == ' ')
            word++;
        if (strncmp(word, target, length) == 0 &&
            (word[length] == '\0' || word[length] == ',' ||
             word[length] == ' '))
            return true;
    }
    return false;
}

/* Does the user want this disk? */
static bool is_wanted(const struct backup_options *o, const char *target)
{
    if (o->exclude && is_listed(o->exclude, target)) {
        log_info("%s: left out, as --exclude says", target);
        return false;
    }
    if (o->include && !is_listed(o->include, target)) {
        log_info("%s: left out, as --include does not name it", target);
        return false;
    }
    return true;
}

static bool takes_raw(const struct run *run)
{
    return run->options->raw_disks &&
           (run->level == LEVEL_FULL || run->level == LEVEL_COPY);
}

static bool is_possible(const struct run *run, const struct domain_disk *disk)
{
    if (!disk->skip || (disk->raw && takes_raw(run)))
        return true;
    if (disk->skip_kind != DISK_SKIP_INFO)
        log_warning("%s: not backed up: %s", disk->target, disk->skip);
    else
        log_info("%s: not backed up: %s", disk->target, disk->skip);
    return false;
}

/* Every name of a filter must be a disk of the domain: a typing error would
 * otherwise leave out, or not leave out, the wrong one in silence.
 */
static int check_filter(const struct run *run, const char *option,
                        const char *list, struct error *err)
{
    _cleanup_free_ char *copy = list ? strdup(list) : NULL;
    char *state = NULL;
    bool any = false;

    if (!list)
        return 0;
    if (!copy)
        return error_memory(err);
    for (char *word = strtok_r(copy, ", ", &state); word;
         word = strtok_r(NULL, ", ", &state)) {
        if (!disk_list_find(&run->all_disks, word))
            return error_set(err, ERR_INPUT,
                             "%s names '%s', but domain '%s' has no such disk",
                             option, word, domain_name(run->domain));
        any = true;
    }
    return any ? 0
               : error_set(err, ERR_INPUT, "%s names no disk at all", option);
}

static void add_disk(struct run *run, const struct domain_disk *disk)
{
    struct run_disk *d = &run->disks[run->disk_count++];

    d->disk = disk;
    d->raw_disk = disk->skip != NULL;
    d->raw = d->raw_disk || run->options->raw_output;
    d->parent = -1;
}

static int choose_disks(struct run *run, struct error *err)
{
    const struct backup_options *o = run->options;
    const struct domain_disk_list *all = &run->all_disks;

    if (domain_disks(run->domain, &run->all_disks, err) < 0 ||
        check_filter(run, "--include", o->include, err) < 0 ||
        check_filter(run, "--exclude", o->exclude, err) < 0)
        return -1;
    run->disks = calloc(all->count + 1, sizeof(*run->disks));
    if (!run->disks)
        return error_memory(err);
    for (size_t i = 0; i < all->count; i++)
        if (is_wanted(o, all->items[i].target) &&
            is_possible(run, &all->items[i]))
            add_disk(run, &all->items[i]);
    if (run->disk_count == 0 && (o->include || o->exclude))
        return error_set(err, ERR_INPUT,
                         "no disk of domain '%s' is left to back up after "
                         "--include and --exclude",
                         domain_name(run->domain));
    if (run->disk_count == 0)
        log_warning("domain '%s' has no disk that can be backed up; only its "
                    "configuration is saved",
                    domain_name(run->domain));
    return 0;
}

/* Does any data file in the directory belong to this disk? */
static bool has_older_data(const struct chain *chain, const char *target)
{
    for (size_t i = 0; i < chain->point_count; i++)
        for (size_t k = 0; k < chain->points[i].file_count; k++)
            if (strcmp(chain->points[i].files[k].disk, target) == 0)
                return true;
    return false;
}

static int check_owner(const struct run *run, struct error *err)
{
    for (size_t i = 0; i < run->chain->point_count; i++) {
        const struct chain_point *p = &run->chain->points[i];

        if (p->ours &&
            strcmp(p->manifest.domain_uuid, domain_uuid(run->domain)) != 0)
            return error_set(
                err, ERR_EXISTS,
                "'%s' holds backups of another domain ('%s', %s); choose a "
                "directory of its own for '%s'",
                point_place(run), p->manifest.domain_name,
                p->manifest.domain_uuid, domain_name(run->domain));
    }
    return 0;
}

/* Data that is neither committed nor ours to remove. */
static int check_strangers(const struct run *run, struct error *err)
{
    for (size_t i = 0; i < run->chain->note_count; i++) {
        const struct chain_note *note = &run->chain->notes[i];

        switch (note->kind) {
        case CHAIN_UNCOMMITTED:
            return error_set(err, ERR_EXISTS,
                             "'%s/%s' belongs to no backup that was finished; "
                             "move it away or choose another directory",
                             point_place(run), note->name);
        case CHAIN_DAMAGE:
            return error_set(err, ERR_DAMAGED, "'%s/%s': %s", point_place(run),
                             note->name, note->text ? note->text : "damaged");
        case CHAIN_PARTIAL:
        case CHAIN_FOREIGN:
            log_warning("'%s' in the target directory is not ours; it is left "
                        "alone",
                        note->name);
            break;
        case CHAIN_INTENT:
        default:
            break;
        }
    }
    return 0;
}

/* A checkpoint is kept as a bitmap inside the image, which version 2 of qcow2
 * cannot hold.  Images that we may not read are libvirt's to judge.
 */
static int check_image(const struct run *run, const struct run_disk *d,
                       struct error *err)
{
    _cleanup_free_ char *json = NULL;
    _cleanup_error_ struct error why = ERROR_INIT;
    struct qemu_image image;

    if (!d->disk->source || run->unseen)
        return 0;
    if (qemu_img_info(run->remote, d->disk->source, &json, &why) < 0 ||
        qemu_info_parse(json, &image, &why) < 0) {
        log_debug("%s: image not examined: %s", d->disk->target,
                  error_text(&why));
        return 0;
    }
    if (strcmp(image.compat, "0.10") == 0)
        return error_set(
            err, ERR_INPUT,
            "%s: '%s' is a qcow2 image of version 2, which cannot keep track "
            "of changes; make a copy (-l copy), or shut the domain down and "
            "run: qemu-img amend -f qcow2 -o compat=1.1 '%s'",
            d->disk->target, d->disk->source, d->disk->source);
    return 0;
}

static int name_disk(struct run *run, struct run_disk *d, struct error *err)
{
    struct name_text data, index;
    /* A diff's file bears the time alone. */
    const char *part =
        run->level == LEVEL_DIFF ? run->point + strlen("diff.") : run->point;

    if (name_data(d->disk->target, d->raw_disk ? LEVEL_COPY : run->level, part,
                  &data, err) < 0 ||
        name_index(data.text, &index, err) < 0)
        return -1;
    d->data_file = strdup(data.text);
    d->index_file = strdup(index.text);
    d->info_file =
        text_dup_printf("%s.%s.qcow.json", d->disk->target, run->point);
    if (!d->data_file || !d->index_file || !d->info_file)
        return error_memory(err);
    /* Zero frames on top of older data would not be applied by every reader. */
    d->cover =
        run->level == LEVEL_FULL && has_older_data(run->chain, d->disk->target);
    return 0;
}

const char *point_place(const struct run *run)
{
    return run->options->to_stdout ? run->directory : run->options->output;
}

bool point_is_dry(const struct run *run)
{
    return run->options->print_only || run->options->start_only;
}

static int decide(struct run *run, struct error *err)
{
    if (level_resolve(run, err) < 0)
        return -1;
    if (run->options->to_stdout &&
        (run->level == LEVEL_FULL || run->level == LEVEL_COPY) &&
        archive_restart(run, err) < 0)
        return -1;
    if (run->options->raw_disks && !takes_raw(run))
        log_warning("--raw is for full and copy; raw disks are left out of an "
                    "increment");
    if (choose_disks(run, err) < 0)
        return -1;
    level_fit_disks(run);
    if (level_check(run, err) < 0 || archive_forget(run, err) < 0)
        return -1;
    return level_name(run, err);
}

int point_prepare(struct run *run, struct error *err)
{
    if (check_strangers(run, err) < 0 || check_owner(run, err) < 0 ||
        decide(run, err) < 0 || uuid_new(run->point_uuid, err) < 0)
        return -1;
    for (size_t i = 0; i < run->disk_count; i++) {
        if (name_disk(run, &run->disks[i], err) < 0)
            return error_prefix(err, "disk %s", run->disks[i].disk->target);
        if (run->checkpoint && !run->disks[i].raw_disk &&
            check_image(run, &run->disks[i], err) < 0)
            return -1;
    }
    return 0;
}

void point_done(struct run *run)
{
    for (size_t i = 0; i < run->disk_count; i++) {
        free(run->disks[i].data_file);
        free(run->disks[i].index_file);
        free(run->disks[i].info_file);
        free(run->disks[i].source_id);
        free(run->disks[i].bitmap);
        free(run->disks[i].socket);
        free(run->disks[i].export_name);
    }
    free(run->disks);
    run->disks = NULL;
    run->disk_count = 0;
    disk_list_free(&run->all_disks);
    free(run->chain_name);
    free(run->point);
    free(run->checkpoint);
    free(run->checkpoint_xml);
    free(run->next);
    closep(&run->checkpointfd);
}
