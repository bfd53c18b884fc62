/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* groups.c - see groups.h
 *
 * argp's own help and version options are off: its help key is -? only, and its
 * version text has no place in a table that is shared.
 */
#include "cli/groups.h"

#include <ctype.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/macro.h"
#include "base/redact.h"
#include "cli/bad_option.h"
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

/* Help and complaints: through argp, which was told to say nothing. */
static void show_help(struct argp_state *state, FILE *stream, unsigned flags)
{
    state->flags &= ~(unsigned)ARGP_NO_ERRS;
    argp_state_help(state, stream, flags);
}

void cli_error(struct argp_state *state, const char *fmt, ...)
{
    _cleanup_free_ char *text = NULL;
    _cleanup_free_ char *shown = NULL;
    va_list args;

    va_start(args, fmt);
    if (vasprintf(&text, fmt, args) < 0)
        text = NULL;
    va_end(args);
    shown = text ? redact_text(text) : NULL;
    fprintf(state->err_stream, "%s: %s\n", state->name,
            shown ? shown : "wrong usage");
    show_help(state, state->err_stream, ARGP_HELP_STD_ERR);
}

static void print_version(void)
{
    printf("%s\n", VERSION);
    exit(fflush(stdout) == 0 ? EXIT_OK : EXIT_FAILED);
}

/* getopt met something wrong, and nobody has said what. */
static void complain(struct argp_state *state)
{
    _cleanup_free_ char *text =
        bad_option(state->root_argp, state->argc, state->argv, state->next);

    cli_error(state, "%s", text ? text : "wrong usage");
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
        show_help(state, state->out_stream, ARGP_HELP_STD_HELP);
        return 0;
    case KEY_USAGE:
        show_help(state, state->out_stream,
                  ARGP_HELP_USAGE | ARGP_HELP_EXIT_OK);
        return 0;
    case 'V':
        print_version();
        return 0;
    case ARGP_KEY_ERROR:
        complain(state);
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
    r = argp_parse(argp, argc, argv, ARGP_NO_HELP | ARGP_NO_ERRS | flags, NULL,
                   input);
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
