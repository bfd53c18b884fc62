/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* codec_frame.h - the layout of an lz4 frame, and its checksums (stream only)
 *
 * The checksums are XXH32, of the stored bytes of each block and of the plain
 * bytes of all.  liblz4 brings a copy of that function that takes, as Debian
 * compiles it, twice as long as decoding; libxxhash's takes a sixth of it.  So
 * the checksums of whole frames are computed here.
 *
 * Source: doc/lz4_Frame_format.md of lz4, version 1.6.3.
 */
#ifndef STREAM_CODEC_FRAME_H
#define STREAM_CODEC_FRAME_H

#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "base/macro.h"

/* 4 bytes of magic number, FLG, BD, then, as FLG says, 8 of the plain length
 * and 4 of a dictionary's number, and a byte that is the header's checksum.
 */
#define CODEC_FLG_AT 4
#define CODEC_BD_AT 5

#define CODEC_FLG_VERSION_MASK 0xc0
#define CODEC_FLG_VERSION 0x40
#define CODEC_FLG_INDEPENDENT 0x20
#define CODEC_FLG_BLOCK_CHECKSUM 0x10
#define CODEC_FLG_CONTENT_SIZE 0x08
#define CODEC_FLG_CONTENT_CHECKSUM 0x04
#define CODEC_FLG_DICTIONARY 0x01

#define CODEC_BD_64K 0x40

/* A block: its length, which has this bit if it is not compressed, its bytes,
 * and, if FLG says so, their checksum.  A length of 0 ends the frame; behind it
 * is the checksum of the content, if FLG says so.
 */
#define CODEC_NOT_COMPRESSED 0x80000000U
#define CODEC_SUM_SIZE ((size_t)4)

/* Little-endian, from or to 4 bytes. */
static inline uint32_t codec_get32(const unsigned char *from)
{
    return (uint32_t)from[0] | (uint32_t)from[1] << 8 |
           (uint32_t)from[2] << 16 | (uint32_t)from[3] << 24;
}

/* Write the checksum of `len` bytes to the 4 bytes `to`. */
void codec_put_sum(unsigned char *to, const void *bytes, size_t len);

/* Add `flags` to the head of a frame, of `length` bytes. */
void codec_frame_mark(unsigned char *head, size_t length, unsigned char flags);

/* Compare all checksums of a frame, which the library could decode to `plain`;
 * ERR_DAMAGED.
 */
must_check int codec_frame_check(const void *frame, size_t len,
                                 const void *plain, size_t plain_len,
                                 struct error *err);

#endif
