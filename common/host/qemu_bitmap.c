/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* qemu_bitmap.c - what qemu-img info says of a bitmap, see qemu.h */
#include "host/qemu.h"

#include <string.h>

#include <jansson.h>

#include "base/json.h"

/* Of an entry of the list; docs/interop/qcow2.txt of QEMU has the flags. */
static bool has_flag(const json_t *bitmap, const char *flag)
{
    const json_t *flags = json_object_get(bitmap, "flags");
    json_t *item = NULL;
    size_t i = 0;

    json_array_foreach(flags, i, item) if (json_is_string(item) &&
                                           strcmp(json_string_value(item),
                                                  flag) == 0) return true;
    return false;
}

static const json_t *find(const json_t *root, const char *name)
{
    const json_t *data =
        json_object_get(json_object_get(root, "format-specific"), "data");
    const json_t *list = json_object_get(data, "bitmaps");
    json_t *item = NULL;
    size_t i = 0;

    json_array_foreach(list, i, item)
    {
        const char *text = json_string_value(json_object_get(item, "name"));

        if (text && strcmp(text, name) == 0)
            return item;
    }
    return NULL;
}

int qemu_info_bitmap(const char *json, const char *name, const char **ret_why,
                     struct error *err)
{
    struct qemu_image image;
    json_auto_t *root = NULL;
    const json_t *bitmap;

    /* Limits and types are checked there. */
    if (qemu_info_parse(json, &image, err) < 0)
        return -1;
    root = json_read(json, strlen(json), ERR_DAMAGED, err);
    if (!root)
        return -1;
    bitmap = find(root, name);
    if (!bitmap) {
        *ret_why = "its image has no such bitmap";
        return 0;
    }
    if (has_flag(bitmap, "in-use")) {
        *ret_why = "its bitmap was not stored when the guest ended";
        return 0;
    }
    if (!has_flag(bitmap, "auto")) {
        *ret_why = "its bitmap was switched off and has missed changes";
        return 0;
    }
    return 1;
}
