/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* main.c - virtnbdrestore: options, then one of three actions */
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/log.h"
#include "base/text.h"
#include "cli/exit.h"
#include "cli/startup.h"
#include "dump.h"
#include "options.h"
#include "run.h"
#include "verify.h"

static int open_log(const struct restore_options *o, struct error *err)
{
    const char *home = getenv("HOME");
    _cleanup_free_ char *path = NULL;

    path = o->logfile ? strdup(o->logfile)
                      : text_dup_printf("%s/virtnbdrestore.log",
                                        home && home[0] ? home : "/tmp");
    if (!path)
        return error_memory(err);
    return log_open_file(AT_FDCWD, path, err);
}

static int guarded_restore(const struct restore_options *o,
                           const struct backup_set *set, struct error *err)
{
    struct guardian *guardian = NULL;
    int r;

    if (guardian_start(NULL, &guardian, err) < 0)
        return -1;
    r = restore_run(o, set, guardian, err);
    guardian_bye(guardian);
    return r;
}

static int act(const struct restore_options *o, struct error *err)
{
    _cleanup_(backup_set_close) struct backup_set set = BACKUP_SET_INIT;

    if (backup_set_open(o->input, o->until, &set, err) < 0)
        return -1;
    switch (o->action) {
    case ACTION_DUMP:
        return dump_set(&set, o->disk, err);
    case ACTION_VERIFY:
        return verify_set(&set, o->disk, &o->common, err);
    case ACTION_RESTORE:
    default:
        return guarded_restore(o, &set, err);
    }
}

int main(int argc, char **argv)
{
    struct restore_options options;
    _cleanup_error_ struct error err = ERROR_INIT;
    int r;

    startup_descriptors();
    if (guardian_is_wanted(argc, argv))
        return guardian_main(restore_as_guardian);
    restore_options_parse(argc, argv, &options);
    r = startup_begin("virtnbdrestore", &options.common, &err);
    if (r == 0)
        r = open_log(&options, &err);
    if (r == 0) {
        startup_banner(argc, argv);
        r = act(&options, &err);
    }
    if (r < 0)
        log_error("%s", error_text(&err));
    log_close();
    return r < 0 ? exit_from_error(&err) : EXIT_OK;
}
