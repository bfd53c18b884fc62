/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* fuzz-nbdinfo.c - any text as the map that nbdinfo prints
 *
 * What is accepted covers the disk without a gap.  The first two bytes: the
 * size of the disk.  How to build and run: fuzz.h.
 */
#include "nbdinfo.h"

#include "fuzz.h"

static int try(const char *json, size_t length, uint64_t size,
               status_meaning meaning, struct extent_list *ret)
{
    _cleanup_error_ struct error err = ERROR_INIT;
    int result = nbdinfo_parse(json, length, size, meaning, ret, &err);

    PROMISE(result == 0 || err.kind == ERR_NBD || err.kind == ERR_INPUT);
    return result;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    _cleanup_extents_ struct extent_list all = EXTENT_LIST_INIT;
    _cleanup_extents_ struct extent_list dirty = EXTENT_LIST_INIT;
    const char *json = (const char *)data + 2;
    uint64_t disk = 0;
    int result;

    if (size < 2)
        return 0;
    disk = (data[0] | (uint64_t)data[1] << 8) * 512;
    result = try(json, size - 2, disk, status_allocation_meaning, &all);
    PROMISE(try(json, size - 2, disk, status_dirty_meaning, &dirty) == result);
    if (result < 0)
        return 0;
    PROMISE(extent_tiles(&all, disk, NULL) == 0);
    PROMISE(extent_total_all(&dirty) <= disk);
    return 0;
}
