/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* what.h - which disks are mapped
 *
 * From what the user named to what the plugin is told.  A point is chosen once,
 * here, so that what is appended to the directory meanwhile changes nothing.
 * Looks at names and manifests, must not know how the disks are shown.
 */
#ifndef MAP_WHAT_H
#define MAP_WHAT_H

#include "base/error.h"
#include "base/words.h"
#include "options.h"

struct what {
    struct words disks;      /* their names; at least one */
    struct words parameters; /* of the plugin, but for the choice of disks:
                                dir= and point=, or file= ... */
    char *point;             /* NULL: files were named */
};

#define WHAT_INIT                                                              \
    {                                                                          \
        WORDS_INIT, WORDS_INIT, NULL                                           \
    }

/* ERR_INPUT: there is no such directory, point, disk or file, or a file is not
 * what may stand at its place; ERR_DAMAGED.
 */
must_check int what_open(const struct map_options *o, struct what *ret,
                         struct error *err);
void what_done(struct what *w);
#define _cleanup_what_ __attribute__((cleanup(what_done)))

/* nbdkit has refused and `err` says so in its words: if that is because of the
 * data, put our own error in its place, whose kind says so.  Returns -1.
 */
int what_explain(const struct map_options *o, const struct what *w,
                 struct error *err);

#endif
