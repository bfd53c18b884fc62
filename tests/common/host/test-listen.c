/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* test-listen.c - host/listen: addresses, sockets, and greeting who is there */
#include "host/listen.h"

#include <pthread.h>
#include <sys/un.h>

#include "base/cleanup.h"
#include "base/file.h"
#include "check.h"
#include "scratch.h"

static void test_local(void)
{
    static const struct {
        const char *host;
        bool local;
    } all[] = {
        {"127.0.0.1", true},    {"127.9.9.9", true},
        {"localhost", true},    {"::1", true},
        {"0.0.0.0", false},     {"::", false},
        {"192.0.2.1", false},   {"128.0.0.1", false},
        {"2001:db8::1", false}, {"::ffff:192.0.2.1", false},
    };

    for (size_t i = 0; i < array_size(all); i++) {
        _cleanup_error_ struct error err = ERROR_INIT;
        struct listen_address address;

        CHECK_OK(listen_tcp(all[i].host, 4711, &address, &err), &err);
        CHECK_EQ_INT(listen_is_local(&address), all[i].local);
        CHECK_EQ_U64(listen_port(&address), 4711);
    }
}

static void test_bad_names(void)
{
    _cleanup_error_ struct error err = ERROR_INIT;
    struct listen_address address;
    char name[200] = "/";

    CHECK_FAILS(listen_tcp("no.such.host.invalid", 1, &address, &err), &err,
                "no.such.host.invalid");
    memset(name + 1, 'x', 107);
    CHECK_FAILS(listen_unix(name, &address, &err), &err, "too long");
    name[107] = '\0';
    CHECK_OK(listen_unix(name, &address, &err), &err);
    CHECK(listen_is_local(&address));
    CHECK_EQ_U64(listen_port(&address), 0);
}

static void test_unix(void)
{
    _cleanup_error_ struct error err = ERROR_INIT;
    _cleanup_close_ int fd = -1;
    _cleanup_close_ int second = -1;
    const char *path = scratch_path("socket");
    struct listen_address address;
    struct stat st = {0};

    umask(0);
    CHECK_OK(listen_unix(path, &address, &err), &err);
    CHECK_OK(listen_on(&address, &fd, &err), &err);
    CHECK(stat(path, &st) == 0 && S_ISSOCK(st.st_mode) &&
          (st.st_mode & 0777) == 0600);
    CHECK_EQ_INT(listen_on(&address, &second, &err), -1);
    CHECK_CONTAINS(error_text(&err), "already there");
    CHECK_EQ_INT(err.kind, ERR_EXISTS);
    CHECK(is_there(path));
}

static void test_tcp(void)
{
    _cleanup_error_ struct error err = ERROR_INIT;
    _cleanup_close_ int fd = -1;
    _cleanup_close_ int second = -1;
    struct listen_address address;

    CHECK_OK(listen_tcp("127.0.0.1", 0, &address, &err), &err);
    CHECK_OK(listen_on(&address, &fd, &err), &err);
    CHECK(listen_port(&address) != 0);
    CHECK_EQ_INT(listen_on(&address, &second, &err), -1);
    CHECK_CONTAINS(error_text(&err), "in use");
    CHECK_EQ_INT(err.kind, ERR_BUSY);
}

/* A server that says `text` and hangs up. */
struct server {
    int fd;
    const char *text;
    size_t length;
};

static void *serve(void *opaque)
{
    struct server *s = opaque;
    int client = accept(s->fd, NULL, NULL);

    if (file_write_full(client, s->text, s->length) < 0)
        perror("write");
    shutdown(client, SHUT_WR);
    while (recv(client, (char[64]){0}, 64, 0) > 0)
        continue;
    close(client);
    return NULL;
}

static int greet(const char *text, size_t length, struct error *err)
{
    const char *path = scratch_path("greeted");
    struct server s = {-1, text, length};
    struct listen_address address;
    pthread_t thread;
    int r;

    unlink(path);
    if (listen_unix(path, &address, err) < 0 ||
        listen_on(&address, &s.fd, err) < 0)
        return -1;
    pthread_create(&thread, NULL, serve, &s);
    r = listen_greet(&address, "server", 5000, err);
    pthread_join(thread, NULL);
    close(s.fd);
    return r;
}

static void test_greet(void)
{
    _cleanup_error_ struct error err = ERROR_INIT;
    struct listen_address address;

    CHECK_EQ_INT(greet("NBDMAGICIHAVEOPT\0\3", 18, &err), 1);
    CHECK_EQ_INT(greet("NBDMAGIC", 8, &err), 0);
    CHECK_EQ_INT(greet("", 0, &err), 0);
    CHECK_FAILS(greet("HTTP/1.1 400 Bad Request", 24, &err), &err,
                "does not speak NBD");
    /* The name is there, and nobody behind it. */
    CHECK_OK(listen_unix(scratch_path("greeted"), &address, &err), &err);
    CHECK_EQ_INT(listen_greet(&address, "server", 5000, &err), 0);
    CHECK_OK(listen_unix(scratch_path("nothing"), &address, &err), &err);
    CHECK_FAILS(listen_greet(&address, "server", 5000, &err), &err, "connect");
}

static void test_greet_silence(void)
{
    _cleanup_error_ struct error err = ERROR_INIT;
    _cleanup_close_ int fd = -1;
    struct listen_address address;

    CHECK_OK(listen_unix(scratch_path("silent"), &address, &err), &err);
    CHECK_OK(listen_on(&address, &fd, &err), &err);
    CHECK_EQ_INT(listen_greet(&address, "server", 50, &err), -1);
    CHECK_CONTAINS(error_text(&err), "does not answer");
    CHECK_EQ_INT(err.kind, ERR_TIMEOUT);
}

int main(void)
{
    scratch_begin();
    RUN(test_local);
    RUN(test_bad_names);
    RUN(test_unix);
    RUN(test_tcp);
    RUN(test_greet);
    RUN(test_greet_silence);
    return check_result();
}
