/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* options.c - see options.h; one argp table is option, help and usage */
#include "options.h"

#include <argp.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/file.h"
#include "base/macro.h"
#include "base/text.h"
#include "cli/exit.h"
#include "host/remote_uri.h"
#include "nbd/conn.h"
#include "virt/uri.h"

#define MILLION 1000000U
#define DEFAULT_IO_SECONDS 300
#define MAX_IO_SECONDS 86400

enum {
    KEY_FORMAT = 0x200,
    KEY_TARGET,
    KEY_COMPRESS,
    KEY_IO_TIMEOUT,
    KEY_ALLOW_MISSING,
    KEY_JSON,
    KEY_NO_VERIFY,
    KEY_SAMPLE,
    KEY_SEED,
    KEY_KEEP_MAC,
    KEY_TRUST_CONFIG,
    KEY_BOOT_IN_PLACE,
};

static const struct argp_option table[] = {
    {NULL, 0, NULL, 0, "What to restore, or to look at:", 1},
    {"action", 'a', "ACTION", 0,
     "restore (default), list: show the points, verify: check all data, "
     "report: the same as a page for a browser, or dump: print the metadata",
     1},
    {"input", 'i', "DIR", 0, "the backup (required)", 1},
    {"output", 'o', "DIR", 0,
     "where the images go, or the file for the report; the words list, verify "
     "and dump choose the action",
     1},
    {"disk", 'd', "NAME", 0, "only this disk (vda)", 1},
    {"until", 'u', "POINT", 0,
     "the point to restore, or the last to verify, list or dump: its name, its "
     "number, or a time in UTC (default: the newest)",
     1},
    {"sequence", 's', "FILE,...", 0,
     "take exactly these data files of one disk, in this order", 1},
    {"allow-missing", KEY_ALLOW_MISSING, NULL, 0,
     "restore without disks that the backup should hold and does not", 1},

    {NULL, 0, NULL, 0, "The images:", 2},
    {"target", KEY_TARGET, "DISK=PLACE", 0,
     "write this disk onto a block device, over a raw image file (both with "
     "their whole path), or to an NBD export (its URI), instead of making an "
     "image",
     2},
    {"format", KEY_FORMAT, "FORMAT", 0,
     "of the images: qcow2 or raw (default: as it was)", 2},
    {"preallocate", 'A', NULL, 0, "give the images all their room at once", 2},
    {"io-timeout", KEY_IO_TIMEOUT, "SECONDS", 0,
     "give up when a target is silent for so long (default 300); 0: never", 2},
    {"compress", KEY_COMPRESS, NULL, 0, "make compressed qcow2 images", 2},
    {"raw", 'r', NULL, 0, "accepted; raw images are restored in any case", 2},
    {"socketfile", 'f', "PATH", 0,
     "unix socket for QEMU's NBD server (default: in a private directory)", 2},

    {NULL, 0, NULL, 0, "The guest:", 3},
    {"adjust-config", 'c', NULL, 0,
     "make the configuration that of a copy of the guest: new name, UUID and "
     "MAC addresses, the restored disks and no others",
     3},
    {"define", 'D', NULL, 0, "the same, and define the domain in libvirt", 3},
    {"name", 'N', "NAME", 0, "of the copy (default: restore_ and the old one)",
     3},
    {"config-file", 'C', "NAME", 0,
     "what the configuration is called (default: vmconfig.xml)", 3},
    {"keep-mac", KEY_KEEP_MAC, NULL, 0, "the copy keeps the MAC addresses", 3},
    {"trust-config", KEY_TRUST_CONFIG, NULL, 0,
     "define the domain even if it would run or use something of this host", 3},
    {"boot-files-in-place", KEY_BOOT_IN_PLACE, NULL, 0,
     "put loader, NVRAM, kernel and initrd to where they were, not beside the "
     "disks",
     3},
    {"uri", 'U', "URI", 0,
     "libvirt connection; one by ssh (qemu+ssh://...): restore on that host",
     3},

    {NULL, 0, NULL, 0, "Verifying and listing:", 4},
    {"sample", KEY_SAMPLE, "PERCENT", 0,
     "verify, report: read only so much of the data (5%), another part each "
     "day",
     4},
    {"seed", KEY_SEED, "NUMBER", 0,
     "choose the part by this number instead of the date", 4},
    {"buffsize", 'B', "BYTES", 0, "accepted; it changes nothing", 4},
    {"no-verify", KEY_NO_VERIFY, NULL, 0,
     "report: read no data, only tell what there is", 4},
    {"json", KEY_JSON, NULL, 0, "list: print JSON", 4},
    {"logfile", 'L', "FILE", 0,
     "append the log to this file (default ~/virtnbdrestore.log)",
     CLI_OUTPUT_GROUP},
    {0},
};

/* Options that only set a member: bool, or const char *. */
struct member {
    int key;
    size_t offset;
};

#define MEMBER(name) offsetof(struct restore_options, name)

static const struct member flags[] = {
    {'A', MEMBER(preallocate)},
    {'r', MEMBER(raw)},
    {KEY_COMPRESS, MEMBER(compress)},
    {KEY_ALLOW_MISSING, MEMBER(allow_missing)},
    {KEY_JSON, MEMBER(json)},
    {KEY_NO_VERIFY, MEMBER(no_verify)},
    {'c', MEMBER(adjust)},
    {'D', MEMBER(define)},
    {KEY_KEEP_MAC, MEMBER(keep_mac)},
    {KEY_TRUST_CONFIG, MEMBER(trust_config)},
    {KEY_BOOT_IN_PLACE, MEMBER(boot_in_place)},
};

static const struct member words[] = {
    {'i', MEMBER(input)},    {'d', MEMBER(disk)},    {'u', MEMBER(until)},
    {'s', MEMBER(sequence)}, {'L', MEMBER(logfile)}, {'f', MEMBER(socketfile)},
    {'N', MEMBER(name)},     {'U', MEMBER(uri)},
};

static bool parse_action(const char *word, enum restore_action *ret)
{
    static const struct {
        const char *word;
        enum restore_action action;
    } actions[] = {
        {"restore", ACTION_RESTORE}, {"list", ACTION_LIST},
        {"dump", ACTION_DUMP},       {"report", ACTION_REPORT},
        {"verify", ACTION_VERIFY},
    };

    for (size_t i = 0; i < array_size(actions); i++) {
        if (strcmp(word, actions[i].word) == 0) {
            *ret = actions[i].action;
            return true;
        }
    }
    return false;
}

const char *restore_options_target(const struct restore_options *o,
                                   const char *disk)
{
    for (size_t i = 0; i < o->target_count; i++) {
        const struct target_option *t = &o->targets[i];

        if (strncmp(t->disk, disk, t->disk_length) == 0 &&
            disk[t->disk_length] == '\0')
            return t->place;
    }
    return NULL;
}

static void parse_target(struct argp_state *state, const char *arg,
                         struct restore_options *o)
{
    const char *place = strchr(arg, '=');
    struct target_option t = {.disk = arg};

    if (!place || place == arg || (place[1] != '/' && !nbd_uri_is(place + 1)))
        cli_error(state,
                  "--target takes DISK=PLACE (vda=/dev/vg/lv); PLACE begins "
                  "with '/', nbd://, nbds:// or nbd+unix://, unlike '%s'",
                  cli_shown(arg));
    t.disk_length = (size_t)(place - arg);
    t.place = place + 1;
    for (size_t i = 0; i < o->target_count; i++)
        if (o->targets[i].disk_length == t.disk_length &&
            strncmp(o->targets[i].disk, t.disk, t.disk_length) == 0)
            cli_error(state, "two targets for one disk: '%s' and '%s'",
                      cli_shown(o->targets[i].disk), cli_shown(arg));
    if (o->target_count == TARGETS_MAX)
        cli_error(state, "at most %d targets at a time", TARGETS_MAX);
    o->targets[o->target_count++] = t;
}

/* "5%", "0.5%" or without the sign: in millionths. */
static void parse_sample(struct argp_state *state, const char *arg,
                         struct restore_options *o)
{
    char *end = NULL;
    double percent = strtod(arg, &end);

    if (strspn(arg, "0123456789.") != (size_t)(end - arg) || end == arg ||
        (*end && strcmp(end, "%") != 0) || percent > 100 ||
        percent * MILLION / 100 < 1)
        cli_error(state, "--sample takes a part like 5%% or 0.5%%, not '%s'",
                  arg);
    o->sample = percent < 100 ? (uint32_t)(percent * MILLION / 100) : 0;
}

static uint64_t parse_number(struct argp_state *state, const char *option,
                             const char *arg, uint64_t min, uint64_t max)
{
    uint64_t value = 0;

    if (text_u64(arg, &value) < 0 || value < min || value > max)
        cli_error(state, "%s takes a number, not '%s'", option, arg);
    return value;
}

/* What has no effect together, or is missing: NULL, or a sentence. */
static const char *wrong_images(const struct restore_options *o)
{
    bool raw = o->format && strcmp(o->format, "raw") == 0;

    if (o->format && !raw && strcmp(o->format, "qcow2") != 0)
        return "--format is qcow2 or raw";
    if (o->compress && raw)
        return "raw images cannot be compressed";
    if (o->compress && o->preallocate)
        return "--compress and --preallocate exclude each other";
    return NULL;
}

static const char *wrong_action(const struct restore_options *o)
{
    if (o->action != ACTION_RESTORE && o->target_count > 0)
        return "--target is for restoring";
    if (o->json && o->action != ACTION_LIST)
        return "--json is for the action list";
    if ((o->sample || o->seeded) && o->action != ACTION_VERIFY &&
        o->action != ACTION_REPORT)
        return "--sample and --seed are for the actions verify and report";
    if (o->no_verify && o->action != ACTION_REPORT)
        return "--no-verify is for the action report";
    if (o->no_verify && o->sample)
        return "--no-verify and --sample exclude each other";
    if (o->sequence && o->action == ACTION_REPORT)
        return "--sequence is a disk of its own, of which there is no report";
    if (o->seeded && !o->sample)
        return "--seed goes with --sample";
    if (o->sequence && (o->until || o->disk))
        return "--sequence names all files itself; -u and -d do not go with it";
    return NULL;
}

static const char *wrong_config(const struct restore_options *o)
{
    bool adjusted = o->adjust || o->define;

    if (o->action != ACTION_RESTORE &&
        (adjusted || o->config_file || o->boot_in_place))
        return "-c, -C, -D and --boot-files-in-place are for restoring";
    if (o->name && !adjusted)
        return "-N goes with -c or -D";
    if (o->name && !o->name[strspn(o->name, " ")])
        return "-N needs a name";
    if ((o->keep_mac || o->trust_config) && !adjusted)
        return "--keep-mac and --trust-config go with -c or -D";
    if (o->sequence && (adjusted || o->config_file || o->boot_in_place))
        return "--sequence restores a disk, not a domain; -c, -C, -D and "
               "--boot-files-in-place do not go with it";
    return NULL;
}

/* The last part of a path; a name that a file can have. */
static void parse_config_file(struct argp_state *state, const char *arg,
                              struct restore_options *o)
{
    const char *slash = strrchr(arg, '/');

    o->config_file = slash ? slash + 1 : arg;
    if (!name_is_leaf(o->config_file) || o->config_file[0] == '.')
        cli_error(state, "'%s' is no name for the configuration", arg);
}

/* Images can be made only where a shell can be reached.  What is no URI libvirt
 * complains of itself.
 */
static bool is_out_of_reach(const char *uri)
{
    _cleanup_(virt_uri_done) struct virt_uri u = {0};

    return uri && !remote_uri_is_ssh(uri) &&
           virt_uri_parse(uri, &u, NULL) == 0 && u.host[0];
}

static const char *find_fault(const struct restore_options *o)
{
    const char *wrong = NULL;

    if (!o->input || !o->input[0])
        return "which backup? name its directory with -i";
    if (o->action == ACTION_RESTORE && (!o->output || !o->output[0]))
        return "where to? name a directory with -o";
    if (o->action == ACTION_REPORT && (!o->output || !o->output[0]))
        return "where to? name a file with -o";
    if (o->action == ACTION_RESTORE && is_out_of_reach(o->uri))
        return "-U names another host, and disks can be restored there by ssh "
               "only: use qemu+ssh://HOST/system (--tls and --nbd-ip send "
               "the data past it)";
    if (cli_transport_is_tcp(&o->transport) &&
        (o->action != ACTION_RESTORE || !remote_uri_is_ssh(o->uri)))
        return "--nbd-ip, --nbd-port and --tls are for restoring on another "
               "host (-U qemu+ssh://HOST/system)";
    if (o->transport.tls_cert && !o->transport.tls)
        return "--tls-cert needs --tls";
    wrong = wrong_config(o);
    if (wrong)
        return wrong;
    wrong = wrong_images(o);
    return wrong ? wrong : wrong_action(o);
}

/* Options with a single member; true: it was one. */
static bool set_member(int key, char *arg, struct restore_options *o)
{
    char *base = (char *)o;

    for (size_t i = 0; i < array_size(flags); i++)
        if (flags[i].key == key) {
            *(bool *)(base + flags[i].offset) = true;
            return true;
        }
    for (size_t i = 0; i < array_size(words); i++) {
        if (words[i].key == key) {
            *(const char **)(base + words[i].offset) = arg;
            return true;
        }
    }
    return false;
}

static error_t parse(int key, char *arg, struct argp_state *state)
{
    struct restore_options *o = state->input;
    const char *wrong = NULL;

    if (set_member(key, arg, o))
        return 0;
    switch (key) {
    case ARGP_KEY_INIT:
        state->child_inputs[0] = &o->ssh;
        state->child_inputs[1] = &o->common;
        state->child_inputs[2] = &o->login;
        state->child_inputs[3] = &o->transport;
        return 0;
    case 'a':
        if (!parse_action(arg, &o->action))
            cli_error(state,
                      "action '%s' is unknown; use restore, list, verify, "
                      "report or dump",
                      arg);
        return 0;
    case 'o':
        /* These make something, so the word is a name. */
        if (strcmp(arg, "restore") == 0 || strcmp(arg, "report") == 0 ||
            !parse_action(arg, &o->action))
            o->output = arg;
        return 0;
    case KEY_TARGET:
        parse_target(state, arg, o);
        return 0;
    case 'C':
        parse_config_file(state, arg, o);
        return 0;
    case KEY_IO_TIMEOUT:
        o->io_seconds =
            (int)parse_number(state, "--io-timeout", arg, 0, MAX_IO_SECONDS);
        return 0;
    case KEY_FORMAT:
        o->format = arg;
        return 0;
    case KEY_SAMPLE:
        parse_sample(state, arg, o);
        return 0;
    case KEY_SEED:
        o->seed = parse_number(state, "--seed", arg, 0, UINT64_MAX);
        o->seeded = true;
        return 0;
    case 'B':
        o->buffsize = parse_number(state, "--buffsize", arg, 1, UINT64_MAX);
        return 0;
    case ARGP_KEY_ARG:
        cli_error(state, "'%s' belongs to no option", cli_shown(arg));
        return 0;
    case ARGP_KEY_END:
        wrong = find_fault(o);
        if (wrong)
            cli_error(state, "%s", wrong);
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

void restore_options_parse(int argc, char **argv, struct restore_options *ret)
{
    static const struct argp_child children[] = {
        {&cli_ssh_argp, 0, "Another host (-U qemu+ssh://...):", 5},
        {&cli_common_argp, 0, NULL, 0},
        {&cli_login_argp, 0, "A libvirt that wants a login:", 4},
        {&cli_transport_argp, 0, "The data to that host over TCP:", 6},
        {0},
    };
    static const struct argp argp = {
        .options = table,
        .parser = parse,
        .doc = "Restore, verify or describe a backup made by virtnbdbackup."
               "\vExamples:\n"
               "  virtnbdrestore -i /backup/vm1 -a list\n"
               "  virtnbdrestore -i /backup/vm1 -a verify\n"
               "  virtnbdrestore -i /backup/vm1 -o /restore/vm1\n"
               "  virtnbdrestore -i /backup/vm1 -o /restore/vm1 -u 3 -d vda\n"
               "  virtnbdrestore -i /backup/vm1 -o /images/copy -D -N copy",
        .children = children,
    };

    memset(ret, 0, sizeof(*ret));
    ret->io_seconds = DEFAULT_IO_SECONDS;
    cli_parse(&argp, argc, argv, ret);
}
