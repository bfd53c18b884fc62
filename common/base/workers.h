/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* workers.h - a fixed number of threads that take jobs from one queue
 *
 * First in, first out.  A job is embedded in what it works on and is found
 * again with container_of; adding one neither allocates nor fails.  Errors are
 * the job's own affair.  One mutex; states of a job: the adder's, queued,
 * running.  All threads block all signals, so that the main thread gets them.
 */
#ifndef BASE_WORKERS_H
#define BASE_WORKERS_H

#include <pthread.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "base/macro.h"

struct job {
    void (*run)(struct job *job);
    struct job *next; /* the queue's */
};

struct workers;

/* Start `count` (at least 1) threads, tagged "<name>-1" and so on in the log.
 */
must_check struct workers *workers_new(unsigned count, const char *name,
                                       struct error *err);

/* Queue a job.  Its memory must stay until it runs; nobody touches it once
 * run() was called, so run() may free it or add it again.  From any thread,
 * a worker too, but not during workers_free.
 */
void workers_add(struct workers *w, struct job *job);

/* Wait until all jobs added so far, and those they add, have run.  Not from a
 * worker.
 */
void workers_wait(struct workers *w);

/* Wait as workers_wait does, end the threads and join them.  Accepts NULL. */
void workers_free(struct workers *w);
DEFINE_CLEANUP(struct workers *, workers_free);

/* Start one thread of one's own with all signals blocked, named `name` (for
 * debuggers; run() calls log_thread itself).  The caller joins it.
 */
must_check int thread_start(pthread_t *ret, const char *name,
                            void *(*run)(void *opaque), void *opaque,
                            struct error *err);

#endif
