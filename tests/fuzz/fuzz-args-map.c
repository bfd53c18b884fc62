/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* fuzz-args-map.c - any command line of virtnbdmap
 *
 * What is accepted makes sense together.  How to build and run: fuzz.h.
 */
#include "options.h"

#include "args.h"
#include "fuzz.h"

static void parse(struct args *a, void *options)
{
    map_options_parse(a->count, a->words, options);
}

static void check(const struct map_options *o)
{
    PROMISE((o->input != NULL) != (o->files.count > 0));
    PROMISE(o->place <= PLACE_FUSE && o->address);
    PROMISE((o->place == PLACE_DEVICE) == (o->devices.count > 0));
    PROMISE((o->place == PLACE_FUSE) == (o->fuse != NULL));
    PROMISE(!o->tls || (o->tcp && o->place == PLACE_URI));
    PROMISE(!o->keep || (o->writable && !o->tcp));
    PROMISE(!o->command || o->command[0]);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct map_options o = {0};
    struct args a;

    args_split(data, size, &a);
    if (args_parse(&a, parse, &o)) {
        check(&o);
        args_check_log(&a, NULL);
        map_options_done(&o);
    }
    args_free(&a);
    return 0;
}
