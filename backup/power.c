/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* power.c - see power.h */
#include "power.h"

#include "base/log.h"
#include "recover.h"

/* That it cannot be started costs the checkpoint, not the backup. */
static int start(struct run *run, struct error *err)
{
    _cleanup_error_ struct error why = ERROR_INIT;

    if (guardian_tell(run->guardian, FACT_START, "1", err) < 0)
        return -1;
    if (domain_start_paused(run->domain, &why) == 0) {
        run->started = true;
        run->powered_off = false;
        log_info("started domain '%s', paused", domain_name(run->domain));
        return 0;
    }
    if (why.kind == ERR_STOPPED || why.kind == ERR_TIMEOUT) {
        run->started = true; /* perhaps */
        error_move(err, &why);
        return -1;
    }
    log_warning("domain '%s' could not be started, it is backed up powered "
                "off: %s",
                domain_name(run->domain), error_text(&why));
    return guardian_tell(run->guardian, FACT_START, NULL, err);
}

int power_find(struct run *run, struct error *err)
{
    int active = domain_is_active(run->domain, err);

    if (active < 0 ||
        guardian_tell(run->guardian, FACT_URI, session_uri(run->session), err) <
            0 ||
        guardian_tell(run->guardian, FACT_DOMAIN, domain_uuid(run->domain),
                      err) < 0)
        return -1;
    run->powered_off = active == 0;
    if (run->powered_off && run->options->start_domain)
        return start(run, err);
    return 0;
}

void power_restore(struct run *run)
{
    _cleanup_error_ struct error err = ERROR_INIT;
    int r;

    if (!run->started)
        return;
    r = domain_stop_if_untouched(run->domain, &err);
    if (r >= 0 && guardian_tell(run->guardian, FACT_START, NULL, &err) < 0)
        r = -1;
    if (r < 0) {
        log_error("domain '%s' was started for the backup and could not be "
                  "stopped (%s); a process in the background tries again",
                  domain_name(run->domain), error_text(&err));
        run->left_over = run->hand_over = true;
        return;
    }
    run->started = false;
    if (r == 0)
        log_warning("domain '%s' was started for the backup, and somebody has "
                    "let it run meanwhile; it goes on",
                    domain_name(run->domain));
    else
        log_info("stopped domain '%s' again", domain_name(run->domain));
}

int power_check(const struct run *run, struct error *err)
{
    if (!run->powered_off)
        return 0;
    if (run->options->start_only)
        return error_set(err, ERR_INPUT,
                         "domain '%s' is powered off: it can run no job; "
                         "start it",
                         domain_name(run->domain));
    if (run->unseen)
        return error_set(err, ERR_INPUT,
                         "domain '%s' is powered off, and its images can be "
                         "read on the hypervisor only: start it, use "
                         "--start-domain, or reach the hypervisor by ssh (-U "
                         "qemu+ssh://...)",
                         domain_name(run->domain));
    return 0;
}
