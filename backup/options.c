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
};

static const struct argp_option table[] = {
    {"domain", 'd', "NAME", 0, "domain to back up (required)", 1},
    {"level", 'l', "LEVEL", 0,
     "copy: everything, without a checkpoint (default); full: everything, "
     "with a checkpoint",
     1},
    {"output", 'o', "DIR", 0, "target directory (required)", 1},
    {"include", 'i', "DISK", 0, "back up only this disk (vda)", 1},
    {"exclude", 'x', "DISK,...", 0, "leave these disks out", 1},
    {"compress", 'z', "LEVEL", OPTION_ARG_OPTIONAL,
     "compress with lz4, level 1 to 16 (default 2)", 1},
    {"worker", 'w', "COUNT", 0,
     "disks read at the same time (default: all, at most 8)", 1},
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
                       enum level *ret)
{
    if (strcmp(word, "copy") == 0) {
        *ret = LEVEL_COPY;
    } else if (strcmp(word, "full") == 0) {
        *ret = LEVEL_FULL;
    } else if (strcmp(word, "inc") == 0 || strcmp(word, "diff") == 0 ||
               strcmp(word, "auto") == 0) {
        argp_error(state,
                   "level '%s' is not there yet in this version; use full or "
                   "copy",
                   word);
    } else {
        argp_error(state, "level '%s' is unknown; use full or copy", word);
    }
    return 0;
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
        o->domain = arg;
        return 0;
    case 'l':
        return parse_level(state, arg, &o->level);
    case 'o':
        o->output = arg;
        return 0;
    case 'i':
        o->include = arg;
        return 0;
    case 'x':
        o->exclude = arg;
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
        o->uri = arg;
        return 0;
    case 'f':
        o->socketfile = arg;
        return 0;
    case KEY_SCRATCHDIR:
        o->scratchdir = arg;
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
