/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* plan.c - see plan.h; knows arithmetic only */
#include "block/plan.h"

static enum plan_kind kind_of(const struct extent *e,
                              const struct plan_policy *policy)
{
    switch ((enum extent_kind)e->kind) {
    case EXTENT_ZERO:
        return policy->zero_as_data ? PLAN_HOLE : PLAN_ZERO;
    case EXTENT_ZERO_ALLOCATED:
        return policy->allocated_zero_as_data ? PLAN_HOLE : PLAN_ZERO;
    case EXTENT_DATA:
        break;
    }
    return PLAN_DATA; /* reading is right for whatever it is */
}

void plan_begin(struct plan *it, const struct extent_list *list,
                const struct plan_policy *policy)
{
    *it = (struct plan){.list = list, .policy = *policy};
}

int plan_next(struct plan *it, struct plan_frame *ret)
{
    const struct extent *e = NULL;
    uint64_t length = 0;

    if (it->next >= it->list->count)
        return 0;
    e = &it->list->items[it->next];
    ret->kind = kind_of(e, &it->policy);
    length = e->length - it->done;
    if (it->policy.max_frame > 0 && ret->kind != PLAN_ZERO)
        length = MIN_OF(length, it->policy.max_frame);
    ret->offset = e->offset + it->done;
    ret->length = length;

    it->done += length;
    if (it->done == e->length) {
        it->next++;
        it->done = 0;
    }
    return 1;
}

uint64_t plan_read_length(const struct plan_frame *frame, uint64_t frame_done,
                          uint64_t room)
{
    uint64_t left = frame->length - MIN_OF(frame_done, frame->length);

    left = MIN_OF(left, PLAN_READ_SIZE);
    return MIN_OF(left, room);
}

/* How many frames plan_next makes of data of this length. */
static uint64_t frames_of(uint64_t length, uint64_t max_frame)
{
    if (max_frame == 0)
        return 1;
    return length / max_frame + (length % max_frame != 0);
}

void plan_totals(const struct extent_list *list,
                 const struct plan_policy *policy, struct plan_totals *ret)
{
    struct plan_totals t = {0};

    /* By extent, not by frame: the size of the disk may be a lie. */
    for (size_t i = 0; i < list->count; i++) {
        const struct extent *e = &list->items[i];
        uint64_t frames = frames_of(e->length, policy->max_frame);

        switch (kind_of(e, policy)) {
        case PLAN_DATA:
            t.read_size += e->length;
            break;
        case PLAN_HOLE:
            t.hole_size += e->length;
            t.hole_frames += frames;
            break;
        case PLAN_ZERO:
            t.zero_size += e->length;
            t.zero_frames++;
            continue;
        }
        t.data_size += e->length;
        t.data_frames += frames;
    }
    t.file_size = t.data_size +
                  t.data_frames * (PLAN_HEADER_SIZE + PLAN_TERM_SIZE) +
                  t.zero_frames * PLAN_HEADER_SIZE;
    *ret = t;
}
