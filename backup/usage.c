/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* usage.c - see usage.h */
#include "usage.h"

#include <string.h>

static bool is_incremental(const struct backup_options *o)
{
    return !o->auto_level && (o->level == LEVEL_INC || o->level == LEVEL_DIFF);
}

static bool has_end(const char *text, const char *end)
{
    size_t length = strlen(text), tail = strlen(end);

    return length > tail && strcmp(text + length - tail, end) == 0;
}

const char *usage_missing(const struct backup_options *o)
{
    if (!o->domain || !o->domain[0])
        return "which domain? name one with -d";
    if (!o->output || !o->output[0])
        return "where to? name a directory with -o";
    if (o->start_only + o->kill_only + o->print_only > 1)
        return "--startonly, --killonly and --printonly exclude each other";
    if (o->start_only && o->start_domain)
        return "--startonly leaves the job running, --start-domain stops the "
               "domain at the end: they exclude each other";
    return NULL;
}

/* -t raw, -r */
static const char *check_raw(const struct backup_options *o)
{
    if (o->raw_output && o->compress > 0)
        return "--type raw and --compress exclude each other";
    if (o->raw_output && o->to_stdout)
        return "--type raw needs a directory, not stdout";
    if (o->raw_output && (is_incremental(o) || o->auto_level))
        return "--type raw is for the levels full and copy";
    if (o->raw_disks && o->to_stdout)
        return "--raw needs a directory, not stdout";
    return NULL;
}

static const char *check_freeze(const struct backup_options *o)
{
    if (o->freeze_seconds > 0)
        return NULL;
    if (o->require_freeze)
        return "--require-freeze needs a --freeze-timeout of at least 1";
    if (o->freeze_mounts)
        return "--freeze-mountpoint needs a --freeze-timeout of at least 1";
    return NULL;
}

const char *usage_conflict(const struct backup_options *o)
{
    const char *wrong = check_raw(o);

    if (!wrong)
        wrong = check_freeze(o);
    if (wrong)
        return wrong;
    if (o->group && o->to_stdout)
        return "--group is for files in a directory, not for stdout";
    if (o->zero_frames && o->compress > 0)
        return "--zero-frames and --compress exclude each other";
    if (o->zero_frames && o->no_sparse_detection)
        return "--zero-frames and --no-sparse-detection exclude each other";
    if (o->threshold > 0 && o->to_stdout)
        return "--threshold would leave an empty archive: it needs a "
               "directory, not stdout";
    if (o->to_stdout && o->report && strcmp(o->report, "-") == 0)
        return "the archive goes to stdout: the report cannot, name a file";
    if (o->metrics && !has_end(o->metrics, ".prom"))
        return "--metrics: the node exporter reads only files whose names end "
               "in .prom";
    if (o->since && (o->print_only || o->start_only || o->kill_only))
        return "--since changes what the directory knows: not with "
               "--printonly, --startonly or --killonly";
    if (o->since && !o->to_stdout)
        return "--since is for archives to stdout (-o -): a directory knows "
               "what it holds";
    if (o->since && !is_incremental(o))
        return "--since needs -l inc or -l diff";
    return NULL;
}
