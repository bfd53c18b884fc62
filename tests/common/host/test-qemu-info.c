/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* test-qemu-info.c - the JSON of qemu-img info, honest and hostile */
#include <time.h>

#include "check.h"
#include "host/qemu.h"

static const char honest[] =
    "{ \"virtual-size\": 104857600, \"filename\": \"/vm/a.qcow2\",\n"
    "  \"cluster-size\": 65536, \"format\": \"qcow2\",\n"
    "  \"actual-size\": 208896, \"format-specific\": { \"type\": \"qcow2\",\n"
    "  \"data\": { \"compat\": \"1.1\", \"compression-type\": \"zstd\",\n"
    "  \"lazy-refcounts\": true, \"bitmaps\": [ { \"flags\": [ \"auto\" ],\n"
    "  \"name\": \"b0\", \"granularity\": 65536 } ],\n"
    "  \"refcount-bits\": 16, \"corrupt\": false, \"extended-l2\": true } },\n"
    "  \"dirty-flag\": false }\n";

static void test_honest(void)
{
    _cleanup_error_ struct error err = ERROR_INIT;
    struct qemu_image image = {0};

    CHECK_OK(qemu_info_parse(honest, &image, &err), &err);
    CHECK_STR(image.format, "qcow2");
    CHECK_EQ_U64(image.virtual_size, 104857600);
    CHECK_EQ_U64(image.cluster_size, 65536);
    CHECK_STR(image.compat, "1.1");
    CHECK_STR(image.compression_type, "zstd");
    CHECK_EQ_U64(image.refcount_bits, 16);
    CHECK(image.lazy_refcounts && image.extended_l2);
    CHECK_EQ_U64(image.bitmap_count, 1);
    CHECK(!image.has_backing && !image.has_data_file && !image.encrypted &&
          !image.corrupt);
}

static void test_sparse(void)
{
    _cleanup_error_ struct error err = ERROR_INIT;
    struct qemu_image image = {0};

    CHECK_OK(qemu_info_parse("{\"format\":\"raw\",\"virtual-size\":1}", &image,
                             &err),
             &err);
    CHECK_STR(image.format, "raw");
    CHECK_STR(image.compat, "");
    CHECK_STR(image.compression_type, "");
    CHECK_EQ_U64(image.cluster_size, 0);
    CHECK_OK(
        qemu_info_parse("{\"format\":\"qcow2\",\"virtual-size\":0,"
                        "\"backing-filename\":\"/b\",\"encrypted\":true,"
                        "\"format-specific\":{\"data\":{"
                        "\"data-file\":\"/etc/shadow\",\"corrupt\":true}}}",
                        &image, &err),
        &err);
    CHECK(image.has_backing && image.has_data_file && image.encrypted &&
          image.corrupt);
    /* Other formats' clusters are their own affair. */
    CHECK_OK(qemu_info_parse("{\"format\":\"vdi\",\"virtual-size\":1,"
                             "\"cluster-size\":3}",
                             &image, &err),
             &err);
}

static void test_damaged(void)
{
#define Q "{\"format\":\"qcow2\",\"virtual-size\":1,"
#define D Q "\"format-specific\":{\"data\":{"
    static const char *const bad[] = {
        "",
        "null",
        "[]",
        "{}",
        "{",
        "{\"format\":\"qcow2\"}",
        "{\"virtual-size\":1}",
        "{\"virtual-size\":1,\"format\":1}",
        "{\"virtual-size\":1,\"format\":\"\"}",
        "{\"virtual-size\":1,\"format\":\"a,b\"}",
        "{\"virtual-size\":1,\"format\":\"-raw=\"}",
        "{\"virtual-size\":1,\"format\":\"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\"}",
        "{\"virtual-size\":-1,\"format\":\"raw\"}",
        "{\"virtual-size\":\"1\",\"format\":\"raw\"}",
        "{\"virtual-size\":1.5,\"format\":\"raw\"}",
        "{\"virtual-size\":99999999999999999999,\"format\":\"raw\"}",
        "{\"virtual-size\":1,\"virtual-size\":2,\"format\":\"raw\"}",
        "{\"virtual-size\":1,\"format\":\"raw\"} x",
        Q "\"cluster-size\":65535}",
        Q "\"cluster-size\":256}",
        Q "\"cluster-size\":4194304}",
        Q "\"cluster-size\":\"65536,data_file=/etc/shadow\"}",
        Q "\"backing-filename\":7}",
        Q "\"encrypted\":1}",
        Q "\"format-specific\":[]}",
        Q "\"format-specific\":{\"data\":[]}}",
        D "\"compat\":\"1.2\"}}}",
        D "\"compat\":\"1.1,data_file=/etc/shadow\"}}}",
        D "\"compat\":1.1}}}",
        D "\"compression-type\":\"lzma\"}}}",
        D "\"lazy-refcounts\":\"on\"}}}",
        D "\"extended-l2\":1}}}",
        D "\"refcount-bits\":0.5}}}",
        D "\"refcount-bits\":3}}}",
        D "\"refcount-bits\":128}}}",
        D "\"bitmaps\":{}}}}",
        D "\"data-file\":{}}}}",
        D "\"x\":1,\"x\":2}}}",
    };
#undef D
#undef Q
    _cleanup_error_ struct error err = ERROR_INIT;

    for (size_t i = 0; i < array_size(bad); i++) {
        struct qemu_image image = {.virtual_size = 77};

        if (qemu_info_parse(bad[i], &image, &err) == 0)
            CHECK_FAIL("accepted: %s", bad[i]);
        CHECK_EQ_INT(err.kind, ERR_DAMAGED);
        CHECK_EQ_U64(image.virtual_size, 77);
        error_clear(&err);
    }
}

static void test_limits(void)
{
    _cleanup_error_ struct error err = ERROR_INIT;
    struct qemu_image image = {0};
    size_t size = 2 * MIB;
    _cleanup_free_ char *text = malloc(size);

    REQUIRE(text);
    memset(text, '[', size - 1);
    text[size - 1] = '\0';
    CHECK_FAILS(qemu_info_parse(text, &image, &err), &err, "too large");
    text[100000] = '\0';
    CHECK_FAILS(qemu_info_parse(text, &image, &err), &err, "too deeply");
    /* Brackets in strings do not count. */
    CHECK_OK(qemu_info_parse("{\"format\":\"raw\",\"virtual-size\":1,"
                             "\"filename\":\"[[[[[[[[[[[[[[[[[[\\\"[[[[\"}",
                             &image, &err),
             &err);
}

/* Whatever it is changed to, it is refused or within bounds. */
static void test_mutations(void)
{
    unsigned seed = (unsigned)time(NULL);
    char text[sizeof(honest)];
    int accepted = 0;

    printf("# seed %u\n", seed);
    for (int i = 0; i < 20000; i++) {
        struct qemu_image image = {0};

        memcpy(text, honest, sizeof(text));
        for (int k = rand_r(&seed) % 4; k >= 0; k--) {
            size_t at = (size_t)rand_r(&seed) % (sizeof(text) - 1);
            int how = rand_r(&seed) % 3;

            if (how == 0)
                text[at] = (char)rand_r(&seed);
            else
                text[at] = "0123456789,:\"{}[]-. "[rand_r(&seed) % 20];
        }
        if (qemu_info_parse(text, &image, NULL) < 0)
            continue;
        accepted++;
        CHECK(image.virtual_size <= INT64_MAX);
        CHECK(image.compat && image.compression_type);
        CHECK(image.cluster_size <= 2 * MIB && image.refcount_bits <= 64);
    }
    CHECK(accepted > 0);
}

int main(void)
{
    RUN(test_honest);
    RUN(test_sparse);
    RUN(test_damaged);
    RUN(test_limits);
    RUN(test_mutations);
    return check_result();
}
