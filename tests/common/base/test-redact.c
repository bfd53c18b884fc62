/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* test-redact.c - base/redact, and that the log goes through it */
#include "base/redact.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/log.h"
#include "check.h"
#include "scratch.h"

struct pair {
    const char *text, *shown;
};

static void test_text(void)
{
    static const struct pair pairs[] = {
        {"", ""},
        {"no URI: 1?2 a@b //x", "no URI: 1?2 a@b //x"},
        {"qemu:///system", "qemu:///system"},
        {"at 'qemu+tcp://u:canary@host/system': no",
         "at 'qemu+tcp://***@host/system': no"},
        {"qemu+tls://[::1]:16514/system?authfile=canary and more",
         "qemu+tls://[::1]:16514/system?*** and more"},
        {"u://a?canary@b u://canary@b/c@d", "u://a?*** u://***@b/c@d"},
        {"<u://h?canary><u://canary@>", "<u://h?***><u://***@>"},
        {"u://h/path@2?", "u://h/path@2?***"},
        {"nbd+unix:///vda?socket=/a/b", "nbd+unix:///vda?socket=/a/b"},
        {"nbds+unix://canary@/?socket=/a&tls-psk-file=/canary",
         "nbds+unix://***@/?***"},
        {"://canary@h", "://***@h"},
        {"x://", "x://"},
    };

    for (size_t i = 0; i < array_size(pairs); i++) {
        _cleanup_free_ char *shown = redact_text(pairs[i].text);

        CHECK_STR(shown, pairs[i].shown);
    }
}

/* Nothing but its end ends a URI in a word. */
static void test_word(void)
{
    static const struct pair pairs[] = {
        {"--uri=u://h/?a=b can'ary", "--uri=u://h/?***"},
        {"vda=nbd://can ary@h/x", "vda=nbd://***@h/x"},
        {"plain word", "plain word"},
    };

    for (size_t i = 0; i < array_size(pairs); i++) {
        _cleanup_free_ char *shown = redact_word(pairs[i].text);

        CHECK_STR(shown, pairs[i].shown);
    }
}

static void test_secrets(void)
{
    _cleanup_free_ char *shown = NULL;

    CHECK(!redact_secret(""));
    CHECK(!redact_secret("abc"));
    CHECK(redact_secret("canary"));
    CHECK(redact_secret("canary-two"));
    shown = redact_text("canary, canary-two, xcanaryx, canar, u://canary?a");
    CHECK_STR(shown, "***, ***, x***x, canar, u://***?***");
}

static void test_forget(void)
{
    _cleanup_free_ char *shown = NULL;

    redact_forget();
    shown = redact_text("canary u://canary?a");
    CHECK_STR(shown, "canary u://canary?***");
    CHECK(redact_secret("another"));
    redact_forget();
    redact_forget();
}

/* What is logged has gone through it, also what is kept for the manifest. */
static void test_log(void)
{
    _cleanup_(scratch_done) struct scratch s = SCRATCH_INIT;
    _cleanup_error_ struct error err = ERROR_INIT;
    _cleanup_free_ char *out = NULL;
    _cleanup_free_ char *kept = NULL;

    REQUIRE(scratch_make(&s) == 0);
    log_stderr(false, false);
    CHECK_OK(log_open_file(s.fd, "log", &err), &err);
    log_keep_warnings();
    log_warning("not at %s : %s", "u://canary@h/?canary", "canary");
    log_close();
    log_stderr(true, false);
    out = scratch_get(&s, "log");
    kept = log_kept_warning(0);
    CHECK_CONTAINS(out, ": not at u://***@h/?*** : ***\n");
    CHECK(out && !strstr(out, "canary"));
    CHECK_STR(kept, "not at u://***@h/?*** : ***");
}

int main(void)
{
    RUN(test_text);
    RUN(test_word);
    RUN(test_secrets);
    RUN(test_log);
    RUN(test_forget); /* the last */
    return check_result();
}
