/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* args.h - command lines from any bytes, for the fuzzers of the options
 *
 * What ends the program in real life (wrong usage, --help, --version) ends the
 * parser only.  The linker's --wrap brings those calls here, see meson.build.
 */
#ifndef TESTS_FUZZ_ARGS_H
#define TESTS_FUZZ_ARGS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define ARGS_MAX 64

struct args {
    int count;
    char *words[ARGS_MAX + 1]; /* ended by NULL, as argv is */
    char *memory;              /* owned */
};

/* The lines of the input as words behind the program's name. */
void args_split(const uint8_t *data, size_t size, struct args *ret);
void args_free(struct args *a);

/* Run `parse`, which calls the parser with `a` and `options`.  False: the
 * program would have ended; what was allocated meanwhile is free again.
 */
bool args_parse(struct args *a, void (*parse)(struct args *a, void *options),
                void *options);

/* What is logged of the command line must not hold the password. */
void args_check_log(const struct args *a, const char *password);

#endif
