/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* test-agent.c - tests of virt/agent: QEMU's agent in a real guest
 *
 * At the begin of each test the guest "agent" runs, its hook behaves, nothing
 * is frozen.  Whether something is frozen says the guest's kernel (`frozen`).
 */
#include "virt/agent.h"

#include "base/stop.h"
#include "in-lab.h"

#define T 20000 /* ms; far more than anything takes that is to succeed */

static struct session *session;
static struct domain *agent;

/* A shell script, without single quotes, inside the guest; what it prints. */
#define GUEST(script) sh_out("guest-run agent '%s'", script)

static void hook(const char *when, const char *mode)
{
    CHECK_EQ_INT(sh("guest-run agent 'echo %s >/run/hook.%s'", mode, when), 0);
}

/* The hook behaves again, and what it did in this test was `want`. */
static void check_hooked(const char *want)
{
    CHECK_STR(GUEST("rm -f /run/hook.freeze /run/hook.thaw;"
                    "xargs </run/hook.log; rm -f /run/hook.log"),
              want);
}

/* Who is on the agent's channel, see tests/lib/guest/agent. */
static void guest_agent(const char *who)
{
    CHECK_EQ_INT(sh("guest-run agent 'agent %s'", who), 0);
    CHECK_EQ_INT(sh("for i in $(seq 500); do virsh -q qemu-agent-command "
                    "--timeout 2 agent '{\"execute\":\"guest-ping\"}' "
                    ">/dev/null 2>&1 && exit; sleep 0.02; done; exit 1"),
                 0);
}

/* An agent that answers as the rules say. */
static void fake_agent(const char *rules)
{
    setenv("RULES", rules, 1);
    CHECK_EQ_INT(sh("guest-run agent \"cat >/run/rules <<'E'\n$RULES\nE\n\""),
                 0);
    guest_agent("fake");
}

static void check_kernel(const char *vda, const char *vdb)
{
    CHECK_STR(GUEST("probe /mnt/vda"), vda);
    CHECK_STR(GUEST("probe /mnt/vdb"), vdb);
}

#define FROZEN "frozen\n"
#define RUNNING "running\n"

/* Thaw until it works: 1 if there was something to thaw. */
static int thaw_at_last(void)
{
    double end = seconds() + 30;
    int result = -1;

    while (result < 0 && seconds() < end) {
        _cleanup_error_ struct error err = ERROR_INIT;

        result = agent_thaw(agent, 1000, &err);
    }
    return result;
}

/* ---- freeze and thaw ---- */

static void test_freeze(void)
{
    _cleanup_error_ struct error err = ERROR_INIT;
    unsigned count = 0;
    double start = seconds();

    CHECK_EQ_INT(agent_is_frozen(agent, T, &err), 0);
    CHECK_EQ_INT(agent_thaw(agent, T, &err), 0);
    CHECK_OK(agent_freeze(agent, NULL, T, &count, &err), &err);
    CHECK_EQ_INT(count, 2);
    CHECK_EQ_INT(agent_is_frozen(agent, T, &err), 1);
    printf("# until frozen: %.0f ms\n", (seconds() - start) * 1000);
    check_kernel(FROZEN, FROZEN);
    CHECK_STR(GUEST("cat /mnt/vda/state"), "frozen 1\n");
    /* An agent that has frozen takes no other orders. */
    CHECK_FAILS(agent_freeze(agent, NULL, T, &count, &err), &err,
                "Cannot freeze the file systems of domain 'agent': ");
    CHECK_EQ_INT(agent_thaw(agent, T, &err), 1);
    CHECK_EQ_INT(agent_is_frozen(agent, T, &err), 0);
    CHECK_EQ_INT(agent_thaw(agent, T, &err), 0);
    check_kernel(RUNNING, RUNNING);
    check_hooked("thaw freeze thaw thaw\n");
}

static void test_mountpoints(void)
{
    const char *const second[] = {"/mnt/vdb", NULL};
    const char *const none[] = {NULL};
    const char *const nowhere[] = {"/nowhere", NULL};
    _cleanup_error_ struct error err = ERROR_INIT;
    unsigned count = 0;

    CHECK_OK(agent_freeze(agent, second, T, &count, &err), &err);
    CHECK_EQ_INT(count, 1);
    check_kernel(RUNNING, FROZEN);
    CHECK_EQ_INT(agent_thaw(agent, T, &err), 1);
    check_kernel(RUNNING, RUNNING);

    CHECK_OK(agent_freeze(agent, none, T, &count, &err), &err);
    CHECK_EQ_INT(count, 2);
    CHECK_EQ_INT(agent_thaw(agent, T, &err), 1);

    CHECK_OK(agent_freeze(agent, nowhere, T, &count, &err), &err);
    CHECK_EQ_INT(count, 0);
    CHECK_EQ_INT(agent_thaw(agent, T, &err), 0);
    check_hooked("freeze thaw freeze thaw freeze thaw\n");
}

/* covers: C12:FID */
static void test_hanging_freeze(void)
{
    _cleanup_error_ struct error err = ERROR_INIT;
    unsigned count = 77;
    double start = seconds();

    hook("freeze", "hang");
    CHECK(agent_freeze(agent, NULL, 1000, &count, &err) < 0);
    CHECK_EQ_INT(err.kind, ERR_TIMEOUT);
    CHECK_STR(error_text(&err), "Cannot freeze the file systems of domain "
                                "'agent': the guest agent did not answer "
                                "within 1 s");
    error_clear(&err);
    CHECK_EQ_INT(count, 77);
    start = seconds();
    CHECK(agent_thaw(agent, 1000, &err) < 0);
    CHECK_EQ_INT(err.kind, ERR_TIMEOUT);
    error_clear(&err);
    CHECK(seconds() - start < 3);
    /* It freezes after all, and can be thawed then. */
    hook("freeze", "well");
    CHECK_EQ_INT(thaw_at_last(), 1);
    CHECK_EQ_INT(agent_is_frozen(agent, T, &err), 0);
    check_kernel(RUNNING, RUNNING);
    check_hooked("freeze thaw\n");
}

/* covers: C13:FID */
static void test_failing_freeze(void)
{
    _cleanup_error_ struct error err = ERROR_INIT;
    unsigned count = 0;

    hook("freeze", "fail");
    CHECK(agent_freeze(agent, NULL, T, &count, &err) < 0);
    CHECK_EQ_INT(err.kind, ERR_LIBVIRT);
    CHECK_CONTAINS(error_text(&err), "hook has failed with status 1");
    error_clear(&err);
    check_kernel(RUNNING, RUNNING);
    CHECK_EQ_INT(agent_thaw(agent, T, &err), 0);

    /* The agent does not know that a part is frozen. */
    hook("freeze", "half");
    CHECK(agent_freeze(agent, NULL, T, &count, &err) < 0);
    CHECK_EQ_INT(err.kind, ERR_LIBVIRT);
    error_clear(&err);
    CHECK_EQ_INT(agent_is_frozen(agent, T, &err), 0);
    check_kernel(FROZEN, RUNNING);
    CHECK_EQ_INT(agent_thaw(agent, T, &err), 1);
    check_kernel(RUNNING, RUNNING);
    check_hooked("freeze thaw freeze thaw\n");
}

/* covers: C14:FID */
static void test_hanging_thaw(void)
{
    _cleanup_error_ struct error err = ERROR_INIT;
    unsigned count = 0;

    CHECK_OK(agent_freeze(agent, NULL, T, &count, &err), &err);
    hook("thaw", "hang");
    CHECK(agent_thaw(agent, 1000, &err) < 0);
    CHECK_EQ_INT(err.kind, ERR_TIMEOUT);
    CHECK_CONTAINS(error_text(&err), "Cannot thaw");
    error_clear(&err);
    check_kernel(RUNNING, RUNNING);
    hook("thaw", "well");
    CHECK_EQ_INT(thaw_at_last(), 0);
    check_hooked("freeze thaw thaw\n");
}

/* The agent is there, but stopped.  What it was asked it does later. */
static void test_deaf_agent(void)
{
    _cleanup_error_ struct error err = ERROR_INIT;
    _cleanup_free_ char *text = NULL;
    unsigned count = 0;
    double start = seconds();

    GUEST("kill -STOP $(cat /run/agent.pid)");
    CHECK(agent_freeze(agent, NULL, 1000, &count, &err) < 0);
    CHECK_EQ_INT(err.kind, ERR_TIMEOUT);
    error_clear(&err);
    CHECK_EQ_INT(agent_guest_info(agent, 1000, &text, &err), 0);
    CHECK(!text);
    CHECK(agent_is_frozen(agent, 1000, &err) < 0);
    CHECK_EQ_INT(err.kind, ERR_TIMEOUT);
    error_clear(&err);
    CHECK(seconds() - start < 12);
    GUEST("kill -CONT $(cat /run/agent.pid)");
    CHECK_EQ_INT(thaw_at_last(), 1);
    check_kernel(RUNNING, RUNNING);
    check_hooked("freeze thaw\n");
}

/* What all functions say where nobody can answer: `why`, at once. */
static void check_absent(const char *name, const char *why)
{
    _cleanup_(domain_closep) struct domain *d = NULL;
    _cleanup_error_ struct error err = ERROR_INIT;
    _cleanup_free_ char *text = NULL;
    const char *const argv[] = {"true", NULL};
    double start = seconds();
    unsigned count = 0;

    CHECK_OK(domain_open(session, name, &d, &err), &err);
    REQUIRE(d);
    CHECK(agent_freeze(d, NULL, T, &count, &err) < 0);
    CHECK_EQ_INT(err.kind, ERR_LIBVIRT);
    CHECK_CONTAINS(error_text(&err), why);
    CHECK_FAILS(agent_thaw(d, T, &err), &err, why);
    CHECK_FAILS(agent_is_frozen(d, T, &err), &err, why);
    CHECK_FAILS(agent_exec(d, argv, T, &text, &err), &err, why);
    CHECK_EQ_INT(agent_guest_info(d, T, &text, &err), 0);
    CHECK_EQ_INT(agent_os_id(d, T, &text, &err), 0);
    CHECK(!text);
    CHECK(seconds() - start < 5);
}

static void test_absent(void)
{
    check_absent("vm", "guest agent is not configured");
    check_absent("nobody", "guest agent is not connected");
    check_absent("off", "domain is not running");
}

/* libvirt itself hangs: the freeze that was given up is thawed when it comes
 * true.
 */
static void test_deadline(void)
{
    _cleanup_error_ struct error err = ERROR_INIT;
    unsigned count = 0;
    pid_t pid = daemon_freeze();
    double start = seconds();

    CHECK(agent_freeze(agent, NULL, 500, &count, &err) < 0);
    CHECK_EQ_INT(err.kind, ERR_TIMEOUT);
    CHECK_CONTAINS(error_text(&err), "libvirt did not answer within 3.0 s");
    error_clear(&err);
    CHECK(seconds() - start < 5);
    kill(pid, SIGCONT);
    while (strcmp(GUEST("xargs </run/hook.log"), "freeze thaw\n") != 0 &&
           seconds() - start < 60)
        usleep(20000);
    check_kernel(RUNNING, RUNNING);
    check_hooked("freeze thaw\n");
}

/* ---- programs ---- */

/* Run a shell script through the agent. */
static int exec_sh(const char *script, int timeout_ms, char **ret,
                   struct error *err)
{
    const char *const argv[] = {"sh", "-c", script, NULL};

    return agent_exec(agent, argv, timeout_ms, ret, err);
}

static void test_exec(void)
{
    _cleanup_error_ struct error err = ERROR_INIT;
    _cleanup_free_ char *out = NULL;
    _cleanup_free_ char *empty = NULL;
    _cleanup_free_ char *most = NULL;
    _cleanup_free_ char *none = NULL;
    unsigned count = 0;

    CHECK_OK(exec_sh("echo 'a \"b\"'; printf '\\303\\244'", T, &out, &err),
             &err);
    CHECK_STR(out, "a \"b\"\n\303\244");
    CHECK_OK(exec_sh(":", T, &empty, &err), &err);
    CHECK_STR(empty, "");
    CHECK_OK(exec_sh("yes | head -c 1048575", T, &most, &err), &err);
    CHECK_EQ_U64(most ? strlen(most) : 0, 1048575);
    CHECK(exec_sh("echo out; printf 'no\\033[2J\\n' >&2; exit 7", T, &none,
                  &err) < 0);
    CHECK_EQ_INT(err.kind, ERR_CHILD);
    CHECK_EQ_INT(err.code, 7);
    CHECK_STR(error_text(&err), "run 'sh' inside domain 'agent': it ended with "
                                "status 7: no\\x1b[2J\\n");
    CHECK_FAILS(exec_sh("kill -KILL $$", T, &none, &err), &err,
                "signal 9 ended it");
    CHECK_FAILS(exec_sh("yes | head -c 1100000", T, &none, &err), &err,
                "longer than 1048576 bytes");
    CHECK_FAILS(exec_sh("printf 'a\\000b'", T, &none, &err), &err, "no text");
    CHECK_FAILS(agent_exec(agent, (const char *const[]){"nosuch", NULL}, T,
                           &none, &err),
                &err, "'guest-exec'");
    CHECK_OK(agent_freeze(agent, NULL, T, &count, &err), &err);
    CHECK_FAILS(exec_sh(":", T, &none, &err), &err, "guest-exec");
    CHECK_EQ_INT(agent_thaw(agent, T, &err), 1);
    check_hooked("freeze thaw\n");
    CHECK(!none);
}

static void test_exec_deadline(void)
{
    _cleanup_error_ struct error err = ERROR_INIT;
    _cleanup_free_ char *none = NULL;
    double start = seconds();

    CHECK(exec_sh("echo $$ >/tmp/sleeper; sleep 1000", 1000, &none, &err) < 0);
    CHECK_EQ_INT(err.kind, ERR_TIMEOUT);
    CHECK(seconds() - start >= 1);
    CHECK(seconds() - start < 4);
    CHECK_CONTAINS(error_text(&err), "run 'sh' inside domain 'agent': ");
    GUEST("kill $(cat /tmp/sleeper)");
}

/* ---- what the guest says ---- */

static void test_info(void)
{
    _cleanup_error_ struct error err = ERROR_INIT;
    _cleanup_free_ char *text = NULL;
    _cleanup_free_ char *id = NULL;

    CHECK_EQ_INT(agent_guest_info(agent, T, &text, &err), 1);
    CHECK_CONTAINS(text, "{\n    \"os.id\": \"labguest\",\n");
    CHECK_CONTAINS(text, "\"hostname\": \"labguest\"");
    CHECK_CONTAINS(text, "\"fs.count\": 2,");
    CHECK_CONTAINS(text, "\"fs.0.mountpoint\": \"/mnt/vda\"");
    CHECK_CONTAINS(text, "\"fs.1.disk.0.alias\": \"vdb\"");
    CHECK(text && !strstr(text, "user"));
    CHECK_EQ_INT(agent_os_id(agent, T, &id, &err), 1);
    CHECK_STR(id, "labguest");
}

/* The only one of a kind of guest that we cannot have. */
static void test_windows(void)
{
    const char *const argv[] = {"manage-bde", "-protectors", "C:", NULL};
    _cleanup_error_ struct error err = ERROR_INIT;
    _cleanup_free_ char *id = NULL;
    _cleanup_free_ char *out = NULL;

    fake_agent("guest-get-osinfo {\"return\": {\"id\": \"mswindows\"}}\n"
               "guest-exec {\"return\": {\"pid\": 5}}\n"
               "guest-exec-status {\"return\": {\"exited\": false}}\n"
               "guest-exec-status {\"return\": {\"exited\": true, "
               "\"exitcode\": 0, \"out-data\": \"S0VZDQo=\"}}");
    CHECK_EQ_INT(agent_os_id(agent, T, &id, &err), 1);
    CHECK_STR(id, "mswindows");
    CHECK_OK(agent_exec(agent, argv, T, &out, &err), &err);
    CHECK_STR(out, "KEY\r\n");
    CHECK_EQ_INT(sh("guest-run agent 'cat /run/requests' | grep -q '\"manage-"
                    "bde\",\"arg\":\\[\"-protectors\",\"C:\"\\]'"),
                 0);
    guest_agent("real");
}

/* An agent that lies. */
/* covers: S8:F */
static void test_hostile(void)
{
    _cleanup_error_ struct error err = ERROR_INIT;
    _cleanup_free_ char *text = NULL;
    _cleanup_free_ char *none = NULL;
    unsigned count = 0;

    fake_agent(
        "guest-get-osinfo {\"return\": {\"id\": \"../\\u001b[2J\"}}\n"
        "guest-get-host-name {\"return\": {\"host-name\": \"\\u001b]0;x\\u0007"
        "\\u009b\\ud83d\\ude00\\n\"}}\n"
        "guest-get-fsinfo {\"return\": [{\"name\": \"a\", \"mountpoint\": "
        "\"\\\\\\\"\", \"type\": \"x\", \"total-bytes\": "
        "18446744073709551615, \"used-bytes\": 9223372036854775807, "
        "\"disk\": []}]}\n"
        "guest-fsfreeze-status {\"return\": \"maybe\"}\n"
        "guest-fsfreeze-freeze {\"return\": -5}\n"
        "guest-fsfreeze-thaw {\"error\": {\"class\": \"GenericError\", "
        "\"desc\": \"\\u001b[2J\\nERROR: all is lost\"}}\n"
        "guest-exec {\"return\": {\"pid\": -1}}\n"
        "guest-exec-status {\"return\": {\"exited\": true, \"exitcode\": 0, "
        "\"out-data\": \"****\"}}");
    CHECK_EQ_INT(agent_guest_info(agent, T, &text, &err), 1);
    printf("# %zu bytes\n", text ? strlen(text) : 0);
    CHECK_CONTAINS(text, "\"hostname\": \"\\u001B]0;x\\u0007\\u009B"
                         "\\uD83D\\uDE00\\n\"");
    CHECK_CONTAINS(text, "\"fs.0.mountpoint\": \"\\\\\\\"\"");
    CHECK_CONTAINS(text, "\"fs.0.used-bytes\": 9223372036854775807");
    CHECK_EQ_INT(agent_os_id(agent, T, &none, &err), 0);
    CHECK_FAILS(agent_is_frozen(agent, T, &err), &err, "neither 'frozen' nor");
    CHECK_FAILS(agent_freeze(agent, NULL, T, &count, &err), &err, "Cannot");
    CHECK_FAILS(agent_thaw(agent, T, &err), &err,
                "\\x1b[2J ERROR: all is lost");
    CHECK_FAILS(exec_sh(":", T, &none, &err), &err, "no text");
    CHECK(!none);
    guest_agent("real");
}

/* An agent of long ago knows little; one that knows nothing is none. */
static void test_old_agent(void)
{
    _cleanup_error_ struct error err = ERROR_INIT;
    _cleanup_free_ char *text = NULL;
    _cleanup_free_ char *none = NULL;

    fake_agent("guest-get-host-name {\"return\": {\"host-name\": \"old\"}}");
    CHECK_EQ_INT(agent_guest_info(agent, T, &text, &err), 1);
    CHECK_STR(text, "{\n    \"hostname\": \"old\"\n}");
    CHECK_EQ_INT(agent_os_id(agent, T, &none, &err), 0);
    fake_agent("guest-get-osinfo SILENCE\nguest-get-host-name SILENCE");
    CHECK_EQ_INT(agent_guest_info(agent, 1000, &none, &err), 0);
    CHECK(!none);
    guest_agent("real");
}

/* ---- stop ---- */

static void *stop_when_hooked(void *arg maybe_unused)
{
    while (strcmp(GUEST("cat /run/hook.log"), "freeze\n") != 0)
        usleep(10000);
    stop_request(SIGTERM);
    return NULL;
}

/* From here on a stop is requested: the last test. */
static void test_stop(void)
{
    _cleanup_error_ struct error err = ERROR_INIT;
    _cleanup_free_ char *none = NULL;
    unsigned count = 0;
    double start = seconds();
    pthread_t id;

    CHECK_OK(stop_init(&err), &err);
    hook("freeze", "hang");
    REQUIRE(pthread_create(&id, NULL, stop_when_hooked, NULL) == 0);
    CHECK(agent_freeze(agent, NULL, T, &count, &err) < 0);
    CHECK_EQ_INT(err.kind, ERR_STOPPED);
    CHECK(seconds() - start < 10);
    error_clear(&err);
    pthread_join(id, NULL);
    CHECK(exec_sh(":", T, &none, &err) < 0);
    CHECK_EQ_INT(err.kind, ERR_STOPPED);
    error_clear(&err);
    CHECK(agent_guest_info(agent, T, &none, &err) < 0);
    CHECK_EQ_INT(err.kind, ERR_STOPPED);
    error_clear(&err);
    hook("freeze", "well");
    CHECK(thaw_at_last() >= 0);
    check_kernel(RUNNING, RUNNING);
    CHECK(agent_freeze(agent, NULL, T, &count, &err) < 0);
    CHECK_EQ_INT(err.kind, ERR_STOPPED);
    error_clear(&err);
    /* On the way out it is as if nobody had said anything. */
    session_ignore_stop(session);
    CHECK_OK(exec_sh("sleep 0.1", T, &none, &err), &err);
    CHECK_STR(none, "");
}

int main(void)
{
    _cleanup_error_ struct error err = ERROR_INIT;

    if (session_open(NULL, 20000, &session, &err) < 0 ||
        domain_open(session, "agent", &agent, &err) < 0) {
        printf("Bail out! %s\n", error_text(&err));
        return 1;
    }
    RUN(test_freeze);
    RUN(test_mountpoints);
    RUN(test_hanging_freeze);
    RUN(test_failing_freeze);
    RUN(test_hanging_thaw);
    RUN(test_deaf_agent);
    RUN(test_absent);
    RUN(test_deadline);
    RUN(test_exec);
    RUN(test_exec_deadline);
    RUN(test_info);
    RUN(test_windows);
    RUN(test_hostile);
    RUN(test_old_agent);
    RUN(test_stop);
    domain_close(agent);
    session_close(session);
    return check_result();
}
