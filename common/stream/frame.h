/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* frame.h - the header in front of every part of a backup stream
 *
 * Forty bytes of text: kind, start, length, CR LF (docs/FORMAT.md).  Pure: no
 * I/O, no allocation; knows nothing of what follows a header.
 */
#ifndef STREAM_FRAME_H
#define STREAM_FRAME_H

#include <stdint.h>

#include "base/error.h"

#define FRAME_SIZE 40

/* The CR LF behind the metadata, a payload and the trailer's array. */
#define FRAME_TERM "\r\n"
#define FRAME_TERM_SIZE 2

enum frame_kind {
    FRAME_META, /* the metadata, first in the file */
    FRAME_DATA, /* guest data follows */
    FRAME_ZERO, /* reads as zeroes; nothing follows */
    FRAME_STOP, /* the end of the frames */
    FRAME_COMP, /* behind the trailer of a compressed stream */
};

struct frame {
    enum frame_kind kind;
    uint64_t
        start; /* byte offset in the virtual disk; 0 for META, STOP, COMP */
    uint64_t length; /* disk bytes for DATA and ZERO (also when compressed),
                        bytes of JSON for META and COMP, 0 for STOP */
};

/* The four letters of a kind. */
const char *frame_kind_name(enum frame_kind kind);

/* Write the header of `f` to `out`; nothing is checked. */
void frame_encode(const struct frame *f, char out[static FRAME_SIZE]);

/* Read a header: exactly the form that frame_encode writes, or the same with
 * upper-case digits.  Whether its numbers make sense where it stands is the
 * caller's question.  ERR_DAMAGED if it is not a header.
 */
must_check int frame_decode(const char in[static FRAME_SIZE],
                            struct frame *ret_frame, struct error *err);

#endif
