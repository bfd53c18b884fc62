/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* guest.c - see guest.h */
#include "guest.h"

#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/file.h"
#include "base/log.h"
#include "base/text.h"
#include "virt/agent.h"

#define AGENT_TIMEOUT_MS 30000
#define LETTERS ('Z' - 'A' + 1)

static int add(struct run *run, struct intent *in, char *own_name,
               char *own_text, struct error *err)
{
    struct guest_text *t = &run->guest[run->guest_count];

    if (!own_name || !own_text) {
        free(own_name);
        free(own_text);
        return error_memory(err);
    }
    t->name = own_name;
    t->text = own_text;
    run->guest_count++;
    return intent_add_file(in, t->name, err);
}

/* Fails only on a stop. */
static int give_up(struct error *own_why, const char *what, struct error *err)
{
    if (own_why->kind == ERR_STOPPED) {
        error_move(err, own_why);
        return -1;
    }
    log_warning("%s not saved: %s", what, error_text(own_why));
    return 0;
}

static int ask_info(struct run *run, struct intent *in, struct error *err)
{
    _cleanup_error_ struct error why = ERROR_INIT;
    char *text = NULL;
    int r = agent_guest_info(run->domain, AGENT_TIMEOUT_MS, &text, &why);

    if (r < 0)
        return give_up(&why, "--guest-info:", err);
    if (r == 0) {
        log_warning("--guest-info: no guest agent answers");
        return 0;
    }
    return add(run, in, text_dup_printf("osinfo.%s", run->point), text, err);
}

/* Outcome 1: there is such a drive, and its keys are noted. */
static int ask_drive(struct run *run, struct intent *in, char letter,
                     struct error *err)
{
    char drive[] = {letter, ':', '\0'};
    const char *const argv[] = {"manage-bde", "-protectors",      "-get", drive,
                                "-Type",      "RecoveryPassword", NULL};
    _cleanup_error_ struct error why = ERROR_INIT;
    char *text = NULL;

    if (agent_exec(run->domain, argv, AGENT_TIMEOUT_MS, &text, &why) < 0) {
        if (why.kind == ERR_STOPPED) {
            error_move(err, &why);
            return -1;
        }
        log_debug("BitLocker keys of %s: %s", drive, error_text(&why));
        return 0;
    }
    return add(run, in,
               text_dup_printf("bitlocker.recovery.key.%c.%s", letter,
                               run->point),
               text, err) < 0
               ? -1
               : 1;
}

static int ask_keys(struct run *run, struct intent *in, struct error *err)
{
    _cleanup_error_ struct error why = ERROR_INIT;
    _cleanup_free_ char *os = NULL;
    int count = 0;

    if (agent_os_id(run->domain, AGENT_TIMEOUT_MS, &os, &why) < 0)
        return give_up(&why, "--bitlocker-keys:", err);
    if (!os || strcmp(os, "mswindows") != 0) {
        log_warning("--bitlocker-keys: the guest does not say that it is "
                    "Windows");
        return 0;
    }
    /* NOLINTNEXTLINE(bugprone-too-small-loop-variable): a letter is an int. */
    for (char letter = 'A'; letter <= 'Z'; letter++) {
        int r = ask_drive(run, in, letter, err);

        if (r < 0)
            return -1;
        count += r;
    }
    log_info("BitLocker recovery keys of %d %s are in the backup, in plain "
             "text",
             count, count == 1 ? "drive" : "drives");
    return 0;
}

int guest_name(struct run *run, struct intent *in, struct error *err)
{
    const struct backup_options *o = run->options;

    if ((!o->guest_info && !o->bitlocker_keys) || run->powered_off)
        return 0;
    run->guest = calloc(1 + LETTERS, sizeof(*run->guest));
    if (!run->guest)
        return error_memory(err);
    if (o->guest_info && ask_info(run, in, err) < 0)
        return -1;
    return o->bitlocker_keys ? ask_keys(run, in, err) : 0;
}

int guest_write(struct run *run, struct manifest *m, struct error *err)
{
    for (size_t i = 0; i < run->guest_count; i++) {
        const struct guest_text *t = &run->guest[i];

        if (file_replace(run->dirfd, t->name, t->text, strlen(t->text), 0600,
                         err) < 0 ||
            manifest_add_file(m, run->dirfd, t->name, err) < 0)
            return -1;
    }
    return 0;
}

void guest_done(struct run *run)
{
    for (size_t i = 0; i < run->guest_count; i++) {
        free(run->guest[i].name);
        free(run->guest[i].text);
    }
    free(run->guest);
    run->guest = NULL;
    run->guest_count = 0;
}
