/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* layout.c - see layout.h
 *
 * A small state machine over the frames of the plan.  Text that belongs
 * together (the end of one frame and the header of the next) is given out
 * piece by piece, each as soon as it is known.
 */
#include "layout.h"

#include <string.h>

enum layout_state {
    AT_FRAME,   /* the next frame of the plan, if any */
    AT_PAYLOAD, /* inside a data frame */
    AT_END,     /* everything was given out */
};

#define TERM "\r\n"
#define TERM_SIZE 2

void layout_begin(struct layout *l, const char *meta, size_t length,
                  const struct extent_list *extents,
                  const struct plan_policy *policy)
{
    memset(l, 0, sizeof(*l));
    plan_begin(&l->plan, extents, policy);
    l->rest = meta;
    l->rest_length = length;
    l->state = AT_FRAME;
}

void layout_begin_raw(struct layout *l, const struct extent_list *extents,
                      const struct plan_policy *policy)
{
    layout_begin(l, NULL, 0, extents, policy);
    l->raw = true;
}

static void text_header(struct layout *l, enum frame_kind kind, uint64_t start,
                        uint64_t length)
{
    struct frame header = {kind, start, length};

    if (l->raw)
        return;
    frame_encode(&header, l->text);
    l->rest = l->text;
    l->rest_length = FRAME_SIZE;
}

/* Load the text of the next frame's header, or of the stop header. */
static void next_frame(struct layout *l)
{
    if (!plan_next(&l->plan, &l->frame)) {
        text_header(l, FRAME_STOP, 0, 0);
        l->state = AT_END;
        return;
    }
    l->done = 0;
    if (l->frame.kind == PLAN_ZERO) {
        text_header(l, FRAME_ZERO, l->frame.offset, l->frame.length);
        l->zero_pending = l->frame;
        l->state = AT_FRAME;
        return;
    }
    text_header(l, FRAME_DATA, l->frame.offset, l->frame.length);
    l->state = AT_PAYLOAD;
}

static bool give_text(struct layout *l, uint64_t room,
                      struct layout_piece *piece)
{
    uint64_t n = MIN_OF(room, (uint64_t)l->rest_length);

    piece->kind = LAYOUT_TEXT;
    piece->text = l->rest;
    piece->length = n;
    piece->zero = l->zero_pending;
    l->zero_pending.length = 0;
    l->rest += n;
    l->rest_length -= (size_t)n;
    l->position += n;
    return true;
}

static bool give_payload(struct layout *l, uint64_t room,
                         struct layout_piece *piece)
{
    uint64_t n = MIN_OF(room, l->frame.length - l->done);

    piece->kind = l->frame.kind == PLAN_HOLE ? LAYOUT_HOLE : LAYOUT_READ;
    piece->length = n;
    piece->disk_offset = l->frame.offset + l->done;
    piece->frame = l->frame;
    piece->frame_starts = l->done == 0;
    l->done += n;
    piece->frame_ends = l->done == l->frame.length;
    l->position += n;
    if (!piece->frame_ends)
        return true;
    l->state = AT_FRAME;
    if (!l->raw) {
        memcpy(l->text, TERM, TERM_SIZE);
        l->rest = l->text;
        l->rest_length = TERM_SIZE;
    }
    return true;
}

/* Make sure that text or payload is at the position; false at the end. */
static bool load(struct layout *l)
{
    if (l->rest_length == 0 && l->state == AT_FRAME)
        next_frame(l);
    return l->rest_length > 0 || l->state == AT_PAYLOAD;
}

bool layout_next(struct layout *l, uint64_t limit, struct layout_piece *piece)
{
    if (l->position >= limit || !load(l))
        return false;
    memset(piece, 0, sizeof(*piece));
    piece->file_offset = l->position;
    if (l->rest_length > 0)
        return give_text(l, limit - l->position, piece);
    return give_payload(l, limit - l->position, piece);
}

uint64_t layout_hole_ahead(struct layout *l)
{
    if (!load(l) || l->rest_length > 0 || l->frame.kind != PLAN_HOLE)
        return 0;
    return l->frame.length - l->done;
}

bool layout_ended(const struct layout *l)
{
    return l->state == AT_END && l->rest_length == 0;
}

uint64_t layout_position(const struct layout *l)
{
    return l->position;
}
