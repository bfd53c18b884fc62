/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* frame.c - see frame.h; forty bytes to numbers and back */
#include "stream/frame.h"

#include <string.h>

#include "base/macro.h"

#define KIND_SIZE 4
#define DIGITS 16
#define START_AT 5
#define LENGTH_AT 22
#define TERM_AT 38

static const char kind_names[][KIND_SIZE + 1] = {
    [FRAME_META] = "meta", [FRAME_DATA] = "data", [FRAME_ZERO] = "zero",
    [FRAME_STOP] = "stop", [FRAME_COMP] = "comp",
};

const char *frame_kind_name(enum frame_kind kind)
{
    return kind_names[kind];
}

static void encode_hex(uint64_t value, char *out)
{
    for (int i = DIGITS - 1; i >= 0; i--) {
        out[i] = "0123456789abcdef"[value & 15];
        value >>= 4;
    }
}

void frame_encode(const struct frame *f, char out[static FRAME_SIZE])
{
    memcpy(out, kind_names[f->kind], KIND_SIZE);
    out[KIND_SIZE] = ' ';
    encode_hex(f->start, out + START_AT);
    out[LENGTH_AT - 1] = ' ';
    encode_hex(f->length, out + LENGTH_AT);
    memcpy(out + TERM_AT, FRAME_TERM, FRAME_TERM_SIZE);
}

static int decode_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    if (c >= 'A' && c <= 'F')
        return c - 'A' + 10;
    return -1;
}

/* All sixteen digits must be there: sixteen always fit. */
static int decode_hex(const char *in, const char *what, uint64_t *ret_value,
                      struct error *err)
{
    uint64_t value = 0;

    for (int i = 0; i < DIGITS; i++) {
        int digit = decode_digit(in[i]);

        if (digit < 0)
            return error_set(err, ERR_DAMAGED,
                             "the %s is not sixteen hexadecimal digits", what);
        value = value << 4 | (unsigned)digit;
    }
    *ret_value = value;
    return 0;
}

static int decode_kind(const char *in, enum frame_kind *ret_kind,
                       struct error *err)
{
    char shown[KIND_SIZE + 1] = "";

    for (size_t i = 0; i < array_size(kind_names); i++)
        if (memcmp(in, kind_names[i], KIND_SIZE) == 0) {
            *ret_kind = (enum frame_kind)i;
            return 0;
        }
    for (int i = 0; i < KIND_SIZE; i++)
        shown[i] = in[i] >= ' ' && in[i] <= '~' ? in[i] : '?';
    return error_set(err, ERR_DAMAGED, "unknown kind '%s'", shown);
}

int frame_decode(const char in[static FRAME_SIZE], struct frame *ret_frame,
                 struct error *err)
{
    struct frame f = {FRAME_META, 0, 0};

    if (decode_kind(in, &f.kind, err) < 0)
        return -1;
    if (in[KIND_SIZE] != ' ' || in[LENGTH_AT - 1] != ' ' ||
        memcmp(in + TERM_AT, FRAME_TERM, FRAME_TERM_SIZE) != 0)
        return error_set(err, ERR_DAMAGED, "not a frame header");
    if (decode_hex(in + START_AT, "start", &f.start, err) < 0 ||
        decode_hex(in + LENGTH_AT, "length", &f.length, err) < 0)
        return -1;
    *ret_frame = f;
    return 0;
}
