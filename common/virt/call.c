/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* call.c - see call.h; knows libvirt's errors, base and virt/session */
#include "virt/call.h"

#include <poll.h>
#include <signal.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/eventfd.h>

#include <libvirt/virterror.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/stop.h"

/* How long a change that was begun may go on after a request to stop. */
#define STOP_GRACE_MS 10000

/* How often, and how far apart, to try to reach a daemon that went away. */
#define CONNECT_TRIES 5
#define CONNECT_WAIT_MS 100

struct call_state {
    atomic_int refs;
    struct session *session;
    char uuid[VIR_UUID_STRING_BUFLEN]; /* of the domain, or "" */
    char *what;
    call_function run;
    bool no_memory;
    bool cut; /* of the thread: the connection failed us */
    int wake_fd;
    int done_fd;
    pthread_mutex_t lock; /* over all below */
    bool done;
    bool given_up;
    int result;
    struct error error;
};

struct call *call_new(struct session *s, const struct domain *domain,
                      call_function run, const char *what)
{
    _cleanup_(call_freep) struct call *call = calloc(1, sizeof(*call));
    struct call_state *state = calloc(1, sizeof(*state));

    if (!call || !state) {
        free(state);
        free(take(call));
        return NULL;
    }
    call->state = state;
    pthread_mutex_init(&state->lock, NULL);
    state->refs = 1;
    state->session = session_ref(s);
    state->run = run;
    state->done_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    state->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (domain)
        memcpy(state->uuid, domain_uuid(domain), sizeof(state->uuid));
    if (asprintf(&state->what, "%s%s%s%s", what, domain ? " of domain '" : "",
                 domain ? domain_name(domain) : "", domain ? "'" : "") < 0)
        state->what = NULL;
    if (!state->what || state->done_fd < 0 || state->wake_fd < 0)
        return NULL;
    return take(call);
}

void call_arg(struct call *call, size_t i, const char *text)
{
    if (!call || !text)
        return;
    call->args[i] = strdup(text);
    if (!call->args[i])
        call->state->no_memory = true;
}

void call_flags(struct call *call, unsigned flags)
{
    if (call)
        call->flags = flags;
}

struct call *call_ref(struct call *call)
{
    atomic_fetch_add(&call->state->refs, 1);
    return call;
}

static void free_texts(char **texts, size_t count)
{
    for (size_t i = 0; texts && i < count; i++)
        free(texts[i]);
    free(texts);
}

void call_unref(void *opaque)
{
    struct call *call = opaque;
    struct call_state *state = call->state;

    if (atomic_fetch_sub(&state->refs, 1) > 1)
        return;
    for (size_t i = 0; i < CALL_ARGS; i++)
        free(call->args[i]);
    free_texts(call->texts, call->text_count);
    free(call->text);
    closep(&state->done_fd);
    closep(&state->wake_fd);
    error_clear(&state->error);
    session_unref(state->session);
    pthread_mutex_destroy(&state->lock);
    free(state->what);
    free(state);
    free(call);
}

void call_free(struct call *call)
{
    if (call)
        call_unref(call);
}

/* ---- on the call's thread ---- */

int call_error_code(void)
{
    virErrorPtr e = virGetLastError();

    return e ? e->code : VIR_ERR_OK;
}

char *call_error_message(void)
{
    const char *message = virGetLastErrorMessage();
    char *line = strdup(message ? message : "unknown error");

    for (char *c = line; c && *c; c++)
        if (*c == '\n' || *c == '\t')
            *c = ' ';
    for (size_t n = line ? strlen(line) : 0; n > 0 && line[n - 1] == ' '; n--)
        line[n - 1] = '\0';
    return line;
}

int call_fail(struct call *call, struct error *err)
{
    _cleanup_free_ char *message = call_error_message();
    enum error_kind kind = ERR_LIBVIRT;
    virErrorPtr last = virGetLastError();
    int code = call_error_code();

    call->state->cut = last && last->domain == VIR_FROM_RPC;

    if (!message || code == VIR_ERR_NO_MEMORY)
        return error_memory(err);
    /* Somebody else's job, or a QEMU that does not answer, holds the domain. */
    if (code == VIR_ERR_OPERATION_TIMEOUT)
        kind = ERR_BUSY;
    if (code == VIR_ERR_NO_DOMAIN)
        kind = ERR_INPUT;
    return error_set_code(err, kind, code, "Cannot %s: %s", call->state->what,
                          message);
}

bool call_is_cut(const struct call *call)
{
    return call->state->cut;
}

virConnectPtr call_reconnect(struct call *call, struct error *err)
{
    virConnectPtr conn = session_connection(call->state->session, err);

    call->state->cut = !conn;
    return conn;
}

const char *call_what(const struct call *call)
{
    return call->state->what;
}

struct session *call_session(const struct call *call)
{
    return call->state->session;
}

void call_wake(struct call *call)
{
    eventfd_write(call->state->wake_fd, 1);
}

void call_sleep(struct call *call, int ms)
{
    struct pollfd p = {call->state->wake_fd, POLLIN, 0};
    eventfd_t count = 0;

    if (poll(&p, 1, ms) > 0)
        eventfd_read(call->state->wake_fd, &count);
}

/* Get a connection and the domain, if there is one in this call. */
static int prepare(struct call *call, virConnectPtr *ret_conn,
                   virDomainPtr *ret_domain, struct error *err)
{
    struct call_state *state = call->state;
    _cleanup_(virConnectClosep) virConnectPtr conn = NULL;
    virDomainPtr domain = NULL;

    conn = call_reconnect(call, err);
    if (!conn)
        return -1;
    if (state->uuid[0]) {
        domain = virDomainLookupByUUIDString(conn, state->uuid);
        if (!domain) {
            call_fail(call, err);
            if (state->cut)
                session_drop(state->session, conn);
            return -1;
        }
    }
    *ret_conn = take(conn);
    *ret_domain = domain;
    return 0;
}

static int run(struct call *call, struct error *err)
{
    _cleanup_(virConnectClosep) virConnectPtr conn = NULL;
    _cleanup_(virDomainFreep) virDomainPtr domain = NULL;
    int ready = 0;

    if (call->bare)
        return call->state->run(call, NULL, NULL, err);
    ready = prepare(call, &conn, &domain, err);
    /* A domain was open before, so the daemon has just gone: nothing was asked
     * yet, and it may be back at once.
     */
    for (int i = 1; ready < 0 && i < CONNECT_TRIES; i++) {
        if (!call_is_cut(call) || !call->state->uuid[0])
            break;
        error_clear(err);
        call_sleep(call, CONNECT_WAIT_MS);
        ready = prepare(call, &conn, &domain, err);
    }
    return ready < 0 ? -1 : call->state->run(call, conn, domain, err);
}

static void *thread(void *opaque)
{
    struct call *call = opaque;
    struct call_state *state = call->state;
    struct error err = ERROR_INIT;
    bool given_up = false;
    int result = 0;

    log_thread("libvirt");
    result = run(call, &err);
    pthread_mutex_lock(&state->lock);
    given_up = state->given_up;
    state->done = true;
    state->result = result;
    error_move(&state->error, &err);
    pthread_mutex_unlock(&state->lock);
    if (given_up) {
        log_debug("late end of a call that was given up: %s", state->what);
        if (result >= 0 && call->late)
            call->late(call);
        session_add_stuck(state->session, -1);
    }
    eventfd_write(state->done_fd, 1);
    call_unref(call);
    return NULL;
}

/* ---- on the caller's ---- */

/* Start the thread; it takes a share and no signals. */
static int start(struct call *call, struct error *err)
{
    pthread_attr_t attr;
    pthread_t id;
    sigset_t all, before;
    int status = 0;

    call_ref(call);
    sigfillset(&all);
    pthread_attr_init(&attr);
    pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    status = pthread_create(&id, &attr, thread, call);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    pthread_attr_destroy(&attr);
    if (status != 0) {
        call_unref(call);
        return error_errno(err, status, "Cannot start a thread");
    }
    return 0;
}

/* Stop waiting: 1 if the call has ended after all. */
static bool give_up(struct call_state *state)
{
    LOCK_SCOPE(&state->lock);

    if (state->done)
        return true;
    state->given_up = true;
    session_add_stuck(state->session, 1);
    return false;
}

enum ending { ENDED, TIMED_OUT, STOPPED };

static enum ending wait_for(struct call_state *state, enum call_kind kind,
                            int timeout_ms)
{
    int64_t deadline = clock_ms() + timeout_ms;
    bool stop_seen = kind == CALL_UNDO;

    for (;;) {
        struct pollfd p[2] = {{state->done_fd, POLLIN, 0},
                              {stop_seen ? -1 : stop_fd(), POLLIN, 0}};
        int64_t left = deadline - clock_ms();

        poll(p, 2, left > 0 ? (int)left : 0);
        if (p[0].revents)
            return ENDED;
        if (p[1].revents) {
            stop_seen = true;
            if (kind == CALL_ASK)
                return give_up(state) ? ENDED : STOPPED;
            deadline = MIN_OF(deadline, clock_ms() + STOP_GRACE_MS);
        }
        if (clock_ms() >= deadline)
            return give_up(state) ? ENDED : TIMED_OUT;
    }
}

static int result(struct call_state *state, struct error *err)
{
    LOCK_SCOPE(&state->lock);

    if (state->result < 0)
        error_move(err, &state->error);
    return state->result;
}

int call_wait(struct call *call, enum call_kind kind, int timeout_ms,
              struct error *err)
{
    struct call_state *state = call ? call->state : NULL;

    if (!call || state->no_memory)
        return error_memory(err);
    if (session_ignores_stop(state->session))
        kind = CALL_UNDO;
    if (kind != CALL_UNDO && stop_check(err) < 0)
        return -1;
    if (timeout_ms <= 0)
        timeout_ms = session_timeout(state->session);
    if (session_stuck(state->session) < 0)
        return error_set(err, ERR_TIMEOUT,
                         "Cannot %s: libvirt does not answer, too many calls "
                         "are waiting",
                         state->what);
    if (start(call, err) < 0)
        return -1;
    switch (wait_for(state, kind, timeout_ms)) {
    case TIMED_OUT:
        /* The grace after a stop is over: that is the reason to be told. */
        if (kind != CALL_UNDO && stop_check(err) < 0)
            return -1;
        return error_set(err, ERR_TIMEOUT,
                         "Cannot %s: libvirt did not answer within %d.%d s",
                         state->what, timeout_ms / 1000,
                         timeout_ms % 1000 / 100);
    case STOPPED:
        if (stop_check(err) < 0)
            return -1;
        return error_set(err, ERR_STOPPED, "Cannot %s: stopped", state->what);
    case ENDED:
        break;
    }
    return result(state, err);
}
