/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* remote.c - see remote.h; ssh, and what is said to the agent
 *
 * The first ssh is the master of the connection, and has the agent for its
 * command: it ends when the agent has, and the agent ends when we have.  Every
 * other ssh goes through the master's socket, and nowhere else.
 */
#include "host/remote.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/spawn.h"
#include "base/text.h"
#include "base/words.h"
#include "host/remote_agent.h"
#include "host/remote_uri.h"

#define CONNECT_TIMEOUT_MS 90000
#define FORWARD_TIMEOUT_MS 30000
#define ASK_TIMEOUT_MS 60000
#define UNDO_TIMEOUT_MS 90000
#define END_TIMEOUT_MS 30000
#define SERVE_TIMEOUT_MS 60000
#define STOP_TIMEOUT_MS 600000 /* much may be left to write */

#define SSH_FAILED 255 /* its exit status */

struct remote {
    struct remote_uri uri;
    char *port; /* digits, or NULL */
    char *name;
    char *control; /* the master's socket */
    struct child *master;
    struct agent *agent;
};

const char *remote_name(const struct remote *r)
{
    return r->name;
}

const char *remote_libvirt_uri(const struct remote *r)
{
    return r->uri.libvirt_uri;
}

bool remote_is_alive(struct remote *r)
{
    return child_running(r->master);
}

/* Not child_wait, which ends early when we are asked to. */
static void wait_for_end(struct child *child)
{
    struct pollfd p = {child_fd(child), POLLIN, 0};
    int n;

    do
        n = poll(&p, 1, END_TIMEOUT_MS);
    while (n < 0 && errno == EINTR);
}

void remote_close(struct remote *r)
{
    if (!r)
        return;
    /* Without an agent there is nothing there that could end by itself. */
    if (r->agent && r->master) {
        agent_free(r->agent);
        wait_for_end(r->master);
    }
    child_free(r->master);
    free(r->control);
    free(r->name);
    free(r->port);
    remote_uri_done(&r->uri);
    free(r);
}

/* ---- ssh ---- */

static void add_destination(struct words *argv, const struct remote *r)
{
    if (r->uri.user) {
        words_add(argv, "-l");
        words_add(argv, "%s", r->uri.user);
    }
    if (r->port) {
        words_add(argv, "-p");
        words_add(argv, "%s", r->port);
    }
    words_add(argv, "--");
    words_add(argv, "%s", r->uri.host);
}

static void add_ssh(struct words *argv, const struct remote *r)
{
    words_add(argv, "%s", r->uri.command ? r->uri.command : "ssh");
    words_add(argv, "-S");
    words_add(argv, "%s", r->control);
    words_add(argv, "-oBatchMode=yes");
}

/* The master: what the user's configuration may say of others is of no use to
 * a connection of ours.  Silence of the line for a minute is its end.
 */
static int master_argv(const struct remote *r, struct words *argv,
                       struct error *err)
{
    static const char *const options[] = {
        "-M",
        "-T",
        "-x",
        "-a",
        "-oControlPersist=no",
        "-oClearAllForwardings=yes",
        "-oPermitLocalCommand=no",
        "-oRemoteCommand=none",
        "-oStreamLocalBindMask=0177",
        "-oStreamLocalBindUnlink=no",
        "-oServerAliveInterval=15",
        "-oServerAliveCountMax=4",
        "-oForkAfterAuthentication=no",
    };

    add_ssh(argv, r);
    for (size_t i = 0; i < array_size(options); i++)
        words_add(argv, "%s", options[i]);
    if (r->uri.no_verify)
        words_add(argv, "-oStrictHostKeyChecking=no");
    if (r->uri.key_file) {
        words_add(argv, "-i");
        words_add(argv, "%s", r->uri.key_file);
    }
    add_destination(argv, r);
    words_add(argv, "exec /bin/sh -c '%s'", remote_agent_text);
    return words_end(argv, err);
}

/* Another one, through the master or not at all. */
static void add_guest(struct words *argv, const struct remote *r)
{
    add_ssh(argv, r);
    words_add(argv, "-T");
    words_add(argv, "-oControlMaster=no");
    words_add(argv, "-oProxyCommand=false");
    words_add(argv, "-oRemoteCommand=none");
}

/* What ssh said, and what people can do about it. */
static int why_not(struct remote *r, struct error *err)
{
    _cleanup_error_ struct error why = ERROR_INIT;
    _cleanup_free_ char *said = NULL;

    if (child_wait(r->master, END_TIMEOUT_MS, &why) == 0)
        return error_set(err, ERR_CHILD,
                         "it ends at once, without running our program there");
    said = child_last_line(r->master);
    if (!said)
        return error_memory(err);
    error_set_code(err, ERR_CHILD, why.code, "%s",
                   said[0] ? said : error_text(&why));
    if (strstr(said, "Host key verification failed"))
        error_append(err, " (its key is not the one that is known, or none is: "
                          "compare it, then let ssh take it by hand)");
    else if (strstr(said, "Permission denied"))
        error_append(err, " (keys and agents are tried, passwords are not)");
    return -1;
}

static int run_master(struct remote *r, struct error *err)
{
    _cleanup_words_ struct words argv = WORDS_INIT;
    _cleanup_close_ int ours = -1;
    _cleanup_close_ int theirs = -1;
    struct spawn_request req = {.die_with_us = true};
    int pair[2];
    int met;

    if (master_argv(r, &argv, err) < 0)
        return -1;
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0)
        return error_errno(err, errno, "make a pair of sockets");
    ours = pair[0];
    theirs = pair[1];
    req.argv = words_list(&argv);
    req.stdin_fd = req.stdout_fd = theirs;
    if (spawn_start(&req, &r->master, err) < 0)
        return -1;
    closep(&theirs);
    met = agent_meet(take_fd(ours), CONNECT_TIMEOUT_MS, &r->agent, err);
    return met == 0 ? why_not(r, err) : MIN_OF(met, 0);
}

static int replace(char **member, const char *value, struct error *err)
{
    if (!value)
        return 0;
    free(*member);
    *member = strdup(value);
    return *member ? 0 : error_memory(err);
}

static int prepare(struct remote *r, const struct remote_options *o,
                   const char *directory, struct error *err)
{
    if (remote_uri_parse(o->uri, &r->uri, err) < 0 ||
        replace(&r->uri.user, o->user, err) < 0 ||
        replace(&r->uri.key_file, o->key_file, err) < 0)
        return -1;
    if (r->uri.user && r->uri.user[0] == '-')
        return error_set(err, ERR_INPUT, "'%s' is no user for ssh",
                         r->uri.user);
    r->port = o->port ? text_dup_printf("%d", o->port) : take(r->uri.port);
    r->name = text_dup_printf("%s", r->uri.host);
    r->control = text_dup_printf("%s/ssh", directory);
    return (o->port && !r->port) || !r->name || !r->control ? error_memory(err)
                                                            : 0;
}

int remote_open(const struct remote_options *options, const char *directory,
                struct remote **ret, struct error *err)
{
    _cleanup_(remote_closep) struct remote *r = calloc(1, sizeof(*r));

    if (!r)
        return error_memory(err);
    if (prepare(r, options, directory, err) < 0)
        return -1;
    if (run_master(r, err) < 0)
        return error_prefix(err, "ssh to '%s'", r->name);
    *ret = take(r);
    return 0;
}

/* ---- programs and files ---- */

/* Make of the encoded words what they were, and become that program. */
static const char runner[] =
    "PATH=$PATH:/usr/local/sbin:/usr/sbin:/sbin; LC_ALL=C; export PATH LC_ALL; "
    "n=$#; while [ $n -gt 0 ]; do w=$(printf \"%b.\" \"${1#:}\"); shift; "
    "set -- \"$@\" \"${w%.}\"; n=$((n - 1)); done; exec \"$@\"";

static int run_argv(const struct remote *r, const char *const *program,
                    struct words *argv, struct error *err)
{
    _cleanup_words_ struct words line = WORDS_INIT;
    _cleanup_free_ char *text = NULL;

    words_add(&line, "exec /bin/sh -c '%s' sh", runner);
    for (; *program; program++) {
        _cleanup_free_ char *word = remote_word(*program);

        if (!word)
            return error_memory(err);
        words_add(&line, "'%s'", word);
    }
    if (words_end(&line, err) < 0)
        return -1;
    text = words_join(&line, " ");
    if (!text)
        return error_memory(err);
    add_guest(argv, r);
    add_destination(argv, r);
    words_add(argv, "%s", text);
    return words_end(argv, err);
}

/* Run a program there with these as its stdin and stdout (0: none). */
static int run(struct remote *r, const char *const *program, int in_fd,
               int out_fd, int timeout_ms, char **ret_out, struct error *err)
{
    _cleanup_words_ struct words argv = WORDS_INIT;
    struct spawn_request req = {
        .stdin_fd = in_fd, .stdout_fd = out_fd, .die_with_us = true};

    if (run_argv(r, program, &argv, err) < 0)
        return -1;
    req.argv = words_list(&argv);
    if (spawn_run(&req, timeout_ms, ret_out, NULL, err) < 0)
        return error_prefix(err, "on '%s'", r->name);
    return 0;
}

int remote_run(struct remote *r, const char *const *argv, int timeout_ms,
               char **ret_out, struct error *err)
{
    return run(r, argv, 0, 0, timeout_ms, ret_out, err);
}

/* The name is a word of its own: what is in it is for nobody to interpret. */
static const char fetch_text[] =
    "[ -f \"$1\" ] || { echo \"it is no regular file\" >&2; exit 2; }; "
    "exec cat <\"$1\"";
static const char store_text[] =
    "umask 077; set -C; { [ -e \"$1\" ] || [ -h \"$1\" ]; } && exit 17; "
    "cat >\"$1\" && sync -- \"$1\"";
static const char exists_text[] =
    "{ [ -e \"$1\" ] || [ -h \"$1\" ]; } && echo 1 || echo 0";

#define STATUS_EXISTS 17
#define STATUS_NOT_REGULAR 2

int remote_fetch(struct remote *r, const char *path, int fd, struct error *err)
{
    const char *argv[] = {"/bin/sh", "-c", fetch_text, "sh", path, NULL};

    if (run(r, argv, 0, fd, -1, NULL, err) == 0)
        return 0;
    if (err && err->kind == ERR_CHILD && err->code == STATUS_NOT_REGULAR)
        err->kind = ERR_INPUT;
    return error_prefix(err, "read '%s'", path);
}

int remote_store(struct remote *r, int fd, const char *path, struct error *err)
{
    const char *argv[] = {"/bin/sh", "-c", store_text, "sh", path, NULL};

    if (run(r, argv, fd, 0, -1, NULL, err) == 0)
        return 0;
    if (err && err->kind == ERR_CHILD && err->code == STATUS_EXISTS)
        return error_set(err, ERR_EXISTS,
                         "write '%s' on '%s': something with that name is "
                         "already there",
                         path, r->name);
    return error_prefix(err, "write '%s'", path);
}

int remote_exists(struct remote *r, const char *path, struct error *err)
{
    const char *argv[] = {"/bin/sh", "-c", exists_text, "sh", path, NULL};
    _cleanup_free_ char *said = NULL;

    if (run(r, argv, 0, 0, ASK_TIMEOUT_MS, &said, err) < 0)
        return error_prefix(err, "look for '%s'", path);
    return said[0] == '1';
}

int remote_forward(struct remote *r, const char *here, const char *there,
                   struct error *err)
{
    _cleanup_words_ struct words argv = WORDS_INIT;
    struct spawn_request req = {.die_with_us = true};

    if (strchr(here, ':') || strchr(there, ':'))
        return error_set(err, ERR_INPUT,
                         "ssh forwards no sockets with ':' in their names, as "
                         "'%s' has it",
                         strchr(here, ':') ? here : there);
    add_guest(&argv, r);
    words_add(&argv, "-Oforward");
    words_add(&argv, "-L");
    words_add(&argv, "%s:%s", here, there);
    add_destination(&argv, r);
    if (words_end(&argv, err) < 0)
        return -1;
    req.argv = words_list(&argv);
    if (spawn_run(&req, FORWARD_TIMEOUT_MS, NULL, NULL, err) < 0)
        return error_prefix(err, "forward the socket '%s' of '%s'", there,
                            r->name);
    return 0;
}

/* ---- the agent ---- */

/* It becomes part of a program there. */
static bool is_key(const char *key)
{
    return key[0] &&
           key[strspn(key, "abcdefghijklmnopqrstuvwxyz0123456789")] == '\0';
}

static int ask(struct remote *r, const char *const *words, int timeout_ms,
               char **ret_answer, struct error *err)
{
    if (!is_key(words[1]))
        return error_set(err, ERR_INPUT, "'%s' is no key", words[1]);
    if (agent_ask(r->agent, words, timeout_ms, ret_answer, err) == 0)
        return 0;
    return error_prefix(err, "on '%s'", r->name);
}

int remote_tell(struct remote *r, const char *key, const char *kind,
                const char *a, const char *b, const char *c, struct error *err)
{
    const char *words[] = {"tell",     key,        kind, a ? a : "",
                           b ? b : "", c ? c : "", NULL};

    return ask(r, words, ASK_TIMEOUT_MS, NULL, err);
}

int remote_forget(struct remote *r, const char *key, struct error *err)
{
    const char *words[] = {"forget", key, NULL};

    return ask(r, words, ASK_TIMEOUT_MS, NULL, err);
}

int remote_undo(struct remote *r, const char *key, struct error *err)
{
    const char *words[] = {"undo", key, NULL};

    return ask(r, words, UNDO_TIMEOUT_MS, NULL, err);
}

int remote_make_dir(struct remote *r, const char *key, const char *path,
                    uid_t uid, gid_t gid, struct error *err)
{
    char owner[32] = "";
    const char *words[] = {"dir", key, path, owner, NULL};

    if (uid != (uid_t)-1)
        snprintf(owner, sizeof(owner), "%u:%u", (unsigned)uid, (unsigned)gid);
    if (ask(r, words, ASK_TIMEOUT_MS, NULL, err) < 0)
        return error_prefix(err, "make the private directory '%s'", path);
    return 0;
}

int remote_serve(struct remote *r, const char *key, const char *base,
                 const char *const *argv, struct error *err)
{
    const char *words[64] = {"serve", key, base};
    size_t n = 3;

    for (; *argv; argv++) {
        if (n + 1 == array_size(words))
            return error_set(err, ERR_INPUT, "too many arguments");
        words[n++] = *argv;
    }
    return agent_ask(r->agent, words, SERVE_TIMEOUT_MS, NULL, err);
}

int remote_stop(struct remote *r, const char *key, int *ret_status,
                char **ret_said, struct error *err)
{
    const char *words[] = {"stop", key, NULL};
    _cleanup_free_ char *answer = NULL;
    char *end = NULL;

    if (ask(r, words, STOP_TIMEOUT_MS, &answer, err) < 0)
        return -1;
    *ret_status = (int)strtol(answer, &end, 10);
    *ret_said = strdup(*end == ' ' ? end + 1 : end);
    return *ret_said ? 0 : error_memory(err);
}
