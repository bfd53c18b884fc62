/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* qemu_nbd.c - see qemu.h; the NBD server, on a socket that we make (listen.h)
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/spawn.h"
#include "base/text.h"
#include "base/words.h"
#include "host/listen.h"
#include "host/qemu_private.h"
#include "host/remote.h"

#define START_TIMEOUT_MS 60000
#define END_TIMEOUT_MS 10000   /* for one that has said it ends */
#define STOP_TIMEOUT_MS 600000 /* much may be left to write */
#define STDERR_MAX (16 * KIB)
#define CLIENTS_MAX 64
#define TLS_ID "tls0"

struct qemu_nbd {
    char *path;
    char *socket_path;   /* NULL: TCP */
    bool bound;          /* the socket's name is ours to remove */
    struct child *child; /* NULL for one on another host */
    struct remote *on;
    char *base; /* there: of its files, and its name for the agent behind '/' */
    char *said; /* there: what it complained of, once it has ended */
    enum qemu_cache cache;
    enum qemu_aio aio;
};

static const char *key_of(const struct qemu_nbd *s)
{
    return strrchr(s->base, '/') + 1;
}

/* As child_free does it here. */
static void end_there(struct qemu_nbd *s)
{
    int r = remote_undo(s->on, key_of(s), NULL);

    (void)r;
}

void qemu_nbd_free(struct qemu_nbd *s)
{
    if (!s)
        return;
    child_free(s->child);
    if (s->base)
        end_there(s);
    if (s->bound)
        unlink(s->socket_path);
    free(s->base);
    free(s->said);
    free(s->socket_path);
    free(s->path);
    free(s);
}

enum qemu_cache qemu_nbd_cache(const struct qemu_nbd *server)
{
    return server->cache;
}

enum qemu_aio qemu_nbd_aio(const struct qemu_nbd *server)
{
    return server->aio;
}

pid_t qemu_nbd_pid(const struct qemu_nbd *server)
{
    return server->child ? child_pid(server->child) : -1;
}

int qemu_nbd_fd(const struct qemu_nbd *server)
{
    return server->child ? child_fd(server->child) : -1;
}

static struct qemu_nbd *server_new(const char *path, const char *socket_path)
{
    _cleanup_(qemu_nbd_freep) struct qemu_nbd *s = calloc(1, sizeof(*s));

    if (!s)
        return NULL;
    s->path = qemu_file_argument(path);
    s->socket_path = socket_path ? strdup(socket_path) : NULL;
    if (!s->path || (socket_path && !s->socket_path))
        return NULL;
    return take(s);
}

/* Does the file system of this file offer O_DIRECT? */
static bool can_direct(const char *path)
{
    _cleanup_close_ int fd = -1;

    fd = open(path, O_RDONLY | O_DIRECT | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
    return fd >= 0;
}

static void choose_modes(struct qemu_nbd *s, const struct qemu_nbd_options *o)
{
    s->cache = o->cache;
    if (s->cache == QEMU_CACHE_AUTO && s->on)
        s->cache = QEMU_CACHE_WRITEBACK;
    if (s->cache == QEMU_CACHE_AUTO)
        s->cache = can_direct(s->path) ? QEMU_CACHE_NONE : QEMU_CACHE_WRITEBACK;
    s->aio = o->aio;
    if (s->aio == QEMU_AIO_AUTO ||
        (s->aio == QEMU_AIO_NATIVE && s->cache != QEMU_CACHE_NONE))
        s->aio = QEMU_AIO_THREADS;
}

static const char *aio_argument(enum qemu_aio aio)
{
    switch (aio) {
    case QEMU_AIO_NATIVE:
        return "--aio=native";
    case QEMU_AIO_IO_URING:
        return "--aio=io_uring";
    default:
        return "--aio=threads";
    }
}

/* What QEMU needs to show a certificate, and to ask for one.  Its own syntax: a
 * comma is written twice.
 */
static void add_tls(const char *dir, struct words *argv)
{
    _cleanup_free_ char *escaped = calloc(2, strlen(dir) + 1);
    char *to = escaped;

    for (; escaped && *dir; dir++) {
        if (*dir == ',')
            *to++ = ',';
        *to++ = *dir;
    }
    words_add(argv, "--object");
    words_add(argv,
              "tls-creds-x509,id=" TLS_ID ",endpoint=server,verify-peer=yes,"
              "dir=%s",
              escaped ? escaped : "/nowhere");
    words_add(argv, "--tls-creds=" TLS_ID);
}

/* Its command line, but the socket and what follows it. */
static void build_argv(const struct qemu_nbd *s, const char *format,
                       const struct qemu_nbd_options *o, struct words *argv)
{
    static const char *const start[] = {"qemu-nbd", "--persistent", "--format"};

    for (size_t i = 0; i < array_size(start); i++)
        words_add(argv, "%s", start[i]);
    words_add(argv, "%s", format);
    words_add(argv, "--shared=%u", o->shared ? o->shared : 1);
    words_add(argv, "--cache=%s",
              s->cache == QEMU_CACHE_NONE ? "none" : "writeback");
    words_add(argv, "%s", aio_argument(s->aio));
    if (o->read_only)
        words_add(argv, "--read-only");
    if (o->discard)
        words_add(argv, "--discard=unmap");
    if (o->detect_zeroes)
        words_add(argv, "--detect-zeroes=%s", o->discard ? "unmap" : "on");
    if (o->bitmap) {
        words_add(argv, "--bitmap");
        words_add(argv, "%s", o->bitmap);
    }
    if (o->export_name) {
        words_add(argv, "--export-name");
        words_add(argv, "%s", o->export_name);
    }
    if (o->tls_dir)
        add_tls(o->tls_dir, argv);
}

/* Whatever is in the image, nothing else is written. */
static int run_here(struct qemu_nbd *s, bool read_only, struct words *argv,
                    int listen_fd, struct error *err)
{
    const char *const writes[] = {read_only ? NULL : s->path, NULL};
    struct spawn_request req = {
        .pass_fd = listen_fd, .writes = writes, .die_with_us = true};

    words_add(argv, "%s", s->path);
    if (words_end(argv, err) < 0)
        return -1;
    req.argv = words_list(argv);
    if (spawn_start(&req, &s->child, err) < 0)
        return qemu_missing_hint(err);
    return 0;
}

/* Text after `prefix` if it begins so, else the text. */
static char *skip(char *text, const char *prefix)
{
    size_t n = strlen(prefix);

    return strncmp(text, prefix, n) == 0 ? text + n : text;
}

/* A complaint of qemu-nbd, made one sentence in place: without its own name,
 * and with what it says about locks in words that help.
 */
static const char *sentence(char *stderr_text)
{
    char *text = skip(stderr_text, "qemu-nbd: ");
    size_t length = strlen(text);

    if (strstr(text, "Is another process using"))
        return "the image is in use by another process (a running guest?)";
    while (length > 0 && text[length - 1] == '\n')
        text[--length] = '\0';
    for (char *p = text; (p = strchr(p, '\n')); p++)
        *p = ' ';
    if (strncmp(text, "Failed to blk_new_open '", 24) == 0) {
        char *end = strstr(text + 24, "': ");

        text = end ? end + 3 : text;
    }
    return text[0] ? text : "no reason given";
}

/* There it makes its socket itself, and says by its file of the process id that
 * it listens.
 */
static int run_there(struct qemu_nbd *s, const struct qemu_nbd_options *o,
                     struct words *argv, struct error *err)
{
    _cleanup_free_ char *there = text_dup_printf("%s.nbd", s->base);
    _cleanup_error_ struct error why = ERROR_INIT;

    if (o->tcp_host) {
        words_add(argv, "--bind=%s", o->tcp_host);
        words_add(argv, "--port=%u", (unsigned)o->tcp_port);
    } else {
        words_add(argv, "--socket=%s", there ? there : "");
    }
    words_add(argv, "--pid-file=%s.pid", s->base);
    words_add(argv, "%s", s->path);
    if (!there)
        return error_memory(err);
    if (words_end(argv, err) < 0)
        return -1;
    if (remote_serve(s->on, key_of(s), s->base, words_list(argv), &why) < 0) {
        if (why.kind != ERR_CHILD) {
            error_move(err, &why);
            return -1;
        }
        free(take(s->base)); /* it has ended */
        s->said = strdup(error_text(&why));
        if (!s->said)
            return error_memory(err);
        for (char *c = s->said; *c; c++)
            *c = *c == '\t' ? '\n' : *c;
        return error_set(
            err, strstr(s->said, "already in use") ? ERR_BUSY : ERR_CHILD,
            "qemu-nbd: %s", sentence(s->said));
    }
    if (o->tcp_host)
        return 0;
    return remote_forward(s->on, s->socket_path, there, err);
}

/* It has ended, or is about to: why? */
static int why_ended(struct qemu_nbd *s, struct error *err)
{
    _cleanup_error_ struct error why = ERROR_INIT;
    _cleanup_free_ char *text = NULL;

    if (child_wait(s->child, END_TIMEOUT_MS, &why) == 0)
        return error_set(err, ERR_CHILD, "qemu-nbd ended at once");
    if (why.kind != ERR_CHILD) {
        error_move(err, &why);
        return -1;
    }
    text = child_stderr_tail(s->child, STDERR_MAX);
    if (!text)
        return error_memory(err);
    return error_set_code(err, ERR_CHILD, why.code, "qemu-nbd: %s",
                          sentence(text));
}

static int start_there(struct qemu_nbd *s, const char *format,
                       const struct qemu_nbd_options *options,
                       struct error *err)
{
    _cleanup_words_ struct words argv = WORDS_INIT;
    static atomic_uint count; /* names that were used are never used again */

    s->base = text_dup_printf("%s/nbd%u", options->directory,
                              atomic_fetch_add(&count, 1));
    if (!s->base)
        return error_memory(err);
    build_argv(s, format, options, &argv);
    return run_there(s, options, &argv, err);
}

static int start(struct qemu_nbd *s, const char *format,
                 const struct qemu_nbd_options *options, struct error *err)
{
    _cleanup_words_ struct words argv = WORDS_INIT;
    struct listen_address address;
    _cleanup_close_ int listen_fd = -1;
    int r;

    if (options->shared > CLIENTS_MAX)
        return error_set(err, ERR_INPUT, "more than %d clients", CLIENTS_MAX);
    s->on = options->on;
    choose_modes(s, options);
    if (s->on)
        return start_there(s, format, options, err);
    if ((options->tcp_host
             ? listen_tcp(options->tcp_host, options->tcp_port, &address, err)
             : listen_unix(s->socket_path, &address, err)) < 0 ||
        listen_on(&address, &listen_fd, err) < 0)
        return -1;
    s->bound = !options->tcp_host;
    build_argv(s, format, options, &argv);
    if (run_here(s, options->read_only, &argv, listen_fd, err) < 0)
        return -1;
    /* With ours closed, the end of the server is the end of the socket. */
    closep(&listen_fd);
    r = listen_greet(&address, "qemu-nbd", START_TIMEOUT_MS, err);
    return r == 0 ? why_ended(s, err) : MIN_OF(r, 0);
}

int qemu_nbd_start(const char *path, const char *format,
                   const char *socket_path,
                   const struct qemu_nbd_options *options,
                   struct qemu_nbd **ret, struct error *err)
{
    _cleanup_(qemu_nbd_freep) struct qemu_nbd *s =
        server_new(path, socket_path);

    if (!s)
        return error_memory(err);
    if (start(s, format, options, err) < 0)
        return error_prefix(err, "serve the image '%s'", path);
    *ret = take(s);
    return 0;
}

/* A line of stderr that tells of no lost data. */
static bool is_harmless(const char *line)
{
    static const char *const harmless[] = {
        "qemu-nbd: Disconnect client",          /* one went without a word */
        "qemu-nbd: option negotiation failed:", /* the same, earlier */
        "qemu-nbd: warning:",
    };

    for (size_t i = 0; i < array_size(harmless); i++)
        if (strncmp(line, harmless[i], strlen(harmless[i])) == 0)
            return true;
    return line[0] == '\0';
}

static int check_complaints(char *text, struct error *err)
{
    char *rest = text;
    char *line;

    while ((line = strsep(&rest, "\n")))
        if (!is_harmless(line))
            return error_set(err, ERR_CHILD, "qemu-nbd: %s", sentence(line));
    return 0;
}

/* SIGTERM makes it flush, close the image and exit with 0.  Unlike child_stop
 * this does not take death by that signal for success, and does not give up
 * while there is something to write.
 */
static int end(struct qemu_nbd *s, struct error *err)
{
    struct pollfd p = {child_fd(s->child), POLLIN, 0};
    int n;

    if (child_running(s->child))
        kill(child_pid(s->child), SIGTERM);
    do
        n = poll(&p, 1, STOP_TIMEOUT_MS);
    while (n < 0 && errno == EINTR);
    if (n == 0)
        return error_set(err, ERR_TIMEOUT,
                         "qemu-nbd does not end within %d s of SIGTERM",
                         STOP_TIMEOUT_MS / 1000);
    if (child_running(s->child)) /* collects it */
        return error_set(err, ERR_CHILD, "qemu-nbd cannot be waited for");
    if (child_wait(s->child, 0, err) < 0)
        return -1;
    s->said = child_stderr_tail(s->child, STDERR_MAX);
    return s->said ? check_complaints(s->said, err) : error_memory(err);
}

/* The same there. */
static int stop_there(struct qemu_nbd *s, struct error *err)
{
    int status = 0;

    if (remote_stop(s->on, key_of(s), &status, &s->said, err) < 0)
        return -1;
    free(take(s->base));
    for (char *c = s->said; *c; c++)
        *c = *c == '\t' ? '\n' : *c;
    if (status != 0)
        return error_set_code(err, ERR_CHILD, status, "qemu-nbd: %s",
                              sentence(s->said));
    return check_complaints(s->said, err);
}

int qemu_nbd_stop(struct qemu_nbd *own_server, struct error *err)
{
    _cleanup_(qemu_nbd_freep) struct qemu_nbd *s = own_server;

    if ((s->on ? stop_there(s, err) : end(s, err)) < 0)
        return error_prefix(err, "close the image '%s'", s->path);
    return 0;
}
