/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* sealed.h - text files that know when they were touched
 *
 * Manifests and intents are JSON objects whose last member is a checksum of
 * every byte before its digits:
 *
 *     {
 *         ...,
 *         "checksum": "<32 hex digits>"
 *     }
 *
 * with exactly this ending and one newline behind it.  So a byte changed
 * anywhere, and a cut at any place, is noticed before the text is parsed.
 * Hides xxh3-128.  Knows no JSON library and nothing of what the members mean.
 */
#ifndef SET_SEALED_H
#define SET_SEALED_H

#include <stddef.h>

#include "base/error.h"
#include "base/macro.h"

#define SEALED_MAX_SIZE (16 * MIB) /* longest text accepted */
#define SEALED_MAX_DEPTH 8         /* deepest nesting of arrays and objects */
#define HASH_TEXT_SIZE 33          /* 32 hexadecimal digits and NUL */

/* Append the checksum to `json`, an object with at least one member as
 * jansson writes it with four spaces of indentation: it ends in "\n}".
 * `*ret_text` (owned by the caller, NUL-terminated) is the file's text of
 * `*ret_len` bytes.
 */
must_check int sealed_add(const char *json, char **ret_text, size_t *ret_len,
                          struct error *err);

/* Is the text whole?  Checks size, ending, checksum, and that arrays and
 * objects nest no deeper than SEALED_MAX_DEPTH, so that a recursive parser may
 * have it.  `text` need not be NUL-terminated.  Otherwise ERR_DAMAGED.
 */
must_check int sealed_check(const char *text, size_t len, struct error *err);

/* Check the nesting alone: 0, or ERR_DAMAGED.  For JSON without a seal. */
must_check int json_check_depth(const char *text, size_t len, int max_depth,
                                struct error *err);

/* xxh3-128 of `len` bytes as 32 lower-case hexadecimal digits. */
void hash_text(const void *bytes, size_t len, char ret[HASH_TEXT_SIZE]);

#endif
