/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* bad_option.h - what is wrong with an option that getopt refuses
 *
 * getopt would say it too, with the option's value.  Knows argp's tables and
 * which words getopt takes for options; says it for groups.c only.
 */
#ifndef CLI_BAD_OPTION_H
#define CLI_BAD_OPTION_H

#include <argp.h>

#include "base/macro.h"

/* A new string that names the option, without its value: it is unknown, is
 * ambiguous, needs a value or takes none.  `next` is what getopt would have
 * read next (argp's state) when it refused.  NULL: no memory, or nothing is
 * wrong.
 */
must_check char *bad_option(const struct argp *argp, int argc,
                            char *const *argv, int next);

#endif
