/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* test-name.c - file names, there and back */
#include <stdio.h>

#include "check.h"
#include "set/name.h"

static void check_parse(const char *file, enum name_kind kind, const char *disk,
                        enum level level, const char *point)
{
    struct name name = {0};

    if (!name_parse(file, &name)) {
        CHECK_FAIL("'%s' is not recognised", file);
        return;
    }
    CHECK_EQ_INT(name.kind, kind);
    CHECK_STR(name.disk, disk);
    CHECK_EQ_INT(name.level, level);
    CHECK_STR(name.point, point);
}

static void test_parse(void)
{
    check_parse("vda.full.data", NAME_DATA, "vda", LEVEL_FULL, "");
    check_parse("sdaa.copy.data", NAME_DATA, "sdaa", LEVEL_COPY, "");
    check_parse("vda.inc.virtnbdbackup.1.data", NAME_DATA, "vda", LEVEL_INC,
                "virtnbdbackup.1");
    check_parse("vda.inc.virtnbdbackup.weekly.12.data", NAME_DATA, "vda",
                LEVEL_INC, "virtnbdbackup.weekly.12");
    check_parse("vda.diff.1700000000.data", NAME_DATA, "vda", LEVEL_DIFF,
                "1700000000");
    check_parse("vda.full.data.partial", NAME_DATA_PARTIAL, "vda", LEVEL_FULL,
                "");
    check_parse("vda.inc.virtnbdbackup.2.data.chksum", NAME_CHECKSUM, "vda",
                LEVEL_INC, "virtnbdbackup.2");
    check_parse("vda.inc.virtnbdbackup.2.index", NAME_INDEX, "vda", LEVEL_INC,
                "virtnbdbackup.2");
    check_parse("vda.full.index.partial", NAME_INDEX_PARTIAL, "vda", LEVEL_FULL,
                "");
    check_parse("manifest.virtnbdbackup.0.json", NAME_MANIFEST, "", LEVEL_FULL,
                "virtnbdbackup.0");
    check_parse("manifest.full.data", NAME_DATA, "manifest", LEVEL_FULL, "");
    check_parse("intent.11111111-1111-4111-8111-111111111111.json", NAME_INTENT,
                "", LEVEL_FULL, "11111111-1111-4111-8111-111111111111");
}

/* covers: F15:R */
static void test_parse_refuses(void)
{
    static const char *const bad[] = {
        "",
        ".",
        "..",
        "vda",
        "vda.data",
        ".full.data",
        "-vda.full.data",
        "vda.fulll.data",
        "vda.full.x.data",
        "vda.inc.data",
        "vda.inc..data",
        "vda.inc.-x.data",
        "vda.inc..x.data",
        "vda.diff..data",
        "vda/x.full.data",
        "vda full.data",
        "v\xc3\xa4.full.data",
        "vda.full.data\n",
        "vda.full.data.partial.partial",
        "vda.FULL.data",
        "manifest..json",
        "manifest.json",
        "intent.x.json",
        "intent.11111111-1111-4111-8111-11111111111A.json",
        "vda.copy.x.index",
    };
    struct name name = {0};

    for (size_t i = 0; i < array_size(bad); i++)
        if (name_parse(bad[i], &name))
            CHECK_FAIL("'%s' is taken for a name of ours", bad[i]);
}

static void test_lengths(void)
{
    char text[NAME_SAFE_MAX + 10] = "";
    struct name name = {0};

    memset(text, 'a', sizeof(text) - 1);
    CHECK(!name_is_safe(text));
    text[NAME_SAFE_MAX] = '\0';
    CHECK(name_is_safe(text));
    CHECK(!name_is_point(text));
    text[NAME_POINT_MAX] = '\0';
    CHECK(name_is_point(text));
    CHECK(!name_is_disk(text));
    text[NAME_DISK_MAX + 1] = '\0';
    strcat(text, ".full.data");
    CHECK(!name_parse(text, &name));
    CHECK(name_parse(text + 1, &name));
    CHECK(!name_is_safe(NULL));
    CHECK(!name_is_safe("a/b"));
    CHECK(!name_is_safe("."));
    CHECK(!name_is_safe("-rf"));
    CHECK(name_is_safe_below("checkpoints/virtnbdbackup.0.xml"));
    CHECK(!name_is_safe_below("checkpoints/"));
    CHECK(!name_is_safe_below("checkpoints/../x"));
    CHECK(!name_is_safe_below("checkpoints/.."));
    CHECK(!name_is_safe_below("checkpoints/a/b"));
    CHECK(!name_is_safe_below("other/x"));
    CHECK(!name_is_safe_below("/etc/passwd"));
}

static void test_build(void)
{
    _cleanup_error_ struct error err = ERROR_INIT;
    struct name_text out = {""};
    char disk[NAME_DISK_MAX + 1] = "", point[NAME_POINT_MAX + 1] = "";

    CHECK_OK(name_data("vda", LEVEL_FULL, "x", &out, &err), &err);
    CHECK_STR(out.text, "vda.full.data");
    CHECK_OK(name_data("vda", LEVEL_COPY, NULL, &out, &err), &err);
    CHECK_STR(out.text, "vda.copy.data");
    CHECK_OK(name_data("vda", LEVEL_INC, "virtnbdbackup.3", &out, &err), &err);
    CHECK_STR(out.text, "vda.inc.virtnbdbackup.3.data");
    CHECK_OK(name_index(out.text, &out, &err), &err);
    CHECK_STR(out.text, "vda.inc.virtnbdbackup.3.index");
    CHECK_OK(name_data("vda", LEVEL_DIFF, "1700000000", &out, &err), &err);
    CHECK_STR(out.text, "vda.diff.1700000000.data");
    CHECK_OK(name_manifest("copy", &out, &err), &err);
    CHECK_STR(out.text, "manifest.copy.json");
    CHECK_FAILS(name_data("../x", LEVEL_FULL, "", &out, &err), &err, "../x");
    CHECK_FAILS(name_data("vda", LEVEL_INC, "a/b", &out, &err), &err, "a/b");
    CHECK_FAILS(name_manifest("..", &out, &err), &err, "..");
    CHECK_FAILS(name_intent("x", &out, &err), &err, "UUID");
    CHECK_FAILS(name_index("vda.full.index", &out, &err), &err, "data file");
    CHECK_STR(out.text, "manifest.copy.json");
    memset(disk, 'd', NAME_DISK_MAX);
    memset(point, 'p', NAME_POINT_MAX);
    CHECK_OK(name_data(disk, LEVEL_INC, point, &out, &err), &err);
    CHECK_EQ_U64(strlen(out.text), 64 + 5 + 100 + 5);
}

static void test_numbers(void)
{
    unsigned long long n = 7;

    CHECK(name_point_number("virtnbdbackup.12", &n));
    CHECK_EQ_U64(n, 12);
    CHECK(name_point_number("virtnbdbackup.week.3", &n));
    CHECK_EQ_U64(n, 3);
    CHECK(name_point_number("virtnbdbackup", &n));
    CHECK_EQ_U64(n, 0);
    CHECK(!name_point_number("copy", &n));
    CHECK(!name_point_number("virtnbdbackup.", &n));
    CHECK(!name_point_number("virtnbdbackup.1x", &n));
    CHECK(!name_point_number("virtnbdbackup.99999999999999999999", &n));
}

static void test_compare(void)
{
    static const char *const sorted[] = {
        "a", "a.1.b", "a.2.a", "a.10", "a.10.a", "b", "b01", "b1", "b2",
    };

    for (size_t i = 0; i < array_size(sorted); i++)
        for (size_t k = 0; k < array_size(sorted); k++) {
            int order = name_compare(sorted[i], sorted[k]);
            int want = (i > k) - (i < k);

            if ((order > 0) - (order < 0) != want)
                CHECK_FAIL("'%s' and '%s' compare as %d", sorted[i], sorted[k],
                           order);
        }
}

int main(void)
{
    RUN(test_parse);
    RUN(test_parse_refuses);
    RUN(test_lengths);
    RUN(test_build);
    RUN(test_numbers);
    RUN(test_compare);
    return check_result();
}
