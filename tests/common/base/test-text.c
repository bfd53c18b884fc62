/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* test-text.c - base/text; the shell is a real one */
#include "base/cleanup.h"
#include "base/spawn.h"
#include "base/text.h"
#include "check.h"

static void test_size(void)
{
    char out[TEXT_SIZE_ROOM];

    CHECK_STR(text_size(0, out), "0 B");
    CHECK_STR(text_size(1023, out), "1023 B");
    CHECK_STR(text_size(1024, out), "1.0 KiB");
    CHECK_STR(text_size(1535, out), "1.4 KiB");
    CHECK_STR(text_size(1536, out), "1.5 KiB");
    CHECK_STR(text_size(MIB - 1, out), "1023.9 KiB");
    CHECK_STR(text_size(MIB, out), "1.0 MiB");
    CHECK_STR(text_size(5 * GIB, out), "5.0 GiB");
    CHECK_STR(text_size(2 * GIB + 120 * MIB, out), "2.1 GiB");
    CHECK_STR(text_size(UINT64_MAX, out), "15.9 EiB");
}

static void test_duration(void)
{
    char out[TEXT_SIZE_ROOM];

    CHECK_STR(text_duration(0, out), "0s");
    CHECK_STR(text_duration(59, out), "59s");
    CHECK_STR(text_duration(184, out), "3m 04s");
    CHECK_STR(text_duration(3600 * 26 + 5 * 60 + 59, out), "26h 05m");
}

static void test_u64(void)
{
    static const char *const bad[] = {
        "",   " 1",   "1 ",  "-1", "+1",
        "01", "0x10", "1.0", "1k", "18446744073709551616",
        "00", "\t1",  "1\n", "１", "99999999999999999999999",
    };
    uint64_t n = 42;

    for (size_t i = 0; i < array_size(bad); i++) {
        if (text_u64(bad[i], &n) == 0)
            CHECK_FAIL("'%s' was read as %" PRIu64, bad[i], n);
    }
    CHECK_EQ_U64(n, 42);
    CHECK(text_u64("0", &n) == 0 && n == 0);
    CHECK(text_u64("10", &n) == 0 && n == 10);
    CHECK(text_u64("18446744073709551615", &n) == 0 && n == UINT64_MAX);
}

static void test_i64(void)
{
    int64_t n = 42;

    CHECK(text_i64("-1", -5, 5, &n) == 0 && n == -1);
    CHECK(text_i64("5", -5, 5, &n) == 0 && n == 5);
    CHECK(text_i64("-9223372036854775808", INT64_MIN, INT64_MAX, &n) == 0 &&
          n == INT64_MIN);
    CHECK(text_i64("9223372036854775807", INT64_MIN, INT64_MAX, &n) == 0 &&
          n == INT64_MAX);
    n = 42;
    CHECK_EQ_INT(text_i64("6", -5, 5, &n), -1);
    CHECK_EQ_INT(text_i64("-6", -5, 5, &n), -1);
    CHECK_EQ_INT(text_i64("--1", -5, 5, &n), -1);
    CHECK_EQ_INT(text_i64("-", -5, 5, &n), -1);
    CHECK_EQ_INT(text_i64("9223372036854775808", INT64_MIN, INT64_MAX, &n), -1);
    CHECK_EQ_INT(text_i64("-9223372036854775809", INT64_MIN, INT64_MAX, &n),
                 -1);
    CHECK_EQ_INT(n, 42);
}

static void test_hex(void)
{
    static const unsigned char bytes[] = {0x00, 0x9f, 0xff};
    unsigned char back[3] = {1, 2, 3};
    char out[7];

    text_hex(bytes, 3, out);
    CHECK_STR(out, "009fff");
    CHECK_EQ_INT(text_unhex("009fFG", 3, back), -1);
    CHECK_EQ_INT(text_unhex("009ff", 3, back), -1);
    CHECK_EQ_INT(text_unhex("009fff0", 3, back), -1);
    CHECK_EQ_INT(back[0], 1);
    CHECK_EQ_INT(text_unhex("009fFF", 3, back), 0);
    CHECK_MEM(back, bytes, 3);
}

static void check_escape(const char *text, const char *expected)
{
    _cleanup_free_ char *escaped = text_escape(text);

    CHECK_STR(escaped, expected);
}

static void test_escape(void)
{
    check_escape("", "");
    check_escape("plain ~ text", "plain ~ text");
    check_escape("a\nb\tc\r", "a\\nb\\tc\\x0d");
    check_escape("\033[2J\177", "\\x1b[2J\\x7f");
    check_escape("Grüße €", "Grüße €");
    check_escape("\xf0\x9f\x98\x80", "\xf0\x9f\x98\x80");
    check_escape("\xc2\x9b", "\\xc2\\x9b"); /* C1: CSI */
    check_escape("\xc0\xaf", "\\xc0\\xaf"); /* overlong */
    check_escape("\xe0\x80\xaf", "\\xe0\\x80\\xaf");
    check_escape("\xed\xa0\x80", "\\xed\\xa0\\x80"); /* surrogate */
    check_escape("\xf4\x90\x80\x80", "\\xf4\\x90\\x80\\x80");
    check_escape("\xe2\x82", "\\xe2\\x82");          /* cut off */
    check_escape("\xe2\x80\xae", "\\xe2\\x80\\xae"); /* right to left */
    check_escape("\xff\x80", "\\xff\\x80");
}

/* Whatever the word is, a shell reads it back as that word. */
static void test_quote(void)
{
    static const char *const words[] = {
        "",      "plain",    "a b",   "it's",     "'",       "$(id)", "`id`",
        "a\nb",  "*",        "~",     "-n",       "\\",      "!x",    "\"",
        "a'b'c", "$'\\x41'", "x;y&z", "\001\177", "'\\''''", "#",     "ä",
    };

    for (size_t i = 0; i < array_size(words); i++) {
        _cleanup_error_ struct error err = ERROR_INIT;
        _cleanup_free_ char *quoted = text_quote(words[i]);
        _cleanup_free_ char *script = text_dup_printf("printf %%s. %s", quoted);
        _cleanup_free_ char *expected = text_dup_printf("%s.", words[i]);
        _cleanup_free_ char *out = NULL;
        const char *const argv[] = {"/bin/sh", "-c", script, NULL};
        struct spawn_request req = {.argv = argv};

        CHECK_OK(spawn_run(&req, 10000, &out, NULL, &err), &err);
        CHECK_STR(out, expected);
    }
}

static void test_random(void)
{
    _cleanup_error_ struct error err = ERROR_INIT;
    char a[201] = "";
    char b[201] = "";
    char odd[4] = "";

    CHECK_OK(text_random(a, 200, &err), &err);
    CHECK_OK(text_random(b, 200, &err), &err);
    CHECK_EQ_U64(strlen(a), 200);
    CHECK_EQ_U64(strspn(a, "0123456789abcdef"), 200);
    CHECK(strcmp(a, b) != 0);
    CHECK_OK(text_random(odd, 3, &err), &err);
    CHECK_EQ_U64(strlen(odd), 3);
}

static void test_uuid(void)
{
    _cleanup_error_ struct error err = ERROR_INIT;
    char a[TEXT_UUID_ROOM] = "";
    char b[TEXT_UUID_ROOM] = "";

    for (int i = 0; i < 100; i++) {
        CHECK_OK(uuid_new(a, &err), &err);
        CHECK(uuid_is_valid(a));
        CHECK_EQ_INT(a[14], '4');
        CHECK(strchr("89ab", a[19]) != NULL);
        CHECK(strcmp(a, b) != 0);
        strcpy(b, a);
    }
    CHECK(uuid_is_valid("0A1b2c3d-0000-0000-0000-00000000000F"));
    CHECK(!uuid_is_valid(""));
    CHECK(!uuid_is_valid("0a1b2c3d-0000-0000-0000-00000000000"));
    CHECK(!uuid_is_valid("0a1b2c3d-0000-0000-0000-0000000000000"));
    CHECK(!uuid_is_valid("0a1b2c3d00000-0000-0000-000000000000"));
    CHECK(!uuid_is_valid("0a1b2c3g-0000-0000-0000-000000000000"));
}

static void test_bytes(void)
{
    static const char *const bad[] = {"",     "K",  "-1",  "1 K", "1KB",
                                      "1.5G", "01", "1e3", "G1",  "16777216T"};
    uint64_t n = 7;

    for (size_t i = 0; i < array_size(bad); i++)
        if (text_bytes(bad[i], &n) == 0)
            CHECK_STR(bad[i], "refused");
    CHECK_EQ_U64(n, 7);
    CHECK(text_bytes("0", &n) == 0 && n == 0);
    CHECK(text_bytes("1000", &n) == 0 && n == 1000);
    CHECK(text_bytes("100k", &n) == 0 && n == 102400);
    CHECK(text_bytes("16777215T", &n) == 0 && n == 16777215ULL << 40);
    CHECK(text_bytes("2G", &n) == 0 && n == 2ULL << 30);
}

int main(void)
{
    RUN(test_size);
    RUN(test_duration);
    RUN(test_u64);
    RUN(test_bytes);
    RUN(test_i64);
    RUN(test_hex);
    RUN(test_escape);
    RUN(test_quote);
    RUN(test_random);
    RUN(test_uuid);
    return check_result();
}
