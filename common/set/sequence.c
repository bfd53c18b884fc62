/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* sequence.c - see sequence.h */
#include "set/sequence.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/file.h"
#include "base/patience.h"
#include "base/text.h"
#include "set/chain_private.h"

/* A directory that files come from. */
struct folder {
    char *path;
    int dirfd;
    struct chain *chain; /* NULL: what is in it makes no sense as a whole */
};

struct part {
    char *path;           /* as the user wrote it */
    const char *point;    /* UUID in its manifest, or NULL */
    size_t folder;        /* number of its directory */
    struct meta meta;     /* empty of a raw image */
    struct name name;     /* what the file's name says, if `named` */
    bool named;           /* the name is one of the suite's */
    struct chain_file as; /* its strings are owned here */
};

struct sequence {
    struct folder *folders;
    size_t folder_count;
    struct part *parts;
    size_t count;
};

void sequence_free(struct sequence *s)
{
    if (!s)
        return;
    for (size_t i = 0; i < s->count; i++) {
        struct part *p = &s->parts[i];

        free(p->path);
        free(p->as.disk);
        free(p->as.file);
        meta_free(&p->meta);
    }
    for (size_t i = 0; i < s->folder_count; i++) {
        free(s->folders[i].path);
        chain_free(s->folders[i].chain);
        closep(&s->folders[i].dirfd);
    }
    free(s->folders);
    free(s->parts);
    free(s);
}

void sequence_freep(struct sequence **s)
{
    sequence_free(*s);
}

const char *sequence_disk(const struct sequence *s)
{
    return s->parts[s->count - 1].as.disk;
}

/* The number of the directory `path`, opened if it was not. */
static int find_folder(struct sequence *s, const char *path, size_t *ret,
                       struct error *err)
{
    _cleanup_error_ struct error why = ERROR_INIT;
    struct folder *f = NULL;

    for (size_t i = 0; i < s->folder_count; i++)
        if (strcmp(s->folders[i].path, path) == 0) {
            *ret = i;
            return 0;
        }
    f = &s->folders[s->folder_count];
    *f = (struct folder){strdup(path), -1, NULL};
    if (!f->path)
        return error_memory(err);
    s->folder_count++;
    f->dirfd = dir_open(path, err);
    if (f->dirfd < 0)
        return -1;
    if (chain_open(f->dirfd, &f->chain, &why) < 0 && why.kind == ERR_MEMORY)
        return error_memory(err);
    *ret = s->folder_count - 1;
    return 0;
}

/* Take directory and name from the path. */
static int place(struct sequence *s, struct part *p, struct error *err)
{
    _cleanup_free_ char *real = NULL;
    char *leaf = NULL;

    PATIENCE_SCOPE("opening a file");
    real = realpath(p->path, NULL);
    if (!real && errno == ENOMEM)
        return error_memory(err);
    if (!real)
        return error_set_code(err, ERR_INPUT, errno, "cannot open '%s': %s",
                              p->path, strerror(errno));
    leaf = strrchr(real, '/');
    p->as.file = strdup(leaf + 1);
    if (!p->as.file)
        return error_memory(err);
    p->named = name_parse(p->as.file, &p->name) && p->name.kind == NAME_DATA;
    leaf[leaf == real ? 1 : 0] = '\0';
    return find_folder(s, real, &p->folder, err);
}

/* What the manifest says of the file, if there is one. */
static void find_entry(const struct sequence *s, struct part *p)
{
    const struct chain *chain = s->folders[p->folder].chain;

    for (size_t i = 0; chain && i < chain->point_count; i++)
        for (size_t k = 0; k < chain->points[i].file_count; k++) {
            const struct chain_file *f = &chain->points[i].files[k];

            if (!f->entry || strcmp(f->file, p->as.file) != 0)
                continue;
            p->point = chain->points[i].manifest.point;
            p->as.entry = f->entry;
            p->as.owner = f->owner;
            p->as.level = f->level;
            p->as.raw = f->raw;
            p->as.file_size = f->file_size;
            p->as.virtual_size = f->virtual_size;
        }
}

/* The same from its metadata. */
static void use_meta(struct part *p)
{
    bool diff = p->named && p->name.level == LEVEL_DIFF;

    p->as.raw = !p->meta.disk_name;
    p->as.virtual_size = p->meta.virtual_size;
    p->as.level = p->meta.incremental ? LEVEL_INC : LEVEL_FULL;
    if (p->as.raw)
        p->as.virtual_size = p->as.file_size;
    else
        p->as.owner =
            !diff && !(p->named && p->name.level == LEVEL_COPY) &&
            strcmp(p->meta.checkpoint_name, p->meta.parent_checkpoint) != 0;
}

static int examine(struct sequence *s, struct part *p, struct error *err)
{
    const char *disk = NULL;
    uint64_t size = 0;
    int found = 0;

    if (place(s, p, err) < 0)
        return -1;
    found = chain_read_meta(s->folders[p->folder].dirfd, p->as.file, &p->meta,
                            &size, err);
    if (found < 0)
        return -1;
    p->as.parent = -1;
    p->as.file_size = size;
    find_entry(s, p);
    if (!p->as.entry)
        use_meta(p);
    if (size == 0 || size != p->as.file_size)
        return error_set(err, ERR_DAMAGED,
                         "'%s' has %llu bytes, which is not what was written",
                         p->path, (unsigned long long)size);
    disk = found ? p->meta.disk_name : p->named ? p->name.disk : "disk";
    p->as.disk = strdup(p->as.entry ? p->as.entry->target : disk);
    return p->as.disk ? 0 : error_memory(err);
}

static bool is_incremental(const struct part *p)
{
    return p->as.level == LEVEL_INC || p->as.level == LEVEL_DIFF;
}

/* Does `p` build upon `owner`? */
static bool builds_upon(const struct part *p, const struct part *owner)
{
    if (p->as.entry && owner->as.entry)
        return strcmp(p->as.entry->parent, owner->point) == 0;
    return p->meta.parent_checkpoint && owner->meta.checkpoint_name &&
           strcmp(p->meta.parent_checkpoint, owner->meta.checkpoint_name) == 0;
}

/* May a full stand behind `owner`?  Only that of an increment that was not
 * possible, and only if it is newer.
 */
static bool replaces(const struct part *p, const struct part *owner)
{
    unsigned long long mine = 0, before = 0;

    return p->named && p->name.level == LEVEL_INC &&
           name_point_number(p->meta.checkpoint_name, &mine) &&
           name_point_number(owner->meta.checkpoint_name, &before) &&
           mine > before;
}

static int check_first(const struct part *p, struct error *err)
{
    if (!is_incremental(p))
        return 0;
    return error_set(err, ERR_INPUT,
                     "'%s' is an increment: the first file has to be a full or "
                     "a copy",
                     p->path);
}

static int check_next(const struct part *p, const struct part *owner,
                      struct error *err)
{
    if (!p->named || p->as.raw)
        return error_set(
            err, ERR_INPUT, "'%s' is %s, and cannot stand behind another file",
            p->path,
            p->as.raw ? "a raw image" : "not named as an increment is");
    if (strcmp(p->as.disk, owner->as.disk) != 0)
        return error_set(err, ERR_INPUT,
                         "'%s' is of the disk '%s', and '%s' of the disk '%s'",
                         p->path, p->as.disk, owner->path, owner->as.disk);
    if (is_incremental(p) ? !builds_upon(p, owner) : !replaces(p, owner))
        return error_set(err, ERR_INPUT,
                         "'%s' does not build upon '%s': a file between them "
                         "is missing, or the order is another",
                         p->path, owner->path);
    return 0;
}

static int check_order(const struct sequence *s, struct error *err)
{
    const struct part *owner = &s->parts[0];

    if (check_first(owner, err) < 0)
        return -1;
    for (size_t i = 1; i < s->count; i++) {
        const struct part *p = &s->parts[i];

        if (!owner->as.owner)
            return error_set(err, ERR_INPUT, "nothing builds upon '%s', a %s",
                             owner->path, owner->as.raw ? "raw image" : "copy");
        if (check_next(p, owner, err) < 0)
            return -1;
        if (p->as.owner)
            owner = p;
    }
    return 0;
}

int sequence_open(const char *const *paths, size_t count, struct sequence **ret,
                  struct error *err)
{
    _cleanup_(sequence_freep) struct sequence *s = calloc(1, sizeof(*s));

    if (count == 0)
        return error_set(err, ERR_INPUT, "no data file is named");
    if (!s)
        return error_memory(err);
    s->folders = calloc(count, sizeof(*s->folders));
    s->parts = calloc(count, sizeof(*s->parts));
    if (!s->folders || !s->parts)
        return error_memory(err);
    while (s->count < count) {
        struct part *p = &s->parts[s->count++];

        p->path = strdup(paths[s->count - 1]);
        if (!p->path)
            return error_memory(err);
        if (examine(s, p, err) < 0)
            return -1;
    }
    if (check_order(s, err) < 0)
        return -1;
    *ret = take(s);
    return 0;
}

/* A source_opener. */
static int open_part(void *opaque, size_t number, int *ret_fd,
                     struct index **ret_index, struct error *err)
{
    const struct sequence *s = opaque;
    const struct part *p = &s->parts[number];
    const struct folder *f = &s->folders[p->folder];
    _cleanup_close_ int fd = -1;
    _cleanup_(index_freep) struct index *idx = NULL;
    uint64_t size = 0;
    int result = 0;

    if (files_open(f->dirfd, p->as.file, &fd, &size, err) < 0)
        return -1;
    if (p->as.entry)
        result = chain_file_index(f->chain, &p->as, &idx, err);
    else if (p->as.raw)
        result = index_scan_raw(f->dirfd, p->as.file, &idx, err);
    else
        result = index_scan(f->dirfd, p->as.file, &idx, err);
    if (result < 0)
        return -1;
    if (size != p->as.file_size || size != index_file_size(idx))
        return error_set(err, ERR_DAMAGED, "'%s' changes while it is read",
                         p->path);
    *ret_fd = take_fd(fd);
    *ret_index = take(idx);
    return 0;
}

int sequence_source(const struct sequence *s, struct source *ret,
                    struct error *err)
{
    _cleanup_free_ const struct chain_file **files =
        calloc(s->count, sizeof(*files));

    if (!files)
        return error_memory(err);
    for (size_t i = 0; i < s->count; i++)
        files[i] = &s->parts[i].as;
    return source_open_files(files, s->count, open_part, (void *)s, ret, err);
}
