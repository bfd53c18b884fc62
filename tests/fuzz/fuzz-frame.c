/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* fuzz-frame.c - a header that is accepted is the one that we write
 *
 * How to build and run: fuzz.h.
 */
#include <strings.h>

#include "stream/frame.h"

#include "fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    _cleanup_error_ struct error err = ERROR_INIT;
    struct frame f = {FRAME_META, 0, 0};
    char text[FRAME_SIZE];

    if (size < FRAME_SIZE)
        return 0;
    if (frame_decode((const char *)data, &f, &err) < 0) {
        PROMISE(err.kind == ERR_DAMAGED);
        return 0;
    }
    frame_encode(&f, text);
    PROMISE(strncasecmp(text, (const char *)data, FRAME_SIZE) == 0);
    return 0;
}
