/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* exports.h - the disks that are shown, by their names
 *
 * From what the user asks for (a point of a directory, or data files in their
 * order) to views that can be read.  Everything is opened once, at the start,
 * and stays open: what happens to the directory meanwhile does not matter.
 */
#ifndef MAP_EXPORTS_H
#define MAP_EXPORTS_H

#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "base/macro.h"
#include "view.h"

/* `dir`, or `files`, is given. */
struct exports_request {
    const char *dir;   /* a backup directory, or NULL */
    const char *point; /* of it, as in set/until.h; NULL: the newest */
    const char *const *disks;
    size_t disk_count;        /* 0: all that the point has */
    const char *const *files; /* data files of one disk in their order */
    size_t file_count;
    const char *name;    /* NULL; or the export's name, of the one disk */
    uint64_t cache_size; /* bytes for decoded records of all disks */
};

struct export_disk {
    const char *name;
    const char *description; /* for people */
    struct view *view;       /* for as many threads as like */
};

struct exports;

/* ERR_INPUT: the request makes no sense, or names what is not there;
 * ERR_DAMAGED: what it names is damaged or incomplete.  The request is not
 * needed afterwards.
 */
must_check int exports_open(const struct exports_request *request,
                            struct exports **ret, struct error *err);
void exports_free(struct exports *e);
void exports_freep(struct exports **e);

size_t exports_count(const struct exports *e); /* at least 1 */
const struct export_disk *exports_get(const struct exports *e, size_t i);

/* The export of this name; "" is the only one, if there is one only.  NULL:
 * none.
 */
const struct export_disk *exports_find(const struct exports *e,
                                       const char *name);

#endif
