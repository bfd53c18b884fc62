/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* view.c - see view.h */
#include "view.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "set/index.h"
#include "stream/codec_block.h"

/* Blocks of a compressed record that has a hash. */
#define BLOCKS_MAX ((size_t)(INDEX_PLAIN_MAX / CODEC_BLOCK_SIZE))

/* More of them than that are not read one by one. */
#define BLOCKS_ALONE 2

/* Reads of a record in order after which it is likely that all of it will be
 * read; and the number of records that this is remembered of.
 */
#define IN_ORDER 2
#define TRAILS 256

/* What is known of the records of a file. */
struct view_file {
    struct cache_item **places; /* one a record; the cache's */
    /* A bit a record: its hash was compared; if it is compressed, its blocks
     * are known too.
     */
    unsigned char *checked;
    /* Of such a record, the stored bytes of each block, beyond the 1 and
     * CODEC_BLOCK_EXTRA that there are at least.  Memory is taken where
     * something is written.
     */
    uint16_t (*blocks)[BLOCKS_MAX];
};

/* Where the last read of a record, block by block, was. */
struct trail {
    const struct cache_item *const *record; /* its place; NULL: of none */
    size_t block;
    unsigned in_order;
};

struct view {
    const struct source *source;
    struct cache *cache;
    struct readers *readers;
    struct view_file *files; /* as in the source */
    pthread_mutex_t lock;
    struct trail trails[TRAILS]; /* under the lock */
};

int view_new(const struct source *source, struct cache *cache,
             struct readers *readers, struct view **ret, struct error *err)
{
    _cleanup_(view_freep) struct view *v = calloc(1, sizeof(*v));

    if (!v)
        return error_memory(err);
    pthread_mutex_init(&v->lock, NULL);
    v->source = source;
    v->cache = cache;
    v->readers = readers;
    v->files = calloc(source->count, sizeof(*v->files));
    if (!v->files)
        return error_memory(err);
    for (size_t i = 0; i < source->count; i++) {
        struct view_file *f = &v->files[i];
        size_t count = index_count(source->files[i].index);

        f->places = calloc(count + 1, sizeof(struct cache_item *));
        f->checked = calloc(count / 8 + 1, 1);
        f->blocks = calloc(count + 1, sizeof(*f->blocks));
        if (!f->places || !f->checked || !f->blocks)
            return error_memory(err);
    }
    *ret = take(v);
    return 0;
}

void view_free(struct view *v)
{
    if (!v)
        return;
    for (size_t i = 0; v->files && i < v->source->count; i++) {
        free(v->files[i].places);
        free(v->files[i].checked);
        free(v->files[i].blocks);
    }
    pthread_mutex_destroy(&v->lock);
    free(v->files);
    free(v);
}

void view_freep(struct view **v)
{
    view_free(*v);
}

uint64_t view_size(const struct view *v)
{
    return v->source->size;
}

/* A record at hand, and the part of it that is wanted. */
struct want {
    const struct source_file *file;
    struct view_file *state;
    size_t number;
    struct index_record record;
    uint64_t skip; /* bytes of the disk from the record's beginning */
    unsigned char *out;
    size_t length;
};

static bool was_checked(const struct want *w)
{
    const unsigned char *byte = &w->state->checked[w->number / 8];

    return (__atomic_load_n(byte, __ATOMIC_ACQUIRE) >> w->number % 8 & 1) != 0;
}

static void set_checked(const struct want *w)
{
    __atomic_fetch_or(&w->state->checked[w->number / 8],
                      (unsigned char)(1 << w->number % 8), __ATOMIC_RELEASE);
}

/* The bytes as they are, into the place where they are wanted. */
static int read_straight(const struct want *w, struct error *err)
{
    return record_pread(w->file->fd, w->file->file->file, &w->record, w->skip,
                        w->out, w->length, err);
}

/* A record that is being loaded: all of it goes to the cache, what is wanted of
 * it to the one who loads.
 */
struct load {
    const struct want *want;
    struct cache *cache;
    struct cache_item *item;
    uint64_t at;       /* bytes of the record so far */
    bool knows_blocks; /* and of stored bytes, of which there is one part */
};

static size_t block_count(const struct want *w)
{
    return (size_t)((w->record.length + CODEC_BLOCK_SIZE - 1) /
                    CODEC_BLOCK_SIZE);
}

/* A stream_put for stored bytes: where are the blocks? */
static int take_stored(void *opaque, const void *bytes, size_t length,
                       struct error *err)
{
    struct load *l = opaque;
    const struct want *w = l->want;
    uint32_t stored[BLOCKS_MAX];
    size_t count = block_count(w);

    (void)err;
    if (!w->record.compressed || !w->record.hashed || count > BLOCKS_MAX ||
        codec_blocks(bytes, length, count, stored) == 0)
        return 0;
    for (size_t i = 0; i < count; i++)
        w->state->blocks[w->number][i] =
            (uint16_t)(stored[i] - CODEC_BLOCK_EXTRA - 1);
    l->knows_blocks = true;
    return 0;
}

/* A stream_put. */
static int take_bytes(void *opaque, const void *bytes, size_t length,
                      struct error *err)
{
    struct load *l = opaque;
    const struct want *w = l->want;
    uint64_t begin = MAX_OF(l->at, w->skip);
    uint64_t end = MIN_OF(l->at + length, w->skip + w->length);

    cache_write(l->cache, l->item, (size_t)l->at, bytes, length);
    if (begin < end)
        memcpy(w->out + (begin - w->skip),
               (const unsigned char *)bytes + (begin - l->at),
               (size_t)(end - begin));
    l->at += length;
    return 0;
}

/* Read the whole record, and check it.  The caller has the cache's leave. */
static int load_record(struct view *v, const struct want *w,
                       struct cache_item *item, struct error *err)
{
    struct load load = {.want = w, .cache = v->cache, .item = item};
    bool learn = w->record.compressed && !was_checked(w);
    struct reader *reader = NULL;
    int result = 0;

    if (readers_take(v->readers, &reader, err) < 0)
        return -1;
    if (learn)
        record_reader_tap(reader->records, take_stored, &load);
    result =
        record_read(reader->records, w->file->fd, w->file->file->file,
                    &w->record, 0, w->record.length, take_bytes, &load, err);
    record_reader_tap(reader->records, NULL, NULL);
    readers_return(v->readers, reader);
    if (result == 0 && load.knows_blocks)
        set_checked(w);
    return result;
}

/* A plain record with a hash.  The cache keeps nothing of it: that is the
 * page cache's part; but it makes others wait, so that it is read once.
 */
static int read_hashed(struct view *v, const struct want *w, struct error *err)
{
    struct cache_item *item = NULL;
    int result = 0;

    if (was_checked(w))
        return read_straight(w, err);
    if (cache_ask(v->cache, &w->state->places[w->number], 0, &item, err) < 0)
        return -1;
    if (was_checked(w)) {
        cache_loaded(v->cache, item, false);
        return read_straight(w, err);
    }
    result = load_record(v, w, item, err);
    if (result == 0)
        set_checked(w);
    cache_loaded(v->cache, item, false);
    return result;
}

/* Does this read go on where one before has been, so that the whole record
 * will be wanted?
 */
static bool goes_on(struct view *v, const struct want *w, size_t block)
{
    const struct cache_item *const *record =
        (const struct cache_item *const *)&w->state->places[w->number];
    struct trail *t = &v->trails[w->number % TRAILS];

    LOCK_SCOPE(&v->lock);
    if (t->record != record || block < t->block || block > t->block + 1)
        t->in_order = 0;
    else
        t->in_order++;
    t->record = record;
    t->block = block;
    return t->in_order >= IN_ORDER;
}

/* Decode block `i`, stored at `offset` of the file. */
static int read_block(const struct want *w, const struct reader *reader,
                      size_t i, uint64_t offset, size_t stored,
                      struct error *err)
{
    const char *name = w->file->file->file;
    uint64_t skip = offset - w->record.file_offset;
    uint64_t left = w->record.length - i * CODEC_BLOCK_SIZE;

    if (record_pread(w->file->fd, name, &w->record, skip, reader->stored,
                     stored, err) < 0)
        return -1;
    if (codec_block_decode(reader->blocks, reader->stored, stored,
                           reader->plain,
                           (size_t)MIN_OF(left, CODEC_BLOCK_SIZE), err) < 0)
        return error_prefix(err, "'%s' is damaged at %llu", name,
                            (unsigned long long)offset);
    return 0;
}

/* Decode the blocks `first` to `last` of a record that was checked, and give
 * what is wanted of them.
 */
static int read_blocks(struct view *v, const struct want *w, size_t first,
                       size_t last, struct error *err)
{
    uint64_t offset = w->record.file_offset + CODEC_BLOCK_BEGIN;
    struct reader *reader = NULL;
    int result = 0;

    if (readers_take(v->readers, &reader, err) < 0)
        return -1;
    for (size_t i = 0; i <= last && result == 0; i++) {
        size_t stored = w->state->blocks[w->number][i] + 1 + CODEC_BLOCK_EXTRA;
        uint64_t at = i * CODEC_BLOCK_SIZE;
        uint64_t begin = MAX_OF(at, w->skip);
        uint64_t end = MIN_OF(at + CODEC_BLOCK_SIZE, w->skip + w->length);

        if (i >= first)
            result = read_block(w, reader, i, offset, stored, err);
        if (i >= first && result == 0)
            memcpy(w->out + (begin - w->skip), reader->plain + (begin - at),
                   (size_t)(end - begin));
        offset += stored;
    }
    readers_return(v->readers, reader);
    return result;
}

static void give_cached(struct view *v, const struct want *w,
                        struct cache_item *item)
{
    cache_read(v->cache, item, (size_t)w->skip, w->out, w->length);
    cache_release(v->cache, item);
}

static int read_compressed(struct view *v, const struct want *w,
                           struct error *err)
{
    size_t first = (size_t)(w->skip / CODEC_BLOCK_SIZE);
    size_t last = (size_t)((w->skip + w->length - 1) / CODEC_BLOCK_SIZE);
    struct cache_item **place = &w->state->places[w->number];
    struct cache_item *item = NULL;
    int result = 0;

    if (last - first < BLOCKS_ALONE && was_checked(w)) {
        if (cache_peek(v->cache, place, &item) == CACHE_HIT) {
            give_cached(v, w, item);
            return 0;
        }
        if (!goes_on(v, w, first))
            return read_blocks(v, w, first, last, err);
    }
    result = cache_ask(v->cache, place, (size_t)w->record.length, &item, err);
    if (result < 0)
        return -1;
    if (result == CACHE_HIT) {
        give_cached(v, w, item);
        return 0;
    }
    result = load_record(v, w, item, err);
    cache_loaded(v->cache, item, result == 0);
    return result;
}

static bool is_zero(const struct view *v, const struct blockmap_range *range)
{
    if (range->source == BLOCKMAP_NONE)
        return true;
    return index_get(v->source->files[range->source].index, range->record)
               .kind == INDEX_ZERO;
}

/* Read [skip, skip + length) of a range. */
static int read_range(struct view *v, const struct blockmap_range *range,
                      uint64_t skip, unsigned char *out, size_t length,
                      struct error *err)
{
    struct want w = {
        .number = range->record,
        .skip = range->delta + skip,
        .out = out,
        .length = length,
    };

    if (is_zero(v, range)) {
        memset(out, 0, length);
        return 0;
    }
    w.file = &v->source->files[range->source];
    w.state = &v->files[range->source];
    w.record = index_get(w.file->index, range->record);
    if (w.record.compressed)
        return read_compressed(v, &w, err);
    if (w.record.hashed)
        return read_hashed(v, &w, err);
    return read_straight(&w, err);
}

int view_read(struct view *v, void *buf, size_t length, uint64_t offset,
              struct error *err)
{
    const struct blockmap *map = &v->source->map;
    unsigned char *out = buf;
    size_t i = blockmap_find(map, offset);

    if (offset > map->size || map->size - offset < length)
        return error_set(err, ERR_INPUT,
                         "%zu bytes at %llu are not within the disk of %llu "
                         "bytes",
                         length, (unsigned long long)offset,
                         (unsigned long long)map->size);
    for (; length > 0; i++) {
        const struct blockmap_range *range = &map->ranges[i];
        uint64_t skip = offset - range->offset;
        size_t n = (size_t)MIN_OF(range->length - skip, length);

        if (read_range(v, range, skip, out, n, err) < 0)
            return -1;
        out += n;
        offset += n;
        length -= n;
    }
    return 0;
}

/* Have one compressed record in the cache. */
static void load_one(struct view *v, const struct want *w)
{
    _cleanup_error_ struct error err = ERROR_INIT;
    struct cache_item *item = NULL;
    int result = cache_ask(v->cache, &w->state->places[w->number],
                           (size_t)w->record.length, &item, &err);

    if (result == CACHE_HIT)
        cache_release(v->cache, item);
    else if (result == CACHE_MISS)
        cache_loaded(v->cache, item, load_record(v, w, item, &err) == 0);
}

void view_load(struct view *v, uint64_t offset, uint64_t end)
{
    const struct blockmap *map = &v->source->map;

    for (size_t i = blockmap_find(map, offset);
         i < map->count && map->ranges[i].offset < end; i++) {
        const struct blockmap_range *range = &map->ranges[i];
        struct want w = {.number = range->record};

        if (is_zero(v, range))
            continue;
        w.file = &v->source->files[range->source];
        w.state = &v->files[range->source];
        w.record = index_get(w.file->index, range->record);
        if (w.record.compressed && record_is_short(&w.record))
            load_one(v, &w);
    }
}

uint64_t view_extent(const struct view *v, uint64_t offset, uint64_t end,
                     bool *ret_zero)
{
    const struct blockmap *map = &v->source->map;
    size_t first = blockmap_find(map, offset);
    bool zero = is_zero(v, &map->ranges[first]);
    size_t last = first;

    while (last + 1 < map->count && map->ranges[last + 1].offset < end &&
           is_zero(v, &map->ranges[last + 1]) == zero)
        last++;
    *ret_zero = zero;
    return MIN_OF(map->ranges[last].offset + map->ranges[last].length, end) -
           offset;
}
