/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* fuzz-trailer.c - the parser does not care where its input is cut, and what
 * it accepts survives being written again
 *
 * How to build and run: fuzz.h.
 */
#include <string.h>

#include "stream/trailer.h"

#include "fuzz.h"
#include "walk.h"

/* The first part has `first` bytes, the others `step`. */
static int parse(const char *text, size_t len, size_t first, size_t step,
                 struct trailer *t)
{
    _cleanup_error_ struct error err = ERROR_INIT;
    struct trailer_parser p = {0};
    size_t i = 0;

    trailer_parse_begin(&p, t, 1ULL << 40);
    while (i < len) {
        size_t n = i == 0 ? first : step;

        n = MIN_OF(n, len - i);
        if (trailer_parse_feed(&p, text + i, n, &err) < 0)
            break;
        i += n;
    }
    if (err.kind == ERR_NONE && trailer_parse_end(&p, &err) == 0)
        return 0;
    PROMISE(err.kind == ERR_DAMAGED);
    return -1;
}

static void check_same(const struct trailer *a, const struct trailer *b)
{
    PROMISE(a->count == b->count && a->entries == b->entries &&
            a->total == b->total);
    PROMISE(a->count == 0 ||
            memcmp(a->pieces, b->pieces, a->count * sizeof(*a->pieces)) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    _cleanup_trailer_ struct trailer whole = TRAILER_INIT;
    _cleanup_trailer_ struct trailer parts = TRAILER_INIT;
    _cleanup_trailer_ struct trailer again = TRAILER_INIT;
    _cleanup_bytes_ struct bytes text = BYTES_INIT;
    const char *array = (const char *)data + 1;
    uint64_t len = 0;
    int result = 0;

    if (size < 2)
        return 0;
    size--;
    result = parse(array, size, size, size, &whole);
    PROMISE(parse(array, size, 1 + data[0] % 16, 1 + data[0] / 16, &parts) ==
            result);
    check_same(&whole, &parts);
    if (result < 0)
        return 0;
    PROMISE(trailer_encode(&whole, bytes_put, &text, &len, NULL) == 0);
    PROMISE(len == text.len);
    PROMISE(parse(text.data, text.len, text.len, 1, &again) == 0);
    check_same(&whole, &again);
    return 0;
}
