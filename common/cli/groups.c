/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* groups.c - see groups.h
 *
 * argp's own help and version options are off: its help key is -? only, and its
 * version text has no place in a table that is shared.
 */
#include "cli/groups.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/macro.h"
#include "base/redact.h"
#include "cli/exit.h"

/* Bytes of a word that a message repeats, and a zero. */
#define SHOWN_MAX 256

enum {
    KEY_QUIET = 0x300,
    KEY_NOCOLOR,
    KEY_USAGE,
};

static const struct argp_option options[] = {
    {NULL, 0, NULL, 0, "Output:", CLI_OUTPUT_GROUP},
    {"verbose", 'v', NULL, 0, "say more (debug messages)", CLI_OUTPUT_GROUP},
    {"quiet", KEY_QUIET, NULL, 0,
     "write nothing to the terminal, only to the log file", CLI_OUTPUT_GROUP},
    {"nocolor", KEY_NOCOLOR, NULL, 0, "no colours on the terminal",
     CLI_OUTPUT_GROUP},
    {"noprogress", 'n', NULL, 0, "no progress but a line at a disk's end",
     CLI_OUTPUT_GROUP},
    {"help", 'h', NULL, 0, "show this help", -1},
    {NULL, '?', NULL, OPTION_HIDDEN, NULL, -1},
    {"usage", KEY_USAGE, NULL, 0, "show a short usage message", -1},
    {"version", 'V', NULL, 0, "show the version", -1},
    {0},
};

static void print_version(void)
{
    printf("%s\n", VERSION);
    exit(fflush(stdout) == 0 ? EXIT_OK : EXIT_FAILED);
}

static error_t parse(int key, char *arg, struct argp_state *state)
{
    struct cli_common *common = state->input;

    switch (key) {
    case ARGP_KEY_INIT:
        *common = (struct cli_common){0};
        return 0;
    case 'v':
        common->verbose = true;
        return 0;
    case KEY_QUIET:
        common->quiet = true;
        common->noprogress = true;
        return 0;
    case KEY_NOCOLOR:
        common->nocolor = true;
        return 0;
    case 'n':
        common->noprogress = true;
        return 0;
    case 'h':
    case '?':
        argp_state_help(state, state->out_stream, ARGP_HELP_STD_HELP);
        return 0;
    case KEY_USAGE:
        argp_state_help(state, state->out_stream,
                        ARGP_HELP_USAGE | ARGP_HELP_EXIT_OK);
        return 0;
    case 'V':
        print_version();
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

const struct argp cli_common_argp = {.options = options, .parser = parse};

static void parse_all(const struct argp *argp, int argc, char **argv,
                      unsigned flags, void *input)
{
    error_t r;

    argp_err_exit_status = EXIT_USAGE;
    r = argp_parse(argp, argc, argv, ARGP_NO_HELP | flags, NULL, input);
    if (r != 0) {
        fprintf(stderr, "%s: reading the command line failed: %s\n",
                program_invocation_short_name, strerrordesc_np(r));
        exit(EXIT_USAGE);
    }
}

void cli_parse(const struct argp *argp, int argc, char **argv, void *input)
{
    parse_all(argp, argc, argv, 0, input);
}

void cli_parse_command(const struct argp *argp, int argc, char **argv,
                       void *input)
{
    parse_all(argp, argc, argv, ARGP_IN_ORDER, input);
}

const char *cli_shown(const char *word)
{
    static char kept[2][SHOWN_MAX];
    static unsigned turn;
    char *shown = kept[turn++ % array_size(kept)];
    _cleanup_free_ char *redacted = redact_word(word);

    snprintf(shown, SHOWN_MAX, "%s", redacted ? redacted : "***");
    return shown;
}

/* Digits, maybe with a minus in front, and nothing else? */
static bool is_number(const char *word)
{
    if (*word == '-')
        word++;
    if (!*word)
        return false;
    for (; *word; word++) {
        if (!isdigit((unsigned char)*word))
            return false;
    }
    return true;
}

const char *cli_optional_number(struct argp_state *state, const char *arg)
{
    if (arg)
        return arg[0] == '=' ? arg + 1 : arg;
    if (state->next < state->argc && is_number(state->argv[state->next]))
        return state->argv[state->next++];
    return NULL;
}
