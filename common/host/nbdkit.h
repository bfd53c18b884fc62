/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* nbdkit.h - nbdkit, with a plugin of ours
 *
 * Hides its command line.  What a plugin is to serve goes to it as parameters,
 * "key=value", which nbdkit never takes for an option; the keys are ours.
 */
#ifndef HOST_NBDKIT_H
#define HOST_NBDKIT_H

#include <stdbool.h>
#include <sys/types.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "base/macro.h"
#include "host/listen.h"

/* All zero but the plugin: read and write, one server for everybody who may
 * connect.
 */
struct nbdkit_request {
    const char *plugin;            /* path of the file */
    const char *const *filters;    /* NULL, or names ("cow"), the one next to
                                      the client first; then NULL */
    const char *const *parameters; /* NULL, or "key=value", then NULL */
    bool read_only;
    unsigned threads; /* for each client; 0: as many as are safe */
    bool verbose;     /* debug messages on its stderr */

    /* Only clients that speak TLS and have a certificate of the same CA. */
    bool tls;
    const char *tls_certificates; /* directory; NULL: nbdkit's default */

    int stderr_fd; /* > 0: complaints go there and not into messages */
};

struct nbdkit;

/* Start it on the socket `listen_fd`, whose address is `address` (listen.h);
 * `*listen_fd` is closed in any case.  It serves when this returns, and dies
 * with the calling *thread*.  `timeout_ms` is how long the plugin may take to
 * get ready.  ERR_CHILD: it refuses (with stderr_fd, why is said there);
 * ERR_SYSTEM: nbdkit cannot be run; ERR_TIMEOUT.
 */
must_check int nbdkit_start(const struct nbdkit_request *request,
                            const struct listen_address *address,
                            int *listen_fd, int timeout_ms, struct nbdkit **ret,
                            struct error *err);

pid_t nbdkit_pid(const struct nbdkit *server);

/* Readable once it has ended by itself; for poll.  Belongs to the server. */
int nbdkit_fd(const struct nbdkit *server);

/* Why it has ended by itself: fills `err` (ERR_CHILD), returns -1. */
int nbdkit_why_ended(struct nbdkit *server, struct error *err);

/* End it, and cut off its clients, which it would wait for: it has nothing that
 * could be lost.  Accepts NULL.
 */
void nbdkit_free(struct nbdkit *server);
DEFINE_CLEANUP(struct nbdkit *, nbdkit_free);

#endif
