/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* fuzz-index.c - any bytes as an index
 *
 * What is accepted keeps the rules that restore and map build upon.  As a
 * checksum stands in the way of most changes, the bytes are tried a second time
 * with the right one.  How to build and run: fuzz.h.
 */
#include <string.h>

#include "base/cleanup.h"
#include "set/blockmap.h"
#include "set/index.h"

#include "fuzz.h"

static void check_index(const struct index *idx)
{
    _cleanup_blockmap_ struct blockmap map = BLOCKMAP_INIT;
    _cleanup_error_ struct error err = ERROR_INIT;
    uint64_t end = 0, file_end = 0, data = 0, zero = 0;

    for (size_t i = 0; i < index_count(idx); i++) {
        struct index_record r = index_get(idx, i);

        PROMISE(r.length > 0 && r.offset >= end);
        end = r.offset + r.length;
        PROMISE(end > r.offset && end <= index_virtual_size(idx));
        PROMISE(index_find(idx, r.offset) == i);
        if (r.stored_length > 0) {
            PROMISE(r.file_offset >= file_end);
            file_end = r.file_offset + r.stored_length;
            PROMISE(file_end <= index_file_size(idx));
        }
        PROMISE(r.hashed ? r.kind == INDEX_DATA && r.length <= INDEX_PLAIN_MAX
                         : r.kind == INDEX_ZERO || r.compressed);
        *(r.kind == INDEX_DATA ? &data : &zero) += r.length;
    }
    PROMISE(data == index_data_size(idx) && zero == index_zero_size(idx));
    if (blockmap_build(&idx, 1, index_virtual_size(idx), &map, &err) == 0) {
        end = 0;
        for (size_t i = 0; i < map.count; i++) {
            PROMISE(map.ranges[i].offset == end && map.ranges[i].length > 0);
            end += map.ranges[i].length;
        }
        PROMISE(end == index_virtual_size(idx) && index_covers(idx));
    }
}

static void try(const unsigned char *bytes, size_t size)
{
    _cleanup_error_ struct error err = ERROR_INIT;
    _cleanup_(index_freep) struct index *idx = NULL;
    int valid = index_validate(bytes, size, NULL);

    if (index_decode(bytes, size, &idx, &err) == 0)
        check_index(idx);
    else
        PROMISE(err.kind == ERR_DAMAGED || err.kind == ERR_INPUT);
    PROMISE((valid == 0) == (idx != NULL));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    unsigned char *copy = NULL;

    try(data, size);
    if (size < INDEX_HASH_SIZE)
        return 0;
    copy = malloc(size);
    if (!copy)
        return 0;
    memcpy(copy, data, size);
    index_hash_block(copy, size - INDEX_HASH_SIZE,
                     copy + size - INDEX_HASH_SIZE);
    try(copy, size);
    free(copy);
    return 0;
}
