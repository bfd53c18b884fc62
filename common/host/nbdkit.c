/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* nbdkit.c - see nbdkit.h */
#include "host/nbdkit.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/spawn.h"
#include "base/words.h"

#define END_TIMEOUT_MS 10000 /* for one that has said it ends */
#define CLIENTS_GRACE_MS 200
#define VERSION_TIMEOUT_MS 30000

struct nbdkit {
    struct child *child;
};

void nbdkit_free(struct nbdkit *s)
{
    int r;

    if (!s)
        return;
    if (s->child) {
        r = child_stop(s->child, CLIENTS_GRACE_MS, NULL);
        (void)r; /* it is gone, one way or the other */
    }
    child_free(s->child);
    free(s);
}

pid_t nbdkit_pid(const struct nbdkit *server)
{
    return child_pid(server->child);
}

int nbdkit_fd(const struct nbdkit *server)
{
    return child_fd(server->child);
}

static int missing_hint(struct error *err)
{
    if (err->kind == ERR_SYSTEM && err->code == ENOENT)
        error_append(err, "; install the package nbdkit");
    return -1;
}

/* Before version 1.36, nbdkit is ended by an assertion if a client goes away
 * while several of its requests are being answered, for all others, too.  With
 * one thread for each client this does not happen.  0: its own default will do.
 */
static int safe_threads(unsigned *ret, struct error *err)
{
    static const char *const argv[] = {"nbdkit", "--version", NULL};
    const struct spawn_request req = {.argv = argv};
    _cleanup_free_ char *text = NULL;
    unsigned major = 0;
    unsigned minor = 0;

    if (spawn_run(&req, VERSION_TIMEOUT_MS, &text, NULL, err) < 0)
        return missing_hint(err);
    /* "nbdkit 1.32.5 (...)" */
    if (sscanf(text, "nbdkit %4u.%4u", &major, &minor) != 2)
        major = 0;
    *ret = major > 1 || (major == 1 && minor >= 36) ? 0 : 1;
    return 0;
}

static int build_words(struct words *w, const struct nbdkit_request *r,
                       struct error *err)
{
    unsigned threads = r->threads;

    if (threads == 0 && safe_threads(&threads, err) < 0)
        return -1;
    words_add(w, "nbdkit");
    words_add(w, "--foreground");
    if (r->read_only)
        words_add(w, "--readonly");
    if (r->verbose)
        words_add(w, "--verbose");
    if (threads > 0)
        words_add(w, "--threads=%u", threads);
    if (r->tls) {
        words_add(w, "--tls=require");
        words_add(w, "--tls-verify-peer");
    }
    if (r->tls && r->tls_certificates)
        words_add(w, "--tls-certificates=%s", r->tls_certificates);
    for (const char *const *f = r->filters; f && *f; f++)
        words_add(w, "--filter=%s", *f);
    /* With a slash it is a file, not the name of a plugin of nbdkit's. */
    words_add(w, "%s%s", r->plugin[0] == '/' ? "" : "./", r->plugin);
    for (const char *const *p = r->parameters; p && *p; p++)
        words_add(w, "%s", *p);
    return words_end(w, err);
}

int nbdkit_why_ended(struct nbdkit *s, struct error *err)
{
    if (child_wait(s->child, END_TIMEOUT_MS, err) < 0)
        return -1;
    return error_set(err, ERR_CHILD, "'nbdkit' ended by itself");
}

static int run(struct nbdkit *s, const struct nbdkit_request *request,
               int listen_fd, struct error *err)
{
    _cleanup_words_ struct words argv = WORDS_INIT;
    struct spawn_request req = {.pass_fd = listen_fd,
                                .stderr_fd = request->stderr_fd,
                                .die_with_us = true};

    if (build_words(&argv, request, err) < 0)
        return -1;
    req.argv = words_list(&argv);
    if (spawn_start(&req, &s->child, err) < 0)
        return missing_hint(err);
    return 0;
}

int nbdkit_start(const struct nbdkit_request *request,
                 const struct listen_address *address, int *listen_fd,
                 int timeout_ms, struct nbdkit **ret, struct error *err)
{
    _cleanup_close_ int fd = take_fd(*listen_fd);
    _cleanup_(nbdkit_freep) struct nbdkit *s = calloc(1, sizeof(*s));
    int r;

    if (!s)
        return error_memory(err);
    if (run(s, request, fd, err) < 0)
        return -1;
    /* With ours closed, the end of the server is the end of the socket. */
    closep(&fd);
    r = listen_greet(address, "nbdkit", timeout_ms, err);
    if (r < 0)
        return -1;
    if (r == 0)
        return nbdkit_why_ended(s, err);
    *ret = take(s);
    return 0;
}
