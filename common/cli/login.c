/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* login.c - see login.h */
#include "cli/login.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <termios.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/redact.h"
#include "base/stop.h"
#include "cli/exit.h"
#include "cli/groups.h"

#define PASSWORD_MAX 1024 /* bytes, without the end of the line */

enum {
    KEY_USER = 0x500,
    KEY_PASSWORD,
    KEY_PASSWORD_FILE,
};

static const struct argp_option options[] = {
    {"user", KEY_USER, "NAME", 0,
     "user for a libvirt that asks for one; the password is asked for at the "
     "terminal",
     0},
    {"password-file", KEY_PASSWORD_FILE, "FILE", 0,
     "or is the first line of this file, which only you may read", 0},
    {"password", KEY_PASSWORD, "WORD", 0,
     "or this word (others may see it for a moment)", 0},
    {0},
};

static void set_once(struct argp_state *state, const char **member,
                     const char *option, const char *value)
{
    if (*member)
        cli_error(state, "%s can be given only once", option);
    *member = value;
}

static void out_of_memory(struct argp_state *state)
{
    argp_err_exit_status = EXIT_FAILED; /* not wrong usage */
    cli_error(state, "out of memory");
}

/* Those who list processes must not read it. */
static void take_password(struct argp_state *state, char *arg,
                          struct cli_login *login)
{
    if (login->password)
        cli_error(state, "--password can be given only once");
    login->password = strdup(arg);
    if (!login->password)
        out_of_memory(state);
    memset(arg, '*', strlen(arg));
    (void)!redact_secret(login->password);
}

static void check(struct argp_state *state, const struct cli_login *login)
{
    if (login->password && login->password_file)
        cli_error(state, "--password and --password-file exclude each other");
    if (!login->user && (login->password || login->password_file))
        cli_error(state, "--user and --password go together");
}

static error_t parse(int key, char *arg, struct argp_state *state)
{
    struct cli_login *login = state->input;

    switch (key) {
    case ARGP_KEY_INIT:
        *login = (struct cli_login){0};
        return 0;
    case KEY_USER:
        set_once(state, &login->user, "--user", arg);
        return 0;
    case KEY_PASSWORD_FILE:
        set_once(state, &login->password_file, "--password-file", arg);
        return 0;
    case KEY_PASSWORD:
        take_password(state, arg, login);
        return 0;
    case ARGP_KEY_END:
        check(state, login);
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

const struct argp cli_login_argp = {.options = options, .parser = parse};

/* Read up to the end of the line or the file.  Outcome 1: there was something.
 */
static int read_line(int fd, const char *from, char *line, size_t room,
                     struct error *err)
{
    size_t length = 0;

    for (;;) {
        ssize_t n;

        if (stop_wait(fd, -1) == STOP_NOW)
            return stop_check(err);
        n = read(fd, line + length, 1);
        if (n < 0 && (errno == EINTR || errno == EAGAIN))
            continue;
        if (n < 0)
            return error_errno(err, errno, "read the password from %s", from);
        if (n == 0 || line[length] == '\n')
            break;
        if (line[length] == '\0' || ++length == room)
            return error_set(err, ERR_INPUT,
                             "%s does not begin with a password: its first "
                             "line is too long (%d bytes at the most), or no "
                             "text",
                             from, PASSWORD_MAX);
    }
    line[length] = '\0';
    return length > 0;
}

/* The password that the line is, if it is one. */
static int take_line(struct cli_login *login, int fd, const char *from,
                     struct error *err)
{
    char line[PASSWORD_MAX + 1];
    int r = read_line(fd, from, line, sizeof(line), err);

    if (r > 0) {
        login->password = strdup(line);
        if (!login->password)
            r = error_memory(err);
    } else if (r == 0) {
        r = error_set(err, ERR_INPUT, "%s gave no password", from);
    }
    explicit_bzero(line, sizeof(line));
    if (r < 0)
        return -1;
    (void)!redact_secret(login->password);
    return 0;
}

/* A file, or a pipe that a shell or a secret store fills. */
static int check_file(int fd, const char *path, struct error *err)
{
    struct stat st;

    if (fstat(fd, &st) < 0)
        return error_errno(err, errno, "--password-file '%s'", path);
    if (!S_ISREG(st.st_mode) && !S_ISFIFO(st.st_mode))
        return error_set(err, ERR_INPUT, "--password-file '%s' is no file",
                         path);
    if (st.st_uid != geteuid() && st.st_uid != 0)
        return error_set(err, ERR_INPUT,
                         "--password-file '%s' belongs to user %u, who could "
                         "change it; make it yours",
                         path, st.st_uid);
    if (st.st_mode & 077)
        return error_set(err, ERR_INPUT,
                         "--password-file '%s' can be read by others (mode "
                         "%04o); run: chmod 600 '%s'",
                         path, st.st_mode & 07777, path);
    return 0;
}

static int read_file(struct cli_login *login, struct error *err)
{
    const char *path = login->password_file;
    _cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);

    if (fd < 0)
        return error_errno(err, errno, "open --password-file '%s'", path);
    if (check_file(fd, path, err) < 0 ||
        take_line(login, fd, "--password-file", err) < 0)
        return -1;
    return 0;
}

/* Ask without showing what is typed. */
static int ask(struct cli_login *login, int tty, struct error *err)
{
    struct termios before, quiet;
    int r;

    if (tcgetattr(tty, &before) < 0)
        return error_errno(err, errno, "set up the terminal");
    quiet = before;
    quiet.c_lflag &= (tcflag_t)~ECHO;
    if (tcsetattr(tty, TCSAFLUSH, &quiet) < 0)
        return error_errno(err, errno, "set up the terminal");
    dprintf(tty, "Password of '%s' for libvirt: ", login->user);
    r = take_line(login, tty, "the terminal", err);
    (void)!tcsetattr(tty, TCSAFLUSH, &before);
    dprintf(tty, "\n");
    return r;
}

int cli_login_complete(struct cli_login *login, struct error *err)
{
    _cleanup_close_ int tty = -1;

    if (!login->user || login->password)
        return 0;
    if (login->password_file)
        return read_file(login, err);
    tty = open("/dev/tty", O_RDWR | O_CLOEXEC | O_NOCTTY);
    return tty < 0 ? 0 : ask(login, tty, err);
}

void cli_login_done(struct cli_login *login)
{
    if (login->password)
        explicit_bzero(login->password, strlen(login->password));
    free(take(login->password));
    redact_forget();
}
