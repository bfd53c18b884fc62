/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* progress.c - see progress.h
 *
 * Counters are atomic; all else of a disk belongs to the ticking thread.  A
 * tick builds the text of the bars; drawing (by whoever logs a line, too) only
 * writes that text.  Order of locks: the log's, then ours.
 */
#include "base/progress.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/notify.h"
#include "base/text.h"
#include "base/vec.h"

#define LINE_EVERY_MS 10000
#define STATUS_EVERY_MS 1000
#define SMOOTH_MS 3000 /* the rate of a bar is about that long */
#define NAME_MAX_SHOWN 20
#define BAR_MIN 10
#define BAR_MAX 50
#define RATE_ROOM 32

struct progress_disk {
    char *name; /* escaped; owned */
    _Atomic uint64_t total;
    _Atomic uint64_t read;
    _Atomic uint64_t written;
    _Atomic uint64_t done_ms; /* when it was done; 0: not yet */

    uint64_t begun_ms;
    bool reported; /* its last line was logged */

    /* As of the last log line, and as of the last tick: */
    uint64_t line_ms, line_read, line_written;
    uint64_t tick_ms, tick_read;
    double rate; /* bytes a second, smoothed */
};

struct progress {
    struct log_screen screen;
    FILE *out;
    bool bars;
    bool lines;
    uint64_t status_ms; /* when the service manager was told last */
    pthread_mutex_t mutex;

    /* Under the mutex: */
    VEC(struct progress_disk *) disks;
    char *text;          /* the bars, a line each */
    unsigned text_lines; /* in text */
    unsigned drawn;      /* lines on the screen now */
};

static void screen_clear(struct log_screen *screen)
{
    struct progress *p = container_of(screen, struct progress, screen);

    LOCK_SCOPE(&p->mutex);
    if (!p->drawn)
        return;
    /* To the first bar's line, then erase all below. */
    fprintf(p->out, "\r\033[%uA\033[J", p->drawn);
    fflush(p->out);
    p->drawn = 0;
}

static void screen_draw(struct log_screen *screen)
{
    struct progress *p = container_of(screen, struct progress, screen);

    LOCK_SCOPE(&p->mutex);
    if (!p->text || !p->text_lines)
        return;
    fputs(p->text, p->out);
    fflush(p->out);
    p->drawn = p->text_lines;
}

static bool is_terminal(FILE *out)
{
    const char *term = getenv("TERM");

    return isatty(fileno(out)) && term && *term && strcmp(term, "dumb") != 0;
}

struct progress *progress_new(bool enabled, FILE *out)
{
    struct progress *p = calloc(1, sizeof(*p));

    if (!p)
        return NULL;
    p->screen.clear = screen_clear;
    p->screen.draw = screen_draw;
    p->out = out;
    p->bars = enabled && is_terminal(out);
    p->lines = enabled && !p->bars;
    pthread_mutex_init(&p->mutex, NULL);
    if (p->bars)
        log_set_screen(&p->screen);
    return p;
}

struct progress_disk *progress_add(struct progress *p, const char *name,
                                   uint64_t total)
{
    struct progress_disk *d;

    if (!p)
        return NULL;
    d = calloc(1, sizeof(*d));
    if (!d)
        return NULL;
    d->name = text_escape(name);
    d->begun_ms = d->line_ms = d->tick_ms = clock_ms();
    atomic_store(&d->total, total);

    LOCK_SCOPE(&p->mutex);
    if (!d->name || vec_push(&p->disks, d) < 0) {
        free(d->name);
        free(d);
        return NULL;
    }
    return d;
}

void progress_total(struct progress_disk *d, uint64_t total)
{
    if (d)
        atomic_store(&d->total, total);
}

void progress_read(struct progress_disk *d, uint64_t bytes)
{
    if (d)
        atomic_fetch_add(&d->read, bytes);
}

void progress_write(struct progress_disk *d, uint64_t bytes)
{
    if (d)
        atomic_fetch_add(&d->written, bytes);
}

void progress_done(struct progress_disk *d)
{
    if (d)
        atomic_store(&d->done_ms, clock_ms());
}

/* "512 MiB/s", "9.5 GiB/s" */
static const char *rate_text(double bytes_per_second, char out[RATE_ROOM])
{
    static const char *const units[] = {"B", "KiB", "MiB", "GiB", "TiB"};
    double value = bytes_per_second;
    size_t unit = 0;

    while (value >= 1024 && unit + 1 < array_size(units)) {
        value /= 1024;
        unit++;
    }
    snprintf(out, RATE_ROOM,
             unit > 0 && value < 9.95 ? "%.1f %s/s" : "%.0f %s/s", value,
             units[unit]);
    return out;
}

static double per_second(uint64_t bytes, uint64_t ms)
{
    return (double)bytes * 1000.0 / (double)(ms ? ms : 1);
}

static uint64_t since(uint64_t now, uint64_t then)
{
    return now > then ? now - then : 0;
}

/* 100 is only what is done. */
static unsigned percent(const struct progress_disk *d)
{
    uint64_t total = atomic_load(&d->total);
    double part;

    if (atomic_load(&d->done_ms))
        return 100;
    if (!total)
        return 0;
    part = (double)atomic_load(&d->read) * 100.0 / (double)total;
    return part < 99.0 ? (unsigned)part : 99;
}

/* One log line; the rates are those since `from_ms`. */
static void log_disk(const struct progress_disk *d, uint64_t at_ms,
                     uint64_t from_ms, uint64_t from_read,
                     uint64_t from_written)
{
    uint64_t read = atomic_load(&d->read);
    uint64_t ms = since(at_ms, from_ms);
    char read_size[TEXT_SIZE_ROOM];
    char total_size[TEXT_SIZE_ROOM];
    char elapsed[TEXT_SIZE_ROOM];
    char read_rate[RATE_ROOM];
    char write_rate[RATE_ROOM];

    log_info("%s: %u%% (%s of %s) in %s, read %s, write %s", d->name,
             percent(d), text_size(read, read_size),
             text_size(atomic_load(&d->total), total_size),
             text_duration(since(at_ms, d->begun_ms) / 1000, elapsed),
             rate_text(per_second(read - from_read, ms), read_rate),
             rate_text(per_second(atomic_load(&d->written) - from_written, ms),
                       write_rate));
}

/* Log what is due for a disk. */
static void report(struct progress *p, struct progress_disk *d, uint64_t now)
{
    uint64_t done_ms = atomic_load(&d->done_ms);

    if (d->reported)
        return;
    if (done_ms) {
        log_disk(d, MAX_OF(done_ms, d->begun_ms), d->begun_ms, 0, 0);
        d->reported = true;
    } else if (p->lines && since(now, d->line_ms) >= LINE_EVERY_MS) {
        log_disk(d, now, d->line_ms, d->line_read, d->line_written);
        d->line_ms = now;
        d->line_read = atomic_load(&d->read);
        d->line_written = atomic_load(&d->written);
    }
}

static void update_rate(struct progress_disk *d, uint64_t now)
{
    uint64_t read = atomic_load(&d->read);
    uint64_t ms = since(now, d->tick_ms);
    double weight = (double)ms / (double)(ms + SMOOTH_MS);

    if (since(now, d->begun_ms) <= SMOOTH_MS)
        d->rate = per_second(read, since(now, d->begun_ms));
    else
        d->rate += weight * (per_second(read - d->tick_read, ms) - d->rate);
    d->tick_ms = now;
    d->tick_read = read;
}

static void left_text(const struct progress_disk *d, char out[TEXT_SIZE_ROOM])
{
    uint64_t total = atomic_load(&d->total);
    uint64_t read = atomic_load(&d->read);
    double seconds =
        d->rate >= 1 && total > read ? (double)(total - read) / d->rate : -1;

    if (seconds < 0 || seconds > 360000) /* a hundred hours: no idea */
        snprintf(out, TEXT_SIZE_ROOM, "--");
    else
        text_duration((uint64_t)seconds, out);
}

/* Write one bar of at most `width` columns and a newline. */
static void print_bar(FILE *f, const struct progress_disk *d, int name_width,
                      int width)
{
    char read[TEXT_SIZE_ROOM];
    char total[TEXT_SIZE_ROOM];
    char left[TEXT_SIZE_ROOM];
    char rate[RATE_ROOM];
    char tail[160];
    char bar[BAR_MAX + 3] = "";
    char line[256];
    int room;

    left_text(d, left);
    snprintf(tail, sizeof(tail), " %3u%% %s of %s, %s, %s left", percent(d),
             text_size(atomic_load(&d->read), read),
             text_size(atomic_load(&d->total), total), rate_text(d->rate, rate),
             left);
    room = width - name_width - (int)strlen(tail) - 3;
    if (room > BAR_MAX)
        room = BAR_MAX;
    if (room >= BAR_MIN) {
        int full = (int)percent(d) * room / 100;

        bar[0] = '[';
        memset(bar + 1, '#', (size_t)full);
        memset(bar + 1 + full, '-', (size_t)(room - full));
        bar[room + 1] = ']';
    }
    snprintf(line, sizeof(line), "%-*.*s %s%s", name_width, name_width, d->name,
             bar, tail);
    fprintf(f, "%.*s\n", width, line);
}

/* Build the text of all bars that fit.  Under the mutex. */
static void build_text(struct progress *p)
{
    struct winsize size = {0};
    size_t length = 0;
    char *text = NULL;
    FILE *f = open_memstream(&text, &length);
    unsigned lines = 0;
    int name_width = 0;
    int columns = 80;
    int rows = 24;

    if (!f)
        return;
    if (ioctl(fileno(p->out), TIOCGWINSZ, &size) == 0) {
        columns = size.ws_col ? size.ws_col : columns;
        rows = size.ws_row ? size.ws_row : rows;
    }
    vec_foreach (d, &p->disks)
        name_width = MAX_OF(name_width, (int)strlen((*d)->name));
    name_width = MIN_OF(name_width, NAME_MAX_SHOWN);
    vec_foreach (d, &p->disks) {
        if (atomic_load(&(*d)->done_ms) || (int)lines + 1 >= rows)
            continue;
        print_bar(f, *d, name_width, columns - 1);
        lines++;
    }
    if (text_stream_end(f, &text) < 0)
        lines = 0;
    free(p->text);
    p->text = text;
    p->text_lines = lines;
}

/* "vda 42%, vdb 7%" to the service manager.  Under the mutex. */
static void tell_status(struct progress *p, uint64_t now)
{
    char text[NOTIFY_STATUS_MAX] = "";
    size_t length = 0;

    if (!p->disks.count || since(now, p->status_ms) < STATUS_EVERY_MS)
        return;
    p->status_ms = now;
    vec_foreach (d, &p->disks) {
        if (length < sizeof(text))
            length += (size_t)snprintf(text + length, sizeof(text) - length,
                                       "%s%s %u%%", length ? ", " : "",
                                       (*d)->name, percent(*d));
    }
    notify_status(text);
}

void progress_tick_at(struct progress *p, uint64_t now)
{
    size_t count;

    if (!p)
        return;
    {
        LOCK_SCOPE(&p->mutex);
        count = p->disks.count;
        for (size_t i = 0; i < count; i++)
            update_rate(p->disks.items[i], now);
        if (p->bars)
            build_text(p);
        if (notify_wanted())
            tell_status(p, now);
    }
    for (size_t i = 0; i < count; i++) {
        struct progress_disk *d;

        {
            LOCK_SCOPE(&p->mutex);
            d = p->disks.items[i];
        }
        /* Not under our mutex: the log's comes first. */
        report(p, d, now);
    }
    if (p->bars)
        log_refresh_screen();
}

void progress_tick(struct progress *p)
{
    progress_tick_at(p, clock_ms());
}

void progress_free(struct progress *p)
{
    if (!p)
        return;
    progress_tick(p);
    if (p->bars)
        log_set_screen(NULL);
    vec_foreach (d, &p->disks) {
        free((*d)->name);
        free(*d);
    }
    vec_free(&p->disks);
    free(p->text);
    pthread_mutex_destroy(&p->mutex);
    free(p);
}
