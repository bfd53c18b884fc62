/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* segment.c - see segment.h; one mapping, one mutex, one eventfd */
#include "base/segment.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <unistd.h>

struct segment_pool {
    pthread_mutex_t mutex;
    int event_fd;
    unsigned char *memory;
    size_t memory_size;
    size_t count;
    size_t free_count;    /* under the mutex */
    struct segment *free; /* under the mutex */
    bool signalled;       /* under the mutex: event_fd is readable */
    struct segment segments[];
};

struct segment_pool *segment_pool_new(size_t count, size_t size,
                                      struct error *err)
{
    _cleanup_(segment_pool_freep) struct segment_pool *pool = NULL;
    size_t bytes;
    size_t total;

    if (count == 0 || size == 0 ||
        __builtin_add_overflow(size, SEGMENT_ALIGN - 1, &size) ||
        __builtin_mul_overflow(count, size &= ~(size_t)(SEGMENT_ALIGN - 1),
                               &total) ||
        __builtin_mul_overflow(count, sizeof(struct segment), &bytes) ||
        __builtin_add_overflow(bytes, sizeof(*pool), &bytes)) {
        error_set(err, ERR_INPUT, "making buffers: impossible sizes");
        return NULL;
    }
    pool = calloc(1, bytes);
    if (!pool) {
        error_memory(err);
        return NULL;
    }
    pthread_mutex_init(&pool->mutex, NULL);
    pool->event_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (pool->event_fd < 0) {
        error_errno(err, errno, "creating an eventfd");
        return NULL;
    }
    pool->memory = mmap(NULL, total, PROT_READ | PROT_WRITE,
                        MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (pool->memory == MAP_FAILED) {
        pool->memory = NULL;
        error_errno(err, errno, "allocating %zu bytes of buffers", total);
        return NULL;
    }
    pool->memory_size = total;
    pool->count = count;
    pool->free_count = count;
    for (size_t i = count; i-- > 0;) {
        struct segment *s = &pool->segments[i];

        s->data = pool->memory + i * size;
        s->size = size;
        s->index = i;
        s->next = pool->free;
        pool->free = s;
    }
    return take(pool);
}

struct segment *segment_take(struct segment_pool *pool)
{
    struct segment *s;
    uint64_t value;

    LOCK_SCOPE(&pool->mutex);
    s = pool->free;
    if (!s) {
        if (pool->signalled && read(pool->event_fd, &value, sizeof(value)) > 0)
            pool->signalled = false;
        return NULL;
    }
    pool->free = s->next;
    pool->free_count--;
    s->used = 0;
    s->offset = 0;
    s->owner = NULL;
    s->job = (struct job){NULL, NULL};
    s->next = NULL;
    return s;
}

void segment_give(struct segment_pool *pool, struct segment *segment)
{
    uint64_t one = 1;

    LOCK_SCOPE(&pool->mutex);
    segment->next = pool->free;
    pool->free = segment;
    pool->free_count++;
    if (!pool->signalled && write(pool->event_fd, &one, sizeof(one)) > 0)
        pool->signalled = true;
}

int segment_pool_fd(const struct segment_pool *pool)
{
    return pool->event_fd;
}

bool segment_pool_idle(struct segment_pool *pool)
{
    LOCK_SCOPE(&pool->mutex);
    return pool->free_count == pool->count;
}

void segment_pool_free(struct segment_pool *pool)
{
    if (!pool)
        return;
    if (pool->memory)
        munmap(pool->memory, pool->memory_size);
    closep(&pool->event_fd);
    pthread_mutex_destroy(&pool->mutex);
    free(pool);
}
