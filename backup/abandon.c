/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* abandon.c - see abandon.h
 *
 * Runs beside threads that may hang with anything in their hands, so it takes
 * no lock that they could hold, but libvirt's queue, with a deadline.
 */
#include "abandon.h"

#include <stdio.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/log.h"
#include "cli/exit.h"
#include "virt/job.h"

#define LOG_WAIT_MS 1000
#define JOB_END_TIMEOUT_MS 60000

/* The socket is named before a job can be ours. */
static void end_job(struct run *run)
{
    _cleanup_error_ struct error err = ERROR_INIT;

    if (!run->domain || run->powered_off || !run->socket)
        return;
    session_ignore_stop(run->session);
    if (job_end(run->domain, run->socket, JOB_END_TIMEOUT_MS, &err) < 0)
        dprintf(STDERR_FILENO,
                "the backup job of domain '%s' could not be ended: %s\n",
                domain_name(run->domain), error_text(&err));
}

static void give_up(void *opaque, const char *what, int ms)
{
    struct run *run = opaque;

    end_job(run);
    if (log_give_up_file(LOG_WAIT_MS))
        log_error("'%s' does not answer: %s has taken %d s so far "
                  "(--io-timeout); the run is given up, and the job of the "
                  "guest ended; a process in the background cleans up when it "
                  "answers again",
                  run->options->output ? run->options->output : ".", what,
                  ms / 1000);
    else
        dprintf(STDERR_FILENO,
                "ERROR: not even the log file answers (%s, %d s): given up\n",
                what, ms / 1000);
    _exit(EXIT_FAILED);
}

int abandon_watch(struct run *run, struct patience_watch **ret,
                  struct error *err)
{
    int seconds = run->options->io_seconds;

    *ret = NULL;
    if (seconds == 0)
        return 0;
    return patience_watch(seconds * PATIENCE_TIMES * 1000, give_up, run, ret,
                          err);
}
