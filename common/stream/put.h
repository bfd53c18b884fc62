/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* put.h - where the bytes of a stream go
 *
 * The one function type through which this layer hands out bytes, so that it
 * need not know files, segments or threads.
 */
#ifndef STREAM_PUT_H
#define STREAM_PUT_H

#include "base/error.h"

/* Take `len` > 0 bytes, which follow those of the call before; they are only
 * valid during the call.  Returns 0, or -1 with `err` filled, which ends
 * whatever was being written.
 */
typedef int (*stream_put)(void *opaque, const void *bytes, size_t len,
                          struct error *err);

#endif
