/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* fuzz-extents.c - a server answers block status with anything at all
 *
 * nbd/status.c runs as it is, but its requests go to functions in here, which
 * answer from the bytes of the input: in any order, too short, too long, empty,
 * twice, for another place or another context, or with errors.  So the answers
 * of a server come without a server.  Promises: the questions stay inside the
 * export; a list that is handed out tiles what was asked for, and says of each
 * kind as much as the server did.
 *
 * The first byte: which question, and the size of the disk.  How to build and
 * run: fuzz.h.
 */
#include <errno.h>
#include <string.h>

#include "base/cleanup.h"
#include "nbd/flight.h"
#include "nbd/status.h"

#include "fuzz.h"

static const char other_context[] = "qemu:dirty-bitmap:other";
static const char dirty_context[] = "qemu:dirty-bitmap:it";

/* What is left of the input; 0 behind its end. */
static const uint8_t *at, *end;

/* Where the input has ended, the server answers some requests well and then
 * hangs up: what goes on for long tells nothing new.
 */
#define MORE_ANSWERS 12
static unsigned answers_left;

/* What the server has said, in bytes of each kind. */
static uint64_t said[EXTENT_ZERO + 1];
static status_meaning meaning;

static unsigned byte(void)
{
    return at < end ? *at++ : 0;
}

/* Some lengths matter more than others. */
static uint32_t a_length(uint32_t asked)
{
    unsigned b = byte();

    switch (b & 7) {
    case 0:
        return asked;
    case 1:
        return (byte() & 15) == 0 ? 0 : asked / 2;
    case 2:
        return asked + b;
    case 3:
        return UINT32_MAX;
    default:
        return (b << 8 | byte()) << (b & 15);
    }
}

/* ---- libnbd, as far as status.c calls it ---- */

struct asked {
    nbd_extent_callback extents;
};

static struct asked asked[16];

int64_t nbd_aio_block_status(struct nbd_handle *handle, uint64_t count,
                             uint64_t offset, nbd_extent_callback extents,
                             nbd_completion_callback done, uint32_t flags)
{
    struct flight_op *op = extents.user_data;
    const struct nbd_conn *conn = op->flight->conns[0];

    (void)handle;
    (void)flags;
    PROMISE(count > 0 && count == op->ask_length && offset == op->ask_offset);
    PROMISE(offset <= conn->size && count <= conn->size - offset);
    PROMISE(done.callback == flight_landing);
    asked[op - op->flight->ops].extents = extents;
    return 1;
}

int nbd_can_meta_context(struct nbd_handle *handle, const char *name)
{
    (void)handle;
    return strcmp(name, other_context) != 0;
}

/* ---- the flight, without wings ---- */

int flight_init(struct flight *f, struct nbd_conn *const *conns, size_t count,
                unsigned max_in_flight, int io_timeout_ms,
                const struct flight_calls *calls, struct error *err)
{
    static struct flight_op ops[array_size(asked)];
    static struct nbd_conn *one;

    (void)count;
    (void)io_timeout_ms;
    (void)err;
    PROMISE(max_in_flight <= array_size(ops));
    memset(ops, 0, sizeof(ops));
    one = conns[0];
    *f = (struct flight){.ops = ops,
                         .op_count = max_in_flight,
                         .calls = calls,
                         .conns = &one,
                         .conn_count = 1};
    return 0;
}

struct flight_op *flight_take(struct flight *f, uint64_t offset,
                              uint64_t length, void *tag)
{
    (void)tag;
    for (size_t i = 0; i < f->op_count; i++) {
        struct flight_op *op = &f->ops[i];

        if (op->state != FLIGHT_FREE)
            continue;
        *op = (struct flight_op){.flight = f,
                                 .conn = f->conns[0],
                                 .offset = offset,
                                 .length = length,
                                 .state = FLIGHT_FLYING};
        f->busy++;
        return op;
    }
    return NULL;
}

int flight_start(struct flight_op *op, struct error *err)
{
    op->errnum = 0;
    return op->flight->calls->start(op, err) < 0 ? -1 : 0;
}

int flight_landing(void *opaque, int *error)
{
    (void)opaque;
    (void)error;
    return 1;
}

void flight_end(struct flight *f)
{
    (void)f;
}

/* Note what the extents mean, as far as they were asked for. */
static void note(const struct flight_op *op, const uint32_t *entries,
                 size_t count)
{
    uint64_t left = op->ask_length;

    for (size_t i = 0; i + 1 < count; i += 2) {
        uint64_t length = MIN_OF(entries[i], left);
        int kind = meaning(entries[i + 1]);

        if (kind >= 0)
            said[kind] += length;
        left -= length;
    }
}

/* Give an answer, or none, or one too many. */
static void answer(struct flight_op *op)
{
    nbd_extent_callback extents = asked[op - op->flight->ops].extents;
    const char *context =
        meaning == status_dirty_meaning ? dirty_context : STATUS_ALLOCATION;
    uint32_t entries[2 * 8] = {0};
    unsigned how = byte();
    size_t count = 2 * (at < end ? 1 + (how & 7) : 1);
    int error = 0;

    for (size_t i = 0; i < count; i += 2) {
        entries[i] = at < end ? a_length(op->ask_length) : op->ask_length;
        entries[i + 1] = byte();
    }
    if (how >= 0xf0)
        count--; /* half of a pair */
    if (how & 0x20)
        extents.callback(op, other_context, op->ask_offset, entries, count,
                         &error);
    if ((how & 0x18) == 0x18)
        return; /* silence */
    note(op, entries, count);
    extents.callback(op, context, op->ask_offset + ((how & 0xd0) == 0xd0),
                     entries, count, &error);
    if ((how & 0xd0) == 0x50)
        extents.callback(op, context, op->ask_offset, entries, count, &error);
}

static int fly(struct flight_op *op, struct error *err)
{
    struct flight *f = op->flight;

    if (at < end && (byte() & 0x1f) == 0x1f) {
        static const int numbers[] = {EIO, ENOMEM, EINVAL, ESHUTDOWN};

        op->errnum = numbers[byte() & 3];
        op->tries++;
        if (!f->calls->again(op))
            return error_set(err, ERR_NBD, "refused");
        return flight_start(op, err);
    }
    if (at >= end && answers_left-- == 0)
        return error_set(err, ERR_NBD, "hung up");
    answer(op);
    if (f->lie)
        return error_set(err, ERR_NBD, "%s", f->lie);
    if (f->calls->landed(op, err) < 0)
        return -1;
    op->tries = 0;
    if (op->done < op->length)
        return flight_start(op, err);
    op->state = FLIGHT_FREE;
    f->busy--;
    return 0;
}

int flight_poll(struct flight *f, int extra_fd, struct error *err)
{
    size_t first = byte() % f->op_count;

    (void)extra_fd;
    PROMISE(f->busy > 0);
    for (size_t i = 0; i < f->op_count; i++) {
        struct flight_op *op = &f->ops[(first + i) % f->op_count];

        if (op->state == FLIGHT_FLYING)
            return fly(op, err);
    }
    abort();
}

/* ---- the questions ---- */

static void ask_within(struct nbd_conn *conn, struct extent_list *ret,
                       struct error *err)
{
    _cleanup_extents_ struct extent_list within = EXTENT_LIST_INIT;
    uint64_t offset = 0;

    for (unsigned n = byte() & 15; n > 0; n--) {
        uint64_t length = (uint64_t)(1 + byte()) << (byte() & 31);

        offset += (uint64_t)byte() << (byte() & 31);
        if (offset >= conn->size || length > conn->size - offset)
            break;
        PROMISE(extent_append(&within, offset, length, EXTENT_DATA, NULL) == 0);
        offset += length;
    }
    if (status_allocation_within(conn, &within, 0, ret, err) == 0)
        PROMISE(extent_total_all(ret) == extent_total_all(&within));
}

static void ask_all(struct nbd_conn *conn, struct extent_list *ret,
                    struct error *err)
{
    bool dirty = meaning == status_dirty_meaning;
    int result = dirty ? status_dirty(conn, dirty_context, 0, ret, err)
                       : status_allocation(conn, 0, ret, err);

    if (result < 0)
        return;
    PROMISE(dirty || extent_tiles(ret, conn->size, NULL) == 0);
    for (int kind = EXTENT_DATA; kind <= EXTENT_ZERO; kind++)
        PROMISE(extent_total(ret, (enum extent_kind)kind) == said[kind]);
    PROMISE(extent_total_all(ret) <= conn->size);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    _cleanup_error_ struct error err = ERROR_INIT;
    _cleanup_extents_ struct extent_list list = EXTENT_LIST_INIT;
    char name[] = "fuzz";
    struct nbd_conn conn = {.handle = (struct nbd_handle *)name,
                            .name = name,
                            .block_min = 1,
                            .request_max = 32 * MIB};
    unsigned how;

    at = data;
    end = data + size;
    answers_left = MORE_ANSWERS;
    memset(said, 0, sizeof(said));
    how = byte();
    meaning = how & 2 ? status_dirty_meaning : status_allocation_meaning;
    conn.size = (uint64_t)(1 + byte()) << (how >> 2 & 31);
    conn.block_min = 1u << (byte() & 15);
    if (how & 1) {
        meaning = status_allocation_meaning;
        ask_within(&conn, &list, &err);
    } else {
        ask_all(&conn, &list, &err);
    }
    return 0;
}
