/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* picture.c - see picture.h */
#include "picture.h"

#include <string.h>

#include "base/macro.h"

uint64_t picture_edge(uint64_t size, unsigned i)
{
    return (uint64_t)((unsigned __int128)size * i / PICTURE_COLUMNS);
}

/* The column that byte `offset` lies in.  Columns of a tiny disk may be empty,
 * so the division only comes near. */
static unsigned column_of(uint64_t size, uint64_t offset)
{
    unsigned i = (unsigned)((unsigned __int128)offset * PICTURE_COLUMNS / size);

    while (picture_edge(size, i + 1) <= offset)
        i++;
    return i;
}

static void add_range(uint64_t size, uint64_t offset, uint64_t end,
                      uint64_t *columns)
{
    end = MIN_OF(end, size);
    while (offset < end) {
        unsigned i = column_of(size, offset);
        uint64_t stop = MIN_OF(end, picture_edge(size, i + 1));

        columns[i] += stop - offset;
        offset = stop;
    }
}

void picture_fill(const struct index *idx, uint64_t size,
                  struct picture_row *ret)
{
    memset(ret, 0, sizeof(*ret));
    ret->size = size;
    for (size_t i = 0; i < index_count(idx); i++) {
        struct index_record r = index_get(idx, i);

        add_range(size, r.offset, r.offset + r.length,
                  r.kind == INDEX_ZERO ? ret->zero : ret->data);
    }
}

static unsigned steps_of(uint64_t part, uint64_t whole)
{
    unsigned steps;

    if (part == 0 || whole == 0)
        return 0;
    steps = (unsigned)((unsigned __int128)part * PICTURE_HEIGHT / whole);
    return steps > 0 ? steps : 1;
}

void picture_steps(const struct picture_row *row, unsigned i,
                   unsigned *ret_data, unsigned *ret_zero)
{
    uint64_t width =
        picture_edge(row->size, i + 1) - picture_edge(row->size, i);
    unsigned data = steps_of(row->data[i], width);
    unsigned zero = steps_of(row->zero[i], width);

    /* Both at their least: the larger one gives way. */
    if (data + zero > PICTURE_HEIGHT) {
        if (data > zero)
            data = PICTURE_HEIGHT - zero;
        else
            zero = PICTURE_HEIGHT - data;
    }
    *ret_data = data;
    *ret_zero = zero;
}

void picture_path(const struct picture_row *row, unsigned y, bool zero,
                  FILE *out)
{
    unsigned from = 0, data = 0, zeroes = 0;

    for (unsigned i = 0; i <= PICTURE_COLUMNS; i++) {
        unsigned d = 0, z = 0;
        unsigned high = zero ? zeroes : data;

        if (i < PICTURE_COLUMNS)
            picture_steps(row, i, &d, &z);
        if (i > 0 && i < PICTURE_COLUMNS && d == data && z == zeroes)
            continue;
        if (high > 0)
            fprintf(out, "M%u %uh%uv-%uh-%uz", from, zero ? y - data : y,
                    i - from, high, i - from);
        from = i;
        data = d;
        zeroes = z;
    }
}
