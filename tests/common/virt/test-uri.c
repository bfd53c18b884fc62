/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* test-uri.c - virt/uri */
#include "virt/uri.h"

#include "base/cleanup.h"
#include "check.h"

static void check(const char *text, const char *transport, const char *user,
                  const char *host, int port)
{
    _cleanup_(virt_uri_done) struct virt_uri u = {0};
    _cleanup_error_ struct error err = ERROR_INIT;

    CHECK_OK(virt_uri_parse(text, &u, &err), &err);
    CHECK_STR(u.transport, transport);
    CHECK_STR(u.user, user);
    CHECK_STR(u.host, host);
    CHECK_EQ_INT(u.port, port);
}

static void test_parts(void)
{
    check("qemu:///system", "", "", "", 0);
    check("qemu+unix:///session?socket=/a/b", "unix", "", "", 0);
    check("qemu+ssh://root@a.example:2222/system?keyfile=/k", "ssh", "root",
          "a.example", 2222);
    check("qemu+tls://[::1]/system", "tls", "", "::1", 0);
    check("qemu+tcp://[fe80::1]:16509/session", "tcp", "", "fe80::1", 16509);
    check("qemu://10.0.0.1/system", "tls", "", "10.0.0.1", 0);
}

static void test_wrong(void)
{
    static const char *const wrong[] = {"", "host", "/a/b", "qemu+tls://[::1",
                                        "qemu:// /system"};

    for (size_t i = 0; i < array_size(wrong); i++) {
        struct virt_uri u = {0};
        _cleanup_error_ struct error err = ERROR_INIT;

        CHECK_FAILS(virt_uri_parse(wrong[i], &u, &err), &err, "is no URI");
    }
}

int main(void)
{
    RUN(test_parts);
    RUN(test_wrong);
    return check_result();
}
