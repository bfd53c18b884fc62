/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* test-nbdinfo.c - extents from the program nbdinfo
 *
 * What it prints, honest or not, is read strictly; what it says of real servers
 * is what they tell us as well.  SEED repeats a run.
 */
#include "base/log.h"
#include "nbdinfo.h"
#include "pipeline.h"
#include "survey.h"

static int parse(const char *json, uint64_t size, struct extent_list *ret,
                 struct error *err)
{
    return nbdinfo_parse(json, strlen(json), size, status_allocation_meaning,
                         ret, err);
}

static void check_bad(const char *json, const char *why)
{
    _cleanup_extents_ struct extent_list list = EXTENT_LIST_INIT;
    _cleanup_error_ struct error err = ERROR_INIT;

    if (parse(json, 8192, &list, &err) >= 0)
        CHECK_FAIL("was taken: %s", json);
    CHECK_EQ_INT(err.kind, ERR_NBD);
    CHECK_CONTAINS(error_text(&err), why);
}

#define FIRST "{\"offset\":0,\"length\":4096,\"type\":0}"
#define LAST "{\"offset\":4096,\"length\":4096,\"type\":3}"

static void test_bad_maps(void)
{
    static const struct {
        const char *json, *why;
    } bad[] = {
        {"", "does not begin"},
        {"x", "does not begin"},
        {"{}", "does not begin"},
        {"[", "no end"},
        {"[]", "ends before the disk"},
        {"[" FIRST "]", "byte 4096 of the disk: it ends before"},
        {"[" FIRST "," LAST, "the list has no end"},
        {"[" FIRST " " LAST "]", "the list has no end"},
        {"[" FIRST "," LAST ",]", "no end"},
        {"[" FIRST "," LAST "]]", "more follows"},
        {"[" FIRST "," LAST "] x", "more follows"},
        {"[" FIRST "," LAST "," LAST "]", "begins elsewhere"},
        {"[" LAST "]", "begins elsewhere"},
        {"[" FIRST "," FIRST "]", "begins elsewhere"},
        {"[" LAST "," FIRST "]", "begins elsewhere"},
        {"[[]]", "no end"},
        {"[1]", "no end"},
        {"[{}]", "lacks its offset"},
        {"[null}]", "makes no sense"},
        {"[{\"offset\":0,\"length\":8192}]", "lacks"},
        {"[{\"offset\":0,\"type\":0}]", "lacks"},
        {"[{\"length\":8192,\"type\":0}]", "lacks"},
        {"[{\"offset\":\"0\",\"length\":8192,\"type\":0}]", "lacks"},
        {"[{\"offset\":0,\"length\":8192.0,\"type\":0}]", "lacks"},
        {"[{\"offset\":0,\"length\":8192,\"type\":\"data\"}]", "lacks"},
        {"[{\"offset\":-1,\"length\":8192,\"type\":0}]", "lacks"},
        {"[{\"offset\":0,\"length\":-8192,\"type\":0}]", "lacks"},
        {"[{\"offset\":0,\"length\":8192,\"type\":-1}]", "lacks"},
        {"[{\"offset\":0,\"length\":0,\"type\":0}]", "is empty"},
        {"[{\"offset\":0,\"length\":8193,\"type\":0}]", "than the disk"},
        {"[{\"offset\":0,\"length\":9223372036854775807,\"type\":0}]",
         "than the disk"},
        {"[{\"offset\":0,\"length\":9223372036854775808,\"type\":0}]",
         "makes no sense"},
        {"[{\"offset\":0,\"length\":8192,\"type\":4294967296}]",
         "a type is too large"},
        {"[{\"offset\":0,\"offset\":0,\"length\":8192,\"type\":0}]",
         "duplicate"},
        {"[{\"offset\":0,\"length\":8192,\"type\":0,\"more\":{}}]",
         "makes no sense"},
        {"[{\"offset\":0,\"length\":8192,\"type\":0 \"x\":1}]",
         "makes no sense"},
        {"[{\"offset\":0,\"length\":8192,\"type\":0,\"x\":\"\xff\"}]",
         "makes no sense"},
    };

    for (size_t i = 0; i < array_size(bad); i++)
        check_bad(bad[i].json, bad[i].why);
}

/* However deep it nests, however long an element is: nothing is built. */
static void test_too_much(void)
{
    size_t length = 4 << 20;
    _cleanup_free_ char *text = malloc(length + 1);

    REQUIRE(text);
    text[length] = '\0';
    memset(text, '[', length);
    check_bad(text, "no end");
    memset(text, '{', length);
    text[0] = '[';
    check_bad(text, "no end");
    memset(text, ' ', length);
    text[0] = '[';
    text[1] = '{';
    check_bad(text, "no end");
    memset(text, '{', length);
    text[0] = '[';
    text[1000] = '}';
    check_bad(text, "makes no sense");
}

static void test_good_maps(void)
{
    _cleanup_extents_ struct extent_list list = EXTENT_LIST_INIT,
                                         none = EXTENT_LIST_INIT;
    _cleanup_error_ struct error err = ERROR_INIT;

    CHECK_OK(parse("[\n\n]\n", 0, &none, &err), &err);
    CHECK_EQ_U64(none.count, 0);
    CHECK_OK(parse(" [ { \"type\": 1, \"x\": [true, null], \"length\": 1,"
                   " \"offset\": 0 } ,\n"
                   "{\"offset\":1,\"length\":2,\"type\":2},"
                   "{\"offset\":3,\"length\":1,\"type\":3},"
                   "{\"offset\":4,\"length\":1,\"type\":3},"
                   "{\"offset\":5,\"length\":4611686018427387000,"
                   "\"type\":4294967295}]",
                   UINT64_C(4611686018427387005), &list, &err),
             &err);
    REQUIRE(list.count == 4);
    CHECK_EQ_INT(list.items[0].kind, EXTENT_DATA); /* hole, but not zero */
    CHECK_EQ_INT(list.items[1].kind, EXTENT_ZERO_ALLOCATED);
    CHECK_EQ_INT(list.items[2].kind, EXTENT_ZERO);
    CHECK_EQ_U64(list.items[2].length, 2);
    CHECK_EQ_INT(list.items[3].kind, EXTENT_DATA);
}

/* Random changes of a good map: no crash, and what is taken tiles the disk. */
static void test_mutations(void)
{
    static const char good[] = "[\n" FIRST ",\n" LAST "\n]\n";
    static const char signs[] = "[]{}\",:0123456789-. \\\nuoft";

    for (int i = 0; i < 20000; i++) {
        _cleanup_extents_ struct extent_list list = EXTENT_LIST_INIT;
        _cleanup_error_ struct error err = ERROR_INIT;
        char text[sizeof(good)];
        size_t length = sizeof(good) - 1 - (random() % 4 ? 0 : below(20));

        memcpy(text, good, sizeof(good));
        for (int n = 1 + (int)below(3); n > 0; n--)
            text[below(sizeof(good) - 1)] =
                random() % 8 ? signs[below(sizeof(signs) - 1)] : (char)random();
        if (nbdinfo_parse(text, length, 8192, status_allocation_meaning, &list,
                          &err) == 0)
            CHECK_OK(extent_tiles(&list, 8192, &err), &err);
        else
            CHECK_EQ_INT(err.kind, ERR_NBD);
    }
}

static void check_uri(const char *socket, const char *name, const char *uri)
{
    struct nbd_target target = {.socket_path = socket, .export_name = name};
    _cleanup_free_ char *text = nbdinfo_uri(&target);

    CHECK_STR(text, uri);
}

static void test_uri(void)
{
    check_uri("/a/b", NULL, "nbd+unix:///?socket=%2fa%2fb");
    check_uri("/a/b", "sda", "nbd+unix:///sda?socket=%2fa%2fb");
    check_uri("/a b/%c?d&e#f", "-x/../y z%",
              "nbd+unix:///-x%2f..%2fy%20z%25"
              "?socket=%2fa%20b%2f%25c%3fd%26e%23f");
    check_uri("\xc3\xbc", "+;=", "nbd+unix:///%2b%3b%3d?socket=%c3%bc");
}

static struct disk_task task_for(const struct server *s, const char *bitmap)
{
    return (struct disk_task){
        .name = "vda",
        .target = {.socket_path = s->socket},
        .bitmap = bitmap,
        .parent = "p",
        .io_timeout_ms = IO_MS,
    };
}

/* Both ways to ask find the same. */
static void check_same(struct disk_task task, size_t least)
{
    _cleanup_(survey_done) struct survey ours = {0}, theirs = {0};
    _cleanup_error_ struct error err = ERROR_INIT;

    CHECK_OK(survey_make(&task, &ours, &err), &err);
    nbd_conn_close(take(ours.conn)); /* the server takes two clients */
    task.ask_nbdinfo = true;
    CHECK_OK(survey_make(&task, &theirs, &err), &err);
    CHECK(ours.extents.count >= least);
    CHECK_EQ_U64(theirs.extents.count, ours.extents.count);
    CHECK_EQ_U64(theirs.dirty_size, ours.dirty_size);
    CHECK_EQ_INT(theirs.incremental, task.bitmap != NULL);
    CHECK_EQ_INT(ours.incremental, task.bitmap != NULL);
    for (size_t i = 0; i < MIN_OF(ours.extents.count, theirs.extents.count);
         i++) {
        struct extent a = ours.extents.items[i], b = theirs.extents.items[i];

        CHECK_EQ_U64(a.offset, b.offset);
        CHECK_EQ_U64(a.length, b.length);
        CHECK_EQ_INT(a.kind, b.kind);
    }
}

/* An image of data, zeroes and holes, with a bitmap that knows of the latest
 * writes; names of socket and export that mean something in a URI.
 */
static void test_same_as_ours(void)
{
    static const char changes[] = "write -P 9 0 8k\nwrite -z 1M 64k\n"
                                  "discard 2M 1M\nwrite -P 8 5M 70k\n";
    static const char name[] = "a b%?#&;\xc3\xbc/x";
    struct image image = {
        .size = 24 * MIB, .cluster = 4096, .writes = 60, .longest = 256 * KIB};
    _cleanup_server_ struct server s = SERVER_INIT;
    struct disk_task task;

    REQUIRE(image_make(&image));
    CHECK(shell("qemu-img bitmap --add -g 64k a.qcow2 b && printf '%s' | "
                "qemu-io -f qcow2 a.qcow2",
                changes));
    server_start(&s,
                 "qemu-nbd -t -e 2 -r -B b -x '%s' -k \"$S ?#%%&;=\" "
                 "-f qcow2 a.qcow2",
                 name);
    strcat(s.socket, " ?#%&;=");
    task = task_for(&s, NULL);
    task.target.export_name = name;
    check_same(task, 10);
    task.bitmap = "qemu:dirty-bitmap:b";
    check_same(task, 4);
    task.read_zeroes = true;
    check_same(task, 4);
}

static void test_same_elsewhere(void)
{
    static const char *const servers[] = {
        "memory 0",
        "null 1000",
        "--filter=noextents null 5M",
        "pattern 3M",
        "data '@0x100000 1 @0x500000 2' size=10M",
    };

    for (size_t i = 0; i < array_size(servers); i++) {
        _cleanup_server_ struct server s = SERVER_INIT;

        nbdkit_start(&s, "-r %s", servers[i]);
        check_same(task_for(&s, NULL), i > 0);
    }
}

/* A whole backup with one and the other way to ask. */
static void test_same_backup(void)
{
    struct image image = {
        .size = 6 * MIB, .cluster = 65536, .writes = 20, .longest = 256 * KIB};
    struct variant v = {.memory = MUCH_MEMORY};
    _cleanup_bench_ struct bench a = bench_new(), b = bench_new();
    _cleanup_error_ struct error err = ERROR_INIT;
    _cleanup_server_ struct server s = SERVER_INIT;
    struct disk_task one, other;

    REQUIRE(image_make(&image));
    qemu_nbd_start(&s, "-r -e 2 -f qcow2 a.qcow2");
    one = bench_task(&a, &s, &v);
    other = bench_task(&b, &s, &v);
    other.ask_nbdinfo = true;
    CHECK_OK(disk_back_up(&one, &a.result, &err), &err);
    CHECK_OK(disk_back_up(&other, &b.result, &err), &err);
    CHECK(a.result.extent_count > 0);
    CHECK_EQ_U64(a.result.extent_count, b.result.extent_count);
    CHECK_EQ_U64(a.result.read_size, b.result.read_size);
    CHECK_STR(a.result.index_hash, b.result.index_hash);
}

/* Survey a disk of `size` bytes while PATH has the program `script` as nbdinfo
 * (NULL: none).
 */
static int survey_by(const char *script, uint64_t size, int io_timeout_ms,
                     size_t *ret_count, struct error *err)
{
    _cleanup_server_ struct server s = SERVER_INIT;
    _cleanup_(survey_done) struct survey survey = {0};
    _cleanup_free_ char *path = strdup(getenv("PATH"));
    struct disk_task task;
    char false_path[4096];
    int r;

    nbdkit_start(&s, "-r null %" PRIu64, size);
    task = task_for(&s, NULL);
    task.ask_nbdinfo = true;
    task.io_timeout_ms = io_timeout_ms;
    CHECK(shell("rm -rf bin; mkdir bin"));
    if (script)
        CHECK(shell("{ echo '#!/bin/sh'; echo 'PATH=%s'; echo '%s'; } "
                    ">bin/nbdinfo && chmod +x bin/nbdinfo",
                    path, script));
    snprintf(false_path, sizeof(false_path), "%s/bin", work_dir);
    setenv("PATH", false_path, 1);
    r = survey_make(&task, &survey, err);
    setenv("PATH", path, 1);
    *ret_count = survey.extents.count;
    return r;
}

static int ask_false(const char *script, int io_timeout_ms, struct error *err)
{
    size_t count = 0;

    return survey_by(script, 8192, io_timeout_ms, &count, err);
}

/* More than other programs may print: 20 MB. */
static void test_large_map(void)
{
    _cleanup_error_ struct error err = ERROR_INIT;
    char script[128];
    size_t count = 0;

    CHECK(shell("awk 'BEGIN { for (i = 0; i < 220000; i++) "
                "printf(\"%%s\\n{ \\\"offset\\\": %%9d, \\\"length\\\": 512, "
                "\\\"type\\\": %%d, \\\"description\\\": \\\"%%30s\\\"}\", "
                "i ? \",\" : \"[\", i * 512, i %% 2 ? 3 : 0, \"x\"); "
                "print \"]\" }' >map"));
    snprintf(script, sizeof(script), "exec cat %s/map", work_dir);
    CHECK_OK(survey_by(script, 220000 * 512, IO_MS, &count, &err), &err);
    CHECK_EQ_U64(count, 220000);
    CHECK(shell("[ $(stat -c %%s map) -gt 18000000 ]"));
}

static void test_failures(void)
{
    _cleanup_error_ struct error err = ERROR_INIT;

    CHECK_FAILS(ask_false(NULL, IO_MS, &err), &err, "libnbd-bin");
    CHECK_FAILS(ask_false("echo not today >&2; exit 3", IO_MS, &err), &err,
                "not today");
    CHECK_FAILS(ask_false("echo []", IO_MS, &err), &err,
                "ask nbdinfo for 'base:allocation'");
    CHECK_FAILS(ask_false("exec sleep 60", 20, &err), &err, "did not end");
    CHECK_FAILS(ask_false("exec yes \"[{\"", IO_MS, &err), &err,
                "more than 64 MiB");
}

/* The bitmap is not there: no matter who is asked, everything is saved. */
static void test_no_bitmap(void)
{
    _cleanup_error_ struct error err = ERROR_INIT;
    _cleanup_server_ struct server s = SERVER_INIT;
    _cleanup_(survey_done) struct survey survey = {0};
    struct disk_task task;

    nbdkit_start(&s, "-r pattern 1M");
    task = task_for(&s, "qemu:dirty-bitmap:gone");
    task.ask_nbdinfo = true;
    CHECK_OK(survey_make(&task, &survey, &err), &err);
    CHECK(!survey.incremental);
    CHECK_EQ_U64(survey.dirty_size, 1 * MIB);
    CHECK_EQ_U64(survey.extents.count, 1);
}

static void test_no_tcp(void)
{
    _cleanup_extents_ struct extent_list list = EXTENT_LIST_INIT;
    _cleanup_error_ struct error err = ERROR_INIT;
    struct nbd_target target = {.host = "localhost", .port = 10809};

    CHECK_FAILS(nbdinfo_allocation(&target, 1, IO_MS, &list, &err), &err,
                "unix sockets");
    CHECK_EQ_INT(err.kind, ERR_NONE);
}

int main(void)
{
    _cleanup_error_ struct error err = ERROR_INIT;

    need("qemu-img qemu-io qemu-nbd nbdkit nbdinfo");
    work_dir_make();
    seed_random();
    log_limit(LOG_LEVEL_ERROR);
    CHECK_OK(stop_init(&err), &err);
    RUN(test_bad_maps);
    RUN(test_too_much);
    RUN(test_good_maps);
    RUN(test_mutations);
    RUN(test_uri);
    RUN(test_same_as_ours);
    RUN(test_same_elsewhere);
    RUN(test_same_backup);
    RUN(test_failures);
    RUN(test_large_map);
    RUN(test_no_bitmap);
    RUN(test_no_tcp);
    return check_result();
}
