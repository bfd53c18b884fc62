/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* adopt.c - see adopt.h */
#include "adopt.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/cleanup.h"
#include "base/log.h"
#include "base/text.h"
#include "config.h"
#include "set/adopt.h"
#include "set/files.h"
#include "set/marks.h"
#include "virt/checkpoint.h"

#define XML_MAX ((size_t)(4 * MIB))

/* Everything here needs. */
struct adoption {
    int dirfd;
    struct domain *domain;
    const char *name; /* of the domain */
    const char *uuid;
    struct cpt cpt;
};

/* The outcome of what could not be proven: 0, with the reason in `why`, unless
 * there is no going on.
 */
static int not_proven(struct error *why, struct error *err)
{
    if (why->kind != ERR_MEMORY && why->kind != ERR_STOPPED)
        return 0;
    error_move(err, why);
    return -1;
}

/* The checkpoint that a point owns, or NULL. */
static const char *point_checkpoint(const struct chain_point *p)
{
    for (size_t i = 0; i < p->file_count; i++)
        if (p->files[i].owner)
            return p->files[i].entry ? p->files[i].entry->checkpoint
                                     : p->files[i].meta.checkpoint_name;
    return NULL;
}

/* Does the list of checkpoints name exactly those that the points have? */
static int check_list(const struct adoption *a, const struct chain *chain,
                      struct error *why)
{
    size_t n = 0;

    for (size_t i = 0; i < chain->point_count; i++) {
        const char *name = point_checkpoint(&chain->points[i]);

        if (!name)
            continue;
        if (n == a->cpt.count || strcmp(a->cpt.names[n], name) != 0)
            return error_set(why, ERR_INPUT,
                             "'%s.cpt' does not list the checkpoint of '%s'",
                             a->name, chain->points[i].name);
        n++;
    }
    if (n == 0)
        return error_set(why, ERR_INPUT, "no point has a checkpoint");
    if (n < a->cpt.count)
        return error_set(why, ERR_INPUT,
                         "'%s.cpt' lists the checkpoint '%s', which no data "
                         "belongs to",
                         a->name, a->cpt.names[n]);
    return 0;
}

/* A file that was not finished: a point lacks a disk. */
static int check_partial(const struct chain *chain, struct error *why)
{
    for (size_t i = 0; i < chain->note_count; i++)
        if (chain->notes[i].kind == CHAIN_PARTIAL)
            return error_set(why, ERR_INPUT, "'%s' was not finished",
                             chain->notes[i].name);
    return 0;
}

/* The point of this checkpoint; check_list has found them all. */
static const struct chain_point *find_owner(const struct chain *chain,
                                            const char *checkpoint)
{
    for (size_t i = 0; i < chain->point_count; i++) {
        const char *name = point_checkpoint(&chain->points[i]);

        if (name && strcmp(name, checkpoint) == 0)
            return &chain->points[i];
    }
    return NULL;
}

/* Read what the set has kept of a checkpoint. */
static int load_saved(const struct adoption *a, const char *name,
                      char **ret_text, struct checkpoint *ret,
                      struct error *why)
{
    _cleanup_(checkpoint_free) struct checkpoint saved = {0};
    _cleanup_free_ char *path = text_dup_printf("checkpoints/%s.xml", name);
    _cleanup_free_ char *text = NULL;
    _cleanup_free_ char *uuid = NULL;
    size_t len = 0;
    int found = 0;

    if (!path)
        return error_memory(why);
    if (files_read(a->dirfd, path, XML_MAX, &text, &len, why) < 0)
        return -1;
    if (strlen(text) != len)
        return error_set(why, ERR_INPUT, "'%s' is no text", path);
    if (checkpoint_parse(text, &saved, why) < 0)
        return error_prefix(why, "'%s'", path);
    if (strcmp(saved.name, name) != 0)
        return error_set(why, ERR_INPUT, "'%s' is of the checkpoint '%s'", path,
                         saved.name);
    found = checkpoint_parse_domain(text, &uuid, why);
    if (found < 0)
        return error_prefix(why, "'%s'", path);
    if (found == 0 || strcasecmp(uuid, a->uuid) != 0)
        return error_set(why, ERR_INPUT, "'%s' is of the domain %s", path,
                         found ? uuid : "(not named)");
    *ret_text = take(text);
    *ret = saved;
    saved = (struct checkpoint){0};
    return 0;
}

/* Is libvirt's checkpoint the one of a point that has a manifest of ours? */
static int check_own(const struct chain_point *p, const struct checkpoint *real,
                     struct error *why)
{
    char point[TEXT_UUID_ROOM] = "", chain[TEXT_UUID_ROOM] = "";

    if (checkpoint_identity(real->description, point, chain) > 0 &&
        strcmp(point, p->manifest.point) == 0)
        return 0;
    return error_set(why, ERR_INPUT,
                     "the checkpoint '%s' is not that of the point here",
                     real->name);
}

/* Is it the one that the set has kept the XML of? */
static int check_saved(const struct checkpoint *saved,
                       const struct checkpoint *real, struct error *why)
{
    char point[TEXT_UUID_ROOM] = "", chain[TEXT_UUID_ROOM] = "";

    if (checkpoint_identity(real->description, point, chain) > 0)
        return error_set(why, ERR_INPUT,
                         "the checkpoint '%s' belongs to another directory",
                         real->name);
    if (saved->created == 0 || saved->created != real->created)
        return error_set(why, ERR_INPUT,
                         "the checkpoint '%s' is not the one that was made "
                         "with this backup: it was created at another time",
                         real->name);
    return 0;
}

/* Tell libvirt about a checkpoint that it has forgotten. */
static int redefine(const struct adoption *a, const char *name,
                    const char *text, struct error *why)
{
    _cleanup_free_ char *reason = NULL;
    int done = checkpoint_redefine(a->domain, text, true, &reason, why);

    if (done < 0)
        return -1;
    if (done == 0)
        return error_set(why, ERR_INPUT,
                         "libvirt does not know the checkpoint '%s', and does "
                         "not take it back: %s",
                         name, reason ? reason : "its bitmap is not there");
    log_info("told libvirt again about the checkpoint '%s'", name);
    return 0;
}

/* Is the checkpoint there and the right one?  `newest`: it has to be, and is
 * told to libvirt again where that has forgotten it; older ones only matter as
 * parents of it.
 */
static int check_checkpoint(const struct adoption *a,
                            const struct chain_point *p, const char *name,
                            struct error *why)
{
    _cleanup_(checkpoint_free) struct checkpoint real = {0}, saved = {0};
    _cleanup_free_ char *text = NULL;
    int found = checkpoint_find(a->domain, name, &real, why);

    if (found < 0)
        return -1;
    if (p->ours && !p->manifest.adopted)
        return found ? check_own(p, &real, why)
                     : error_set(why, ERR_INPUT,
                                 "libvirt does not know the checkpoint '%s'",
                                 name);
    if (load_saved(a, name, &text, &saved, why) < 0)
        return -1;
    return found ? check_saved(&saved, &real, why)
                 : redefine(a, name, text, why);
}

/* Are the points what they say?  The newest checkpoint decides: everything
 * before hangs together by the parents.  Those that libvirt has forgotten come
 * back oldest first.
 */
static int check_points(const struct adoption *a, const struct chain *chain,
                        struct error *why)
{
    size_t newest = a->cpt.count - 1;
    int found = checkpoint_find(a->domain, a->cpt.names[newest], NULL, why);

    if (found < 0)
        return -1;
    for (size_t i = found ? newest : 0; i <= newest; i++) {
        const char *name = a->cpt.names[i];

        if (check_checkpoint(a, find_owner(chain, name), name, why) < 0)
            return -1;
    }
    return 0;
}

/* 1: the points may be adopted; 0: not, and it was logged why. */
static int is_proven(struct adoption *a, const struct chain *chain,
                     struct error *err)
{
    _cleanup_error_ struct error why = ERROR_INIT;
    int found = 0;

    if (chain->ours && strcmp(chain->domain_uuid, a->uuid) != 0)
        return 0; /* the run refuses the directory */
    found = cpt_read(a->dirfd, a->name, &a->cpt, &why);
    if (found == 0)
        error_set(&why, ERR_INPUT, "there is no '%s.cpt'", a->name);
    if (found > 0 && chain_check(chain, &why) == 0 &&
        check_partial(chain, &why) == 0 && check_list(a, chain, &why) == 0 &&
        check_points(a, chain, &why) == 0)
        return 1;
    if (not_proven(&why, err) < 0)
        return -1;
    log_warning("the directory holds points of another program, which cannot "
                "be continued: %s",
                error_text(&why));
    return 0;
}

static int adopt_one(const struct adoption *a, struct chain **chain,
                     struct error *err)
{
    _cleanup_(chain_freep) struct chain *again = NULL;
    _cleanup_free_ char *name =
        strdup((*chain)->points[adopt_first(*chain)].name);
    struct adopt_request request = {
        .tool = "virtnbdbackup " VERSION " (adopted)",
        .domain_name = a->name,
        .domain_uuid = a->uuid,
    };

    if (!name)
        return error_memory(err);
    log_info("taking over '%s', which another program made: reading it once",
             name);
    if (adopt_point(a->dirfd, *chain, &request, name, err) < 0 ||
        chain_open(a->dirfd, &again, err) < 0)
        return -1;
    log_info("adopted '%s'", name);
    chain_free(*chain);
    *chain = take(again);
    return 0;
}

static void adoption_done(struct adoption *a)
{
    cpt_done(&a->cpt);
}

int adopt_directory(int dirfd, struct domain *d, const char *domain_name,
                    const char *domain_uuid, struct chain **chain,
                    struct error *err)
{
    _cleanup_(adoption_done) struct adoption a = {
        .dirfd = dirfd,
        .domain = d,
        .name = domain_name,
        .uuid = domain_uuid,
    };
    size_t left = (*chain)->point_count - adopt_first(*chain);
    int proven = 0;

    if (left == 0)
        return 0;
    proven = is_proven(&a, *chain, err);
    if (proven <= 0)
        return proven;
    for (; left > 0; left--) {
        _cleanup_error_ struct error why = ERROR_INIT;

        if (adopt_one(&a, chain, &why) == 0)
            continue;
        if (why.kind != ERR_DAMAGED && why.kind != ERR_INPUT) {
            error_move(err, &why);
            return -1;
        }
        log_warning("%s", error_text(&why));
        break;
    }
    return 0;
}
