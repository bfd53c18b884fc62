/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* test-plan.c - frames and reads made of extents */
#include "block/plan.h"

#include <time.h>

#include "check.h"

static void fill(struct extent_list *list, struct error *err)
{
    CHECK_OK(extent_append(list, 0, 2 * MIB + 5, EXTENT_DATA, err), err);
    CHECK_OK(extent_append(list, 2 * MIB + 5, MIB, EXTENT_ZERO_ALLOCATED, err),
             err);
    CHECK_OK(extent_append(list, 3 * MIB + 5, 9 * MIB, EXTENT_ZERO, err), err);
    CHECK_OK(extent_append(list, 20 * MIB, 1, EXTENT_DATA, err), err);
}

/* "D0+5 H5+1": the frames as text. */
static const char *frames_text(const struct extent_list *list,
                               const struct plan_policy *policy)
{
    static char text[4096];
    struct plan_frame f = {0};
    struct plan it = {0};
    size_t used = 0;

    text[0] = '\0';
    plan_begin(&it, list, policy);
    while (plan_next(&it, &f) == 1 && used < sizeof(text) - 64)
        used += (size_t)snprintf(text + used, sizeof(text) - used,
                                 "%s%c%" PRIu64 "+%" PRIu64, used ? " " : "",
                                 "DHZ"[f.kind], f.offset, f.length);
    return text;
}

static void test_policies(void)
{
    static const struct {
        struct plan_policy policy;
        const char *want;
    } table[] = {
        {{0, false, false},
         "D0+2097157 Z2097157+1048576 Z3145733+9437184 D20971520+1"},
        {{0, false, true},
         "D0+2097157 H2097157+1048576 Z3145733+9437184 D20971520+1"},
        {{0, true, true},
         "D0+2097157 H2097157+1048576 H3145733+9437184 D20971520+1"},
        {{PLAN_CHUNK_SIZE, false, false},
         "D0+1048576 D1048576+1048576 D2097152+5 Z2097157+1048576 "
         "Z3145733+9437184 D20971520+1"},
        {{4 * MIB, true, false},
         "D0+2097157 Z2097157+1048576 H3145733+4194304 H7340037+4194304 "
         "H11534341+1048576 D20971520+1"},
    };
    _cleanup_extents_ struct extent_list list = EXTENT_LIST_INIT;
    _cleanup_error_ struct error err = ERROR_INIT;

    fill(&list, &err);
    for (size_t i = 0; i < array_size(table); i++)
        CHECK_STR(frames_text(&list, &table[i].policy), table[i].want);
}

static void test_empty(void)
{
    struct plan_policy policy = {PLAN_CHUNK_SIZE, true, true};
    struct extent_list list = EXTENT_LIST_INIT;
    struct plan_totals totals = {.data_size = 1};
    struct plan_frame f = {0};
    struct plan it = {0};

    plan_begin(&it, &list, &policy);
    CHECK_EQ_INT(plan_next(&it, &f), 0);
    CHECK_EQ_INT(plan_next(&it, &f), 0);
    plan_totals(&list, &policy, &totals);
    CHECK_EQ_U64(totals.data_size, 0);
    CHECK_EQ_U64(totals.file_size, 0);
}

static void test_totals(void)
{
    struct plan_policy policy = {PLAN_CHUNK_SIZE, true, false};
    _cleanup_extents_ struct extent_list list = EXTENT_LIST_INIT;
    _cleanup_error_ struct error err = ERROR_INIT;
    struct plan_totals t = {0};

    fill(&list, &err);
    plan_totals(&list, &policy, &t);
    CHECK_EQ_U64(t.data_size, 11 * MIB + 6);
    CHECK_EQ_U64(t.read_size, 2 * MIB + 6);
    CHECK_EQ_U64(t.hole_size, 9 * MIB);
    CHECK_EQ_U64(t.zero_size, MIB);
    CHECK_EQ_U64(t.data_frames, 3 + 9 + 1);
    CHECK_EQ_U64(t.hole_frames, 9);
    CHECK_EQ_U64(t.zero_frames, 1);
    CHECK_EQ_U64(t.file_size, 11 * MIB + 6 + 13 * 42 + 40);
}

/* The largest disk in the smallest frames must not take for ever. */
static void test_totals_of_a_lie(void)
{
    struct plan_policy policy = {PLAN_CHUNK_SIZE, true, true};
    _cleanup_extents_ struct extent_list list = EXTENT_LIST_INIT;
    _cleanup_error_ struct error err = ERROR_INIT;
    struct plan_totals t = {0};

    CHECK_OK(extent_append(&list, 0, EXTENT_END_MAX, EXTENT_ZERO, &err), &err);
    plan_totals(&list, &policy, &t);
    CHECK_EQ_U64(t.data_size, EXTENT_END_MAX);
    CHECK_EQ_U64(t.data_frames, UINT64_C(1) << 42);
}

static void test_reads(void)
{
    struct plan_frame f = {.offset = 77, .length = 600 * KIB};

    CHECK_EQ_U64(plan_read_length(&f, 0, MIB), 256 * KIB);
    CHECK_EQ_U64(plan_read_length(&f, 0, 100), 100);
    CHECK_EQ_U64(plan_read_length(&f, 512 * KIB, MIB), 88 * KIB);
    CHECK_EQ_U64(plan_read_length(&f, 512 * KIB, 1), 1);
    CHECK_EQ_U64(plan_read_length(&f, 600 * KIB, MIB), 0);
    CHECK_EQ_U64(plan_read_length(&f, 700 * KIB, MIB), 0);
}

/* The iterator covers the list exactly and agrees with the totals. */
static void check_one(const struct extent_list *list,
                      const struct plan_policy *policy, struct error *err)
{
    _cleanup_extents_ struct extent_list got = EXTENT_LIST_INIT,
                                         cut = EXTENT_LIST_INIT;
    struct plan_totals want = {0}, sum = {0};
    struct plan_frame f = {0};
    struct plan it = {0};

    plan_totals(list, policy, &want);
    plan_begin(&it, list, policy);
    while (plan_next(&it, &f) == 1) {
        CHECK(f.length > 0);
        CHECK(f.kind == PLAN_ZERO || policy->max_frame == 0 ||
              f.length <= policy->max_frame);
        CHECK_OK(extent_append(&got, f.offset, f.length, EXTENT_DATA, err),
                 err);
        sum.file_size += 40 + (f.kind == PLAN_ZERO ? 0 : f.length + 2);
        sum.zero_frames += f.kind == PLAN_ZERO;
        sum.hole_frames += f.kind == PLAN_HOLE;
        sum.read_size += f.kind == PLAN_DATA ? f.length : 0;
        sum.data_size += f.kind == PLAN_ZERO ? 0 : f.length;
    }
    CHECK_OK(extent_intersect(&got, list, &cut, err), err);
    CHECK_EQ_U64(extent_total_all(&got), extent_total_all(list));
    CHECK_EQ_U64(extent_total_all(&cut), extent_total_all(list));
    CHECK_EQ_U64(sum.file_size, want.file_size);
    CHECK_EQ_U64(sum.zero_frames, want.zero_frames);
    CHECK_EQ_U64(sum.hole_frames, want.hole_frames);
    CHECK_EQ_U64(sum.read_size, want.read_size);
    CHECK_EQ_U64(sum.data_size, want.data_size);
}

static void test_random(void)
{
    unsigned seed = (unsigned)time(NULL);
    _cleanup_error_ struct error err = ERROR_INIT;

    printf("# seed %u\n", seed);
    srandom(seed);
    for (int round = 0; round < 300 && !check_this_failed; round++) {
        struct plan_policy policy = {(uint64_t)random() % 50, random() % 2 == 0,
                                     random() % 2 == 0};
        _cleanup_extents_ struct extent_list list = EXTENT_LIST_INIT;
        uint64_t at = 0;

        for (int i = 0; i < 30; i++) {
            uint64_t length = (uint64_t)random() % 200;

            at += (uint64_t)random() % 3;
            CHECK_OK(extent_append(&list, at, length,
                                   (enum extent_kind)(random() % 3), &err),
                     &err);
            at += length;
        }
        check_one(&list, &policy, &err);
    }
}

int main(void)
{
    RUN(test_policies);
    RUN(test_empty);
    RUN(test_totals);
    RUN(test_totals_of_a_lie);
    RUN(test_reads);
    RUN(test_random);
    return check_result();
}
