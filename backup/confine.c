/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* confine.c - see confine.h; knows every place that a backup writes to
 *
 * The guardian is not confined: it removes what a run left anywhere.
 */
#include "confine.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "cli/result_file.h"
#include "cli/startup.h"
#include "host/host.h"
#include "virt/session.h"

#define PLACES_MAX 7

struct places {
    char *paths[PLACES_MAX + 1]; /* owned, then NULL */
    size_t count;
};

static void places_done(struct places *p)
{
    for (size_t i = 0; i < p->count; i++)
        free(p->paths[i]);
}

static int add_own(struct places *p, char *own_path, struct error *err)
{
    if (!own_path)
        return error_memory(err);
    p->paths[p->count++] = own_path;
    return 0;
}

/* A directory, or as much of its path as is there: it may be made yet.  What is
 * there is opened, which mounts it where that is done at need.
 */
static int add_directory(struct places *p, const char *path, struct error *err)
{
    _cleanup_free_ char *there = path ? strdup(path) : NULL;

    if (!path)
        return 0;
    while (there && faccessat(AT_FDCWD, there, F_OK, 0) < 0) {
        char *slash = strrchr(there, '/');

        if (!slash)
            return add_own(p, strdup("."), err);
        slash[slash == there] = '\0';
        if (slash == there)
            break;
    }
    return add_own(p, take(there), err);
}

/* The directory of a file. */
static int add_parent(struct places *p, const char *path, struct error *err)
{
    if (!path || strcmp(path, "-") == 0)
        return 0;
    return add_own(p, result_file_directory(path), err);
}

static int find_places(const struct run *run, struct places *p,
                       struct error *err)
{
    const struct backup_options *o = run->options;

    if (add_directory(p, run->directory, err) < 0 ||
        add_directory(p, HOST_RUNTIME_PARENT, err) < 0 ||
        add_directory(p, o->checkpointdir, err) < 0 ||
        add_directory(p, o->scratchdir, err) < 0 ||
        add_parent(p, o->socketfile, err) < 0 ||
        add_parent(p, o->report, err) < 0)
        return -1;
    return add_parent(p, o->metrics, err);
}

int confine(const struct run *run, struct patience_watch *watch,
            struct error *err)
{
    _cleanup_(places_done) struct places p = {0};

    if (session_starts_programs(run->options->uri))
        return 0;
    if (session_prepare(err) < 0 || find_places(run, &p, err) < 0)
        return -1;
    return startup_confine((const char *const *)p.paths, watch, err);
}
