/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* test-qemu-img.c - images made and examined by the real qemu-img */
#include <errno.h>

#include "base/spawn.h"
#include "check.h"
#include "host/qemu.h"
#include "scratch.h"

static int examine(const char *path, struct qemu_image *ret, struct error *err)
{
    _cleanup_free_ char *json = NULL;

    if (qemu_img_info(NULL, path, &json, err) < 0)
        return -1;
    return qemu_info_parse(json, ret, err);
}

/* What is made is what was asked for, and copying it makes the same. */
static void test_options(void)
{
    static const struct qemu_create all[] = {
        {.format = "raw", .virtual_size = 1 * MIB + 512},
        {.format = "raw", .virtual_size = 0},
        {.format = "qcow2", .virtual_size = 10 * MIB},
        {.format = "qcow2", .virtual_size = 3 * 1024 * GIB},
        {"qcow2", 10 * MIB, .compat = "0.10", .compression_type = "zlib"},
        {"qcow2", 10 * MIB, .compat = "", .cluster_size = 512},
        {"qcow2", 10 * MIB, 2 * MIB, "1.1", "zstd", 64, true, true},
        {"qcow2", 10 * MIB, 16 * KIB, "1.1", "zlib", 1, false, true},
    };

    for (size_t i = 0; i < array_size(all); i++) {
        _cleanup_error_ struct error err = ERROR_INIT;
        const struct qemu_create *c = &all[i];
        const char *path = scratch_path("made");
        struct qemu_image image = {0};
        struct qemu_image again = {0};
        struct stat st = {0};
        struct qemu_create like;

        CHECK_OK(qemu_img_create(path, c, &err), &err);
        CHECK(stat(path, &st) == 0 && (st.st_mode & 07777) == 0600);
        CHECK_OK(examine(path, &image, &err), &err);
        CHECK_STR(image.format, c->format);
        CHECK_EQ_U64(image.virtual_size, c->virtual_size);
        if (c->cluster_size)
            CHECK_EQ_U64(image.cluster_size, c->cluster_size);
        if (c->compat && c->compat[0])
            CHECK_STR(image.compat, c->compat);
        if (c->compression_type)
            CHECK_STR(image.compression_type, c->compression_type);
        if (c->refcount_bits)
            CHECK_EQ_U64(image.refcount_bits, c->refcount_bits);
        CHECK(image.lazy_refcounts == c->lazy_refcounts);
        CHECK(image.extended_l2 == c->extended_l2);

        unlink(path);
        like = qemu_create_like(&image, image.virtual_size);
        CHECK_OK(qemu_img_create(path, &like, &err), &err);
        CHECK_OK(examine(path, &again, &err), &err);
        CHECK_STR(again.compat, image.compat);
        CHECK_STR(again.compression_type, image.compression_type);
        CHECK_EQ_U64(again.cluster_size, image.cluster_size);
        CHECK_EQ_U64(again.refcount_bits, image.refcount_bits);
        CHECK(again.lazy_refcounts == image.lazy_refcounts);
        CHECK(again.extended_l2 == image.extended_l2);
        unlink(path);
    }
}

/* An overlay, a data file, encryption and foreign formats are not taken over.
 */
static void test_like(void)
{
    struct qemu_image image = {.format = "qcow2",
                               .compat = "1.1",
                               .compression_type = "zlib",
                               .cluster_size = 65536,
                               .has_backing = true,
                               .has_data_file = true,
                               .encrypted = true};
    struct qemu_create like = qemu_create_like(&image, 5);

    CHECK_STR(like.format, "qcow2");
    CHECK_EQ_U64(like.virtual_size, 5);
    strcpy(image.format, "vmdk");
    image.cluster_size = 3;
    like = qemu_create_like(&image, 5);
    CHECK_STR(like.format, "qcow2");
    CHECK_EQ_U64(like.cluster_size, 0);
}

/* covers: G1:R */
static void test_never_overwrites(void)
{
    struct qemu_create c = {.format = "qcow2", .virtual_size = MIB};
    _cleanup_error_ struct error err = ERROR_INIT;
    const char *path = scratch_path("precious");
    const char *link = scratch_path("link");

    put_file(path, "precious");
    CHECK(qemu_img_create(path, &c, &err) < 0);
    CHECK_EQ_INT(err.kind, ERR_EXISTS);
    CHECK_FAILS(-1, &err, "already there");
    CHECK_STR(file_text(path), "precious");

    CHECK(symlink(scratch_path("nowhere"), link) == 0);
    CHECK(qemu_img_create(link, &c, &err) < 0);
    CHECK_EQ_INT(err.kind, ERR_EXISTS);
    error_clear(&err);
    CHECK(!is_there(scratch_path("nowhere")));
}

/* Nothing but our own words gets into an option, whoever asks. */
/* covers: F18:R */
static void test_injection(void)
{
    static const struct qemu_create bad[] = {
        {.format = "vmdk", .virtual_size = MIB},
        {.format = "qcow2,x=y", .virtual_size = MIB},
        {.format = "qcow2", .virtual_size = UINT64_MAX},
        {"qcow2", MIB, .compat = "1.1,data_file=/tmp/x"},
        {"qcow2", MIB, .compression_type = "zlib,backing_file=/etc/passwd"},
        {"qcow2", MIB, .cluster_size = 3},
        {"qcow2", MIB, .refcount_bits = 128},
    };

    for (size_t i = 0; i < array_size(bad); i++) {
        _cleanup_error_ struct error err = ERROR_INIT;

        CHECK(qemu_img_create(scratch_path("bad"), &bad[i], &err) < 0);
        CHECK_EQ_INT(err.kind, ERR_INPUT);
        CHECK(!is_there(scratch_path("bad")));
    }
}

/* What qemu-img refuses leaves nothing behind, and the reason is told. */
static void test_refused(void)
{
    static const struct qemu_create bad[] = {
        {"qcow2", 10 * MIB, .cluster_size = 512, .extended_l2 = true},
        {"qcow2", 10 * MIB, .compat = "0.10", .lazy_refcounts = true},
        {.format = "raw", .virtual_size = INT64_MAX},
    };
    struct qemu_create fine = {.format = "raw", .virtual_size = MIB};
    _cleanup_error_ struct error err = ERROR_INIT;

    for (size_t i = 0; i < array_size(bad); i++) {
        CHECK(qemu_img_create(scratch_path("bad"), &bad[i], &err) < 0);
        CHECK_EQ_INT(err.kind, ERR_CHILD);
        CHECK_CONTAINS(error_text(&err), "create the image '/tmp/");
        CHECK(!strchr(error_text(&err), '\n'));
        printf("# %s\n", error_text(&err));
        error_clear(&err);
        CHECK(!is_there(scratch_path("bad")));
    }
    CHECK_FAILS(qemu_img_create("/nonexistent/a", &fine, &err), &err,
                "No such file");
}

/* Names that look like protocols, options or lists. */
static void test_names(void)
{
    static const char *const names[] = {"nbd:x", "-f", "a,b=c", "json:{}",
                                        "a b'c"};
    struct qemu_create c = {.format = "qcow2", .virtual_size = MIB};
    char before[256];

    REQUIRE(getcwd(before, sizeof(before)) && chdir(scratch) == 0);
    for (size_t i = 0; i < array_size(names); i++) {
        _cleanup_error_ struct error err = ERROR_INIT;
        struct qemu_image image = {0};

        CHECK_OK(qemu_img_create(names[i], &c, &err), &err);
        CHECK_OK(examine(names[i], &image, &err), &err);
        CHECK_STR(image.format, "qcow2");
        CHECK(unlink(names[i]) == 0);
    }
    CHECK(chdir(before) == 0);
}

static void test_info_fails(void)
{
    _cleanup_error_ struct error err = ERROR_INIT;
    _cleanup_free_ char *json = NULL;
    _cleanup_free_ char *path = strdup(getenv("PATH"));

    CHECK_FAILS(qemu_img_info(NULL, scratch_path("absent"), &json, &err), &err,
                "No such file");
    setenv("PATH", "/nonexistent", 1);
    CHECK_FAILS(qemu_img_info(NULL, scratch_path("absent"), &json, &err), &err,
                "qemu-utils");
    setenv("PATH", path, 1);
}

int main(void)
{
    const char *const argv[] = {"qemu-img", "--version", NULL};
    struct spawn_request req = {.argv = argv};

    if (spawn_run(&req, 20000, NULL, NULL, NULL) < 0)
        check_skip_all("no qemu-img");
    scratch_begin();
    RUN(test_options);
    RUN(test_like);
    RUN(test_never_overwrites);
    RUN(test_injection);
    RUN(test_refused);
    RUN(test_names);
    RUN(test_info_fails);
    return check_result();
}
