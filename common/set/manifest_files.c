/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* manifest_files.c - manifests and the files they name, see manifest.h */
#include "set/manifest.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/file.h"
#include "set/files.h"
#include "set/index.h"
#include "set/manifest_rules.h"

int manifest_add_file(struct manifest *m, int dirfd, const char *name,
                      struct error *err)
{
    char hash[HASH_TEXT_SIZE] = "";
    uint64_t size = 0;

    if (files_hash(dirfd, name, &size, hash, err) < 0)
        return -1;
    return manifest_put_file(m, name, size, hash, err);
}

int manifest_write(int dirfd, struct manifest *m, struct error *err)
{
    _cleanup_(file_discard) struct new_file nf = NEW_FILE_INIT;
    _cleanup_manifest_ struct manifest again = MANIFEST_INIT;
    _cleanup_free_ char *text = NULL;
    struct name_text name = {""};
    size_t len = 0;

    if (name_manifest(m->name, &name, err) < 0 ||
        manifest_encode(m, &text, &len, err) < 0)
        return error_prefix(err, "cannot write the manifest of '%s'", m->name);
    /* A point that could not be read back would be lost: try it now. */
    if (manifest_decode(text, len, &again, err) < 0)
        return error_prefix(err, "cannot write the manifest of '%s'", m->name);
    if (file_create(dirfd, name.text, 0600, &nf, err) < 0)
        return -1;
    if (file_write_full(nf.fd, text, len) < 0)
        return error_errno(err, errno, "cannot write '%s'", name.text);
    if (file_publish(&nf, FILE_NOREPLACE, err) < 0)
        return -1;
    memcpy(m->hash, again.hash, sizeof(m->hash));
    return 0;
}

int manifest_load(int dirfd, const char *filename, struct manifest *ret,
                  struct error *err)
{
    _cleanup_manifest_ struct manifest m = MANIFEST_INIT;
    _cleanup_free_ char *text = NULL;
    struct name_text name = {""};
    size_t len = 0;

    if (files_read(dirfd, filename, SEALED_MAX_SIZE, &text, &len, err) < 0)
        return -1;
    if (manifest_decode(text, len, &m, err) < 0)
        return error_prefix(err, "manifest '%s'", filename);
    if (name_manifest(m.name, &name, err) < 0)
        return -1;
    if (strcmp(name.text, filename) != 0)
        return error_set(err, ERR_DAMAGED,
                         "manifest '%s': it is that of the point '%s'",
                         filename, m.name);
    *ret = m;
    m = (struct manifest)MANIFEST_INIT;
    return 0;
}

/* Open a file that must be there: its absence is damage. */
static int open_needed(int dirfd, const char *name, int *ret_fd,
                       uint64_t *ret_size, struct error *err)
{
    _cleanup_error_ struct error why = ERROR_INIT;

    if (files_open(dirfd, name, ret_fd, ret_size, &why) == 0)
        return 0;
    if (why.kind == ERR_SYSTEM && why.code == ENOENT)
        return error_set(err, ERR_DAMAGED, "'%s' is missing", name);
    error_move(err, &why);
    return -1;
}

/* It must be there and have this size. */
static int check_size(int dirfd, const char *name, uint64_t size,
                      struct error *err)
{
    _cleanup_close_ int fd = -1;
    uint64_t real = 0;

    if (open_needed(dirfd, name, &fd, &real, err) < 0)
        return -1;
    if (real != size)
        return error_set(err, ERR_DAMAGED,
                         "'%s' has %llu bytes instead of %llu", name,
                         (unsigned long long)real, (unsigned long long)size);
    return 0;
}

/* Disk bytes of the data frames: all that is stored. */
static uint64_t stored_data(const struct index *idx)
{
    uint64_t sum = 0;

    for (size_t i = 0; i < index_count(idx); i++) {
        struct index_record record = index_get(idx, i);

        if (record.stored_length > 0)
            sum += record.length;
    }
    return sum;
}

int manifest_check_index(const struct manifest_disk *d, const struct index *idx,
                         struct error *err)
{
    bool base = d->level == LEVEL_FULL || d->level == LEVEL_COPY;

    if (index_virtual_size(idx) != d->virtual_size ||
        index_file_size(idx) != d->file_size ||
        index_zero_size(idx) != d->zero_size ||
        (!d->raw && stored_data(idx) != d->data_size))
        return error_set(err, ERR_DAMAGED,
                         "'%s' does not have the sizes of the manifest",
                         d->index);
    if (base && !index_covers(idx))
        return error_set(err, ERR_DAMAGED, "'%s' does not cover the whole disk",
                         d->index);
    return 0;
}

int manifest_check_disk(int dirfd, const struct manifest_disk *d, bool deep,
                        struct error *err)
{
    _cleanup_(index_freep) struct index *idx = NULL;
    _cleanup_close_ int fd = -1;
    uint64_t size = 0;

    if (check_size(dirfd, d->file, d->file_size, err) < 0 ||
        open_needed(dirfd, d->index, &fd, &size, err) < 0)
        return -1;
    if (!deep)
        return 0;
    if (index_open(dirfd, d->index, d->index_hash, &idx, err) < 0)
        return -1;
    return manifest_check_index(d, idx, err);
}

int manifest_check(int dirfd, const struct manifest *m, bool deep,
                   struct error *err)
{
    for (size_t i = 0; i < m->disk_count; i++)
        if (manifest_check_disk(dirfd, &m->disks[i], deep, err) < 0)
            return -1;
    return 0;
}

int manifest_check_files(int dirfd, const struct manifest *m, bool deep,
                         struct error *err)
{
    for (size_t i = 0; i < m->file_count; i++) {
        const struct manifest_file *f = &m->files[i];
        char hash[HASH_TEXT_SIZE] = "";
        uint64_t size = 0;

        if (check_size(dirfd, f->name, f->size, err) < 0)
            return -1;
        if (!deep)
            continue;
        if (files_hash(dirfd, f->name, &size, hash, err) < 0)
            return -1;
        if (size != f->size || strcmp(hash, f->hash) != 0)
            return error_set(err, ERR_DAMAGED,
                             "'%s' was changed: its hash does not fit",
                             f->name);
    }
    return 0;
}
