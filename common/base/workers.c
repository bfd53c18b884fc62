/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* workers.c - see workers.h; hides the queue and its conditions */
#include "base/workers.h"

#include <errno.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/log.h"

struct workers {
    pthread_mutex_t mutex;
    pthread_cond_t work; /* a job was queued, or the end has come */
    pthread_cond_t idle; /* nothing is queued or running any more */

    /* Under the mutex: */
    struct job *first;
    struct job **last; /* where the next job's address goes */
    unsigned running;
    unsigned named; /* threads that have taken a number */
    bool ending;

    char name[32];
    unsigned count;
    pthread_t threads[];
};

int thread_start(pthread_t *ret, const char *name, void *(*run)(void *opaque),
                 void *opaque, struct error *err)
{
    char shortened[16]; /* what the kernel takes */
    sigset_t all;
    sigset_t old;
    int r;

    sigfillset(&all);
    /* A crash must still be one, in the thread that crashed. */
    sigdelset(&all, SIGSEGV);
    sigdelset(&all, SIGBUS);
    sigdelset(&all, SIGFPE);
    sigdelset(&all, SIGILL);
    sigdelset(&all, SIGABRT);
    pthread_sigmask(SIG_SETMASK, &all, &old);
    r = pthread_create(ret, NULL, run, opaque);
    pthread_sigmask(SIG_SETMASK, &old, NULL);
    if (r != 0)
        return error_errno(err, r, "starting thread '%s'", name);
    snprintf(shortened, sizeof(shortened), "%s", name);
    pthread_setname_np(*ret, shortened);
    return 0;
}

static void *worker(void *opaque)
{
    struct workers *w = opaque;
    char tag[48];

    LOCK_SCOPE(&w->mutex);
    snprintf(tag, sizeof(tag), "%s-%u", w->name, ++w->named);
    log_thread(tag);
    for (;;) {
        struct job *job;

        while (!w->first && !w->ending)
            pthread_cond_wait(&w->work, &w->mutex);
        job = w->first;
        if (!job)
            return NULL;
        w->first = job->next;
        if (!w->first)
            w->last = &w->first;
        w->running++;
        pthread_mutex_unlock(&w->mutex);
        job->run(job);
        pthread_mutex_lock(&w->mutex);
        w->running--;
        if (!w->running && !w->first)
            pthread_cond_broadcast(&w->idle);
    }
}

struct workers *workers_new(unsigned count, const char *name, struct error *err)
{
    _cleanup_(workers_freep) struct workers *w = NULL;

    if (count == 0)
        count = 1;
    w = calloc(1, sizeof(*w) + count * sizeof(w->threads[0]));
    if (!w) {
        error_memory(err);
        return NULL;
    }
    pthread_mutex_init(&w->mutex, NULL);
    pthread_cond_init(&w->work, NULL);
    pthread_cond_init(&w->idle, NULL);
    w->last = &w->first;
    snprintf(w->name, sizeof(w->name), "%s", name);
    for (; w->count < count; w->count++) {
        if (thread_start(&w->threads[w->count], name, worker, w, err) < 0)
            return NULL;
    }
    return take(w);
}

void workers_add(struct workers *w, struct job *job)
{
    LOCK_SCOPE(&w->mutex);
    job->next = NULL;
    *w->last = job;
    w->last = &job->next;
    pthread_cond_signal(&w->work);
}

void workers_wait(struct workers *w)
{
    LOCK_SCOPE(&w->mutex);
    while (w->first || w->running)
        pthread_cond_wait(&w->idle, &w->mutex);
}

void workers_free(struct workers *w)
{
    if (!w)
        return;
    workers_wait(w);
    {
        LOCK_SCOPE(&w->mutex);
        w->ending = true;
        pthread_cond_broadcast(&w->work);
    }
    for (unsigned i = 0; i < w->count; i++)
        pthread_join(w->threads[i], NULL);
    pthread_cond_destroy(&w->idle);
    pthread_cond_destroy(&w->work);
    pthread_mutex_destroy(&w->mutex);
    free(w);
}
