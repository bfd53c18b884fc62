/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* conn.h - one connection to an NBD server
 *
 * Connects with a deadline, over a unix socket or TCP (plain or TLS), and
 * learns the export's size and limits, which it checks.  Hides libnbd's set-up
 * calls.  It must not know what is read or written, nor who started the
 * server.
 *
 * One connection belongs to one thread at a time: nothing here locks.
 */
#ifndef NBD_CONN_H
#define NBD_CONN_H

#include <stdbool.h>
#include <stdint.h>

#include "base/cleanup.h"
#include "base/error.h"

enum nbd_tls {
    NBD_TLS_OFF = 0,     /* plain; right for unix sockets */
    NBD_TLS_REQUIRE = 1, /* never falls back to plain, verifies the server */
};

/* Where the export is.  Borrowed strings, needed during nbd_conn_open only. */
struct nbd_target {
    const char *uri;         /* all of it as an NBD URI, or NULL; from the user
                                only, since it may name files */
    const char *socket_path; /* unix socket, or NULL for TCP */
    const char *host;        /* name or address, for TCP */
    int port;                /* 1 to 65535, for TCP */
    const char *export_name; /* NULL: the default export, "" */
    int tls;                 /* enum nbd_tls */
    const char *tls_dir;     /* certificates; NULL: where libnbd looks */
    /* Unix socket: refuse a server whose user is neither `peer_uid`, nor
     * root, nor ourselves.
     */
    bool check_peer;
    uint32_t peer_uid;
    /* It is a qemu-nbd of ours.  That one takes any offset and length, whatever
     * it says of its smallest block, and all its connections see the same.
     */
    bool ours;
};

struct nbd_conn;

/* Is `text` an NBD URI: nbd://HOST[:PORT][/EXPORT], nbds:// the same with TLS,
 * nbd+unix:///EXPORT?socket=PATH, nbds+unix://...?
 */
bool nbd_uri_is(const char *text);

/* Connect, and ask for the metadata contexts `contexts` (NULL-terminated
 * names, at most 8; NULL: none).  A context the server does not have is not an
 * error here: see nbd_conn_has_context.
 *
 * A socket that is not there yet, or that nobody listens to yet, is tried
 * again every few milliseconds until `timeout_ms` have passed (not with a URI:
 * nobody is about to start such a server); every other failure is final at
 * once.  The same deadline covers the handshake.
 * ERR_NBD, ERR_TIMEOUT, ERR_STOPPED, ERR_INPUT (the target makes no sense).
 */
must_check int nbd_conn_open(const struct nbd_target *target,
                             const char *const *contexts, int timeout_ms,
                             struct nbd_conn **ret, struct error *err);

/* From now on no connection with TLS begins in this process (nbd_conn_open
 * fails with ERR_NBD), and when this returns none is at its handshake any more.
 * To be called before a server is stopped while other threads may be connecting
 * to it: QEMU 7.2, told to stop its server during a handshake, waits for
 * itself, and its guest stands still for ever.
 */
void nbd_tls_stop(void);

/* Bytes of the export; at most EXTENT_END_MAX. */
uint64_t nbd_conn_size(const struct nbd_conn *conn);

/* Did the server agree to tell about this context?  Only names that were asked
 * for are known.
 */
bool nbd_conn_has_context(const struct nbd_conn *conn, const char *name);

/* May several connections be used, each seeing what the others wrote?  (For
 * reading an export that nobody writes to, several are always fine.)
 */
bool nbd_conn_can_multi(const struct nbd_conn *conn);

bool nbd_conn_is_read_only(const struct nbd_conn *conn);

/* Can the server be told to write everything to stable storage? */
bool nbd_conn_can_flush(const struct nbd_conn *conn);

/* The server's smallest block: a power of two, 1 to 64 KiB; 1 if it said
 * nothing, or is ours.  pull takes care of it by itself; push refuses what it
 * cannot do.
 */
uint32_t nbd_conn_block_min(const struct nbd_conn *conn);

/* The longest read or write the server takes, in bytes: a multiple of the
 * smallest block, at most 32 MiB.
 */
uint32_t nbd_conn_request_max(const struct nbd_conn *conn);

/* Say goodbye if possible, without waiting, and free.  NULL is fine. */
void nbd_conn_close(struct nbd_conn *conn);
DEFINE_CLEANUP(struct nbd_conn *, nbd_conn_close);

#endif
