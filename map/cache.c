/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* cache.c - see cache.h
 *
 * An item is in one of three states: loading (one thread's, nobody else touches
 * it), in use (pins > 0), idle (in the list, the last used one first).  Only
 * idle ones are thrown out.
 */
#include "cache.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "base/cleanup.h"

#define CACHE_PAGE ((size_t)(16 * KIB))

struct cache_item {
    struct cache_item **place;
    struct cache_item *newer, *older; /* in the list of idle ones */
    size_t pins;
    bool loading;
    uint32_t page_count; /* 0: not kept */
    uint32_t pages[];
};

struct cache {
    unsigned char *memory; /* page_count pages; NULL: none */
    size_t page_count;
    pthread_mutex_t lock;
    pthread_cond_t loaded; /* some load is over */
    /* Protected by lock: */
    uint32_t *free_pages; /* a stack */
    size_t free_count;
    size_t idle_pages;
    struct cache_item *newest, *oldest; /* idle ones */
};

int cache_new(uint64_t size, struct cache **ret, struct error *err)
{
    _cleanup_(cache_freep) struct cache *c = calloc(1, sizeof(*c));
    size_t count = (size_t)(size / CACHE_PAGE);

    if (!c)
        return error_memory(err);
    pthread_mutex_init(&c->lock, NULL);
    pthread_cond_init(&c->loaded, NULL);
    if (count >= UINT32_MAX)
        return error_set(err, ERR_INPUT, "a cache of %llu bytes is too large",
                         (unsigned long long)size);
    c->free_pages = calloc(count + 1, sizeof(*c->free_pages));
    if (!c->free_pages)
        return error_memory(err);
    if (count > 0) {
        void *memory = mmap(NULL, count * CACHE_PAGE, PROT_READ | PROT_WRITE,
                            MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

        if (memory == MAP_FAILED)
            return error_errno(err, errno, "no room for a cache of %llu bytes",
                               (unsigned long long)size);
        c->memory = memory;
        c->page_count = count;
    }
    /* The first pages are given out first: the others stay untouched. */
    while (c->free_count < count) {
        c->free_pages[c->free_count] = (uint32_t)(count - 1 - c->free_count);
        c->free_count++;
    }
    *ret = take(c);
    return 0;
}

void cache_free(struct cache *c)
{
    if (!c)
        return;
    while (c->newest) {
        struct cache_item *item = c->newest;

        c->newest = item->older;
        free(item);
    }
    if (c->memory)
        munmap(c->memory, c->page_count * CACHE_PAGE);
    free(c->free_pages);
    pthread_cond_destroy(&c->loaded);
    pthread_mutex_destroy(&c->lock);
    free(c);
}

void cache_freep(struct cache **c)
{
    cache_free(*c);
}

static void list_add(struct cache *c, struct cache_item *item)
{
    item->newer = NULL;
    item->older = c->newest;
    if (c->newest)
        c->newest->newer = item;
    else
        c->oldest = item;
    c->newest = item;
    c->idle_pages += item->page_count;
}

static void list_remove(struct cache *c, struct cache_item *item)
{
    if (item->newer)
        item->newer->older = item->older;
    else
        c->newest = item->older;
    if (item->older)
        item->older->newer = item->newer;
    else
        c->oldest = item->newer;
    c->idle_pages -= item->page_count;
}

/* Give back what the item holds, and forget it. */
static void forget(struct cache *c, struct cache_item *item)
{
    for (uint32_t i = 0; i < item->page_count; i++)
        c->free_pages[c->free_count++] = item->pages[i];
    *item->place = NULL;
    free(item);
}

/* Make `count` pages free, if that is possible at all. */
static bool make_room(struct cache *c, size_t count)
{
    if (c->free_count + c->idle_pages < count)
        return false;
    while (c->free_count < count) {
        struct cache_item *item = c->oldest;

        list_remove(c, item);
        forget(c, item);
    }
    return true;
}

static struct cache_item *add_item(struct cache *c, struct cache_item **place,
                                   size_t length)
{
    size_t count = (length + CACHE_PAGE - 1) / CACHE_PAGE;
    struct cache_item *item = NULL;

    if (!make_room(c, count))
        count = 0;
    item = calloc(1, sizeof(*item) + count * sizeof(item->pages[0]));
    if (!item)
        return NULL;
    item->place = place;
    item->loading = true;
    while (item->page_count < count)
        item->pages[item->page_count++] = c->free_pages[--c->free_count];
    *place = item;
    return item;
}

static struct cache_item *pin(struct cache *c, struct cache_item *item)
{
    if (item->pins++ == 0)
        list_remove(c, item);
    return item;
}

int cache_ask(struct cache *c, struct cache_item **place, size_t length,
              struct cache_item **ret, struct error *err)
{
    LOCK_SCOPE(&c->lock);

    while (*place && (*place)->loading)
        pthread_cond_wait(&c->loaded, &c->lock);
    if (*place) {
        *ret = pin(c, *place);
        return CACHE_HIT;
    }
    *ret = add_item(c, place, length);
    return *ret ? CACHE_MISS : error_memory(err);
}

int cache_peek(struct cache *c, struct cache_item *const *place,
               struct cache_item **ret)
{
    LOCK_SCOPE(&c->lock);

    if (!*place || (*place)->loading)
        return CACHE_MISS;
    *ret = pin(c, *place);
    return CACHE_HIT;
}

void cache_release(struct cache *c, struct cache_item *item)
{
    LOCK_SCOPE(&c->lock);

    if (--item->pins == 0)
        list_add(c, item);
}

void cache_loaded(struct cache *c, struct cache_item *item, bool good)
{
    LOCK_SCOPE(&c->lock);

    item->loading = false;
    if (good && item->page_count > 0)
        list_add(c, item);
    else
        forget(c, item);
    pthread_cond_broadcast(&c->loaded);
}

/* The part of a page that a range begins with: at `offset`, at most `length`.
 */
static unsigned char *part_of(const struct cache *c,
                              const struct cache_item *item, size_t offset,
                              size_t *length)
{
    size_t within = offset % CACHE_PAGE;

    *length = MIN_OF(*length, CACHE_PAGE - within);
    return c->memory + item->pages[offset / CACHE_PAGE] * CACHE_PAGE + within;
}

void cache_read(const struct cache *c, const struct cache_item *item,
                size_t offset, void *buf, size_t length)
{
    for (size_t done = 0, n = 0; done < length; done += n) {
        const unsigned char *from = NULL;

        n = length - done;
        from = part_of(c, item, offset + done, &n);
        memcpy((unsigned char *)buf + done, from, n);
    }
}

void cache_write(struct cache *c, const struct cache_item *item, size_t offset,
                 const void *bytes, size_t length)
{
    if (item->page_count == 0)
        return;
    for (size_t done = 0, n = 0; done < length; done += n) {
        unsigned char *to = NULL;

        n = length - done;
        to = part_of(c, item, offset + done, &n);
        memcpy(to, (const unsigned char *)bytes + done, n);
    }
}
