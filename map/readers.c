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
    struct reader *idle[READERS_MAX]; /* a stack */
    size_t idle_count;
    size_t count; /* idle or not */
};

static void reader_free(struct reader *reader)
{
    record_reader_free(reader->records);
    codec_block_free(reader->blocks);
    free(reader->stored);
    free(reader->plain);
    free(reader);
}

static int reader_new(struct reader **ret, struct error *err)
{
    struct reader *reader = calloc(1, sizeof(*reader));

    if (!reader)
        return error_memory(err);
    reader->stored = malloc(CODEC_BLOCK_SIZE + CODEC_BLOCK_EXTRA);
    reader->plain = malloc(CODEC_BLOCK_SIZE);
    if (!reader->stored || !reader->plain
            ? error_memory(err) < 0
            : record_reader_new(&reader->records, err) < 0 ||
                  codec_block_new(&reader->blocks, err) < 0) {
        reader_free(reader);
        return -1;
    }
    *ret = reader;
    return 0;
}

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
        reader_free(r->idle[--r->idle_count]);
    pthread_cond_destroy(&r->returned);
    pthread_mutex_destroy(&r->lock);
    free(r);
}

void readers_freep(struct readers **r)
{
    readers_free(*r);
}

int readers_take(struct readers *r, struct reader **ret, struct error *err)
{
    LOCK_SCOPE(&r->lock);

    while (r->idle_count == 0 && r->count == READERS_MAX)
        pthread_cond_wait(&r->returned, &r->lock);
    if (r->idle_count > 0) {
        *ret = r->idle[--r->idle_count];
        return 0;
    }
    if (reader_new(ret, err) < 0)
        return -1;
    r->count++;
    return 0;
}

void readers_return(struct readers *r, struct reader *reader)
{
    LOCK_SCOPE(&r->lock);

    r->idle[r->idle_count++] = reader;
    pthread_cond_signal(&r->returned);
}
