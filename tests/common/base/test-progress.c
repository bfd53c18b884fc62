/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* test-progress.c - base/progress: a pseudo terminal for the bars, the log for
 * the lines, time from the test
 */
#include "base/progress.h"

#include <poll.h>
#include <pthread.h>
#include <regex.h>
#include <sys/ioctl.h>
#include <time.h>

#include "base/log.h"
#include "base/workers.h"
#include "check.h"
#include "scratch.h"

static uint64_t clock_ms(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

static void check_matches(const char *text, const char *pattern)
{
    regex_t re;

    REQUIRE(regcomp(&re, pattern, REG_EXTENDED | REG_NEWLINE) == 0);
    if (!text || regexec(&re, text, 0, NULL, 0) != 0)
        CHECK_FAIL("\"%s\" does not match %s", text ? text : "(null)", pattern);
    regfree(&re);
}

static size_t count_of(const char *text, const char *part)
{
    size_t n = 0;

    for (; text && (text = strstr(text, part)); text += strlen(part))
        n++;
    return n;
}

/* Run `script` with a progress whose output is a file; returns the log. */
static char *log_of(bool enabled, void (*script)(struct progress *p),
                    char **ret_out)
{
    _cleanup_(scratch_done) struct scratch s = SCRATCH_INIT;
    _cleanup_error_ struct error err = ERROR_INIT;
    struct progress *p;
    FILE *out;
    int fd;

    if (scratch_make(&s) < 0 || log_open_file(s.fd, "log", &err) < 0)
        return NULL;
    fd = openat(s.fd, "out", O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    out = fdopen(fd, "w+");
    log_stderr(false, false);
    p = progress_new(enabled, out);
    script(p);
    progress_free(p);
    log_close();
    log_stderr(true, false);
    fclose(out);
    *ret_out = scratch_get(&s, "out");
    return scratch_get(&s, "log");
}

static void run_lines(struct progress *p)
{
    uint64_t base = clock_ms();
    struct progress_disk *d = progress_add(p, "vda", 5 * GIB);

    progress_read(d, 2 * GIB + 120 * MIB);
    progress_write(d, 1200 * MIB);
    progress_tick_at(p, base + 5000);  /* too early for a line */
    progress_tick_at(p, base + 12100); /* about 12 s after it was added */
    progress_tick_at(p, base + 12300);
    progress_read(d, 2 * GIB);
    progress_tick_at(p, base + 22100);
    progress_tick_at(p, base + 22300);
    progress_read(d, 5 * GIB - 4 * GIB - 120 * MIB);
    progress_done(d);
    progress_tick_at(p, base + 22500);
    progress_tick_at(p, base + 42500); /* said once */
}

static void test_lines(void)
{
    _cleanup_free_ char *out = NULL;
    _cleanup_free_ char *text = log_of(true, run_lines, &out);

    check_matches(text, "INFO .* progress - .*\\[main\\]: "
                        "vda: 42% \\(2\\.1 GiB of 5\\.0 GiB\\) in 12s, "
                        "read 17[0-9] MiB/s, write (99|100) MiB/s$");
    check_matches(text, ": vda: 82% \\(4\\.1 GiB of 5\\.0 GiB\\) in 22s, "
                        "read 20[0-9] MiB/s, write 0 B/s$");
    check_matches(text, ": vda: 100% \\(5\\.0 GiB of 5\\.0 GiB\\) in [0-9]+s, "
                        "read [0-9.]+ [KMGT]iB/s, write [0-9.]+ [KMGT]iB/s$");
    CHECK_EQ_U64(count_of(text, "vda: "), 3);
    CHECK_STR(out, "");
    CHECK(strchr(text, '\033') == NULL);
}

/* --noprogress: one line at the end. */
static void test_disabled(void)
{
    _cleanup_free_ char *out = NULL;
    _cleanup_free_ char *text = log_of(false, run_lines, &out);

    CHECK_EQ_U64(count_of(text, "vda: "), 1);
    CHECK_CONTAINS(text, "vda: 100% (5.0 GiB of 5.0 GiB) in ");
    CHECK_STR(out, "");
}

static void run_odd(struct progress *p)
{
    uint64_t base = clock_ms();
    struct progress_disk *empty = progress_add(p, "empty", 0);
    struct progress_disk *over = progress_add(p, "ov\033er", 10);
    struct progress_disk *left = progress_add(p, "left", 10);

    progress_read(over, 100); /* more than announced is not yet the end */
    progress_tick_at(p, base + 11000);
    progress_total(over, 200);
    progress_tick_at(p, base + 22000);
    progress_done(empty);
    progress_tick_at(p, base - 100000); /* a clock that lies */
    progress_read(left, 1);
}

static void test_odd(void)
{
    _cleanup_free_ char *out = NULL;
    _cleanup_free_ char *text = log_of(true, run_odd, &out);

    check_matches(text, ": empty: 0% \\(0 B of 0 B\\) in 1[01]s, read 0 B/s");
    check_matches(text, ": empty: 100% \\(0 B of 0 B\\)");
    CHECK_CONTAINS(text, "ov\\x1ber: 99% (100 B of 10 B)");
    CHECK_CONTAINS(text, "ov\\x1ber: 50% (100 B of 200 B)");
    CHECK_EQ_U64(count_of(text, "100%"), 1);
}

static void test_null(void)
{
    progress_read(NULL, 1);
    progress_write(NULL, 1);
    progress_total(NULL, 1);
    progress_done(NULL);
    progress_tick(NULL);
    progress_free(NULL);
    CHECK(progress_add(NULL, "vda", 1) == NULL);
}

/* A pseudo terminal: `out` writes to it, `fd` reads what it shows. */
struct terminal {
    int fd;
    FILE *out;
};

static int terminal_open(struct terminal *t, unsigned short columns,
                         unsigned short rows)
{
    struct winsize size = {.ws_row = rows, .ws_col = columns};
    char name[64];
    int slave;

    t->fd = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC);
    if (t->fd < 0 || grantpt(t->fd) < 0 || unlockpt(t->fd) < 0 ||
        ptsname_r(t->fd, name, sizeof(name)) != 0)
        return -1;
    slave = open(name, O_RDWR | O_NOCTTY | O_CLOEXEC);
    if (slave < 0 || ioctl(slave, TIOCSWINSZ, &size) < 0)
        return -1;
    t->out = fdopen(slave, "w");
    return t->out ? 0 : -1;
}

#define MARK '\006'

/* What was written to it since the last call.  It comes when it comes: so we
 * write a mark behind it and read up to there (what threads write behind that
 * in the meantime is lost).
 */
static const char *terminal_text(struct terminal *t, char *buffer, size_t room)
{
    size_t length = 0;
    char *mark;

    fputc(MARK, t->out);
    fflush(t->out);
    while (length + 1 < room) {
        struct pollfd p = {t->fd, POLLIN, 0};
        ssize_t n;

        poll(&p, 1, -1);
        n = read(t->fd, buffer + length, room - 1 - length);
        if (n <= 0)
            break;
        length += (size_t)n;
        mark = memchr(buffer, MARK, length);
        if (mark) {
            length = (size_t)(mark - buffer);
            break;
        }
    }
    buffer[length] = '\0';
    return buffer;
}

static void test_bars(void)
{
    struct terminal t = {-1, NULL};
    struct progress *p;
    struct progress_disk *a;
    struct progress_disk *b;
    uint64_t base;
    char text[8192];
    int saved = dup(STDERR_FILENO);

    setenv("TERM", "xterm", 1);
    REQUIRE(terminal_open(&t, 100, 24) == 0);
    /* The log's stderr is the same terminal. */
    dup2(fileno(t.out), STDERR_FILENO);
    p = progress_new(true, t.out);
    base = clock_ms();
    a = progress_add(p, "vda", 5 * GIB);
    b = progress_add(p, "vdb", 1 * GIB);
    progress_read(a, 1 * GIB);
    progress_tick_at(p, base + 2000);
    terminal_text(&t, text, sizeof(text));
    check_matches(text, "^vda \\[#+-+\\]  20% 1\\.0 GiB of 5\\.0 GiB, "
                        "51[0-9] MiB/s, [78]s left\r$");
    check_matches(text, "^vdb \\[-+\\]   0% 0 B of 1\\.0 GiB, 0 B/s, -- left");
    CHECK(strstr(text, "\033[") == NULL); /* nothing to clear yet */
    /* Drawn again, in the place of the two lines. */
    progress_tick_at(p, base + 2200);
    terminal_text(&t, text, sizeof(text));
    CHECK(strncmp(text, "\r\033[2A\033[Jvda [", 13) == 0);
    /* A log line comes between clearing and drawing. */
    log_info("a line");
    terminal_text(&t, text, sizeof(text));
    CHECK(strncmp(text, "\r\033[2A\033[J[2", 10) == 0);
    check_matches(text, "INFO .*: a line\r\nvda \\[.*\r\nvdb \\[");
    /* No lines in between on a terminal; a finished disk leaves one. */
    progress_done(b);
    progress_tick_at(p, base + 60000);
    terminal_text(&t, text, sizeof(text));
    check_matches(text, "INFO .*: vdb: 100% \\(0 B of 1.0 GiB\\) in 0s");
    CHECK_EQ_U64(count_of(text, "INFO"), 1);
    progress_tick_at(p, base + 60200);
    terminal_text(&t, text, sizeof(text));
    CHECK(strncmp(text, "\r\033[1A\033[Jvda [", 13) == 0);
    CHECK(strstr(text, "vdb") == NULL);
    /* At the end nothing of the bars stays. */
    progress_free(p);
    terminal_text(&t, text, sizeof(text));
    CHECK(strlen(text) >= 8 &&
          strcmp(text + strlen(text) - 8, "\r\033[1A\033[J") == 0);
    log_info("after");
    terminal_text(&t, text, sizeof(text));
    CHECK(strchr(text, '\033') == NULL);
    dup2(saved, STDERR_FILENO);
    close(saved);
    fclose(t.out);
    close(t.fd);
}

/* Lines never wrap and never scroll: what does not fit is left out. */
static void test_small_terminal(void)
{
    struct terminal t = {-1, NULL};
    struct progress *p;
    char text[8192];
    char *rest;

    REQUIRE(terminal_open(&t, 40, 4) == 0);
    p = progress_new(true, t.out);
    for (int i = 0; i < 9; i++)
        progress_add(p, "a-very-long-name-of-a-disk", 1000 * GIB);
    progress_tick(p);
    terminal_text(&t, text, sizeof(text));
    CHECK_EQ_U64(count_of(text, "\n"), 3);
    for (char *line = strtok_r(text, "\r\n", &rest); line;
         line = strtok_r(NULL, "\r\n", &rest))
        CHECK(strlen(line) <= 39);
    progress_free(p);
    fclose(t.out);
    close(t.fd);
}

static void test_dumb_terminal(void)
{
    struct terminal t = {-1, NULL};
    struct progress *p;
    char text[256];

    setenv("TERM", "dumb", 1);
    REQUIRE(terminal_open(&t, 80, 24) == 0);
    p = progress_new(true, t.out);
    progress_add(p, "vda", 1);
    progress_tick(p);
    CHECK_STR(terminal_text(&t, text, sizeof(text)), "");
    progress_free(p);
    fclose(t.out);
    close(t.fd);
    setenv("TERM", "xterm", 1);
}

struct counter {
    struct progress *p;
    pthread_t thread;
};

static void *count_and_log(void *opaque)
{
    struct counter *c = opaque;
    struct progress_disk *d = progress_add(c->p, "disk", 1000 * 1000);

    for (int i = 0; i < 1000; i++) {
        progress_read(d, 1000);
        progress_write(d, 500);
        if (i % 100 == 0)
            log_info("at %d", i);
    }
    progress_done(d);
    return NULL;
}

/* Disks come, count, log and end in their threads while the main one draws. */
static void test_threads(void)
{
    struct terminal t = {-1, NULL};
    struct counter c[4];
    struct progress *p;
    char text[65536];
    int null = open("/dev/null", O_WRONLY | O_CLOEXEC);
    int saved = dup(STDERR_FILENO);

    REQUIRE(terminal_open(&t, 80, 24) == 0);
    dup2(null, STDERR_FILENO);
    close(null);
    p = progress_new(true, t.out);
    for (int i = 0; i < 4; i++) {
        c[i].p = p;
        REQUIRE(thread_start(&c[i].thread, "c", count_and_log, &c[i], NULL) ==
                0);
    }
    for (int i = 0; i < 100; i++) {
        progress_tick(p);
        terminal_text(&t, text, sizeof(text));
    }
    /* The terminal's buffer is small: nobody may wait for it to be read. */
    for (int i = 0; i < 4; i++) {
        while (pthread_tryjoin_np(c[i].thread, NULL) != 0)
            terminal_text(&t, text, sizeof(text));
    }
    progress_free(p);
    dup2(saved, STDERR_FILENO);
    close(saved);
    terminal_text(&t, text, sizeof(text));
    CHECK_EQ_U64(log_count_errors(), 0);
    fclose(t.out);
    close(t.fd);
}

int main(void)
{
    RUN(test_lines);
    RUN(test_disabled);
    RUN(test_odd);
    RUN(test_null);
    RUN(test_bars);
    RUN(test_small_terminal);
    RUN(test_dumb_terminal);
    RUN(test_threads);
    return check_result();
}
