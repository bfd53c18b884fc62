/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* readers.c - see readers.h */
#include "readers.h"

#include <pthread.h>
#include <stdlib.h>

#include "base/cleanup.h"

struct readers {
    pthread_mutex_t lock;
    pthread_cond_t returned;
    /* Protected by lock: */
    struct record_reader *idle[READERS_MAX]; /* a stack */
    size_t idle_count;
    size_t count; /* idle or not */
};

int readers_new(struct readers **ret, struct error *err)
{
    struct readers *r = calloc(1, sizeof(*r));

    if (!r)
        return error_memory(err);
    pthread_mutex_init(&r->lock, NULL);
    pthread_cond_init(&r->returned, NULL);
    *ret = r;
    return 0;
}

void readers_free(struct readers *r)
{
    if (!r)
        return;
    while (r->idle_count > 0)
        record_reader_free(r->idle[--r->idle_count]);
    pthread_cond_destroy(&r->returned);
    pthread_mutex_destroy(&r->lock);
    free(r);
}

void readers_freep(struct readers **r)
{
    readers_free(*r);
}

int readers_take(struct readers *r, struct record_reader **ret,
                 struct error *err)
{
    LOCK_SCOPE(&r->lock);

    while (r->idle_count == 0 && r->count == READERS_MAX)
        pthread_cond_wait(&r->returned, &r->lock);
    if (r->idle_count > 0) {
        *ret = r->idle[--r->idle_count];
        return 0;
    }
    if (record_reader_new(ret, err) < 0)
        return -1;
    r->count++;
    return 0;
}

void readers_return(struct readers *r, struct record_reader *reader)
{
    LOCK_SCOPE(&r->lock);

    r->idle[r->idle_count++] = reader;
    pthread_cond_signal(&r->returned);
}
