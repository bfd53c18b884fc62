/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* test-chain-upstream.c - sets without manifests: points by name and metadata
 */
#include "set/chain.h"

#include "lab.h"

/* A data file of upstream's: the name says disk, level and point. */
static void put(struct lab *lab, const char *file, const char *checkpoint,
                const char *parent, const char *date)
{
    struct name name = {0};
    struct lab_stream s = {
        .checkpoint = checkpoint,
        .parent = parent,
        .data = 512,
        .date = date,
    };

    if (!name_parse(file, &name))
        abort();
    s.disk = name.disk;
    s.incremental = *parent != '\0';
    lab_stream(lab, file, &s, false, NULL);
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

static void check_points(const struct chain *chain, const char *want)
{
    char text[512] = "";

    for (size_t i = 0; i < chain->point_count; i++) {
        strcat(text, i > 0 ? " " : "");
        strcat(text, chain->points[i].name);
    }
    CHECK_STR(text, want);
}

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

static void test_full(void)
{
    _cleanup_error_ struct error err = ERROR_INIT;
    _cleanup_lab_ struct lab lab = lab_new();
    _cleanup_(chain_freep) struct chain *chain = NULL;
    _cleanup_selection_ struct selection s = SELECTION_INIT;
    _cleanup_(index_freep) struct index *idx = NULL;
    _cleanup_meta_ struct meta meta = META_INIT;
    _cleanup_manifest_ struct manifest m = MANIFEST_INIT;

    /* Disks of which one name begins with the other. */
    put(&lab, "sda.full.data", "virtnbdbackup.0", "", NULL);
    put(&lab, "sdaa.full.data", "virtnbdbackup.0", "", NULL);
    lab_text(&lab, "vmconfig.virtnbdbackup.0.xml", "x");
    lab_text(&lab, "sda.full.data.chksum", "1");
    chain = open_chain(&lab);
    CHECK(!chain->ours);
    CHECK_EQ_U64(chain->note_count, 0);
    check_points(chain, "virtnbdbackup.0");
    CHECK_OK(chain_check(chain, &err), &err);
    check_files(chain, NULL, "sda", "sda.full.data");
    check_files(chain, "virtnbdbackup.0", "sdaa", "sdaa.full.data");
    CHECK_OK(chain_select(chain, NULL, &s, &err), &err);
    CHECK_EQ_U64(s.disk_count, 2);
    CHECK_EQ_U64(s.disks[0].virtual_size, LAB_SIZE);
    CHECK_OK(chain_file_index(chain, s.disks[0].files[0], &idx, &err), &err);
    CHECK(idx && index_covers(idx));
    CHECK_OK(chain_file_meta(chain, s.disks[0].files[0], &meta, &err), &err);
    CHECK_STR(meta.disk_format, "qcow2");
    CHECK_FAILS(chain_select(chain, "virtnbdbackup.1", &s, &err), &err,
                "no point");
    CHECK_FAILS(chain_select_disk(chain, NULL, "sdb", &s, &err), &err,
                "no disk 'sdb'");
    CHECK_FAILS(chain_continue(chain, &m, &err), &err, "another program");
}

static void test_copy(void)
{
    _cleanup_lab_ struct lab lab = lab_new();
    _cleanup_(chain_freep) struct chain *chain = NULL;

    put(&lab, "vda.copy.data", "virtnbdbackup.0", "", NULL);
    chain = open_chain(&lab);
    check_points(chain, "copy");
    check_files(chain, NULL, "vda", "vda.copy.data");
    check_files(chain, "copy", "vda", "vda.copy.data");
}

static void test_copy_beside_full(void)
{
    static const struct {
        const char *copy, *full, *points, *newest;
    } cases[] = {
        {"2026-01-01T00:00:00", "2026-01-02T00:00:00", "copy virtnbdbackup.0",
         "vda.full.data"},
        {"2026-01-03T00:00:00", "2026-01-02T00:00:00", "virtnbdbackup.0 copy",
         "vda.copy.data"},
        {"2026-01-02T00:00:00", "2026-01-02T00:00:00", "copy virtnbdbackup.0",
         NULL},
    };

    for (size_t i = 0; i < array_size(cases); i++) {
        _cleanup_error_ struct error err = ERROR_INIT;
        _cleanup_lab_ struct lab lab = lab_new();
        _cleanup_(chain_freep) struct chain *chain = NULL;
        _cleanup_selection_ struct selection s = SELECTION_INIT;

        put(&lab, "vda.copy.data", "virtnbdbackup.0", "", cases[i].copy);
        put(&lab, "vda.full.data", "virtnbdbackup.0", "", cases[i].full);
        chain = open_chain(&lab);
        check_points(chain, cases[i].points);
        check_files(chain, "copy", "vda", "vda.copy.data");
        if (cases[i].newest)
            check_files(chain, NULL, "vda", cases[i].newest);
        else
            CHECK_FAILS(chain_select(chain, NULL, &s, &err), &err, "newer");
    }
}

/* Ten increments, so that names sort differently from numbers. */
static void test_increments(void)
{
    _cleanup_error_ struct error err = ERROR_INIT;
    _cleanup_lab_ struct lab lab = lab_new();
    _cleanup_(chain_freep) struct chain *chain = NULL;

    for (int i = 11; i > 0; i--) {
        char file[64] = "", name[32] = "", parent[32] = "";

        snprintf(name, sizeof(name), "virtnbdbackup.%d", i);
        snprintf(parent, sizeof(parent), "virtnbdbackup.%d", i - 1);
        snprintf(file, sizeof(file), "vda.inc.%s.data", name);
        put(&lab, file, name, parent, NULL);
    }
    put(&lab, "vda.full.data", "virtnbdbackup.0", "", NULL);
    chain = open_chain(&lab);
    CHECK_OK(chain_check(chain, &err), &err);
    CHECK_EQ_U64(chain->point_count, 12);
    CHECK_STR(chain->points[2].name, "virtnbdbackup.2");
    CHECK_STR(chain->points[11].name, "virtnbdbackup.11");
    CHECK_EQ_INT(chain_parent(chain, "vda"), 11);
    check_files(chain, "virtnbdbackup.3", "vda",
                "vda.full.data vda.inc.virtnbdbackup.1.data "
                "vda.inc.virtnbdbackup.2.data vda.inc.virtnbdbackup.3.data");
}

static void test_missing_increment(void)
{
    _cleanup_error_ struct error err = ERROR_INIT;
    _cleanup_lab_ struct lab lab = lab_new();
    _cleanup_(chain_freep) struct chain *chain = NULL;
    _cleanup_selection_ struct selection s = SELECTION_INIT;

    put(&lab, "vda.full.data", "virtnbdbackup.0", "", NULL);
    put(&lab, "vda.inc.virtnbdbackup.1.data", "virtnbdbackup.1",
        "virtnbdbackup.0", NULL);
    put(&lab, "vda.inc.virtnbdbackup.3.data", "virtnbdbackup.3",
        "virtnbdbackup.2", NULL);
    chain = open_chain(&lab);
    CHECK_FAILS(chain_select(chain, NULL, &s, &err), &err,
                "builds upon 'virtnbdbackup.2', which is missing");
    check_files(chain, "virtnbdbackup.1", "vda",
                "vda.full.data vda.inc.virtnbdbackup.1.data");
}

/* Offline increments and differentials stand behind their parent, by date. */
static void test_behind(void)
{
    _cleanup_error_ struct error err = ERROR_INIT;
    _cleanup_lab_ struct lab lab = lab_new();
    _cleanup_(chain_freep) struct chain *chain = NULL;

    put(&lab, "vda.full.data", "virtnbdbackup.0", "", NULL);
    put(&lab, "vda.inc.virtnbdbackup.0.data", "virtnbdbackup.0",
        "virtnbdbackup.0", "2026-01-02T00:00:00");
    put(&lab, "vda.diff.1700000000.data", "virtnbdbackup.1", "virtnbdbackup.0",
        "2026-01-01T00:00:00");
    put(&lab, "vda.inc.virtnbdbackup.1.data", "virtnbdbackup.1",
        "virtnbdbackup.0", NULL);
    chain = open_chain(&lab);
    CHECK_OK(chain_check(chain, &err), &err);
    check_points(chain, "virtnbdbackup.0 diff.1700000000 inc.virtnbdbackup.0 "
                        "virtnbdbackup.1");
    check_files(chain, "diff.1700000000", "vda",
                "vda.full.data vda.diff.1700000000.data");
    check_files(chain, "inc.virtnbdbackup.0", "vda",
                "vda.full.data vda.inc.virtnbdbackup.0.data");
    check_files(chain, NULL, "vda",
                "vda.full.data vda.inc.virtnbdbackup.1.data");
}

/* Upstream names a differential of each disk after its own second. */
static void test_diffs_of_two_disks(void)
{
    _cleanup_lab_ struct lab lab = lab_new();
    _cleanup_(chain_freep) struct chain *chain = NULL;

    put(&lab, "vda.full.data", "virtnbdbackup.0", "", NULL);
    put(&lab, "vdb.full.data", "virtnbdbackup.0", "", NULL);
    put(&lab, "vda.diff.1700000000.data", "virtnbdbackup.1", "virtnbdbackup.0",
        "2026-01-01T00:00:00");
    put(&lab, "vdb.diff.1700000001.data", "virtnbdbackup.1", "virtnbdbackup.0",
        "2026-01-01T00:00:01");
    put(&lab, "vda.diff.1700000010.data", "virtnbdbackup.1", "virtnbdbackup.0",
        "2026-01-01T00:00:10");
    put(&lab, "vdb.diff.1700000011.data", "virtnbdbackup.1", "virtnbdbackup.0",
        "2026-01-01T00:00:11");
    chain = open_chain(&lab);
    check_points(chain, "virtnbdbackup.0 diff.1700000000 diff.1700000010");
    check_files(chain, "diff.1700000000", "vdb",
                "vdb.full.data vdb.diff.1700000001.data");
    check_files(chain, NULL, "vdb", "vdb.full.data vdb.diff.1700000011.data");
}

static void test_ambiguous(void)
{
    _cleanup_error_ struct error err = ERROR_INIT;
    _cleanup_lab_ struct lab lab = lab_new();
    struct chain *chain = NULL;

    put(&lab, "vda.full.data", "virtnbdbackup.0", "", NULL);
    put(&lab, "vda.diff.1700000000.data", "virtnbdbackup.1", "virtnbdbackup.0",
        "2026-01-01T00:00:00");
    put(&lab, "vda.diff.1700000001.data", "virtnbdbackup.1", "virtnbdbackup.0",
        "2026-01-01T00:00:00");
    CHECK_FAILS(chain_open(lab.dirfd, &chain, &err), &err,
                "nothing tells which");
}

/* The fallback full inside a chain needs nothing in front of it. */
static void test_full_in_chain(void)
{
    _cleanup_lab_ struct lab lab = lab_new();
    _cleanup_(chain_freep) struct chain *chain = NULL;

    put(&lab, "vda.full.data", "virtnbdbackup.0", "", NULL);
    put(&lab, "vda.inc.virtnbdbackup.1.data", "virtnbdbackup.1", "", NULL);
    put(&lab, "vda.inc.virtnbdbackup.2.data", "virtnbdbackup.2",
        "virtnbdbackup.1", NULL);
    chain = open_chain(&lab);
    check_files(chain, NULL, "vda",
                "vda.inc.virtnbdbackup.1.data vda.inc.virtnbdbackup.2.data");
}

/* Name and metadata disagree: not used, and the others still are. */
static void test_lies(void)
{
    static const struct {
        const char *file, *checkpoint, *parent, *says;
    } cases[] = {
        {"vda.full.data", "virtnbdbackup.0", "virtnbdbackup.0",
         "it is an increment"},
        {"vda.inc.virtnbdbackup.1.data", "virtnbdbackup.2", "virtnbdbackup.0",
         "of the checkpoint 'virtnbdbackup.2'"},
        {"vda.inc.virtnbdbackup.1.data", "virtnbdbackup.1", "virtnbdbackup.7",
         "which is missing"},
        {"vda.inc.mine.data", "mine", "virtnbdbackup.0", "no number"},
        {"vda.diff.virtnbdbackup.1.data", "virtnbdbackup.1", "",
         "nothing tells where the full"},
    };

    for (size_t i = 0; i < array_size(cases); i++) {
        _cleanup_error_ struct error err = ERROR_INIT;
        _cleanup_lab_ struct lab lab = lab_new();
        _cleanup_(chain_freep) struct chain *chain = NULL;

        put(&lab, "vdb.full.data", "virtnbdbackup.0", "", NULL);
        put(&lab, cases[i].file, cases[i].checkpoint, cases[i].parent, NULL);
        chain = open_chain(&lab);
        CHECK_FAILS(chain_check(chain, &err), &err, cases[i].says);
        check_files(chain, "virtnbdbackup.0", "vdb", "vdb.full.data");
    }
}

static void test_wrong_disk(void)
{
    _cleanup_error_ struct error err = ERROR_INIT;
    _cleanup_lab_ struct lab lab = lab_new();
    _cleanup_(chain_freep) struct chain *chain = NULL;
    _cleanup_selection_ struct selection s = SELECTION_INIT;

    put(&lab, "vda.full.data", "virtnbdbackup.0", "", NULL);
    lab_rename(&lab, "vda.full.data", "vdb.full.data");
    chain = open_chain(&lab);
    CHECK_FAILS(chain_select(chain, NULL, &s, &err), &err,
                "says that it holds the disk 'vda'");
}

static void test_raw(void)
{
    _cleanup_error_ struct error err = ERROR_INIT;
    _cleanup_lab_ struct lab lab = lab_new();
    _cleanup_(chain_freep) struct chain *chain = NULL;
    _cleanup_selection_ struct selection s = SELECTION_INIT;
    _cleanup_(index_freep) struct index *idx = NULL;
    _cleanup_meta_ struct meta meta = META_INIT;
    char image[3000] = "raw";

    lab_write(&lab, "vda.copy.data", image, sizeof(image));
    lab_text(&lab, "vdb.copy.data", "");
    chain = open_chain(&lab);
    CHECK_OK(chain_select_disk(chain, NULL, "vda", &s, &err), &err);
    REQUIRE(s.disk_count == 1);
    CHECK(s.disks[0].files[0]->raw);
    CHECK_EQ_U64(s.disks[0].virtual_size, sizeof(image));
    CHECK_OK(chain_file_index(chain, s.disks[0].files[0], &idx, &err), &err);
    CHECK_FAILS(chain_file_meta(chain, s.disks[0].files[0], &meta, &err), &err,
                "not a backup stream");
    CHECK_FAILS(chain_select_disk(chain, NULL, "vdb", &s, &err), &err,
                "is empty");
}

/* Links, pipes and directories in place of data. */
static void test_no_files(void)
{
    _cleanup_error_ struct error err = ERROR_INIT;
    _cleanup_lab_ struct lab lab = lab_new();
    _cleanup_(chain_freep) struct chain *chain = NULL;
    _cleanup_selection_ struct selection s = SELECTION_INIT;

    put(&lab, "vda.full.data", "virtnbdbackup.0", "", NULL);
    CHECK_EQ_INT(symlinkat("vda.full.data", lab.dirfd, "vdb.full.data"), 0);
    CHECK_EQ_INT(mkfifoat(lab.dirfd, "vdc.full.data", 0600), 0);
    CHECK_EQ_INT(mkdirat(lab.dirfd, "vdd.full.data", 0700), 0);
    chain = open_chain(&lab);
    check_files(chain, NULL, "vda", "vda.full.data");
    for (char disk[] = "vdb"; disk[2] <= 'd'; disk[2]++)
        CHECK_FAILS(chain_select_disk(chain, NULL, disk, &s, &err), &err,
                    "not a regular file");
}

/* Cut anywhere in its metadata, a file is damaged, and that is all. */
static void test_cut_metadata(void)
{
    _cleanup_lab_ struct lab lab = lab_new();
    _cleanup_free_ char *bytes = NULL;
    size_t len = 0;

    put(&lab, "vda.full.data", "virtnbdbackup.0", "", NULL);
    bytes = lab_read(&lab, "vda.full.data", &len);
    for (size_t cut = 5; cut < 350; cut += 3) {
        _cleanup_error_ struct error err = ERROR_INIT;
        _cleanup_(chain_freep) struct chain *chain = NULL;
        _cleanup_selection_ struct selection s = SELECTION_INIT;

        lab_write(&lab, "vda.full.data", bytes, cut);
        chain = open_chain(&lab);
        CHECK_FAILS(chain_select(chain, NULL, &s, &err), &err, "vda.full.data");
    }
}

int main(void)
{
    RUN(test_full);
    RUN(test_copy);
    RUN(test_copy_beside_full);
    RUN(test_increments);
    RUN(test_missing_increment);
    RUN(test_behind);
    RUN(test_diffs_of_two_disks);
    RUN(test_ambiguous);
    RUN(test_full_in_chain);
    RUN(test_lies);
    RUN(test_wrong_disk);
    RUN(test_raw);
    RUN(test_no_files);
    RUN(test_cut_metadata);
    return check_result();
}
