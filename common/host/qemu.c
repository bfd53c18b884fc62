/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* qemu.c - see qemu.h; `qemu-img info` and its JSON
 *
 * The JSON may come from a backup set, so it is taken for hostile: limits of
 * size and depth before it is parsed, then only the keys we know, with values
 * that make sense.
 */
#include "host/qemu.h"

#include <errno.h>
#include <string.h>

#include <jansson.h>

#include "base/json.h"
#include "base/spawn.h"
#include "base/text.h"
#include "host/qemu_private.h"
#include "host/remote.h"

#define INFO_TIMEOUT_MS 60000
#define INFO_SIZE_MAX (1 * MIB)
#define INFO_DEPTH_MAX 16
#define INFO_BITMAPS_MAX 65535 /* what qcow2 can hold */

const char *const qemu_compat_words[] = {"0.10", "1.1", NULL};
const char *const qemu_compression_words[] = {"zlib", "zstd", NULL};

const char *qemu_word(const char *const words[], const char *text)
{
    for (; *words; words++)
        if (strcmp(*words, text) == 0)
            return *words;
    return NULL;
}

static bool is_power_of_two(uint64_t n)
{
    return n > 0 && (n & (n - 1)) == 0;
}

bool qemu_cluster_size_ok(uint64_t size)
{
    return is_power_of_two(size) && size >= 512 && size <= 2 * MIB;
}

bool qemu_refcount_bits_ok(uint64_t bits)
{
    return is_power_of_two(bits) && bits <= 64;
}

char *qemu_file_argument(const char *path)
{
    return text_dup_printf("%s%s", path[0] == '/' ? "" : "./", path);
}

int qemu_missing_hint(struct error *err)
{
    if (err && err->kind == ERR_SYSTEM && err->code == ENOENT)
        return error_append(err, " (it belongs to the package qemu-utils or "
                                 "qemu-img)");
    return -1;
}

/* A program that only looks, here or there: guests write what it reads. */
static int run_tool(struct remote *on, const char *const *argv, int timeout_ms,
                    char **ret_out, struct error *err)
{
    static const char *const nothing[] = {NULL};
    struct spawn_request req = {.argv = argv, .writes = nothing};

    if (on)
        return remote_run(on, argv, timeout_ms, ret_out, err);
    if (spawn_run(&req, timeout_ms, ret_out, NULL, err) < 0)
        return qemu_missing_hint(err);
    return 0;
}

int qemu_img_info(struct remote *on, const char *path, char **ret_json,
                  struct error *err)
{
    _cleanup_free_ char *file = qemu_file_argument(path);
    _cleanup_free_ char *json = NULL;
    const char *argv[] = {"qemu-img",      "info", "--output=json",
                          "--force-share", file,   NULL};

    if (!file)
        return error_memory(err);
    if (run_tool(on, argv, INFO_TIMEOUT_MS, &json, err) < 0)
        return error_prefix(err, "examine the image '%s'", path);
    *ret_json = take(json);
    return 0;
}

static int damaged(struct error *err, const char *key, const char *why)
{
    return error_set(err, ERR_DAMAGED, "image information: '%s' %s", key, why);
}

/* How deep do brackets nest, those inside of strings not counted? */
static int check_depth(const char *json, struct error *err)
{
    unsigned depth = 0;
    bool quoted = false;

    for (const char *p = json; *p; p++) {
        if (quoted && *p == '\\' && p[1])
            p++;
        else if (*p == '"')
            quoted = !quoted;
        else if (!quoted && (*p == '{' || *p == '['))
            depth++;
        else if (!quoted && (*p == '}' || *p == ']') && depth > 0)
            depth--;
        if (depth > INFO_DEPTH_MAX)
            return error_set(err, ERR_DAMAGED,
                             "image information: nested too deeply");
    }
    return 0;
}

/* The getters: an absent key leaves `*ret` as it is. */

static int get_bool(const json_t *object, const char *key, bool *ret,
                    struct error *err)
{
    const json_t *value = json_object_get(object, key);

    if (!value)
        return 0;
    if (!json_is_boolean(value))
        return damaged(err, key, "is neither true nor false");
    *ret = json_is_true(value);
    return 0;
}

static int get_size(const json_t *object, const char *key, uint64_t *ret,
                    struct error *err)
{
    const json_t *value = json_object_get(object, key);

    if (!value)
        return 0;
    if (!json_is_integer(value) || json_integer_value(value) < 0)
        return damaged(err, key, "is not a size");
    *ret = (uint64_t)json_integer_value(value);
    return 0;
}

static int get_word(const json_t *object, const char *key,
                    const char *const words[], const char **ret,
                    struct error *err)
{
    const json_t *value = json_object_get(object, key);
    const char *word;

    if (!value)
        return 0;
    word = json_is_string(value) ? qemu_word(words, json_string_value(value))
                                 : NULL;
    if (!word)
        return damaged(err, key, "has a value that is not known");
    *ret = word;
    return 0;
}

/* Is there a file name under this key? */
static int get_named(const json_t *object, const char *key, bool *ret,
                     struct error *err)
{
    const json_t *value = json_object_get(object, key);

    if (!value)
        return 0;
    if (!json_is_string(value))
        return damaged(err, key, "is not a file name");
    *ret = true;
    return 0;
}

static int get_format(const json_t *root, struct qemu_image *image,
                      struct error *err)
{
    const char *format = json_string_value(json_object_get(root, "format"));
    size_t length = format ? strlen(format) : 0;

    if (length == 0 || length >= sizeof(image->format) ||
        strspn(format, "abcdefghijklmnopqrstuvwxyz0123456789-_") != length)
        return damaged(err, "format", "is missing or not a format");
    memcpy(image->format, format, length + 1);
    return 0;
}

static int get_bitmaps(const json_t *data, struct qemu_image *image,
                       struct error *err)
{
    const json_t *bitmaps = json_object_get(data, "bitmaps");

    if (!bitmaps)
        return 0;
    if (!json_is_array(bitmaps) || json_array_size(bitmaps) > INFO_BITMAPS_MAX)
        return damaged(err, "bitmaps", "is not a list of bitmaps");
    image->bitmap_count = json_array_size(bitmaps);
    return 0;
}

static int get_qcow2(const json_t *root, struct qemu_image *image,
                     struct error *err)
{
    const json_t *specific = json_object_get(root, "format-specific");
    const json_t *data = json_object_get(specific, "data");
    uint64_t bits = 0;

    if (get_size(root, "cluster-size", &image->cluster_size, err) < 0)
        return -1;
    if (image->cluster_size && !qemu_cluster_size_ok(image->cluster_size))
        return damaged(err, "cluster-size", "is out of range");
    if (specific && !json_is_object(data))
        return damaged(err, "format-specific", "has no data");
    if (get_word(data, "compat", qemu_compat_words, &image->compat, err) < 0 ||
        get_word(data, "compression-type", qemu_compression_words,
                 &image->compression_type, err) < 0 ||
        get_size(data, "refcount-bits", &bits, err) < 0 ||
        get_bool(data, "lazy-refcounts", &image->lazy_refcounts, err) < 0 ||
        get_bool(data, "extended-l2", &image->extended_l2, err) < 0 ||
        get_bool(data, "corrupt", &image->corrupt, err) < 0 ||
        get_named(data, "data-file", &image->has_data_file, err) < 0 ||
        get_bitmaps(data, image, err) < 0)
        return -1;
    if (bits && !qemu_refcount_bits_ok(bits))
        return damaged(err, "refcount-bits", "is out of range");
    image->refcount_bits = (unsigned)bits;
    return 0;
}

static int get_image(const json_t *root, struct qemu_image *image,
                     struct error *err)
{
    if (!json_is_object(root))
        return error_set(err, ERR_DAMAGED, "image information: no object");
    if (!json_object_get(root, "virtual-size"))
        return damaged(err, "virtual-size", "is missing");
    if (get_format(root, image, err) < 0 ||
        get_size(root, "virtual-size", &image->virtual_size, err) < 0 ||
        get_named(root, "backing-filename", &image->has_backing, err) < 0 ||
        get_bool(root, "encrypted", &image->encrypted, err) < 0)
        return -1;
    return strcmp(image->format, "qcow2") == 0 ? get_qcow2(root, image, err)
                                               : 0;
}

int qemu_info_parse(const char *json, struct qemu_image *ret, struct error *err)
{
    struct qemu_image image = {.compat = "", .compression_type = ""};
    json_auto_t *root = NULL;
    size_t length = strnlen(json, INFO_SIZE_MAX + 1);

    if (length > INFO_SIZE_MAX)
        return error_set(err, ERR_DAMAGED, "image information: too large");
    if (check_depth(json, err) < 0)
        return -1;
    root = json_read(json, length, ERR_DAMAGED, err);
    if (!root)
        return error_prefix(err, "image information");
    if (get_image(root, &image, err) < 0)
        return -1;
    *ret = image;
    return 0;
}
