/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* options.c - see options.h; one argp table is option, help and usage */
#include "options.h"

#include <argp.h>
#include <stdbool.h>
#include <string.h>

static const struct argp_option table[] = {
    {"action", 'a', "ACTION", 0,
     "restore (default), verify: check all data, or dump: print the metadata",
     1},
    {"input", 'i', "DIR", 0, "the backup (required)", 1},
    {"output", 'o', "DIR", 0,
     "where the images go; the words dump and verify choose the action", 1},
    {"disk", 'd', "NAME", 0, "only this disk (vda)", 1},
    {"until", 'u', "POINT", 0,
     "the point to restore, or the last to verify or dump: its name, its "
     "number, or a time in UTC (default: the newest)",
     1},
    {"logfile", 'L', "FILE", 0,
     "append the log to this file (default ~/virtnbdrestore.log)", 2},
    {0},
};

static bool parse_action(const char *word, enum restore_action *ret)
{
    static const struct {
        const char *word;
        enum restore_action action;
    } actions[] = {
        {"restore", ACTION_RESTORE},
        {"dump", ACTION_DUMP},
        {"verify", ACTION_VERIFY},
    };

    for (size_t i = 0; i < sizeof(actions) / sizeof(actions[0]); i++) {
        if (strcmp(word, actions[i].word) == 0) {
            *ret = actions[i].action;
            return true;
        }
    }
    return false;
}

static void check_required(struct argp_state *state,
                           const struct restore_options *o)
{
    if (!o->input || !o->input[0])
        argp_error(state, "which backup? name its directory with -i");
    if (o->action == ACTION_RESTORE && (!o->output || !o->output[0]))
        argp_error(state, "where to? name a directory with -o");
}

static error_t parse(int key, char *arg, struct argp_state *state)
{
    struct restore_options *o = state->input;

    switch (key) {
    case ARGP_KEY_INIT:
        state->child_inputs[0] = &o->common;
        return 0;
    case 'a':
        if (!parse_action(arg, &o->action))
            argp_error(state,
                       "action '%s' is unknown; use restore, verify or dump",
                       arg);
        return 0;
    case 'i':
        o->input = arg;
        return 0;
    case 'o':
        if (strcmp(arg, "restore") == 0 || !parse_action(arg, &o->action))
            o->output = arg;
        return 0;
    case 'd':
        o->disk = arg;
        return 0;
    case 'u':
        o->until = arg;
        return 0;
    case 'L':
        o->logfile = arg;
        return 0;
    case ARGP_KEY_ARG:
        argp_error(state, "'%s' belongs to no option", arg);
        return 0;
    case ARGP_KEY_END:
        check_required(state, o);
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

void restore_options_parse(int argc, char **argv, struct restore_options *ret)
{
    static const struct argp_child children[] = {
        {&cli_common_argp, 0, "Output:", 3},
        {0},
    };
    static const struct argp argp = {
        .options = table,
        .parser = parse,
        .doc = "Restore, verify or describe a backup made by virtnbdbackup."
               "\vExample: virtnbdrestore -i /backup/vm1 -o /restored/vm1",
        .children = children,
    };

    memset(ret, 0, sizeof(*ret));
    cli_parse(&argp, argc, argv, ret);
}
