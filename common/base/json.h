/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* json.h - jansson's parser and printer, made safe where memory is short
 *
 * jansson 2.14 loses bytes of a string, or aborts, when it cannot get memory
 * for its scanner, and leaves keys out of a text that it prints.  So whatever a
 * text needs to be parsed is set aside first: either there is enough, or
 * nothing is parsed; and a text that was printed meanwhile is not believed.
 * Replaces jansson's allocator for all of the process.  Depth and size are the
 * caller's to limit.
 */
#ifndef BASE_JSON_H
#define BASE_JSON_H

#include <stdbool.h>
#include <stddef.h>

#include "base/error.h"
#include "base/macro.h"

struct json_t;

/* Parse `length` bytes of UTF-8; no key may be there twice.  A new reference,
 * or NULL: ERR_MEMORY, or an error of `kind` that says where and why ("line 3:
 * ..."), before which the caller may put what it is.
 */
must_check struct json_t *json_read(const char *text, size_t length,
                                    enum error_kind kind, struct error *err);

/* The text of a value, as json_dumps makes it; owned by the caller.  NULL: no
 * memory.
 */
must_check char *json_print(const struct json_t *value, size_t flags);

/* jansson's other functions say that something cannot be done, not why.  Was it
 * for want of memory, on this thread since json_watch()?
 */
void json_watch(void);
bool json_missed(void);

#endif
