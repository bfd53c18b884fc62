/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* follow.c - see follow.h
 *
 * To know that everything written so far has been read, we write a line of our
 * own, with a word that nobody can guess, and wait until the thread meets it.
 * The same tells it to end: a program that was left behind may hold the pipe.
 */
#include "follow.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "base/log.h"
#include "base/text.h"
#include "base/workers.h"

#define TOKEN_DIGITS 32
#define LINE_MAX_BYTES                                                         \
    4096 /* the rest of a longer line is a line of its own                     \
          */

struct follow {
    int read_fd;
    int write_fd;
    pthread_t thread;
    bool running; /* the thread is to be joined */
    char token[TOKEN_DIGITS + 1];

    pthread_mutex_t lock; /* for the rest */
    pthread_cond_t met;
    unsigned written; /* tokens */
    unsigned seen;    /* tokens */
    bool loud;
    bool ending;
    char *last;
};

/* Text after `prefix` if it begins so, else the text. */
static const char *skip(const char *text, const char *prefix)
{
    size_t n = strlen(prefix);

    return strncmp(text, prefix, n) == 0 ? text + n : text;
}

/* "nbdkit: virtnbdmap.3: error: no such thing": only what is behind. */
static const char *message_of(const char *line)
{
    const char *text = skip(line, "nbdkit: ");
    const char *error = strstr(text, "error: ");

    if (text != line && error)
        return error + strlen("error: ");
    text = skip(text, "qemu-nbd: ");
    return skip(text, "nbdfuse: ");
}

/* nbdkit's filter "log" begins with the date. */
static bool is_trace(const char *line)
{
    return isdigit((unsigned char)line[0]) && strlen(line) > 20 &&
           line[4] == '-' && line[7] == '-';
}

/* A client went away without a word. */
static bool is_harmless(const char *line)
{
    return strstr(line, "Connection reset by peer") ||
           strstr(line, "Broken pipe");
}

static void take_line(struct follow *f, const char *line)
{
    bool debug = strncmp(line, "nbdkit: ", 8) == 0 && strstr(line, "debug: ");
    bool loud;

    if (!line[0])
        return;
    if (is_trace(line)) {
        log_info("%s", line);
        return;
    }
    if (debug || is_harmless(line)) {
        log_debug("%s", line);
        return;
    }
    pthread_mutex_lock(&f->lock);
    loud = f->loud;
    free(f->last);
    f->last = strdup(message_of(line));
    pthread_mutex_unlock(&f->lock);
    if (loud)
        log_error("%s", message_of(line));
    else
        log_debug("%s", line);
}

/* Is it ours?  Then whoever waits goes on.  1: the thread shall end. */
static bool take_token(struct follow *f)
{
    bool ending;

    pthread_mutex_lock(&f->lock);
    f->seen++;
    ending = f->ending && f->seen == f->written;
    pthread_cond_broadcast(&f->met);
    pthread_mutex_unlock(&f->lock);
    return ending;
}

/* Take the lines that are complete; the rest moves to the front. */
static bool take_lines(struct follow *f, char *buffer, size_t *used)
{
    char *begin = buffer;
    char *end = NULL;

    while ((end = memchr(begin, '\n', *used - (size_t)(begin - buffer)))) {
        char *mark = NULL;

        *end = '\0';
        /* It may have met a line that was not ended. */
        mark = strstr(begin, f->token);
        if (mark)
            *mark = '\0';
        take_line(f, begin);
        if (mark && take_token(f))
            return true;
        begin = end + 1;
    }
    *used -= (size_t)(begin - buffer);
    memmove(buffer, begin, *used);
    if (*used == LINE_MAX_BYTES) {
        char rest[TOKEN_DIGITS]; /* maybe the first part of a token */

        begin = buffer + *used - sizeof(rest);
        memcpy(rest, begin, sizeof(rest));
        *begin = '\0';
        take_line(f, buffer);
        memcpy(buffer, rest, sizeof(rest));
        *used = sizeof(rest);
    }
    return false;
}

static void *run(void *opaque)
{
    struct follow *f = opaque;
    char buffer[LINE_MAX_BYTES + 1];
    size_t used = 0;

    log_thread("children");
    for (;;) {
        ssize_t n = read(f->read_fd, buffer + used, LINE_MAX_BYTES - used);

        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return NULL;
        used += (size_t)n;
        if (take_lines(f, buffer, &used))
            return NULL;
    }
}

int follow_start(struct follow **ret, struct error *err)
{
    _cleanup_(follow_freep) struct follow *f = calloc(1, sizeof(*f));
    int fds[2];

    if (!f)
        return error_memory(err);
    pthread_mutex_init(&f->lock, NULL);
    pthread_cond_init(&f->met, NULL);
    f->read_fd = f->write_fd = -1;
    if (text_random(f->token, TOKEN_DIGITS, err) < 0)
        return -1;
    if (pipe2(fds, O_CLOEXEC) < 0)
        return error_errno(err, errno, "creating a pipe");
    f->read_fd = fds[0];
    f->write_fd = fds[1];
    if (thread_start(&f->thread, "children", run, f, err) < 0)
        return -1;
    f->running = true;
    *ret = take(f);
    return 0;
}

int follow_fd(const struct follow *f)
{
    return f->write_fd;
}

void follow_loud(struct follow *f, bool loud)
{
    pthread_mutex_lock(&f->lock);
    f->loud = loud;
    pthread_mutex_unlock(&f->lock);
}

/* Put the token behind what has been written. */
static int put_token(struct follow *f, bool ending)
{
    char line[TOKEN_DIGITS + 2];

    pthread_mutex_lock(&f->lock);
    f->written++;
    f->ending = ending;
    pthread_mutex_unlock(&f->lock);
    memcpy(line, f->token, TOKEN_DIGITS);
    memcpy(line + TOKEN_DIGITS, "\n", 2);
    return file_write_full(f->write_fd, line, TOKEN_DIGITS + 1);
}

char *follow_last(struct follow *f)
{
    char *text = NULL;

    if (put_token(f, false) < 0)
        return strdup("");
    pthread_mutex_lock(&f->lock);
    while (f->seen < f->written)
        pthread_cond_wait(&f->met, &f->lock);
    text = strdup(f->last ? f->last : "");
    pthread_mutex_unlock(&f->lock);
    return text;
}

int follow_explain(struct follow *f, struct error *err)
{
    _cleanup_free_ char *last = NULL;

    if (err->kind != ERR_CHILD)
        return -1;
    last = follow_last(f);
    return last && last[0] ? error_append(err, ": %s", last) : -1;
}

void follow_free(struct follow *f)
{
    if (!f)
        return;
    if (f->running && put_token(f, true) == 0)
        pthread_join(f->thread, NULL);
    closep(&f->write_fd);
    closep(&f->read_fd);
    free(f->last);
    pthread_cond_destroy(&f->met);
    pthread_mutex_destroy(&f->lock);
    free(f);
}
