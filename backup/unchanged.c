/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* unchanged.c - see unchanged.h
 *
 * A block can be compared if all of it is as its record says: no newer file of
 * the chain and no change since has touched it.  For that the indexes are asked
 * from the newest to the oldest.
 */
#include "unchanged.h"

#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "base/cleanup.h"
#include "base/log.h"
#include "base/text.h"
#include "base/vec.h"
#include "nbd/pull.h"
#include "set/chain.h"

/* A sample needs no more files than this to be full, or does without. */
#define SAMPLE_FILES 8

/* For each block that is wanted so many are looked at, at the most. */
#define TRIES 16

#define READS 8

/* What a part of the disk should hold. */
struct block {
    uint64_t offset, length; /* at most 1 MiB */
    bool zero;               /* nothing but zeroes */
    unsigned char hash[INDEX_HASH_SIZE];
};

struct search {
    const struct disk_task *task;
    const struct extent_list *dirty;
    uint64_t size;          /* of the disk */
    struct index **indexes; /* the newest first */
    size_t index_count;
    VEC(struct block) blocks;
    size_t wanted; /* SIZE_MAX: all */
};

static void search_done(struct search *s)
{
    for (size_t i = 0; i < s->index_count; i++)
        index_free(s->indexes[i]);
    free(s->indexes);
    vec_free(&s->blocks);
}

static bool is_dirty(const struct search *s, uint64_t offset, uint64_t length)
{
    size_t i = extent_find(s->dirty, offset);

    return i < s->dirty->count && s->dirty->items[i].offset < offset + length;
}

/* Does a newer file than number `number` hold a part of it? */
static bool is_hidden(const struct search *s, size_t number, uint64_t offset,
                      uint64_t length)
{
    for (size_t k = 0; k < number; k++) {
        const struct index *idx = s->indexes[k];
        size_t i = index_find(idx, offset);

        /* A disk that was smaller in between has lost what was behind. */
        if (offset + length > index_virtual_size(idx))
            return true;
        if (i < index_count(idx) && index_get(idx, i).offset < offset + length)
            return true;
    }
    return false;
}

/* Add this record, if it can be compared; of a long run of zeroes a part. */
static int consider(struct search *s, size_t number, size_t record,
                    uint64_t random, struct error *err)
{
    struct index_record r = index_get(s->indexes[number], record);
    struct block b = {r.offset, r.length, r.kind == INDEX_ZERO, {0}};

    if (b.zero && b.length > MIB) {
        b.offset += random % (b.length / MIB) * MIB;
        b.length = MIB;
    }
    if (b.length > MIB || (!b.zero && !r.hashed) ||
        b.offset + b.length > s->size || is_dirty(s, b.offset, b.length) ||
        is_hidden(s, number, b.offset, b.length))
        return 0;
    for (size_t i = 0; s->wanted < SIZE_MAX && i < s->blocks.count; i++)
        if (s->blocks.items[i].offset == b.offset)
            return 0;
    memcpy(b.hash, r.hash, sizeof(b.hash));
    return vec_push(&s->blocks, b) < 0 ? error_memory(err) : 0;
}

/* The same for all of a long run of zeroes. */
static int consider_all(struct search *s, size_t number, size_t record,
                        struct error *err)
{
    struct index_record r = index_get(s->indexes[number], record);
    uint64_t parts = r.kind == INDEX_ZERO ? MAX_OF(r.length / MIB, 1ULL) : 1;

    for (uint64_t i = 0; i < parts; i++)
        if (consider(s, number, record, i, err) < 0)
            return -1;
    return 0;
}

static int search_file(struct search *s, size_t number, struct error *err)
{
    size_t count = index_count(s->indexes[number]);
    size_t room = s->wanted - s->blocks.count;
    bool all = count <= room * TRIES;

    if (s->wanted == SIZE_MAX) {
        for (size_t i = 0; i < count; i++)
            if (consider_all(s, number, i, err) < 0)
                return -1;
        return 0;
    }
    for (size_t i = 0; i < (all ? count : room * TRIES); i++) {
        uint64_t random[2];

        if (s->blocks.count == s->wanted)
            break;
        if (getrandom(random, sizeof(random), 0) != sizeof(random))
            return error_errno(err, errno, "draw random numbers");
        if (consider(s, number, all ? i : random[0] % count, random[1], err) <
            0)
            return -1;
    }
    return 0;
}

static int search_files(struct search *s, struct error *err)
{
    const struct chain *chain = s->task->chain;
    _cleanup_selection_ struct selection selected = SELECTION_INIT;
    const struct selection_disk *disk;
    size_t files;

    if (chain_select_disk(chain, s->task->parent, s->task->name, &selected,
                          err) < 0)
        return -1;
    disk = &selected.disks[0];
    files = disk->file_count;
    if (s->wanted < SIZE_MAX)
        files = MIN_OF(files, (size_t)SAMPLE_FILES);
    s->indexes = calloc(files + 1, sizeof(struct index *));
    if (!s->indexes)
        return error_memory(err);
    while (s->index_count < files && s->blocks.count < s->wanted) {
        const struct chain_file *file =
            disk->files[disk->file_count - 1 - s->index_count];

        if (chain_file_index(chain, file, &s->indexes[s->index_count], err) < 0)
            return -1;
        s->index_count++;
        if (search_file(s, s->index_count - 1, err) < 0)
            return -1;
    }
    return 0;
}

static bool is_same(const struct block *b, const unsigned char *bytes)
{
    unsigned char hash[INDEX_HASH_SIZE];

    if (b->zero)
        return bytes[0] == 0 && memcmp(bytes, bytes + 1, b->length - 1) == 0;
    index_hash_block(bytes, b->length, hash);
    return memcmp(hash, b->hash, sizeof(hash)) == 0;
}

/* A block on its way, and the memory for it. */
struct reading {
    const struct block *block; /* NULL: none */
    unsigned char *bytes;
};

/* Start as many reads as there is room for. */
static int start_reads(const struct search *s, struct pull *p,
                       struct reading *readings, size_t *next,
                       struct error *err)
{
    struct rate *rate = s->task->rate;

    for (size_t i = 0; i < READS && *next < s->blocks.count; i++) {
        const struct block *b = &s->blocks.items[*next];

        if (readings[i].block)
            continue;
        if (rate && rate_take(rate, b->length) > 0)
            break;
        if (pull_read(p, b->offset, b->length, readings[i].bytes, &readings[i],
                      err) < 0)
            return -1;
        readings[i].block = b;
        ++*next;
    }
    return 0;
}

static int read_blocks(const struct search *s, struct pull *p,
                       unsigned char *memory, uint64_t *ret_offset,
                       struct error *err)
{
    struct reading readings[READS];
    size_t next = 0;
    int same = 1;

    for (size_t i = 0; i < READS; i++)
        readings[i] = (struct reading){NULL, memory + i * MIB};
    while (next < s->blocks.count || pull_busy(p) > 0) {
        struct reading *r;

        if (start_reads(s, p, readings, &next, err) < 0 ||
            pull_poll_for(p, -1, next < s->blocks.count ? RATE_BURST_MS : -1,
                          err) < 0)
            return -1;
        while ((r = pull_done(p))) {
            if (same && !is_same(r->block, r->bytes)) {
                *ret_offset = r->block->offset;
                same = 0;
                /* The rest has to come in: the connection is used again. */
                next = s->blocks.count;
            }
            r->block = NULL;
        }
    }
    return same;
}

int unchanged_check(const struct disk_task *task, struct nbd_conn *conn,
                    const struct extent_list *dirty, uint64_t *ret_offset,
                    struct error *err)
{
    _cleanup_(search_done) struct search s = {
        .task = task,
        .dirty = dirty,
        .size = nbd_conn_size(conn),
        .wanted = task->check_source ? SIZE_MAX : UNCHANGED_SAMPLE,
    };
    _cleanup_(pull_freep) struct pull *p = NULL;
    _cleanup_free_ unsigned char *memory = NULL;

    if (!task->chain)
        return 1;
    if (search_files(&s, err) < 0)
        return -1;
    log_debug("comparing %zu blocks that should be unchanged", s.blocks.count);
    if (s.blocks.count == 0)
        return 1;
    memory = malloc(READS * MIB);
    if (!memory)
        return error_memory(err);
    if (pull_new(&conn, 1, READS, task->io_timeout_ms, &p, err) < 0)
        return -1;
    return read_blocks(&s, p, memory, ret_offset, err);
}
