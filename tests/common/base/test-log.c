/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* test-log.c - base/log: real stderr, real file, many threads */
#include "base/log.h"

#include <errno.h>
#include <pthread.h>
#include <regex.h>
#include <sys/stat.h>

#include "base/text.h"
#include "base/workers.h"
#include "check.h"
#include "scratch.h"

#define STAMP "^\\[[0-9]{4}-[0-9]{2}-[0-9]{2} [0-9]{2}:[0-9]{2}:[0-9]{2}\\] "

/* While it lives, stderr goes to the file "stderr" of the scratch directory. */
struct stderr_to {
    int saved;
};

static struct stderr_to stderr_redirect(const struct scratch *s)
{
    int fd = openat(s->fd, "stderr", O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC,
                    0600);
    struct stderr_to to = {dup(STDERR_FILENO)};

    dup2(fd, STDERR_FILENO);
    close(fd);
    return to;
}

static void stderr_restore(struct stderr_to *to)
{
    dup2(to->saved, STDERR_FILENO);
    close(to->saved);
}

static void check_matches(const char *text, const char *pattern)
{
    regex_t re;

    REQUIRE(regcomp(&re, pattern, REG_EXTENDED | REG_NEWLINE) == 0);
    if (!text || regexec(&re, text, 0, NULL, 0) != 0)
        CHECK_FAIL("\"%s\" does not match %s", text ? text : "(null)", pattern);
    regfree(&re);
}

static size_t count_lines(const char *text)
{
    size_t n = 0;

    for (; text && *text; text++)
        n += *text == '\n';
    return n;
}

static void test_line_shape(void)
{
    _cleanup_(scratch_done) struct scratch s = SCRATCH_INIT;
    _cleanup_free_ char *out = NULL;

    REQUIRE(scratch_make(&s) == 0);
    {
        _cleanup_(stderr_restore) maybe_unused struct stderr_to to =
            stderr_redirect(&s);

        log_name("virtnbdbackup");
        errno = EXDEV;
        log_info("disk %s: %d frames", "vda", 7);
        CHECK_EQ_INT(errno, EXDEV);
        log_debug("dropped");
        log_warning("careful");
        log_error("broken");
    }
    out = scratch_get(&s, "stderr");
    check_matches(out, STAMP "INFO virtnbdbackup test-log - test_line_shape "
                             "\\[main\\]: disk vda: 7 frames$");
    check_matches(out, STAMP "WARNING virtnbdbackup .*: careful$");
    check_matches(out, STAMP "ERROR virtnbdbackup .*: broken$");
    CHECK_EQ_U64(count_lines(out), 3);
    CHECK(strchr(out, '\033') == NULL);
}

/* covers: S8:F */
static void test_hostile_text(void)
{
    _cleanup_(scratch_done) struct scratch s = SCRATCH_INIT;
    _cleanup_free_ char *out = NULL;

    REQUIRE(scratch_make(&s) == 0);
    {
        _cleanup_(stderr_restore) maybe_unused struct stderr_to to =
            stderr_redirect(&s);

        log_thread("vd\na");
        log_info("one\n[2026-01-01 00:00:00] ERROR forged\033[2J%%\tGrüße");
        log_thread("main");
    }
    out = scratch_get(&s, "stderr");
    CHECK_EQ_U64(count_lines(out), 1);
    CHECK_CONTAINS(out, "[vd\\na]: one\\n[2026-01-01 00:00:00] ERROR "
                        "forged\\x1b[2J%\\tGrüße");
}

static void test_levels_and_counts(void)
{
    _cleanup_(scratch_done) struct scratch s = SCRATCH_INIT;
    _cleanup_free_ char *out = NULL;
    unsigned warnings = log_count_warnings();
    unsigned errors = log_count_errors();

    REQUIRE(scratch_make(&s) == 0);
    {
        _cleanup_(stderr_restore) maybe_unused struct stderr_to to =
            stderr_redirect(&s);

        log_limit(LOG_LEVEL_DEBUG);
        log_debug("seen");
        log_limit(LOG_LEVEL_ERROR);
        log_warning("unseen");
        log_limit(LOG_LEVEL_NONE);
        log_error("unseen");
        log_limit(LOG_LEVEL_INFO);
        log_stderr(false, false);
        log_warning("unseen");
        log_stderr(true, true);
        log_info("coloured");
        log_stderr(true, false);
    }
    out = scratch_get(&s, "stderr");
    CHECK_EQ_U64(count_lines(out), 2);
    check_matches(out, "DEBUG .*: seen$");
    check_matches(out, "\033\\[32mINFO\033\\[0m .*: coloured$");
    CHECK_EQ_U64(log_count_warnings(), warnings + 2);
    CHECK_EQ_U64(log_count_errors(), errors + 1);
}

static void test_file(void)
{
    _cleanup_(scratch_done) struct scratch s = SCRATCH_INIT;
    _cleanup_error_ struct error err = ERROR_INIT;
    _cleanup_free_ char *out = NULL;
    struct stat st;

    REQUIRE(scratch_make(&s) == 0);
    REQUIRE(scratch_put(&s, "run.log", "before\n") == 0);
    REQUIRE(symlinkat("run.log", s.fd, "link") == 0);
    REQUIRE(mkfifoat(s.fd, "pipe", 0600) == 0);
    CHECK_FAILS(log_open_file(s.fd, "link", &err), &err, "log file 'link'");
    CHECK_FAILS(log_open_file(s.fd, "pipe", &err), &err, "log file 'pipe'");
    CHECK_FAILS(log_open_file(-1, "x/y", &err), &err, "log file 'x/y'");
    log_stderr(false, true); /* colours are for stderr only */
    CHECK_OK(log_open_file(s.fd, "run.log", &err), &err);
    log_info("first");
    CHECK_OK(log_open_file(s.fd, "next.log", &err), &err);
    log_info("second");
    log_close();
    log_info("nowhere");
    log_stderr(true, false);
    out = scratch_get(&s, "run.log");
    check_matches(out, STAMP "INFO .*: first$");
    CHECK(strncmp(out, "before\n", 7) == 0);
    CHECK_EQ_U64(count_lines(out), 2);
    CHECK(strchr(out, '\033') == NULL);
    free(out);
    out = scratch_get(&s, "next.log");
    CHECK_EQ_U64(count_lines(out), 1);
    CHECK(fstatat(s.fd, "next.log", &st, 0) == 0 &&
          (st.st_mode & 0777) == 0600);
}

/* A log that cannot be written harms nobody. */
/* covers: B4:FIDCRVM */
static void test_broken_stderr(void)
{
    int saved = dup(STDERR_FILENO);
    int full = open("/dev/full", O_WRONLY | O_CLOEXEC);

    dup2(full, STDERR_FILENO);
    close(full);
    log_error("lost");
    log_error("lost");
    dup2(saved, STDERR_FILENO);
    close(saved);
    log_stderr(true, false);
    CHECK(true);
}

#define THREADS 8
#define RECORDS 500

static void *log_many(void *opaque)
{
    char tag[16];

    snprintf(tag, sizeof(tag), "t%d", *(int *)opaque);
    log_thread(tag);
    for (int i = 0; i < RECORDS; i++) {
        log_warning("record %d of %s end", i, tag);
        if (i % 100 == 0)
            log_name("threads");
    }
    return NULL;
}

/* Lines of many threads come out whole, each with its tag, none lost. */
static void test_threads(void)
{
    _cleanup_(scratch_done) struct scratch s = SCRATCH_INIT;
    _cleanup_error_ struct error err = ERROR_INIT;
    _cleanup_free_ char *out = NULL;
    pthread_t threads[THREADS];
    int numbers[THREADS];
    unsigned warnings = log_count_warnings();
    char *rest;
    size_t whole = 0;

    REQUIRE(scratch_make(&s) == 0);
    log_stderr(false, false);
    REQUIRE(log_open_file(s.fd, "log", &err) == 0);
    for (int i = 0; i < THREADS; i++) {
        numbers[i] = i;
        REQUIRE(thread_start(&threads[i], "t", log_many, &numbers[i], &err) ==
                0);
    }
    for (int i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    log_close();
    log_stderr(true, false);
    out = scratch_get(&s, "log");
    CHECK_EQ_U64(count_lines(out), THREADS * RECORDS);
    CHECK_EQ_U64(log_count_warnings() - warnings, THREADS * RECORDS);
    for (char *line = strtok_r(out, "\n", &rest); line;
         line = strtok_r(NULL, "\n", &rest)) {
        int a = -1, b = -2, n = -1, end = 0;
        const char *tag = strstr(line, " [t");

        if (tag && sscanf(tag, " [t%d]: record %d of t%d end%n", &a, &n, &b,
                          &end) == 3)
            whole += a == b && tag[end] == '\0';
    }
    CHECK_EQ_U64(whole, THREADS * RECORDS);
}

struct counting_screen {
    struct log_screen screen;
    int cleared, drawn;
};

static void count_clear(struct log_screen *screen)
{
    ((struct counting_screen *)screen)->cleared++;
}

static void count_draw(struct log_screen *screen)
{
    ((struct counting_screen *)screen)->drawn++;
}

static void test_screen(void)
{
    _cleanup_(scratch_done) struct scratch s = SCRATCH_INIT;
    struct counting_screen c = {{count_clear, count_draw}, 0, 0};

    REQUIRE(scratch_make(&s) == 0);
    {
        _cleanup_(stderr_restore) maybe_unused struct stderr_to to =
            stderr_redirect(&s);

        log_set_screen(&c.screen);
        log_info("a line");
        CHECK(c.cleared == 1 && c.drawn == 1);
        log_debug("dropped");
        CHECK(c.cleared == 1 && c.drawn == 1);
        log_stderr(false, false);
        log_info("not on stderr");
        log_stderr(true, false);
        CHECK(c.cleared == 1 && c.drawn == 1);
        log_refresh_screen();
        CHECK(c.cleared == 2 && c.drawn == 2);
        log_set_screen(NULL);
        CHECK(c.cleared == 3 && c.drawn == 2);
        log_info("alone");
        CHECK(c.cleared == 3 && c.drawn == 2);
    }
}

int main(void)
{
    RUN(test_line_shape);
    RUN(test_hostile_text);
    RUN(test_levels_and_counts);
    RUN(test_file);
    RUN(test_broken_stderr);
    RUN(test_threads);
    RUN(test_screen);
    return check_result();
}
