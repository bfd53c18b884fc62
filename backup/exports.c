/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* exports.c - see exports.h */
#include "exports.h"

int exports_open(struct run *run, struct error *err)
{
    return run->powered_off ? offline_open(run, err) : online_open(run, err);
}

void exports_close(struct run *run)
{
    if (run->powered_off)
        offline_close(run);
    else
        online_close(run);
}

void exports_break(struct run *run)
{
    run->ended_early = true;
    if (run->powered_off)
        offline_break(run);
    else
        online_break(run);
}

int exports_explain(struct run *run, struct error *err)
{
    if (run->remote && !remote_is_alive(run->remote))
        return error_prefix(err, "the connection to '%s' was lost",
                            remote_name(run->remote));
    return run->powered_off ? -1 : online_explain(run, err);
}
