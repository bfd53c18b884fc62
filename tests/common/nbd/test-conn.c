/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* test-conn.c - connecting to real and to hostile servers */
#include "nbd/conn.h"

#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include "base/stop.h"
#include "servers.h"

static int try_open(const struct nbd_target *target, int timeout_ms,
                    struct error *err)
{
    _cleanup_(nbd_conn_closep) struct nbd_conn *conn = NULL;

    return nbd_conn_open(target, NULL, timeout_ms, &conn, err);
}

static void test_nonsense(void)
{
    struct nbd_target none = {.export_name = "x"};
    struct nbd_target both = {.socket_path = "/x", .host = "y", .port = 1};
    struct nbd_target port = {.host = "localhost", .port = 70000};
    char path[200];
    struct nbd_target too_long = {.socket_path = path};
    _cleanup_error_ struct error err = ERROR_INIT;

    memset(path, 'x', sizeof(path));
    path[sizeof(path) - 1] = '\0';
    CHECK_FAILS(try_open(&none, 1, &err), &err, "by a socket or by a host");
    CHECK_FAILS(try_open(&both, 1, &err), &err, "by a socket or by a host");
    CHECK_FAILS(try_open(&port, 1, &err), &err, "70000 is no TCP port");
    CHECK_FAILS(try_open(&too_long, 1, &err), &err, "longer than 107 bytes");
}

static void test_facts(void)
{
    static const char *const contexts[] = {"base:allocation",
                                           "qemu:dirty-bitmap:no", NULL};
    _cleanup_server_ struct server s = SERVER_INIT;
    _cleanup_(nbd_conn_closep) struct nbd_conn *conn = NULL;
    _cleanup_error_ struct error err = ERROR_INIT;
    struct nbd_target target = {0};

    nbdkit_start(&s, "--filter=blocksize-policy memory 1000448 "
                     "blocksize-minimum=512 blocksize-preferred=4096 "
                     "blocksize-maximum=1M");
    target.socket_path = s.socket;
    CHECK_OK(nbd_conn_open(&target, contexts, CONNECT_MS, &conn, &err), &err);
    REQUIRE(conn);
    CHECK_EQ_U64(nbd_conn_size(conn), 1000448);
    CHECK(nbd_conn_has_context(conn, "base:allocation"));
    CHECK(!nbd_conn_has_context(conn, "qemu:dirty-bitmap:no"));
    CHECK(!nbd_conn_has_context(conn, "never:asked"));
    CHECK(nbd_conn_can_multi(conn));
    CHECK(!nbd_conn_is_read_only(conn));
    CHECK_EQ_U64(nbd_conn_block_min(conn), 512);
    CHECK_EQ_U64(nbd_conn_request_max(conn), 1048576);
}

static void test_export_name(void)
{
    _cleanup_server_ struct server s = SERVER_INIT;
    _cleanup_(nbd_conn_closep) struct nbd_conn *conn = NULL;
    _cleanup_error_ struct error err = ERROR_INIT;
    struct nbd_target target = {.socket_path = s.socket};

    REQUIRE(shell("qemu-img create -q -f qcow2 e.qcow2 12345344"));
    qemu_nbd_start(&s, "-x vda -r -f qcow2 e.qcow2");
    CHECK_FAILS(try_open(&target, CONNECT_MS, &err), &err, s.socket);
    target.export_name = "vdb";
    CHECK_FAILS(try_open(&target, CONNECT_MS, &err), &err, "vdb");
    target.export_name = "vda";
    CHECK_OK(nbd_conn_open(&target, NULL, CONNECT_MS, &conn, &err), &err);
    REQUIRE(conn);
    CHECK_EQ_U64(nbd_conn_size(conn), 12345344);
    CHECK(nbd_conn_is_read_only(conn));
    CHECK_EQ_U64(nbd_conn_block_min(conn), 1);
    CHECK_EQ_U64(nbd_conn_request_max(conn), 32 * MIB);
}

static void test_nobody(void)
{
    _cleanup_error_ struct error err = ERROR_INIT;
    struct nbd_target target = {.socket_path = "/nowhere/at/all"};
    long long start = clock_ms();

    CHECK_FAILS(try_open(&target, 200, &err), &err, "no such socket");
    CHECK(clock_ms() - start >= 200);
    /* What is there but is no socket will not become one. */
    target.socket_path = "/";
    CHECK_FAILS(try_open(&target, CONNECT_MS, &err), &err, "'/' is no socket");
    CHECK(clock_ms() - start < CONNECT_MS);
}

/* A port that was free a moment ago. */
static int free_port(void)
{
    struct sockaddr_in address = {.sin_family = AF_INET};
    socklen_t len = sizeof(address);
    _cleanup_close_ int fd = socket(AF_INET, SOCK_STREAM, 0);

    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (bind(fd, (struct sockaddr *)&address, len) < 0 ||
        getsockname(fd, (struct sockaddr *)&address, &len) < 0)
        return -1;
    return ntohs(address.sin_port);
}

/* covers: E13:FIDR */
static void test_tcp(void)
{
    _cleanup_server_ struct server s = SERVER_INIT;
    _cleanup_(nbd_conn_closep) struct nbd_conn *conn = NULL;
    _cleanup_error_ struct error err = ERROR_INIT;
    struct nbd_target target = {.host = "127.0.0.1", .port = free_port()};

    CHECK_FAILS(try_open(&target, 50, &err), &err, "nobody listened");
    CHECK_EQ_INT(err.kind, ERR_NONE);
    server_start(&s, "nbdkit -f -i 127.0.0.1 -p %d memory 4096", target.port);
    CHECK_OK(nbd_conn_open(&target, NULL, CONNECT_MS, &conn, &err), &err);
    CHECK(conn && nbd_conn_size(conn) == 4096);
    /* Never in plain text when TLS is asked for. */
    target.tls = NBD_TLS_REQUIRE;
    CHECK_FAILS(try_open(&target, CONNECT_MS, &err), &err, "TLS");
}

/* A CA `name`, and a server's certificate by it for "localhost". */
static bool make_certificates(const char *name)
{
    return shell(
        "mkdir -p %s && cd %s && "
        "openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=%s "
        "-keyout ca-key.pem -out ca-cert.pem && "
        "openssl req -newkey rsa:2048 -nodes -subj /CN=localhost "
        "-keyout server-key.pem -out server.csr && "
        "echo subjectAltName=DNS:localhost >san && "
        "openssl x509 -req -in server.csr -days 2 -CA ca-cert.pem "
        "-CAkey ca-key.pem -CAcreateserial -extfile san "
        "-out server-cert.pem",
        name, name, name);
}

/* covers: E13:FIDR */
static void test_tls(void)
{
    _cleanup_server_ struct server s = SERVER_INIT;
    _cleanup_error_ struct error err = ERROR_INIT;
    struct nbd_target target = {
        .host = "localhost", .port = free_port(), .tls = NBD_TLS_REQUIRE};
    char good[100], other[100];

    REQUIRE(make_certificates("good") && make_certificates("other"));
    snprintf(good, sizeof(good), "%s/good", work_dir);
    snprintf(other, sizeof(other), "%s/other", work_dir);
    server_start(&s,
                 "nbdkit -f -i localhost -p %d --tls=require "
                 "--tls-certificates=good memory 4096",
                 target.port);
    target.tls_dir = good;
    CHECK_OK(try_open(&target, CONNECT_MS, &err), &err);
    target.tls_dir = other; /* signed by somebody else */
    CHECK_FAILS(try_open(&target, CONNECT_MS, &err), &err, "certificate");
    target.tls_dir = good;
    target.host = "127.0.0.1"; /* not what the certificate says */
    CHECK_FAILS(try_open(&target, CONNECT_MS, &err), &err, "certificate");
    target.host = "localhost";
    target.tls = NBD_TLS_OFF;
    CHECK_FAILS(try_open(&target, CONNECT_MS, &err), &err, "TLS");
    target.tls = NBD_TLS_REQUIRE;
    nbd_tls_stop(); /* the last test: for good */
    CHECK_FAILS(try_open(&target, CONNECT_MS, &err), &err, "is ending");
}

/* covers: E12:FIDR */
static void test_peer(void)
{
    _cleanup_server_ struct server s = SERVER_INIT;
    _cleanup_error_ struct error err = ERROR_INIT;
    struct nbd_target target = {
        .socket_path = s.socket, .check_peer = true, .peer_uid = 12345};

    nbdkit_start(&s, "memory 4096");
    CHECK_OK(try_open(&target, CONNECT_MS, &err), &err);
    if (geteuid() != 0)
        return; /* only root can play somebody else */
    server_stop(&s);
    if (chmod(work_dir, 0777) < 0)
        CHECK_FAIL("chmod");
    server_start(&s, "setpriv --reuid 4711 --clear-groups "
                     "nbdkit -f -U $S memory 4096");
    CHECK_FAILS(try_open(&target, CONNECT_MS, &err), &err,
                "belongs to user 4711, not to 12345");
    target.peer_uid = 4711;
    CHECK_OK(try_open(&target, CONNECT_MS, &err), &err);
}

static void hostile_fails(const char *script, int timeout_ms, const char *text)
{
    _cleanup_server_ struct server s = SERVER_INIT;
    _cleanup_error_ struct error err = ERROR_INIT;
    struct nbd_target target = {.socket_path = s.socket};

    hostile_start(&s, "%s", script);
    printf("# %s\n", script);
    CHECK_FAILS(try_open(&target, timeout_ms, &err), &err, text);
}

/* covers: E3:FIDR E4:FIDR */
static void test_hostile(void)
{
    hostile_fails("greet=drop", CONNECT_MS, "connecting to");
    hostile_fails("greet=garbage", CONNECT_MS, "magic");
    hostile_fails("greet=hang", 500, "does not answer");
    hostile_fails("size=0x7fffffffffffffff", CONNECT_MS, "too large");
    hostile_fails("size=0xffffffffffffffff", CONNECT_MS, "size");
}

/* Whatever blocks a server names, ours are usable. */
/* covers: E4:FIDR */
static void test_hostile_limits(void)
{
    static const char *const scripts[] = {
        "min=512 max=65536", "min=3 max=7",
        "min=512 max=1",     "min=1 max=0xffffffff",
        "min=131072",        "min=4096 max=10000",
        "min=0x80000000",    "min=65536 max=1",
        "min=1 max=1",       "max=3",
    };

    for (size_t i = 0; i < array_size(scripts); i++) {
        _cleanup_server_ struct server s = SERVER_INIT;
        _cleanup_(nbd_conn_closep) struct nbd_conn *conn = NULL;
        _cleanup_error_ struct error err = ERROR_INIT;
        struct nbd_target target = {.socket_path = s.socket};
        uint32_t min = 0, max = 0;

        hostile_start(&s, "%s", scripts[i]);
        if (nbd_conn_open(&target, NULL, CONNECT_MS, &conn, &err) < 0) {
            printf("# %s: %s\n", scripts[i], error_text(&err));
            CHECK_EQ_INT(err.kind, ERR_NBD);
            continue;
        }
        min = nbd_conn_block_min(conn);
        max = nbd_conn_request_max(conn);
        printf("# %s: %u to %u\n", scripts[i], min, max);
        CHECK(min > 0 && min <= 65536 && (min & (min - 1)) == 0);
        CHECK(max >= min && max % min == 0 && max <= 32 * MIB);
    }
}

/* Last: a stop is for good. */
static void test_stop(void)
{
    _cleanup_server_ struct server s = SERVER_INIT;
    _cleanup_error_ struct error err = ERROR_INIT;
    struct nbd_target target = {.socket_path = s.socket};
    long long start = clock_ms();

    hostile_start(&s, "greet=hang");
    CHECK_OK(stop_init(&err), &err);
    if (fork() == 0) {
        kill(getppid(), SIGTERM);
        _exit(0);
    }
    CHECK_FAILS(try_open(&target, CONNECT_MS, &err), &err, "SIGTERM");
    target.socket_path = "/nowhere/at/all";
    CHECK_FAILS(try_open(&target, CONNECT_MS, &err), &err, "SIGTERM");
    CHECK(clock_ms() - start < CONNECT_MS);
    wait(NULL);
}

int main(void)
{
    need("nbdkit qemu-nbd qemu-img setpriv openssl");
    work_dir_make();
    RUN(test_nonsense);
    RUN(test_facts);
    RUN(test_export_name);
    RUN(test_nobody);
    RUN(test_tcp);
    RUN(test_tls);
    RUN(test_peer);
    RUN(test_hostile);
    RUN(test_hostile_limits);
    RUN(test_stop);
    return check_result();
}
