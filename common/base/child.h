/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* child.h - the inside of struct child, for spawn.c, launch.c and child.c only
 */
#ifndef BASE_CHILD_H
#define BASE_CHILD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/error.h"
#include "base/macro.h"
#include "base/spawn.h"

struct child {
    char *name; /* argv[0], for messages */
    pid_t pid;
    int pid_fd;
    int in_fd;  /* our end of its stdin, or -1 */
    int out_fd; /* our end of its stdout, or -1 */
    int err_fd; /* the file its stderr goes to */
    bool reaped;
    int status; /* as of waitpid, once reaped */
};

must_check struct child *child_new(const char *name, struct error *err);

/* Fork and run `req` with these descriptors as 0, 1 and c->err_fd as 2; returns
 * when the program runs, or with the reason why it does not.
 */
must_check int child_launch(struct child *c, const struct spawn_request *req,
                            int in_fd, int out_fd, struct error *err);

/* Collect its status if it has ended; with `hang` wait for the end. */
void child_reap(struct child *c, bool hang);

/* 0 for an ended child with status 0, or the reason why it ended otherwise. */
must_check int child_verdict(const struct child *c, struct error *err);

/* A deadline of `timeout_ms` from now (-1: none, -1), and the milliseconds to
 * it, for poll.
 */
int64_t deadline_after(int timeout_ms);
int deadline_rest(int64_t deadline);

#endif
