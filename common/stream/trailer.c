/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* trailer.c - see trailer.h
 *
 * The grammar is small and fixed: an array of numbers and of objects with one
 * key and one array of numbers.  So the parser is a table of what may come
 * next, with white space allowed between any two tokens as in all JSON.
 */
#include "stream/trailer.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/macro.h"

#define LAST_FLAG 0x80000000U

void trailer_free(struct trailer *t)
{
    free(t->pieces);
    *t = (struct trailer)TRAILER_INIT;
}

static int grow(struct trailer *t, struct error *err)
{
    size_t cap = t->cap ? t->cap + t->cap / 2 : 64;
    uint32_t *pieces = NULL;

    if (cap > SIZE_MAX / sizeof(*pieces))
        return error_memory(err);
    pieces = realloc(t->pieces, cap * sizeof(*pieces));
    if (!pieces)
        return error_memory(err);
    t->pieces = pieces;
    t->cap = cap;
    return 0;
}

int trailer_add(struct trailer *t, uint64_t stored_length, bool last,
                struct error *err)
{
    if (stored_length < TRAILER_PIECE_MIN || stored_length > TRAILER_PIECE_MAX)
        return error_set(err, ERR_DAMAGED,
                         "an lz4 frame cannot have %" PRIu64 " bytes",
                         stored_length);
    if (t->count == t->cap && grow(t, err) < 0)
        return -1;
    t->pieces[t->count++] = (uint32_t)stored_length | (last ? LAST_FLAG : 0);
    t->entries += last;
    t->total += stored_length;
    return 0;
}

/* Text on its way to `put`. */
struct output {
    stream_put put;
    void *opaque;
    uint64_t length; /* bytes put so far */
    size_t used;
    char text[4096];
};

static int output_flush(struct output *o, struct error *err)
{
    size_t used = o->used;

    o->used = 0;
    o->length += used;
    return used ? o->put(o->opaque, o->text, used, err) : 0;
}

printf_format(3, 4) static int output_add(struct output *o, struct error *err,
                                          const char *fmt, ...)
{
    va_list ap;
    int n = 0;

    if (sizeof(o->text) - o->used < 64 && output_flush(o, err) < 0)
        return -1;
    va_start(ap, fmt);
    n = vsnprintf(o->text + o->used, sizeof(o->text) - o->used, fmt, ap);
    va_end(ap);
    o->used += (size_t)n;
    return 0;
}

/* The object of the entry that starts at piece `*i`; moves `*i` behind it. */
static int encode_object(const struct trailer *t, size_t *i, struct output *o,
                         struct error *err)
{
    uint64_t sum = 0;
    size_t end = *i;

    while (end < t->count && !trailer_piece_last(t, end))
        sum += trailer_piece_size(t, end++);
    if (end == t->count)
        return error_set(err, ERR_DAMAGED,
                         "the last entry of the trailer is not complete");
    sum += trailer_piece_size(t, end);
    if (output_add(o, err, "{\"%" PRIu64 "\": [", sum) < 0)
        return -1;
    for (size_t first = *i; *i <= end; ++*i)
        if (output_add(o, err, "%s%" PRIu32, *i == first ? "" : ", ",
                       trailer_piece_size(t, *i)) < 0)
            return -1;
    return output_add(o, err, "]}");
}

int trailer_encode(const struct trailer *t, stream_put put, void *opaque,
                   uint64_t *ret_length, struct error *err)
{
    struct output o = {.put = put, .opaque = opaque};
    size_t i = 0;

    if (output_add(&o, err, "[") < 0)
        return -1;
    while (i < t->count) {
        int result = 0;

        if (i > 0 && output_add(&o, err, ", ") < 0)
            return -1;
        if (trailer_piece_last(t, i))
            result =
                output_add(&o, err, "%" PRIu32, trailer_piece_size(t, i++));
        else
            result = encode_object(t, &i, &o, err);
        if (result < 0)
            return -1;
    }
    if (output_add(&o, err, "]") < 0 || output_flush(&o, err) < 0)
        return -1;
    *ret_length = o.length;
    return 0;
}

/* What may come next. */
enum state {
    START,        /* [ */
    FIRST_ENTRY,  /* an entry, or ] */
    ENTRY,        /* an entry */
    NUMBER,       /* more digits of an integer entry, or what follows it */
    AFTER_ENTRY,  /* , or ] */
    KEY_QUOTE,    /* " */
    KEY_FIRST,    /* the first digit of the key */
    KEY,          /* more digits, or " */
    COLON,        /* : */
    LIST,         /* [ */
    PIECE,        /* the first digit of a piece */
    PIECE_DIGITS, /* more digits, or what follows the number */
    AFTER_PIECE,  /* , or ] */
    OBJECT_END,   /* } */
    END,          /* nothing */
};

void trailer_parse_begin(struct trailer_parser *p, struct trailer *into,
                         uint64_t total_max)
{
    *p = (struct trailer_parser){.into = into, .total_max = total_max};
}

static int refuse(struct trailer_parser *p, struct error *err, const char *why)
{
    return error_set(err, ERR_DAMAGED,
                     "the trailer is damaged at byte %" PRIu64 ": %s",
                     p->position, why);
}

/* A complete number becomes a piece. */
static int add_piece(struct trailer_parser *p, uint64_t size, bool last,
                     struct error *err)
{
    if (trailer_add(p->into, size, last, err) < 0)
        return error_prefix(err, "the trailer is damaged at byte %" PRIu64,
                            p->position);
    if (p->into->total > p->total_max)
        return refuse(p, err, "it describes more than the file holds");
    return 0;
}

/* Sizes are never 0, so a leading zero is never right either. */
static int first_digit(struct trailer_parser *p, char c, int next,
                       struct error *err)
{
    if (c < '1' || c > '9')
        return refuse(p, err, "a size was expected");
    p->number = (uint64_t)(c - '0');
    p->state = next;
    return 0;
}

/* 1 if `c` is one more digit, 0 if it is no digit. */
static int more_digits(struct trailer_parser *p, char c, struct error *err)
{
    uint64_t number = 0;

    if (c < '0' || c > '9')
        return 0;
    if (__builtin_mul_overflow(p->number, 10, &number) ||
        __builtin_add_overflow(number, (uint64_t)(c - '0'), &number))
        return refuse(p, err, "a number is too large");
    p->number = number;
    return 1;
}

/* `c` must be one of two characters, each of which leads to a state. */
static int expect(struct trailer_parser *p, char c, char one, int after_one,
                  char other, int after_other, struct error *err)
{
    if (c == one)
        p->state = after_one;
    else if (c == other)
        p->state = after_other;
    else
        return refuse(p, err, "unexpected character");
    return 0;
}

/* The array of an object ended, so its last piece is known. */
static int end_object(struct trailer_parser *p, struct error *err)
{
    if (p->sum != p->key)
        return refuse(p, err, "the sizes of the pieces do not add up");
    return add_piece(p, p->held, true, err);
}

/* One more size in the array of an object. */
static int next_piece(struct trailer_parser *p, struct error *err)
{
    if (p->held && add_piece(p, p->held, false, err) < 0)
        return -1;
    p->held = p->number;
    if (__builtin_add_overflow(p->sum, p->number, &p->sum))
        return refuse(p, err, "a number is too large");
    return 0;
}

/* A character between two tokens of an object. */
static int feed_object(struct trailer_parser *p, char c, struct error *err)
{
    switch (p->state) {
    case KEY_QUOTE:
        return expect(p, c, '"', KEY_FIRST, '"', KEY_FIRST, err);
    case COLON:
        return expect(p, c, ':', LIST, ':', LIST, err);
    case LIST:
        p->sum = 0;
        p->held = 0;
        return expect(p, c, '[', PIECE, '[', PIECE, err);
    case PIECE:
        return first_digit(p, c, PIECE_DIGITS, err);
    case AFTER_PIECE:
        if (c == ']' && end_object(p, err) < 0)
            return -1;
        return expect(p, c, ',', PIECE, ']', OBJECT_END, err);
    default: /* OBJECT_END */
        return expect(p, c, '}', AFTER_ENTRY, '}', AFTER_ENTRY, err);
    }
}

/* A character between two tokens. */
static int feed_between(struct trailer_parser *p, char c, struct error *err)
{
    if (c == ' ' || c == '\t' || c == '\r' || c == '\n')
        return 0;
    switch (p->state) {
    case START:
        return expect(p, c, '[', FIRST_ENTRY, '[', FIRST_ENTRY, err);
    case FIRST_ENTRY:
        if (c == ']') {
            p->state = END;
            return 0;
        }
        p->state = ENTRY;
        return feed_between(p, c, err);
    case ENTRY:
        if (c == '{') {
            p->state = KEY_QUOTE;
            return 0;
        }
        return first_digit(p, c, NUMBER, err);
    case AFTER_ENTRY:
        return expect(p, c, ',', ENTRY, ']', END, err);
    case END:
        return refuse(p, err, "it goes on behind its end");
    default:
        return feed_object(p, c, err);
    }
}

static int feed_key(struct trailer_parser *p, char c, struct error *err)
{
    int digit = 0;

    if (p->state == KEY_FIRST)
        return first_digit(p, c, KEY, err);
    digit = more_digits(p, c, err);
    if (digit != 0)
        return digit < 0 ? -1 : 0;
    p->key = p->number;
    return expect(p, c, '"', COLON, '"', COLON, err);
}

/* A digit, or the character that ends the number. */
static int feed_number(struct trailer_parser *p, char c, struct error *err)
{
    int digit = more_digits(p, c, err);

    if (digit != 0)
        return digit < 0 ? -1 : 0;
    if (p->state == NUMBER) {
        if (add_piece(p, p->number, true, err) < 0)
            return -1;
        p->state = AFTER_ENTRY;
    } else {
        if (next_piece(p, err) < 0)
            return -1;
        p->state = AFTER_PIECE;
    }
    return feed_between(p, c, err);
}

int trailer_parse_feed(struct trailer_parser *p, const char *bytes, size_t len,
                       struct error *err)
{
    for (size_t i = 0; i < len; i++, p->position++) {
        int result = 0;

        if (p->state == KEY_FIRST || p->state == KEY)
            result = feed_key(p, bytes[i], err);
        else if (p->state == NUMBER || p->state == PIECE_DIGITS)
            result = feed_number(p, bytes[i], err);
        else
            result = feed_between(p, bytes[i], err);
        if (result < 0)
            return -1;
    }
    return 0;
}

int trailer_parse_end(struct trailer_parser *p, struct error *err)
{
    if (p->state != END)
        return refuse(p, err, "it ends too early");
    return 0;
}
