/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* main.c - virtnbdbackup: options, guardian, run */
#include <string.h>

#include "base/log.h"
#include "cli/exit.h"
#include "cli/startup.h"
#include "options.h"
#include "recover.h"
#include "run.h"

/* The guardian starts before any thread or connection exists. */
static int guarded_run(const struct backup_options *options, int argc,
                       char **argv, struct error *err)
{
    struct guardian *guardian = NULL;
    bool hand_over = false;
    int status;

    if (guardian_start(NULL, &guardian, err) < 0)
        return -1;
    status = run_backup(options, argc, argv, guardian, &hand_over);
    if (hand_over)
        guardian_hand_over(guardian);
    else
        guardian_bye(guardian);
    return status;
}

int main(int argc, char **argv)
{
    struct backup_options options;
    _cleanup_error_ struct error err = ERROR_INIT;
    int status;

    startup_process();
    if (guardian_is_wanted(argc, argv))
        return guardian_main(recover_as_guardian);
    backup_options_parse(argc, argv, &options);
    if (startup_begin("virtnbdbackup", &options.common, &err) < 0)
        return EXIT_FAILED;
    log_keep_warnings();
    log_syslog(options.syslog);
    status = cli_login_complete(&options.login, &err);
    if (status == 0)
        status = guarded_run(&options, argc, argv, &err);
    if (status < 0) {
        log_error("%s", error_text(&err));
        status = exit_from_error(&err);
    }
    log_close();
    cli_login_done(&options.login);
    return status;
}
