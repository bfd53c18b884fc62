/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* guardian_main.c - see guardian.h; its side: listen, and undo at the end
 *
 * Takes no memory while it listens and depends on nothing that may fail then.
 */
#include "host/guardian.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/log.h"
#include "host/guardian_wire.h"

/* As in cli/exit.h, which this layer does not see. */
enum { STATUS_OK = 0, STATUS_FAILED = 1, STATUS_USAGE = 64 };

struct fact {
    char key[GUARDIAN_KEY_MAX]; /* "": free */
    char value[GUARDIAN_VALUE_MAX];
};

struct guardian_facts {
    struct fact facts[GUARDIAN_FACTS_MAX];
};

static struct fact *fact_find(struct guardian_facts *f, const char *key)
{
    for (size_t i = 0; i < GUARDIAN_FACTS_MAX; i++)
        if (strcmp(f->facts[i].key, key) == 0)
            return &f->facts[i];
    return NULL;
}

const char *facts_get(const struct guardian_facts *facts, const char *key)
{
    for (size_t i = 0; key[0] && i < GUARDIAN_FACTS_MAX; i++)
        if (strcmp(facts->facts[i].key, key) == 0)
            return facts->facts[i].value;
    return NULL;
}

static bool facts_empty(const struct guardian_facts *facts)
{
    for (size_t i = 0; i < GUARDIAN_FACTS_MAX; i++)
        if (facts->facts[i].key[0])
            return false;
    return true;
}

static bool fact_set(struct guardian_facts *f, const char *key,
                     const char *value)
{
    struct fact *fact = fact_find(f, key);

    if (!fact)
        fact = fact_find(f, "");
    if (!fact)
        return false;
    memcpy(fact->value, value, strlen(value) + 1);
    memcpy(fact->key, key, strlen(key) + 1);
    return true;
}

static void fact_unset(struct guardian_facts *f, const char *key)
{
    struct fact *fact = fact_find(f, key);

    if (fact)
        fact->key[0] = '\0';
}

/* The string at the start of `p[0..length)`, of at most `max` bytes with its
 * NUL, or NULL.  `*ret_size` is its bytes with the NUL.
 */
static const char *string_at(const char *p, size_t length, size_t max,
                             size_t *ret_size)
{
    size_t n = strnlen(p, length);

    if (n == length || n >= max)
        return NULL;
    *ret_size = n + 1;
    return p;
}

/* Understand one packet.  false: it makes no sense, nothing changed. */
static bool handle_fact(struct guardian_facts *f, const char *packet,
                        size_t length)
{
    const char *rest = packet + 1;
    const char *key;
    const char *value;
    size_t size = 0;

    if (length < 1 || (packet[0] != WIRE_SET && packet[0] != WIRE_UNSET))
        return false;
    length--;
    key = string_at(rest, length, GUARDIAN_KEY_MAX, &size);
    if (!key || !key[0])
        return false;
    rest += size;
    length -= size;
    if (packet[0] == WIRE_UNSET) {
        if (length > 0)
            return false;
        fact_unset(f, key);
        return true;
    }
    value = string_at(rest, length, GUARDIAN_VALUE_MAX, &size);
    if (!value || size != length)
        return false;
    return fact_set(f, key, value);
}

/* That nobody hears the answer is seen at the next packet. */
static void answer(bool yes)
{
    char a = yes ? WIRE_YES : WIRE_NO;
    ssize_t n;

    do
        n = send(STDIN_FILENO, &a, 1, MSG_NOSIGNAL | MSG_DONTWAIT);
    while (n < 0 && errno == EINTR);
}

/* Take facts until the end: true after a goodbye. */
static bool listen_to_parent(struct guardian_facts *f)
{
    static char packet[WIRE_MAX + 1];

    answer(true);
    for (;;) {
        ssize_t n = recv(STDIN_FILENO, packet, sizeof(packet), 0);

        /* ECONNRESET: it died without reading an answer; what it said before
         * can still be read, and then comes the end.
         */
        if (n < 0 && (errno == EINTR || errno == ECONNRESET))
            continue;
        if (n <= 0)
            return false;
        if (n == 1 && packet[0] == WIRE_BYE) {
            answer(true);
            return true;
        }
        answer((size_t)n <= WIRE_MAX && handle_fact(f, packet, (size_t)n));
    }
}

static void ignore_signals(void)
{
    static const int ignored[] = {SIGINT,  SIGTERM, SIGHUP,  SIGQUIT,
                                  SIGPIPE, SIGUSR1, SIGUSR2, SIGTSTP,
                                  SIGTTIN, SIGTTOU, SIGXFSZ};
    struct sigaction act = {.sa_handler = SIG_IGN};
    sigset_t none;

    for (size_t i = 0; i < array_size(ignored); i++)
        sigaction(ignored[i], &act, NULL);
    act.sa_handler = SIG_DFL; /* whatever our parent inherited */
    sigaction(SIGCHLD, &act, NULL);
    sigaction(SIGALRM, &act, NULL);
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
}

static void give_up(int signo)
{
    static const char text[] =
        "guardian: cleaning up takes too long, given up\n";
    ssize_t n = write(STDERR_FILENO, text, sizeof(text) - 1);

    (void)signo;
    (void)n;
    _exit(STATUS_FAILED);
}

static int undo_all(const struct guardian_facts *facts, guardian_undo undo,
                    unsigned seconds)
{
    struct sigaction act = {.sa_handler = give_up};
    _cleanup_error_ struct error err = ERROR_INIT;

    log_thread("guardian");
    log_syslog(true);
    log_warning("the program ended without cleaning up, doing it now");
    sigaction(SIGALRM, &act, NULL);
    alarm(seconds);
    if (undo(facts, &err) < 0) {
        log_error("cleaning up failed: %s", error_text(&err));
        return STATUS_FAILED;
    }
    log_warning("cleaned up");
    return STATUS_OK;
}

/* Somebody may have typed it. */
static bool is_our_socket(int fd)
{
    int type = 0;
    socklen_t length = sizeof(type);

    return getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &length) == 0 &&
           type == SOCK_SEQPACKET;
}

bool guardian_is_wanted(int argc, char **argv)
{
    return argc > 1 && strcmp(argv[1], GUARDIAN_OPTION) == 0;
}

int guardian_serve(guardian_undo undo, unsigned undo_seconds)
{
    static struct guardian_facts facts;

    if (!is_our_socket(STDIN_FILENO)) {
        log_error(GUARDIAN_OPTION " is for internal use only");
        return STATUS_USAGE;
    }
    ignore_signals();
    /* So that `killall PROGRAM` is not for us. */
    prctl(PR_SET_NAME, "guardian");
    if (chdir("/") < 0) {
        log_error("change to '/': %s", strerror(errno));
        return STATUS_FAILED;
    }
    if (listen_to_parent(&facts) || facts_empty(&facts))
        return STATUS_OK;
    return undo_all(&facts, undo, undo_seconds);
}

int guardian_main(guardian_undo undo)
{
    return guardian_serve(undo, GUARDIAN_UNDO_SECONDS);
}
