/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* text.c - see text.h; knows libc only */
#include "base/text.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "base/cleanup.h"

const char *text_size(uint64_t bytes, char out[static TEXT_SIZE_ROOM])
{
    static const char *const units[] = {"KiB", "MiB", "GiB",
                                        "TiB", "PiB", "EiB"};
    unsigned shift = 10;
    uint64_t whole;
    uint64_t tenth;

    if (bytes < KIB) {
        snprintf(out, TEXT_SIZE_ROOM, "%" PRIu64 " B", bytes);
        return out;
    }
    while (shift < 60 && bytes >> shift >= KIB)
        shift += 10;
    /* Rounded down: never more than there is. */
    whole = bytes >> shift;
    tenth = (bytes >> (shift - 10) & (KIB - 1)) * 10 / KIB;
    snprintf(out, TEXT_SIZE_ROOM, "%" PRIu64 ".%" PRIu64 " %s", whole, tenth,
             units[shift / 10 - 1]);
    return out;
}

const char *text_duration(uint64_t seconds, char out[static TEXT_SIZE_ROOM])
{
    uint64_t minutes = seconds / 60;

    if (seconds < 60)
        snprintf(out, TEXT_SIZE_ROOM, "%" PRIu64 "s", seconds);
    else if (minutes < 60)
        snprintf(out, TEXT_SIZE_ROOM, "%" PRIu64 "m %02" PRIu64 "s", minutes,
                 seconds % 60);
    else
        snprintf(out, TEXT_SIZE_ROOM, "%" PRIu64 "h %02" PRIu64 "m",
                 minutes / 60, minutes % 60);
    return out;
}

int text_u64(const char *text, uint64_t *ret)
{
    uint64_t value = 0;

    if (!*text || (text[0] == '0' && text[1]))
        return -1;
    for (; *text; text++) {
        if (*text < '0' || *text > '9' ||
            __builtin_mul_overflow(value, 10U, &value) ||
            __builtin_add_overflow(value, (unsigned)(*text - '0'), &value))
            return -1;
    }
    *ret = value;
    return 0;
}

int text_bytes(const char *text, uint64_t *ret)
{
    static const char units[] = "KMGT";
    size_t length = strlen(text);
    char digits[24];
    const char *unit = NULL;
    uint64_t value;
    unsigned shift = 0;

    if (length > 0)
        unit = strchr(units, text[length - 1] & ~0x20);
    if (unit && *unit) {
        shift = 10 * ((unsigned)(unit - units) + 1);
        length--;
    }
    if (length >= sizeof(digits))
        return -1;
    memcpy(digits, text, length);
    digits[length] = '\0';
    if (text_u64(digits, &value) < 0 || value > UINT64_MAX >> shift)
        return -1;
    *ret = value << shift;
    return 0;
}

int text_i64(const char *text, int64_t min, int64_t max, int64_t *ret)
{
    bool negative = text[0] == '-';
    uint64_t magnitude = 0;
    int64_t value;

    if (text_u64(text + negative, &magnitude) < 0)
        return -1;
    if (__builtin_sub_overflow(0, magnitude, &value)) /* below INT64_MIN */
        return -1;
    if (!negative && __builtin_add_overflow(0, magnitude, &value))
        return -1;
    if (value < min || value > max)
        return -1;
    *ret = value;
    return 0;
}

void text_hex(const void *bytes, size_t length, char *out)
{
    static const char digits[] = "0123456789abcdef";
    const unsigned char *b = bytes;

    for (size_t i = 0; i < length; i++) {
        *out++ = digits[b[i] >> 4];
        *out++ = digits[b[i] & 15];
    }
    *out = '\0';
}

static int hex_value(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    if (c >= 'A' && c <= 'F')
        return c - 'A' + 10;
    return -1;
}

int text_unhex(const char *text, size_t length, void *ret_bytes)
{
    unsigned char *b = ret_bytes;

    if (strlen(text) != 2 * length)
        return -1;
    for (size_t i = 0; i < 2 * length; i++) {
        if (hex_value(text[i]) < 0)
            return -1;
    }
    for (size_t i = 0; i < length; i++)
        b[i] = (unsigned char)(hex_value(text[2 * i]) * 16 +
                               hex_value(text[2 * i + 1]));
    return 0;
}

char *text_dup_printf(const char *fmt, ...)
{
    char *text = NULL;
    va_list ap;
    int n;

    va_start(ap, fmt);
    n = vasprintf(&text, fmt, ap);
    va_end(ap);
    return n < 0 ? NULL : text;
}

/* The length of the printable UTF-8 character at `s`, or 0: escape its byte.
 */
static size_t printable(const unsigned char *s)
{
    uint32_t c;
    size_t n;

    if (s[0] < 0x80)
        return s[0] >= 0x20 && s[0] != 0x7f;
    if (s[0] >= 0xc2 && s[0] <= 0xdf)
        n = 2;
    else if (s[0] >= 0xe0 && s[0] <= 0xef)
        n = 3;
    else if (s[0] >= 0xf0 && s[0] <= 0xf4)
        n = 4;
    else
        return 0;
    c = s[0] & (0x7fU >> n);
    for (size_t i = 1; i < n; i++) {
        if ((s[i] & 0xc0) != 0x80) /* the end of the string too */
            return 0;
        c = c << 6 | (s[i] & 0x3f);
    }
    if (c < 0xa0 || (n == 3 && c < 0x800) || (n == 4 && c < 0x10000) ||
        (c >= 0xd800 && c <= 0xdfff) || c > 0x10ffff)
        return 0;
    /* Line separators, and what reverses the direction of writing. */
    if ((c >= 0x2028 && c <= 0x202e) || (c >= 0x2066 && c <= 0x2069))
        return 0;
    return n;
}

char *text_escape(const char *text)
{
    const unsigned char *s = (const unsigned char *)text;
    size_t length = strlen(text);
    char *out = length < SIZE_MAX / 4 ? malloc(4 * length + 1) : NULL;
    char *o = out;

    if (!out)
        return NULL;
    while (*s) {
        size_t n = printable(s);

        if (n > 0) {
            memcpy(o, s, n);
            o += n;
            s += n;
        } else if (*s == '\t' || *s == '\n') {
            *o++ = '\\';
            *o++ = *s++ == '\t' ? 't' : 'n';
        } else {
            *o++ = '\\';
            *o++ = 'x';
            text_hex(s++, 1, o);
            o += 2;
        }
    }
    *o = '\0';
    return out;
}

char *text_quote(const char *word)
{
    static const char plain[] = "abcdefghijklmnopqrstuvwxyz"
                                "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
                                "0123456789%+,-./:=@_";
    size_t length = strlen(word);
    char *out;
    char *o;

    if (length > 0 && strspn(word, plain) == length)
        return strdup(word);
    /* A single quote becomes four bytes, and there are two around it all. */
    out = length < SIZE_MAX / 8 ? malloc(4 * length + 3) : NULL;
    if (!out)
        return NULL;
    o = out;
    *o++ = '\'';
    for (; *word; word++) {
        if (*word == '\'')
            o = stpcpy(o, "'\\''");
        else
            *o++ = *word;
    }
    *o++ = '\'';
    *o = '\0';
    return out;
}

static int random_bytes(void *out, size_t length, struct error *err)
{
    unsigned char *o = out;

    while (length > 0) {
        ssize_t n = getrandom(o, length, 0);

        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return error_errno(err, errno, "reading random bytes");
        o += n;
        length -= (size_t)n;
    }
    return 0;
}

int text_random(char *out, size_t digits, struct error *err)
{
    unsigned char bytes[32];
    char hex[2 * sizeof(bytes) + 1];

    while (digits > 0) {
        size_t n = MIN_OF(digits, 2 * sizeof(bytes));

        if (random_bytes(bytes, sizeof(bytes), err) < 0)
            return -1;
        text_hex(bytes, sizeof(bytes), hex);
        memcpy(out, hex, n);
        out += n;
        digits -= n;
    }
    *out = '\0';
    return 0;
}

int uuid_new(char out[static TEXT_UUID_ROOM], struct error *err)
{
    unsigned char b[16];
    char hex[33];

    if (random_bytes(b, sizeof(b), err) < 0)
        return -1;
    b[6] = (unsigned char)((b[6] & 0x0f) | 0x40); /* version 4: random */
    b[8] = (unsigned char)((b[8] & 0x3f) | 0x80); /* variant of RFC 4122 */
    text_hex(b, sizeof(b), hex);
    snprintf(out, TEXT_UUID_ROOM, "%.8s-%.4s-%.4s-%.4s-%.12s", hex, hex + 8,
             hex + 12, hex + 16, hex + 20);
    return 0;
}

int uuid_is_valid(const char *text)
{
    size_t i;

    for (i = 0; text[i]; i++) {
        bool dash = i == 8 || i == 13 || i == 18 || i == 23;

        if (i >= 36 || (dash ? text[i] != '-' : hex_value(text[i]) < 0))
            return 0;
    }
    return i == 36;
}

int text_stream_end(FILE *stream, char **text)
{
    bool failed = ferror(stream) != 0;

    /* glibc says nothing when it cannot grow the text at the end. */
    if (fclose(stream) == 0 && !failed && *text)
        return 0;
    free(*text);
    *text = NULL;
    return -1;
}
