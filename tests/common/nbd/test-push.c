/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* test-push.c - writes in flight, to real and to hostile servers */
#include "nbd/push.h"

#include <fcntl.h>
#include <sys/eventfd.h>
#include <sys/stat.h>

#include "base/stop.h"
#include "nbd/status.h"
#include "servers.h"

static uint64_t random_below(uint64_t limit)
{
    return (((uint64_t)random() << 31) | (uint64_t)random()) % limit;
}

/* Wait for room, and give back what is done. */
static bool make_room(struct push *p, size_t room, struct error *err)
{
    while (push_room(p) < room) {
        if (push_poll(p, -1, err) < 0) {
            CHECK_FAIL("push_poll: %s", error_text(err));
            return false;
        }
        while (push_done(p))
            ;
    }
    return true;
}

/* Once over the disk in pieces of random length that are written, zeroed or
 * left alone, in multiples of `block`; `model` is what the disk then holds.
 */
static void scribble(struct push *p, unsigned char *model, uint64_t size,
                     uint64_t block, uint64_t longest)
{
    _cleanup_error_ struct error err = ERROR_INIT;

    for (uint64_t at = 0; at < size && !check_this_failed;) {
        uint64_t length = block * (1 + random_below(longest / block));
        long what = random() % 4;

        length = MIN_OF(length, size - at);
        if (!make_room(p, 1, &err))
            return;
        if (what == 0) {
            memset(model + at, 0, length);
            CHECK_OK(push_zero(p, at, length, &err), &err);
        } else if (what < 3) {
            for (uint64_t i = 0; i < length; i++)
                model[at + i] = (unsigned char)random();
            CHECK_OK(push_write(p, at, model + at, length, model, &err), &err);
        }
        at += length;
    }
    /* What is in flight must be gone before the same place is written. */
    CHECK_OK(push_drain(p, &err), &err);
    while (push_done(p))
        ;
    CHECK_EQ_U64(push_busy(p), 0);
}

/* The file holds exactly the model. */
static void check_file(const char *name, const unsigned char *model,
                       uint64_t size)
{
    _cleanup_free_ unsigned char *got = malloc(size + 1);
    char path[128];
    _cleanup_close_ int fd = -1;

    snprintf(path, sizeof(path), "%s/%s", work_dir, name);
    fd = open(path, O_RDONLY | O_CLOEXEC);
    REQUIRE(got && fd >= 0);
    CHECK_EQ_U64(read(fd, got, size + 1), size);
    for (uint64_t i = 0; i < size; i++)
        if (got[i] != model[i]) {
            CHECK_FAIL("byte %" PRIu64 " of %s is 0x%x, not 0x%x", i, name,
                       got[i], model[i]);
            return;
        }
}

/* Scribble three times over the served disk; the model is the result. */
static void fill(const struct server *s, unsigned char *model, uint64_t size,
                 uint64_t block, unsigned in_flight)
{
    _cleanup_(nbd_conn_closep) struct nbd_conn *conn = connect_to(s, NULL);
    _cleanup_(push_freep) struct push *p = NULL;
    _cleanup_error_ struct error err = ERROR_INIT;

    REQUIRE(conn);
    CHECK_EQ_U64(nbd_conn_size(conn), size);
    CHECK_OK(push_new(conn, in_flight, IO_MS, &p, &err), &err);
    REQUIRE(p);
    for (int round = 0; round < 3; round++)
        scribble(p, model, size, block, round ? 300 * KIB : 3 * MIB);
    CHECK_OK(push_flush(p, &err), &err);
    CHECK_OK(push_flush(p, &err), &err); /* and the connection is whole */
}

static void test_files(void)
{
    static const struct {
        const char *command;
        uint64_t size, block;
    } table[] = {
        {"nbdkit -f -U $S file t", 5000001, 1},
        {"nbdkit -f -U $S --filter=nozero file t zeromode=none", 5000001, 1},
        {"nbdkit -f -U $S --filter=blocksize-policy file t "
         "blocksize-minimum=512 blocksize-preferred=4096 "
         "blocksize-maximum=64K blocksize-error-policy=error",
         5000192, 512},
        {"nbdkit -f -U $S --filter=blocksize-policy --filter=nozero file t "
         "blocksize-minimum=4096 blocksize-preferred=4096 "
         "blocksize-maximum=64K zeromode=none",
         5000001, 4096},
        {"qemu-nbd -t -k $S -f raw t", 5000192, 512},
        {"qemu-nbd -t -k $S --image-opts driver=blkdebug,align=4096,"
         "image.driver=file,image.filename=t",
         1221 * 4096, 4096},
    };

    for (size_t i = 0; i < array_size(table); i++) {
        _cleanup_server_ struct server s = SERVER_INIT;
        _cleanup_free_ unsigned char *model = calloc(1, table[i].size);

        printf("# %s\n", table[i].command);
        REQUIRE(model);
        REQUIRE(shell("rm -f t && truncate -s %" PRIu64 " t", table[i].size));
        server_start(&s, "%s", table[i].command);
        fill(&s, model, table[i].size, table[i].block, 16);
        CHECK(server_end(&s));
        check_file("t", model, table[i].size);
    }
}

static void test_qcow2(void)
{
    const uint64_t size = 20 * MIB + 512;
    _cleanup_free_ unsigned char *model = calloc(1, size);
    _cleanup_server_ struct server s = SERVER_INIT;

    REQUIRE(model);
    REQUIRE(shell("qemu-img create -q -f qcow2 t.qcow2 %" PRIu64, size));
    qemu_nbd_start(&s, "-f qcow2 --discard=unmap t.qcow2");
    fill(&s, model, size, 512, 16);
    CHECK(server_end(&s));
    REQUIRE(shell("qemu-img check t.qcow2 && "
                  "qemu-img convert -O raw t.qcow2 t.raw"));
    check_file("t.raw", model, size);
}

/* Zeroes give space back. */
static void test_unmap(void)
{
    _cleanup_server_ struct server s = SERVER_INIT;
    _cleanup_(nbd_conn_closep) struct nbd_conn *conn = NULL;
    _cleanup_(push_freep) struct push *p = NULL;
    _cleanup_extents_ struct extent_list got = EXTENT_LIST_INIT;
    _cleanup_free_ unsigned char *memory = malloc(4 * MIB);
    _cleanup_error_ struct error err = ERROR_INIT;

    REQUIRE(memory && shell("qemu-img create -q -f qcow2 u.qcow2 5G"));
    memset(memory, 7, 4 * MIB);
    qemu_nbd_start(&s, "-f qcow2 --discard=unmap u.qcow2");
    conn = connect_to(&s, STATUS_ALLOCATION);
    REQUIRE(conn);
    CHECK_OK(push_new(conn, 4, IO_MS, &p, &err), &err);
    CHECK_OK(push_write(p, 0, memory, 4 * MIB, memory, &err), &err);
    CHECK_OK(push_drain(p, &err), &err);
    CHECK(push_done(p) == memory);
    /* 5 GiB less a bit: many requests of one push_zero. */
    CHECK_OK(push_zero(p, MIB, 5 * GIB - MIB, &err), &err);
    CHECK_OK(push_flush(p, &err), &err);
    CHECK_EQ_U64(push_busy(p), 0);
    push_free(take(p));
    CHECK_OK(status_allocation(conn, IO_MS, &got, &err), &err);
    CHECK_EQ_U64(extent_total(&got, EXTENT_DATA), MIB);
    CHECK_EQ_U64(extent_total(&got, EXTENT_ZERO), 5 * GIB - MIB);
}

/* A few writes and a zero, then a flush; the first error. */
static int push_some(const struct server *s, int io_ms, bool zero,
                     struct error *err)
{
    static unsigned char memory[8][4096];
    _cleanup_(nbd_conn_closep) struct nbd_conn *conn = connect_to(s, NULL);
    _cleanup_(push_freep) struct push *p = NULL;

    if (!conn)
        return error_set(err, ERR_NBD, "not connected");
    if (push_new(conn, 16, io_ms, &p, err) < 0)
        return -1;
    for (uint64_t i = 0; i < 8; i++)
        if (push_write(p, i * 8192, memory[i], 4096, memory[i], err) < 0)
            return -1;
    if (zero && push_zero(p, 512 * KIB, 512 * KIB, err) < 0)
        return -1;
    if (push_flush(p, err) < 0) {
        CHECK(push_poll(p, -1, NULL) < 0);
        CHECK(push_flush(p, NULL) < 0);
        return -1;
    }
    return 0;
}

/* covers: E14:R E15:R E3:R */
static void test_hostile(void)
{
    static const struct {
        const char *script, *text;
        int io_ms;
    } table[] = {
        {"write=eio", "writing 4096 bytes at 0 of", IO_MS},
        {"write=drop", "writing 4096 bytes at", IO_MS},
        {"write=drop:5", "writing 4096 bytes at", IO_MS},
        {"write=hang", "no answer for", 200},
        {"write=hang:5", "writing 4096 bytes at 40960", 200},
        {"flush=eio", "flushing", IO_MS},
        {"flush=hang", "flushing", 200},
        {"readonly=1", "read-only", IO_MS},
    };

    for (size_t i = 0; i < array_size(table); i++) {
        _cleanup_server_ struct server s = SERVER_INIT;
        _cleanup_error_ struct error err = ERROR_INIT;

        hostile_start(&s, "%s", table[i].script);
        if (push_some(&s, table[i].io_ms, true, &err) >= 0) {
            CHECK_FAIL("%s was believed", table[i].script);
            continue;
        }
        printf("# %s: %s\n", table[i].script, error_text(&err));
        CHECK_CONTAINS(error_text(&err), table[i].text);
        CHECK_EQ_INT(err.kind, table[i].io_ms < IO_MS ? ERR_TIMEOUT : ERR_NBD);
    }
}

/* Servers that limit zeroes like writes, or have none. */
static void test_zero_limits(void)
{
    static const char *const scripts[] = {
        "min=512 max=65536 write=zeromax",
        "min=512 max=65536 write=zeromax nozero=1",
        "nozero=1",
    };

    for (size_t i = 0; i < array_size(scripts); i++) {
        _cleanup_server_ struct server s = SERVER_INIT;
        _cleanup_error_ struct error err = ERROR_INIT;

        hostile_start(&s, "%s", scripts[i]);
        CHECK_OK(push_some(&s, IO_MS, true, &err), &err);
    }
}

/* covers: E14:R */
static void test_disk_full(void)
{
    _cleanup_server_ struct server s = SERVER_INIT;
    _cleanup_error_ struct error err = ERROR_INIT;

    nbdkit_start(&s, "full 1M");
    CHECK_FAILS(push_some(&s, IO_MS, false, &err), &err,
                "No space left on device");
}

/* covers: E14:R */
static void test_killed(void)
{
    _cleanup_server_ struct server s = SERVER_INIT;
    _cleanup_(nbd_conn_closep) struct nbd_conn *conn = NULL;
    _cleanup_(push_freep) struct push *p = NULL;
    _cleanup_free_ char *memory = calloc(1, 8 * MIB);
    _cleanup_error_ struct error err = ERROR_INIT;

    nbdkit_start(&s, "--filter=delay memory 16M wdelay=60");
    conn = connect_to(&s, NULL);
    REQUIRE(conn && memory);
    CHECK_OK(push_new(conn, 4, IO_MS, &p, &err), &err);
    CHECK_OK(push_write(p, 4096, memory, 8 * MIB, memory, &err), &err);
    kill(s.pid, SIGKILL);
    CHECK_FAILS(push_drain(p, &err), &err, "writing");
    CHECK(push_done(p) == NULL);
}

/* What the server's blocks forbid is refused, not bent. */
static void test_refusals(void)
{
    _cleanup_server_ struct server s = SERVER_INIT;
    _cleanup_(nbd_conn_closep) struct nbd_conn *conn = NULL;
    _cleanup_(push_freep) struct push *p = NULL;
    _cleanup_error_ struct error err = ERROR_INIT;
    char memory[1000] = {0};

    hostile_start(&s, "size=1000 min=512 max=65536");
    conn = connect_to(&s, NULL);
    REQUIRE(conn);
    CHECK_OK(push_new(conn, 1, IO_MS, &p, &err), &err);
    CHECK_FAILS(push_write(p, 0, memory, 100, memory, &err), &err,
                "multiples of 512");
    CHECK_FAILS(push_write(p, 10, memory, 502, memory, &err), &err,
                "multiples of 512");
    CHECK_FAILS(push_zero(p, 0, 999, &err), &err, "multiples of 512");
    CHECK_FAILS(push_write(p, 512, memory, 489, memory, &err), &err,
                "not inside");
    CHECK_FAILS(push_zero(p, 0, 0, &err), &err, "not inside");
    CHECK_FAILS(push_zero(p, 512, UINT64_MAX - 500, &err), &err, "not inside");
    CHECK_OK(push_write(p, 512, memory, 488, memory, &err), &err);
    CHECK_FAILS(push_zero(p, 0, 512, &err), &err, "no room");
    CHECK_OK(push_drain(p, &err), &err);
    CHECK(push_done(p) == memory);
    CHECK_OK(push_zero(p, 0, 1000, &err), &err);
    CHECK_OK(push_flush(p, &err), &err);
}

static void test_extra_fd(void)
{
    _cleanup_server_ struct server s = SERVER_INIT;
    _cleanup_(nbd_conn_closep) struct nbd_conn *conn = NULL;
    _cleanup_(push_freep) struct push *p = NULL;
    _cleanup_close_ int fd = eventfd(1, EFD_CLOEXEC | EFD_NONBLOCK);
    _cleanup_error_ struct error err = ERROR_INIT;
    char memory[512] = {0};

    hostile_start(&s, "write=normal");
    conn = connect_to(&s, NULL);
    REQUIRE(conn && fd >= 0);
    CHECK_OK(push_new(conn, 1, IO_MS, &p, &err), &err);
    CHECK_EQ_INT(push_poll(p, fd, &err), 1);
    CHECK_EQ_INT(push_poll(p, -1, &err), 0);
    CHECK_OK(push_zero(p, 0, 512, &err), &err);
    CHECK_EQ_INT(push_poll(p, -1, &err), 0); /* it has no tag */
    CHECK_EQ_U64(push_room(p), 1);
    CHECK(push_done(p) == NULL);
    CHECK_OK(push_write(p, 0, memory, 512, memory, &err), &err);
    while (push_poll(p, fd, &err) == 1 && !push_done(p))
        ;
    CHECK_EQ_INT(err.kind, ERR_NONE);
}

/* Last: a stop is for good. */
static void test_stop(void)
{
    _cleanup_server_ struct server s = SERVER_INIT;
    _cleanup_(nbd_conn_closep) struct nbd_conn *conn = NULL;
    _cleanup_(push_freep) struct push *p = NULL;
    _cleanup_error_ struct error err = ERROR_INIT;
    char memory[512] = {0};

    hostile_start(&s, "write=hang");
    conn = connect_to(&s, NULL);
    REQUIRE(conn);
    CHECK_OK(push_new(conn, 1, 0, &p, &err), &err);
    CHECK_OK(push_write(p, 0, memory, 512, memory, &err), &err);
    CHECK_OK(stop_init(&err), &err);
    if (fork() == 0) {
        kill(getppid(), SIGTERM);
        _exit(0);
    }
    CHECK_FAILS(push_drain(p, &err), &err, "SIGTERM");
    wait(NULL);
}

int main(void)
{
    need("nbdkit qemu-nbd qemu-img");
    work_dir_make();
    seed_random();
    RUN(test_files);
    RUN(test_qcow2);
    RUN(test_unmap);
    RUN(test_hostile);
    RUN(test_zero_limits);
    RUN(test_disk_full);
    RUN(test_killed);
    RUN(test_refusals);
    RUN(test_extra_fd);
    RUN(test_stop);
    return check_result();
}
