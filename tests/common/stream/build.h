/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* build.h - streams put together by hand, so that they can be wrong in any way
 *
 * Each function appends one part to the buffer and checks nothing; without
 * memory they abort.
 */
#ifndef TESTS_COMMON_STREAM_BUILD_H
#define TESTS_COMMON_STREAM_BUILD_H

#include <stdbool.h>
#include <stdint.h>

#include "walk.h"

/* Any text. */
void build_text(struct bytes *b, const char *fmt, ...) printf_format(2, 3);

/* A frame header. */
void build_header(struct bytes *b, const char *kind, uint64_t start,
                  uint64_t length);

/* Metadata of disk sda, complete; compressed if `level` > 0. */
void build_meta(struct bytes *b, uint64_t virtual_size, uint64_t data_size,
                bool incremental, int level);

/* A data frame with its terminator. */
void build_data(struct bytes *b, uint64_t start, const char *payload);

/* `len` bytes as an lz4 frame: zeroes, or sixteen letters from `c` on over and
 * over.  Returns its size.
 */
size_t build_lz4(struct bytes *b, char c, size_t len);

/* `array` and what stands behind it. */
void build_trailer(struct bytes *b, const char *array);

#endif
