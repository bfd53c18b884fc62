/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* fuzz-args-backup.c - any command line of virtnbdbackup
 *
 * What is accepted is within its limits and makes sense together.  How to build
 * and run: fuzz.h.
 */
#include <string.h>

#include "options.h"
#include "usage.h"

#include "args.h"
#include "fuzz.h"

static void parse(struct args *a, void *options)
{
    backup_options_parse(a->count, a->words, options);
}

static void check(const struct backup_options *o)
{
    PROMISE(o->domain &&
            (o->output || o->kill_only || o->print_only || o->start_only));
    PROMISE(o->compress >= 0 && o->compress <= 16);
    PROMISE(o->workers >= 0 && o->workers <= 1024);
    PROMISE(o->freeze_seconds >= 0 && o->freeze_seconds <= 3600);
    PROMISE(o->level <= LEVEL_DIFF && backup_level_asked(o));
    PROMISE(!o->chain || name_is_disk(o->chain));
    PROMISE(!usage_missing(o) && !usage_conflict(o));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct backup_options o = {0};
    struct args a;

    args_split(data, size, &a);
    if (args_parse(&a, parse, &o)) {
        check(&o);
        args_check_log(&a, o.login.password);
        cli_login_done(&o.login);
    }
    args_free(&a);
    return 0;
}
