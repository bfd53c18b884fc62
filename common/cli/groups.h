/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* groups.h - the options that all programs share, as argp children
 *
 *     static const struct argp_child children[] = {
 *         {&cli_common_argp, 0, NULL, 0}, {0},
 *     };
 *
 *     case ARGP_KEY_INIT:
 *         state->child_inputs[0] = &options->common;
 *
 * and cli_parse(&argp, argc, argv, options) in the place of argp_parse.
 * Wrong usage ends the program with status 64, and no complaint repeats a
 * secret: neither the parsers', by cli_error, nor that of an option which is
 * unknown or lacks its value.  Knows argp, libc and base/redact only.
 */
#ifndef CLI_GROUPS_H
#define CLI_GROUPS_H

#include <argp.h>
#include <stdbool.h>

#include "base/macro.h"

struct cli_common {
    bool verbose;    /* -v: debug records too */
    bool quiet;      /* --quiet: nothing on stderr; implies noprogress */
    bool nocolor;    /* --nocolor */
    bool noprogress; /* -n: no bars, no lines in between */
};

/* -v, --quiet, --nocolor, -n; -h, --help, --usage, -V.  Its input is a struct
 * cli_common, which it clears first.  The former stand under "Output:"; what a
 * program adds there has the group CLI_OUTPUT_GROUP, which comes behind its
 * others.
 */
#define CLI_OUTPUT_GROUP 90
extern const struct argp cli_common_argp;

/* Parse the command line into `input` (argp's).  Returns when it is right;
 * else, and after --help, --usage and --version, the program ends here.
 */
void cli_parse(const struct argp *argp, int argc, char **argv, void *input);

/* The same for a program that takes a command behind "--": words in front of it
 * stay in front of it, where the parser can refuse them.
 */
void cli_parse_command(const struct argp *argp, int argc, char **argv,
                       void *input);

/* Wrong usage: say so, and where there is help, and end the program. */
void cli_error(struct argp_state *state, const char *fmt, ...)
    printf_format(2, 3);

/* argp is told to say nothing, since getopt's complaints repeat values: these
 * would be as silent, and return.
 */
#pragma GCC poison argp_error argp_failure argp_usage

/* A word of the command line as a message may show it: without secrets, and cut
 * off where it is long.  Good until the second call from now.
 */
const char *cli_shown(const char *word);

/* The value of an option with OPTION_ARG_OPTIONAL whose value is a whole
 * number: `arg` itself ("-z5", "--compress=5"), without a "=" in front
 * ("-z=5"); or, if that is NULL, the next word if it is a number, maybe with a
 * minus ("-z 5", "-z -1"), which is then used up; else NULL.
 */
const char *cli_optional_number(struct argp_state *state, const char *arg);

#endif
