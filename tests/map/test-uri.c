/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* test-uri.c - map/uri */
#include "uri.h"

#include "base/cleanup.h"
#include "check.h"

static void test_unix(void)
{
    _cleanup_free_ char *plain = uri_unix("vda", "/var/tmp/x/nbd0");
    _cleanup_free_ char *empty = uri_unix("", "/s");
    _cleanup_free_ char *odd = uri_unix("a/b ?#%&\xc3\xbc", "/s");

    CHECK_STR(plain, "nbd+unix:///vda?socket=/var/tmp/x/nbd0");
    CHECK_STR(empty, "nbd+unix:///?socket=/s");
    CHECK_STR(odd, "nbd+unix:///a%2Fb%20%3F%23%25%26%C3%BC?socket=/s");
}

static void test_tcp(void)
{
    _cleanup_free_ char *plain = uri_tcp("vda", "127.0.0.1", 10809, false);
    _cleanup_free_ char *tls = uri_tcp("a b", "host.example", 1, true);
    _cleanup_free_ char *six = uri_tcp("x", "2001:db8::1", 65535, false);

    CHECK_STR(plain, "nbd://127.0.0.1:10809/vda");
    CHECK_STR(tls, "nbds://host.example:1/a%20b");
    CHECK_STR(six, "nbd://[2001:db8::1]:65535/x");
}

int main(void)
{
    RUN(test_unix);
    RUN(test_tcp);
    return check_result();
}
