/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* test-layout.c - the layout of a file equals what the stream writer writes
 *
 * Random lists of extents, walked with random limits; the bytes put together
 * from the pieces must be those of stream/writer.
 */
#include "layout.h"

#include <time.h>

#include "base/cleanup.h"
#include "check.h"
#include "stream/writer.h"

struct text {
    unsigned char *bytes;
    size_t length, room;
};

static int put(void *opaque, const void *bytes, size_t length,
               struct error *err)
{
    struct text *t = opaque;

    while (t->length + length > t->room) {
        t->room = t->room ? 2 * t->room : 65536;
        t->bytes = realloc(t->bytes, t->room);
    }
    memcpy(t->bytes + t->length, bytes, length);
    t->length += length;
    return 0;
}

static unsigned char byte_of_disk(uint64_t offset)
{
    return (unsigned char)(offset * 7 + offset / 4096 + 1);
}

static void put_frame(struct stream_writer *w, struct text *t,
                      const struct plan_frame *f, struct error *err)
{
    if (f->kind == PLAN_ZERO) {
        CHECK_OK(writer_zero(w, f->offset, f->length, err), err);
        return;
    }
    CHECK_OK(writer_data_begin(w, f->offset, f->length, err), err);
    for (uint64_t i = 0; i < f->length; i++) {
        unsigned char c =
            f->kind == PLAN_HOLE ? 0 : byte_of_disk(f->offset + i);

        CHECK_OK(put(t, &c, 1, err), err);
    }
    CHECK_OK(writer_data_end(w, f->length, err), err);
}

/* The file as the stream writer makes it; `*ret_head` bytes of metadata. */
static void write_expected(const struct extent_list *list,
                           const struct plan_policy *policy, uint64_t size,
                           struct text *t, size_t *ret_head)
{
    _cleanup_error_ struct error err = ERROR_INIT;
    _cleanup_writer_ struct stream_writer w = WRITER_INIT;
    struct plan_totals totals;
    struct meta meta;
    struct plan plan;
    struct plan_frame frame;

    plan_totals(list, policy, &totals);
    meta = (struct meta){.virtual_size = size,
                         .data_size = totals.data_size,
                         .date = (char *)"2024-01-02T03:04:05.678900",
                         .disk_name = (char *)"vda",
                         .disk_format = (char *)"qcow2",
                         .checkpoint_name = (char *)"virtnbdbackup.0",
                         .parent_checkpoint = (char *)""};
    writer_init(&w, put, t);
    CHECK_OK(writer_meta(&w, &meta, &err), &err);
    *ret_head = t->length;
    plan_begin(&plan, list, policy);
    while (plan_next(&plan, &frame))
        put_frame(&w, t, &frame, &err);
    CHECK_OK(writer_stop(&w, &err), &err);
}

static void apply(struct text *file, const struct layout_piece *p)
{
    for (uint64_t i = 0; i < p->length; i++) {
        unsigned char c = 0;

        if (p->kind == LAYOUT_TEXT)
            c = (unsigned char)p->text[i];
        else if (p->kind == LAYOUT_READ)
            c = byte_of_disk(p->disk_offset + i);
        CHECK_OK(put(file, &c, 1, NULL), NULL);
    }
}

static void random_list(struct extent_list *list, uint64_t *ret_size)
{
    uint64_t at = 0;
    _cleanup_error_ struct error err = ERROR_INIT;

    for (int n = rand() % 30; n > 0; n--) {
        uint64_t length = 1 + (uint64_t)rand() % 100000;

        CHECK_OK(extent_append(list, at, length, (enum extent_kind)(rand() % 3),
                               &err),
                 &err);
        at += length;
    }
    *ret_size = at;
}

static void compare_once(void)
{
    _cleanup_extents_ struct extent_list list = EXTENT_LIST_INIT;
    struct plan_policy policy = {0, rand() % 2, rand() % 2};
    struct text expected = {NULL, 0, 0}, file = {NULL, 0, 0};
    struct layout_piece piece;
    struct layout l;
    uint64_t size;
    size_t head;

    random_list(&list, &size);
    write_expected(&list, &policy, size, &expected, &head);
    layout_begin(&l, (const char *)expected.bytes, head, &list, &policy);
    while (!layout_ended(&l)) {
        uint64_t limit = layout_position(&l) + 1 + (uint64_t)rand() % 50000;

        while (layout_next(&l, limit, &piece)) {
            CHECK_EQ_U64(piece.file_offset, file.length);
            apply(&file, &piece);
        }
    }
    CHECK_EQ_U64(file.length, expected.length);
    CHECK_EQ_U64(layout_position(&l), expected.length);
    if (file.length == expected.length)
        CHECK_MEM(file.bytes, expected.bytes, file.length);
    free(file.bytes);
    free(expected.bytes);
}

static void test_equals_writer(void)
{
    for (int i = 0; i < 20; i++)
        compare_once();
}

/* An image is the disk itself, whatever the limits are. */
static void compare_raw(void)
{
    _cleanup_extents_ struct extent_list list = EXTENT_LIST_INIT;
    struct plan_policy policy = {0, true, true};
    struct text file = {NULL, 0, 0};
    struct layout_piece piece;
    struct layout l;
    uint64_t size;

    random_list(&list, &size);
    layout_begin_raw(&l, &list, &policy);
    while (!layout_ended(&l)) {
        uint64_t limit = layout_position(&l) + 1 + (uint64_t)rand() % 50000;

        while (layout_next(&l, limit, &piece)) {
            const struct extent *e;

            CHECK_EQ_U64(piece.file_offset, file.length);
            CHECK_EQ_U64(piece.disk_offset, file.length);
            e = &list.items[extent_find(&list, piece.disk_offset)];
            CHECK(piece.kind ==
                  (e->kind == EXTENT_DATA ? LAYOUT_READ : LAYOUT_HOLE));
            CHECK_EQ_U64(piece.frame_starts, piece.disk_offset == e->offset);
            CHECK_EQ_U64(piece.frame_ends,
                         piece.disk_offset + piece.length == extent_end(e));
            apply(&file, &piece);
        }
    }
    CHECK_EQ_U64(file.length, size);
    CHECK_EQ_U64(layout_position(&l), size);
    free(file.bytes);
}

static void test_raw(void)
{
    for (int i = 0; i < 20; i++)
        compare_raw();
}

static void test_hole_ahead(void)
{
    _cleanup_extents_ struct extent_list list = EXTENT_LIST_INIT;
    _cleanup_error_ struct error err = ERROR_INIT;
    struct plan_policy policy = {0, true, true};
    struct layout_piece piece;
    struct layout l;
    uint64_t huge = UINT64_C(1) << 50;

    CHECK_OK(extent_append(&list, 0, huge, EXTENT_ZERO, &err), &err);
    layout_begin(&l, "m", 1, &list, &policy);
    CHECK_EQ_U64(layout_hole_ahead(&l), 0);
    CHECK(layout_next(&l, UINT64_MAX, &piece));
    CHECK_EQ_U64(layout_hole_ahead(&l), 0);
    CHECK(layout_next(&l, UINT64_MAX, &piece));
    CHECK_EQ_U64(layout_hole_ahead(&l), huge);
    CHECK(layout_next(&l, 41 + huge / 2, &piece));
    CHECK(piece.frame_starts && !piece.frame_ends);
    CHECK_EQ_U64(layout_hole_ahead(&l), huge / 2);
}

int main(void)
{
    unsigned seed = (unsigned)time(NULL);
    const char *given = getenv("SEED");

    if (given)
        seed = (unsigned)atoi(given);
    printf("# SEED=%u\n", seed);
    srand(seed);
    RUN(test_equals_writer);
    RUN(test_raw);
    RUN(test_hole_ahead);
    return check_result();
}
