/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* args.c - see args.h */
#include "args.h"

#include <argp.h>
#include <grp.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/redact.h"
#include "cli/startup.h"

#include "fuzz.h"

static jmp_buf way_out;
static bool running;

static _Noreturn void leave(void)
{
    running = false;
    longjmp(way_out, 1);
}

/* ---- what the parser may call, by --wrap ---- */

error_t __real_argp_parse(const struct argp *argp, int argc, char **argv,
                          unsigned flags, int *arg_index, void *input);
error_t __wrap_argp_parse(const struct argp *argp, int argc, char **argv,
                          unsigned flags, int *arg_index, void *input);
void __wrap_cli_error(struct argp_state *state, const char *fmt, ...)
    printf_format(2, 3);
void __wrap_argp_state_help(const struct argp_state *state, FILE *stream,
                            unsigned flags);
_Noreturn void __real_exit(int status);
_Noreturn void __wrap_exit(int status);

error_t __wrap_argp_parse(const struct argp *argp, int argc, char **argv,
                          unsigned flags, int *arg_index, void *input)
{
    error_t result =
        __real_argp_parse(argp, argc, argv, flags | ARGP_NO_EXIT | ARGP_NO_ERRS,
                          arg_index, input);

    if (result)
        leave(); /* where argp itself would have ended the program */
    return 0;
}

void __wrap_cli_error(struct argp_state *state, const char *fmt, ...)
{
    va_list args;
    char text[256];

    (void)state;
    va_start(args, fmt);
    vsnprintf(text, sizeof(text), fmt, args);
    va_end(args);
    leave();
}

void __wrap_argp_state_help(const struct argp_state *state, FILE *stream,
                            unsigned flags)
{
    (void)state;
    (void)stream;
    (void)flags;
    leave();
}

void __wrap_exit(int status)
{
    if (running)
        leave();
    __real_exit(status);
}

/* ---- memory: argp's own is lost when it is left like that ---- */

static const volatile void *owned[512];
static size_t owned_count;

__attribute__((weak)) int __sanitizer_install_malloc_and_free_hooks(
    void (*on_malloc)(const volatile void *, size_t),
    void (*on_free)(const volatile void *));

static void on_malloc(const volatile void *p, size_t size)
{
    (void)size;
    if (running && p && owned_count < array_size(owned))
        owned[owned_count++] = p;
}

static void on_free(const volatile void *p)
{
    for (size_t i = owned_count; running && p && i > 0; i--)
        if (owned[i - 1] == p) {
            owned[i - 1] = owned[--owned_count];
            return;
        }
}

static void watch_memory(void)
{
    static bool watched;

    if (!watched && __sanitizer_install_malloc_and_free_hooks)
        __sanitizer_install_malloc_and_free_hooks(on_malloc, on_free);
    watched = true;
}

bool args_parse(struct args *a, void (*parse)(struct args *a, void *options),
                void *options)
{
    FILE *volatile screen = stdout;
    static FILE *nowhere;

    watch_memory();
    if (!nowhere)
        nowhere = fopen("/dev/null", "we");
    PROMISE(nowhere);
    stdout = nowhere;
    owned_count = 0;
    if (setjmp(way_out) == 0) {
        running = true;
        parse(a, options);
        running = false;
        stdout = screen;
        return true;
    }
    stdout = screen;
    for (size_t i = 0; i < owned_count; i++)
        free((void *)owned[i]);
    redact_forget();
    return false;
}

bool __real_redact_secret(const char *secret);
bool __wrap_redact_secret(const char *secret);
struct group *__real_getgrnam(const char *name);
struct group *__wrap_getgrnam(const char *name);

/* What these keep outlives the command line. */

bool __wrap_redact_secret(const char *secret)
{
    bool was_running = running;
    bool kept;

    running = false;
    kept = __real_redact_secret(secret);
    running = was_running;
    return kept;
}

struct group *__wrap_getgrnam(const char *name)
{
    bool was_running = running;
    struct group *found;

    running = false;
    found = __real_getgrnam(name);
    running = was_running;
    return found;
}

void args_split(const uint8_t *data, size_t size, struct args *ret)
{
    static char program[] = "program";

    *ret = (struct args){.count = 1, .words = {program}};
    ret->memory = strndup((const char *)data, size);
    PROMISE(ret->memory);
    for (char *p = ret->memory; p && ret->count < ARGS_MAX;)
        ret->words[ret->count++] = strsep(&p, "\n");
}

void args_free(struct args *a)
{
    free(a->memory);
}

void args_check_log(const struct args *a, const char *password)
{
    _cleanup_free_ char *line = startup_command_line(a->count, a->words);

    PROMISE(line);
    PROMISE(!password || strlen(password) < 6 || !strstr(line, password));
}
