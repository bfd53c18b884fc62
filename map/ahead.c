/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* ahead.c - see ahead.h */
#include "ahead.h"

#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>

#include "base/workers.h"

#define THREADS 2
#define STREAMS 8
#define JOBS 4

/* How far in front of a client, and how much at a time. */
#define DISTANCE ((uint64_t)(4 * MIB))
#define STEP ((uint64_t)(1 * MIB))

/* Several requests under way do not come in order: so far from where a stream
 * has come to is still in it.  And so many make one.
 */
#define SLACK ((uint64_t)(1 * MIB))
#define READS 3

/* A client that reads in order, perhaps. */
struct stream {
    struct view *view; /* NULL: none */
    uint64_t next;     /* behind what was read */
    uint64_t loaded;   /* behind what was given to the workers */
    unsigned reads;
};

struct load {
    struct job job;
    struct ahead *ahead;
    struct view *view;
    uint64_t begin, end;
    bool busy; /* under the lock */
};

struct ahead {
    struct workers *workers;
    pthread_mutex_t lock;
    /* Protected by lock: */
    struct stream streams[STREAMS];
    size_t oldest; /* the one to go for a new one */
    struct load loads[JOBS];
};

static void run_load(struct job *job)
{
    struct load *l = container_of(job, struct load, job);

    view_load(l->view, l->begin, l->end);
    LOCK_SCOPE(&l->ahead->lock);
    l->busy = false;
}

int ahead_new(struct ahead **ret, struct error *err)
{
    _cleanup_(ahead_freep) struct ahead *a = calloc(1, sizeof(*a));

    if (!a)
        return error_memory(err);
    pthread_mutex_init(&a->lock, NULL);
    for (size_t i = 0; i < JOBS; i++) {
        a->loads[i].ahead = a;
        a->loads[i].job.run = run_load;
    }
    a->workers = workers_new(THREADS, "ahead", err);
    if (!a->workers)
        return -1;
    *ret = take(a);
    return 0;
}

void ahead_free(struct ahead *a)
{
    if (!a)
        return;
    workers_free(a->workers);
    pthread_mutex_destroy(&a->lock);
    free(a);
}

static bool is_in(const struct stream *s, const struct view *view,
                  uint64_t offset)
{
    return s->view == view && offset + SLACK >= s->next &&
           offset <= s->next + SLACK;
}

/* The stream that the read belongs to; a new one if there is none. */
static struct stream *stream_of(struct ahead *a, struct view *view,
                                uint64_t offset)
{
    struct stream *s = NULL;

    for (size_t i = 0; i < STREAMS; i++)
        if (is_in(&a->streams[i], view, offset))
            return &a->streams[i];
    s = &a->streams[a->oldest];
    a->oldest = (a->oldest + 1) % STREAMS;
    *s = (struct stream){.view = view, .next = offset};
    return s;
}

static struct load *idle_load(struct ahead *a)
{
    for (size_t i = 0; i < JOBS; i++)
        if (!a->loads[i].busy)
            return &a->loads[i];
    return NULL;
}

void ahead_note(struct ahead *a, struct view *view, uint64_t offset,
                uint64_t length)
{
    struct stream *s = NULL;
    struct load *l = NULL;
    uint64_t end = 0;

    LOCK_SCOPE(&a->lock);
    s = stream_of(a, view, offset);
    s->next = MAX_OF(s->next, offset + length);
    s->loaded = MAX_OF(s->loaded, s->next);
    if (++s->reads < READS)
        return;
    end = MIN_OF(s->next + DISTANCE, view_size(view));
    while (s->loaded < end && (l = idle_load(a))) {
        l->view = view;
        l->begin = s->loaded;
        l->end = s->loaded = MIN_OF(s->loaded + STEP, view_size(view));
        l->busy = true;
        workers_add(a->workers, &l->job);
    }
}
