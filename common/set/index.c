/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* index.c - the layout of an index and reading one, see index.h */
#include "set/index.h"

#include <endian.h>
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include <xxhash.h>

#include "base/cleanup.h"
#include "base/file.h"
#include "base/text.h"
#include "set/files.h"
#include "set/index_private.h"

#define FLAG_COMPRESSED 1
#define FLAG_HASHED 2
#define HASH_AT 48

/* 16 TiB of disk in records of 1 MiB: more is not a file of ours. */
#define INDEX_MAX_SIZE (1 * GIB + 2 * INDEX_RECORD_SIZE)

static void put32(unsigned char *to, uint32_t value)
{
    value = htole32(value);
    memcpy(to, &value, sizeof(value));
}

static void put64(unsigned char *to, uint64_t value)
{
    value = htole64(value);
    memcpy(to, &value, sizeof(value));
}

static uint32_t get32(const unsigned char *from)
{
    uint32_t value = 0;

    memcpy(&value, from, sizeof(value));
    return le32toh(value);
}

static uint64_t get64(const unsigned char *from)
{
    uint64_t value = 0;

    memcpy(&value, from, sizeof(value));
    return le64toh(value);
}

static bool is_zero(const unsigned char *bytes, size_t len)
{
    for (size_t i = 0; i < len; i++)
        if (bytes[i])
            return false;
    return true;
}

void index_header_encode(uint64_t virtual_size,
                         unsigned char out[static INDEX_RECORD_SIZE])
{
    memset(out, 0, INDEX_RECORD_SIZE);
    memcpy(out, INDEX_MAGIC, 8);
    put32(out + 8, INDEX_VERSION);
    put32(out + 12, INDEX_RECORD_SIZE);
    put64(out + 16, virtual_size);
}

void index_footer_encode(uint64_t count, const struct index_rules *rules,
                         unsigned char out[static INDEX_RECORD_SIZE])
{
    memset(out, 0, INDEX_RECORD_SIZE);
    memcpy(out, INDEX_END_MAGIC, 8);
    put64(out + 8, count);
    put64(out + 16, rules->file_size);
    put64(out + 24, rules->data_size);
    put64(out + 32, rules->zero_size);
}

void index_record_encode(const struct index_record *record,
                         unsigned char out[static INDEX_RECORD_SIZE])
{
    memset(out, 0, INDEX_RECORD_SIZE);
    put64(out, record->offset);
    put64(out + 8, record->length);
    put64(out + 16, record->file_offset);
    put64(out + 24, record->stored_length);
    out[32] = (unsigned char)record->kind;
    out[33] = (unsigned char)((record->compressed ? FLAG_COMPRESSED : 0) |
                              (record->hashed ? FLAG_HASHED : 0));
    memcpy(out + HASH_AT, record->hash, INDEX_HASH_SIZE);
}

int index_record_decode(const unsigned char in[static INDEX_RECORD_SIZE],
                        struct index_record *ret, struct error *err)
{
    if (in[32] != INDEX_DATA && in[32] != INDEX_ZERO)
        return error_set(err, ERR_DAMAGED, "unknown kind %u", in[32]);
    if ((in[33] & ~(FLAG_COMPRESSED | FLAG_HASHED)) != 0 ||
        !is_zero(in + 34, HASH_AT - 34))
        return error_set(err, ERR_DAMAGED, "unknown flags");
    *ret = (struct index_record){
        .offset = get64(in),
        .length = get64(in + 8),
        .file_offset = get64(in + 16),
        .stored_length = get64(in + 24),
        .kind = in[32] == INDEX_DATA ? INDEX_DATA : INDEX_ZERO,
        .compressed = (in[33] & FLAG_COMPRESSED) != 0,
        .hashed = (in[33] & FLAG_HASHED) != 0,
    };
    memcpy(ret->hash, in + HASH_AT, INDEX_HASH_SIZE);
    return 0;
}

/* Do the lengths of a record fit its kind and flags? */
static bool lengths_fit(const struct index_rules *rules,
                        const struct index_record *r)
{
    if (r->stored_length == 0)
        return r->kind == INDEX_ZERO && !r->compressed && r->file_offset == 0;
    if (r->compressed)
        /* The longest that lz4 makes of it is well below twice its size. */
        return r->length <= INDEX_COMPRESSED_MAX &&
               r->stored_length <= 2 * r->length + 4096;
    if (r->stored_length != r->length)
        return false;
    return r->kind == INDEX_ZERO || !rules->hashed ||
           r->length <= INDEX_PLAIN_MAX;
}

static bool hash_fits(const struct index_rules *rules,
                      const struct index_record *r)
{
    if (r->hashed)
        return r->kind == INDEX_DATA;
    if (r->kind == INDEX_DATA && rules->hashed &&
        !(r->compressed && r->length > INDEX_PLAIN_MAX))
        return false;
    return is_zero(r->hash, INDEX_HASH_SIZE);
}

int index_rules_next(struct index_rules *rules, const struct index_record *r,
                     struct error *err)
{
    uint64_t end = 0, file_end = 0;

    if (r->kind != INDEX_DATA && r->kind != INDEX_ZERO)
        return error_set(err, ERR_DAMAGED, "unknown kind");
    if (r->length == 0 || __builtin_add_overflow(r->offset, r->length, &end) ||
        end > rules->virtual_size || r->offset < rules->end)
        return error_set(err, ERR_DAMAGED,
                         "%" PRIu64 " bytes at %" PRIu64
                         " of the disk do not fit between %" PRIu64
                         " and its end at %" PRIu64,
                         r->length, r->offset, rules->end, rules->virtual_size);
    if (!lengths_fit(rules, r))
        return error_set(err, ERR_DAMAGED,
                         "%" PRIu64 " stored bytes do not go with %" PRIu64
                         " bytes at %" PRIu64 " of the disk",
                         r->stored_length, r->length, r->offset);
    if (!hash_fits(rules, r))
        return error_set(err, ERR_DAMAGED,
                         "a hash is missing, or one too many, at %" PRIu64
                         " of the disk",
                         r->offset);
    if (r->stored_length > 0) {
        if (__builtin_add_overflow(r->file_offset, r->stored_length,
                                   &file_end) ||
            file_end > rules->file_size || r->file_offset < rules->file_end)
            return error_set(err, ERR_DAMAGED,
                             "%" PRIu64 " bytes at %" PRIu64
                             " of the file do not fit between %" PRIu64
                             " and its end",
                             r->stored_length, r->file_offset, rules->file_end);
        rules->file_end = file_end;
    }
    rules->end = end;
    if (r->kind == INDEX_DATA)
        rules->data_size += r->length;
    else
        rules->zero_size += r->length;
    return 0;
}

/* What header and footer say, checked; fills all of `idx` but the bytes. */
static int decode_frame(const unsigned char *bytes, size_t len,
                        struct index *idx, struct error *err)
{
    const unsigned char *foot = NULL;

    if (len < 2 * INDEX_RECORD_SIZE || len % INDEX_RECORD_SIZE != 0 ||
        len > INDEX_MAX_SIZE)
        return error_set(err, ERR_DAMAGED,
                         "%zu bytes cannot be an index: cut off?", len);
    foot = bytes + len - INDEX_RECORD_SIZE;
    if (memcmp(bytes, INDEX_MAGIC, 8) != 0)
        return error_set(err, ERR_DAMAGED, "it does not begin as an index");
    if (get32(bytes + 8) > INDEX_VERSION)
        return error_set(err, ERR_INPUT,
                         "it was written by a newer version: %" PRIu32,
                         get32(bytes + 8));
    if (get32(bytes + 8) != INDEX_VERSION ||
        get32(bytes + 12) != INDEX_RECORD_SIZE || !is_zero(bytes + 24, 40))
        return error_set(err, ERR_DAMAGED, "its header is damaged");
    if (memcmp(foot, INDEX_END_MAGIC, 8) != 0 || !is_zero(foot + 40, 8))
        return error_set(err, ERR_DAMAGED,
                         "it does not end as an index: cut off?");
    idx->count = len / INDEX_RECORD_SIZE - 2;
    idx->virtual_size = get64(bytes + 16);
    idx->file_size = get64(foot + 16);
    idx->data_size = get64(foot + 24);
    idx->zero_size = get64(foot + 32);
    if (get64(foot + 8) != idx->count || idx->virtual_size > INT64_MAX ||
        idx->file_size > INT64_MAX)
        return error_set(err, ERR_DAMAGED, "its footer is damaged");
    return 0;
}

static int check_records(const unsigned char *bytes, const struct index *idx,
                         struct error *err)
{
    struct index_rules rules = {
        .virtual_size = idx->virtual_size,
        .file_size = idx->file_size,
        .hashed = true,
    };

    for (size_t i = 0; i < idx->count; i++) {
        struct index_record record = {0};

        if (index_record_decode(bytes + (i + 1) * INDEX_RECORD_SIZE, &record,
                                err) < 0 ||
            index_rules_next(&rules, &record, err) < 0)
            return error_prefix(err, "record %zu", i);
    }
    if (rules.data_size != idx->data_size || rules.zero_size != idx->zero_size)
        return error_set(err, ERR_DAMAGED, "its totals do not fit its records");
    return 0;
}

/* All checks; `idx` gets everything but the bytes. */
static int check_all(const unsigned char *bytes, size_t len, struct index *idx,
                     struct error *err)
{
    unsigned char hash[INDEX_HASH_SIZE] = {0};

    if (decode_frame(bytes, len, idx, err) < 0)
        return -1;
    index_hash_block(bytes, len - INDEX_HASH_SIZE, hash);
    if (memcmp(hash, bytes + len - INDEX_HASH_SIZE, INDEX_HASH_SIZE) != 0)
        return error_set(err, ERR_DAMAGED,
                         "its checksum does not fit: it was changed");
    return check_records(bytes, idx, err);
}

int index_validate(const void *bytes, size_t len, struct error *err)
{
    struct index idx = {0};

    return check_all(bytes, len, &idx, err);
}

/* Make an index of `own_bytes`, a whole file: header and footer go. */
static int adopt(unsigned char *own_bytes, size_t len, struct index **ret,
                 struct error *err)
{
    _cleanup_free_ unsigned char *bytes = own_bytes;
    _cleanup_(index_freep) struct index *idx = calloc(1, sizeof(*idx));

    if (!idx)
        return error_memory(err);
    if (check_all(bytes, len, idx, err) < 0)
        return -1;
    memmove(bytes, bytes + INDEX_RECORD_SIZE, idx->count * INDEX_RECORD_SIZE);
    idx->bytes = take(bytes);
    *ret = take(idx);
    return 0;
}

int index_decode(const void *bytes, size_t len, struct index **ret,
                 struct error *err)
{
    unsigned char *copy = malloc(len + 1);

    if (!copy)
        return error_memory(err);
    memcpy(copy, bytes, len);
    return adopt(copy, len, ret, err);
}

int index_open(int dirfd, const char *name, const char *hash,
               struct index **ret, struct error *err)
{
    _cleanup_free_ char *text = NULL;
    char real[HASH_TEXT_SIZE] = "";
    size_t len = 0;

    if (files_read(dirfd, name, INDEX_MAX_SIZE, &text, &len, err) < 0)
        return -1;
    if (hash) {
        hash_text(text, len, real);
        if (strcmp(real, hash) != 0)
            return error_set(err, ERR_DAMAGED,
                             "index '%s': its hash is not that of the "
                             "manifest: it was changed",
                             name);
    }
    if (adopt((unsigned char *)take(text), len, ret, err) < 0)
        return error_prefix(err, "index '%s'", name);
    return 0;
}

void index_free(struct index *idx)
{
    if (!idx)
        return;
    free(idx->bytes);
    free(idx);
}

void index_freep(struct index **idx)
{
    index_free(*idx);
}

size_t index_count(const struct index *idx)
{
    return idx->count;
}

uint64_t index_virtual_size(const struct index *idx)
{
    return idx->virtual_size;
}

uint64_t index_file_size(const struct index *idx)
{
    return idx->file_size;
}

uint64_t index_data_size(const struct index *idx)
{
    return idx->data_size;
}

uint64_t index_zero_size(const struct index *idx)
{
    return idx->zero_size;
}

struct index_record index_get(const struct index *idx, size_t i)
{
    struct index_record record = {0};

    /* Every record was checked before; decoding it again cannot fail. */
    if (i >= idx->count ||
        index_record_decode(idx->bytes + i * INDEX_RECORD_SIZE, &record, NULL) <
            0)
        abort();
    return record;
}

size_t index_find(const struct index *idx, uint64_t offset)
{
    size_t low = 0, high = idx->count;

    while (low < high) {
        size_t middle = low + (high - low) / 2;
        const unsigned char *r = idx->bytes + middle * INDEX_RECORD_SIZE;

        if (get64(r) + get64(r + 8) > offset)
            high = middle;
        else
            low = middle + 1;
    }
    return low;
}

bool index_covers(const struct index *idx)
{
    /* No record overlaps another, so the sum decides. */
    return idx->data_size + idx->zero_size == idx->virtual_size;
}
