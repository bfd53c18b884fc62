/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* test-marks.c - .cpt and .chksum as upstream reads and writes them */
#include "set/marks.h"

#include "lab.h"

static void test_cpt(void)
{
    _cleanup_error_ struct error err = ERROR_INIT;
    _cleanup_lab_ struct lab lab = lab_new();
    _cleanup_cpt_ struct cpt cpt = CPT_INIT;
    _cleanup_cpt_ struct cpt back = CPT_INIT;
    _cleanup_free_ char *text = NULL;
    size_t len = 0;

    CHECK_EQ_INT(cpt_read(lab.dirfd, "vm one", &back, &err), 0);
    CHECK_OK(cpt_write(lab.dirfd, "vm one", &cpt, &err), &err);
    CHECK_OK(cpt_add(&cpt, "virtnbdbackup.0", &err), &err);
    CHECK_OK(cpt_add(&cpt, "virtnbdbackup.1", &err), &err);
    CHECK_OK(cpt_write(lab.dirfd, "vm one", &cpt, &err), &err);
    text = lab_read(&lab, "vm one.cpt", &len);
    CHECK_STR(text, "[\"virtnbdbackup.0\", \"virtnbdbackup.1\"]");
    CHECK_EQ_INT(cpt_read(lab.dirfd, "vm one", &back, &err), 1);
    CHECK_EQ_U64(back.count, 2);
    CHECK_EQ_INT(cpt_has(&back, "virtnbdbackup.1"), 1);
    CHECK_EQ_INT(cpt_has(&back, "virtnbdbackup.2"), 0);
    CHECK_FAILS(cpt_add(&cpt, "a\"b", &err), &err, "not a checkpoint");
    CHECK_FAILS(cpt_write(lab.dirfd, "../x", &cpt, &err), &err, "../x");
}

/* covers: D6:IC */
static void test_cpt_hostile(void)
{
    static const char *const bad[] = {
        "",
        "{}",
        "[",
        "[1]",
        "[\"a/b\"]",
        "[\"\"]",
        "[null]",
        "[\"virtnbdbackup.0\"] x",
        "[[\"virtnbdbackup.0\"]]",
        "[\"virtnbdbackup.0\\u0000\"]",
        "\xef\xbb\xbf[]",
        "[[[[[[[[[[[[[[]]]]]]]]]]]]]]",
        "]",
    };
    _cleanup_cpt_ struct cpt cpt = CPT_INIT;

    for (size_t i = 0; i < array_size(bad); i++)
        if (cpt_decode(bad[i], strlen(bad[i]), &cpt, NULL) == 0)
            CHECK_FAIL("'%s' is taken for a list", bad[i]);
    CHECK_EQ_INT(cpt_decode(" [ ]\n", 5, &cpt, NULL), 0);
    CHECK_EQ_U64(cpt.count, 0);
}

/* A deep nest must not reach the stack of a recursive parser. */
/* covers: F13:C */
static void test_cpt_deep(void)
{
    _cleanup_cpt_ struct cpt cpt = CPT_INIT;
    _cleanup_free_ char *deep = malloc(MIB);

    memset(deep, '[', MIB);
    if (cpt_decode(deep, MIB, &cpt, NULL) == 0)
        CHECK_FAIL("a million brackets are no list");
}

/* covers: D6:IC */
static void test_cpt_mutated(void)
{
    static const char text[] = "[\"virtnbdbackup.0\", \"virtnbdbackup.1\"]";
    uint64_t seed = lab_seed();

    for (int i = 0; i < 5000; i++) {
        _cleanup_cpt_ struct cpt cpt = CPT_INIT;
        size_t len = lab_random(&seed) % sizeof(text);
        char *copy = malloc(len + 1);

        memcpy(copy, text, len);
        if (len > 0)
            copy[lab_random(&seed) % len] = (char)lab_random(&seed);
        if (cpt_decode(copy, len, &cpt, NULL) == 0)
            CHECK(cpt.count <= 3);
        free(copy);
    }
}

static void test_chksum(void)
{
    _cleanup_error_ struct error err = ERROR_INIT;
    _cleanup_lab_ struct lab lab = lab_new();
    _cleanup_free_ char *text = NULL;
    uint32_t value = 0;
    size_t len = 0;

    CHECK_EQ_INT(chksum_read(lab.dirfd, "vda.full.data", &value, &err), 0);
    CHECK_OK(chksum_write(lab.dirfd, "vda.full.data", 300286872, &err), &err);
    text = lab_read(&lab, "vda.full.data.chksum", &len);
    CHECK_STR(text, "300286872");
    CHECK_EQ_INT(chksum_read(lab.dirfd, "vda.full.data", &value, &err), 1);
    CHECK_EQ_U64(value, 300286872);
    if (chksum_write(lab.dirfd, "vda.full.data", 1, &err) == 0)
        CHECK_FAIL("a checksum was replaced");
    CHECK_EQ_INT(err.kind, ERR_EXISTS);
    error_clear(&err);
    lab_text(&lab, "vda.full.data.chksum", "None");
    CHECK_EQ_INT(chksum_read(lab.dirfd, "vda.full.data", &value, &err), 0);
    lab_text(&lab, "vda.full.data.chksum", "12x");
    CHECK_FAILS(chksum_read(lab.dirfd, "vda.full.data", &value, &err), &err,
                "vda.full.data.chksum");
}

static void test_chksum_texts(void)
{
    static const char *const bad[] = {"",    " ",          "x",   "-1",
                                      "1 2", "4294967296", "0x1", "None1"};
    uint32_t value = 0;

    for (size_t i = 0; i < array_size(bad); i++)
        if (chksum_decode(bad[i], strlen(bad[i]), &value, NULL) >= 0)
            CHECK_FAIL("'%s' is taken for a checksum", bad[i]);
    CHECK_EQ_INT(chksum_decode(" 4294967295\r\n", 13, &value, NULL), 1);
    CHECK_EQ_U64(value, UINT32_MAX);
    CHECK_EQ_INT(chksum_decode("1\0002", 3, &value, NULL), -1);
    CHECK_EQ_INT(chksum_decode("None\n", 5, &value, NULL), 0);
}

int main(void)
{
    RUN(test_cpt);
    RUN(test_cpt_hostile);
    RUN(test_cpt_deep);
    RUN(test_cpt_mutated);
    RUN(test_chksum);
    RUN(test_chksum_texts);
    return check_result();
}
