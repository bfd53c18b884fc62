/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* options.c - see options.h; one argp table is option, help and usage */
#include "options.h"

#include <argp.h>
#include <grp.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/text.h"
#include "cli/exit.h"
#include "cli/groups.h"
#include "usage.h"

/* lz4 level of a bare -z, as upstream's. */
#define DEFAULT_COMPRESS 2
#define MAX_COMPRESS 16

#define DEFAULT_FREEZE_SECONDS 30
#define MAX_FREEZE_SECONDS 3600
#define DEFAULT_IO_SECONDS 120
#define MAX_IO_SECONDS 86400

enum {
    KEY_SCRATCHDIR = 0x200,
    KEY_CHAIN,
    KEY_SINCE,
    KEY_NO_FALLBACK,
    KEY_CHECK_SOURCE,
    KEY_IO_TIMEOUT,
    KEY_SCRATCH_RESERVE,
    KEY_NO_SPARSE,
    KEY_ZERO_FRAMES,
    KEY_BWLIMIT,
    KEY_PAUSE,
    KEY_FREEZE_TIMEOUT,
    KEY_REQUIRE_FREEZE,
    KEY_GUEST_INFO,
    KEY_BITLOCKER,
    KEY_GROUP,
    KEY_REPORT,
    KEY_METRICS,
};

static const struct argp_option table[] = {
    {NULL, 0, NULL, 0, "What to back up, how and where to:", 1},
    {"domain", 'd', "NAME", 0, "domain to back up (required)", 1},
    {"level", 'l', "LEVEL", 0,
     "copy: everything, without a checkpoint (default); full: everything, "
     "begins a chain; inc: what changed since the last full or inc; diff: "
     "the same, without a checkpoint of its own; auto: full the first time, "
     "then inc",
     1},
    {"output", 'o', "DIR", 0,
     "target directory (required); '-': a zip archive to stdout", 1},
    {"type", 't', "TYPE", 0,
     "stream: the suite's format (default); raw: plain disk images (full, "
     "copy)",
     1},
    {"include", 'i', "DISK,...", 0, "back up only these disks (vda)", 1},
    {"exclude", 'x', "DISK,...", 0, "leave these disks out", 1},
    {"raw", 'r', NULL, 0,
     "back up raw disks, block devices and LUNs too, each as a plain image "
     "(full, copy)",
     1},
    {"compress", 'z', "LEVEL", OPTION_ARG_OPTIONAL,
     "compress with lz4, level 1 to 16 (default 2)", 1},
    {"worker", 'w', "COUNT", 0,
     "disks read at the same time, at most 8 (default: 4, or 2 where there are "
     "fewer cores)",
     1},
    {"bwlimit", KEY_BWLIMIT, "BYTES", 0,
     "read at most so many bytes a second from all disks together (K, M, G "
     "may follow the number)",
     1},
    {"group", KEY_GROUP, "GROUP", 0,
     "its members may read the backup (files 0640, directories 0750)", 1},
    {"io-timeout", KEY_IO_TIMEOUT, "SECONDS", 0,
     "give up when a disk's server is silent for so long (default 120), or "
     "the target five times as long; 0: never",
     1},
    {"strict", 'e', NULL, 0, "exit with status 2 if there were warnings", 1},
    {"syslog", 'L', NULL, 0, "log to syslog too", CLI_OUTPUT_GROUP},
    {"report", KEY_REPORT, "FILE", 0,
     "write what the run did to this file, as JSON ('-': stdout)", 1},
    {"metrics", KEY_METRICS, "FILE", 0,
     "write metrics for Prometheus' node exporter to this file (NAME.prom)", 1},
    {NULL, 0, NULL, 0, "Increments:", 2},
    {"chain", KEY_CHAIN, "NAME", 0,
     "a chain of its own on the same domain, beside the default one", 2},
    {"no-fallback", KEY_NO_FALLBACK, NULL, 0,
     "fail where a disk's changes cannot be told, instead of saving all of it",
     2},
    {"check-source", KEY_CHECK_SOURCE, NULL, 0,
     "inc, diff: read everything, and compare what should be unchanged with "
     "the chain; without, a few blocks are",
     2},
    {"threshold", 'T', "BYTES", 0,
     "inc, diff: save nothing if less than this has changed", 2},
    {"since", KEY_SINCE, "POINT", 0,
     "to stdout: the archives behind this point were lost, save what changed "
     "since it",
     2},
    {"no-sparse-detection", KEY_NO_SPARSE, NULL, 0,
     "inc, diff: read changed areas even where they are zero", 2},
    {"zero-frames", KEY_ZERO_FRAMES, NULL, 0,
     "inc, diff: store changed areas that are zero as zero frames, for "
     "targets without holes",
     2},
    {"checkpointdir", 'C', "DIR", 0,
     "where the checkpoints' descriptions go (default: checkpoints in the "
     "target directory)",
     2},
    {NULL, 0, NULL, 0, "The guest:", 3},
    {"start-domain", 'S', NULL, 0,
     "start a powered-off domain, paused, for the time of the backup", 3},
    {"pause", KEY_PAUSE, NULL, 0, "suspend the guest while the job begins", 3},
    {"freeze-mountpoint", 'F', "PATH,...", 0,
     "freeze only these file systems of the guest", 3},
    {"freeze-timeout", KEY_FREEZE_TIMEOUT, "SECONDS", 0,
     "wait at most so long for the guest to freeze its file systems (default "
     "30; 0: do not freeze)",
     3},
    {"require-freeze", KEY_REQUIRE_FREEZE, NULL, 0,
     "fail if the guest's file systems cannot be frozen", 3},
    {"guest-info", KEY_GUEST_INFO, NULL, 0,
     "save what the guest agent says of the guest", 3},
    {"bitlocker-keys", KEY_BITLOCKER, NULL, 0,
     "save the BitLocker recovery keys of a Windows guest (plain text)", 3},
    {NULL, 0, NULL, 0, "Libvirt and QEMU:", 4},
    {"uri", 'U', "URI", 0, "libvirt connection", 4},
    {"socketfile", 'f', "PATH", 0,
     "unix socket for QEMU's NBD server (default: in a private directory)", 4},
    {"scratchdir", KEY_SCRATCHDIR, "DIR", 0,
     "where QEMU keeps old contents of blocks the guest overwrites meanwhile "
     "(default: a private directory in /var/tmp)",
     4},
    {"scratch-reserve", KEY_SCRATCH_RESERVE, "BYTES", 0,
     "end the backup rather than leave less free space there (default: a "
     "sixteenth of the file system, at most 1G)",
     4},
    {"qemu", 'q', NULL, 0, "let nbdinfo find the allocated or changed areas",
     4},
    {NULL, 0, NULL, 0, "Instead of a backup:", 5},
    {"startonly", 's', NULL, 0, "begin the backup job, and leave it running",
     5},
    {"killonly", 'k', NULL, 0, "end the domain's backup job", 5},
    {"printonly", 'p', NULL, 0,
     "print how much would be saved, and save nothing", 5},
    {0},
};

/* Options that only set a member: bool, or const char * given once. */
struct member {
    int key;
    size_t offset;
};

#define MEMBER(name) offsetof(struct backup_options, name)

static const struct member flags[] = {
    {'r', MEMBER(raw_disks)},
    {'q', MEMBER(ask_nbdinfo)},
    {'S', MEMBER(start_domain)},
    {'s', MEMBER(start_only)},
    {'k', MEMBER(kill_only)},
    {'p', MEMBER(print_only)},
    {'e', MEMBER(strict)},
    {'L', MEMBER(syslog)},
    {KEY_PAUSE, MEMBER(pause)},
    {KEY_REQUIRE_FREEZE, MEMBER(require_freeze)},
    {KEY_GUEST_INFO, MEMBER(guest_info)},
    {KEY_BITLOCKER, MEMBER(bitlocker_keys)},
    {KEY_NO_FALLBACK, MEMBER(no_fallback)},
    {KEY_CHECK_SOURCE, MEMBER(check_source)},
    {KEY_NO_SPARSE, MEMBER(no_sparse_detection)},
    {KEY_ZERO_FRAMES, MEMBER(zero_frames)},
};

static const struct member words[] = {
    {'d', MEMBER(domain)},
    {'o', MEMBER(output)},
    {'i', MEMBER(include)},
    {'x', MEMBER(exclude)},
    {'U', MEMBER(uri)},
    {'f', MEMBER(socketfile)},
    {'C', MEMBER(checkpointdir)},
    {'F', MEMBER(freeze_mounts)},
    {KEY_SCRATCHDIR, MEMBER(scratchdir)},
    {KEY_SINCE, MEMBER(since)},
    {KEY_REPORT, MEMBER(report)},
    {KEY_METRICS, MEMBER(metrics)},
};

static int parse_level(struct argp_state *state, const char *word,
                       struct backup_options *o)
{
    o->auto_level = strcmp(word, "auto") == 0;
    if (!o->auto_level && !level_parse(word, &o->level))
        cli_error(state,
                  "level '%s' is unknown; use copy, full, inc, diff or auto",
                  cli_shown(word));
    return 0;
}

/* A name that cannot be taken for the number behind it. */
static bool chain_name_is_good(const char *name)
{
    return strlen(name) <= 32 && name_is_disk(name) &&
           strspn(name, "0123456789-_") < strlen(name);
}

static int parse_number(struct argp_state *state, const char *option,
                        const char *word, uint64_t min, uint64_t max)
{
    uint64_t value = 0;

    if (text_u64(word, &value) < 0 || value < min || value > max)
        cli_error(state, "%s takes a number from %llu to %llu, not '%s'",
                  option, (unsigned long long)min, (unsigned long long)max,
                  word);
    return (int)value;
}

/* A second value would replace the first in silence. */
static void set_once(struct argp_state *state, const char **member,
                     const char *value)
{
    if (*member)
        cli_error(state, "'%s' and '%s': this option can be given only once",
                  cli_shown(*member), cli_shown(value));
    *member = value;
}

static void parse_type(struct argp_state *state, const char *word,
                       struct backup_options *o)
{
    o->raw_output = strcmp(word, "raw") == 0;
    if (!o->raw_output && strcmp(word, "stream") != 0)
        cli_error(state, "type '%s' is unknown; use stream or raw", word);
}

static uint64_t parse_bytes(struct argp_state *state, const char *option,
                            const char *word)
{
    uint64_t value = 0;

    if (text_bytes(word, &value) < 0)
        cli_error(state,
                  "%s takes a number of bytes, maybe with K, M, G or T "
                  "behind it, not '%s'",
                  option, word);
    return value;
}

/* Is it one of the options that set a member? */
static bool parse_member(struct argp_state *state, int key, const char *arg,
                         struct backup_options *o)
{
    char *base = (char *)o;

    for (size_t i = 0; i < array_size(flags); i++) {
        if (flags[i].key == key) {
            *(bool *)(base + flags[i].offset) = true;
            return true;
        }
    }
    for (size_t i = 0; i < array_size(words); i++) {
        if (words[i].key == key) {
            set_once(state, (const char **)(base + words[i].offset), arg);
            return true;
        }
    }
    return false;
}

static void parse_chain(struct argp_state *state, const char *arg,
                        struct backup_options *o)
{
    if (!chain_name_is_good(arg))
        cli_error(state,
                  "--chain takes letters, digits, '-' and '_', at least one "
                  "letter, not '%s'",
                  arg);
    set_once(state, &o->chain, arg);
}

/* A name or a number.  Kept as digits, as the guardian is told of it. */
static void parse_group(struct argp_state *state, const char *arg,
                        struct backup_options *o)
{
    static char digits[24];
    const struct group *g = getgrnam(arg);
    uint64_t number = 0;

    if (g)
        number = g->gr_gid;
    else if (text_u64(arg, &number) < 0 || number >= UINT32_MAX)
        cli_error(state, "--group: there is no group '%s'", arg);
    snprintf(digits, sizeof(digits), "%llu", (unsigned long long)number);
    set_once(state, &o->group, digits);
    file_share_with((gid_t)number);
}

static void parse_compress(struct argp_state *state, const char *arg,
                           struct backup_options *o)
{
    const char *number = cli_optional_number(state, arg);

    o->compress =
        number ? parse_number(state, "--compress", number, 1, MAX_COMPRESS)
               : DEFAULT_COMPRESS;
}

static void check_options(struct argp_state *state, struct backup_options *o)
{
    const char *wrong = usage_missing(o);

    o->to_stdout = o->output && strcmp(o->output, "-") == 0;
    if (!wrong)
        wrong = usage_conflict(o);
    if (wrong)
        cli_error(state, "%s", wrong);
}

static error_t parse(int key, char *arg, struct argp_state *state)
{
    struct backup_options *o = state->input;

    if (parse_member(state, key, arg, o))
        return 0;
    switch (key) {
    case ARGP_KEY_INIT:
        state->child_inputs[0] = &o->ssh;
        state->child_inputs[1] = &o->common;
        state->child_inputs[2] = &o->login;
        state->child_inputs[3] = &o->transport;
        return 0;
    case 'l':
        return parse_level(state, arg, o);
    case 't':
        parse_type(state, arg, o);
        return 0;
    case 'z':
        parse_compress(state, arg, o);
        return 0;
    case 'w':
        o->workers = parse_number(state, "--worker", arg, 1, 1024);
        return 0;
    case 'T':
        o->threshold = parse_bytes(state, "--threshold", arg);
        return 0;
    case KEY_BWLIMIT:
        o->bwlimit = parse_bytes(state, "--bwlimit", arg);
        return 0;
    case KEY_SCRATCH_RESERVE:
        o->scratch_reserve = parse_bytes(state, "--scratch-reserve", arg);
        o->scratch_reserve_given = true;
        return 0;
    case KEY_IO_TIMEOUT:
        o->io_seconds =
            parse_number(state, "--io-timeout", arg, 0, MAX_IO_SECONDS);
        return 0;
    case KEY_FREEZE_TIMEOUT:
        o->freeze_seconds =
            parse_number(state, "--freeze-timeout", arg, 0, MAX_FREEZE_SECONDS);
        return 0;
    case KEY_CHAIN:
        parse_chain(state, arg, o);
        return 0;
    case KEY_GROUP:
        parse_group(state, arg, o);
        return 0;
    case ARGP_KEY_ARG:
        cli_error(state, "'%s' belongs to no option", cli_shown(arg));
        return 0;
    case ARGP_KEY_END:
        check_options(state, o);
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

const char *backup_level_asked(const struct backup_options *options)
{
    return options->auto_level ? "auto" : level_text(options->level);
}

void backup_options_parse(int argc, char **argv, struct backup_options *ret)
{
    static const struct argp_child children[] = {
        {&cli_ssh_argp, 0, "A hypervisor far away (-U qemu+ssh://...):", 6},
        {&cli_common_argp, 0, NULL, 0},
        {&cli_login_argp, 0, "A libvirt that wants a login:", 6},
        {&cli_transport_argp, 0, "The data over TCP:", 6},
        {0},
    };
    static const struct argp argp = {
        .options = table,
        .parser = parse,
        .doc = "Back up a libvirt domain.\v"
               "Examples:\n"
               "  virtnbdbackup -d vm1 -l full -o /backup/vm1\n"
               "  virtnbdbackup -d vm1 -l inc -o /backup/vm1\n"
               "  virtnbdbackup -d vm1 -l copy -z -o - >vm1.zip\n"
               "  virtnbdbackup -d vm1 -l auto -o /backup/vm1-$(date +%Y-%m)",
        .children = children,
    };

    memset(ret, 0, sizeof(*ret));
    ret->level = LEVEL_COPY;
    ret->freeze_seconds = DEFAULT_FREEZE_SECONDS;
    ret->io_seconds = DEFAULT_IO_SECONDS;
    cli_parse(&argp, argc, argv, ret);
}
