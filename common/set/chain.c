/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* chain.c - opening a backup directory, see chain.h
 *
 * What manifests say is in chain_manifests.c, what upstream's metadata says in
 * chain_upstream.c, choosing what to restore in chain_select.c.
 */
#include "set/chain.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/file.h"
#include "base/text.h"
#include "set/chain_private.h"
#include "set/intent.h"
#include "set/marks.h"

static void file_done(struct chain_file *f)
{
    free(f->disk);
    free(f->file);
    free(f->damage);
    meta_free(&f->meta);
}

static void point_done(struct chain_point *p)
{
    free(p->name);
    free(p->damage);
    for (size_t i = 0; i < p->file_count; i++)
        file_done(&p->files[i]);
    free(p->files);
    manifest_done(&p->manifest);
}

void chain_free(struct chain *chain)
{
    if (!chain)
        return;
    for (size_t i = 0; i < chain->point_count; i++)
        point_done(&chain->points[i]);
    free(chain->points);
    for (size_t i = 0; i < chain->note_count; i++) {
        free(chain->notes[i].name);
        free(chain->notes[i].text);
    }
    free(chain->notes);
    closep(&chain->dirfd);
    free(chain);
}

void chain_freep(struct chain **chain)
{
    chain_free(*chain);
}

int chain_add_note(struct chain *chain, enum chain_note_kind kind,
                   const char *name, const char *text, struct error *err)
{
    _cleanup_free_ char *own_name = strdup(name);
    _cleanup_free_ char *own_text = text ? strdup(text) : NULL;
    struct chain_note *notes = NULL;

    if (!own_name || (text && !own_text))
        return error_memory(err);
    notes = reallocarray(chain->notes, chain->note_count + 1, sizeof(*notes));
    if (!notes)
        return error_memory(err);
    chain->notes = notes;
    notes[chain->note_count++] =
        (struct chain_note){kind, take(own_name), take(own_text)};
    return 0;
}

struct chain_point *chain_add_point(struct chain *chain, char *own_name,
                                    enum level level, struct error *err)
{
    _cleanup_free_ char *name = own_name;
    struct chain_point *points = NULL;

    if (name)
        points = reallocarray(chain->points, chain->point_count + 1,
                              sizeof(*points));
    if (!points) {
        error_memory(err);
        return NULL;
    }
    chain->points = points;
    points[chain->point_count] = (struct chain_point){
        .name = take(name),
        .level = level,
        .manifest = MANIFEST_INIT,
    };
    return &points[chain->point_count++];
}

struct chain_file *chain_add_file(struct chain_point *point, const char *disk,
                                  const char *file, struct error *err)
{
    _cleanup_free_ char *own_disk = strdup(disk);
    _cleanup_free_ char *own_file = strdup(file);
    struct chain_file *files = NULL;

    if (own_disk && own_file)
        files =
            reallocarray(point->files, point->file_count + 1, sizeof(*files));
    if (!files) {
        error_memory(err);
        return NULL;
    }
    point->files = files;
    files[point->file_count] = (struct chain_file){
        .disk = take(own_disk),
        .file = take(own_file),
        .parent = -1,
    };
    return &files[point->file_count++];
}

int chain_set_damage(char **damage, struct error *why, struct error *err)
{
    /* A file that we may not read says nothing about the set. */
    if (why->kind == ERR_MEMORY || why->kind == ERR_STOPPED ||
        (why->kind == ERR_SYSTEM && why->code == EACCES)) {
        error_move(err, why);
        return -1;
    }
    if (!*damage)
        *damage = strdup(error_text(why));
    error_clear(why);
    return *damage ? 0 : error_memory(err);
}

struct chain_file *chain_point_file(const struct chain_point *point,
                                    const char *disk)
{
    for (size_t i = 0; i < point->file_count; i++)
        if (strcmp(point->files[i].disk, disk) == 0)
            return &point->files[i];
    return NULL;
}

size_t chain_count_notes(const struct chain *chain, enum chain_note_kind kind)
{
    size_t count = 0;

    for (size_t i = 0; i < chain->note_count; i++)
        count += chain->notes[i].kind == kind;
    return count;
}

ssize_t chain_find(const struct chain *chain, const char *name)
{
    for (size_t i = 0; i < chain->point_count; i++)
        if (strcmp(chain->points[i].name, name) == 0)
            return (ssize_t)i;
    return -1;
}

static bool ends_with(const char *text, const char *end)
{
    size_t len = strlen(text), n = strlen(end);

    return len > n && strcmp(text + len - n, end) == 0;
}

static int add_name(struct file_names *names, const char *name,
                    struct error *err)
{
    char **grown = reallocarray(names->names, names->count + 1, sizeof(*grown));

    if (!grown)
        return error_memory(err);
    names->names = grown;
    grown[names->count] = strdup(name);
    if (!grown[names->count])
        return error_memory(err);
    names->count++;
    return 0;
}

static bool has_name(const struct file_names *names, const char *name)
{
    for (size_t i = 0; i < names->count; i++)
        if (strcmp(names->names[i], name) == 0)
            return true;
    return false;
}

/* The names of a directory, sorted by what they are. */
struct sorted {
    struct file_names manifests;
    struct file_names data;
    struct file_names indexes;
    struct file_names intents; /* files that intents name */
};

static void sorted_done(struct sorted *s)
{
    file_names_done(&s->manifests);
    file_names_done(&s->data);
    file_names_done(&s->indexes);
    file_names_done(&s->intents);
}

/* Learn what an intent names.  One that cannot be read has its note. */
static int add_intent(struct chain *chain, struct sorted *s, const char *file,
                      struct error *err)
{
    _cleanup_intent_ struct intent in = INTENT_INIT;
    _cleanup_error_ struct error why = ERROR_INIT;

    if (chain_add_note(chain, CHAIN_INTENT, file, NULL, err) < 0)
        return -1;
    if (intent_load(chain->dirfd, file, &in, &why) < 0) {
        if (why.kind != ERR_MEMORY)
            return 0;
        error_move(err, &why);
        return -1;
    }
    for (size_t i = 0; i < in.file_count; i++)
        if (add_name(&s->intents, in.files[i], err) < 0)
            return -1;
    return 0;
}

static int sort_name(struct chain *chain, struct sorted *s, const char *file,
                     struct error *err)
{
    struct name name = {0};

    if (ends_with(file, ".partial"))
        return chain_add_note(chain, CHAIN_PARTIAL, file, NULL, err);
    if (!name_parse(file, &name)) {
        if (ends_with(file, ".data"))
            return chain_add_note(chain, CHAIN_FOREIGN, file, NULL, err);
        return 0;
    }
    switch (name.kind) {
    case NAME_DATA:
        return add_name(&s->data, file, err);
    case NAME_INDEX:
        return add_name(&s->indexes, file, err);
    case NAME_MANIFEST:
        return add_name(&s->manifests, file, err);
    case NAME_INTENT:
        return add_intent(chain, s, file, err);
    case NAME_CHECKSUM:
    case NAME_DATA_PARTIAL:
    case NAME_INDEX_PARTIAL:
        break;
    }
    return 0;
}

static bool is_committed(const struct chain *chain, const char *file)
{
    for (size_t i = 0; i < chain->point_count; i++)
        for (size_t k = 0; k < chain->points[i].file_count; k++)
            if (strcmp(chain->points[i].files[k].file, file) == 0)
                return true;
    return false;
}

/* Upstream's list of checkpoints in a set of ours; empty if it cannot be read.
 */
static int read_cpt(const struct chain *chain, struct cpt *ret,
                    struct error *err)
{
    _cleanup_error_ struct error why = ERROR_INIT;

    if (!chain->domain_name ||
        cpt_read(chain->dirfd, chain->domain_name, ret, &why) >= 0 ||
        why.kind != ERR_MEMORY)
        return 0;
    error_move(err, &why);
    return -1;
}

static bool has_level(const struct chain *chain, enum level level)
{
    for (size_t i = 0; i < chain->point_count; i++)
        if (chain->points[i].level == level)
            return true;
    return false;
}

static bool has_prefixed(const struct chain *chain, const char *prefix,
                         const char *point)
{
    char name[NAME_POINT_MAX + 8] = "";

    snprintf(name, sizeof(name), "%s.%s", prefix, point);
    return chain_find(chain, name) >= 0;
}

/* An increment of a domain that was off bears the name of its parent. */
static bool is_offline(const struct chain *chain, const char *file)
{
    _cleanup_meta_ struct meta meta = META_INIT;
    uint64_t size = 0;

    return chain_read_meta(chain->dirfd, file, &meta, &size, NULL) > 0 &&
           strcmp(meta.checkpoint_name, meta.parent_checkpoint) == 0;
}

static bool is_adopted(const struct chain *chain)
{
    for (size_t i = 0; i < chain->point_count; i++)
        if (!chain->points[i].manifest.adopted)
            return false;
    return true;
}

/* May a file without an index have been put behind points of ours by upstream?
 * What it made with a checkpoint is in its list; what it made without builds
 * upon that.  It begins nothing where there is data, so a full or a copy can
 * only be one that was to be adopted with the others.
 */
static bool is_behind_ours(const struct chain *chain, const struct cpt *cpt,
                           const char *file)
{
    struct name name = {0};

    if (cpt->count == 0 || !name_parse(file, &name))
        return false;
    switch (name.level) {
    case LEVEL_FULL:
    case LEVEL_COPY:
        return is_adopted(chain) && !has_level(chain, name.level);
    case LEVEL_INC:
        if (!cpt_has(cpt, name.point))
            return false;
        return chain_find(chain, name.point) < 0 ||
               (!has_prefixed(chain, "inc", name.point) &&
                is_offline(chain, file));
    case LEVEL_DIFF:
        return !has_prefixed(chain, "diff", name.point);
    }
    return false;
}

/* Nobody's work but upstream's?  An index beside the file is ours, unless a run
 * that was to adopt the file was killed: its intent names the index alone.
 */
static int is_upstream(const struct chain *chain, const struct sorted *s,
                       const struct cpt *cpt, const char *file,
                       struct error *err)
{
    struct name_text index = {""};

    if (name_index(file, &index, err) < 0)
        return -1;
    if (has_name(&s->intents, file) || (has_name(&s->indexes, index.text) &&
                                        !has_name(&s->intents, index.text)))
        return 0;
    return !chain->ours || is_behind_ours(chain, cpt, file);
}

/* Sort the data files into those of upstream's sets and those that no manifest
 * commits.
 */
static int sort_data(struct chain *chain, const struct sorted *s,
                     struct file_names *upstream, struct error *err)
{
    _cleanup_cpt_ struct cpt cpt = CPT_INIT;

    if (read_cpt(chain, &cpt, err) < 0)
        return -1;
    for (size_t i = 0; i < s->data.count; i++) {
        const char *file = s->data.names[i];
        int theirs = 0;

        if (is_committed(chain, file))
            continue;
        theirs = is_upstream(chain, s, &cpt, file, err);
        if (theirs < 0)
            return -1;
        if (!theirs
                ? chain_add_note(chain, CHAIN_UNCOMMITTED, file, NULL, err) < 0
                : add_name(upstream, file, err) < 0)
            return -1;
    }
    return 0;
}

/* A working directory must not hold what archives hold. */
static int check_archived(const struct sorted *s, struct error *err)
{
    const char *name = NULL;

    if (s->data.count > 0)
        name = s->data.names[0];
    else if (s->indexes.count > 0)
        name = s->indexes.names[0];
    if (!name)
        return 0;
    return error_set(err, ERR_INPUT,
                     "'%s' is here, so this is a backup directory: use it "
                     "with -o DIR, or write to stdout from a directory of its "
                     "own",
                     name);
}

/* The file of a manifest that is missing, and a file without a manifest, may be
 * the same under another name; then it is not newer than all others.
 */
static int check_renamed(struct chain *chain, size_t ours, struct error *err)
{
    for (size_t i = 0; i < ours && ours < chain->point_count; i++)
        for (size_t k = 0; k < chain->points[i].file_count; k++)
            if (chain->points[i].files[k].damage)
                return chain_add_note(chain, CHAIN_DAMAGE,
                                      chain->points[ours].files[0].file,
                                      chain->points[i].files[k].damage, err);
    return 0;
}

static int load(struct chain *chain, struct error *err)
{
    _cleanup_file_names_ struct file_names names = FILE_NAMES_INIT;
    _cleanup_file_names_ struct file_names upstream = FILE_NAMES_INIT;
    _cleanup_(sorted_done) struct sorted s = {0};
    size_t ours = 0;

    if (files_list(chain->dirfd, FILES_MAX_NAMES, &names, err) < 0)
        return -1;
    for (size_t i = 0; i < names.count; i++)
        if (sort_name(chain, &s, names.names[i], err) < 0)
            return -1;
    if (chain->archived && check_archived(&s, err) < 0)
        return -1;
    chain->ours = s.manifests.count > 0;
    chain->bare = s.data.count == 0 && s.indexes.count == 0;
    if (chain->ours && chain_load_manifests(chain, &s.manifests, err) < 0)
        return -1;
    if (sort_data(chain, &s, &upstream, err) < 0)
        return -1;
    ours = chain->point_count;
    if (chain_load_upstream(chain, &upstream, err) < 0)
        return -1;
    return check_renamed(chain, ours, err);
}

int chain_open_empty(int dirfd, struct chain **ret, struct error *err)
{
    _cleanup_(chain_freep) struct chain *chain = calloc(1, sizeof(*chain));

    if (!chain)
        return error_memory(err);
    /* Through ".", so that its position is not shared with the caller's. */
    chain->dirfd = dir_reopen(dirfd);
    if (chain->dirfd < 0)
        return error_errno(err, errno, "cannot open the backup directory");
    *ret = take(chain);
    return 0;
}

static int open_chain(int dirfd, bool archived, struct chain **ret,
                      struct error *err)
{
    _cleanup_(chain_freep) struct chain *chain = NULL;

    if (chain_open_empty(dirfd, &chain, err) < 0)
        return -1;
    chain->archived = archived;
    if (load(chain, err) < 0)
        return -1;
    *ret = take(chain);
    return 0;
}

int chain_open(int dirfd, struct chain **ret, struct error *err)
{
    return open_chain(dirfd, false, ret, err);
}

int chain_open_archived(int dirfd, struct chain **ret, struct error *err)
{
    return open_chain(dirfd, true, ret, err);
}

int chain_check(const struct chain *chain, struct error *err)
{
    for (size_t i = 0; i < chain->note_count; i++)
        if (chain->notes[i].kind == CHAIN_DAMAGE)
            return error_set(err, ERR_DAMAGED, "%s", chain->notes[i].text);
    for (size_t i = 0; i < chain->point_count; i++) {
        const struct chain_point *p = &chain->points[i];

        if (p->damage)
            return error_set(err, ERR_DAMAGED, "point '%s': %s", p->name,
                             p->damage);
        for (size_t k = 0; k < p->file_count; k++)
            if (p->files[k].damage)
                return error_set(err, ERR_DAMAGED, "point '%s': %s", p->name,
                                 p->files[k].damage);
    }
    return 0;
}

ssize_t chain_parent(const struct chain *chain, const char *disk)
{
    for (size_t i = chain->point_count; i-- > 0;) {
        const struct chain_file *f = chain_point_file(&chain->points[i], disk);

        if (f && f->owner)
            return (ssize_t)i;
    }
    return -1;
}

int chain_continue(const struct chain *chain, struct manifest *m,
                   struct error *err)
{
    const struct chain_point *last = NULL;

    if (chain_check(chain, err) < 0)
        return -1;
    if (chain->point_count > 0)
        last = &chain->points[chain->point_count - 1];
    if (last && !last->ours)
        return error_set(err, ERR_EXISTS,
                         "the directory holds a backup without a manifest, "
                         "made by another program: '%s'",
                         last->name);
    if (!last) {
        m->sequence = 0;
        m->previous[0] = '\0';
        return uuid_new(m->chain, err);
    }
    m->sequence = last->manifest.sequence + 1;
    memcpy(m->previous, last->manifest.hash, sizeof(m->previous));
    memcpy(m->chain, last->manifest.chain, sizeof(m->chain));
    return 0;
}
