/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* main.c - virtnbdrestore: options, then one of five actions */
#include <stdbool.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/log.h"
#include "base/patience.h"
#include "base/sandbox.h"
#include "cli/exit.h"
#include "cli/result_file.h"
#include "cli/startup.h"
#include "dump.h"
#include "list.h"
#include "options.h"
#include "report.h"
#include "run.h"
#include "verify.h"

#define LOG_WAIT_MS 1000

/* Called by the thread that looks after calls into file systems.  The guardian
 * removes what was not finished, once that is possible.
 */
static void give_up(void *opaque, const char *what, int ms)
{
    const struct restore_options *o = opaque;

    if (log_give_up_file(LOG_WAIT_MS))
        log_error("'%s' or '%s' does not answer: %s has taken %d s so far "
                  "(--io-timeout); given up",
                  o->input, o->output ? o->output : "", what, ms / 1000);
    _exit(EXIT_FAILED);
}

/* Who only reads a set, which anybody may have written, can do no more; who
 * writes a report about it can write there, and nowhere else.
 */
static int give_up_rights(const struct restore_options *o,
                          struct patience_watch *watch, struct error *err)
{
    bool writes = o->action == ACTION_REPORT && strcmp(o->output, "-") != 0;
    _cleanup_free_ char *place =
        writes ? result_file_directory(o->output) : NULL;
    const char *const paths[] = {writes ? place : o->input, NULL};
    int r;

    if (o->action == ACTION_RESTORE)
        return 0; /* see run.c */
    if (writes && !place)
        return error_memory(err);
    r = sandbox_enter(writes ? SANDBOX_WRITER : SANDBOX_READER, paths, err);
    if (r == 0)
        log_debug("this kernel has no Landlock: no sandbox");
    return r > 0 ? patience_watch_renew(watch, err) : r;
}

static int act(const struct restore_options *o, struct guardian *guardian,
               struct patience_watch *watch, struct error *err)
{
    _cleanup_(backup_set_close) struct backup_set set = BACKUP_SET_INIT;

    if (give_up_rights(o, watch, err) < 0)
        return -1;
    if (o->sequence
            ? backup_set_open_sequence(o->input, o->sequence, &set, err) < 0
            : backup_set_open(o->input, o->until, &set, err) < 0)
        return -1;
    switch (o->action) {
    case ACTION_LIST:
        return list_set(&set, o->disk, o->json, err);
    case ACTION_DUMP:
        return dump_set(&set, o->disk, err);
    case ACTION_REPORT:
        return report_set(&set, o, err);
    case ACTION_VERIFY:
        return verify_set(&set, o, err);
    case ACTION_RESTORE:
    default:
        return restore_run(o, &set, guardian, watch, err);
    }
}

static int watched_act(const struct restore_options *o,
                       struct guardian *guardian, struct error *err)
{
    struct patience_watch *watch = NULL;
    int r = 0;

    if (o->io_seconds > 0)
        r = patience_watch(o->io_seconds * PATIENCE_TIMES * 1000, give_up,
                           (void *)o, &watch, err);
    if (r == 0)
        r = act(o, guardian, watch, err);
    patience_watch_stop(watch);
    return r;
}

/* The guardian starts before any thread exists. */
static int guarded_act(const struct restore_options *o, struct error *err)
{
    struct guardian *guardian = NULL;
    int r;

    if (o->action != ACTION_RESTORE)
        return watched_act(o, NULL, err);
    if (guardian_start(NULL, &guardian, err) < 0)
        return -1;
    r = watched_act(o, guardian, err);
    guardian_bye(guardian);
    return r;
}

int main(int argc, char **argv)
{
    struct restore_options options;
    _cleanup_error_ struct error err = ERROR_INIT;
    int r;

    startup_process();
    if (guardian_is_wanted(argc, argv))
        return guardian_main(restore_as_guardian);
    restore_options_parse(argc, argv, &options);
    r = startup_begin("virtnbdrestore", &options.common, &err);
    if (r == 0)
        r = startup_log_file(options.logfile, "virtnbdrestore.log", &err);
    if (r == 0) {
        startup_banner(argc, argv);
        r = cli_login_complete(&options.login, &err);
    }
    if (r == 0)
        r = guarded_act(&options, &err);
    if (r < 0)
        log_error("%s", error_text(&err));
    log_close();
    cli_login_done(&options.login);
    if (r < 0)
        return exit_from_error(&err);
    return r > 0 ? EXIT_LEFTOVER : EXIT_OK;
}
