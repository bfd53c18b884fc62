/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* view.c - see view.h */
#include "view.h"

#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"

/* What is known of the records of a file. */
struct view_file {
    struct cache_item **places; /* one a record; the cache's */
    unsigned char *checked;     /* a bit a record: its hash was compared */
};

struct view {
    const struct source *source;
    struct cache *cache;
    struct readers *readers;
    struct view_file *files; /* as in the source */
};

int view_new(const struct source *source, struct cache *cache,
             struct readers *readers, struct view **ret, struct error *err)
{
    _cleanup_(view_freep) struct view *v = calloc(1, sizeof(*v));

    if (!v)
        return error_memory(err);
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
        if (!f->places || !f->checked)
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
    }
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

    return (__atomic_load_n(byte, __ATOMIC_RELAXED) >> w->number % 8 & 1) != 0;
}

static void set_checked(const struct want *w)
{
    __atomic_fetch_or(&w->state->checked[w->number / 8],
                      (unsigned char)(1 << w->number % 8), __ATOMIC_RELAXED);
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
    uint64_t at; /* bytes of the record so far */
};

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
    struct record_reader *reader = NULL;
    int result = 0;

    if (readers_take(v->readers, &reader, err) < 0)
        return -1;
    result = record_read(reader, w->file->fd, w->file->file->file, &w->record,
                         0, w->record.length, take_bytes, &load, err);
    readers_return(v->readers, reader);
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

static int read_compressed(struct view *v, const struct want *w,
                           struct error *err)
{
    struct cache_item *item = NULL;
    int result = cache_ask(v->cache, &w->state->places[w->number],
                           (size_t)w->record.length, &item, err);

    if (result < 0)
        return -1;
    if (result == CACHE_HIT) {
        cache_read(v->cache, item, (size_t)w->skip, w->out, w->length);
        cache_release(v->cache, item);
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
