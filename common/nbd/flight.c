/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* flight.c - see flight.h */
#include "nbd/flight.h"

#include <inttypes.h>
#include <string.h>

#include "base/clock.h"

#define IN_FLIGHT_MAX 256

static void queue_put(struct flight_queue *q, struct flight_op *op)
{
    op->next = NULL;
    if (q->last)
        q->last->next = op;
    else
        q->first = op;
    q->last = op;
}

static struct flight_op *queue_get(struct flight_queue *q)
{
    struct flight_op *op = q->first;

    if (op) {
        q->first = op->next;
        if (!q->first)
            q->last = NULL;
        op->next = NULL;
    }
    return op;
}

int flight_init(struct flight *f, struct nbd_conn *const *conns, size_t count,
                unsigned max_in_flight, int io_timeout_ms,
                const struct flight_calls *calls, struct error *err)
{
    *f = (struct flight){.calls = calls, .io_timeout_ms = io_timeout_ms};
    if (count < 1 || count > FLIGHT_CONNS_MAX || max_in_flight < 1 ||
        max_in_flight > IN_FLIGHT_MAX)
        return error_set(err, ERR_INPUT,
                         "%zu connections with %u requests in flight each "
                         "make no sense",
                         count, max_in_flight);
    for (size_t i = 0; i < count; i++) {
        if (conns[i]->size != conns[0]->size)
            return error_set(err, ERR_NBD,
                             "%s: two connections see exports of %" PRIu64
                             " and %" PRIu64 " bytes",
                             conns[i]->name, conns[0]->size, conns[i]->size);
        if (!conns[i]->handle || conns[i]->owed > 0)
            return error_set(err, ERR_NBD, "%s: the connection is %s",
                             conns[i]->name,
                             conns[i]->handle ? "in use" : "closed");
    }
    f->conns = calloc(count, sizeof(struct nbd_conn *));
    f->ops = calloc(count * max_in_flight, sizeof(*f->ops));
    if (!f->conns || !f->ops)
        return error_memory(err);
    memcpy(f->conns, conns, count * sizeof(struct nbd_conn *));
    f->conn_count = count;
    f->op_count = count * max_in_flight;
    for (size_t i = 0; i < f->op_count; i++) {
        f->ops[i].flight = f;
        queue_put(&f->idle, &f->ops[i]);
    }
    return 0;
}

int flight_check(const struct flight *f, struct error *err)
{
    if (f->failed)
        return error_set(err, ERR_NBD, "%s: %s failed before",
                         f->conns[0]->name, f->calls->verb);
    return 0;
}

int flight_check_range(const struct flight *f, uint64_t offset, uint64_t length,
                       struct error *err)
{
    uint64_t size = f->conns[0]->size;

    if (flight_check(f, err) < 0)
        return -1;
    if (!f->idle.first)
        return error_set(err, ERR_INPUT, "%s: no room for another request",
                         f->calls->verb);
    if (length == 0 || length > size || offset > size - length)
        return error_set(err, ERR_INPUT,
                         "%s %" PRIu64 " bytes at %" PRIu64
                         ": not inside the export of %" PRIu64 " bytes",
                         f->calls->verb, length, offset, size);
    return 0;
}

int flight_blame(const struct flight_op *op, struct error *err)
{
    if (op->ask_length == 0)
        return error_prefix(err, "%s %s", op->flight->calls->verb,
                            op->conn->name);
    return error_prefix(err, "%s %" PRIu32 " bytes at %" PRIu64 " of %s",
                        op->flight->calls->verb, op->ask_length, op->ask_offset,
                        op->conn->name);
}

struct flight_op *flight_take(struct flight *f, uint64_t offset,
                              uint64_t length, void *tag)
{
    struct flight_op *op = queue_get(&f->idle);
    struct nbd_conn *conn = f->conns[0];

    if (!op)
        return NULL;
    for (size_t i = 1; i < f->conn_count; i++)
        if (f->conns[i]->owed < conn->owed)
            conn = f->conns[i];
    op->conn = conn;
    op->offset = offset;
    op->length = length;
    op->done = 0;
    op->tries = 0;
    op->tag = tag;
    f->busy++;
    return op;
}

int flight_start(struct flight_op *op, struct error *err)
{
    struct nbd_conn *conn = op->conn;
    int64_t cookie = -1;

    if (conn->owed == 0)
        conn->moved_ms = conn->answered_ms = clock_ms();
    op->errnum = 0;
    op->state = FLIGHT_FLYING;
    conn->owed++;
    op->starting = true;
    cookie = op->flight->calls->start(op, err);
    op->starting = false;
    if (cookie < 0) {
        /* Never sent: nothing will land. */
        conn->owed--;
        op->state = FLIGHT_FREE;
        op->flight->failed = true;
        if (cookie == -1)
            handle_error(err, "the request was not sent");
        return flight_blame(op, err);
    }
    if (op->state == FLIGHT_LANDED) /* see flight_landing */
        (void)!nbd_aio_command_completed(conn->handle, (uint64_t)cookie);
    return 0;
}

int flight_landing(void *opaque, int *error)
{
    struct flight_op *op = opaque;

    op->errnum = *error;
    op->state = FLIGHT_LANDED;
    op->conn->owed--;
    op->conn->answered_ms = clock_ms();
    queue_put(&op->flight->landed, op);
    /* Retire the command; but libnbd (1.14) still looks at it after a
     * connection broke while it took it: then it is retired afterwards.
     */
    return op->starting ? 0 : 1;
}

/* Act on one answer. */
static int settle(struct flight_op *op, struct error *err)
{
    struct flight *f = op->flight;

    if (op->errnum) {
        bool dead = nbd_aio_is_dead(op->conn->handle) == 1 ||
                    nbd_aio_is_closed(op->conn->handle) == 1;

        op->tries++;
        if (!dead && f->calls->again(op))
            return flight_start(op, err);
        error_set_code(err, ERR_NBD, op->errnum, "%s%s%s",
                       dead ? "the connection broke: " : "",
                       strerrordesc_np(op->errnum) ? strerrordesc_np(op->errnum)
                                                   : "unknown error",
                       op->tries > 1 ? ", also when tried again" : "");
        return flight_blame(op, err);
    }
    op->tries = 0;
    if (f->calls->landed(op, err) < 0)
        return flight_blame(op, err);
    if (op->done < op->length)
        return flight_start(op, err);
    f->finished = true;
    if (op->tag) {
        op->state = FLIGHT_READY;
        queue_put(&f->ready, op);
    } else {
        op->state = FLIGHT_FREE;
        queue_put(&f->idle, op);
        f->busy--;
    }
    return 0;
}

static int settle_all(struct flight *f, struct error *err)
{
    struct flight_op *op = NULL;

    while ((op = queue_get(&f->landed)))
        if (settle(op, err) < 0)
            return -1;
    return 0;
}

static int poll_steps(struct flight *f, int extra_fd, int wait_ms,
                      struct error *err)
{
    int64_t end = clock_ms() + wait_ms;
    int left = wait_ms;

    f->finished = false;
    for (;;) {
        int outcome = 0;

        if (settle_all(f, err) < 0)
            return -1;
        if (f->finished || f->ready.first)
            return 0;
        if ((f->busy == 0 && extra_fd < 0) || left == 0)
            return 0;
        outcome = flight_wait(f, extra_fd, left, err);
        if (outcome < 0)
            return -1;
        if (outcome == 1)
            return settle_all(f, err) < 0 ? -1 : 1;
        if (wait_ms >= 0)
            left = (int)MAX_OF(end - clock_ms(), 0);
    }
}

int flight_poll_for(struct flight *f, int extra_fd, int wait_ms,
                    struct error *err)
{
    int outcome = 0;

    if (flight_check(f, err) < 0)
        return -1;
    outcome = poll_steps(f, extra_fd, wait_ms, err);
    if (outcome < 0)
        f->failed = true;
    return outcome;
}

int flight_poll(struct flight *f, int extra_fd, struct error *err)
{
    return flight_poll_for(f, extra_fd, -1, err);
}

static int drain_steps(struct flight *f, struct error *err)
{
    for (;;) {
        size_t owed = 0;

        if (settle_all(f, err) < 0)
            return -1;
        for (size_t i = 0; i < f->conn_count; i++)
            owed += f->conns[i]->owed;
        if (owed == 0)
            return 0;
        if (flight_wait(f, -1, -1, err) < 0)
            return -1;
    }
}

int flight_drain(struct flight *f, struct error *err)
{
    if (flight_check(f, err) < 0)
        return -1;
    if (drain_steps(f, err) < 0) {
        f->failed = true;
        return -1;
    }
    return 0;
}

struct flight_op *flight_done(struct flight *f)
{
    struct flight_op *op = queue_get(&f->ready);

    if (op) {
        op->state = FLIGHT_FREE;
        queue_put(&f->idle, op);
        f->busy--;
    }
    return op;
}

void flight_end(struct flight *f)
{
    for (size_t i = 0; i < f->conn_count; i++)
        if (f->conns[i]->owed > 0 || f->failed)
            handle_break(f->conns[i]);
    for (size_t i = 0; i < f->op_count; i++)
        free(f->ops[i].bounce);
    free(f->ops);
    free(f->conns);
    *f = (struct flight){0};
}
