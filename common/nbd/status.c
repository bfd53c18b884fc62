/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* status.c - see status.h */
#include "nbd/status.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "nbd/flight.h"

/* Answers are put together in order, so what is answered early is kept: a few
 * requests for large parts of the disk, more where each is small.
 */
#define WHOLE_IN_FLIGHT 4
#define WITHIN_IN_FLIGHT 16

/* One request asks for a part of the disk that grows with the disk, so that
 * neither their number nor one answer gets out of hand.  All below 4 GiB and
 * multiples of every block size.
 */
#define ASK_PARTS 512
#define ASK_MIN (128 * MIB)
#define ASK_MAX (2 * GIB)

/* Ranges closer than this are asked for in one: a request costs as much as a
 * score of extents.
 */
#define GAP_JOINED ((uint64_t)(1 * MIB))

/* Changes all over a large disk: with more requests than this, going over
 * what lies between them is cheaper.
 */
#define WITHIN_REQUESTS 8192

/* What the protocol says about base:allocation and qemu:dirty-bitmap. */
#define STATE_HOLE 1
#define STATE_ZERO 2

/* What the server answered to one operation, in the order of the disk. */
struct answer {
    struct extent_list extents;
    uint64_t covered; /* bytes that the last request was answered for */
    bool answered;    /* the last request, for our context */
    bool complete;
};

struct status {
    struct flight flight;
    struct nbd_conn *conn;
    const char *context;
    status_meaning meaning;
    const struct extent_list *ranges; /* to ask for */
    size_t range;                     /* the one at hand */
    uint64_t range_done, ask_size;
    struct answer ring[WITHIN_IN_FLIGHT];
    size_t asked, merged; /* counts of operations; their ring index by % */
    struct error callback_err;
};

int status_allocation_meaning(uint32_t flags)
{
    if (flags == (STATE_HOLE | STATE_ZERO))
        return EXTENT_ZERO;
    if (flags == STATE_ZERO)
        return EXTENT_ZERO_ALLOCATED;
    return EXTENT_DATA;
}

int status_dirty_meaning(uint32_t flags)
{
    return flags ? EXTENT_DATA : -1;
}

static int lie(struct flight_op *op, const char *what)
{
    op->flight->lie = what;
    op->flight->liar = op;
    return -1;
}

/* Note one extent of an answer. */
static int note(struct flight_op *op, uint64_t length, uint32_t flags)
{
    struct status *s = container_of(op->flight, struct status, flight);
    struct answer *a = op->answer;
    int kind = s->meaning(flags);

    if (kind >= 0 &&
        extent_append(&a->extents, op->ask_offset + a->covered, length,
                      (enum extent_kind)kind, &s->callback_err) < 0)
        return lie(op, "with extents that cannot be kept");
    a->covered += length;
    return 0;
}

/* libnbd: pairs of length and flags, from the start of the request on. */
static int extents_come(void *opaque, const char *context, uint64_t offset,
                        uint32_t *entries, size_t count, int *error)
{
    struct flight_op *op = opaque;
    struct status *s = container_of(op->flight, struct status, flight);
    struct answer *a = op->answer;

    if (op->flight->lie || *error)
        return 0; /* lost already */
    if (strcmp(context, s->context) != 0)
        return 0;
    if (a->answered)
        return lie(op, "one question twice");
    if (offset != op->ask_offset)
        return lie(op, "for another place");
    a->answered = true;
    for (size_t i = 0; i + 1 < count; i += 2) {
        uint64_t left = op->ask_length - a->covered;

        if (entries[i] == 0)
            return lie(op, "with an extent of no length");
        /* The last one may go on behind what was asked. */
        if (left == 0 || note(op, MIN_OF(entries[i], left), entries[i + 1]) < 0)
            break;
    }
    return 0;
}

static int64_t status_start(struct flight_op *op, struct error *err)
{
    nbd_completion_callback landing = {.callback = flight_landing,
                                       .user_data = op};
    nbd_extent_callback extents = {.callback = extents_come, .user_data = op};
    struct answer *a = op->answer;

    a->answered = false;
    a->covered = 0;
    op->ask_offset = op->offset + op->done;
    op->ask_length = (uint32_t)(op->length - op->done);
    (void)err;
    return nbd_aio_block_status(op->conn->handle, op->ask_length,
                                op->ask_offset, extents, landing, 0);
}

static int status_landed(struct flight_op *op, struct error *err)
{
    struct answer *a = op->answer;

    if (a->covered == 0)
        return error_set(err, ERR_NBD, "the server answers without extents");
    op->done += a->covered;
    a->complete = op->done == op->length;
    return 0;
}

/* Half an answer cannot be taken back, so only a clean failure is repeated. */
static bool status_again(struct flight_op *op)
{
    const struct answer *a = op->answer;

    return !a->answered && op->tries < FLIGHT_TRIES &&
           (op->errnum == EIO || op->errnum == ENOMEM);
}

static const struct flight_calls status_calls = {
    .verb = "asking for the state of",
    .start = status_start,
    .landed = status_landed,
    .again = status_again,
};

/* Start the next operation, if any is left. */
static int ask_next(struct status *s, struct error *err)
{
    const struct extent *range = &s->ranges->items[s->range];
    uint64_t length = MIN_OF(range->length - s->range_done, s->ask_size);
    struct answer *a = &s->ring[s->asked % WITHIN_IN_FLIGHT];
    struct flight_op *op =
        flight_take(&s->flight, range->offset + s->range_done, length, NULL);

    if (!op)
        return error_set(err, ERR_NBD, "no room for another request");
    op->answer = a;
    a->complete = false;
    s->asked++;
    s->range_done += length;
    if (s->range_done == range->length) {
        s->range++;
        s->range_done = 0;
    }
    return flight_start(op, err);
}

/* Put what is complete behind each other. */
static int merge(struct status *s, struct extent_list *ret, struct error *err)
{
    while (s->merged < s->asked) {
        struct answer *a = &s->ring[s->merged % WITHIN_IN_FLIGHT];

        if (!a->complete)
            return 0;
        for (size_t i = 0; i < a->extents.count; i++) {
            const struct extent *e = &a->extents.items[i];

            if (extent_append(ret, e->offset, e->length,
                              (enum extent_kind)e->kind, err) < 0)
                return -1;
        }
        a->extents.count = 0; /* the memory serves the next one */
        s->merged++;
    }
    return 0;
}

static int ask_all(struct status *s, struct extent_list *ret, struct error *err)
{
    while (s->merged < s->asked || s->range < s->ranges->count) {
        while (s->range < s->ranges->count &&
               s->asked - s->merged < s->flight.op_count)
            if (ask_next(s, err) < 0)
                return -1;
        if (flight_poll(&s->flight, -1, err) < 0)
            return -1;
        if (merge(s, ret, err) < 0)
            return -1;
    }
    return 0;
}

static int status_check(const struct nbd_conn *conn, const char *context,
                        struct error *err)
{
    if (!conn->handle)
        return error_set(err, ERR_NBD, "%s: the connection is closed",
                         conn->name);
    if (!nbd_conn_has_context(conn, context))
        return error_set(err, ERR_NBD,
                         "%s: the server does not offer '%s' for this export",
                         conn->name, context);
    return 0;
}

/* Ask for `ranges`, which must be inside the export. */
static int status_run(struct status *s, unsigned in_flight, int io_timeout_ms,
                      struct extent_list *ret, struct error *err)
{
    uint64_t part = s->conn->size / ASK_PARTS;
    int outcome = 0;

    if (status_check(s->conn, s->context, err) < 0)
        return -1;
    part -= part % ASK_MIN;
    s->ask_size = MIN_OF(MAX_OF(part, ASK_MIN), ASK_MAX);
    outcome = flight_init(&s->flight, &s->conn, 1, in_flight, io_timeout_ms,
                          &status_calls, err);
    if (outcome == 0)
        outcome = ask_all(s, ret, err);
    /* The reason behind a lie, where it was not the server's. */
    if (outcome < 0 && s->callback_err.kind == ERR_MEMORY)
        error_move(err, &s->callback_err);
    error_clear(&s->callback_err);
    flight_end(&s->flight);
    for (size_t i = 0; i < array_size(s->ring); i++)
        extent_list_free(&s->ring[i].extents);
    return outcome;
}

static int whole(const struct nbd_conn *conn, struct extent_list *ret,
                 struct error *err)
{
    return extent_append(ret, 0, conn->size, EXTENT_DATA, err);
}

int status_allocation(struct nbd_conn *conn, int io_timeout_ms,
                      struct extent_list *ret, struct error *err)
{
    _cleanup_extents_ struct extent_list ranges = EXTENT_LIST_INIT;
    struct status s = {
        .conn = conn,
        .context = STATUS_ALLOCATION,
        .meaning = status_allocation_meaning,
        .ranges = &ranges,
    };

    if (whole(conn, &ranges, err) < 0 ||
        status_run(&s, WHOLE_IN_FLIGHT, io_timeout_ms, ret, err) < 0)
        return -1;
    /* By construction; and the contents of a backup hang on it. */
    return extent_tiles(ret, conn->size, err);
}

int status_dirty(struct nbd_conn *conn, const char *context, int io_timeout_ms,
                 struct extent_list *ret, struct error *err)
{
    _cleanup_extents_ struct extent_list ranges = EXTENT_LIST_INIT;
    struct status s = {
        .conn = conn,
        .context = context,
        .meaning = status_dirty_meaning,
        .ranges = &ranges,
    };

    if (whole(conn, &ranges, err) < 0)
        return -1;
    return status_run(&s, WHOLE_IN_FLIGHT, io_timeout_ms, ret, err);
}

/* The ranges to ask for so that all of `within` is covered. */
static int ranges_within(const struct nbd_conn *conn,
                         const struct extent_list *within,
                         struct extent_list *ret, struct error *err)
{
    for (uint64_t gap = GAP_JOINED;; gap *= 4) {
        extent_list_free(ret);
        if (extent_widen(within, gap, conn->block_min, conn->size, ret, err) <
            0)
            return -1;
        if (ret->count <= WITHIN_REQUESTS || gap >= conn->size)
            return 0;
    }
}

int status_allocation_within(struct nbd_conn *conn,
                             const struct extent_list *within,
                             int io_timeout_ms, struct extent_list *ret,
                             struct error *err)
{
    _cleanup_extents_ struct extent_list ranges = EXTENT_LIST_INIT,
                                         answers = EXTENT_LIST_INIT;
    struct status s = {
        .conn = conn,
        .context = STATUS_ALLOCATION,
        .meaning = status_allocation_meaning,
        .ranges = &ranges,
    };

    if (ranges_within(conn, within, &ranges, err) < 0 ||
        status_run(&s, WITHIN_IN_FLIGHT, io_timeout_ms, &answers, err) < 0 ||
        extent_intersect(&answers, within, ret, err) < 0)
        return -1;
    if (extent_total_all(ret) != extent_total_all(within))
        return error_set(
            err, ERR_NBD,
            "%s: the answers cover %" PRIu64 " bytes, not %" PRIu64, conn->name,
            extent_total_all(ret), extent_total_all(within));
    return 0;
}
