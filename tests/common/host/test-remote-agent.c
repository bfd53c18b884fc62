/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* test-remote-agent.c - the agent, on this machine and without ssh: words of
 * any bytes, and that it takes back what it was told when we are gone
 */
#include "host/remote_agent.h"

#include <signal.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include "base/cleanup.h"
#include "base/spawn.h"
#include "base/text.h"
#include "check.h"
#include "host/remote.h"
#include "scratch.h"

#define TIMEOUT_MS 30000

static struct child *child;

/* An agent of our own. */
static struct agent *meet(const char *front)
{
    _cleanup_error_ struct error err = ERROR_INIT;
    _cleanup_free_ char *text =
        text_dup_printf("%s%s", front, remote_agent_text);
    const char *argv[] = {"/bin/sh", "-c", text, NULL};
    struct spawn_request req = {.argv = argv};
    struct agent *a = NULL;
    int pair[2];

    if (!text || socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0)
        abort();
    req.stdin_fd = req.stdout_fd = pair[1];
    CHECK_OK(spawn_start(&req, &child, &err), &err);
    close(pair[1]);
    CHECK_EQ_INT(agent_meet(pair[0], TIMEOUT_MS, &a, &err), 1);
    if (!a)
        abort();
    return a;
}

/* It is gone when it has taken everything back. */
static void part(struct agent *a)
{
    _cleanup_error_ struct error err = ERROR_INIT;

    agent_free(a);
    CHECK_OK(child_wait(child, TIMEOUT_MS, &err), &err);
    child_free(child);
}

static void ask(struct agent *a, const char *verb, const char *key,
                const char *x, const char *y)
{
    _cleanup_error_ struct error err = ERROR_INIT;
    const char *words[] = {verb, key, x, y, NULL};

    CHECK_OK(agent_ask(a, words, TIMEOUT_MS, NULL, &err), &err);
}

static const char *const nasty[] = {
    "plain",         "two words",
    "-rf",           "a'b\"c`id`$(id)\\d",
    "new\nline\n",   "tab\tand;|&<>*?[x]{}~!#",
    "%b%s\\c\\0101", "\xff\xfe\x01",
};

/* No byte but harmless ones, and it arrives as it was. */
static void test_words(void)
{
    struct agent *a = meet("echo noise of a login; ");

    for (size_t i = 0; i < array_size(nasty); i++) {
        _cleanup_free_ char *word = remote_word(nasty[i]);
        const char *path = scratch_path(nasty[i]);

        REQUIRE(word);
        CHECK(strspn(word, ":abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVW"
                           "XYZ0123456789._/-\\") == strlen(word));
        put_file(path, "x");
        CHECK(is_there(path));
        ask(a, "tell", "x", REMOTE_FILE, path);
        ask(a, "undo", "x", NULL, NULL);
        CHECK(!is_there(path));
    }
    part(a);
}

static void test_takes_back(void)
{
    struct agent *a = meet("");
    char dir[256], file[300];
    const char *kept = scratch_path("kept");

    snprintf(dir, sizeof(dir), "%s", scratch_path("private dir'"));
    snprintf(file, sizeof(file), "%s/in it", dir);
    ask(a, "dir", "d", dir, "");
    put_file(file, "x");
    snprintf(file, sizeof(file), "%s/.hidden", dir);
    put_file(file, "x");
    put_file(kept, "x");
    ask(a, "tell", "f", REMOTE_FILE, kept);
    ask(a, "forget", "f", NULL, NULL);
    part(a);
    CHECK(!is_there(dir));
    CHECK(is_there(kept));
}

/* Signals are for those who run it. */
static void test_signals(void)
{
    struct agent *a = meet("");
    const char *path = scratch_path("file");

    put_file(path, "x");
    ask(a, "tell", "f", REMOTE_FILE, path);
    kill(child_pid(child), SIGTERM);
    kill(child_pid(child), SIGHUP);
    kill(child_pid(child), SIGINT);
    ask(a, "beat", "x", NULL, NULL);
    part(a);
    CHECK(!is_there(path));
}

static pid_t read_pid(const char *path)
{
    FILE *f = fopen(path, "r");
    int pid = 0;

    if (!f || fscanf(f, "%d", &pid) != 1)
        abort();
    fclose(f);
    return pid;
}

static void test_servers(void)
{
    _cleanup_error_ struct error err = ERROR_INIT;
    struct agent *a = meet("");
    char base[2][256], pid_file[300];
    const char *good = "echo $$ >\"$0.pid\"; exec sleep 100";
    const char *serve[] = {"serve", "s",  base[0], "bash",
                           "-c",    good, base[0], NULL};
    const char *bad[] = {
        "serve", "t", base[1], "sh", "-c", "echo no room >&2; exit 1", NULL};
    pid_t pid;

    snprintf(base[0], sizeof(base[0]), "%s", scratch_path("one"));
    snprintf(base[1], sizeof(base[1]), "%s", scratch_path("two"));
    snprintf(pid_file, sizeof(pid_file), "%s.pid", base[0]);
    CHECK_FAILS(agent_ask(a, bad, TIMEOUT_MS, NULL, &err), &err, "no room");
    error_clear(&err);
    CHECK_OK(agent_ask(a, serve, TIMEOUT_MS, NULL, &err), &err);
    pid = read_pid(pid_file);
    CHECK(kill(pid, 0) == 0);
    part(a);
    CHECK(kill(pid, 0) < 0);
}

int main(void)
{
    scratch_begin();
    RUN(test_words);
    RUN(test_takes_back);
    RUN(test_signals);
    RUN(test_servers);
    return check_result();
}
