/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* wait.c - flight_wait: one poll over all connections of a flight
 *
 * Knows deadlines, the stop flag and who is to blame; not what the answers
 * are for.
 */
#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <poll.h>

#include "base/clock.h"
#include "base/stop.h"
#include "nbd/flight.h"

/* A server that sends bytes but never a whole answer may do so for this many
 * times the deadline of silence.
 */
#define PATIENCE 10

/* The first range that `conn` still owes, for a message. */
static const struct flight_op *oldest_of(const struct flight *f,
                                         const struct nbd_conn *conn)
{
    const struct flight_op *oldest = NULL;

    for (size_t i = 0; i < f->op_count; i++) {
        const struct flight_op *op = &f->ops[i];

        if (op->conn == conn &&
            (op->state == FLIGHT_FLYING ||
             (op->state == FLIGHT_LANDED && op->errnum)) &&
            (!oldest || op->ask_offset < oldest->ask_offset))
            oldest = op;
    }
    return oldest;
}

/* How much longer `conn` may be silent: milliseconds, 0 or less: too long
 * already; INT_MAX: for ever.
 */
static int patience(const struct flight *f, const struct nbd_conn *conn)
{
    int64_t now = clock_ms(), limit = f->io_timeout_ms;
    int64_t silent = conn->moved_ms + limit - now;
    int64_t endless = conn->answered_ms + PATIENCE * limit - now;

    if (conn->owed == 0 || limit <= 0)
        return INT_MAX;
    return (int)MIN_OF(MIN_OF(silent, endless), INT_MAX);
}

/* For poll: until the first connection may have been silent for too long. */
static int patience_all(const struct flight *f)
{
    int shortest = INT_MAX;

    for (size_t i = 0; i < f->conn_count; i++)
        shortest = MIN_OF(shortest, patience(f, f->conns[i]));
    return shortest == INT_MAX ? -1 : MAX_OF(shortest, 0);
}

/* Only after poll and notify: the answer may have been there already. */
static int check_patience(const struct flight *f, struct error *err)
{
    for (size_t i = 0; i < f->conn_count; i++) {
        struct nbd_conn *conn = f->conns[i];
        const struct flight_op *op = NULL;

        if (patience(f, conn) > 0)
            continue;
        op = oldest_of(f, conn);
        error_set(err, ERR_TIMEOUT, "no answer for %" PRId64 " ms",
                  clock_ms() - conn->answered_ms);
        return op ? flight_blame(op, err) : -1;
    }
    return 0;
}

/* Let libnbd act on the connections that poll named. */
static int notify_all(struct flight *f, const struct pollfd *fds,
                      struct error *err)
{
    for (size_t i = 0; i < f->conn_count; i++) {
        struct nbd_conn *conn = f->conns[i];

        if (!fds[i].revents)
            continue;
        conn->moved_ms = clock_ms();
        if (handle_notify(conn->handle, fds[i].revents) < 0) {
            const struct flight_op *op = oldest_of(f, conn);

            handle_error(err, "the connection broke");
            return op ? flight_blame(op, err)
                      : error_prefix(err, "%s %s", f->calls->verb, conn->name);
        }
        if (f->lie) {
            error_set(err, ERR_NBD, "the server answers %s", f->lie);
            return flight_blame(f->liar, err);
        }
    }
    return 0;
}

/* The shorter of two times to poll, of which -1 is none. */
static int shorter(int a, int b)
{
    if (a < 0 || b < 0)
        return MAX_OF(a, b);
    return MIN_OF(a, b);
}

int flight_wait(struct flight *f, int extra_fd, int wait_ms, struct error *err)
{
    struct pollfd fds[FLIGHT_CONNS_MAX + 2] = {0};
    size_t n = f->conn_count;

    for (size_t i = 0; i < n; i++) {
        struct nbd_conn *conn = f->conns[i];

        fds[i].fd = conn->owed > 0 ? nbd_aio_get_fd(conn->handle) : -1;
        fds[i].events = handle_events(conn->handle);
    }
    fds[n] = (struct pollfd){.fd = extra_fd, .events = POLLIN};
    fds[n + 1] = (struct pollfd){.fd = stop_fd(), .events = POLLIN};
    if (poll(fds, n + 2, shorter(patience_all(f), wait_ms)) < 0) {
        if (errno != EINTR)
            return error_errno(err, errno, "poll");
        return stop_check(err);
    }
    if (stop_check(err) < 0 || notify_all(f, fds, err) < 0 ||
        check_patience(f, err) < 0)
        return -1;
    return fds[n].revents ? 1 : 0;
}
