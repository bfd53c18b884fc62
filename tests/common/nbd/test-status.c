/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* test-status.c - block status, compared with nbdinfo, and hostile answers */
#include "nbd/status.h"

#include "base/stop.h"
#include "servers.h"

/* What nbdinfo prints for `context`: our kinds, from its types. */
static bool nbdinfo_map(const struct server *s, const char *context, bool dirty,
                        struct extent_list *ret)
{
    _cleanup_error_ struct error err = ERROR_INIT;
    char line[512];
    uint64_t offset = 0, length = 0;
    unsigned type = 0;
    FILE *f = NULL;

    snprintf(line, sizeof(line),
             "nbdinfo --json --map=%s 'nbd+unix:///?socket=%s'", context,
             s->socket);
    f = popen(line, "r");
    while (f && fgets(line, sizeof(line), f)) {
        static const enum extent_kind kinds[] = {
            EXTENT_DATA, EXTENT_DATA, EXTENT_ZERO_ALLOCATED, EXTENT_ZERO};
        enum extent_kind kind = EXTENT_DATA;

        /* One key a line or all of them: both have been seen. */
        if (sscanf(line,
                   " { \"offset\": %" SCNu64 ", \"length\": %" SCNu64
                   ", \"type\": %u",
                   &offset, &length, &type) != 3 &&
            sscanf(line,
                   " [ { \"offset\": %" SCNu64 ", \"length\": %" SCNu64
                   ", \"type\": %u",
                   &offset, &length, &type) != 3)
            continue;
        if (!dirty)
            kind = type < 4 ? kinds[type] : EXTENT_DATA;
        else if (type == 0)
            continue;
        CHECK_OK(extent_append(ret, offset, length, kind, &err), &err);
    }
    return f && pclose(f) == 0;
}

static void check_same(const struct extent_list *got,
                       const struct extent_list *want)
{
    CHECK_EQ_U64(got->count, want->count);
    for (size_t i = 0; i < MIN_OF(got->count, want->count); i++) {
        const struct extent *a = &got->items[i], *b = &want->items[i];

        if (a->offset == b->offset && a->length == b->length &&
            a->kind == b->kind)
            continue;
        CHECK_FAIL("extent %zu is %" PRIu64 "+%" PRIu64 " kind %u, not "
                   "%" PRIu64 "+%" PRIu64 " kind %u",
                   i, a->offset, (uint64_t)a->length, a->kind, b->offset,
                   (uint64_t)b->length, b->kind);
        return;
    }
}

/* Our map of a served disk is nbdinfo's. */
static void compare(const struct server *s, size_t at_least)
{
    _cleanup_(nbd_conn_closep) struct nbd_conn *conn =
        connect_to(s, STATUS_ALLOCATION);
    _cleanup_extents_ struct extent_list got = EXTENT_LIST_INIT,
                                         want = EXTENT_LIST_INIT;
    _cleanup_error_ struct error err = ERROR_INIT;
    long long start = clock_ms();

    REQUIRE(conn);
    CHECK_OK(status_allocation(conn, IO_MS, &got, &err), &err);
    printf("# %zu extents in %lld ms\n", got.count, clock_ms() - start);
    CHECK(nbdinfo_map(s, STATUS_ALLOCATION, false, &want));
    CHECK(got.count >= at_least);
    check_same(&got, &want);
    CHECK_OK(extent_tiles(&got, nbd_conn_size(conn), &err), &err);
}

static void test_nbdkit(void)
{
    static const struct {
        const char *command;
        size_t at_least;
    } table[] = {
        {"data '1 @0x123456 2 @0x2000000 3' size=100000001", 6},
        {"memory 1000001", 1},
        {"memory 0", 0},
        {"null 4096", 1},
        {"--filter=noextents data '1 @0x100000 2' size=3M", 1},
        {"--filter=truncate data '1 @0x100000 2' truncate=1234567", 2},
        {"--filter=blocksize-policy data '1 @0x123456 2' size=10000384 "
         "blocksize-minimum=512 blocksize-preferred=4096 "
         "blocksize-maximum=1M blocksize-error-policy=error",
         2},
    };

    for (size_t i = 0; i < array_size(table); i++) {
        _cleanup_server_ struct server s = SERVER_INIT;

        nbdkit_start(&s, "%s", table[i].command);
        compare(&s, table[i].at_least);
    }
}

/* A hole that does not say it reads as zeroes is data. */
/* covers: E9:F */
static void test_kinds(void)
{
    static const struct {
        const char *type;
        enum extent_kind want;
    } table[] = {
        {"hole", EXTENT_DATA},
        {"zero", EXTENT_ZERO_ALLOCATED},
        {"hole,zero", EXTENT_ZERO},
        {"", EXTENT_DATA},
    };

    for (size_t i = 0; i < array_size(table); i++) {
        _cleanup_server_ struct server s = SERVER_INIT;
        _cleanup_(nbd_conn_closep) struct nbd_conn *conn = NULL;
        _cleanup_extents_ struct extent_list got = EXTENT_LIST_INIT;
        _cleanup_error_ struct error err = ERROR_INIT;

        nbdkit_start(&s,
                     "eval get_size='echo 1M' pread='exit 1' "
                     "can_extents='exit 0' extents='echo 0 1M %s'",
                     table[i].type);
        conn = connect_to(&s, STATUS_ALLOCATION);
        REQUIRE(conn);
        CHECK_OK(status_allocation(conn, IO_MS, &got, &err), &err);
        CHECK_EQ_U64(got.count, 1);
        CHECK_EQ_U64(extent_total(&got, table[i].want), MIB);
    }
}

/* Data, holes and allocated zeroes, in a disk of odd size. */
static void test_qcow2(void)
{
    _cleanup_server_ struct server s = SERVER_INIT;

    REQUIRE(shell("qemu-img create -q -f qcow2 a.qcow2 5368709632"));
    REQUIRE(shell("qemu-io -c 'write -P 1 0 2M' -c 'write -z 1M 512K' "
                  "-c 'write -z -u 3M 1M' -c 'write -P 2 4294901760 192K' "
                  "-c 'write -P 3 5368709120 512' a.qcow2"));
    qemu_nbd_start(&s, "-r -f qcow2 a.qcow2");
    compare(&s, 7); /* all three kinds */
}

/* More extents than a reply of QEMU holds, on a small disk. */
/* covers: E11:FI */
static void test_fragments(void)
{
    _cleanup_server_ struct server s = SERVER_INIT;

    REQUIRE(shell("perl -e 'print((\"x\" x 512 . \"\\0\" x 512) x 71680)' "
                  ">f.raw && truncate -s 128M f.raw && "
                  "qemu-img convert -S 512 -f raw -O qcow2 "
                  "-o cluster_size=512 f.raw f.qcow2"));
    qemu_nbd_start(&s, "-r -f qcow2 f.qcow2");
    compare(&s, 143360);
}

/* Bitmap and allocation, and the one inside the other. */
/* covers: E5:ID */
static void test_dirty(void)
{
    static const char context[] = "qemu:dirty-bitmap:b0";
    _cleanup_server_ struct server s = SERVER_INIT;
    _cleanup_(nbd_conn_closep) struct nbd_conn *bitmap = NULL;
    _cleanup_(nbd_conn_closep) struct nbd_conn *conn = NULL;
    _cleanup_extents_ struct extent_list dirty = EXTENT_LIST_INIT,
                                         all = EXTENT_LIST_INIT,
                                         cut = EXTENT_LIST_INIT,
                                         got = EXTENT_LIST_INIT,
                                         want = EXTENT_LIST_INIT;
    _cleanup_error_ struct error err = ERROR_INIT;

    REQUIRE(shell("qemu-img create -q -f qcow2 b.qcow2 3G"));
    REQUIRE(shell("qemu-io -c 'write -P 1 0 8M' -c 'write -P 1 1G 8M' "
                  "b.qcow2"));
    REQUIRE(shell("qemu-img bitmap --add b.qcow2 b0"));
    REQUIRE(shell("qemu-io -c 'write -P 2 64K 128K' -c 'write -z 1M 128K' "
                  "-c 'write -z -u 2M 640K' -c 'write -P 3 12M 64K' "
                  "-c 'write -P 3 1025M 64K' -c 'discard 1026M 1M' "
                  "-c 'write -P 5 3071M 1M' b.qcow2"));
    REQUIRE(shell("qemu-img bitmap --disable b.qcow2 b0"));
    qemu_nbd_start(&s, "-r -B b0 -f qcow2 b.qcow2");
    bitmap = connect_to(&s, context);
    conn = connect_to(&s, STATUS_ALLOCATION);
    REQUIRE(bitmap && conn);

    CHECK_OK(status_dirty(bitmap, context, IO_MS, &dirty, &err), &err);
    CHECK(nbdinfo_map(&s, context, true, &want));
    CHECK(dirty.count >= 6);
    check_same(&dirty, &want);

    CHECK_OK(status_allocation(conn, IO_MS, &all, &err), &err);
    CHECK_OK(extent_intersect(&all, &dirty, &cut, &err), &err);
    CHECK_OK(status_allocation_within(conn, &dirty, IO_MS, &got, &err), &err);
    check_same(&got, &cut);
    CHECK(extent_total(&got, EXTENT_DATA) > 0);
    CHECK(extent_total(&got, EXTENT_ZERO) +
              extent_total(&got, EXTENT_ZERO_ALLOCATED) >
          0);
    CHECK_EQ_U64(extent_total_all(&got), extent_total_all(&dirty));
}

/* Many small ranges, each a request of its own. */
static void test_within_many(void)
{
    _cleanup_server_ struct server s = SERVER_INIT;
    _cleanup_(nbd_conn_closep) struct nbd_conn *conn = NULL;
    _cleanup_extents_ struct extent_list within = EXTENT_LIST_INIT,
                                         all = EXTENT_LIST_INIT,
                                         got = EXTENT_LIST_INIT,
                                         cut = EXTENT_LIST_INIT;
    _cleanup_error_ struct error err = ERROR_INIT;
    uint64_t at = 0, size = 8 * GIB;

    seed_random();
    hostile_start(&s, "size=%" PRIu64, size);
    conn = connect_to(&s, STATUS_ALLOCATION);
    REQUIRE(conn);
    for (;;) {
        uint64_t length = 1 + (uint64_t)random() % (200 * KIB);

        at += (uint64_t)random() % (8 * MIB);
        if (at + length > size)
            break;
        CHECK_OK(extent_append(&within, at, length, EXTENT_DATA, &err), &err);
        at += length;
    }
    CHECK_OK(extent_append(&within, size - 1, 1, EXTENT_DATA, &err), &err);
    CHECK_OK(status_allocation_within(conn, &within, IO_MS, &got, &err), &err);
    CHECK_OK(status_allocation(conn, IO_MS, &all, &err), &err);
    CHECK_EQ_U64(all.count, size / 65536);
    CHECK_OK(extent_intersect(&all, &within, &cut, &err), &err);
    check_same(&got, &cut);
    /* What the disk does not have cannot be asked for. */
    {
        _cleanup_extents_ struct extent_list none = EXTENT_LIST_INIT;

        CHECK_OK(extent_append(&within, size, 1, EXTENT_DATA, &err), &err);
        CHECK_FAILS(status_allocation_within(conn, &within, IO_MS, &none, &err),
                    &err, "passes the end");
    }
}

/* So many ranges, so far apart, that asking for each would take too long. */
static void test_within_scattered(void)
{
    const uint64_t count = 20000;
    _cleanup_server_ struct server s = SERVER_INIT;
    _cleanup_(nbd_conn_closep) struct nbd_conn *conn = NULL;
    _cleanup_extents_ struct extent_list within = EXTENT_LIST_INIT,
                                         got = EXTENT_LIST_INIT;
    _cleanup_error_ struct error err = ERROR_INIT;

    nbdkit_start(&s, "memory 1T");
    conn = connect_to(&s, STATUS_ALLOCATION);
    REQUIRE(conn);
    for (uint64_t i = 0; i < count; i++)
        CHECK_OK(
            extent_append(&within, i * 50 * MIB + 5, 777, EXTENT_DATA, &err),
            &err);
    CHECK_OK(status_allocation_within(conn, &within, IO_MS, &got, &err), &err);
    CHECK_EQ_U64(got.count, count);
    CHECK_EQ_U64(extent_total(&got, EXTENT_ZERO), count * 777);
    CHECK_EQ_U64(got.items[count - 1].offset, (count - 1) * 50 * MIB + 5);
}

/* covers: E10:ID */
static void test_no_context(void)
{
    static const char context[] = "qemu:dirty-bitmap:backup-vda";
    _cleanup_server_ struct server s = SERVER_INIT;
    _cleanup_(nbd_conn_closep) struct nbd_conn *conn = NULL;
    _cleanup_extents_ struct extent_list got = EXTENT_LIST_INIT;
    _cleanup_error_ struct error err = ERROR_INIT;

    hostile_start(&s, "size=1M");
    conn = connect_to(&s, context);
    REQUIRE(conn);
    CHECK_FAILS(status_dirty(conn, context, IO_MS, &got, &err), &err,
                "does not offer 'qemu:dirty-bitmap:backup-vda'");
    CHECK_FAILS(status_allocation(conn, IO_MS, &got, &err), &err,
                "does not offer 'base:allocation'");
}

/* Odd but allowed: the truth must come out. */
/* covers: E5:ID E7:FID */
static void test_hostile_truth(void)
{
    static const char *const scripts[] = {"short", "uneven", "over", "errors:2",
                                          "normal"};
    const uint64_t size = 3 * MIB + 12345;

    for (size_t i = 0; i < array_size(scripts); i++) {
        _cleanup_server_ struct server s = SERVER_INIT;
        _cleanup_(nbd_conn_closep) struct nbd_conn *conn = NULL;
        _cleanup_extents_ struct extent_list got = EXTENT_LIST_INIT;
        _cleanup_error_ struct error err = ERROR_INIT;

        printf("# %s\n", scripts[i]);
        hostile_start(&s, "size=%" PRIu64 " status=%s", size, scripts[i]);
        conn = connect_to(&s, STATUS_ALLOCATION);
        REQUIRE(conn);
        CHECK_OK(status_allocation(conn, IO_MS, &got, &err), &err);
        CHECK_OK(extent_tiles(&got, size, &err), &err);
        CHECK_EQ_U64(got.count, size / 65536 + 1);
        for (size_t j = 0; j < got.count; j++)
            CHECK_EQ_U64(got.items[j].kind,
                         ((enum extent_kind[]){EXTENT_DATA, EXTENT_ZERO,
                                               EXTENT_ZERO_ALLOCATED})[j % 3]);
    }
}

/* Flags nobody has defined: read it, count it as changed. */
/* covers: E8:FID */
static void test_hostile_flags(void)
{
    static const char *const flags[] = {"1", "4", "7", "0x80000003",
                                        "0xffffffff"};

    for (size_t i = 0; i < array_size(flags); i++) {
        _cleanup_server_ struct server s = SERVER_INIT;
        _cleanup_(nbd_conn_closep) struct nbd_conn *conn = NULL;
        _cleanup_extents_ struct extent_list got = EXTENT_LIST_INIT,
                                             dirty = EXTENT_LIST_INIT;
        _cleanup_error_ struct error err = ERROR_INIT;

        hostile_start(&s, "status=flags:%s", flags[i]);
        conn = connect_to(&s, STATUS_ALLOCATION);
        REQUIRE(conn);
        CHECK_OK(status_allocation(conn, IO_MS, &got, &err), &err);
        CHECK_EQ_U64(extent_total(&got, EXTENT_DATA), MIB);
        CHECK_OK(status_dirty(conn, STATUS_ALLOCATION, IO_MS, &dirty, &err),
                 &err);
        CHECK_EQ_U64(extent_total_all(&dirty), MIB);
    }
}

/* covers: E6:FID E2:FID E3:FID */
static void test_hostile_lies(void)
{
    static const struct {
        const char *script, *text;
        int io_ms;
    } table[] = {
        {"status=zero", "no length", IO_MS},
        {"status=zerotail", "no length", IO_MS},
        {"status=empty", "BLOCK_STATUS", IO_MS},
        {"status=none", "without extents", IO_MS},
        {"status=otherid", "", IO_MS},
        {"status=twice", "twice", IO_MS},
        {"status=endless", "twice", IO_MS},
        {"status=huge", "asking for the state of", IO_MS},
        {"status=error", "also when tried again", IO_MS},
        {"status=half", "asking for the state of", IO_MS},
        {"status=drop", "asking for the state of", IO_MS},
        {"status=drop:3", "asking for the state of", IO_MS},
        {"status=hang", "no answer for", 200},
        {"status=hang:3", "no answer for", 200},
        {"status=drip", "no answer for", 100},
    };

    for (size_t i = 0; i < array_size(table); i++) {
        _cleanup_server_ struct server s = SERVER_INIT;
        _cleanup_(nbd_conn_closep) struct nbd_conn *conn = NULL;
        _cleanup_extents_ struct extent_list got = EXTENT_LIST_INIT;
        _cleanup_error_ struct error err = ERROR_INIT;
        long long start = clock_ms();

        hostile_start(&s, "size=%" PRIu64 " %s", (uint64_t)(4 * GIB + 5),
                      table[i].script);
        conn = connect_to(&s, STATUS_ALLOCATION);
        REQUIRE(conn);
        if (status_allocation(conn, table[i].io_ms, &got, &err) >= 0) {
            CHECK_FAIL("%s was believed", table[i].script);
            continue;
        }
        printf("# %s: %s\n", table[i].script, error_text(&err));
        CHECK_CONTAINS(error_text(&err), table[i].text);
        CHECK_EQ_INT(err.kind, table[i].io_ms < IO_MS ? ERR_TIMEOUT : ERR_NBD);
        CHECK(clock_ms() - start < IO_MS);
    }
}

/* "overflow": lengths of 4 GiB less one, cut at what was asked. */
/* covers: E7:FID */
static void test_hostile_overflow(void)
{
    _cleanup_server_ struct server s = SERVER_INIT;
    _cleanup_(nbd_conn_closep) struct nbd_conn *conn = NULL;
    _cleanup_extents_ struct extent_list got = EXTENT_LIST_INIT;
    _cleanup_error_ struct error err = ERROR_INIT;

    hostile_start(&s, "size=0x3ffffffff status=overflow");
    conn = connect_to(&s, STATUS_ALLOCATION);
    REQUIRE(conn);
    CHECK_OK(status_allocation(conn, IO_MS, &got, &err), &err);
    CHECK_OK(extent_tiles(&got, 0x3ffffffff, &err), &err);
    CHECK_EQ_U64(extent_total(&got, EXTENT_ZERO), 0x3ffffffff);
}

/* Last: a stop is for good. */
static void test_stop(void)
{
    _cleanup_server_ struct server s = SERVER_INIT;
    _cleanup_(nbd_conn_closep) struct nbd_conn *conn = NULL;
    _cleanup_extents_ struct extent_list got = EXTENT_LIST_INIT;
    _cleanup_error_ struct error err = ERROR_INIT;

    hostile_start(&s, "status=hang");
    conn = connect_to(&s, STATUS_ALLOCATION);
    REQUIRE(conn);
    CHECK_OK(stop_init(&err), &err);
    if (fork() == 0) {
        kill(getppid(), SIGINT);
        _exit(0);
    }
    CHECK_FAILS(status_allocation(conn, IO_MS, &got, &err), &err, "SIGINT");
    wait(NULL);
}

int main(void)
{
    need("nbdkit qemu-nbd qemu-img qemu-io nbdinfo perl");
    work_dir_make();
    RUN(test_nbdkit);
    RUN(test_kinds);
    RUN(test_qcow2);
    RUN(test_fragments);
    RUN(test_dirty);
    RUN(test_within_many);
    RUN(test_within_scattered);
    RUN(test_no_context);
    RUN(test_hostile_truth);
    RUN(test_hostile_flags);
    RUN(test_hostile_lies);
    RUN(test_hostile_overflow);
    RUN(test_stop);
    return check_result();
}
