/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* log.c - see log.h; hides the targets and their one mutex
 *
 * A line is built without the mutex and written under it by one write(), so
 * that lines of other processes (the guardian) do not end up inside it.
 */
#include "base/log.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <syslog.h>
#include <time.h>

#include "base/cleanup.h"
#include "base/file.h"
#include "base/patience.h"
#include "base/redact.h"
#include "base/text.h"

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;

/* All under the mutex: */
static char logger[64];
static bool to_stderr = true;
static bool in_colour;
static int file_fd = -1;
static bool file_failed; /* said so once */
static bool to_syslog;
static struct log_screen *current_screen;
static bool keeping;
static char *kept[LOG_KEEP_MAX];
static unsigned kept_count;

static _Atomic int limit = LOG_LEVEL_INFO;
static _Atomic unsigned warnings;
static _Atomic unsigned errors;

static _Thread_local char thread_tag[64] = "main";

static const struct {
    const char *name;
    const char *colour;
    int syslog;
} levels[] = {
    [LOG_LEVEL_DEBUG] = {"DEBUG", "\033[36m", LOG_DEBUG},
    [LOG_LEVEL_INFO] = {"INFO", "\033[32m", LOG_INFO},
    [LOG_LEVEL_WARNING] = {"WARNING", "\033[33m", LOG_WARNING},
    [LOG_LEVEL_ERROR] = {"ERROR", "\033[31m", LOG_ERR},
};

void log_name(const char *name)
{
    LOCK_SCOPE(&mutex);
    snprintf(logger, sizeof(logger), "%s", name);
}

void log_limit(enum log_level level)
{
    atomic_store(&limit, (int)level);
}

bool log_wanted(enum log_level level)
{
    return (int)level >= atomic_load(&limit);
}

void log_stderr(bool on, bool colour)
{
    LOCK_SCOPE(&mutex);
    to_stderr = on;
    in_colour = colour;
}

int log_open_file(int dirfd, const char *name, struct error *err)
{
    _cleanup_close_ int fd = -1;
    struct stat st;

    PATIENCE_SCOPE("opening the log");
    fd = openat(dirfd, name,
                O_WRONLY | O_APPEND | O_CREAT | O_NOFOLLOW | O_NONBLOCK |
                    O_NOCTTY | O_CLOEXEC,
                0600);
    if (fd < 0 || fstat(fd, &st) < 0)
        return error_errno(err, errno, "opening log file '%s'", name);
    if (!S_ISREG(st.st_mode))
        return error_set(err, ERR_INPUT,
                         "opening log file '%s': not a regular file", name);
    if (file_share(fd, name, err) < 0)
        return -1;

    LOCK_SCOPE(&mutex);
    closep(&file_fd);
    file_fd = take_fd(fd);
    file_failed = false;
    return 0;
}

void log_syslog(bool on)
{
    LOCK_SCOPE(&mutex);
    if (on && !to_syslog)
        openlog(NULL, LOG_PID, LOG_USER);
    if (!on && to_syslog)
        closelog();
    to_syslog = on;
}

void log_close(void)
{
    log_syslog(false);

    LOCK_SCOPE(&mutex);
    closep(&file_fd);
}

bool log_give_up_file(int wait_ms)
{
    struct timespec until;

    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += wait_ms / 1000;
    until.tv_nsec += wait_ms % 1000 * 1000000L;
    until.tv_sec += until.tv_nsec / 1000000000L;
    until.tv_nsec %= 1000000000L;
    if (pthread_mutex_timedlock(&mutex, &until) != 0)
        return false;
    file_fd = -1;
    pthread_mutex_unlock(&mutex);
    return true;
}

void log_thread(const char *name)
{
    snprintf(thread_tag, sizeof(thread_tag), "%s", name);
}

void log_keep_warnings(void)
{
    LOCK_SCOPE(&mutex);
    keeping = true;
}

static void keep(const char *text)
{
    LOCK_SCOPE(&mutex);
    if (!keeping || kept_count == LOG_KEEP_MAX)
        return;
    kept[kept_count] = strdup(text);
    kept_count += kept[kept_count] != NULL;
}

char *log_kept_warning(unsigned i)
{
    LOCK_SCOPE(&mutex);
    return i < kept_count ? strdup(kept[i]) : NULL;
}

unsigned log_count_warnings(void)
{
    return atomic_load(&warnings);
}

unsigned log_count_errors(void)
{
    return atomic_load(&errors);
}

void log_set_screen(struct log_screen *screen)
{
    LOCK_SCOPE(&mutex);
    if (current_screen)
        current_screen->clear(current_screen);
    current_screen = screen;
}

void log_refresh_screen(void)
{
    LOCK_SCOPE(&mutex);
    if (!current_screen)
        return;
    current_screen->clear(current_screen);
    current_screen->draw(current_screen);
}

/* "common/base/log.c" is module "log". */
static const char *module_begin(const char *file, int *ret_length)
{
    const char *slash = strrchr(file, '/');
    const char *begin = slash ? slash + 1 : file;
    const char *dot = strrchr(begin, '.');

    *ret_length = (int)(dot ? dot - begin : (ptrdiff_t)strlen(begin));
    return begin;
}

/* One record, ready to be written. */
struct line {
    enum log_level level;
    char stamp[32];   /* "[2026-06-01 12:00:00] " */
    char *rest;       /* " logger module - function [thread]: text\n"; owned */
    const char *text; /* inside rest, for syslog */
    size_t length;    /* of rest */
};

static void line_done(struct line *line)
{
    free(line->rest);
}

static int line_build(struct line *line, const char *file, const char *function,
                      const char *text)
{
    _cleanup_free_ char *front = NULL;
    _cleanup_free_ char *whole = NULL;
    time_t now = time(NULL);
    struct tm tm;
    char name[sizeof(logger)];
    int module_length = 0;
    const char *module = module_begin(file, &module_length);
    size_t front_length;

    {
        LOCK_SCOPE(&mutex);
        memcpy(name, logger, sizeof(name));
    }
    if (!localtime_r(&now, &tm) || !strftime(line->stamp, sizeof(line->stamp),
                                             "[%Y-%m-%d %H:%M:%S] ", &tm))
        strcpy(line->stamp, "[?] ");
    whole = text_dup_printf(
        " %s %.*s - %s [%s]: ", name[0] ? name : program_invocation_short_name,
        module_length, module, function, thread_tag);
    if (whole)
        front = text_escape(whole);
    if (!front)
        return -1;
    front_length = strlen(front);
    line->rest = text_dup_printf("%s%s\n", front, text);
    if (!line->rest)
        return -1;
    line->text = line->rest + front_length;
    line->length = strlen(line->rest);
    return 0;
}

static void write_stderr(const struct line *line)
{
    _cleanup_free_ char *text = NULL;
    const char *name = levels[line->level].name;

    if (in_colour)
        text = text_dup_printf("%s%s%s\033[0m%s", line->stamp,
                               levels[line->level].colour, name, line->rest);
    else
        text = text_dup_printf("%s%s%s", line->stamp, name, line->rest);
    if (!text)
        return;
    if (current_screen)
        current_screen->clear(current_screen);
    if (file_write_full(STDERR_FILENO, text, strlen(text)) < 0)
        to_stderr = false; /* nobody is there any more */
    if (current_screen)
        current_screen->draw(current_screen);
}

static void write_file(const struct line *line)
{
    static const char complaint[] =
        "the log file cannot be written any more, the run goes on\n";
    _cleanup_free_ char *text = NULL;

    PATIENCE_SCOPE("writing the log");
    text = text_dup_printf("%s%s%s", line->stamp, levels[line->level].name,
                           line->rest);
    if (!text || file_write_full(file_fd, text, strlen(text)) == 0)
        return;
    if (!file_failed && to_stderr &&
        file_write_full(STDERR_FILENO, complaint, strlen(complaint)) < 0)
        to_stderr = false;
    file_failed = true;
}

static void write_line(const struct line *line)
{
    LOCK_SCOPE(&mutex);
    if (file_fd >= 0)
        write_file(line);
    if (to_syslog)
        syslog(levels[line->level].syslog, "[%s]: %.*s", thread_tag,
               (int)(line->length - (size_t)(line->text - line->rest) - 1),
               line->text);
    if (to_stderr)
        write_stderr(line);
}

void log_write(enum log_level level, const char *file, const char *function,
               const char *fmt, ...)
{
    _cleanup_(line_done) struct line line = {.level = level};
    _cleanup_free_ char *raw = NULL;
    _cleanup_free_ char *shown = NULL;
    _cleanup_free_ char *text = NULL;
    int saved = errno;
    va_list ap;

    if (level == LOG_LEVEL_WARNING)
        atomic_fetch_add(&warnings, 1);
    if (level == LOG_LEVEL_ERROR)
        atomic_fetch_add(&errors, 1);
    if (!log_wanted(level))
        return;
    va_start(ap, fmt);
    if (vasprintf(&raw, fmt, ap) < 0)
        raw = NULL;
    va_end(ap);
    if (raw)
        shown = redact_text(raw);
    if (shown)
        text = text_escape(shown);
    if (text && level == LOG_LEVEL_WARNING)
        keep(text);
    /* Without memory at least what kind of record it was. */
    if (line_build(&line, file, function, text ? text : fmt) == 0)
        write_line(&line);
    errno = saved;
}
