/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* test-pull.c - reads in flight, from real and from hostile servers */
#include "nbd/pull.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/eventfd.h>

#include "base/stop.h"
#include "nbd/handle.h"
#include "servers.h"

#define CONNS 3
#define LONGEST (700 * KIB)
#define GUARD 16

/* One read of the tests: memory with a guard on both sides. */
struct piece {
    unsigned char *memory;
    uint64_t offset;
    size_t length;
};

static unsigned char *truth; /* what the disk holds */

static uint64_t random_below(uint64_t limit)
{
    return (((uint64_t)random() << 31) | (uint64_t)random()) % limit;
}

/* A file of random bytes, kept as the truth; odd sizes welcome. */
static bool truth_make(const char *name, size_t size)
{
    char path[128];
    int fd = -1;
    bool good = false;

    free(truth);
    truth = malloc(size + 1);
    for (size_t i = 0; truth && i < size; i++)
        truth[i] = (unsigned char)random();
    snprintf(path, sizeof(path), "%s/%s", work_dir, name);
    fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    good = truth && fd >= 0 && write(fd, truth, size) == (ssize_t)size;
    close(fd);
    return good;
}

static void hostile_truth(size_t size)
{
    free(truth);
    truth = malloc(size + 1);
    for (size_t i = 0; truth && i < size; i++)
        truth[i] = hostile_byte(i);
}

/* Choose a range: often small, often at the end, sometimes large. */
static void piece_draw(struct piece *piece, uint64_t size)
{
    uint64_t longest = random() % 4 ? 5000 : LONGEST;

    piece->length = (size_t)(1 + random_below(MIN_OF(longest, size)));
    piece->offset = random_below(size - piece->length + 1);
    if (random() % 8 == 0)
        piece->offset = size - piece->length;
    memset(piece->memory, 0xee, LONGEST + 2 * GUARD);
}

static void piece_check(const struct piece *piece)
{
    const unsigned char *data = piece->memory + GUARD;

    if (memcmp(data, truth + piece->offset, piece->length) != 0)
        CHECK_FAIL("%zu bytes at %" PRIu64 " differ", piece->length,
                   piece->offset);
    for (int i = 0; i < GUARD; i++)
        CHECK(piece->memory[i] == 0xee && data[piece->length + i] == 0xee);
}

/* Random reads over `conns`; every one is compared. */
static void reads(struct nbd_conn **conns, size_t count, unsigned in_flight,
                  int rounds)
{
    struct piece pieces[64] = {0};
    struct piece *idle[64];
    size_t idle_count = 0, pieces_count = MIN_OF(count * in_flight, 64);
    _cleanup_(pull_freep) struct pull *p = NULL;
    _cleanup_error_ struct error err = ERROR_INIT;
    int started = 0, finished = 0;

    CHECK_OK(pull_new(conns, count, in_flight, IO_MS, &p, &err), &err);
    REQUIRE(p);
    CHECK_EQ_U64(pull_room(p), count * in_flight);
    for (size_t i = 0; i < pieces_count; i++) {
        pieces[i].memory = malloc(LONGEST + 2 * GUARD);
        idle[idle_count++] = &pieces[i];
    }
    while (finished < rounds && !check_this_failed) {
        struct piece *piece = NULL;

        while (started < rounds && idle_count > 0 && pull_room(p) > 0) {
            piece = idle[--idle_count];
            piece_draw(piece, nbd_conn_size(conns[0]));
            CHECK_OK(pull_read(p, piece->offset, piece->length,
                               piece->memory + GUARD, piece, &err),
                     &err);
            started++;
        }
        CHECK_OK(pull_poll(p, -1, &err), &err);
        while ((piece = pull_done(p))) {
            piece_check(piece);
            idle[idle_count++] = piece;
            finished++;
        }
    }
    CHECK_EQ_U64(pull_busy(p), 0);
    CHECK_OK(pull_poll(p, -1, &err), &err); /* nothing to wait for */
    pull_free(take(p));
    for (size_t i = 0; i < pieces_count; i++)
        free(pieces[i].memory);
}

static void compare(const struct server *s, size_t count, unsigned in_flight,
                    int rounds)
{
    struct nbd_conn *conns[CONNS] = {0};

    for (size_t i = 0; i < count; i++) {
        conns[i] = connect_to(s, NULL);
        if (!conns[i])
            count = i;
    }
    if (count > 0)
        reads(conns, count, in_flight, rounds);
    for (size_t i = 0; i < CONNS; i++)
        nbd_conn_close(conns[i]);
}

#define POLICY "--filter=blocksize-policy file t "

static void test_random_reads(void)
{
    static const struct {
        const char *command;
        size_t size, conns;
        unsigned in_flight;
    } table[] = {
        {"nbdkit -f -U $S file t", 3000001, 1, 16},
        {"nbdkit -f -U $S --filter=delay file t rdelay=1ms", 3000001, 3, 7},
        {"nbdkit -f -U $S --no-sr file t", 3000001, 2, 4},
        {"nbdkit -f -U $S file t", 1, 1, 1},
        /* The server's limits, enforced. */
        {"nbdkit -f -U $S " POLICY "blocksize-minimum=512 "
         "blocksize-preferred=4096 "
         "blocksize-maximum=64K blocksize-error-policy=error",
         2000384, 2, 8},
        {"nbdkit -f -U $S " POLICY "blocksize-minimum=65536 "
         "blocksize-preferred=65536 "
         "blocksize-maximum=128K blocksize-error-policy=error",
         20 * 65536, 1, 16},
        /* A last block that is not whole, as nbdkit takes it. */
        {"nbdkit -f -U $S " POLICY "blocksize-minimum=4096 "
         "blocksize-preferred=4096 "
         "blocksize-maximum=1M",
         2000001, 1, 16},
        {"qemu-nbd -t -r -e 8 -f raw -k $S t", 2 * MIB + 512, 2, 16},
        {"qemu-nbd -t -r -e 8 -k $S --image-opts "
         "driver=blkdebug,align=4096,image.driver=file,image.filename=t",
         2 * MIB + 4096, 1, 16},
    };

    for (size_t i = 0; i < array_size(table); i++) {
        _cleanup_server_ struct server s = SERVER_INIT;

        printf("# %s\n", table[i].command);
        REQUIRE(truth_make("t", table[i].size));
        server_start(&s, "%s", table[i].command);
        compare(&s, table[i].conns, table[i].in_flight, 300);
    }
}

/* A qcow2 image of 64 KiB clusters with holes, over two connections. */
static void test_qcow2(void)
{
    _cleanup_server_ struct server s = SERVER_INIT;

    REQUIRE(truth_make("t", 3 * MIB + 512));
    memset(truth + MIB, 0, MIB);
    REQUIRE(shell("qemu-img convert -f raw -O qcow2 t t.qcow2 && "
                  "qemu-io -c 'write -z -u 1M 1M' t.qcow2"));
    qemu_nbd_start(&s, "-r -f qcow2 t.qcow2");
    compare(&s, 2, 16, 500);
}

/* Chunks in the wrong order, blocks of 4 KiB, an odd end that is granted. */
static void test_hostile_truth(void)
{
    _cleanup_server_ struct server s = SERVER_INIT, odd = SERVER_INIT;

    hostile_truth(MIB + 12345);
    hostile_start(&s, "size=%d", (int)MIB + 12345);
    compare(&s, 2, 16, 300);
    hostile_start(&odd, "size=%d min=4096 max=65536 read=odd",
                  (int)MIB + 12345);
    compare(&odd, 2, 16, 300);
}

/* One read of 4 KiB at 64 KiB, with reads around it as told. */
static int read_one(const struct server *s, int io_ms, int others,
                    struct error *err)
{
    static unsigned char memory[64][4096];
    _cleanup_(nbd_conn_closep) struct nbd_conn *conn = connect_to(s, NULL);
    _cleanup_(pull_freep) struct pull *p = NULL;

    if (!conn)
        return error_set(err, ERR_NBD, "not connected");
    memset(memory, 0xee, sizeof(memory));
    if (pull_new(&conn, 1, 64, io_ms, &p, err) < 0)
        return -1;
    for (int i = 0; i <= others; i++)
        if (pull_read(p, 65536 + (uint64_t)i * 4096, 4096, memory[i], memory[i],
                      err) < 0)
            return -1;
    while (pull_busy(p) > 0) {
        unsigned char *done = NULL;

        if (pull_poll(p, -1, err) < 0) {
            /* It stays failed, and hands nothing out. */
            CHECK(pull_poll(p, -1, NULL) < 0);
            CHECK(pull_read(p, 0, 1, memory[63], memory[63], NULL) < 0);
            return -1;
        }
        while ((done = pull_done(p)))
            for (size_t i = 0; i < 4096; i++) {
                size_t n = (size_t)(done - memory[0]) / 4096;

                if (done[i] != hostile_byte(65536 + n * 4096 + i))
                    return error_set(err, ERR_NBD, "wrong bytes");
            }
    }
    return 0;
}

/* covers: E1:FID */
static void test_tries(void)
{
    static const char *const scripts[] = {"read=errors:1", "read=errors:2",
                                          "read=nodf"};
    _cleanup_server_ struct server s = SERVER_INIT;
    _cleanup_error_ struct error err = ERROR_INIT;

    for (size_t i = 0; i < array_size(scripts); i++) {
        _cleanup_server_ struct server good = SERVER_INIT;

        hostile_start(&good, "%s", scripts[i]);
        CHECK_OK(read_one(&good, IO_MS, 0, &err), &err);
    }
    hostile_start(&s, "read=errors:3");
    CHECK_FAILS(read_one(&s, IO_MS, 0, &err), &err,
                "reading 4096 bytes at 65536");
    /* By now it is well, and three failures spread over many are bearable. */
    CHECK_OK(read_one(&s, IO_MS, 63, &err), &err);
}

/* covers: E1:FID E2:FID E3:FID */
static void test_hostile(void)
{
    static const struct {
        const char *script, *text;
        int io_ms, others;
    } table[] = {
        {"read=eio", "Input/output error, also when tried again", IO_MS, 0},
        {"read=eio", "Input/output error, also when tried again", IO_MS, 20},
        {"read=short", "reading 4096 bytes at", IO_MS, 0},
        {"read=none", "reading 4096 bytes at", IO_MS, 0},
        {"read=over", "reading 4096 bytes at", IO_MS, 5},
        {"read=cookie", "reading 4096 bytes at", IO_MS, 0},
        {"read=magic", "reading 4096 bytes at", IO_MS, 0},
        {"read=drop", "reading 4096 bytes at 65536", IO_MS, 0},
        {"read=drop:7", "reading 4096 bytes at", IO_MS, 20},
        {"read=hang", "no answer for", 200, 0},
        {"read=hang:7", "reading 4096 bytes at 94208", 200, 20},
        {"read=drip", "no answer for", 100, 3},
    };

    for (size_t i = 0; i < array_size(table); i++) {
        _cleanup_server_ struct server s = SERVER_INIT;
        _cleanup_error_ struct error err = ERROR_INIT;
        long long start = clock_ms();

        hostile_start(&s, "%s", table[i].script);
        if (read_one(&s, table[i].io_ms, table[i].others, &err) >= 0) {
            CHECK_FAIL("%s was believed", table[i].script);
            continue;
        }
        printf("# %s: %s\n", table[i].script, error_text(&err));
        CHECK_CONTAINS(error_text(&err), table[i].text);
        CHECK_EQ_INT(err.kind, table[i].io_ms < IO_MS ? ERR_TIMEOUT : ERR_NBD);
        CHECK(clock_ms() - start < IO_MS);
    }
}

/* Servers that die, freeze, or have a broken disk, for real. */
/* covers: E1:FID E2:FID E3:FID */
static void test_server_trouble(void)
{
    _cleanup_server_ struct server s = SERVER_INIT, bad = SERVER_INIT;
    _cleanup_(nbd_conn_closep) struct nbd_conn *conn = NULL;
    _cleanup_(pull_freep) struct pull *p = NULL;
    _cleanup_error_ struct error err = ERROR_INIT;
    char memory[512];

    nbdkit_start(&bad, "--filter=error pattern 1M error=EIO "
                       "error-pread-rate=100%%");
    CHECK_FAILS(read_one(&bad, IO_MS, 10, &err), &err, "Input/output error");

    nbdkit_start(&s, "--filter=delay pattern 1M rdelay=60");
    conn = connect_to(&s, NULL);
    REQUIRE(conn);
    CHECK_OK(pull_new(&conn, 1, 4, 300, &p, &err), &err);
    CHECK_OK(pull_read(p, 4096, 512, memory, memory, &err), &err);
    CHECK_FAILS(pull_poll(p, -1, &err), &err, "no answer for");
    pull_free(take(p));
    nbd_conn_close(take(conn));

    conn = connect_to(&s, NULL);
    REQUIRE(conn);
    CHECK_OK(pull_new(&conn, 1, 4, IO_MS, &p, &err), &err);
    CHECK_OK(pull_read(p, 4096, 512, memory, memory, &err), &err);
    kill(s.pid, SIGKILL);
    CHECK_FAILS(pull_poll(p, -1, &err), &err, "reading 512 bytes at 4096");
}

/* A wait that is over without an answer harms nothing. */
static void test_wait(void)
{
    _cleanup_server_ struct server s = SERVER_INIT;
    _cleanup_(nbd_conn_closep) struct nbd_conn *conn = NULL;
    _cleanup_(pull_freep) struct pull *p = NULL;
    _cleanup_error_ struct error err = ERROR_INIT;
    char memory[512];
    long long begun;

    nbdkit_start(&s, "--filter=delay pattern 1M rdelay=200ms");
    conn = connect_to(&s, NULL);
    REQUIRE(conn);
    CHECK_OK(pull_new(&conn, 1, 4, IO_MS, &p, &err), &err);
    CHECK_OK(pull_read(p, 4096, 512, memory, memory, &err), &err);
    begun = clock_ms();
    CHECK_EQ_INT(pull_poll_for(p, -1, 30, &err), 0);
    CHECK(clock_ms() - begun >= 29);
    CHECK(pull_done(p) == NULL);
    CHECK_EQ_U64(pull_busy(p), 1);
    CHECK_EQ_INT(pull_poll_for(p, -1, 0, &err), 0);
    CHECK(pull_done(p) == NULL);
    CHECK_EQ_INT(pull_poll_for(p, -1, IO_MS, &err), 0);
    CHECK(pull_done(p) == memory);
    CHECK_EQ_INT(pull_poll_for(p, -1, IO_MS, &err),
                 0); /* nothing to wait for */
}

/* The server has left before anything was asked. */
static void test_gone(void)
{
    _cleanup_server_ struct server s = SERVER_INIT;
    _cleanup_(nbd_conn_closep) struct nbd_conn *conn = NULL;
    _cleanup_(pull_freep) struct pull *p = NULL;
    _cleanup_error_ struct error err = ERROR_INIT;
    struct pollfd gone = {.events = POLLIN};
    char memory[512];

    hostile_start(&s, "greet=leave");
    conn = connect_to(&s, NULL);
    REQUIRE(conn);
    gone.fd = nbd_aio_get_fd(conn->handle);
    CHECK_EQ_INT(poll(&gone, 1, IO_MS), 1);
    CHECK_OK(pull_new(&conn, 1, 2, IO_MS, &p, &err), &err);
    CHECK_OK(pull_read(p, 4096, 512, memory, memory, &err), &err);
    CHECK_FAILS(pull_poll(p, -1, &err), &err, "reading 512 bytes at 4096 of");
    CHECK(pull_done(p) == NULL);
}

/* Reads in flight are forgotten, and their memory with them. */
static void test_free_in_flight(void)
{
    _cleanup_server_ struct server s = SERVER_INIT;
    _cleanup_(nbd_conn_closep) struct nbd_conn *conn = NULL;
    _cleanup_(pull_freep) struct pull *p = NULL;
    _cleanup_error_ struct error err = ERROR_INIT;

    nbdkit_start(&s, "--filter=delay pattern 10M rdelay=20ms");
    conn = connect_to(&s, NULL);
    REQUIRE(conn);
    for (int round = 0; round < 2; round++) {
        char *memory = malloc(8 * 65536);

        CHECK_OK(pull_new(&conn, 1, 8, IO_MS, &p, &err), &err);
        for (size_t i = 0; i < 8; i++)
            CHECK_OK(pull_read(p, i * 65536, 65536, memory + i * 65536, memory,
                               &err),
                     &err);
        if (round == 0) { /* all done: the connection lives on */
            while (pull_busy(p) > 0) {
                CHECK_OK(pull_poll(p, -1, &err), &err);
                while (pull_done(p))
                    ;
            }
        }
        pull_free(take(p));
        free(memory);
    }
    CHECK_FAILS(pull_new(&conn, 1, 8, IO_MS, &p, &err), &err, "closed");
}

static void test_extra_fd(void)
{
    _cleanup_server_ struct server s = SERVER_INIT;
    _cleanup_(nbd_conn_closep) struct nbd_conn *conn = NULL;
    _cleanup_(pull_freep) struct pull *p = NULL;
    _cleanup_close_ int fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    _cleanup_error_ struct error err = ERROR_INIT;
    unsigned char memory[4096];
    uint64_t one = 1;
    int rounds = 0;

    hostile_start(&s, "read=normal");
    conn = connect_to(&s, NULL);
    REQUIRE(conn && fd >= 0);
    CHECK_OK(pull_new(&conn, 1, 1, IO_MS, &p, &err), &err);
    CHECK_EQ_INT(pull_poll(p, -1, &err), 0);
    CHECK_OK(pull_read(p, 0, 4096, memory, memory, &err), &err);
    CHECK_EQ_INT(pull_poll(p, fd, &err), 0);
    CHECK(pull_done(p) == memory);
    CHECK(pull_done(p) == NULL);
    /* Readable all the time: still, the reads make headway. */
    CHECK(write(fd, &one, sizeof(one)) == sizeof(one));
    CHECK_EQ_INT(pull_poll(p, fd, &err), 1);
    CHECK_OK(pull_read(p, 8192, 4096, memory, memory, &err), &err);
    while (!pull_done(p) && rounds++ < 1000000)
        CHECK_OK(pull_poll(p, fd, &err), &err);
    CHECK_EQ_U64(memory[77], hostile_byte(8192 + 77));
}

static void test_refusals(void)
{
    _cleanup_server_ struct server s = SERVER_INIT, other = SERVER_INIT;
    struct nbd_conn *conns[2] = {0};
    _cleanup_(pull_freep) struct pull *p = NULL;
    _cleanup_error_ struct error err = ERROR_INIT;
    char memory[16];

    hostile_start(&s, "size=1000");
    hostile_start(&other, "size=2000");
    conns[0] = connect_to(&s, NULL);
    conns[1] = connect_to(&other, NULL);
    REQUIRE(conns[0] && conns[1]);
    CHECK_FAILS(pull_new(conns, 2, 4, IO_MS, &p, &err), &err,
                "exports of 1000 and 2000 bytes");
    CHECK_FAILS(pull_new(conns, 0, 4, IO_MS, &p, &err), &err, "no sense");
    CHECK_FAILS(pull_new(conns, 1, 0, IO_MS, &p, &err), &err, "no sense");
    CHECK_FAILS(pull_new(conns, 1, 257, IO_MS, &p, &err), &err, "no sense");
    CHECK_OK(pull_new(conns, 1, 1, IO_MS, &p, &err), &err);
    CHECK_FAILS(pull_read(p, 0, 0, memory, memory, &err), &err, "not inside");
    CHECK_FAILS(pull_read(p, 999, 2, memory, memory, &err), &err, "not inside");
    CHECK_FAILS(pull_read(p, UINT64_MAX - 1, 4, memory, memory, &err), &err,
                "not inside");
    CHECK_OK(pull_read(p, 999, 1, memory, memory, &err), &err);
    CHECK_FAILS(pull_read(p, 0, 1, memory, memory, &err), &err, "no room");
    CHECK_OK(pull_poll(p, -1, &err), &err);
    CHECK(pull_done(p) == memory);
    pull_free(take(p));
    nbd_conn_close(conns[0]);
    nbd_conn_close(conns[1]);
}

/* Last: a stop is for good. */
static void test_stop(void)
{
    _cleanup_server_ struct server s = SERVER_INIT;
    _cleanup_(nbd_conn_closep) struct nbd_conn *conn = NULL;
    _cleanup_(pull_freep) struct pull *p = NULL;
    _cleanup_error_ struct error err = ERROR_INIT;
    char memory[512];

    hostile_start(&s, "read=hang");
    conn = connect_to(&s, NULL);
    REQUIRE(conn);
    CHECK_OK(pull_new(&conn, 1, 1, 0, &p, &err), &err);
    CHECK_OK(pull_read(p, 0, 512, memory, memory, &err), &err);
    CHECK_OK(stop_init(&err), &err);
    if (fork() == 0) {
        kill(getppid(), SIGHUP);
        _exit(0);
    }
    CHECK_FAILS(pull_poll(p, -1, &err), &err, "SIGHUP");
    wait(NULL);
}

int main(void)
{
    /* Whoever started the tests may ignore it (nohup). */
    signal(SIGHUP, SIG_DFL);
    need("nbdkit qemu-nbd qemu-img qemu-io");
    work_dir_make();
    seed_random();
    RUN(test_random_reads);
    RUN(test_qcow2);
    RUN(test_hostile_truth);
    RUN(test_tries);
    RUN(test_hostile);
    RUN(test_server_trouble);
    RUN(test_wait);
    RUN(test_gone);
    RUN(test_free_in_flight);
    RUN(test_extra_fd);
    RUN(test_refusals);
    RUN(test_stop);
    free(truth);
    return check_result();
}
