/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* test-options.c - map/options: what a command line means, in a process of its
 * own (what is refused is tested with the program)
 */
#include "options.h"

#include "base/macro.h"
#include "check.h"

#define PARSE(...) parse((const char *[]){"virtnbdmap", __VA_ARGS__, NULL})

static struct map_options options;

static const struct map_options *parse(const char **words)
{
    int argc = 0;

    while (words[argc])
        argc++;
    map_options_done(&options);
    map_options_parse(argc, (char **)words, &options);
    return &options;
}

static void test_input(void)
{
    const struct map_options *o = PARSE("-i", "dir");

    CHECK_STR(o->input, "dir");
    CHECK_EQ_INT(o->place, PLACE_URI);
    CHECK(!o->writable && !o->tcp && !o->keep && !o->until && !o->command);
    CHECK_EQ_U64(o->disks.count + o->files.count, 0);

    o = PARSE("--input=dir", "-u", "2", "--disk", "vdb", "--disk=vda");
    CHECK_STR(o->until, "2");
    CHECK_EQ_U64(o->disks.count, 2);
    CHECK_STR(o->disks.items[0], "vdb");
    CHECK_STR(o->disks.items[1], "vda");
}

static void test_files(void)
{
    const struct map_options *o = PARSE("-f", "a.full.data,b", "-f", "c");

    CHECK_EQ_U64(o->files.count, 3);
    CHECK_STR(o->files.items[0], "a.full.data");
    CHECK_STR(o->files.items[1], "b");
    CHECK_STR(o->files.items[2], "c");
}

/* With files the device is the default, as upstream's; not for anything that is
 * new.
 */
static void test_place(void)
{
    const struct map_options *o = PARSE("-f", "a");

    CHECK_EQ_INT(o->place, PLACE_DEVICE);
    CHECK_EQ_U64(o->devices.count, 1);
    CHECK_STR(o->devices.items[0], "/dev/nbd0");
    CHECK(o->writable);

    CHECK_EQ_INT(PARSE("-f", "a", "-p", "1")->place, PLACE_DEVICE);
    CHECK_EQ_INT(PARSE("-f", "a", "--uri")->place, PLACE_URI);
    CHECK_EQ_INT(PARSE("-f", "a", "--", "true")->place, PLACE_URI);
    CHECK_EQ_INT(PARSE("-f", "a", "--fuse", "x")->place, PLACE_FUSE);
    CHECK_EQ_INT(PARSE("-i", "a", "--fuse", "x")->place, PLACE_FUSE);

    o = PARSE("-f", "a", "-d", "/dev/nbd3", "--", "true");
    CHECK_EQ_INT(o->place, PLACE_DEVICE);
    CHECK_STR(o->devices.items[0], "/dev/nbd3");
    o = PARSE("-i", "a", "-d", "/dev/nbd3", "-d", "/dev/nbd1");
    CHECK_EQ_INT(o->place, PLACE_DEVICE);
    CHECK_EQ_U64(o->devices.count, 2);
}

static void test_writable(void)
{
    CHECK(!PARSE("-f", "a", "-r")->writable);
    CHECK(!PARSE("-i", "a", "-r")->writable);
    CHECK(!PARSE("-f", "a", "--uri")->writable);
    CHECK(!PARSE("-i", "a", "--fuse", "x")->writable);
    CHECK(PARSE("-i", "a", "-w")->writable);
    CHECK(PARSE("-i", "a", "--fuse", "x", "-w")->writable);
    CHECK(PARSE("-i", "a", "--keep-changes", "k")->writable);
    CHECK(PARSE("-i", "a", "-d", "/dev/nbd1")->writable);
}

static void test_tcp(void)
{
    const struct map_options *o = PARSE("-i", "a", "-p", "4711");

    CHECK(o->tcp && !o->tls);
    CHECK_STR(o->address, "127.0.0.1");
    CHECK_EQ_U64(o->port, 4711);
    o = PARSE("-i", "a", "-l", "host", "--tls", "--tls-cert", "pki");
    CHECK(o->tcp && o->tls);
    CHECK_STR(o->address, "host");
    CHECK_EQ_U64(o->port, 10809);
    CHECK_STR(o->tls_cert, "pki");
    o = PARSE("-i", "a", "-l", "host", "-p", "0");
    CHECK_EQ_U64(o->port, 0);
}

static void test_command(void)
{
    const struct map_options *o =
        PARSE("-i", "a", "--", "cmd", "-w", "--", "--help", "word");

    CHECK_STR(o->command[0], "cmd");
    CHECK_STR(o->command[1], "-w");
    CHECK_STR(o->command[2], "--");
    CHECK_STR(o->command[3], "--help");
    CHECK_STR(o->command[4], "word");
    CHECK(o->command[5] == NULL);
    CHECK(!o->writable);
    /* Nothing behind it is no command. */
    CHECK(PARSE("-i", "a", "--")->command == NULL);
}

static void test_rest(void)
{
    const struct map_options *o =
        PARSE("-i", "a", "-e", "x", "-b", "65536", "-t", "4", "-H", "-L", "log",
              "--owner", "qemu", "-n", "--quiet");

    CHECK_STR(o->export, "x");
    CHECK_EQ_U64(o->blocksize, 65536);
    CHECK_EQ_U64(o->threads, 4);
    CHECK(o->hexdump && o->common.quiet);
    CHECK_STR(o->logfile, "log");
    CHECK_STR(o->owner, "qemu");
}

int main(void)
{
    RUN(test_input);
    RUN(test_files);
    RUN(test_place);
    RUN(test_writable);
    RUN(test_tcp);
    RUN(test_command);
    RUN(test_rest);
    map_options_done(&options);
    return check_result();
}
