/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* test-chain.c - points of ours in order, and everything that breaks the order
 */
#include "set/blockmap.h"
#include "set/chain.h"
#include "set/files.h"

#include "lab.h"

/* full 0, inc 1, diff (upon 1), inc 2 (upon 1), copy; sequence 0 to 4. */
static void make_chain(struct lab *lab)
{
    char hash[HASH_TEXT_SIZE] = "", last[HASH_TEXT_SIZE] = "";
    struct lab_plan plans[] = {
        {"virtnbdbackup.0", LEVEL_FULL, 1, 0, "", 0, "ab", 0, NULL, NULL},
        {"virtnbdbackup.1", LEVEL_INC, 2, 1, last, 1, "ab", 0, NULL, NULL},
        {"diff.1700000000", LEVEL_DIFF, 3, 2, last, 2, "ab", 0, NULL, NULL},
        {"virtnbdbackup.2", LEVEL_INC, 4, 3, last, 2, "a", 0, NULL, NULL},
        {"copy", LEVEL_COPY, 5, 4, last, 0, "a", 0, NULL, NULL},
    };

    for (size_t i = 0; i < array_size(plans); i++) {
        lab_point(lab, &plans[i], hash);
        memcpy(last, hash, sizeof(last));
    }
}

static struct chain *open_chain(struct lab *lab)
{
    _cleanup_error_ struct error err = ERROR_INIT;
    struct chain *chain = NULL;

    CHECK_OK(chain_open(lab->dirfd, &chain, &err), &err);
    if (!chain)
        abort();
    return chain;
}

/* The files of a disk at a point, as "a b c". */
static void check_files(const struct chain *chain, const char *until,
                        const char *disk, const char *want)
{
    _cleanup_error_ struct error err = ERROR_INIT;
    _cleanup_selection_ struct selection s = SELECTION_INIT;
    char text[512] = "";

    CHECK_OK(chain_select_disk(chain, until, disk, &s, &err), &err);
    if (s.disk_count != 1) {
        CHECK_EQ_U64(s.disk_count, 1);
        return;
    }
    for (size_t i = 0; i < s.disks[0].file_count; i++) {
        strcat(text, i > 0 ? " " : "");
        strcat(text, s.disks[0].files[i]->file);
    }
    CHECK_STR(text, want);
}

static void test_order(void)
{
    static const char *const names[] = {"virtnbdbackup.0", "virtnbdbackup.1",
                                        "diff.1700000000", "virtnbdbackup.2",
                                        "copy"};
    _cleanup_error_ struct error err = ERROR_INIT;
    _cleanup_lab_ struct lab lab = lab_new();
    _cleanup_(chain_freep) struct chain *chain = NULL;
    _cleanup_selection_ struct selection s = SELECTION_INIT;

    make_chain(&lab);
    chain = open_chain(&lab);
    CHECK(chain->ours);
    CHECK_STR(chain->uuid, LAB_CHAIN);
    CHECK_STR(chain->domain_uuid, LAB_DOMAIN);
    CHECK_OK(chain_check(chain, &err), &err);
    CHECK_EQ_U64(chain->note_count, 0);
    CHECK_EQ_U64(chain->point_count, array_size(names));
    for (size_t i = 0; i < array_size(names); i++) {
        CHECK_STR(chain->points[i].name, names[i]);
        CHECK_EQ_INT(chain_find(chain, names[i]), (int)i);
    }
    CHECK_EQ_INT(chain_find(chain, "virtnbdbackup.3"), -1);
    CHECK_EQ_INT(chain_parent(chain, "vda"), 3);
    CHECK_EQ_INT(chain_parent(chain, "vdb"), 1);
    CHECK_EQ_INT(chain_parent(chain, "vdc"), -1);
    check_files(chain, "virtnbdbackup.0", "vda", "vda.full.data");
    check_files(chain, "virtnbdbackup.1", "vda",
                "vda.full.data vda.inc.virtnbdbackup.1.data");
    check_files(chain, "diff.1700000000", "vda",
                "vda.full.data vda.inc.virtnbdbackup.1.data "
                "vda.diff.1700000000.data");
    check_files(chain, "virtnbdbackup.2", "vda",
                "vda.full.data vda.inc.virtnbdbackup.1.data "
                "vda.inc.virtnbdbackup.2.data");
    /* The second disk is not in that point: its newest state before. */
    check_files(chain, "virtnbdbackup.2", "vdb",
                "vdb.full.data vdb.inc.virtnbdbackup.1.data "
                "vdb.diff.1700000000.data");
    check_files(chain, NULL, "vda", "vda.copy.data");
    CHECK_OK(chain_select(chain, NULL, &s, &err), &err);
    CHECK_EQ_U64(s.point, 4);
    CHECK_EQ_U64(s.disk_count, 2);
    CHECK_EQ_U64(s.disks[1].point, 2);
    CHECK_EQ_U64(s.disks[1].virtual_size, LAB_SIZE);
}

/* File times decide nothing. */
/* covers: F4:R */
static void test_times(void)
{
    _cleanup_lab_ struct lab lab = lab_new();
    _cleanup_(chain_freep) struct chain *chain = NULL;
    _cleanup_file_names_ struct file_names names = FILE_NAMES_INIT;
    time_t t = 2000000000;

    make_chain(&lab);
    CHECK_EQ_INT(files_list(lab.dirfd, 1000, &names, NULL), 0);
    for (size_t i = 0; i < names.count; i++) {
        struct timespec times[2] = {{t - (time_t)i, 0}, {t - (time_t)i, 0}};

        CHECK_EQ_INT(utimensat(lab.dirfd, names.names[i], times, 0), 0);
    }
    chain = open_chain(&lab);
    check_files(chain, "virtnbdbackup.2", "vda",
                "vda.full.data vda.inc.virtnbdbackup.1.data "
                "vda.inc.virtnbdbackup.2.data");
}

static void test_indexes_and_map(void)
{
    _cleanup_error_ struct error err = ERROR_INIT;
    _cleanup_lab_ struct lab lab = lab_new();
    _cleanup_(chain_freep) struct chain *chain = NULL;
    _cleanup_selection_ struct selection s = SELECTION_INIT;
    _cleanup_blockmap_ struct blockmap map = BLOCKMAP_INIT;
    struct index *indexes[3] = {NULL};

    make_chain(&lab);
    chain = open_chain(&lab);
    CHECK_OK(chain_select_disk(chain, "virtnbdbackup.2", "vda", &s, &err),
             &err);
    REQUIRE(s.disk_count == 1 && s.disks[0].file_count == 3);
    for (size_t i = 0; i < 3; i++) {
        _cleanup_meta_ struct meta meta = META_INIT;
        _cleanup_close_ int fd = -1;

        CHECK_OK(
            chain_file_index(chain, s.disks[0].files[i], &indexes[i], &err),
            &err);
        CHECK_OK(chain_file_meta(chain, s.disks[0].files[i], &meta, &err),
                 &err);
        CHECK_OK(chain_file_open(chain, s.disks[0].files[i], &fd, &err), &err);
    }
    CHECK_OK(blockmap_build((const struct index *const *)indexes, 3,
                            s.disks[0].virtual_size, &map, &err),
             &err);
    CHECK_EQ_U64(map.count, 2);
    CHECK_EQ_U64(map.ranges[0].source, 2);
    CHECK_EQ_U64(map.ranges[0].length, 1024);
    CHECK_EQ_U64(map.ranges[1].source, 0);
    for (size_t i = 0; i < 3; i++)
        index_free(indexes[i]);
}

/* A missing or changed file of a point: only what needs it is refused. */
/* covers: F3:CRVM */
static void test_missing_file(void)
{
    _cleanup_error_ struct error err = ERROR_INIT;
    _cleanup_lab_ struct lab lab = lab_new();
    _cleanup_(chain_freep) struct chain *chain = NULL;
    _cleanup_selection_ struct selection s = SELECTION_INIT;

    make_chain(&lab);
    lab_remove(&lab, "vda.inc.virtnbdbackup.1.data");
    chain = open_chain(&lab);
    CHECK_FAILS(chain_check(chain, &err), &err, "is missing");
    CHECK_FAILS(chain_select(chain, "virtnbdbackup.2", &s, &err), &err,
                "'vda.inc.virtnbdbackup.1.data' is missing");
    CHECK_FAILS(chain_select_disk(chain, "diff.1700000000", "vda", &s, &err),
                &err, "is missing");
    check_files(chain, "virtnbdbackup.0", "vda", "vda.full.data");
    check_files(chain, "diff.1700000000", "vdb",
                "vdb.full.data vdb.inc.virtnbdbackup.1.data "
                "vdb.diff.1700000000.data");
    check_files(chain, NULL, "vda", "vda.copy.data");
}

/* covers: F2:RVM */
static void test_truncated_file(void)
{
    _cleanup_error_ struct error err = ERROR_INIT;
    _cleanup_lab_ struct lab lab = lab_new();
    _cleanup_(chain_freep) struct chain *chain = NULL;
    _cleanup_selection_ struct selection s = SELECTION_INIT;
    int fd = -1;

    make_chain(&lab);
    fd = openat(lab.dirfd, "vda.full.data", O_WRONLY);
    CHECK_EQ_INT(ftruncate(fd, 100), 0);
    close(fd);
    chain = open_chain(&lab);
    CHECK_FAILS(chain_select(chain, "virtnbdbackup.0", &s, &err), &err,
                "'vda.full.data' has 100 bytes instead of");
    check_files(chain, NULL, "vda", "vda.copy.data");
}

/* Without the manifest of one point, it and all behind are refused. */
/* covers: F3:CRVM */
static void test_gap(void)
{
    _cleanup_error_ struct error err = ERROR_INIT;
    _cleanup_lab_ struct lab lab = lab_new();
    _cleanup_(chain_freep) struct chain *chain = NULL;
    _cleanup_selection_ struct selection s = SELECTION_INIT;

    make_chain(&lab);
    lab_remove(&lab, "manifest.diff.1700000000.json");
    chain = open_chain(&lab);
    CHECK_EQ_U64(chain_count_notes(chain, CHAIN_DAMAGE), 1);
    CHECK_EQ_U64(chain_count_notes(chain, CHAIN_UNCOMMITTED), 2);
    CHECK_FAILS(chain_select(chain, NULL, &s, &err), &err, "is missing");
    CHECK_FAILS(chain_select(chain, "virtnbdbackup.2", &s, &err), &err,
                "point number 2, before 'virtnbdbackup.2', is missing");
    CHECK_FAILS(chain_select(chain, "diff.1700000000", &s, &err), &err,
                "there is no point");
    CHECK_OK(chain_select(chain, "virtnbdbackup.1", &s, &err), &err);
}

/* A manifest cut off: it may have been the newest point. */
static void test_damaged_newest(void)
{
    _cleanup_error_ struct error err = ERROR_INIT;
    _cleanup_lab_ struct lab lab = lab_new();
    _cleanup_(chain_freep) struct chain *chain = NULL;
    _cleanup_selection_ struct selection s = SELECTION_INIT;
    _cleanup_manifest_ struct manifest m = MANIFEST_INIT;
    int fd = -1;

    make_chain(&lab);
    fd = openat(lab.dirfd, "manifest.copy.json", O_WRONLY);
    CHECK_EQ_INT(ftruncate(fd, 200), 0);
    close(fd);
    chain = open_chain(&lab);
    CHECK_EQ_U64(chain->point_count, 4);
    CHECK_FAILS(chain_select(chain, NULL, &s, &err), &err,
                "manifest.copy.json");
    CHECK_FAILS(chain_continue(chain, &m, &err), &err, "manifest.copy.json");
    CHECK_OK(chain_select(chain, "virtnbdbackup.2", &s, &err), &err);
}

/* A manifest that was made anew, with the same number: the link shows it. */
static void test_replaced_manifest(void)
{
    _cleanup_error_ struct error err = ERROR_INIT;
    _cleanup_lab_ struct lab lab = lab_new();
    _cleanup_(chain_freep) struct chain *chain = NULL;
    _cleanup_selection_ struct selection s = SELECTION_INIT;
    _cleanup_manifest_ struct manifest m = MANIFEST_INIT;

    make_chain(&lab);
    CHECK_OK(
        manifest_load(lab.dirfd, "manifest.virtnbdbackup.1.json", &m, &err),
        &err);
    lab_remove(&lab, "manifest.virtnbdbackup.1.json");
    m.frozen_ms = 77;
    CHECK_OK(manifest_write(lab.dirfd, &m, &err), &err);
    chain = open_chain(&lab);
    CHECK_FAILS(chain_select(chain, NULL, &s, &err), &err, "does not follow");
    CHECK_OK(chain_select(chain, "virtnbdbackup.1", &s, &err), &err);
}

/* Directories that make no sense as a whole. */
static void refuse(struct lab_plan *second, const char *says)
{
    _cleanup_error_ struct error err = ERROR_INIT;
    _cleanup_lab_ struct lab lab = lab_new();
    struct chain *chain = NULL;
    char hash[HASH_TEXT_SIZE] = "";
    struct lab_plan full = {
        .name = "virtnbdbackup.0", .level = LEVEL_FULL, .uuid = 1};

    lab_point(&lab, &full, hash);
    if (second->sequence > 0)
        second->previous = hash;
    lab_point(&lab, second, NULL);
    CHECK_FAILS(chain_open(lab.dirfd, &chain, &err), &err, says);
}

static void test_refused(void)
{
    struct lab_plan other_chain = {
        .name = "copy",
        .level = LEVEL_COPY,
        .uuid = 2,
        .sequence = 1,
        .chain = "99999999-9999-4999-8999-999999999999",
    };
    struct lab_plan other_domain = {
        .name = "copy",
        .level = LEVEL_COPY,
        .uuid = 2,
        .sequence = 1,
        .domain = "99999999-9999-4999-8999-999999999999",
    };
    struct lab_plan same_number = {
        .name = "copy", .level = LEVEL_COPY, .uuid = 2};
    struct lab_plan same_uuid = {
        .name = "copy", .level = LEVEL_COPY, .uuid = 1, .sequence = 1};

    refuse(&other_chain, "two chains");
    refuse(&other_domain, "two domains");
    refuse(&same_number, "same number");
    refuse(&same_uuid, "same UUID");
}

/* Parents that cannot be: unknown, one that owns no checkpoint, one behind. */
static void test_parents(void)
{
    static const struct {
        unsigned parent;
        const char *says;
    } cases[] = {
        {77, "builds upon a point that is missing"},
        {3, "cannot build upon the point 'copy'"},
        {9, "cannot build upon the point 'virtnbdbackup.2'"},
    };

    for (size_t i = 0; i < array_size(cases); i++) {
        _cleanup_error_ struct error err = ERROR_INIT;
        _cleanup_lab_ struct lab lab = lab_new();
        _cleanup_(chain_freep) struct chain *chain = NULL;
        _cleanup_selection_ struct selection s = SELECTION_INIT;
        char last[HASH_TEXT_SIZE] = "";
        struct lab_plan plans[] = {
            {"virtnbdbackup.0", LEVEL_FULL, 1, 0, "", 0, "a", 0, NULL, NULL},
            {"copy", LEVEL_COPY, 3, 1, last, 0, "a", 0, NULL, NULL},
            {"virtnbdbackup.1", LEVEL_INC, 4, 2, last, cases[i].parent, "a", 0,
             NULL, NULL},
            {"virtnbdbackup.2", LEVEL_INC, 9, 3, last, 1, "a", 0, NULL, NULL},
        };

        for (size_t k = 0; k < array_size(plans); k++) {
            char hash[HASH_TEXT_SIZE] = "";

            lab_point(&lab, &plans[k], hash);
            memcpy(last, hash, sizeof(last));
        }
        chain = open_chain(&lab);
        CHECK_FAILS(chain_select(chain, "virtnbdbackup.1", &s, &err), &err,
                    cases[i].says);
        CHECK_FAILS(chain_check(chain, &err), &err, cases[i].says);
        CHECK_OK(chain_select(chain, "virtnbdbackup.2", &s, &err), &err);
    }
}

/* What lies about is named, and changes nothing. */
static void test_notes(void)
{
    _cleanup_error_ struct error err = ERROR_INIT;
    _cleanup_lab_ struct lab lab = lab_new();
    _cleanup_(chain_freep) struct chain *chain = NULL;
    _cleanup_selection_ struct selection s = SELECTION_INIT;

    make_chain(&lab);
    lab_text(&lab, "vdc.full.data", "x");
    lab_text(&lab, "vda.inc.virtnbdbackup.9.data.partial", "x");
    lab_text(&lab, "something.data", "x");
    lab_text(&lab, "intent.33333333-3333-4333-8333-333333333333.json", "x");
    lab_text(&lab, "README", "x");
    lab_text(&lab, " odd name.data", "x");
    chain = open_chain(&lab);
    CHECK_EQ_U64(chain->note_count, 4);
    CHECK_EQ_U64(chain_count_notes(chain, CHAIN_UNCOMMITTED), 1);
    CHECK_EQ_U64(chain_count_notes(chain, CHAIN_PARTIAL), 1);
    CHECK_EQ_U64(chain_count_notes(chain, CHAIN_FOREIGN), 1);
    CHECK_EQ_U64(chain_count_notes(chain, CHAIN_INTENT), 1);
    CHECK_OK(chain_select(chain, NULL, &s, &err), &err);
}

/* Our files without a manifest are no set of upstream's. */
static void test_uncommitted_only(void)
{
    _cleanup_error_ struct error err = ERROR_INIT;
    _cleanup_lab_ struct lab lab = lab_new();
    _cleanup_(chain_freep) struct chain *chain = NULL;
    _cleanup_selection_ struct selection s = SELECTION_INIT;

    make_chain(&lab);
    lab_remove(&lab, "manifest.virtnbdbackup.0.json");
    lab_remove(&lab, "manifest.virtnbdbackup.1.json");
    lab_remove(&lab, "manifest.virtnbdbackup.2.json");
    lab_remove(&lab, "manifest.diff.1700000000.json");
    lab_remove(&lab, "manifest.copy.json");
    chain = open_chain(&lab);
    CHECK_EQ_U64(chain->point_count, 0);
    CHECK_EQ_U64(chain_count_notes(chain, CHAIN_UNCOMMITTED), 8);
    CHECK_FAILS(chain_select(chain, NULL, &s, &err), &err, "no complete");
}

static void test_continue(void)
{
    _cleanup_error_ struct error err = ERROR_INIT;
    _cleanup_lab_ struct lab lab = lab_new();
    _cleanup_manifest_ struct manifest m = MANIFEST_INIT;
    struct lab_plan copy = {.name = "copy", .level = LEVEL_COPY, .uuid = 1};
    char hash[HASH_TEXT_SIZE] = "";

    {
        _cleanup_(chain_freep) struct chain *chain = open_chain(&lab);

        CHECK_EQ_U64(chain->point_count, 0);
        CHECK(!chain->ours);
        CHECK_OK(chain_continue(chain, &m, &err), &err);
        CHECK_EQ_U64(m.sequence, 0);
        CHECK_STR(m.previous, "");
        CHECK(name_is_uuid(m.chain));
    }
    lab_point(&lab, &copy, hash);
    {
        _cleanup_(chain_freep) struct chain *chain = open_chain(&lab);

        CHECK_OK(chain_continue(chain, &m, &err), &err);
        CHECK_EQ_U64(m.sequence, 1);
        CHECK_STR(m.previous, hash);
        CHECK_STR(m.chain, LAB_CHAIN);
    }
}

/* Random damage to random files: never a crash, never a wrong file. */
static void test_random_damage(void)
{
    uint64_t seed = lab_seed();

    for (int round = 0; round < 150; round++) {
        _cleanup_lab_ struct lab lab = lab_new();
        _cleanup_file_names_ struct file_names names = FILE_NAMES_INIT;
        _cleanup_(chain_freep) struct chain *chain = NULL;
        const char *victim = NULL;

        make_chain(&lab);
        CHECK_EQ_INT(files_list(lab.dirfd, 1000, &names, NULL), 0);
        victim = names.names[lab_random(&seed) % names.count];
        if (lab_random(&seed) % 3 == 0) {
            lab_remove(&lab, victim);
        } else {
            size_t len = 0;
            _cleanup_free_ char *bytes = lab_read(&lab, victim, &len);

            if (lab_random(&seed) % 2)
                len = lab_random(&seed) % len;
            else
                bytes[lab_random(&seed) % len] ^= 0x10;
            lab_write(&lab, victim, bytes, len);
        }
        if (chain_open(lab.dirfd, &chain, NULL) < 0)
            continue;
        for (size_t i = 0; i < chain->point_count; i++) {
            _cleanup_selection_ struct selection s = SELECTION_INIT;

            if (chain_select(chain, chain->points[i].name, &s, NULL) < 0)
                continue;
            for (size_t d = 0; d < s.disk_count; d++)
                for (size_t f = 0; f < s.disks[d].file_count; f++) {
                    _cleanup_(index_freep) struct index *idx = NULL;
                    const struct chain_file *file = s.disks[d].files[f];

                    if (chain_file_index(chain, file, &idx, NULL) == 0)
                        CHECK(strcmp(file->entry->index, victim) != 0);
                }
        }
    }
}

/* covers: S12:RVM */
static void test_too_many_names(void)
{
    _cleanup_error_ struct error err = ERROR_INIT;
    _cleanup_lab_ struct lab lab = lab_new();
    _cleanup_file_names_ struct file_names names = FILE_NAMES_INIT;
    char name[16] = "";

    for (int i = 0; i < 20; i++) {
        snprintf(name, sizeof(name), "f%d", i);
        lab_text(&lab, name, "");
    }
    CHECK_FAILS(files_list(lab.dirfd, 15, &names, &err), &err, "more than 15");
    CHECK_OK(files_list(lab.dirfd, 22, &names, &err), &err);
    CHECK_EQ_U64(names.count, 20);
    CHECK_STR(names.names[2], "f2");
    CHECK_STR(names.names[10], "f10");
}

int main(void)
{
    RUN(test_order);
    RUN(test_times);
    RUN(test_indexes_and_map);
    RUN(test_missing_file);
    RUN(test_truncated_file);
    RUN(test_gap);
    RUN(test_damaged_newest);
    RUN(test_replaced_manifest);
    RUN(test_refused);
    RUN(test_parents);
    RUN(test_notes);
    RUN(test_uncommitted_only);
    RUN(test_continue);
    RUN(test_random_damage);
    RUN(test_too_many_names);
    return check_result();
}
