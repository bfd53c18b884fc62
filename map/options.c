/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* options.c - see options.h; one argp table is option, help and usage */
#include "options.h"

#include <argp.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/text.h"

enum {
    KEY_DISK = 0x400,
    KEY_URI,
    KEY_FUSE,
    KEY_TLS,
    KEY_TLS_CERT,
    KEY_OWNER,
    KEY_KEEP,
};

#define BLOCKSIZE_MAX (32 * MIB)
#define THREADS_MAX 256

static const struct argp_option table[] = {
    {NULL, 0, NULL, 0, "What to map:", 1},
    {"input", 'i', "DIR", 0, "the backup", 1},
    {"disk", KEY_DISK, "NAME", 0,
     "only this disk (vda) of it, may be repeated (default: all)", 1},
    {"until", 'u', "POINT", 0,
     "the point of it: its name, its number, or a time in UTC (default: the "
     "newest)",
     1},
    {"file", 'f', "FILE,...", 0,
     "instead of -i: data files of one disk, the full first", 1},
    {"export-name", 'e', "NAME", 0,
     "name of the NBD export, for one disk (default: the disk's)", 1},

    {NULL, 0, NULL, 0, "Where it appears:", 2},
    {"uri", KEY_URI, NULL, 0,
     "as an NBD server alone, whose URI is printed (default with -i)", 2},
    {"device", 'd', "/dev/nbdN", 0,
     "as a device, one option a disk (default with -f: /dev/nbd0)", 2},
    {"fuse", KEY_FUSE, "DIR", 0, "as files DIR/DISK", 2},
    {"owner", KEY_OWNER, "USER", 0,
     "let this user, too, connect to the socket (as root)", 2},
    {"listen-address", 'l', "ADDRESS", 0,
     "serve on TCP, at this address (default with -p: 127.0.0.1)", 2},
    {"listen-port", 'p', "PORT", 0,
     "serve on TCP, at this port; 0: a free one (default with -l: 10809)", 2},
    {"tls", KEY_TLS, NULL, 0,
     "serve clients with a certificate only, encrypted", 2},
    {"tls-cert", KEY_TLS_CERT, "DIR", 0,
     "where the certificates are (default: nbdkit's)", 2},

    {NULL, 0, NULL, 0, "How:", 3},
    {"readonly", 'r', NULL, 0, "read-only (default but for devices)", 3},
    {"writable", 'w', NULL, 0,
     "writable; what was written is lost at the end (default for devices)", 3},
    {"keep-changes", KEY_KEEP, "DIR", 0,
     "writable; what was written is kept, as DIR/DISK.qcow2", 3},
    {"blocksize", 'b', "BYTES", 0, "split longer requests (default: no)", 3},
    {"threads", 't', "N", 0,
     "requests of a client at a time (default: as many as are safe)", 3},
    {"hexdump", 'H', NULL, 0, "log every request", 3},

    {"logfile", 'L', "FILE", 0,
     "append the log to this file (default ~/virtnbdmap.log)",
     CLI_OUTPUT_GROUP},
    {0},
};

/* A number from `min` to `max`, or the end of the program. */
static unsigned parse_number(struct argp_state *state, const char *option,
                             const char *text, uint64_t min, uint64_t max)
{
    uint64_t value = 0;

    if (text_u64(text, &value) < 0 || value < min || value > max)
        cli_error(state, "%s takes a number from %llu to %llu, not '%s'",
                  option, (unsigned long long)min, (unsigned long long)max,
                  text);
    return (unsigned)value;
}

/* "a,b,c", upstream's form. */
static void parse_files(struct argp_state *state, struct words *files,
                        const char *list)
{
    for (;;) {
        size_t length = strcspn(list, ",");

        if (length == 0)
            cli_error(state, "-f takes names of files with commas between "
                             "them, none of them empty");
        words_add(files, "%.*s", (int)length, list);
        if (!list[length])
            return;
        list += length + 1;
    }
}

/* What follows "--" is the command, everything else belongs to an option. */
static void parse_word(struct argp_state *state, struct map_options *o,
                       char *word)
{
    if (state->quoted == 0 || state->next - 1 < state->quoted)
        cli_error(state,
                  "'%s' belongs to no option; a command to be run stands "
                  "behind --",
                  cli_shown(word));
    o->command = &state->argv[state->next - 1];
    state->next = state->argc;
}

/* As parsed: what has to be put together at the end. */
struct parsed {
    struct map_options *o;
    bool uri, readonly, writable, port_given;
};

static void check_what(struct argp_state *state, const struct map_options *o)
{
    if (!o->input && o->files.count == 0)
        cli_error(state, "which backup? name its directory with -i, or data "
                         "files with -f");
    if (o->input && o->files.count > 0)
        cli_error(state, "-i and -f do not go together");
    if (o->input && !o->input[0])
        cli_error(state, "-i takes a directory");
    if (!o->input && (o->disks.count > 0 || o->until))
        cli_error(state, "--disk and -u need a backup directory (-i)");
    if (o->export && o->keep)
        cli_error(state, "-e and --keep-changes do not go together");
}

static void choose_place(struct argp_state *state, const struct parsed *p)
{
    struct map_options *o = p->o;

    if ((p->uri ? 1 : 0) + (o->devices.count > 0) + (o->fuse != NULL) > 1)
        cli_error(state, "choose one of --uri, -d and --fuse");
    if (o->fuse)
        o->place = PLACE_FUSE;
    else if (o->devices.count == 0 && (o->input || p->uri || o->command))
        o->place = PLACE_URI;
    else
        o->place = PLACE_DEVICE;
    if (o->place == PLACE_DEVICE && o->devices.count == 0)
        words_add(&o->devices, "%s", MAP_DEVICE);
}

static void check_where(struct argp_state *state, const struct parsed *p)
{
    struct map_options *o = p->o;

    o->tcp = o->address || p->port_given;
    if (!o->address)
        o->address = MAP_ADDRESS;
    if (!p->port_given)
        o->port = MAP_PORT;
    if (o->tls_cert && !o->tls)
        cli_error(state, "--tls-cert needs --tls");
    if (o->tls && !o->tcp)
        cli_error(state, "--tls is for TCP: name an address with -l");
    if (o->tls && o->place != PLACE_URI)
        cli_error(state, "devices and files are of this machine and do "
                         "without TLS: use --uri with --tls");
    if (o->owner && o->tcp)
        cli_error(state, "--owner is for the socket, not for TCP");
    if (o->keep && o->tcp)
        cli_error(state, "--keep-changes and TCP do not go together");
}

static void check_how(struct argp_state *state, const struct parsed *p)
{
    struct map_options *o = p->o;

    if (p->readonly && (p->writable || o->keep))
        cli_error(state, "-r does not go together with -w and "
                         "--keep-changes");
    o->writable =
        p->writable || o->keep || (o->place == PLACE_DEVICE && !p->readonly);
}

static void finish(struct argp_state *state, struct parsed *p)
{
    check_what(state, p->o);
    choose_place(state, p);
    check_where(state, p);
    check_how(state, p);
}

static error_t parse_how(int key, char *arg, struct argp_state *state)
{
    struct parsed *p = state->input;
    struct map_options *o = p->o;

    switch (key) {
    case 'r':
        p->readonly = true;
        return 0;
    case 'w':
        p->writable = true;
        return 0;
    case KEY_KEEP:
        o->keep = arg;
        return 0;
    case 'b':
        o->blocksize = parse_number(state, "-b", arg, 1, BLOCKSIZE_MAX);
        return 0;
    case 't':
        o->threads = parse_number(state, "-t", arg, 1, THREADS_MAX);
        return 0;
    case 'H':
        o->hexdump = true;
        return 0;
    case 'L':
        o->logfile = arg;
        return 0;
    case ARGP_KEY_INIT:
        state->child_inputs[0] = &o->common;
        return 0;
    case ARGP_KEY_ARG:
        parse_word(state, o, arg);
        return 0;
    case ARGP_KEY_END:
        finish(state, p);
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

static error_t parse(int key, char *arg, struct argp_state *state)
{
    struct parsed *p = state->input;
    struct map_options *o = p->o;

    switch (key) {
    case 'i':
        o->input = arg;
        return 0;
    case KEY_DISK:
        words_add(&o->disks, "%s", arg);
        return 0;
    case 'u':
        o->until = arg;
        return 0;
    case 'f':
        parse_files(state, &o->files, arg);
        return 0;
    case 'e':
        o->export = arg;
        return 0;
    case KEY_URI:
        p->uri = true;
        return 0;
    case 'd':
        words_add(&o->devices, "%s", arg);
        return 0;
    case KEY_FUSE:
        o->fuse = arg;
        return 0;
    case KEY_OWNER:
        o->owner = arg;
        return 0;
    case 'l':
        o->address = arg;
        return 0;
    case 'p':
        o->port = (uint16_t)parse_number(state, "-p", arg, 0, UINT16_MAX);
        p->port_given = true;
        return 0;
    case KEY_TLS:
        o->tls = true;
        return 0;
    case KEY_TLS_CERT:
        o->tls_cert = arg;
        return 0;
    default:
        return parse_how(key, arg, state);
    }
}

void map_options_parse(int argc, char **argv, struct map_options *ret)
{
    static const struct argp_child children[] = {
        {&cli_common_argp, 0, NULL, 0},
        {0},
    };
    static const struct argp argp = {
        .options = table,
        .parser = parse,
        .args_doc = "[-- COMMAND [ARG...]]",
        .doc = "Show any point of a backup made by virtnbdbackup as disks, "
               "at once, until it is ended or COMMAND ends."
               "\vExamples:\n"
               "  virtnbdmap -i /backup/vm1 -u 2 --fuse /mnt/disks\n"
               "  virtnbdmap -i /backup/vm1 -- sh -c 'nbdinfo "
               "$VIRTNBDMAP_URI'",
        .children = children,
    };
    struct parsed parsed = {.o = ret};

    memset(ret, 0, sizeof(*ret));
    cli_parse_command(&argp, argc, argv, &parsed);
}

void map_options_done(struct map_options *o)
{
    words_done(&o->disks);
    words_done(&o->files);
    words_done(&o->devices);
}
