/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* options.c - see options.h; one argp table is option, help and usage */
#include "options.h"

#include <argp.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "cli/exit.h"
#include "cli/groups.h"

/* lz4 level of a bare -z, as upstream's. */
#define DEFAULT_COMPRESS 2
#define MAX_COMPRESS 16

enum {
    KEY_SCRATCHDIR = 0x200,
    KEY_CHAIN,
    KEY_NO_FALLBACK,
    KEY_NO_SPARSE,
    KEY_ZERO_FRAMES,
};

static const struct argp_option table[] = {
    {"domain", 'd', "NAME", 0, "domain to back up (required)", 1},
    {"level", 'l', "LEVEL", 0,
     "copy: everything, without a checkpoint (default); full: everything, "
     "begins a chain; inc: what changed since the last full or inc; diff: "
     "the same, without a checkpoint of its own; auto: full the first time, "
     "then inc",
     1},
    {"output", 'o', "DIR", 0, "target directory (required)", 1},
    {"include", 'i', "DISK", 0, "back up only this disk (vda)", 1},
    {"exclude", 'x', "DISK,...", 0, "leave these disks out", 1},
    {"compress", 'z', "LEVEL", OPTION_ARG_OPTIONAL,
     "compress with lz4, level 1 to 16 (default 2)", 1},
    {"worker", 'w', "COUNT", 0,
     "disks read at the same time (default: all, at most 8)", 1},
    {"chain", KEY_CHAIN, "NAME", 0,
     "a chain of its own on the same domain, beside the default one", 1},
    {"no-fallback", KEY_NO_FALLBACK, NULL, 0,
     "fail where a disk's changes cannot be told, instead of saving all of it",
     1},
    {"no-sparse-detection", KEY_NO_SPARSE, NULL, 0,
     "inc, diff: read changed areas even where they are zero", 1},
    {"zero-frames", KEY_ZERO_FRAMES, NULL, 0,
     "inc, diff: store changed areas that are zero as zero frames, for "
     "targets without holes",
     1},
    {"checkpointdir", 'C', "DIR", 0,
     "where the checkpoints' descriptions go (default: checkpoints in the "
     "target directory)",
     2},
    {"uri", 'U', "URI", 0, "libvirt connection", 2},
    {"socketfile", 'f', "PATH", 0,
     "unix socket for QEMU's NBD server (default: in a private directory)", 2},
    {"scratchdir", KEY_SCRATCHDIR, "DIR", 0,
     "where QEMU keeps old contents of blocks the guest overwrites meanwhile "
     "(default: a private directory in /var/tmp)",
     2},
    {0},
};

static int parse_level(struct argp_state *state, const char *word,
                       struct backup_options *o)
{
    o->auto_level = strcmp(word, "auto") == 0;
    if (!o->auto_level && !level_parse(word, &o->level))
        argp_error(state,
                   "level '%s' is unknown; use copy, full, inc, diff or auto",
                   word);
    return 0;
}

/* A name that cannot be taken for the number behind it. */
static bool chain_name_is_good(const char *name)
{
    return strlen(name) <= 32 && name_is_disk(name) &&
           strspn(name, "0123456789-_") < strlen(name);
}

static int parse_number(struct argp_state *state, const char *option,
                        const char *word, uint64_t max)
{
    uint64_t value = 0;

    if (text_u64(word, &value) < 0 || value < 1 || value > max)
        argp_error(state, "%s takes a number from 1 to %llu, not '%s'", option,
                   (unsigned long long)max, word);
    return (int)value;
}

/* A second value would replace the first in silence. */
static void set_once(struct argp_state *state, const char **member,
                     const char *value)
{
    if (*member)
        argp_error(state, "'%s' and '%s': this option can be given only once",
                   *member, value);
    *member = value;
}

static int check_required(struct argp_state *state,
                          const struct backup_options *o)
{
    if (!o->domain || !o->domain[0])
        argp_error(state, "which domain? name one with -d");
    else if (!o->output || !o->output[0])
        argp_error(state, "where to? name a directory with -o");
    else if (strcmp(o->output, "-") == 0)
        argp_error(state, "output to stdout is not there yet in this version; "
                          "name a directory with -o");
    else if (o->zero_frames && o->compress > 0)
        argp_error(state, "--zero-frames and --compress exclude each other");
    else if (o->zero_frames && o->no_sparse_detection)
        argp_error(state, "--zero-frames and --no-sparse-detection exclude "
                          "each other");
    return 0;
}

static error_t parse(int key, char *arg, struct argp_state *state)
{
    struct backup_options *o = state->input;
    const char *number;

    switch (key) {
    case ARGP_KEY_INIT:
        state->child_inputs[0] = &o->common;
        return 0;
    case 'd':
        set_once(state, &o->domain, arg);
        return 0;
    case 'l':
        return parse_level(state, arg, o);
    case 'o':
        set_once(state, &o->output, arg);
        return 0;
    case 'i':
        set_once(state, &o->include, arg);
        return 0;
    case 'x':
        set_once(state, &o->exclude, arg);
        return 0;
    case 'z':
        number = cli_optional_number(state, arg);
        o->compress =
            number ? parse_number(state, "--compress", number, MAX_COMPRESS)
                   : DEFAULT_COMPRESS;
        return 0;
    case 'w':
        o->workers = parse_number(state, "--worker", arg, 1024);
        return 0;
    case 'U':
        set_once(state, &o->uri, arg);
        return 0;
    case 'f':
        set_once(state, &o->socketfile, arg);
        return 0;
    case KEY_SCRATCHDIR:
        set_once(state, &o->scratchdir, arg);
        return 0;
    case KEY_CHAIN:
        if (!chain_name_is_good(arg))
            argp_error(state,
                       "--chain takes letters, digits, '-' and '_', at least "
                       "one letter, not '%s'",
                       arg);
        set_once(state, &o->chain, arg);
        return 0;
    case 'C':
        set_once(state, &o->checkpointdir, arg);
        return 0;
    case KEY_NO_FALLBACK:
        o->no_fallback = true;
        return 0;
    case KEY_NO_SPARSE:
        o->no_sparse_detection = true;
        return 0;
    case KEY_ZERO_FRAMES:
        o->zero_frames = true;
        return 0;
    case ARGP_KEY_ARG:
        argp_error(state, "'%s' belongs to no option", arg);
        return 0;
    case ARGP_KEY_END:
        return check_required(state, o);
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

const char *backup_level_asked(const struct backup_options *options)
{
    return options->auto_level ? "auto" : level_text(options->level);
}

void backup_options_parse(int argc, char **argv, struct backup_options *ret)
{
    static const struct argp_child children[] = {
        {&cli_common_argp, 0, "Output:", 3},
        {0},
    };
    static const struct argp argp = {
        .options = table,
        .parser = parse,
        .doc = "Back up a running libvirt domain.\v"
               "Example: virtnbdbackup -d vm1 -l full -o /backup/vm1",
        .children = children,
    };

    memset(ret, 0, sizeof(*ret));
    ret->level = LEVEL_COPY;
    cli_parse(&argp, argc, argv, ret);
}
