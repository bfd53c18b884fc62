/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* intent_remove.c - removing what a dead run left, see intent.h
 *
 * The rule is: when in doubt, keep.
 */
#include "set/intent.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/file.h"
#include "base/text.h"
#include "set/files.h"
#include "set/index.h"
#include "set/marks.h"

struct removal {
    int dirfd;
    const struct intent *in;
    struct file_names committed; /* names that manifests hold */
    bool is_committed;           /* the point itself */
    bool listed;                 /* `.cpt` names the point */
    size_t kept;
};

static void removal_done(struct removal *r)
{
    file_names_done(&r->committed);
}

static int remember(struct removal *r, const char *name, struct error *err)
{
    char **names = reallocarray(r->committed.names, r->committed.count + 1,
                                sizeof(*names));

    if (!names)
        return error_memory(err);
    r->committed.names = names;
    names[r->committed.count] = strdup(name);
    if (!names[r->committed.count])
        return error_memory(err);
    r->committed.count++;
    return 0;
}

/* Learn what the manifest in the file `name` commits. */
static int add_manifest(struct removal *r, const char *name, struct error *err)
{
    _cleanup_manifest_ struct manifest m = MANIFEST_INIT;

    if (manifest_load(r->dirfd, name, &m, err) < 0)
        return error_prefix(err, "cannot tell what an unfinished run left");
    if (strcmp(m.point, r->in->point) == 0)
        r->is_committed = true;
    for (size_t i = 0; i < m.disk_count; i++)
        if (remember(r, m.disks[i].file, err) < 0 ||
            remember(r, m.disks[i].index, err) < 0)
            return -1;
    for (size_t i = 0; i < m.file_count; i++)
        if (remember(r, m.files[i].name, err) < 0)
            return -1;
    return 0;
}

static bool is_committed(const struct removal *r, const char *name)
{
    for (size_t i = 0; i < r->committed.count; i++)
        if (strcmp(r->committed.names[i], name) == 0)
            return true;
    return false;
}

static int look_around(struct removal *r, const struct file_names *names,
                       struct error *err)
{
    _cleanup_cpt_ struct cpt cpt = CPT_INIT;
    _cleanup_error_ struct error why = ERROR_INIT;

    for (size_t i = 0; i < names->count; i++) {
        struct name name = {0};

        if (name_parse(names->names[i], &name) && name.kind == NAME_MANIFEST &&
            add_manifest(r, names->names[i], err) < 0)
            return -1;
    }
    if (cpt_read(r->dirfd, r->in->domain_name, &cpt, &why) >= 0) {
        r->listed = cpt_has(&cpt, r->in->name) != 0;
        return 0;
    }
    if (why.kind == ERR_MEMORY) {
        error_move(err, &why);
        return -1;
    }
    /* A list that cannot be read may have named it. */
    r->listed = true;
    return 0;
}

/* Is `temp` a temporary file of base/file.h for the name `final`? */
static bool is_temporary_of(const char *temp, const char *final)
{
    const char *data = strstr(final, ".data");
    size_t stem = data ? (size_t)(data - final) : strlen(final);

    return file_name_is_temporary(temp) && strncmp(temp, final, stem) == 0 &&
           strlen(temp) == stem + strlen(".new-0123456789abcdef");
}

/* Is `temp` (a leaf in the directory whose prefix is `below`) one of the run's?
 */
static bool is_own_temporary(const struct removal *r, const char *below,
                             const char *temp)
{
    struct name_text own = {""};
    _cleanup_free_ char *cpt = NULL;
    size_t skip = strlen(below);

    if (!file_name_is_temporary(temp))
        return false;
    cpt = text_dup_printf("%s.cpt", r->in->domain_name);
    for (size_t i = 0; i < r->in->file_count; i++)
        if (strncmp(r->in->files[i], below, skip) == 0 &&
            is_temporary_of(temp, r->in->files[i] + skip))
            return true;
    if (*below)
        return false;
    return (cpt && is_temporary_of(temp, cpt)) ||
           (name_manifest(r->in->name, &own, NULL) == 0 &&
            is_temporary_of(temp, own.text)) ||
           (name_intent(r->in->point, &own, NULL) == 0 &&
            is_temporary_of(temp, own.text));
}

static int remove_temporaries(const struct removal *r, const char *below,
                              const struct file_names *names, struct error *err)
{
    for (size_t i = 0; i < names->count; i++) {
        _cleanup_free_ char *path = NULL;

        if (!is_own_temporary(r, below, names->names[i]))
            continue;
        path = text_dup_printf("%s%s", below, names->names[i]);
        if (!path)
            return error_memory(err);
        if (files_remove(r->dirfd, path, err) < 0)
            return -1;
    }
    return 0;
}

static int remove_partial(const struct removal *r, const char *file,
                          struct error *err)
{
    _cleanup_free_ char *partial = text_dup_printf("%s.partial", file);

    if (!partial)
        return error_memory(err);
    return files_remove(r->dirfd, partial, err) < 0 ? -1 : 0;
}

/* Is the data file what the index beside it says?  1 or 0. */
static int has_own_index(const struct removal *r, const char *datafile,
                         struct error *err)
{
    _cleanup_error_ struct error why = ERROR_INIT;
    _cleanup_(index_freep) struct index *idx = NULL;
    _cleanup_close_ int fd = -1;
    struct name_text index = {""};
    uint64_t size = 0;

    if (name_index(datafile, &index, err) < 0)
        return -1;
    if (index_open(r->dirfd, index.text, NULL, &idx, &why) < 0 ||
        files_open(r->dirfd, datafile, &fd, &size, &why) < 0) {
        if (why.kind != ERR_MEMORY)
            return 0;
        error_move(err, &why);
        return -1;
    }
    return index_file_size(idx) == size;
}

static bool names(const struct intent *in, const char *file)
{
    for (size_t i = 0; i < in->file_count; i++)
        if (strcmp(in->files[i], file) == 0)
            return true;
    return false;
}

/* Is this final name the run's own work beyond doubt?  1 or 0. */
static int is_own(const struct removal *r, const char *file, struct error *err)
{
    struct name name = {0};
    struct name_text data = {""};
    int found = 0;

    if (r->is_committed || is_committed(r, file))
        return 0;
    if (!name_parse(file, &name))
        return !r->listed;
    if (name.kind == NAME_CHECKSUM || name.kind == NAME_INDEX) {
        if (name_data(name.disk, name.level, name.point, &data, err) < 0)
            return -1;
        /* Beside another program's data file, that was to be adopted. */
        if (!names(r->in, data.text))
            return 1;
    }
    if (r->listed)
        return 0;
    switch (name.kind) {
    case NAME_DATA:
        return has_own_index(r, file, err);
    case NAME_CHECKSUM:
    case NAME_INDEX:
        /* They go with the data file, and stay with it. */
        found = files_exists(r->dirfd, data.text, err);
        return found < 0 ? -1 : !found;
    case NAME_MANIFEST:
    case NAME_INTENT:
    case NAME_DATA_PARTIAL:
    case NAME_INDEX_PARTIAL:
        return 0;
    }
    return 0;
}

static int remove_final(struct removal *r, const char *file, struct error *err)
{
    int found = files_exists(r->dirfd, file, err);
    int own = 0;

    if (found <= 0)
        return found;
    own = is_own(r, file, err);
    if (own < 0)
        return -1;
    if (own == 0) {
        r->kept += !r->is_committed && !is_committed(r, file);
        return 0;
    }
    return files_remove(r->dirfd, file, err) < 0 ? -1 : 0;
}

/* Data files first: their indexes say whether they may go. */
static int remove_finals(struct removal *r, bool data, struct error *err)
{
    for (size_t i = 0; i < r->in->file_count; i++) {
        struct name name = {0};
        bool is_data =
            name_parse(r->in->files[i], &name) && name.kind == NAME_DATA;

        if (is_data == data && remove_final(r, r->in->files[i], err) < 0)
            return -1;
    }
    return 0;
}

/* The same in `checkpoints`, if there is such a directory. */
static int tidy_checkpoints(struct removal *r, struct error *err)
{
    _cleanup_file_names_ struct file_names names = FILE_NAMES_INIT;
    _cleanup_close_ int fd = -1;

    if (files_open_checkpoints(r->dirfd, &fd, err) < 0)
        return -1;
    if (fd < 0)
        return 0;
    if (files_list(fd, FILES_MAX_NAMES, &names, err) < 0 ||
        remove_temporaries(r, "checkpoints/", &names, err) < 0)
        return -1;
    return file_sync_dir(fd, err);
}

int intent_remove_files(int dirfd, const struct intent *in, size_t *ret_kept,
                        struct error *err)
{
    _cleanup_file_names_ struct file_names names = FILE_NAMES_INIT;
    _cleanup_(removal_done) struct removal r = {.dirfd = dirfd, .in = in};

    if (files_list(dirfd, FILES_MAX_NAMES, &names, err) < 0 ||
        look_around(&r, &names, err) < 0)
        return -1;
    for (size_t i = 0; i < in->file_count; i++)
        if (remove_partial(&r, in->files[i], err) < 0)
            return -1;
    if (remove_finals(&r, true, err) < 0 || remove_finals(&r, false, err) < 0 ||
        remove_temporaries(&r, "", &names, err) < 0 ||
        tidy_checkpoints(&r, err) < 0 || file_sync_dir(dirfd, err) < 0)
        return -1;
    if (ret_kept)
        *ret_kept = r.kept;
    return 0;
}
