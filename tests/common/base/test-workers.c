/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* test-workers.c - base/workers: order, waiting, ending, many adders */
#include "base/workers.h"

#include <signal.h>
#include <stdatomic.h>

#include "base/log.h"
#include "check.h"

struct task {
    struct job job;
    int number;
    int *order; /* where to note it, or NULL */
    int *noted;
    _Atomic int *sum;
};

static void note(struct job *job)
{
    struct task *t = container_of(job, struct task, job);

    t->order[(*t->noted)++] = t->number;
}

/* One thread runs jobs in the order they came. */
static void test_order(void)
{
    _cleanup_error_ struct error err = ERROR_INIT;
    _cleanup_(workers_freep) struct workers *w = workers_new(1, "one", &err);
    static struct task tasks[1000];
    static int order[1000];
    int noted = 0;
    int wrong = 0;

    REQUIRE(w != NULL);
    for (int i = 0; i < 1000; i++) {
        tasks[i] = (struct task){{note, NULL}, i, order, &noted, NULL};
        workers_add(w, &tasks[i].job);
    }
    workers_wait(w);
    CHECK_EQ_INT(noted, 1000);
    for (int i = 0; i < 1000; i++)
        wrong += order[i] != i;
    CHECK_EQ_INT(wrong, 0);
    workers_wait(w); /* nothing to wait for */
}

static void add_and_free(struct job *job)
{
    struct task *t = container_of(job, struct task, job);

    atomic_fetch_add(t->sum, t->number);
    free(t);
}

struct adder {
    struct workers *w;
    _Atomic int *sum;
    pthread_t thread;
};

static void *add_many(void *opaque)
{
    struct adder *a = opaque;

    for (int i = 1; i <= 1000; i++) {
        struct task *t = calloc(1, sizeof(*t));

        if (!t)
            break;
        t->job.run = add_and_free;
        t->number = i;
        t->sum = a->sum;
        workers_add(a->w, &t->job);
    }
    return NULL;
}

/* Several add, several run, jobs free themselves, the end waits for all. */
static void test_many(void)
{
    _cleanup_error_ struct error err = ERROR_INIT;
    struct workers *w = workers_new(8, "many", &err);
    struct adder adders[6];
    _Atomic int sum = 0;

    REQUIRE(w != NULL);
    for (int i = 0; i < 6; i++) {
        adders[i].w = w;
        adders[i].sum = &sum;
        REQUIRE(thread_start(&adders[i].thread, "adder", add_many, &adders[i],
                             &err) == 0);
    }
    for (int i = 0; i < 6; i++)
        pthread_join(adders[i].thread, NULL);
    workers_free(w);
    CHECK_EQ_INT(atomic_load(&sum), 6 * 1000 * 1001 / 2);
}

struct chain {
    struct job job;
    struct workers *w;
    _Atomic int left;
};

static void run_again(struct job *job)
{
    struct chain *c = container_of(job, struct chain, job);

    if (atomic_fetch_sub(&c->left, 1) > 1)
        workers_add(c->w, job);
}

/* Jobs that add themselves again: waiting covers those too. */
static void test_again(void)
{
    _cleanup_error_ struct error err = ERROR_INIT;
    struct workers *w = workers_new(3, "again", &err);
    struct chain chains[5];

    REQUIRE(w != NULL);
    for (int i = 0; i < 5; i++) {
        chains[i].job.run = run_again;
        chains[i].w = w;
        atomic_init(&chains[i].left, 2000);
        workers_add(w, &chains[i].job);
    }
    workers_wait(w);
    for (int i = 0; i < 5; i++)
        CHECK_EQ_INT(atomic_load(&chains[i].left), 0);
    workers_free(w);
}

struct meeting {
    struct job job;
    pthread_barrier_t *barrier;
    int blocked; /* does its thread block SIGTERM? */
};

static void meet(struct job *job)
{
    struct meeting *m = container_of(job, struct meeting, job);
    sigset_t set;

    pthread_sigmask(SIG_BLOCK, NULL, &set);
    m->blocked = sigismember(&set, SIGTERM);
    pthread_barrier_wait(m->barrier);
}

/* As many at the same time as there are threads: else this never ends. */
static void test_parallel(void)
{
    _cleanup_error_ struct error err = ERROR_INIT;
    struct workers *w = workers_new(4, "parallel", &err);
    struct meeting meetings[4];
    pthread_barrier_t barrier;

    REQUIRE(w != NULL);
    pthread_barrier_init(&barrier, NULL, 4);
    for (int i = 0; i < 4; i++) {
        meetings[i] = (struct meeting){{meet, NULL}, &barrier, 0};
        workers_add(w, &meetings[i].job);
    }
    workers_free(w);
    for (int i = 0; i < 4; i++)
        CHECK_EQ_INT(meetings[i].blocked, 1);
    pthread_barrier_destroy(&barrier);
}

static void test_nothing(void)
{
    _cleanup_error_ struct error err = ERROR_INIT;

    for (int i = 0; i < 50; i++) {
        struct workers *w = workers_new(4, "idle", &err);

        REQUIRE(w != NULL);
        workers_free(w);
    }
    workers_free(NULL);
}

int main(void)
{
    RUN(test_order);
    RUN(test_many);
    RUN(test_again);
    RUN(test_parallel);
    RUN(test_nothing);
    return check_result();
}
