/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* session.c - see session.h; hides the event loop, login and reconnection */
#include "virt/session.h"

#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <string.h>
#include <unistd.h>

#include <libvirt/virterror.h>

#include "base/cleanup.h"
#include "base/log.h"
#include "virt/call.h"
#include "virt/uri.h"

/* A daemon that is deaf for a minute is gone: libvirt then fails the calls
 * that wait for it, also those that we have given up.
 */
#define KEEPALIVE_SECONDS 5
#define KEEPALIVE_COUNT 12

#define CLOSE_TIMEOUT_MS 2000
#define CLOSE_STUCK_TIMEOUT_MS 200 /* when it does not answer anyway */
#define STUCK_MAX 16

struct session {
    atomic_int refs;
    atomic_int stuck;
    atomic_bool ignore_stop;
    char *uri;
    char *user;
    char *password;
    int timeout_ms;
    pthread_mutex_t lock;
    virConnectPtr conn; /* under the lock; replaced when it broke */
    bool closed;        /* under the lock */
};

/* ---- the event loop: one thread for the process, never ended ---- */

static void ignore_error(void *opaque maybe_unused,
                         virErrorPtr error maybe_unused)
{
}

static void *loop_thread(void *opaque maybe_unused)
{
    log_thread("events");
    for (;;)
        if (virEventRunDefaultImpl() < 0)
            poll(NULL, 0, 100);
    return NULL;
}

static bool failed;      /* libvirt's initialisation */
static char *failed_why; /* NULL: no memory */

static void initialise(void)
{
    virSetErrorFunc(NULL, ignore_error);
    failed = virInitialize() < 0 || virEventRegisterDefaultImpl() < 0;
    if (failed)
        failed_why = call_error_message();
}

int session_prepare(struct error *err)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;

    pthread_once(&once, initialise);
    return failed ? error_set(err, ERR_LIBVIRT, "Cannot initialise libvirt: %s",
                              failed_why ? failed_why : "no memory")
                  : 0;
}

static int loop_status; /* errno */

static void loop_start(void)
{
    pthread_attr_t attr;
    sigset_t all, before;
    pthread_t id;

    sigfillset(&all);
    pthread_attr_init(&attr);
    pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    loop_status = pthread_create(&id, &attr, loop_thread, NULL);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    pthread_attr_destroy(&attr);
}

static int loop_ensure(struct error *err)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;

    if (session_prepare(err) < 0)
        return -1;
    pthread_once(&once, loop_start);
    if (loop_status > 0)
        return error_errno(err, loop_status, "Cannot start a thread");
    return 0;
}

/* ---- connecting, on a call thread ---- */

/* Answer libvirt's questions from what we were given; never ask a person. */
static int answer(virConnectCredentialPtr asked, unsigned count, void *opaque)
{
    const struct session *s = opaque;

    for (unsigned i = 0; i < count; i++) {
        const char *text = NULL;

        if (asked[i].type == VIR_CRED_AUTHNAME)
            text = s->user;
        else if (asked[i].type == VIR_CRED_PASSPHRASE)
            text = s->password;
        if (!text || !s->user || !s->password)
            return -1;
        asked[i].result = strdup(text);
        if (!asked[i].result)
            return -1;
        asked[i].resultlen = (unsigned)strlen(text);
    }
    return 0;
}

/* Why a connection failed, and what can be done about that. */
static void tell(const struct session *s, struct error *err)
{
    bool login = s->user && s->password;
    _cleanup_free_ char *message = call_error_message();
    int code = call_error_code();

    error_set_code(err, ERR_LIBVIRT, code,
                   "Cannot connect to libvirt at '%s'%s%s%s: %s", s->uri,
                   login ? " as user '" : "", login ? s->user : "",
                   login ? "'" : "", message ? message : "no memory");
    if (code == VIR_ERR_AUTH_FAILED && !login)
        error_append(err, "; it may want a login (--user with "
                          "--password-file, or ?authfile= in the URI)");
    /* Of an authfile that is no use libvirt says that the cause is unknown. */
    if (code == VIR_ERR_INTERNAL_ERROR && strstr(s->uri, "authfile="))
        error_append(err, "; is the authfile there, readable and complete?");
}

static virConnectPtr connect_to(struct session *s, struct error *err)
{
    /* No VIR_CRED_USERNAME, the name to act for, which authfiles lack. */
    int wanted[] = {VIR_CRED_AUTHNAME, VIR_CRED_PASSPHRASE};
    virConnectAuth auth = {wanted, array_size(wanted), answer, s};
    virConnectPtr conn = virConnectOpenAuth(s->uri, &auth, 0);

    if (!conn) {
        tell(s, err);
        return NULL;
    }
    /* Not every driver has this; those that need it have. */
    if (virConnectSetKeepAlive(conn, KEEPALIVE_SECONDS, KEEPALIVE_COUNT) != 0)
        virResetLastError();
    return conn;
}

/* A reference to the connection if it is alive, otherwise NULL. */
static virConnectPtr current(struct session *s)
{
    LOCK_SCOPE(&s->lock);

    if (!s->conn || virConnectIsAlive(s->conn) != 1)
        return NULL;
    virConnectRef(s->conn);
    return s->conn;
}

/* Install a new connection unless the session was closed: the old one, to be
 * closed, or the new one if it is not wanted.
 */
static virConnectPtr install(struct session *s, virConnectPtr conn)
{
    virConnectPtr other = NULL;
    LOCK_SCOPE(&s->lock);

    if (s->closed)
        return conn;
    other = s->conn;
    s->conn = conn;
    virConnectRef(conn); /* one for the session, one for the caller */
    return other;
}

virConnectPtr session_connection(struct session *s, struct error *err)
{
    virConnectPtr conn = current(s), old = NULL;

    if (conn)
        return conn;
    conn = connect_to(s, err);
    if (!conn)
        return NULL;
    old = install(s, conn);
    if (old)
        virConnectClose(old);
    if (old == conn) {
        error_set(err, ERR_STOPPED, "The libvirt session is closed");
        return NULL;
    }
    return conn;
}

void session_drop(struct session *s, virConnectPtr conn)
{
    bool ours = false;

    pthread_mutex_lock(&s->lock);
    if (s->conn == conn) {
        s->conn = NULL;
        ours = true;
    }
    pthread_mutex_unlock(&s->lock);
    if (ours)
        virConnectClose(conn);
}

/* ---- life ---- */

struct session *session_ref(struct session *s)
{
    atomic_fetch_add(&s->refs, 1);
    return s;
}

void session_unref(struct session *s)
{
    if (atomic_fetch_sub(&s->refs, 1) > 1)
        return;
    if (s->conn)
        virConnectClose(s->conn);
    if (s->password)
        explicit_bzero(s->password, strlen(s->password));
    free(s->uri);
    free(s->user);
    free(s->password);
    pthread_mutex_destroy(&s->lock);
    free(s);
}

static void session_unrefp(struct session **s)
{
    if (*s)
        session_unref(*s);
}

static const char *default_uri(void)
{
    const char *uri = getenv("LIBVIRT_DEFAULT_URI");

    if (uri && uri[0])
        return uri;
    return geteuid() == 0 ? "qemu:///system" : "qemu:///session";
}

const char *session_choose_uri(const char *uri)
{
    return uri && uri[0] ? uri : default_uri();
}

/* The client starts a daemon for who is not root, unless it is told not to. */
static bool starts_session_daemon(void)
{
    const char *told = getenv("LIBVIRT_AUTOSTART");

    return geteuid() != 0 && !(told && strcmp(told, "0") == 0);
}

/* Those over which the client only talks. */
static bool is_plain_transport(const char *transport)
{
    static const char *const plain[] = {"", "unix", "tls", "tcp"};

    for (size_t i = 0; i < array_size(plain); i++)
        if (strcmp(transport, plain[i]) == 0)
            return true;
    return false;
}

bool session_starts_programs(const char *uri)
{
    _cleanup_(virt_uri_done) struct virt_uri u = {0};
    const char *text = session_choose_uri(uri);

    /* What is no URI may be an alias of one in libvirt.conf. */
    if (virt_uri_parse(text, &u, NULL) < 0 || !is_plain_transport(u.transport))
        return true;
    if (strstr(text, "/session"))
        return starts_session_daemon();
    /* Not qemu:///embed, where the client is the daemon. */
    return !strstr(text, "/system");
}

static int connect_run(struct call *call maybe_unused,
                       virConnectPtr conn maybe_unused,
                       virDomainPtr domain maybe_unused,
                       struct error *err maybe_unused)
{
    return 0; /* the connection is all we wanted */
}

int session_open_with(const struct session_options *options,
                      struct session **ret, struct error *err)
{
    _cleanup_(session_unrefp) struct session *s = calloc(1, sizeof(*s));
    _cleanup_(call_freep) struct call *call = NULL;
    const char *uri = session_choose_uri(options->uri);

    if (loop_ensure(err) < 0)
        return -1;
    if (!s)
        return error_memory(err);
    s->refs = 1;
    pthread_mutex_init(&s->lock, NULL);
    s->timeout_ms = options->timeout_ms > 0 ? options->timeout_ms : 30000;
    s->uri = strdup(uri);
    s->user = options->user ? strdup(options->user) : NULL;
    s->password = options->password ? strdup(options->password) : NULL;
    if (!s->uri || (options->user && !s->user) ||
        (options->password && !s->password))
        return error_memory(err);
    call = call_new(s, NULL, connect_run, "connect to libvirt");
    if (call_wait(call, CALL_ASK, 0, err) < 0)
        return -1;
    *ret = take(s);
    return 0;
}

int session_open(const char *uri, int timeout_ms, struct session **ret,
                 struct error *err)
{
    struct session_options options = {.uri = uri, .timeout_ms = timeout_ms};

    return session_open_with(&options, ret, err);
}

/* Take the connection out of the session; no other comes in. */
static virConnectPtr take_connection(struct session *s)
{
    LOCK_SCOPE(&s->lock);

    s->closed = true;
    return take(s->conn);
}

/* The last reference makes libvirt say goodbye to its daemon, which may hang.
 */
static int close_run(struct call *call, virConnectPtr none maybe_unused,
                     virDomainPtr domain maybe_unused,
                     struct error *err maybe_unused)
{
    virConnectPtr conn = take_connection(call_session(call));

    if (conn)
        virConnectClose(conn);
    return 0;
}

void session_close(struct session *s)
{
    _cleanup_(call_freep) struct call *call = NULL;
    _cleanup_error_ struct error err = ERROR_INIT;

    if (!s)
        return;
    call = call_new(s, NULL, close_run, "close the connection to libvirt");
    if (call)
        call->bare = true;
    if (call_wait(call, CALL_UNDO,
                  s->stuck ? CLOSE_STUCK_TIMEOUT_MS : CLOSE_TIMEOUT_MS,
                  &err) < 0)
        log_debug("%s", error_text(&err));
    session_unref(s);
}

void session_ignore_stop(struct session *s)
{
    s->ignore_stop = true;
}

/* ---- answers ---- */

const char *session_uri(const struct session *s)
{
    return s->uri;
}

bool session_is_remote(const struct session *s)
{
    const char *host = strstr(s->uri, "://");

    return host && host[3] != '/' && host[3] != '\0';
}

int session_timeout(const struct session *s)
{
    return s->timeout_ms;
}

bool session_ignores_stop(struct session *s)
{
    return s->ignore_stop;
}

int session_stuck(struct session *s)
{
    return s->stuck >= STUCK_MAX ? -1 : 0;
}

void session_add_stuck(struct session *s, int n)
{
    s->stuck += n;
}
