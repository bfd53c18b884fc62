/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* startup.c - see startup.h */
#include "cli/startup.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/log.h"
#include "base/redact.h"
#include "base/sandbox.h"
#include "base/stop.h"
#include "base/text.h"
#include "cli/exit.h"

void startup_process(void)
{
    /* What is written to a stdout that was closed must fail, not vanish. */
    static const int modes[] = {O_RDONLY, O_RDONLY, O_WRONLY};

    for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++)
        if (fcntl(fd, F_GETFD) < 0 && open("/dev/null", modes[fd]) != fd)
            _exit(EXIT_FAILED); /* nowhere to complain either */
    sandbox_no_core();
}

int startup_begin(const char *program, const struct cli_common *common,
                  struct error *err)
{
    const char *no_color = getenv("NO_COLOR");
    const char *term = getenv("TERM");
    bool colour = !common->nocolor && !(no_color && *no_color) && term &&
                  strcmp(term, "dumb") != 0 && isatty(STDERR_FILENO);

    log_name(program);
    log_thread("main");
    log_limit(common->verbose ? LOG_LEVEL_DEBUG : LOG_LEVEL_INFO);
    log_stderr(!common->quiet, colour);
    return stop_init(err);
}

int startup_log_file(const char *path, const char *name, struct error *err)
{
    const char *home = getenv("HOME");
    _cleanup_free_ char *standard = NULL;

    if (path)
        return log_open_file(AT_FDCWD, path, err);
    standard = text_dup_printf("%s/%s", home && home[0] ? home : "/tmp", name);
    if (!standard)
        return error_memory(err);
    if (log_open_file(AT_FDCWD, standard, err) == 0)
        return 0;
    return error_append(err, "; -L chooses another file");
}

int startup_confine(const char *const *paths, struct patience_watch *watch,
                    struct error *err)
{
    _cleanup_error_ struct error why = ERROR_INIT;
    int r = sandbox_enter(SANDBOX_WRITER, paths, &why);

    if (r == 0)
        log_debug("this kernel has no sandbox for who writes");
    if (r < 0)
        log_warning("the run is not confined to its files: %s",
                    error_text(&why));
    return r > 0 ? patience_watch_renew(watch, err) : 0;
}

bool startup_progress(const struct cli_common *common)
{
    return !common->quiet && !common->noprogress;
}

/* Is `word` the option --password, maybe abbreviated or with a value?  The
 * shortest form is what no other option begins with.
 */
static bool is_password(const char *word)
{
    static const char option[] = "--password";
    size_t length = strcspn(word, "=");

    return length >= strlen("--pas") && length <= strlen(option) &&
           strncmp(word, option, length) == 0;
}

/* A new string: one argument as it may be shown; `after_password`: it is the
 * value of the one before it.
 */
static char *redacted(const char *word, bool after_password)
{
    if (after_password)
        return strdup("***");
    if (is_password(word) && strchr(word, '='))
        return text_dup_printf("%.*s=***", (int)strcspn(word, "="), word);
    return redact_word(word);
}

char *startup_command_line(int argc, char *const *argv)
{
    _cleanup_free_ char *line = strdup("");
    bool secret = false;

    for (int i = 0; i < argc && line; i++) {
        _cleanup_free_ char *word = redacted(argv[i], secret);
        _cleanup_free_ char *quoted = NULL;
        char *longer;

        if (word)
            quoted = strcmp(word, "***") == 0 ? strdup(word) : text_quote(word);
        if (!quoted)
            return NULL;
        longer = text_dup_printf("%s%s%s", line, i > 0 ? " " : "", quoted);
        free(line);
        line = longer;
        secret = is_password(argv[i]) && !strchr(argv[i], '=');
    }
    return take(line);
}

void startup_banner(int argc, char *const *argv)
{
    _cleanup_free_ char *line = startup_command_line(argc, argv);

    log_info("Version: %s Arguments: %s", VERSION, line ? line : "?");
}
