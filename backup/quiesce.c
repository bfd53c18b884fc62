/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* quiesce.c - see quiesce.h */
#include "quiesce.h"

#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/log.h"
#include "recover.h"
#include "there.h"
#include "virt/agent.h"

#define THAW_TIMEOUT_MS 10000
#define THAW_TRIES 3

/* The words of --freeze-mountpoint, in `copy`, which is cut up. */
static int split(char *copy, const char ***ret, struct error *err)
{
    size_t count = 0, room = strlen(copy) / 2 + 2;
    const char **list = calloc(room, sizeof(*list));
    char *state = NULL;

    if (!list)
        return error_memory(err);
    for (char *word = strtok_r(copy, ",", &state); word;
         word = strtok_r(NULL, ",", &state))
        list[count++] = word;
    *ret = list;
    return 0;
}

static int freeze(struct run *run, unsigned *ret_count, struct error *err)
{
    const struct backup_options *o = run->options;
    _cleanup_free_ char *copy =
        o->freeze_mounts ? strdup(o->freeze_mounts) : NULL;
    _cleanup_free_ const char **mounts = NULL;

    if (o->freeze_mounts && !copy)
        return error_memory(err);
    if (copy && split(copy, &mounts, err) < 0)
        return -1;
    return agent_freeze(run->domain, mounts, o->freeze_seconds * 1000,
                        ret_count, err);
}

/* Note in the intent what a next run would have to put back. */
static int note(struct run *run, bool *flag, bool on, struct error *err)
{
    *flag = on;
    return intent_write(run->dirfd, &run->intent, err);
}

/* Thaw, `tries` times.  Clears run->frozen once the guest has said so. */
static void thaw(struct run *run, unsigned tries)
{
    for (unsigned i = 1; run->frozen && i <= tries; i++) {
        _cleanup_error_ struct error err = ERROR_INIT;
        int r = agent_thaw(run->domain, THAW_TIMEOUT_MS, &err);

        if (r >= 0 &&
            guardian_tell(run->guardian, FACT_FREEZE, NULL, &err) == 0 &&
            note(run, &run->intent.frozen, false, &err) == 0) {
            run->frozen = false;
            there_forget(run, REMOTE_FROZEN);
            run->thawed_early = r == 0;
        } else {
            log_debug("thaw, try %u: %s", i, error_text(&err));
        }
    }
}

/* The freeze failed, but may happen yet: thaw all the same. */
static int not_frozen(struct run *run, struct error *own_why, struct error *err)
{
    thaw(run, 1);
    run->thawed_early = false;
    if (run->options->require_freeze || own_why->kind == ERR_STOPPED) {
        error_move(err, own_why);
        return error_prefix(err, "freeze the guest's file systems");
    }
    log_warning("the guest's file systems are not frozen, the backup is "
                "crash-consistent only: %s",
                error_text(own_why));
    return 0;
}

/* Where there is no agent nobody freezes anything, and nobody has to thaw. */
static int without_agent(const struct run *run, const char *why,
                         struct error *err)
{
    if (run->options->require_freeze)
        return error_set(err, ERR_INPUT,
                         "the file systems of domain '%s' cannot be frozen, as "
                         "--require-freeze asks for: %s",
                         domain_name(run->domain), why);
    log_warning("the guest's file systems are not frozen, the backup is "
                "crash-consistent only: %s",
                why);
    return 0;
}

static int nothing_frozen(const struct run *run, struct error *err)
{
    if (run->options->require_freeze)
        return error_set(err, ERR_INPUT,
                         "the guest froze no file system, but --require-freeze "
                         "asks for it");
    log_warning("the guest froze no file system%s",
                run->options->freeze_mounts
                    ? ": are those of --freeze-mountpoint mounted there?"
                    : "");
    return 0;
}

static int freeze_guest(struct run *run, struct error *err)
{
    _cleanup_error_ struct error why = ERROR_INIT;
    const char *absent = NULL;
    unsigned count = 0;
    uint64_t begin = clock_ms();
    int there = agent_is_connected(run->domain, &absent, err);

    if (there <= 0)
        return there < 0 ? -1 : without_agent(run, absent, err);
    if (guardian_tell(run->guardian, FACT_FREEZE, "1", err) < 0 ||
        there_tell(run, REMOTE_FROZEN, err) < 0 ||
        note(run, &run->intent.frozen, true, err) < 0)
        return -1;
    run->frozen = true;
    run->frozen_ms = begin;
    if (freeze(run, &count, &why) < 0) {
        run->frozen_ms = 0;
        return not_frozen(run, &why, err);
    }
    if (count == 0)
        return nothing_frozen(run, err);
    log_info("froze %u file %s of the guest", count,
             count == 1 ? "system" : "systems");
    return 0;
}

static int suspend(struct run *run, struct error *err)
{
    _cleanup_error_ struct error why = ERROR_INIT;

    if (guardian_tell(run->guardian, FACT_PAUSE, "1", err) < 0 ||
        there_tell(run, REMOTE_PAUSED, err) < 0 ||
        note(run, &run->intent.suspended, true, err) < 0)
        return -1;
    run->suspended = true;
    if (domain_suspend(run->domain, &why) == 0) {
        log_info("suspended the guest");
        return 0;
    }
    if (why.kind == ERR_STOPPED) {
        error_move(err, &why);
        return -1;
    }
    log_warning("the guest is not suspended: %s", error_text(&why));
    return 0;
}

/* Nothing to freeze in a guest whose vCPUs do not run. */
static int paused_already(const struct run *run, struct error *err)
{
    if (run->options->require_freeze)
        return error_set(err, ERR_INPUT,
                         "domain '%s' is paused: its file systems cannot be "
                         "frozen, as --require-freeze asks for",
                         domain_name(run->domain));
    log_info("domain '%s' is paused already; nothing is frozen",
             domain_name(run->domain));
    return 0;
}

static int hold(struct run *run, struct error *err)
{
    int paused = domain_is_paused(run->domain, err);

    run->frozen_ms = 0;
    run->thawed_early = false;
    if (paused < 0)
        return -1;
    if (paused)
        return paused_already(run, err);
    if (run->options->freeze_seconds > 0 && freeze_guest(run, err) < 0)
        return -1;
    return run->options->pause ? suspend(run, err) : 0;
}

int quiesce_begin(struct run *run, struct error *err)
{
    if (hold(run, err) == 0)
        return 0;
    quiesce_end(run);
    return -1;
}

static void resume(struct run *run)
{
    _cleanup_error_ struct error err = ERROR_INIT;

    if (!run->suspended)
        return;
    if (domain_resume(run->domain, &err) >= 0 &&
        guardian_tell(run->guardian, FACT_PAUSE, NULL, &err) == 0 &&
        note(run, &run->intent.suspended, false, &err) == 0) {
        run->suspended = false;
        there_forget(run, REMOTE_PAUSED);
        log_info("resumed the guest");
        return;
    }
    log_debug("resume: %s", error_text(&err));
}

void quiesce_end(struct run *run)
{
    uint64_t begin = run->frozen_ms;
    bool was_frozen = run->frozen && begin > 0;

    resume(run);
    thaw(run, THAW_TRIES);
    if (was_frozen)
        run->frozen_ms = clock_ms() - begin;
    if (was_frozen && run->thawed_early) {
        run->frozen_ms = 0;
        log_warning("the guest had thawed by itself: whether it was frozen at "
                    "the moment of the backup is not known");
    } else if (was_frozen && !run->frozen) {
        log_info("thawed the guest, frozen for %llu ms",
                 (unsigned long long)run->frozen_ms);
    }
    if (run->frozen)
        log_error("the guest '%s' does not answer: it may be frozen, or "
                  "freeze later; trying to thaw it again and again",
                  domain_name(run->domain));
    if (run->suspended)
        log_error("the guest '%s' is still suspended; trying to resume it "
                  "again and again",
                  domain_name(run->domain));
}

void quiesce_retry(struct run *run)
{
    if (!run->frozen && !run->suspended)
        return;
    resume(run);
    thaw(run, 1);
    if (!run->frozen && !run->suspended)
        log_info("the guest '%s' is thawed and running again",
                 domain_name(run->domain));
}

void quiesce_finish(struct run *run)
{
    quiesce_retry(run);
    if (!run->frozen && !run->suspended)
        return;
    log_error("the guest '%s' %s; a process in the background goes on trying; "
              "by hand: virsh %s %s",
              domain_name(run->domain),
              run->frozen ? "does not answer and may be frozen"
                          : "is still suspended",
              run->frozen ? "domfsthaw" : "resume", domain_name(run->domain));
    run->left_over = run->hand_over = true;
}
