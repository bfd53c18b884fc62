/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* index_write.c - writing an index, and building a table, see index.h */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/file.h"
#include "base/patience.h"
#include "base/text.h"
#include "base/vec.h"
#include "set/index_private.h"
#include "set/name.h"

#define BUFFER_SIZE (64 * KIB)

struct index_writer {
    int dirfd; /* owned */
    int fd;    /* owned; -1 once finished */
    bool finished;
    char *name; /* "<name>.partial"; owned; NULL: nothing to remove */
    struct index_hasher *hasher;
    struct index_rules rules;
    uint64_t count;
    unsigned char *buffer;
    size_t used;
};

static void writer_freep(struct index_writer **w)
{
    index_writer_free(*w);
}

void index_writer_free(struct index_writer *w)
{
    if (!w)
        return;
    closep(&w->fd);
    if (w->name && !w->finished)
        unlinkat(w->dirfd, w->name, 0);
    closep(&w->dirfd);
    index_hasher_free(w->hasher);
    free(w->name);
    free(w->buffer);
    free(w);
}

static int flush(struct index_writer *w, struct error *err)
{
    PATIENCE_SCOPE("writing");
    if (file_write_full(w->fd, w->buffer, w->used) < 0)
        return error_errno(err, errno, "cannot write '%s'", w->name);
    index_hasher_add(w->hasher, w->buffer, w->used);
    w->used = 0;
    return 0;
}

/* Room for one record in the buffer. */
static int next_record(struct index_writer *w, unsigned char **ret,
                       struct error *err)
{
    if (w->used == BUFFER_SIZE && flush(w, err) < 0)
        return -1;
    *ret = w->buffer + w->used;
    w->used += INDEX_RECORD_SIZE;
    return 0;
}

static int create(struct index_writer *w, int dirfd, const char *name,
                  struct error *err)
{
    _cleanup_free_ char *partial = NULL;

    w->dirfd = fcntl(dirfd, F_DUPFD_CLOEXEC, 3);
    if (w->dirfd < 0)
        return error_errno(err, errno, "cannot begin '%s'", name);
    partial = text_dup_printf("%s.partial", name);
    w->buffer = malloc(BUFFER_SIZE);
    if (!partial || !w->buffer || index_hasher_new(&w->hasher, err) < 0)
        return error_memory(err);
    w->fd = openat(dirfd, partial,
                   O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (w->fd < 0 && errno == EEXIST)
        return error_set(err, ERR_EXISTS,
                         "'%s' is there already: another run, or the remains "
                         "of one",
                         partial);
    if (w->fd < 0)
        return error_errno(err, errno, "cannot create '%s'", partial);
    w->name = take(partial);
    return file_share(w->fd, w->name, err);
}

int index_writer_new(int dirfd, const char *name, uint64_t virtual_size,
                     struct index_writer **ret, struct error *err)
{
    _cleanup_(writer_freep) struct index_writer *w = NULL;
    unsigned char *header = NULL;

    if (!name_is_safe(name))
        return error_set(err, ERR_INPUT, "'%s' is not a name for an index",
                         name);
    w = calloc(1, sizeof(*w));
    if (!w)
        return error_memory(err);
    w->dirfd = w->fd = -1;
    w->rules = (struct index_rules){
        .virtual_size = virtual_size,
        .file_size = UINT64_MAX,
        .hashed = true,
    };
    if (create(w, dirfd, name, err) < 0 || next_record(w, &header, err) < 0)
        return -1;
    index_header_encode(virtual_size, header);
    *ret = take(w);
    return 0;
}

int index_writer_add(struct index_writer *w, const struct index_record *record,
                     struct error *err)
{
    unsigned char *at = NULL;

    if (index_rules_next(&w->rules, record, err) < 0 ||
        next_record(w, &at, err) < 0)
        return error_prefix(err, "'%s'", w->name);
    index_record_encode(record, at);
    w->count++;
    return 0;
}

uint64_t index_writer_data_size(const struct index_writer *w)
{
    return w->rules.data_size;
}

uint64_t index_writer_zero_size(const struct index_writer *w)
{
    return w->rules.zero_size;
}

int index_writer_finish(struct index_writer *w, uint64_t file_size,
                        char ret_hash[HASH_TEXT_SIZE], struct error *err)
{
    unsigned char hash[INDEX_HASH_SIZE] = {0};
    unsigned char *footer = NULL;

    if (file_size > INT64_MAX || w->rules.file_end > file_size)
        return error_set(err, ERR_INPUT,
                         "'%s' has records behind the end of its data file",
                         w->name);
    w->rules.file_size = file_size;
    if (w->used > 0 && flush(w, err) < 0)
        return -1;
    if (next_record(w, &footer, err) < 0)
        return -1;
    index_footer_encode(w->count, &w->rules, footer);
    /* Everything up to here is what the footer's own hash covers. */
    index_hasher_add(w->hasher, footer, INDEX_RECORD_SIZE - INDEX_HASH_SIZE);
    index_hasher_get(w->hasher, hash);
    memcpy(footer + INDEX_RECORD_SIZE - INDEX_HASH_SIZE, hash, sizeof(hash));
    index_hasher_add(w->hasher, hash, sizeof(hash));
    index_hasher_get(w->hasher, hash);
    if (file_write_full(w->fd, footer, INDEX_RECORD_SIZE) < 0)
        return error_errno(err, errno, "cannot write '%s'", w->name);
    if (file_sync(w->fd, w->name, err) < 0)
        return -1;
    if (close(take_fd(w->fd)) < 0)
        return error_errno(err, errno, "cannot close '%s'", w->name);
    w->finished = true;
    text_hex(hash, sizeof(hash), ret_hash);
    return 0;
}

int index_publish(int dirfd, const char *name, struct error *err)
{
    _cleanup_free_ char *partial = NULL;

    if (!name_is_safe(name))
        return error_set(err, ERR_INPUT, "'%s' is not a name for an index",
                         name);
    partial = text_dup_printf("%s.partial", name);
    if (!partial)
        return error_memory(err);
    if (file_rename_noreplace(dirfd, partial, name, err) < 0)
        return -1;
    return file_sync_dir(dirfd, err);
}

int index_builder_add(struct index_builder *b,
                      const struct index_record *record, struct error *err)
{
    struct index *idx = b->idx;

    if (index_rules_next(&b->rules, record, err) < 0)
        return -1;
    if (idx->count == UINT32_MAX)
        return error_set(err, ERR_DAMAGED, "it has too many frames");
    if (idx->count == b->cap) {
        void *grown =
            vec_grown(idx->bytes, &b->cap, b->cap + 1, INDEX_RECORD_SIZE);

        if (!grown)
            return error_memory(err);
        idx->bytes = grown;
    }
    index_record_encode(record, idx->bytes + idx->count * INDEX_RECORD_SIZE);
    idx->count++;
    return 0;
}

struct index *index_builder_finish(struct index_builder *b)
{
    b->idx->virtual_size = b->rules.virtual_size;
    b->idx->file_size = b->rules.file_size;
    b->idx->data_size = b->rules.data_size;
    b->idx->zero_size = b->rules.zero_size;
    return take(b->idx);
}

int index_pick(const struct index *idx, const uint32_t *numbers, size_t count,
               struct index **ret, struct error *err)
{
    _cleanup_(index_freep) struct index *picked = calloc(1, sizeof(*picked));

    if (!picked)
        return error_memory(err);
    picked->bytes = malloc(count * INDEX_RECORD_SIZE + 1);
    if (!picked->bytes)
        return error_memory(err);
    picked->virtual_size = idx->virtual_size;
    picked->file_size = idx->file_size;
    for (size_t i = 0; i < count; i++) {
        struct index_record record = index_get(idx, numbers[i]);

        if (record.kind == INDEX_DATA)
            picked->data_size += record.length;
        else
            picked->zero_size += record.length;
        memcpy(picked->bytes + i * INDEX_RECORD_SIZE,
               idx->bytes + numbers[i] * (size_t)INDEX_RECORD_SIZE,
               INDEX_RECORD_SIZE);
    }
    picked->count = count;
    *ret = take(picked);
    return 0;
}
