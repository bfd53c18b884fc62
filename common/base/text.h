/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* text.h - sizes for people, numbers from strangers, random names
 *
 * Pure functions over strings; the random ones read the kernel's generator.
 * Knows libc only.
 */
#ifndef BASE_TEXT_H
#define BASE_TEXT_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "base/error.h"
#include "base/macro.h"

#define TEXT_SIZE_ROOM 24
#define TEXT_UUID_ROOM 37

/* `bytes` for people: "0 B", "1023 B", "2.1 GiB".  Written to `out`, which is
 * returned.
 */
const char *text_size(uint64_t bytes, char out[static TEXT_SIZE_ROOM]);

/* `seconds` for people: "12s", "3m 04s", "2h 05m".  The same way. */
const char *text_duration(uint64_t seconds, char out[static TEXT_SIZE_ROOM]);

/* Read a decimal number: digits only, no sign, no blanks, no leading zeroes
 * but "0" itself, nothing behind it, at most UINT64_MAX.
 * 0, or -1 if `text` is no such number (`*ret` is then unchanged).
 */
must_check int text_u64(const char *text, uint64_t *ret);

/* The same with an optional "-" in front, from `min` to `max`. */
must_check int text_i64(const char *text, int64_t min, int64_t max,
                        int64_t *ret);

/* Read a number of bytes: as text_u64, with K, M, G or T (powers of 1024,
 * either case) behind it or not.
 */
must_check int text_bytes(const char *text, uint64_t *ret);

/* Write `length` bytes as 2 * length lower case hex digits and a NUL. */
void text_hex(const void *bytes, size_t length, char *out);

/* Read exactly 2 * length hex digits of either case, then the end: 0 or -1. */
must_check int text_unhex(const char *text, size_t length, void *ret_bytes);

/* A new string; NULL: no memory. */
must_check char *text_dup_printf(const char *fmt, ...) printf_format(1, 2);

/* A new string: `text` with everything that could move a terminal's cursor or
 * start a new line made visible: control characters (also the C1 ones) and
 * bytes that are no UTF-8 as \xNN, tab and newline as \t and \n.
 * NULL: no memory.
 */
must_check char *text_escape(const char *text);

/* A new string: `word` as one word of a POSIX shell's command line, quoted
 * only where it has to be.  NULL: no memory.
 */
must_check char *text_quote(const char *word);

/* Close a stream that open_memstream(text, ...) made, and see that `*text` is
 * all that was written: 0; else there was no memory, -1, and `*text` is freed
 * and NULL.
 */
must_check int text_stream_end(FILE *stream, char **text);

/* Fill `out` with `digits` random lower case hex digits and a NUL. */
must_check int text_random(char *out, size_t digits, struct error *err);

/* A new random UUID (version 4), in lower case. */
must_check int uuid_new(char out[static TEXT_UUID_ROOM], struct error *err);

/* Is `text` a UUID in the usual form (either case)? */
int uuid_is_valid(const char *text);

#endif
