/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* remote_agent.c - see remote_agent.h
 *
 * A thread of its own sends the heartbeat, since those who use the agent may
 * have nothing to say to it for hours.
 */
#include "host/remote_agent.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/stop.h"
#include "base/text.h"
#include "host/remote.h"

#define GREETING "virtnbdbackup-agent-1"
#define BEAT_SECONDS 15
#define BEAT_TIMEOUT_MS 60000
#define ANSWER_MAX (64 * KIB)

const char remote_agent_text[] =
#include "host/remote_agent.inc"
    ;

struct agent {
    int fd;               /* a socket */
    pthread_mutex_t talk; /* held for a request and its answer */
    bool gone;            /* under `talk` */
    pthread_mutex_t lock; /* of `ending` */
    pthread_cond_t wake;
    bool ending;
    bool beating; /* the thread was started */
    pthread_t beat;
};

char *remote_word(const char *word)
{
    static const char safe[] = "abcdefghijklmnopqrstuvwxyz"
                               "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._/-";
    char *out =
        strlen(word) < SIZE_MAX / 8 ? malloc(5 * strlen(word) + 2) : NULL;
    char *o = out;

    if (!out)
        return NULL;
    *o++ = ':';
    for (; *word; word++) {
        if (strchr(safe, *word)) {
            *o++ = *word;
        } else {
            unsigned char byte = (unsigned char)*word;

            *o++ = '\\';
            *o++ = '0';
            *o++ = (char)('0' + (byte >> 6));
            *o++ = (char)('0' + (byte >> 3 & 7));
            *o++ = (char)('0' + (byte & 7));
        }
    }
    *o = '\0';
    return out;
}

/* Read a line, without its end.  Outcome 1: done; 0: the pipe has ended.
 * Nothing may interrupt the answer to a request, but the greeting.
 */
static int read_line(int fd, int timeout_ms, bool may_stop, char **ret,
                     struct error *err)
{
    int64_t deadline = clock_ms() + timeout_ms;
    _cleanup_free_ char *line = malloc(ANSWER_MAX);
    size_t length = 0;

    if (!line)
        return error_memory(err);
    for (;;) {
        struct pollfd fds[] = {{fd, POLLIN, 0},
                               {may_stop ? stop_fd() : -1, POLLIN, 0}};
        int64_t rest = timeout_ms < 0 ? -1 : MAX_OF(deadline - clock_ms(), 0);
        int ready = poll(fds, array_size(fds), (int)rest);
        ssize_t n;

        if (may_stop && stop_check(err) < 0)
            return -1;
        if (ready < 0 && errno != EINTR)
            return error_errno(err, errno, "wait for an answer");
        if (ready == 0 && rest == 0)
            return error_set(err, ERR_TIMEOUT, "no answer within %d s",
                             timeout_ms / 1000);
        if (ready <= 0)
            continue;
        n = read(fd, line + length, 1);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0 || length + 1 == ANSWER_MAX)
            return 0;
        if (line[length] == '\n')
            break;
        length++;
    }
    line[length] = '\0';
    *ret = take(line);
    return 1;
}

static int gone(struct agent *a, struct error *err)
{
    a->gone = true;
    return error_set_code(err, ERR_SYSTEM, EPIPE, "the connection is broken");
}

/* The whole line of a request; NULL: no memory. */
static char *make_line(const char *const *words)
{
    _cleanup_free_ char *line = strdup("");

    for (; line && *words; words++) {
        _cleanup_free_ char *word = remote_word(*words);
        char *longer =
            word ? text_dup_printf("%s%s%s", line, *line ? " " : "", word)
                 : NULL;

        free(line);
        line = longer;
    }
    return line ? text_dup_printf("%s\n", line) : NULL;
}

static int send_all(int fd, const char *line, size_t length)
{
    while (length > 0) {
        ssize_t n = send(fd, line, length, MSG_NOSIGNAL);

        if (n < 0 && errno != EINTR)
            return -1;
        if (n > 0) {
            line += n;
            length -= (size_t)n;
        }
    }
    return 0;
}

static int exchange(struct agent *a, const char *line, int timeout_ms,
                    char **ret, struct error *err)
{
    int r;

    if (a->gone)
        return gone(a, err);
    if (send_all(a->fd, line, strlen(line)) < 0)
        return gone(a, err);
    r = read_line(a->fd, timeout_ms, false, ret, err);
    if (r < 0)
        a->gone = true;
    return r == 0 ? gone(a, err) : MIN_OF(r, 0);
}

/* Without the tab at its end. */
static void trim(char *text)
{
    size_t n = strlen(text);

    while (n > 0 && (text[n - 1] == '\t' || text[n - 1] == ' '))
        text[--n] = '\0';
}

int agent_ask(struct agent *a, const char *const *words, int timeout_ms,
              char **ret_answer, struct error *err)
{
    _cleanup_free_ char *line = make_line(words);
    _cleanup_free_ char *answer = NULL;
    int r;

    if (!line)
        return error_memory(err);
    pthread_mutex_lock(&a->talk);
    r = exchange(a, line, timeout_ms, &answer, err);
    pthread_mutex_unlock(&a->talk);
    if (r < 0)
        return -1;
    trim(answer);
    if (strncmp(answer, "ok", 2) != 0)
        return error_set(err, ERR_CHILD, "%s",
                         strncmp(answer, "no ", 3) == 0 ? answer + 3 : answer);
    if (!ret_answer)
        return 0;
    *ret_answer = strdup(answer[2] == ' ' ? answer + 3 : "");
    return *ret_answer ? 0 : error_memory(err);
}

static void *beat(void *opaque)
{
    static const char *const words[] = {"beat", "x", NULL};
    struct agent *a = opaque;
    struct timespec until;

    pthread_mutex_lock(&a->lock);
    while (!a->ending) {
        clock_gettime(CLOCK_REALTIME, &until);
        until.tv_sec += BEAT_SECONDS;
        if (pthread_cond_timedwait(&a->wake, &a->lock, &until) != ETIMEDOUT)
            continue;
        pthread_mutex_unlock(&a->lock);
        if (agent_ask(a, words, BEAT_TIMEOUT_MS, NULL, NULL) < 0)
            return NULL;
        pthread_mutex_lock(&a->lock);
    }
    pthread_mutex_unlock(&a->lock);
    return NULL;
}

/* Signals are for the main thread. */
static int start_beating(struct agent *a, struct error *err)
{
    sigset_t all;
    sigset_t before;
    int r;

    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    r = pthread_create(&a->beat, NULL, beat, a);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (r != 0)
        return error_errno(err, r, "start a thread");
    a->beating = true;
    return 0;
}

static int greet(struct agent *a, int timeout_ms, struct error *err)
{
    for (;;) {
        _cleanup_free_ char *line = NULL;
        int r = read_line(a->fd, timeout_ms, true, &line, err);

        if (r <= 0)
            return r;
        if (strcmp(line, GREETING) == 0)
            return 1;
    }
}

int agent_meet(int own_fd, int timeout_ms, struct agent **ret,
               struct error *err)
{
    _cleanup_(agent_freep) struct agent *a = calloc(1, sizeof(*a));
    int r;

    if (!a) {
        close(own_fd);
        return error_memory(err);
    }
    a->fd = own_fd;
    pthread_mutex_init(&a->talk, NULL);
    pthread_mutex_init(&a->lock, NULL);
    pthread_cond_init(&a->wake, NULL);
    r = greet(a, timeout_ms, err);
    if (r <= 0)
        return r;
    if (start_beating(a, err) < 0)
        return -1;
    *ret = take(a);
    return 1;
}

void agent_free(struct agent *a)
{
    if (!a)
        return;
    pthread_mutex_lock(&a->lock);
    a->ending = true;
    pthread_cond_signal(&a->wake);
    pthread_mutex_unlock(&a->lock);
    /* A heartbeat under way ends, too. */
    shutdown(a->fd, SHUT_RDWR);
    if (a->beating)
        pthread_join(a->beat, NULL);
    closep(&a->fd);
    pthread_mutex_destroy(&a->talk);
    pthread_mutex_destroy(&a->lock);
    pthread_cond_destroy(&a->wake);
    free(a);
}
