/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* test-blockmap.c - the table of a chain, against one byte a block */
#include "set/blockmap.h"
#include "set/index_private.h"

#include "lab.h"

#define BLOCK 512
#define MAX_BLOCKS 200
#define MAX_FILES 8

/* For every block of the disk: the file and record that it comes from. */
struct model {
    int source[MAX_BLOCKS]; /* -1: none */
    size_t record[MAX_BLOCKS];
};

static struct index *build(const struct index_record *records, size_t count,
                           uint64_t size)
{
    struct index_builder b = {.idx = calloc(1, sizeof(struct index))};
    _cleanup_error_ struct error err = ERROR_INIT;

    b.rules.virtual_size = size;
    b.rules.file_size = 1 << 30;
    for (size_t i = 0; i < count; i++)
        CHECK_OK(index_builder_add(&b, &records[i], &err), &err);
    return index_builder_finish(&b);
}

/* A random file of the chain, and its effect on the model. */
static struct index *random_file(uint64_t *seed, bool base, uint64_t blocks,
                                 int source, struct model *model)
{
    struct index_record records[MAX_BLOCKS] = {0};
    size_t count = 0;
    uint64_t at = 0;

    /* What was behind the end of the disk is gone. */
    for (uint64_t i = blocks; i < MAX_BLOCKS; i++)
        model->source[i] = -1;
    while (at < blocks) {
        uint64_t length = 1 + lab_random(seed) % 20;
        bool skip = !base && lab_random(seed) % 2;
        bool zero = lab_random(seed) % 4 == 0;

        length = MIN_OF(length, blocks - at);
        if (!skip) {
            for (uint64_t i = at; i < at + length; i++) {
                model->source[i] = source;
                model->record[i] = count;
            }
            records[count++] = (struct index_record){
                .offset = at * BLOCK,
                .length = length * BLOCK,
                .file_offset = zero ? 0 : at * BLOCK + 100,
                .stored_length = zero ? 0 : length * BLOCK,
                .kind = zero ? INDEX_ZERO : INDEX_DATA,
            };
        }
        at += length;
    }
    return build(records, count, blocks * BLOCK);
}

/* Every block of the map is what the model says, and there are no gaps. */
static void compare(const struct blockmap *map, const struct model *model,
                    struct index *const *files)
{
    uint64_t at = 0;

    for (size_t i = 0; i < map->count; i++) {
        const struct blockmap_range *r = &map->ranges[i];

        CHECK_EQ_U64(r->offset, at);
        CHECK(r->length > 0);
        for (uint64_t b = r->offset / BLOCK;
             b < (r->offset + r->length) / BLOCK; b++) {
            int source = r->source == BLOCKMAP_NONE ? -1 : (int)r->source;

            CHECK_EQ_INT(source, model->source[b]);
            if (source >= 0) {
                struct index_record record =
                    index_get(files[source], r->record);

                CHECK_EQ_U64(r->record, model->record[b]);
                CHECK_EQ_U64(record.offset + r->delta, r->offset);
                CHECK(r->delta + r->length <= record.length);
            }
            CHECK_EQ_U64(blockmap_find(map, b * BLOCK), i);
        }
        at = r->offset + r->length;
    }
    CHECK_EQ_U64(at, map->size);
    CHECK_EQ_U64(blockmap_find(map, map->size), map->count);
}

/* The pieces of all records are the ranges of the map, each once. */
static void compare_pieces(const struct blockmap *map,
                           struct index *const *files, size_t count)
{
    uint64_t pieces = 0, expected = 0;

    for (size_t f = 0; f < count; f++)
        for (size_t i = 0; i < index_count(files[f]); i++) {
            struct index_record record = index_get(files[f], i);
            struct blockmap_pieces it =
                blockmap_pieces(map, (uint32_t)f, (uint32_t)i, &record);
            struct blockmap_range range = {0};

            while (blockmap_piece_next(&it, &range)) {
                CHECK_EQ_U64(range.source, f);
                CHECK_EQ_U64(range.record, i);
                pieces++;
            }
        }
    for (size_t i = 0; i < map->count; i++)
        expected += map->ranges[i].source != BLOCKMAP_NONE;
    CHECK_EQ_U64(pieces, expected);
}

static void test_random_chains(void)
{
    uint64_t seed = lab_seed();

    for (int round = 0; round < 300 && !check_this_failed; round++) {
        _cleanup_error_ struct error err = ERROR_INIT;
        _cleanup_blockmap_ struct blockmap map = BLOCKMAP_INIT;
        struct index *files[MAX_FILES] = {NULL};
        struct model model = {{0}, {0}};
        size_t count = 1 + lab_random(&seed) % MAX_FILES;
        uint64_t blocks = 1 + lab_random(&seed) % MAX_BLOCKS;

        for (size_t i = 0; i < MAX_BLOCKS; i++)
            model.source[i] = -1;
        for (size_t i = 0; i < count; i++) {
            if (lab_random(&seed) % 5 == 0)
                blocks = 1 + lab_random(&seed) % MAX_BLOCKS;
            files[i] = random_file(&seed, i == 0, blocks, (int)i, &model);
        }
        CHECK_OK(blockmap_build((const struct index *const *)files, count,
                                blocks * BLOCK, &map, &err),
                 &err);
        compare(&map, &model, files);
        compare_pieces(&map, files, count);
        for (size_t i = 0; i < count; i++)
            index_free(files[i]);
    }
}

static void test_base_must_cover(void)
{
    _cleanup_error_ struct error err = ERROR_INIT;
    _cleanup_blockmap_ struct blockmap map = BLOCKMAP_INIT;
    struct index_record record = {
        .offset = 512, .length = 512, .kind = INDEX_ZERO};
    struct index *idx = build(&record, 1, 1024);

    CHECK_FAILS(
        blockmap_build((const struct index *const *)&idx, 1, 1024, &map, &err),
        &err, "whole disk");
    CHECK_FAILS(
        blockmap_build((const struct index *const *)&idx, 0, 1024, &map, &err),
        &err, "0 files");
    index_free(idx);
}

static void test_empty_disk(void)
{
    _cleanup_error_ struct error err = ERROR_INIT;
    _cleanup_blockmap_ struct blockmap map = BLOCKMAP_INIT;
    struct index *idx = build(NULL, 0, 0);

    CHECK_OK(
        blockmap_build((const struct index *const *)&idx, 1, 0, &map, &err),
        &err);
    CHECK_EQ_U64(map.count, 0);
    CHECK_EQ_U64(blockmap_find(&map, 0), 0);
    index_free(idx);
}

int main(void)
{
    RUN(test_random_chains);
    RUN(test_base_must_cover);
    RUN(test_empty_disk);
    return check_result();
}
