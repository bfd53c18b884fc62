/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* there.c - see there.h */
#include "there.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/log.h"
#include "base/text.h"
#include "host/host.h"
#include "host/remote_uri.h"

#define DIGITS 16
#define TIMEOUT_MS 60000

/* What the host is told of them under. */
#define KEY_STAGING "staging"
#define KEY_SERVERS "servers"

bool there_is_wanted(const struct restore_options *options)
{
    return remote_uri_is_ssh(options->uri);
}

static int check_options(const struct restore_options *o, struct error *err)
{
    const char *wrong = NULL;

    if (o->output[0] != '/')
        wrong = "the output directory (-o) has to be an absolute path there";
    else if (o->target_count > 0)
        wrong = "--target is for this host";
    else if (o->boot_in_place)
        wrong = "--boot-files-in-place is for this host";
    else if (o->socketfile)
        wrong = "--socketfile is for this host";
    if (!wrong)
        return 0;
    return error_set(err, ERR_USAGE, "-U restores on another host: %s", wrong);
}

static int connect_to(const struct restore_options *o, struct there *t,
                      struct error *err)
{
    const struct remote_options options = {
        .uri = o->uri,
        .user = o->ssh.user,
        .port = o->ssh.port,
        .key_file = o->ssh.key_file,
    };

    return remote_open(&options, t->local_dir, &t->remote, err);
}

int there_open(const struct restore_options *options, struct guardian *guardian,
               const char *fact, struct there *ret, struct error *err)
{
    char mode[8];
    const char *argv[] = {"mkdir",         "-p", "-m", mode, "--",
                          options->output, NULL};

    snprintf(mode, sizeof(mode), "%04o",
             (unsigned)restore_directory_mode(options));
    if (check_options(options, err) < 0 ||
        host_runtime_name(&ret->local_dir, err) < 0 ||
        guardian_tell(guardian, fact, ret->local_dir, err) < 0 ||
        host_runtime_make(ret->local_dir, (uid_t)-1, (gid_t)-1, err) < 0 ||
        connect_to(options, ret, err) < 0 ||
        transport_choose(&options->transport, remote_name(ret->remote),
                         &ret->transport, err) < 0)
        return -1;
    return remote_run(ret->remote, argv, TIMEOUT_MS, NULL, err);
}

int there_make(struct there *t, const char *target, struct error *err)
{
    char random[DIGITS + 1];

    if (text_random(random, DIGITS, err) < 0 ||
        host_runtime_name(&t->server_dir, err) < 0)
        return -1;
    t->staging = text_dup_printf("%s/.virtnbdrestore.%s", target, random);
    if (!t->staging)
        return error_memory(err);
    if (remote_make_dir(t->remote, KEY_STAGING, t->staging, (uid_t)-1,
                        (gid_t)-1, err) < 0)
        return -1;
    return remote_make_dir(t->remote, KEY_SERVERS, t->server_dir, (uid_t)-1,
                           (gid_t)-1, err);
}

int there_check_names(struct there *t, const char *target, char *const *names,
                      size_t count, struct error *err)
{
    for (size_t i = 0; i < count; i++) {
        _cleanup_free_ char *path = text_dup_printf("%s/%s", target, names[i]);
        int taken =
            path ? remote_exists(t->remote, path, err) : error_memory(err);

        if (taken < 0)
            return -1;
        if (taken)
            return error_set(err, ERR_EXISTS,
                             "'%s' exists already on '%s'; it is not replaced, "
                             "so move it away or choose another directory",
                             path, remote_name(t->remote));
    }
    return 0;
}

static int carry_over(struct there *t, int stagingfd, const char *name,
                      struct error *err)
{
    _cleanup_free_ char *path = text_dup_printf("%s/%s", t->staging, name);
    _cleanup_close_ int fd =
        openat(stagingfd, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);

    if (!path)
        return error_memory(err);
    if (fd < 0)
        return errno == ENOENT ? 0 : error_errno(err, errno, "open '%s'", name);
    return remote_store(t->remote, fd, path, err);
}

/* A second link never replaces anything.  Once begun, it does not depend on us:
 * without the connection it goes on, or finds the staging directory gone.
 */
static const char publish_text[] =
    "trap \"\" HUP INT TERM PIPE; s=$1 d=$2; shift 2; n=0; "
    "for f; do "
    "ln -T -- \"$s/$f\" \"$d/$f\" || break; n=$((n + 1)); done; "
    "if [ $n = $# ] && sync -- \"$d\"; then exit 0; fi; "
    "for f; do [ $n -gt 0 ] || break; rm -f -- \"$d/$f\"; n=$((n - 1)); "
    "done; exit 17";

#define STATUS_NOT_PUBLISHED 17
#define WORDS 6 /* in front of the names */

int there_publish(struct there *t, int stagingfd, const char *target,
                  char *const *names, size_t count, struct error *err)
{
    _cleanup_free_ const char **argv = calloc(WORDS + count + 1, sizeof(*argv));
    const char *words[WORDS] = {"/bin/sh", "-c",       publish_text,
                                "sh",      t->staging, target};

    if (!argv)
        return error_memory(err);
    memcpy(argv, words, sizeof(words));
    for (size_t i = 0; i < count; i++) {
        argv[WORDS + i] = names[i];
        if (carry_over(t, stagingfd, names[i], err) < 0)
            return -1;
    }
    if (remote_run(t->remote, argv, -1, NULL, err) == 0)
        return 0;
    if (err->kind == ERR_CHILD && err->code == STATUS_NOT_PUBLISHED)
        err->kind = ERR_EXISTS;
    return error_prefix(err, "give the files their names in '%s'", target);
}

int there_close(struct there *t)
{
    _cleanup_error_ struct error err = ERROR_INIT;
    int left = 0;

    if (t->remote && remote_is_alive(t->remote) && t->staging &&
        remote_undo(t->remote, KEY_STAGING, &err) < 0) {
        log_warning("'%s' could not be removed: %s", t->staging,
                    error_text(&err));
        left = 1;
    }
    error_clear(&err);
    remote_close(t->remote);
    if (t->local_dir && host_remove_dir(NULL, t->local_dir, &err) < 0) {
        log_warning("%s", error_text(&err));
        left = 1;
    }
    transport_done(&t->transport);
    free(t->local_dir);
    free(t->server_dir);
    free(t->staging);
    *t = (struct there){0};
    return left;
}
