/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* build.c - see build.h */
#include "build.h"

#include <inttypes.h>
#include <stdarg.h>
#include <string.h>

#include "stream/codec.h"
#include "stream/meta.h"

void build_text(struct bytes *b, const char *fmt, ...)
{
    char *text = NULL;
    va_list ap;
    int n = 0;

    va_start(ap, fmt);
    n = vasprintf(&text, fmt, ap);
    va_end(ap);
    if (n > 0 && bytes_put(b, text, (size_t)n, NULL) < 0)
        abort();
    free(text);
}

void build_header(struct bytes *b, const char *kind, uint64_t start,
                  uint64_t length)
{
    build_text(b, "%s %016" PRIx64 " %016" PRIx64 "\r\n", kind, start, length);
}

void build_meta(struct bytes *b, uint64_t virtual_size, uint64_t data_size,
                bool incremental, int level)
{
    _cleanup_free_ char *text = NULL;
    static char disk[] = "sda";
    struct meta m = {.virtual_size = virtual_size,
                     .data_size = data_size,
                     .disk_name = disk,
                     .incremental = incremental,
                     .compressed = level > 0,
                     .level = level};
    size_t len = 0;

    if (meta_encode(&m, &text, &len, NULL) < 0)
        abort();
    build_header(b, "meta", 0, len);
    build_text(b, "%s\r\n", text);
}

void build_data(struct bytes *b, uint64_t start, const char *payload)
{
    build_header(b, "data", start, strlen(payload));
    build_text(b, "%s\r\n", payload);
}

size_t build_lz4(struct bytes *b, char c, size_t len)
{
    _cleanup_(codec_freep) struct codec *codec = codec_new(NULL);
    _cleanup_free_ char *plain = malloc(len);
    _cleanup_free_ char *out = malloc(codec_bound(len));
    size_t out_len = 0;

    for (size_t i = 0; i < len; i++)
        plain[i] = c ? (char)(c + i % 16) : 0;
    if (codec_encode(codec, 1, plain, len, out, codec_bound(len), &out_len,
                     NULL) < 0 ||
        bytes_put(b, out, out_len, NULL) < 0)
        abort();
    return out_len;
}

void build_trailer(struct bytes *b, const char *array)
{
    build_text(b, "%s\r\n", array);
    build_header(b, "comp", 0, strlen(array));
}
