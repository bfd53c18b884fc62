/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* fuzz-image.c - any text as what qemu-img info says, also in a backup set
 *
 * What is accepted can be handed to qemu-img: words of our lists, numbers
 * within their limits.  How to build and run: fuzz.h.
 */
#include <string.h>

#include "host/qemu.h"

#include "fuzz.h"

static bool is_power_of_two(uint64_t n)
{
    return n > 0 && (n & (n - 1)) == 0;
}

static void check_image(const struct qemu_image *image)
{
    struct qemu_create create = qemu_create_like(image, image->virtual_size);
    size_t length = strlen(image->format);

    PROMISE(length > 0 &&
            strspn(image->format, "abcdefghijklmnopqrstuvwxyz0123456789-_") ==
                length);
    PROMISE(image->virtual_size <= INT64_MAX);
    PROMISE(image->cluster_size == 0 || is_power_of_two(image->cluster_size));
    PROMISE(image->cluster_size <= 2 * MIB && image->refcount_bits <= 64);
    PROMISE(image->compat && image->compression_type);
    PROMISE(strcmp(create.format, "qcow2") == 0 ||
            strcmp(create.format, "raw") == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    _cleanup_error_ struct error err = ERROR_INIT;
    _cleanup_free_ char *json = strndup((const char *)data, size);
    struct qemu_image image = {.compat = NULL};
    const char *why = NULL;

    if (!json)
        return 0;
    if (qemu_info_parse(json, &image, &err) < 0) {
        PROMISE(err.kind == ERR_DAMAGED);
        return 0;
    }
    check_image(&image);
    PROMISE(qemu_info_bitmap(json, "virtnbdbackup.0", &why, &err) == 1 || why);
    return 0;
}
