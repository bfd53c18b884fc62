/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* level.c - see level.h */
#include "level.h"

#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/log.h"
#include "base/text.h"
#include "set/marks.h"

#define PREFIX "virtnbdbackup"

static bool is_number(const char *text)
{
    return text[0] != '\0' && text[strspn(text, "0123456789")] == '\0';
}

bool level_in_chain(const char *checkpoint, const char *chain)
{
    const char *rest = checkpoint + strlen(PREFIX);

    if (strncmp(checkpoint, PREFIX, strlen(PREFIX)) != 0)
        return false;
    /* The first releases of the Python suite had no number yet. */
    if (*rest == '\0')
        return !chain;
    if (*rest++ != '.')
        return false;
    if (chain) {
        size_t length = strlen(chain);

        if (strncmp(rest, chain, length) != 0 || rest[length] != '.')
            return false;
        rest += length + 1;
    }
    return is_number(rest);
}

/* The chain's name inside the name of one of its points; NULL: the default
 * one.  Owned.
 */
static int chain_of_point(const char *point, char **ret, struct error *err)
{
    const char *begin = point + strlen(PREFIX ".");
    const char *end = strrchr(point, '.');

    if (level_in_chain(point, NULL) ||
        strncmp(point, PREFIX ".", strlen(PREFIX ".")) != 0 || end <= begin) {
        *ret = NULL;
        return 0;
    }
    *ret = strndup(begin, (size_t)(end - begin));
    return *ret ? 0 : error_memory(err);
}

/* The newest point that begins a chain or goes on with one. */
static const struct chain_point *last_link(const struct chain *chain)
{
    for (size_t i = chain->point_count; i-- > 0;)
        if (chain->points[i].level == LEVEL_FULL ||
            chain->points[i].level == LEVEL_INC)
            return &chain->points[i];
    return NULL;
}

static int check_new(const struct run *run, struct error *err)
{
    for (size_t i = 0; i < run->chain->point_count; i++) {
        const struct chain_point *p = &run->chain->points[i];

        if (run->level == LEVEL_COPY)
            return error_set(err, ERR_EXISTS,
                             "'%s' already holds a backup (%s); a copy needs "
                             "a directory of its own",
                             point_place(run), p->name);
        if (p->level != LEVEL_COPY)
            return error_set(err, ERR_EXISTS,
                             "'%s' already holds a full backup (%s); a new "
                             "full needs a directory of its own",
                             point_place(run), p->name);
    }
    return 0;
}

static int check_base(const struct run *run, const struct chain_point *base,
                      struct error *err)
{
    if (!base)
        return error_set(err, ERR_INPUT,
                         "'%s' holds no full backup that an %s could build "
                         "on; begin with -l full, or use -l auto",
                         point_place(run), level_text(run->level));
    if (!base->ours)
        return error_set(err, ERR_DAMAGED,
                         "'%s' holds a backup by another program that cannot "
                         "be continued safely (point '%s'); begin a new one "
                         "with -l full in another directory",
                         point_place(run), base->name);
    return 0;
}

static int same_text(const char *a, const char *b)
{
    return a && b ? strcmp(a, b) == 0 : a == b;
}

/* A powered-off domain has nobody who could begin to keep track of changes. */
static void fit_power(struct run *run)
{
    if (!run->powered_off)
        return;
    if (run->level == LEVEL_FULL) {
        log_warning("domain '%s' is powered off: the full becomes a copy, "
                    "without a checkpoint; no increment can build on it",
                    domain_name(run->domain));
        run->level = LEVEL_COPY;
    } else if (run->level == LEVEL_INC) {
        log_info("domain '%s' is powered off: the increment becomes a diff; "
                 "the next increment of the running domain contains it again",
                 domain_name(run->domain));
        run->level = LEVEL_DIFF;
    }
}

void level_fit_disks(struct run *run)
{
    bool any = false;

    for (size_t i = 0; i < run->disk_count; i++)
        any |= !run->disks[i].raw_disk;
    if (any || run->disk_count == 0 || run->level != LEVEL_FULL)
        return;
    log_info("only raw disks: the full becomes a copy, without a checkpoint");
    run->level = LEVEL_COPY;
}

int level_check(const struct run *run, struct error *err)
{
    if (point_is_dry(run) ||
        (run->level != LEVEL_FULL && run->level != LEVEL_COPY))
        return 0;
    return check_new(run, err);
}

int level_resolve(struct run *run, struct error *err)
{
    const struct backup_options *o = run->options;
    const struct chain_point *base = last_link(run->chain);

    run->level = o->level;
    if (o->auto_level)
        run->level = base ? LEVEL_INC : LEVEL_FULL;
    fit_power(run);
    if (run->level == LEVEL_FULL || run->level == LEVEL_COPY) {
        run->chain_name = o->chain ? strdup(o->chain) : NULL;
        if (o->chain && !run->chain_name)
            return error_memory(err);
        return 0;
    }
    if (check_base(run, base, err) < 0 ||
        chain_of_point(base->name, &run->chain_name, err) < 0)
        return -1;
    if (o->chain && !same_text(o->chain, run->chain_name))
        return error_set(err, ERR_EXISTS,
                         "'%s' belongs to %s%s%s, not to the chain '%s'",
                         point_place(run),
                         run->chain_name ? "the chain '" : "the default chain",
                         run->chain_name ? run->chain_name : "",
                         run->chain_name ? "'" : "", o->chain);
    return 0;
}

static char *numbered(const struct run *run, uint64_t number)
{
    return text_dup_printf(PREFIX "%s%s.%llu", run->chain_name ? "." : "",
                           run->chain_name ? run->chain_name : "",
                           (unsigned long long)number);
}

/* Outcome 1: neither the directory nor libvirt has the name. */
static int is_free(const struct run *run, const char *name,
                   const struct checkpoint_list *known)
{
    if (chain_find(run->chain, name) >= 0)
        return 0;
    for (size_t i = 0; i < known->count; i++)
        if (strcmp(known->items[i].name, name) == 0)
            return 0;
    return 1;
}

/* The next name: its number is the length of `<domain>.cpt`, as upstream
 * counts, or more where that is taken.
 */
static int next_name(const struct run *run, char **ret, struct error *err)
{
    _cleanup_(checkpoint_list_free) struct checkpoint_list known = {NULL, 0, 0};
    _cleanup_cpt_ struct cpt cpt = CPT_INIT;

    if (checkpoint_list(run->domain, &known, err) < 0 ||
        cpt_read(run->dirfd, domain_name(run->domain), &cpt, err) < 0)
        return -1;
    for (uint64_t number = MAX_OF(cpt.count, (size_t)1);; number++) {
        _cleanup_free_ char *name = numbered(run, number);

        if (!name)
            return error_memory(err);
        if (is_free(run, name, &known)) {
            *ret = take(name);
            return 0;
        }
    }
}

static int name_diff(struct run *run, struct error *err)
{
    for (time_t when = run->begun;; when++) {
        free(run->point);
        run->point = text_dup_printf("diff.%lld", (long long)when);
        if (!run->point)
            return error_memory(err);
        if (chain_find(run->chain, run->point) < 0)
            return 0;
    }
}

static int set(char **member, const char *value, struct error *err)
{
    *member = strdup(value);
    return *member ? 0 : error_memory(err);
}

int level_name(struct run *run, struct error *err)
{
    switch (run->level) {
    case LEVEL_COPY:
        /* Upstream's metadata names this one for a copy, which makes none. */
        run->next = numbered(run, 0);
        return run->next ? set(&run->point, "copy", err) : error_memory(err);
    case LEVEL_DIFF:
        /* Upstream's metadata names the increment that would be next. */
        if (next_name(run, &run->next, err) < 0)
            return -1;
        return name_diff(run, err);
    case LEVEL_FULL:
        run->next = numbered(run, 0);
        if (!run->next)
            return error_memory(err);
        break;
    case LEVEL_INC:
    default:
        if (next_name(run, &run->next, err) < 0)
            return -1;
        break;
    }
    if (set(&run->point, run->next, err) < 0)
        return -1;
    /* Without a disk there is nothing to keep track of. */
    if (run->disk_count > 0 && !point_is_dry(run))
        return set(&run->checkpoint, run->next, err);
    return 0;
}
