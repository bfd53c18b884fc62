/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* patience.c - see patience.h; a table of slots, without a lock */
#include "base/patience.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>
#include <time.h>

#include "base/clock.h"
#include "base/stop.h"
#include "base/workers.h"

/* More threads than this at a time are not looked after. */
#define SLOTS 128
#define LOOK_MS 200
#define ASLEEP_MS 2000

struct slot {
    _Atomic long long since_ms; /* 0: free, -1: being taken */
    _Atomic(const char *) what;
};

static struct slot slots[SLOTS];

int patience_begin(const char *what)
{
    for (int i = 0; i < SLOTS; i++) {
        long long none = 0;

        if (atomic_load_explicit(&slots[i].since_ms, memory_order_relaxed) ==
                0 &&
            atomic_compare_exchange_strong(&slots[i].since_ms, &none, -1)) {
            atomic_store(&slots[i].what, what);
            atomic_store(&slots[i].since_ms, MAX_OF(clock_ms(), 1));
            return i;
        }
    }
    return -1;
}

void patience_end(int slot)
{
    int saved = errno;

    if (slot >= 0)
        atomic_store(&slots[slot].since_ms, 0);
    errno = saved;
}

int patience_longest(const char **ret_what)
{
    long long now = clock_ms(), longest = 0;

    *ret_what = NULL;
    for (int i = 0; i < SLOTS; i++) {
        long long since = atomic_load(&slots[i].since_ms);

        if (since > 0 && now - since > longest) {
            longest = now - since;
            *ret_what = atomic_load(&slots[i].what);
        }
    }
    return (int)MIN_OF(longest, 1LL << 30);
}

struct patience_watch {
    pthread_t thread;
    bool running;
    pthread_mutex_t mutex;
    pthread_cond_t changed;
    bool stop; /* under the mutex */
    int limit_ms;
    void (*give_up)(void *opaque, const char *what, int ms);
    void *opaque;
};

/* Wait a little; true: it is over. */
static bool wait_stop(struct patience_watch *w)
{
    struct timespec t;

    LOCK_SCOPE(&w->mutex);
    clock_gettime(CLOCK_MONOTONIC, &t);
    t.tv_nsec += LOOK_MS * 1000000L;
    t.tv_sec += t.tv_nsec / 1000000000L;
    t.tv_nsec %= 1000000000L;
    while (!w->stop &&
           pthread_cond_timedwait(&w->changed, &w->mutex, &t) != ETIMEDOUT)
        ;
    return w->stop;
}

static void *watch(void *opaque)
{
    struct patience_watch *w = opaque;
    long long looked = clock_ms(), awake = looked;

    while (!wait_stop(w)) {
        const char *what = NULL;
        long long now = clock_ms();
        int ms = patience_longest(&what);
        int limit = stop_requested() ? MIN_OF(w->limit_ms, PATIENCE_STOPPED_MS)
                                     : w->limit_ms;

        /* Were we stopped ourselves (Ctrl-Z)?  That time does not count. */
        if (now - looked > ASLEEP_MS)
            awake = now;
        looked = now;
        if (ms > limit && now - awake > limit) {
            w->give_up(w->opaque, what, ms);
            return NULL;
        }
    }
    return NULL;
}

static int watch_begin(struct patience_watch *w, struct error *err)
{
    w->stop = false;
    if (thread_start(&w->thread, "patience", watch, w, err) < 0)
        return -1;
    w->running = true;
    return 0;
}

static void watch_end(struct patience_watch *w)
{
    if (!w->running)
        return;
    {
        LOCK_SCOPE(&w->mutex);
        w->stop = true;
        pthread_cond_signal(&w->changed);
    }
    pthread_join(w->thread, NULL);
    w->running = false;
}

static void watch_free(struct patience_watch *w)
{
    pthread_cond_destroy(&w->changed);
    pthread_mutex_destroy(&w->mutex);
    free(w);
}

int patience_watch(int limit_ms,
                   void (*give_up)(void *opaque, const char *what, int ms),
                   void *opaque, struct patience_watch **ret, struct error *err)
{
    struct patience_watch *w = calloc(1, sizeof(*w));
    pthread_condattr_t attr;

    if (!w)
        return error_memory(err);
    w->limit_ms = limit_ms;
    w->give_up = give_up;
    w->opaque = opaque;
    pthread_mutex_init(&w->mutex, NULL);
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_cond_init(&w->changed, &attr);
    pthread_condattr_destroy(&attr);
    if (watch_begin(w, err) < 0) {
        watch_free(w);
        return -1;
    }
    *ret = w;
    return 0;
}

int patience_watch_renew(struct patience_watch *w, struct error *err)
{
    if (!w)
        return 0;
    watch_end(w);
    return watch_begin(w, err);
}

void patience_watch_stop(struct patience_watch *w)
{
    if (!w)
        return;
    watch_end(w);
    watch_free(w);
}
