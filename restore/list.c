/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* list.c - see list.h; the table, and JSON */
#include "list.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <jansson.h>

#include "base/cleanup.h"
#include "base/text.h"
#include "set/until.h"
#include "survey.h"

static const char *format_of(const struct chain_file *f)
{
    if (f->entry)
        return f->entry->format;
    return !f->raw && f->meta.disk_format ? f->meta.disk_format : "raw";
}

/* Does the file count where only `disk` is asked for? */
static bool is_shown(const struct chain_file *f, const char *disk)
{
    return !disk || strcmp(f->disk, disk) == 0;
}

/* The table. */

static void print_faults(const struct faults *faults, const char *before)
{
    for (size_t i = 0; i < faults->count; i++) {
        _cleanup_free_ char *text = text_escape(faults->items[i]);

        printf("%s%s\n", before, text ? text : "damaged");
    }
}

static void print_row(const struct survey_point *sp, const char *disk,
                      int width)
{
    const struct chain_point *p = sp->point;
    char time[UNTIL_TIME_ROOM] = "-";
    char size[TEXT_SIZE_ROOM];

    until_point_text(p, time);
    printf("%-*s  %-20s  %-5s  %10s  %-7s ", width, p->name, time,
           level_text(p->level), text_size(sp->size, size),
           sp->faults.count == 0 ? "yes" : "NO");
    for (size_t k = 0; k < p->file_count; k++)
        if (is_shown(&p->files[k], disk))
            printf(" %s", p->files[k].disk);
    printf("\n");
    print_faults(&sp->faults, "    ");
}

static void print_table(const struct survey *s, const char *disk)
{
    int width = (int)strlen("POINT");

    for (size_t i = 0; i < s->count; i++) {
        int length = (int)strlen(s->points[i].point->name);

        width = MAX_OF(width, length);
    }
    printf("%-*s  %-20s  %-5s  %10s  %-7s  %s\n", width, "POINT", "TIME (UTC)",
           "LEVEL", "SIZE", "RESTORE", "DISKS");
    for (size_t i = 0; i < s->count; i++)
        print_row(&s->points[i], disk, width);
    if (s->faults.count > 0)
        printf("\nIn the directory:\n");
    print_faults(&s->faults, "    ");
}

/* JSON.  A lack of memory is seen at the end, in a missing value. */

static json_t *json_faults(const struct faults *faults)
{
    json_t *list = json_array();

    for (size_t i = 0; i < faults->count; i++) {
        /* They may quote anything; JSON is UTF-8. */
        _cleanup_free_ char *text = text_escape(faults->items[i]);

        json_array_append_new(list, json_string(text ? text : "damaged"));
    }
    return list;
}

static json_t *json_file(const struct chain_file *f)
{
    return json_pack("{s:s, s:s, s:s, s:I, s:I, s:s, s:b}", "target", f->disk,
                     "level", level_text(f->level), "file", f->file, "fileSize",
                     (json_int_t)f->file_size, "virtualSize",
                     (json_int_t)f->virtual_size, "format", format_of(f), "raw",
                     f->raw);
}

static json_t *json_point(const struct survey_point *sp, const char *disk)
{
    const struct chain_point *p = sp->point;
    json_t *disks = json_array();
    char time[UNTIL_TIME_ROOM] = "";
    bool timed = until_point_text(p, time);

    for (size_t k = 0; k < p->file_count; k++)
        if (is_shown(&p->files[k], disk))
            json_array_append_new(disks, json_file(&p->files[k]));
    return json_pack("{s:s, s:s?, s:s, s:b, s:I, s:o, s:b, s:o}", "name",
                     p->name, "time", timed ? time : NULL, "level",
                     level_text(p->level), "manifest", p->ours, "size",
                     (json_int_t)sp->size, "disks", disks, "restorable",
                     sp->faults.count == 0, "faults", json_faults(&sp->faults));
}

static int print_json(const struct chain *chain, const struct survey *s,
                      const char *disk, struct error *err)
{
    json_t *points = json_array();
    json_auto_t *root = NULL;

    for (size_t i = 0; i < s->count; i++)
        json_array_append_new(points, json_point(&s->points[i], disk));
    root =
        json_pack("{s:s?, s:s?, s:s?, s:o, s:o}", "domain", chain->domain_name,
                  "domainUuid", chain->ours ? chain->domain_uuid : NULL,
                  "chain", chain->ours ? chain->uuid : NULL, "points", points,
                  "faults", json_faults(&s->faults));
    if (!root || json_array_size(points) != s->count)
        return error_memory(err);
    json_dumpf(root, stdout, JSON_INDENT(4));
    printf("\n");
    return 0;
}

int list_set(const struct backup_set *set, const char *disk, bool json,
             struct error *err)
{
    _cleanup_(survey_done) struct survey s = {0};
    size_t lost = 0;

    if (survey_make(set, disk, &s, err) < 0)
        return -1;
    if (!json)
        print_table(&s, disk);
    else if (print_json(set->chain, &s, disk, err) < 0)
        return -1;
    if (fflush(stdout) != 0 || ferror(stdout))
        return error_errno(err, errno, "write to stdout");
    for (size_t i = 0; i < s.count; i++)
        lost += s.points[i].faults.count > 0;
    if (lost > 0)
        return error_set(err, ERR_DAMAGED,
                         "'%s': %zu of %zu points cannot be restored",
                         set->path, lost, s.count);
    if (s.faults.count > 0)
        return error_set(err, ERR_DAMAGED, "'%s': %s", set->path,
                         s.faults.items[0]);
    return 0;
}
