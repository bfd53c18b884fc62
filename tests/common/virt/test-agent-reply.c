/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* test-agent-reply.c - tests of virt/agent_reply: answers of agents that lie */
#include "virt/agent_private.h"

#include "base/cleanup.h"
#include "check.h"
#include "virt/agent.h"

static void test_frozen(void)
{
    static const char *const bad[] = {
        "",
        "{",
        "[]",
        "null",
        "\"frozen\"",
        "{\"return\":null}",
        "{\"return\":1}",
        "{\"return\":\"FROZEN\"}",
        "{\"return\":{\"frozen\":true}}",
        "{\"return\":\"frozen\",\"return\":\"thawed\"}",
        "{\"return\":\"frozen\"}{}",
        "{\"return\":\"frozen\\u0000\"}",
        "{\"error\":{\"class\":\"GenericError\",\"desc\":\"no\"}}",
    };
    _cleanup_error_ struct error err = ERROR_INIT;

    CHECK_EQ_INT(agent_reply_frozen("{\"return\":\"frozen\"}", &err), 1);
    CHECK_EQ_INT(agent_reply_frozen("{\"return\":\"thawed\"}", &err), 0);
    for (size_t i = 0; i < array_size(bad); i++) {
        printf("# %s\n", bad[i]);
        CHECK_FAILS(agent_reply_frozen(bad[i], &err), &err, "makes no sense");
    }
}

static void test_pid(void)
{
    _cleanup_error_ struct error err = ERROR_INIT;
    int64_t pid = 0;

    CHECK_OK(agent_reply_pid("{\"return\":{\"pid\":9223372036854775807}}", &pid,
                             &err),
             &err);
    CHECK(pid == INT64_MAX);
    pid = 7;
    CHECK_FAILS(agent_reply_pid("{\"return\":{}}", &pid, &err), &err, "pid");
    CHECK_FAILS(agent_reply_pid("{\"return\":{\"pid\":\"1\"}}", &pid, &err),
                &err, "pid");
    CHECK_FAILS(agent_reply_pid("{\"return\":{\"pid\":1e9}}", &pid, &err), &err,
                "pid");
    CHECK_FAILS(
        agent_reply_pid("{\"return\":{\"pid\":99999999999999999999999}}", &pid,
                        &err),
        &err, "makes no sense");
    CHECK(pid == 7);
}

/* The answer about a program that ended with 0 and printed `base64`. */
static int exit_with(const char *base64, char **ret, struct error *err)
{
    _cleanup_(agent_exit_free) struct agent_exit e = {0};
    _cleanup_free_ char *reply = NULL;

    if (asprintf(&reply,
                 "{\"return\":{\"exited\":true,\"exitcode\":0,"
                 "\"out-data\":\"%s\"}}",
                 base64) < 0 ||
        agent_reply_exit(reply, &e, err) < 0)
        return -1;
    *ret = take(e.out);
    return 0;
}

static void test_base64(void)
{
    static const char *const good[][2] = {
        {"", ""},
        {"YQ==", "a"},
        {"YWI=", "ab"},
        {"YWJj", "abc"},
        {"+/+/", "\xfb\xff\xbf"},
    };
    static const char *const bad[] = {
        "Y",    "YQ",        "YQ=",  "=",    "====", "YQ==YQ==", "Y===",
        "YQ=a", "YW\\nJj==", "YW-_", "YWJ ", "AA==", "YQBh",     "YWJj\\u00e9",
    };
    _cleanup_error_ struct error err = ERROR_INIT;

    for (size_t i = 0; i < array_size(good); i++) {
        _cleanup_free_ char *out = NULL;

        CHECK_OK(exit_with(good[i][0], &out, &err), &err);
        CHECK_STR(out, good[i][1]);
    }
    for (size_t i = 0; i < array_size(bad); i++) {
        _cleanup_free_ char *out = NULL;

        printf("# %s\n", bad[i]);
        CHECK_FAILS(exit_with(bad[i], &out, &err), &err, "no text");
    }
}

static void test_long(void)
{
    const size_t most = AGENT_OUTPUT_MAX / 3 * 4;
    _cleanup_free_ char *base64 = malloc(8UL * AGENT_OUTPUT_MAX);
    _cleanup_free_ char *out = NULL;
    _cleanup_free_ char *none = NULL;
    _cleanup_error_ struct error err = ERROR_INIT;

    REQUIRE(base64);
    memset(base64, 'Y', most);
    base64[most] = '\0';
    CHECK_OK(exit_with(base64, &out, &err), &err);
    CHECK_EQ_U64(out ? strlen(out) : 0, AGENT_OUTPUT_MAX / 3 * 3);
    memset(base64, 'Y', most + 4);
    base64[most + 4] = '\0';
    CHECK_FAILS(exit_with(base64, &none, &err), &err, "longer than 1048576");
    memset(base64, 'Y', 8UL * AGENT_OUTPUT_MAX - 1);
    base64[8UL * AGENT_OUTPUT_MAX - 1] = '\0';
    CHECK_FAILS(exit_with(base64, &none, &err), &err, "too long");
}

static int judge(const char *body, struct agent_exit *ret, struct error *err)
{
    char reply[512];

    snprintf(reply, sizeof(reply), "{\"return\":{%s}}", body);
    return agent_reply_exit(reply, ret, err);
}

static void test_exit(void)
{
    static const char *const bad[] = {
        "\"exited\":1",
        "\"exitcode\":0",
        "\"exited\":true",
        "\"exited\":true,\"exitcode\":-1",
        "\"exited\":true,\"exitcode\":4294967296",
        "\"exited\":true,\"exitcode\":\"0\"",
        "\"exited\":true,\"exitcode\":0,\"out-data\":5",
        "\"exited\":true,\"exitcode\":0,\"out-data\":null",
        "\"exited\":true,\"exited\":true,\"exitcode\":0",
    };
    _cleanup_(agent_exit_free) struct agent_exit e = {0};
    _cleanup_error_ struct error err = ERROR_INIT;

    CHECK_EQ_INT(judge("\"exited\":false", &e, &err), 0);
    for (size_t i = 0; i < array_size(bad); i++) {
        printf("# %s\n", bad[i]);
        CHECK_FAILS(judge(bad[i], &e, &err), &err, "makes no sense");
    }
    CHECK_FAILS(judge("\"exited\":true,\"exitcode\":0,\"out-data\":\"\","
                      "\"out-truncated\":true",
                      &e, &err),
                &err, "longer than");
    CHECK(!e.out && !e.said);
    CHECK_EQ_INT(
        judge("\"exited\":true,\"exitcode\":3,\"err-data\":\"YQ==\"", &e, &err),
        1);
    CHECK_EQ_INT(e.status, 3);
    CHECK_EQ_INT(e.signal, -1);
    CHECK_STR(e.out, "");
    CHECK_STR(e.said, "a");
    agent_exit_free(&e);
    /* What stands in a message only does no harm. */
    CHECK_EQ_INT(
        judge("\"exited\":true,\"signal\":9,\"err-data\":\"*\"", &e, &err), 1);
    CHECK_EQ_INT(e.status, -1);
    CHECK_EQ_INT(e.signal, 9);
    CHECK_STR(e.said, "");
}

static void test_requests(void)
{
    _cleanup_free_ char *exec = NULL;
    _cleanup_free_ char *alone = NULL;
    _cleanup_free_ char *status = agent_request_status(42);
    _cleanup_free_ char *none = NULL;
    _cleanup_error_ struct error err = ERROR_INIT;

    CHECK_STR(status, "{\"execute\":\"guest-exec-status\","
                      "\"arguments\":{\"pid\":42}}");
    CHECK_OK(agent_request_exec((const char *[]){"a\"b", "c\\", "", NULL},
                                &exec, &err),
             &err);
    CHECK_STR(exec, "{\"execute\":\"guest-exec\",\"arguments\":{\"path\":"
                    "\"a\\\"b\",\"arg\":[\"c\\\\\",\"\"],"
                    "\"capture-output\":true}}");
    CHECK_OK(agent_request_exec((const char *[]){"a", NULL}, &alone, &err),
             &err);
    CHECK_CONTAINS(alone, "\"arg\":[]");
    CHECK_FAILS(
        agent_request_exec((const char *[]){"a", "\xff", NULL}, &none, &err),
        &err, "word 1 of the command");
}

int main(void)
{
    RUN(test_frozen);
    RUN(test_pid);
    RUN(test_base64);
    RUN(test_long);
    RUN(test_exit);
    RUN(test_requests);
    return check_result();
}
