/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* servers.c - see servers.h */
#include "servers.h"

#include <errno.h>
#include <pwd.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/log.h"
#include "base/text.h"
#include "facts.h"
#include "host/nbdkit.h"
#include "host/process.h"
#include "overlay.h"
#include "plugin_path.h"
#include "uri.h"

/* Files without an index have to be read through for their frames. */
#define START_TIMEOUT_MS 1800000

struct served_disk {
    const char *name; /* borrowed */
    char *uri;
    struct overlay *overlay; /* or NULL */
};

struct servers {
    const struct map_options *options;
    const struct what *what;
    const char *runtime_dir;
    struct follow *follow;
    struct guardian *guardian;
    struct words identities; /* of the nbdkits */
    char *plugin;
    struct listen_address tcp;
    uid_t owner; /* of the sockets that clients are to use; -1: us */
    struct served_disk *disks;
    size_t disk_count;
    struct nbdkit **nbdkits; /* one, or one a disk */
    size_t nbdkit_count;
};

size_t servers_count(const struct servers *s)
{
    return s->disk_count;
}

const char *servers_disk(const struct servers *s, size_t i)
{
    return s->disks[i].name;
}

const char *servers_uri(const struct servers *s, size_t i)
{
    return s->disks[i].uri;
}

static void servers_free(struct servers *s)
{
    for (size_t i = 0; i < s->nbdkit_count; i++)
        nbdkit_free(s->nbdkits[i]);
    for (size_t i = 0; i < s->disk_count; i++)
        free(s->disks[i].uri);
    words_done(&s->identities);
    free(s->nbdkits);
    free(s->disks);
    free(s->plugin);
    free(s);
}

void servers_abandon(struct servers *s)
{
    if (!s)
        return;
    for (size_t i = 0; i < s->disk_count; i++)
        overlay_abandon(s->disks[i].overlay);
    servers_free(s);
}

/* The URI of disk `i`; `socket`: of the Unix socket, NULL: TCP. */
static int set_uri(struct servers *s, size_t i, const char *socket,
                   struct error *err)
{
    const struct map_options *o = s->options;
    struct served_disk *d = &s->disks[i];
    const char *name = d->overlay ? "" : o->export ? o->export : d->name;

    d->uri = socket ? uri_unix(name, socket)
                    : uri_tcp(name, o->address, listen_port(&s->tcp), o->tls);
    return d->uri ? 0 : error_memory(err);
}

/* Let the user that was named connect to a socket of ours, in a directory that
 * only we may change.
 */
static int admit_owner(const struct servers *s, const char *socket,
                       struct error *err)
{
    if (s->owner == (uid_t)-1)
        return 0;
    if (lchown(socket, s->owner, (gid_t)-1) < 0 ||
        chmod(s->runtime_dir, 0711) < 0)
        return error_errno(err, errno, "give the socket to the user '%s'",
                           s->options->owner);
    return 0;
}

static int find_owner(struct servers *s, struct error *err)
{
    const char *name = s->options->owner;
    struct passwd *user = NULL;

    s->owner = (uid_t)-1;
    if (!name)
        return 0;
    user = getpwnam(name);
    if (!user)
        return error_set(err, ERR_INPUT, "there is no user '%s'", name);
    s->owner = user->pw_uid;
    return 0;
}

/* What the plugin is told: all disks, or one (NULL: all). */
static int build_parameters(const struct servers *s, const char *only,
                            struct words *ret, struct error *err)
{
    const struct map_options *o = s->options;
    const struct what *w = s->what;

    for (size_t i = 0; i < w->parameters.count; i++)
        words_add(ret, "%s", w->parameters.items[i]);
    for (size_t i = 0; i < w->disks.count; i++)
        if (w->point && (!only || strcmp(only, w->disks.items[i]) == 0))
            words_add(ret, "disk=%s", w->disks.items[i]);
    if (o->export)
        words_add(ret, "export=%s", o->export);
    if (o->hexdump) {
        words_add(ret, "logfile=/dev/stderr");
        words_add(ret, "logappend=true");
    }
    if (o->blocksize > 0) {
        words_add(ret, "maxdata=%u", o->blocksize);
        words_add(ret, "maxlen=%u", o->blocksize);
    }
    return words_end(ret, err);
}

/* The last one that was started outlives us unless the guardian knows it. */
static int tell_guardian(struct servers *s, struct error *err)
{
    const struct nbdkit *last = s->nbdkits[s->nbdkit_count - 1];
    _cleanup_free_ char *identity = NULL;
    _cleanup_free_ char *list = NULL;

    if (process_identity(nbdkit_pid(last), &identity, err) < 0)
        return -1;
    words_add(&s->identities, "%s", identity);
    list = words_join(&s->identities, "/");
    return list ? guardian_tell(s->guardian, FACT_NBDKITS, list, err)
                : error_memory(err);
}

/* Start nbdkit for all disks, or one, at `address`. */
static int start_nbdkit(struct servers *s, const char *only,
                        struct listen_address *address, struct error *err)
{
    const struct map_options *o = s->options;
    bool cow = o->writable && !o->keep;
    _cleanup_words_ struct words parameters = WORDS_INIT;
    const char *filters[4] = {NULL};
    struct nbdkit_request request = {
        .plugin = s->plugin,
        .filters = filters,
        .read_only = !cow,
        .threads = o->threads,
        .verbose = o->common.verbose,
        .tls = o->tls,
        .tls_certificates = o->tls_cert,
        .stderr_fd = follow_fd(s->follow),
    };
    _cleanup_close_ int fd = -1;
    size_t n = 0;

    if (o->hexdump)
        filters[n++] = "log";
    if (o->blocksize > 0)
        filters[n++] = "blocksize";
    if (cow)
        filters[n++] = "cow";
    if (build_parameters(s, only, &parameters, err) < 0 ||
        listen_on(address, &fd, err) < 0)
        return -1;
    request.parameters = words_list(&parameters);
    if (nbdkit_start(&request, address, &fd, START_TIMEOUT_MS,
                     &s->nbdkits[s->nbdkit_count], err) < 0) {
        follow_explain(s->follow, err);
        return what_explain(o, s->what, err);
    }
    s->nbdkit_count++;
    return tell_guardian(s, err);
}

/* The same at a Unix socket, whose path is `*ret_socket`. */
static int start_unix(struct servers *s, const char *only, char **ret_socket,
                      struct error *err)
{
    _cleanup_free_ char *socket =
        text_dup_printf("%s/nbd%zu", s->runtime_dir, s->nbdkit_count);
    struct listen_address address;

    if (!socket)
        return error_memory(err);
    if (listen_unix(socket, &address, err) < 0 ||
        start_nbdkit(s, only, &address, err) < 0)
        return -1;
    *ret_socket = take(socket);
    return 0;
}

/* All disks by one server that only reads. */
static int start_one(struct servers *s, struct error *err)
{
    _cleanup_free_ char *socket = NULL;

    if (s->options->tcp ? start_nbdkit(s, NULL, &s->tcp, err) < 0
                        : start_unix(s, NULL, &socket, err) < 0 ||
                              admit_owner(s, socket, err) < 0)
        return -1;
    for (size_t i = 0; i < s->disk_count; i++)
        if (set_uri(s, i, socket, err) < 0)
            return -1;
    return 0;
}

/* Each disk by a server that forgets what is written. */
static int start_each(struct servers *s, struct error *err)
{
    for (size_t i = 0; i < s->disk_count; i++) {
        _cleanup_free_ char *socket = NULL;
        const char *name = s->disks[i].name;

        if (start_unix(s, name, &socket, err) < 0 ||
            admit_owner(s, socket, err) < 0 || set_uri(s, i, socket, err) < 0)
            return -1;
    }
    return 0;
}

/* All disks by one server that only reads, each with an overlay over it. */
static int start_overlays(struct servers *s, struct error *err)
{
    _cleanup_free_ char *base = NULL;

    if (overlay_prepare(s->options->keep, &s->what->disks, s->guardian, err) <
            0 ||
        start_unix(s, NULL, &base, err) < 0)
        return -1;
    for (size_t i = 0; i < s->disk_count; i++) {
        struct served_disk *d = &s->disks[i];
        _cleanup_free_ char *backing = uri_unix(d->name, base);
        _cleanup_free_ char *socket =
            text_dup_printf("%s/overlay%zu", s->runtime_dir, i);

        if (!backing || !socket)
            return error_memory(err);
        if (overlay_start(s->options->keep, d->name, backing, socket,
                          &d->overlay, err) < 0 ||
            admit_owner(s, socket, err) < 0 || set_uri(s, i, socket, err) < 0)
            return -1;
    }
    return 0;
}

/* The image of a whole disk must not be had by everybody on the way. */
static int check_tcp(struct servers *s, struct error *err)
{
    const struct map_options *o = s->options;

    if (!o->tcp)
        return 0;
    if (listen_tcp(o->address, o->port, &s->tcp, err) < 0)
        return -1;
    if (!o->tls && !listen_is_local(&s->tcp))
        return error_set(err, ERR_USAGE,
                         "'%s' can be reached from other machines: use --tls, "
                         "so that only clients with a certificate can read "
                         "the disks",
                         o->address);
    if (o->writable && s->disk_count > 1)
        return error_set(err, ERR_USAGE,
                         "%zu writable disks need as many ports; choose one "
                         "disk with --disk",
                         s->disk_count);
    return 0;
}

static int prepare(struct servers *s, struct error *err)
{
    const struct words *disks = &s->what->disks;

    s->disks = calloc(disks->count, sizeof(*s->disks));
    s->nbdkits = calloc(disks->count, sizeof(struct nbdkit *));
    if (!s->disks || !s->nbdkits)
        return error_memory(err);
    for (; s->disk_count < disks->count; s->disk_count++)
        s->disks[s->disk_count].name = disks->items[s->disk_count];
    if (find_owner(s, err) < 0 || check_tcp(s, err) < 0)
        return -1;
    return plugin_path_find(&s->plugin, err);
}

int servers_start(const struct map_options *o, const struct what *w,
                  const char *runtime_dir, struct follow *follow,
                  struct guardian *guardian, struct servers **ret,
                  struct error *err)
{
    _cleanup_(servers_abandonp) struct servers *s = calloc(1, sizeof(*s));
    int r;

    if (!s)
        return error_memory(err);
    s->options = o;
    s->what = w;
    s->runtime_dir = runtime_dir;
    s->follow = follow;
    s->guardian = guardian;
    if (prepare(s, err) < 0)
        return -1;
    if (o->keep)
        r = start_overlays(s, err);
    else if (o->writable && !o->tcp)
        r = start_each(s, err);
    else
        r = start_one(s, err);
    if (r < 0)
        return -1;
    *ret = take(s);
    return 0;
}

int servers_commit(const struct servers *s, struct error *err)
{
    return s->options->keep ? overlay_commit(s->guardian, err) : 0;
}

int servers_watch(const struct servers *s, struct watch *w, struct error *err)
{
    for (size_t i = 0; i < s->nbdkit_count; i++)
        if (watch_add(w, nbdkit_fd(s->nbdkits[i]), err) < 0)
            return -1;
    for (size_t i = 0; i < s->disk_count; i++)
        if (s->disks[i].overlay &&
            watch_add(w, overlay_fd(s->disks[i].overlay), err) < 0)
            return -1;
    return 0;
}

int servers_check(const struct servers *s, struct error *err)
{
    for (size_t i = 0; i < s->nbdkit_count; i++)
        if (watch_is_over(nbdkit_fd(s->nbdkits[i])))
            return nbdkit_why_ended(s->nbdkits[i], err);
    for (size_t i = 0; i < s->disk_count; i++)
        if (s->disks[i].overlay &&
            watch_is_over(overlay_fd(s->disks[i].overlay)))
            return overlay_why_ended(s->disks[i].overlay, err);
    return 0;
}

int servers_stop(struct servers *own_servers, struct error *err)
{
    struct servers *s = own_servers;
    int r = 0;

    if (!s)
        return 0;
    /* First what writes through the others. */
    for (size_t i = 0; i < s->disk_count; i++) {
        _cleanup_error_ struct error e = ERROR_INIT;

        if (overlay_stop(take(s->disks[i].overlay), &e) < 0) {
            log_error("disk %s: %s", s->disks[i].name, error_text(&e));
            r = error_set(err, ERR_CHILD, "changes may not have been kept");
        }
    }
    servers_free(s);
    return r;
}
