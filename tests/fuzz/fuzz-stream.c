/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* fuzz-stream.c - any file at all walks through the reader
 *
 * The whole walk decodes everything; a second one skips every payload and must
 * get as far at least.  How to build and run: fuzz.h.
 */
#include <string.h>

#include "stream/reader.h"

#include "fuzz.h"
#include "walk.h"

#define DISK_MAX (1 << 16)

/* The promises of reader.h, without looking at payloads. */
static int skim(const struct reader_source *source, uint64_t *ret_size)
{
    _cleanup_error_ struct error err = ERROR_INIT;
    _cleanup_(reader_closep) struct stream_reader *r =
        reader_open(source, &err);
    const struct meta *m = NULL;
    struct reader_frame f = {0};
    uint64_t cursor = 0, data = 0;
    int more = -1;

    if (r)
        m = reader_meta(r);
    while (r && (more = reader_next(r, &f, &err)) > 0) {
        PROMISE(f.length > 0 && f.start >= cursor);
        PROMISE(m->incremental || f.start == cursor);
        PROMISE(f.start + f.length > f.start);
        cursor = f.start + f.length;
        PROMISE(cursor <= m->virtual_size);
        if (f.kind == FRAME_ZERO)
            continue;
        PROMISE(f.kind == FRAME_DATA && f.piece_count > 0);
        PROMISE(f.stored_length > 0);
        PROMISE(f.file_offset + f.stored_length <= source->size);
        PROMISE(m->compressed || f.stored_length == f.length);
        data += f.length;
    }
    if (more < 0) {
        PROMISE(err.kind == ERR_DAMAGED || err.kind == ERR_INPUT);
        return -1;
    }
    PROMISE(data == m->data_size);
    PROMISE(m->incremental || cursor == m->virtual_size);
    *ret_size = m->virtual_size;
    return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    _cleanup_error_ struct error err = ERROR_INIT;
    _cleanup_free_ unsigned char *disk = NULL;
    struct memory_source memory = {0};
    struct reader_source source =
        memory_source(&memory, (const char *)data, size);
    uint64_t virtual_size = DISK_MAX + 1;
    int result = skim(&source, &virtual_size);
    static struct codec *codec;
    static struct codec_stream *decoder;
    struct walk w = {.virtual_size = virtual_size};

    if (!codec)
        codec = codec_new(NULL);
    if (!decoder)
        decoder = codec_stream_new(NULL);
    w.codec = codec;
    w.decoder = decoder;

    PROMISE(codec && decoder);
    PROMISE(memory.backwards <= 2); /* to the trailer, and back */
    if (result == 0)
        PROMISE(memory.highest == size);
    if (virtual_size <= DISK_MAX)
        disk = w.disk = calloc(1, virtual_size + 1);
    if (walk_stream(&source, &w, &err) == 0)
        PROMISE(result == 0);
    else
        PROMISE(err.kind == ERR_DAMAGED || err.kind == ERR_INPUT);
    return 0;
}
