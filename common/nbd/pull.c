/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* pull.c - see pull.h */
#include "nbd/pull.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "nbd/flight.h"

/* The longest read that goes through memory of its own, because it does not
 * fit the server's blocks.
 */
#define BOUNCE_MAX ((uint32_t)(512 * KIB))

struct pull {
    struct flight flight;
};

static int bounce_room(struct flight_op *op, size_t size, struct error *err)
{
    if (op->bounce_size >= size)
        return 0;
    free(op->bounce);
    op->bounce_size = 0;
    op->bounce = malloc(size);
    if (!op->bounce)
        return error_memory(err);
    op->bounce_size = size;
    return 0;
}

/* Decide on the next request: whole blocks of the server around what is
 * missing.  Returns whether it lands in the reader's memory directly.
 */
static bool next_request(struct flight_op *op)
{
    uint64_t min = op->conn->block_min, max = op->conn->request_max;
    uint64_t at = op->offset + op->done, left = op->length - op->done;
    uint64_t start = at - at % min;
    uint64_t whole = left - left % min;
    uint64_t length = 0;

    if (start == at && whole > 0) {
        op->ask_offset = at;
        op->ask_length = (uint32_t)MIN_OF(whole, max);
        return true;
    }
    length = (at - start + left + min - 1) / min * min;
    length = MIN_OF(length, MIN_OF(max, BOUNCE_MAX));
    /* The end of an export of odd size: all the server can have there. */
    length = MIN_OF(length, op->conn->size - start);
    op->ask_offset = start;
    op->ask_length = (uint32_t)length;
    /* Exactly the odd end of the export needs no detour either. */
    return start == at && length <= left;
}

/* libnbd: a part of the answer has come, inside the request. */
static int chunk_comes(void *opaque, const void *data, size_t length,
                       uint64_t offset, unsigned status, int *error)
{
    struct flight_op *op = opaque;

    (void)data, (void)offset, (void)error;
    if (status != LIBNBD_READ_ERROR)
        op->covered += length;
    return 0;
}

static int64_t read_start(struct flight_op *op, struct error *err)
{
    nbd_completion_callback landing = {.callback = flight_landing,
                                       .user_data = op};
    nbd_chunk_callback chunk = {.callback = chunk_comes, .user_data = op};
    /* In one piece: nothing can be left out, and QEMU need not look for
     * holes first.
     */
    uint32_t flags = op->conn->can_df ? LIBNBD_CMD_FLAG_DF : 0;
    unsigned char *to = op->memory + op->done;

    op->bounced = !next_request(op);
    if (op->bounced) {
        if (bounce_room(op, op->ask_length, err) < 0)
            return -2;
        to = op->bounce;
    }
    op->covered = 0;
    return nbd_aio_pread_structured(op->conn->handle, to, op->ask_length,
                                    op->ask_offset, chunk, landing, flags);
}

static int read_landed(struct flight_op *op, struct error *err)
{
    uint64_t skip = op->offset + op->done - op->ask_offset;
    uint64_t got = MIN_OF(op->ask_length - skip, op->length - op->done);

    /* libnbd does not look: memory that nothing was put into is not data. */
    if (op->covered != op->ask_length)
        return error_set(err, ERR_NBD,
                         "the server answers with %" PRIu64 " bytes",
                         op->covered);
    if (op->bounced)
        memcpy(op->memory + op->done, op->bounce + skip, got);
    op->done += got;
    return 0;
}

/* Errors of a moment: a disk that hiccups, a server short of memory; and an
 * answer that does not fit one piece.
 */
static bool read_again(struct flight_op *op)
{
    if (op->errnum == EOVERFLOW && op->tries < FLIGHT_TRIES) {
        op->conn->can_df = false;
        return true;
    }
    return op->tries < FLIGHT_TRIES &&
           (op->errnum == EIO || op->errnum == ENOMEM);
}

static const struct flight_calls read_calls = {
    .verb = "reading",
    .start = read_start,
    .landed = read_landed,
    .again = read_again,
};

int pull_new(struct nbd_conn *const *conns, size_t count,
             unsigned max_in_flight, int io_timeout_ms, struct pull **ret,
             struct error *err)
{
    _cleanup_(pull_freep) struct pull *p = calloc(1, sizeof(*p));

    if (!p)
        return error_memory(err);
    if (flight_init(&p->flight, conns, count, max_in_flight, io_timeout_ms,
                    &read_calls, err) < 0)
        return -1;
    *ret = take(p);
    return 0;
}

size_t pull_room(const struct pull *p)
{
    return p->flight.op_count - p->flight.busy;
}

size_t pull_busy(const struct pull *p)
{
    return p->flight.busy;
}

int pull_read(struct pull *p, uint64_t offset, size_t length, void *buf,
              void *tag, struct error *err)
{
    struct flight_op *op = NULL;

    if (flight_check_range(&p->flight, offset, length, err) < 0)
        return -1;
    op = flight_take(&p->flight, offset, length, tag);
    op->memory = buf;
    return flight_start(op, err);
}

int pull_poll(struct pull *p, int extra_fd, struct error *err)
{
    return flight_poll(&p->flight, extra_fd, err);
}

int pull_poll_for(struct pull *p, int extra_fd, int wait_ms, struct error *err)
{
    return flight_poll_for(&p->flight, extra_fd, wait_ms, err);
}

void *pull_done(struct pull *p)
{
    struct flight_op *op = flight_done(&p->flight);

    return op ? op->tag : NULL;
}

void pull_free(struct pull *p)
{
    if (!p)
        return;
    flight_end(&p->flight);
    free(p);
}
