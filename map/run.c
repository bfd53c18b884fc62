/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* run.c - see run.h
 *
 * Things are started in the order in which they need each other, and ended the
 * other way round.  What must not survive us is told to the guardian before it
 * comes to exist.
 */
#include "run.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "attach.h"
#include "base/log.h"
#include "base/notify.h"
#include "base/stop.h"
#include "cli/exit.h"
#include "command.h"
#include "facts.h"
#include "follow.h"
#include "host/host.h"
#include "servers.h"
#include "what.h"

#define VARIABLE "VIRTNBDMAP_URI"

struct run {
    const struct map_options *options;
    struct guardian *guardian;
    struct what what;
    char *runtime_dir;
    struct follow *follow;
    struct servers *servers;
    struct words uris; /* one a disk */
    struct attachments *attachments;
    struct command *command;
    bool left_over; /* something is still there */
};

static int make_place(struct run *run, struct error *err)
{
    if (host_runtime_name(&run->runtime_dir, err) < 0 ||
        guardian_tell(run->guardian, FACT_RUNTIME, run->runtime_dir, err) < 0)
        return -1;
    return host_runtime_make(run->runtime_dir, (uid_t)-1, (gid_t)-1, err);
}

static int start_servers(struct run *run, struct error *err)
{
    if (servers_start(run->options, &run->what, run->runtime_dir, run->follow,
                      run->guardian, &run->servers, err) < 0)
        return -1;
    for (size_t i = 0; i < servers_count(run->servers); i++)
        words_add(&run->uris, "%s", servers_uri(run->servers, i));
    return words_end(&run->uris, err);
}

/* The first line that appears on stdout. */
static int print_uris(const struct run *run, struct error *err)
{
    for (size_t i = 0; i < run->uris.count; i++)
        printf("%s\n", run->uris.items[i]);
    if (fflush(stdout) != 0)
        return error_errno(err, errno, "write to standard output");
    return 0;
}

/* VARIABLE of the only disk, and VARIABLE_vda of each. */
static int run_command(struct run *run, struct error *err)
{
    const struct words *disks = &run->what.disks;
    _cleanup_words_ struct words variables = WORDS_INIT;

    if (disks->count == 1)
        words_add(&variables, VARIABLE "=%s", run->uris.items[0]);
    for (size_t i = 0; i < disks->count; i++) {
        _cleanup_free_ char *name = strdup(disks->items[i]);

        if (!name)
            return error_memory(err);
        for (char *p = name; *p; p++)
            if (!isalnum((unsigned char)*p))
                *p = '_'; /* shells know no other names */
        words_add(&variables, VARIABLE "_%s=%s", name, run->uris.items[i]);
    }
    if (words_end(&variables, err) < 0)
        return -1;
    return command_start(run->options->command, &variables, VARIABLE,
                         &run->command, err);
}

static int start(struct run *run, struct error *err)
{
    const struct map_options *o = run->options;

    if (what_open(o, &run->what, err) < 0 ||
        attach_check(o, &run->what.disks, err) < 0 ||
        make_place(run, err) < 0 || follow_start(&run->follow, err) < 0 ||
        start_servers(run, err) < 0 ||
        attach_start(o, &run->what.disks, &run->uris, run->runtime_dir,
                     run->follow, run->guardian, &run->attachments, err) < 0 ||
        stop_check(err) < 0)
        return -1;
    if (servers_commit(run->servers, err) < 0)
        return -1;
    follow_loud(run->follow, true);
    if (run->what.point)
        log_info("point '%s' of '%s', %s", run->what.point, o->input,
                 o->writable ? "writable" : "read-only");
    if ((o->command ? run_command(run, err) : print_uris(run, err)) < 0)
        return -1;
    notify_ready();
    return 0;
}

/* Until something ends.  Outcome 1: as the user wanted it. */
static int wait_for_end(struct run *run, struct error *err)
{
    for (;;) {
        _cleanup_watch_ struct watch w = WATCH_INIT;
        int outcome;

        if (watch_add(&w, stop_fd(), err) < 0 ||
            watch_add(&w, run->command ? command_fd(run->command) : -1, err) <
                0 ||
            servers_watch(run->servers, &w, err) < 0 ||
            attach_watch(run->attachments, &w, err) < 0)
            return -1;
        if (poll(w.items, w.count, -1) < 0)
            continue;
        if (w.items[0].revents || w.items[1].revents)
            return 1;
        outcome = attach_look(run->attachments, err);
        if (outcome == ATTACH_GONE)
            return 1;
        if (outcome < 0 || servers_check(run->servers, err) < 0) {
            follow_explain(run->follow, err);
            return -1;
        }
    }
}

static void note_left(struct run *run, struct error *err)
{
    log_error("something could not be taken away: %s", error_text(err));
    error_clear(err);
    run->left_over = true;
}

/* `*status` becomes the command's if there is one. */
static void end(struct run *run, bool began, int *status)
{
    _cleanup_error_ struct error err = ERROR_INIT;

    if (run->command)
        *status = command_finish(take(run->command));
    if (run->follow)
        follow_loud(run->follow, false);
    if (attach_stop(take(run->attachments), &err) < 0)
        note_left(run, &err);
    if (!began)
        servers_abandon(take(run->servers));
    else if (servers_stop(take(run->servers), &err) < 0)
        note_left(run, &err);
    follow_free(take(run->follow));
    if (run->runtime_dir && host_remove_dir(NULL, run->runtime_dir, &err) < 0)
        note_left(run, &err);
    words_done(&run->uris);
    what_done(&run->what);
    free(run->runtime_dir);
}

int map_run(const struct map_options *o, struct guardian *guardian,
            int *ret_status, struct error *err)
{
    struct run run = {
        .options = o,
        .guardian = guardian,
        .what = WHAT_INIT,
        .uris = WORDS_INIT,
    };
    int status = EXIT_OK;
    int r = start(&run, err);
    bool began = r == 0;

    if (began)
        r = wait_for_end(&run, err);
    end(&run, began, &status);
    if (r < 0)
        return -1;
    *ret_status = status == EXIT_OK && run.left_over ? EXIT_LEFTOVER : status;
    return 0;
}
