/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* test-login.c - tests of virt/session where libvirt wants a login (SASL)
 *
 * The lab's libvirtd is replaced by one that knows a single user, whose
 * password is in a database of Cyrus SASL; at the end the usual one comes back.
 */
#include "virt/session.h"

#include <libvirt/virterror.h>

#include "in-lab.h"

#define USER "backup@lab"
#define PASSWORD "correct-horse"

#define HINT                                                                   \
    "; it may want a login (--user with --password-file, or ?authfile= in "    \
    "the URI)"

/* After a refusal the mechanism forgets what it asked, and libvirt, which takes
 * its memory from GLib, what the authfile had answered.
 */
__attribute__((visibility("default"))) const char *
__lsan_default_suppressions(void);
const char *__lsan_default_suppressions(void)
{
    return "leak:libscram.so\nleak:g_malloc\n";
}

/* NULL, or why there can be no login here. */
static const char *cannot(void)
{
    if (sh("command -v saslpasswd2 >/dev/null") != 0)
        return "saslpasswd2 is not installed";
    /* Debian has given the tool a longer name. */
    if (sh("p=$(command -v saslpluginviewer || command -v pluginviewer) && "
           "$p -c -m SCRAM-SHA-256 2>&1 | grep -q 'SCRAM-SHA-256'") != 0)
        return "SASL's mechanism SCRAM-SHA-256 is not installed";
    return NULL;
}

static void daemon_end(void)
{
    pid_t pid = daemon_pid();

    REQUIRE(pid > 1 && kill(pid, SIGKILL) == 0);
    while (kill(pid, 0) == 0)
        usleep(1000);
}

static void daemon_begin(void)
{
    CHECK_EQ_INT(sh("SASL_CONF_PATH=$LAB_RUN/sasl libvirtd -d -t 120"), 0);
}

/* From here on libvirt wants a login. */
static void test_set_up(void)
{
    CHECK_EQ_INT(sh("mkdir $LAB_RUN/sasl && cd $LAB_RUN/sasl && "
                    "printf 'mech_list: scram-sha-256\\nsasldb_path: %%s\\n' "
                    "$PWD/db >libvirt.conf && printf " PASSWORD
                    " | saslpasswd2 -p -c -f db -a libvirt -u lab backup && "
                    "echo 'auth_unix_rw = \"sasl\"' "
                    ">$XDG_CONFIG_HOME/libvirt/libvirtd.conf"),
                 0);
    daemon_end();
    daemon_begin();
}

static void test_take_down(void)
{
    daemon_end();
    CHECK_EQ_INT(sh("rm $XDG_CONFIG_HOME/libvirt/libvirtd.conf && "
                    "rm -r $LAB_RUN/sasl && virsh -q list"),
                 0);
}

static int open_as(const char *uri, const char *user, const char *password,
                   struct session **ret, struct error *err)
{
    struct session_options options = {
        .uri = uri, .user = user, .password = password, .timeout_ms = 20000};

    return session_open_with(&options, ret, err);
}

/* Is it of use? */
static void check_session(struct session *s)
{
    _cleanup_error_ struct error err = ERROR_INIT;
    struct domain *d = NULL;

    REQUIRE(s);
    CHECK_FAILS(domain_open(s, "none", &d, &err), &err, "There is no domain");
}

static void test_right(void)
{
    _cleanup_(session_closep) struct session *s = NULL;
    _cleanup_error_ struct error err = ERROR_INIT;

    CHECK_OK(open_as(NULL, USER, PASSWORD, &s, &err), &err);
    check_session(s);
    /* A daemon that comes back wants the login again. */
    daemon_end();
    daemon_begin();
    check_session(s);
}

static void test_wrong(void)
{
    static const char *const cases[][3] = {
        {USER, "wrong-horse",
         " as user '" USER "': authentication failed: authentication failed"},
        {"other@lab", PASSWORD,
         " as user 'other@lab': authentication failed: authentication failed"},
        {NULL, NULL,
         ": authentication failed: Failed to collect auth credentials" HINT},
        /* A half is as good as nothing. */
        {USER, NULL, HINT},
        {NULL, PASSWORD, HINT},
    };

    char where[512];

    snprintf(where, sizeof(where), "Cannot connect to libvirt at '%s'",
             default_uri());
    for (size_t i = 0; i < array_size(cases); i++) {
        struct session *s = NULL;
        _cleanup_error_ struct error err = ERROR_INIT;

        CHECK(open_as(NULL, cases[i][0], cases[i][1], &s, &err) < 0);
        CHECK(s == NULL);
        CHECK_EQ_INT(err.kind, ERR_LIBVIRT);
        CHECK_EQ_INT(err.code, VIR_ERR_AUTH_FAILED);
        CHECK(strncmp(error_text(&err), where, strlen(where)) == 0);
        CHECK_CONTAINS(error_text(&err), cases[i][2]);
        CHECK(strstr(error_text(&err), "horse") == NULL);
    }
}

/* Write an authfile with these credentials, and the URI that names it. */
static const char *authfile(const char *credentials)
{
    static char uri[300];

    CHECK_EQ_INT(sh("printf '[credentials-a]\\n%s\\n"
                    "[auth-libvirt-default]\\ncredentials=a\\n' "
                    ">$LAB_RUN/sasl/auth",
                    credentials),
                 0);
    snprintf(uri, sizeof(uri), "qemu:///session?authfile=%s",
             in_run("sasl/auth"));
    return uri;
}

static void test_authfile(void)
{
    _cleanup_(session_closep) struct session *s = NULL;
    _cleanup_(session_closep) struct session *mixed = NULL;
    struct session *none = NULL;
    _cleanup_error_ struct error err = ERROR_INIT;
    const char *uri = authfile("authname=" USER "\\npassword=" PASSWORD);

    CHECK_OK(open_as(uri, NULL, NULL, &s, &err), &err);
    check_session(s);
    /* The file goes before the options; what it leaves open they answer. */
    CHECK_FAILS(open_as(authfile("authname=" USER "\\npassword=wrong-horse"),
                        USER, PASSWORD, &none, &err),
                &err, "authentication failed");
    CHECK_OK(
        open_as(authfile("authname=" USER), "other", PASSWORD, &mixed, &err),
        &err);
    check_session(mixed);
}

static void test_bad_authfile(void)
{
    struct session *s = NULL;
    _cleanup_error_ struct error err = ERROR_INIT;
    const char *uri = authfile("authname=" USER "\\npassword=wrong-horse");

    CHECK(open_as(uri, NULL, NULL, &s, &err) < 0);
    CHECK_CONTAINS(error_text(&err), "authentication failed");
    CHECK_CONTAINS(error_text(&err), uri);
    CHECK(strstr(error_text(&err), "horse") == NULL);
    error_clear(&err);
    CHECK_EQ_INT(sh("echo '[x' >$LAB_RUN/sasl/auth"), 0);
    CHECK_FAILS(open_as(uri, NULL, NULL, &s, &err), &err,
                "is the authfile there, readable and complete?");
    CHECK_FAILS(
        open_as("qemu:///session?authfile=/nowhere", USER, PASSWORD, &s, &err),
        &err, "is the authfile there, readable and complete?");
    CHECK(s == NULL);
}

int main(void)
{
    const char *why = cannot();

    if (why)
        check_skip_all(why);
    RUN(test_set_up);
    RUN(test_right);
    RUN(test_wrong);
    RUN(test_authfile);
    RUN(test_bad_authfile);
    RUN(test_take_down);
    return check_result();
}
