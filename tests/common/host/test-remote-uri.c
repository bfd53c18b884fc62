/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* test-remote-uri.c - which URIs lead where, and which are refused */
#include "host/remote_uri.h"

#include <string.h>

#include "check.h"

struct example {
    const char *uri;
    const char *host, *user, *port, *key_file, *libvirt_uri;
    bool no_verify;
};

static const char *shown(const char *text)
{
    return text ? text : "(none)";
}

static void test_parts(void)
{
    static const struct example all[] = {
        {"qemu+ssh://hv1/system", "hv1", NULL, NULL, NULL, "qemu:///system",
         false},
        {"qemu+ssh://root@10.0.0.7:2222/system", "10.0.0.7", "root", "2222",
         NULL, "qemu:///system", false},
        {"qemu+ssh://a%40b@[fe80::1%25eth0]:22/session", "fe80::1%eth0", "a@b",
         "22", NULL, "qemu:///session", false},
        {"qemu+ssh://[::1]/system?no_verify=1&keyfile=/k%20y&x=1", "::1", NULL,
         NULL, "/k y", "qemu:///system", true},
        {"qemu+libssh2://h/system?socket=/run/x&no_verify=0", "h", NULL, NULL,
         NULL, "qemu:///system?socket=/run/x", false},
        {"qemu+ssh://u@h", "h", "u", NULL, NULL, "qemu://", false},
    };

    for (size_t i = 0; i < array_size(all); i++) {
        _cleanup_error_ struct error err = ERROR_INIT;
        _cleanup_remote_uri_ struct remote_uri u = {0};

        CHECK(remote_uri_is_ssh(all[i].uri));
        CHECK_OK(remote_uri_parse(all[i].uri, &u, &err), &err);
        CHECK_STR(shown(u.host), all[i].host);
        CHECK_STR(shown(u.user), shown(all[i].user));
        CHECK_STR(shown(u.port), shown(all[i].port));
        CHECK_STR(shown(u.key_file), shown(all[i].key_file));
        CHECK_STR(shown(u.libvirt_uri), all[i].libvirt_uri);
        CHECK_EQ_INT(u.no_verify, all[i].no_verify);
    }
}

static void test_refused(void)
{
    static const char *const all[][2] = {
        {"qemu:///system", "does not go by way of ssh"},
        {"qemu+tls://h/system", "does not go by way of ssh"},
        {"qemu+ssh:///system", "names no host"},
        {"qemu+ssh://-oProxyCommand=x/system", "begin with '-'"},
        {"qemu+ssh://-lx@h/system", "begin with '-'"},
        {"qemu+ssh://%2Dx/system", "begin with '-'"},
        {"qemu+ssh://h:0/system", "is no port"},
        {"qemu+ssh://h:ssh/system", "is no port"},
        {"qemu+ssh://[::1/system", "bracket"},
        {"qemu+ssh://[::1]x/system", "is no port"},
        {"qemu+ssh://a%00b/system", "NUL"},
    };

    for (size_t i = 0; i < array_size(all); i++) {
        _cleanup_error_ struct error err = ERROR_INIT;
        _cleanup_remote_uri_ struct remote_uri u = {0};

        CHECK_FAILS(remote_uri_parse(all[i][0], &u, &err), &err, all[i][1]);
    }
    CHECK(!remote_uri_is_ssh(NULL));
    CHECK(!remote_uri_is_ssh("+ssh://h/"));
}

int main(void)
{
    RUN(test_parts);
    RUN(test_refused);
    return check_result();
}
