/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* test-groups.c - cli/groups and cli/exit.h: a small program of its own with
 * the shared options, each command line in a process of its own
 */
#include "cli/groups.h"

#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/file.h"
#include "check.h"
#include "cli/exit.h"

struct options {
    struct cli_common common;
    const char *output;
    char number[32];
    bool compress;
    int words;
};

static const struct argp_option table[] = {
    {"output", 'o', "DIR", 0, "target directory", 1},
    {"compress", 'z', "LEVEL", OPTION_ARG_OPTIONAL, "compress", 1},
    {0},
};

static error_t parse(int key, char *arg, struct argp_state *state)
{
    struct options *o = state->input;
    const char *number;

    switch (key) {
    case ARGP_KEY_INIT:
        state->child_inputs[0] = &o->common;
        return 0;
    case 'o':
        o->output = arg;
        return 0;
    case 'z':
        o->compress = true;
        number = cli_optional_number(state, arg);
        snprintf(o->number, sizeof(o->number), "%s", number ? number : "none");
        return 0;
    case ARGP_KEY_ARG:
        o->words++;
        return 0;
    case ARGP_KEY_END:
        if (!o->output)
            cli_error(state, "where to? name a directory with -o");
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

static void parse_words(int argc, char **argv, struct options *ret)
{
    static const struct argp_child children[] = {
        {&cli_common_argp, 0, NULL, 0},
        {0},
    };
    static const struct argp argp = {.options = table,
                                     .parser = parse,
                                     .doc = "Try the shared options.",
                                     .children = children};

    memset(ret, 0, sizeof(*ret));
    cli_parse(&argp, argc, argv, ret);
}

/* What became of one command line. */
struct result {
    int status; /* of its exit; -1: it was parsed */
    struct options options;
    char out[8192];
    char errors[8192];
};

static void read_all(int fd, char *buffer, size_t room)
{
    ssize_t n = file_read_full(fd, buffer, room - 1);

    buffer[n > 0 ? n : 0] = '\0';
    close(fd);
}

/* Parse the words of `line` in a child; `r->options` is what it made of them
 * (pointers are good here too, since the words are the same memory).
 */
static void try(const char *line, struct result *r)
{
    static char words[256];
    char *argv[16] = {NULL};
    int argc = 0;
    char *rest;
    int out[2];
    int errors[2];
    int parsed[2];
    int status = -1;
    pid_t pid;

    memset(r, 0, sizeof(*r));
    snprintf(words, sizeof(words), "%s", line);
    for (char *w = strtok_r(words, " ", &rest); w && argc < 15;
         w = strtok_r(NULL, " ", &rest))
        argv[argc++] = w;
    REQUIRE(pipe(out) == 0 && pipe(errors) == 0 && pipe(parsed) == 0);
    fflush(stdout);
    pid = fork();
    if (pid == 0) {
        struct options o;

        dup2(out[1], STDOUT_FILENO);
        dup2(errors[1], STDERR_FILENO);
        parse_words(argc, argv, &o);
        if (write(parsed[1], &o, sizeof(o)) != sizeof(o))
            _exit(99);
        _exit(0);
    }
    close(out[1]);
    close(errors[1]);
    close(parsed[1]);
    r->status = file_read_full(parsed[0], &r->options, sizeof(r->options)) == 0
                    ? 0
                    : -1;
    close(parsed[0]);
    read_all(out[0], r->out, sizeof(r->out));
    read_all(errors[0], r->errors, sizeof(r->errors));
    waitpid(pid, &status, 0);
    CHECK(WIFEXITED(status));
    if (r->status == 0)
        r->status = WEXITSTATUS(status);
}

static void test_flags(void)
{
    struct result r;

    try("tool -o x", &r);
    CHECK_EQ_INT(r.status, -1);
    CHECK_STR(r.options.output, "x");
    CHECK(!r.options.common.verbose && !r.options.common.quiet &&
          !r.options.common.nocolor && !r.options.common.noprogress);
    try("tool -vn -ox --nocolor", &r);
    CHECK_EQ_INT(r.status, -1);
    CHECK(r.options.common.verbose && r.options.common.nocolor &&
          r.options.common.noprogress && !r.options.common.quiet);
    try("tool --quiet --out=x", &r); /* abbreviated; quiet means no progress */
    CHECK_EQ_INT(r.status, -1);
    CHECK(r.options.common.quiet && r.options.common.noprogress);
    CHECK_STR(r.options.output, "x");
}

static void check_value(const char *line, const char *number, int words)
{
    struct result r;

    try(line, &r);
    CHECK_EQ_INT(r.status, -1);
    CHECK(r.options.compress);
    CHECK_STR(r.options.number, number);
    CHECK_EQ_INT(r.options.words, words);
    CHECK_STR(r.options.output, "x");
}

/* B14: the value may be attached, separate, or missing. */
static void test_optional_number(void)
{
    struct result r;

    check_value("tool -o x -z", "none", 0);
    check_value("tool -o x -z5", "5", 0);
    check_value("tool -o x -z 5", "5", 0);
    check_value("tool -o x -z=3", "3", 0);
    check_value("tool -o x --compress=16", "16", 0);
    check_value("tool -o x --compress 16", "16", 0);
    check_value("tool -o x --compress", "none", 0);
    check_value("tool -z -o x", "none", 0);
    check_value("tool -z 9 -o x", "9", 0);
    check_value("tool -z -1 -o x", "-1", 0);
    check_value("tool -vz 7 -o x", "7", 0);
    check_value("tool -o x -z 5 6", "5", 1);
    check_value("tool -o x -z five", "none", 1); /* a word of its own */
    check_value("tool -o x -z 5k", "none", 1);
    check_value("tool -zfive -o x", "five", 0); /* the tool refuses it */
    try("tool -zo x", &r); /* -o's value is missing: "o" is the level */
    CHECK_EQ_INT(r.status, EXIT_USAGE);
}

static void test_wrong_usage(void)
{
    struct result r;

    try("tool --no-such-option -o x", &r);
    CHECK_EQ_INT(r.status, 64);
    CHECK_CONTAINS(r.errors, "no-such-option");
    CHECK_CONTAINS(r.errors, "--help");
    CHECK_STR(r.out, "");
    try("tool -Q -o x", &r);
    CHECK_EQ_INT(r.status, 64);
    try("tool -o", &r);
    CHECK_EQ_INT(r.status, 64);
    try("tool", &r);
    CHECK_EQ_INT(r.status, 64);
    CHECK_CONTAINS(r.errors, "tool: where to? name a directory with -o");
    try("tool --verbose=yes -o x", &r);
    CHECK_EQ_INT(r.status, 64);
}

static void check_complaint(const char *line, const char *complaint)
{
    struct result r;

    try(line, &r);
    CHECK_EQ_INT(r.status, 64);
    CHECK_CONTAINS(r.errors, complaint);
    CHECK_CONTAINS(r.errors, "Try `tool --help'");
    CHECK(!strstr(r.errors, "SECRET"));
    CHECK_STR(r.out, "");
}

/* getopt's own words for these repeat the value. */
static void test_bad_options(void)
{
    static const char *const cases[][2] = {
        {"tool --outptu=SECRET", "tool: option '--outptu' is unknown\n"},
        {"tool -o x --outptu=SECRET -Q", "option '--outptu' is unknown\n"},
        {"tool SECRET --outptu SECRET", "option '--outptu' is unknown\n"},
        {"tool --nbd://me:SECRET@host/",
         "option '--nbd://***@host/' is unknown"},
        {"tool -o x --no=SECRET",
         "option '--no' is ambiguous: it can mean --nocolor, --noprogress\n"},
        {"tool --verbose=SECRET", "option '--verbose' takes no value\n"},
        {"tool --verb=SECRET -o x", "option '--verbose' takes no value\n"},
        {"tool -v --output", "option '--output' needs a value\n"},
        {"tool --out", "option '--output' needs a value\n"},
        {"tool -vo", "option '-o' needs a value\n"},
        {"tool -o", "option '-o' needs a value\n"},
        {"tool -Q", "option '-Q' is unknown\n"},
        {"tool -vQ -o x", "option '-Q' is unknown\n"},
        {"tool -vQ=SECRET -o x", "option '-Q' is unknown\n"},
        {"tool -z -2 -QSECRET", "option '-Q' is unknown\n"},
        {"tool -o x -v-", "option '--' is unknown\n"},
    };

    for (size_t i = 0; i < array_size(cases); i++)
        check_complaint(cases[i][0], cases[i][1]);
}

static void check_help(const char *line)
{
    struct result r;

    try(line, &r);
    CHECK_EQ_INT(r.status, 0);
    CHECK_STR(r.errors, "");
    CHECK_CONTAINS(r.out, "Usage: tool");
    CHECK_CONTAINS(r.out, "Try the shared options.");
    CHECK_CONTAINS(r.out, "Output:");
    CHECK_CONTAINS(r.out, "-h, --help");
    CHECK_CONTAINS(r.out, "-V, --version");
    CHECK_CONTAINS(r.out, "-z, --compress[=LEVEL]");
    CHECK_CONTAINS(r.out, "--quiet");
    for (char *s = r.out; *s; s += strcspn(s, "\n") + (strchr(s, '\n') != 0))
        CHECK(strcspn(s, "\n") <= 80);
}

static void test_help(void)
{
    struct result r;

    check_help("tool -h");
    check_help("tool --help");
    check_help("tool --hel");
    check_help("tool -?");
    try("tool --usage", &r);
    CHECK_EQ_INT(r.status, 0);
    CHECK_CONTAINS(r.out, "Usage: tool [");
}

/* The bare version, whatever else there is or is missing. */
static void test_version(void)
{
    struct result r;

    try("tool -V", &r);
    CHECK_EQ_INT(r.status, 0);
    CHECK_STR(r.out, VERSION "\n");
    CHECK_STR(r.errors, "");
    try("tool --version", &r);
    CHECK_STR(r.out, VERSION "\n");
}

static void test_exit_statuses(void)
{
    _cleanup_error_ struct error err = ERROR_INIT;

    CHECK_EQ_INT(exit_from_error(&err), 0);
    error_set(&err, ERR_INPUT, "x");
    CHECK_EQ_INT(exit_from_error(&err), 1);
    error_set(&err, ERR_DAMAGED, "x");
    CHECK_EQ_INT(exit_from_error(&err), 3);
    error_set(&err, ERR_USAGE, "x");
    CHECK_EQ_INT(exit_from_error(&err), 64);
    error_set_code(&err, ERR_STOPPED, SIGTERM, "x");
    CHECK_EQ_INT(exit_from_error(&err), 143);
    error_set_code(&err, ERR_CHILD, 3, "x"); /* a code is no status */
    CHECK_EQ_INT(exit_from_error(&err), 1);
}

int main(void)
{
    RUN(test_flags);
    RUN(test_optional_number);
    RUN(test_wrong_usage);
    RUN(test_bad_options);
    RUN(test_help);
    RUN(test_version);
    RUN(test_exit_statuses);
    return check_result();
}
