/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* main.c - virtnbdmap: options, guardian, run */
#include "base/log.h"
#include "cli/exit.h"
#include "cli/startup.h"
#include "facts.h"
#include "options.h"
#include "run.h"

/* The guardian starts before any thread or child exists. */
static int guarded_run(const struct map_options *o, int *ret_status,
                       struct error *err)
{
    struct guardian *guardian = NULL;
    int r;

    if (guardian_start(NULL, &guardian, err) < 0)
        return -1;
    r = map_run(o, guardian, ret_status, err);
    guardian_bye(guardian);
    return r;
}

int main(int argc, char **argv)
{
    struct map_options options;
    _cleanup_error_ struct error err = ERROR_INIT;
    int status = EXIT_FAILED;
    int r;

    startup_process();
    if (guardian_is_wanted(argc, argv))
        return guardian_main(map_as_guardian);
    map_options_parse(argc, argv, &options);
    r = startup_begin("virtnbdmap", &options.common, &err);
    if (r == 0)
        r = startup_log_file(options.logfile, "virtnbdmap.log", &err);
    if (r == 0) {
        startup_banner(argc, argv);
        r = guarded_run(&options, &status, &err);
    }
    if (r < 0)
        log_error("%s", error_text(&err));
    log_close();
    map_options_done(&options);
    return r < 0 ? exit_from_error(&err) : status;
}
