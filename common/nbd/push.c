/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* push.c - see push.h */
#include "nbd/push.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "nbd/flight.h"

/* Zeroes have no payload, so a server takes more than the longest write; but
 * one that really writes them must still answer before the deadline.
 */
#define ZERO_MAX ((uint32_t)(256 * MIB))

/* For servers that cannot zero: written again and again. */
#define ZEROES_SIZE ((uint32_t)(1 * MIB))

struct push {
    struct flight flight; /* first: an operation's flight is its push */
    uint32_t zero_max;    /* longest zero request; shrinks if refused */
    bool can_zero;
    unsigned char *zeroes; /* ZEROES_SIZE of them, or NULL */
};

static struct push *push_of(struct flight_op *op)
{
    return container_of(op->flight, struct push, flight);
}

static int64_t write_start(struct flight_op *op, struct error *err)
{
    nbd_completion_callback landing = {.callback = flight_landing,
                                       .user_data = op};
    struct nbd_handle *h = op->conn->handle;
    struct push *p = push_of(op);
    uint64_t left = op->length - op->done;
    uint32_t max = op->conn->request_max;

    (void)err;
    if (op->zero)
        max = p->can_zero ? p->zero_max : MIN_OF(max, ZEROES_SIZE);
    op->ask_offset = op->offset + op->done;
    op->ask_length = (uint32_t)MIN_OF(left, max);
    if (op->zero && p->can_zero)
        return nbd_aio_zero(h, op->ask_length, op->ask_offset, landing, 0);
    return nbd_aio_pwrite(h, op->zero ? p->zeroes : op->memory + op->done,
                          op->ask_length, op->ask_offset, landing, 0);
}

static int write_landed(struct flight_op *op, struct error *err)
{
    (void)err;
    op->done += op->ask_length;
    return 0;
}

/* Only zeroes longer than a write may be: some servers have that limit for
 * every request.
 */
static bool write_again(struct flight_op *op)
{
    struct push *p = push_of(op);

    if (!op->zero || op->ask_length <= op->conn->request_max ||
        (op->errnum != EINVAL && op->errnum != EOVERFLOW &&
         op->errnum != ERANGE))
        return false;
    p->zero_max = op->conn->request_max;
    return true;
}

static const struct flight_calls write_calls = {
    .verb = "writing",
    .start = write_start,
    .landed = write_landed,
    .again = write_again,
};

int push_new(struct nbd_conn *conn, unsigned max_in_flight, int io_timeout_ms,
             struct push **ret, struct error *err)
{
    _cleanup_(push_freep) struct push *p = calloc(1, sizeof(*p));
    uint32_t min = conn->block_min;

    if (!p)
        return error_memory(err);
    if (flight_init(&p->flight, &conn, 1, max_in_flight, io_timeout_ms,
                    &write_calls, err) < 0)
        return -1;
    if (nbd_is_read_only(conn->handle) != 0)
        return error_set(err, ERR_NBD, "%s: the export is read-only",
                         conn->name);
    p->can_zero = nbd_can_zero(conn->handle) == 1;
    p->zero_max = ZERO_MAX - ZERO_MAX % min;
    if (!p->can_zero) {
        p->zeroes = calloc(1, ZEROES_SIZE);
        if (!p->zeroes)
            return error_memory(err);
    }
    *ret = take(p);
    return 0;
}

size_t push_room(const struct push *p)
{
    return p->flight.op_count - p->flight.busy;
}

size_t push_busy(const struct push *p)
{
    return p->flight.busy;
}

/* An operation of the range, if the server can do it. */
static struct flight_op *push_take(struct push *p, uint64_t offset,
                                   uint64_t length, void *tag,
                                   struct error *err)
{
    const struct nbd_conn *conn = p->flight.conns[0];
    uint64_t min = conn->block_min;

    if (flight_check_range(&p->flight, offset, length, err) < 0)
        return NULL;
    if (offset % min || (length % min && offset + length != conn->size)) {
        error_set(err, ERR_INPUT,
                  "writing %" PRIu64 " bytes at %" PRIu64
                  ": %s takes multiples of %" PRIu64 " bytes only",
                  length, offset, conn->name, min);
        return NULL;
    }
    return flight_take(&p->flight, offset, length, tag);
}

int push_write(struct push *p, uint64_t offset, const void *buf, size_t length,
               void *tag, struct error *err)
{
    struct flight_op *op = push_take(p, offset, length, tag, err);

    if (!op)
        return -1;
    /* Only nbd_aio_pwrite sees it, which does not write to it. */
    op->memory = (unsigned char *)(uintptr_t)buf;
    op->zero = false;
    return flight_start(op, err);
}

int push_zero(struct push *p, uint64_t offset, uint64_t length,
              struct error *err)
{
    struct flight_op *op = push_take(p, offset, length, NULL, err);

    if (!op)
        return -1;
    op->memory = NULL;
    op->zero = true;
    return flight_start(op, err);
}

int push_poll(struct push *p, int extra_fd, struct error *err)
{
    return flight_poll(&p->flight, extra_fd, err);
}

void *push_done(struct push *p)
{
    struct flight_op *op = flight_done(&p->flight);

    return op ? op->tag : NULL;
}

int push_drain(struct push *p, struct error *err)
{
    return flight_drain(&p->flight, err);
}

static int64_t flush_start(struct flight_op *op, struct error *err)
{
    nbd_completion_callback landing = {.callback = flight_landing,
                                       .user_data = op};

    (void)err;
    return nbd_aio_flush(op->conn->handle, landing, 0);
}

/* One request without a range; a failure of it is final. */
static int flush_landed(struct flight_op *op, struct error *err)
{
    (void)err;
    op->done = op->length;
    return 0;
}

static bool flush_again(struct flight_op *op)
{
    (void)op;
    return false;
}

static const struct flight_calls flush_calls = {
    .verb = "flushing",
    .start = flush_start,
    .landed = flush_landed,
    .again = flush_again,
};

int push_flush(struct push *p, struct error *err)
{
    struct nbd_conn *conn = p->flight.conns[0];
    struct flight flush = {0};
    struct flight_op *op = NULL;
    int outcome = 0;

    if (push_drain(p, err) < 0)
        return -1;
    if (!nbd_conn_can_flush(conn))
        return error_set(err, ERR_NBD,
                         "%s: the server cannot flush what was written",
                         conn->name);
    outcome = flight_init(&flush, &conn, 1, 1, p->flight.io_timeout_ms,
                          &flush_calls, err);
    if (outcome == 0) {
        op = flight_take(&flush, 0, 1, NULL);
        outcome = flight_start(op, err);
    }
    if (outcome == 0)
        outcome = flight_drain(&flush, err);
    p->flight.failed = outcome < 0;
    flight_end(&flush);
    return outcome;
}

void push_free(struct push *p)
{
    if (!p)
        return;
    flight_end(&p->flight);
    free(p->zeroes);
    free(p);
}
