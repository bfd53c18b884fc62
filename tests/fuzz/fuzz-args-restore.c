/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* fuzz-args-restore.c - any command line of virtnbdrestore
 *
 * What is accepted is within its limits.  How to build and run: fuzz.h.
 */
#include <string.h>

#include "options.h"

#include "args.h"
#include "fuzz.h"

static void parse(struct args *a, void *options)
{
    restore_options_parse(a->count, a->words, options);
}

static void check(const struct restore_options *o)
{
    PROMISE(o->input && o->input[0]);
    PROMISE(o->action != ACTION_RESTORE || (o->output && o->output[0]));
    PROMISE(o->action <= ACTION_VERIFY && o->sample <= 1000000);
    PROMISE(o->target_count <= TARGETS_MAX);
    PROMISE(!o->config_file || !strchr(o->config_file, '/'));
    for (size_t i = 0; i < o->target_count; i++) {
        const struct target_option *t = &o->targets[i];

        PROMISE(t->disk_length > 0 && t->disk[t->disk_length] == '=');
        PROMISE(t->place && t->place[0]);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct restore_options o;
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
