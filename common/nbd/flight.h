/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* flight.h - operations in flight: what status, pull and push have in common
 *
 * An operation covers a range of the export by one request after the other,
 * until all of it is done; several operations are in flight at once, over
 * several connections.  Hides who waits for what, deadlines, the stop flag and
 * trying again.  It must not know which requests are made: the user's two
 * functions say that.
 *
 * libnbd's callbacks hold its lock, so they only note the answer; what follows
 * from it happens here, afterwards.
 */
#ifndef NBD_FLIGHT_H
#define NBD_FLIGHT_H

#include <stddef.h>

#include "nbd/handle.h"

/* Trying again a request that the server failed. */
#define FLIGHT_TRIES 3

#define FLIGHT_CONNS_MAX 16

struct flight_op {
    struct flight *flight;
    struct nbd_conn *conn;
    uint64_t offset, length, done; /* the whole range; bytes done of it */
    uint64_t ask_offset;           /* the request in flight */
    uint32_t ask_length;
    bool starting;  /* libnbd is just taking the request */
    unsigned tries; /* of the request in flight */
    int errnum;     /* its answer */
    void *tag;      /* NULL: nobody fetches it when done */

    unsigned char *memory; /* borrowed: pull, push */
    unsigned char *bounce; /* owned, kept for the next one: pull */
    size_t bounce_size;
    uint64_t covered; /* bytes answered so far: pull */
    bool bounced;     /* pull */
    bool zero;        /* push */
    void *answer;     /* borrowed: status */

    enum { FLIGHT_FREE, FLIGHT_FLYING, FLIGHT_LANDED, FLIGHT_READY } state;
    struct flight_op *next;
};

struct flight_calls {
    const char *verb; /* "reading", for messages */
    /* Issue the request for what comes after `done`, with flight_landing as
     * the completion callback, and note it in ask_offset and ask_length.
     * Returns libnbd's cookie, or -1 where libnbd refused; -2 with `err`.
     */
    int64_t (*start)(struct flight_op *op, struct error *err);
    /* The server granted the request: move `done` on.  -1 with `err`. */
    int (*landed)(struct flight_op *op, struct error *err);
    /* The server failed the request for the `tries`th time with `errnum`:
     * once more?
     */
    bool (*again)(struct flight_op *op);
};

struct flight_queue {
    struct flight_op *first, *last;
};

struct flight {
    struct nbd_conn **conns; /* owned array of borrowed connections */
    size_t conn_count;
    struct flight_op *ops; /* owned */
    size_t op_count, busy;
    struct flight_queue idle, landed, ready;
    const struct flight_calls *calls;
    int io_timeout_ms;
    bool finished; /* something was finished in this poll */
    bool failed;
    /* A callback saw what no server may send: what, and in answer to what.
     * The poll ends at once, as the rest of the answer may never end.
     */
    const char *lie;
    const struct flight_op *liar;
};

must_check int flight_init(struct flight *f, struct nbd_conn *const *conns,
                           size_t count, unsigned max_in_flight,
                           int io_timeout_ms, const struct flight_calls *calls,
                           struct error *err);

/* Fails once the flight has failed. */
must_check int flight_check(const struct flight *f, struct error *err);

/* Is [offset, offset + length) inside the export, not empty, and is there
 * room?  ERR_INPUT.
 */
must_check int flight_check_range(const struct flight *f, uint64_t offset,
                                  uint64_t length, struct error *err);

/* An idle operation on the connection that owes least; NULL without room. */
struct flight_op *flight_take(struct flight *f, uint64_t offset,
                              uint64_t length, void *tag);

/* Start it.  On failure the flight has failed. */
must_check int flight_start(struct flight_op *op, struct error *err);

/* The completion callback of every request; `opaque` is the operation. */
int flight_landing(void *opaque, int *error);

/* Poll once, for at most `wait_ms` (-1: no limit), and let libnbd act: answers
 * are then in `landed`.  0, or 1: `extra_fd` is readable.  ERR_TIMEOUT,
 * ERR_STOPPED, ERR_NBD.
 */
must_check int flight_wait(struct flight *f, int extra_fd, int wait_ms,
                           struct error *err);

/* As pull_poll and pull_poll_for. */
must_check int flight_poll(struct flight *f, int extra_fd, struct error *err);
must_check int flight_poll_for(struct flight *f, int extra_fd, int wait_ms,
                               struct error *err);

/* Poll until no request is in flight.  What is ready stays so. */
must_check int flight_drain(struct flight *f, struct error *err);

/* The next operation that is ready, made idle; NULL: none.  What it was is
 * readable until the next flight_take.
 */
struct flight_op *flight_done(struct flight *f);

/* Put "reading 4096 bytes at 8192" in front.  Returns -1. */
int flight_blame(const struct flight_op *op, struct error *err);

/* Break off connections that still owe something, and free. */
void flight_end(struct flight *f);

#endif
