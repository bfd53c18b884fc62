/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* fuzz-meta.c - metadata that is accepted survives being written again
 *
 * How to build and run: fuzz.h.
 */
#include <string.h>

#include "stream/meta.h"

#include "fuzz.h"

static void check_same(const struct meta *a, const struct meta *b)
{
    PROMISE(a->virtual_size == b->virtual_size);
    PROMISE(a->data_size == b->data_size);
    PROMISE(strcmp(a->date, b->date) == 0);
    PROMISE(strcmp(a->disk_name, b->disk_name) == 0);
    PROMISE(strcmp(a->disk_format, b->disk_format) == 0);
    PROMISE(strcmp(a->checkpoint_name, b->checkpoint_name) == 0);
    PROMISE(strcmp(a->parent_checkpoint, b->parent_checkpoint) == 0);
    PROMISE(a->incremental == b->incremental);
    PROMISE(a->compressed == b->compressed);
    PROMISE(a->level == b->level);
    PROMISE(a->no_compressed_key == b->no_compressed_key);
    PROMISE(b->stream_version == META_STREAM_VERSION);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    _cleanup_error_ struct error err = ERROR_INIT;
    _cleanup_meta_ struct meta m = META_INIT;
    _cleanup_meta_ struct meta again = META_INIT;
    _cleanup_free_ char *text = NULL;
    size_t len = 0;

    if (meta_decode((const char *)data, size, &m, &err) < 0) {
        PROMISE(err.kind == ERR_DAMAGED || err.kind == ERR_INPUT);
        return 0;
    }
    PROMISE(m.date && m.disk_name && m.disk_format && m.checkpoint_name &&
            m.parent_checkpoint);
    PROMISE(m.data_size <= m.virtual_size && m.virtual_size <= INT64_MAX);
    PROMISE(!strchr(m.disk_name, '/'));
    /* Levels that old releases wrote, and we would not. */
    if (m.compressed && (m.level < 1 || m.level > 16))
        m.level = 1;
    PROMISE(meta_encode(&m, &text, &len, &err) == 0);
    PROMISE(meta_decode(text, len, &again, &err) == 0);
    check_same(&m, &again);
    return 0;
}
