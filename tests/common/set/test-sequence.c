/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* test-sequence.c - files that somebody names in an order
 */
#include "set/sequence.h"

#include "lab.h"

#define FILES_MAX 6

/* Open the files named in `names` (words, below the lab), and compare the first
 * byte of the disk, or the error.
 */
static void check(struct lab *lab, const char *names, int byte,
                  const char *failure)
{
    _cleanup_error_ struct error err = ERROR_INIT;
    _cleanup_(sequence_freep) struct sequence *s = NULL;
    _cleanup_(source_done) struct source source = {0};
    char words[400] = "";
    char *paths[FILES_MAX] = {NULL}, *state = NULL;
    size_t count = 0;
    int result = 0;

    snprintf(words, sizeof(words), "%s", names);
    for (char *w = strtok_r(words, " ", &state); w;
         w = strtok_r(NULL, " ", &state))
        paths[count++] = text_dup_printf("%s/%s", lab->path, w);
    result = sequence_open((const char *const *)paths, count, &s, &err);
    if (result == 0)
        result = sequence_source(s, &source, &err);
    for (size_t i = 0; i < count; i++)
        free(paths[i]);
    if (failure) {
        CHECK_FAILS(result, &err, failure);
        return;
    }
    if (result < 0) {
        CHECK_FAIL("%s: %s", names, error_text(&err));
        return;
    }
    CHECK_STR(sequence_disk(s), "vda");
    CHECK_EQ_U64(source.size, LAB_SIZE);
    CHECK_EQ_U64(source.count, count);
    {
        const struct blockmap_range *r = &source.map.ranges[0];
        const struct source_file *f = &source.files[r->source];
        struct index_record record = index_get(f->index, r->record);
        unsigned char got = 0;

        CHECK_EQ_INT(
            file_pread_full(f->fd, &got, 1, record.file_offset + r->delta), 1);
        CHECK_EQ_INT(got, byte);
    }
}

#define INC(n) "vda.inc.virtnbdbackup." #n ".data"

static void test_of_ours(void)
{
    _cleanup_lab_ struct lab lab = lab_new();
    char hash[HASH_TEXT_SIZE] = "";
    struct lab_plan plans[] = {
        {"virtnbdbackup.0", LEVEL_FULL, .uuid = 1, .disks = "ab"},
        {"virtnbdbackup.1", LEVEL_INC, .uuid = 2, .parent = 1, .disks = "ab"},
        {"diff.1700000000", LEVEL_DIFF, .uuid = 3, .parent = 2, .disks = "ab"},
        {"virtnbdbackup.2", LEVEL_INC, .uuid = 4, .parent = 2, .disks = "ab"},
    };

    for (size_t i = 0; i < array_size(plans); i++) {
        plans[i].sequence = (unsigned)i;
        plans[i].previous = hash;
        lab_point(&lab, &plans[i], hash);
    }
    check(&lab, "vda.full.data", 1, NULL);
    check(&lab, "vda.full.data " INC(1), 2, NULL);
    check(&lab, "vda.full.data " INC(1) " vda.diff.1700000000.data", 3, NULL);
    check(&lab, "vda.full.data " INC(1) " " INC(2), 4, NULL);
    /* What the differential holds, the increment behind it holds too. */
    check(&lab, "vda.full.data " INC(1) " vda.diff.1700000000.data " INC(2), 4,
          NULL);

    check(&lab, INC(1), 0, "the first file has to be a full");
    check(&lab, "vda.full.data " INC(2), 0, "is missing, or the order");
    check(&lab, "vda.full.data vda.diff.1700000000.data", 0, "is missing");
    check(&lab, "vda.full.data " INC(2) " " INC(1), 0, "is missing");
    check(&lab, "vda.full.data vda.full.data", 0, "does not build upon");
    check(&lab, "vda.full.data " INC(1) " " INC(1), 0, "does not build upon");
    check(&lab, "vda.full.data vdb.inc.virtnbdbackup.1.data", 0,
          "of the disk 'vdb'");
    check(&lab, "vda.full.data nothing.data", 0, "nothing.data'");
    /* A manifest that is missing, of a point that is not needed. */
    lab_remove(&lab, "manifest.diff.1700000000.json");
    check(&lab, "vda.full.data " INC(1) " " INC(2), 4, NULL);
    lab_remove(&lab, "vda.inc.virtnbdbackup.1.index");
    check(&lab, "vda.full.data " INC(1) " " INC(2), 0, "virtnbdbackup.1.index");
}

/* A data file without manifest. */
static void put(struct lab *lab, const char *file, const char *checkpoint,
                const char *parent, unsigned char fill)
{
    struct lab_stream s = {
        .disk = "vda",
        .checkpoint = checkpoint,
        .parent = parent,
        .incremental = *parent != '\0',
        .data = 512,
        .fill = fill,
    };

    lab_stream(lab, file, &s, false, NULL);
}

static void test_without_manifests(void)
{
    _cleanup_lab_ struct lab lab = lab_new();
    char raw[LAB_SIZE];

    put(&lab, "vda.full.data", "virtnbdbackup.0", "", 1);
    put(&lab, INC(1), "virtnbdbackup.1", "virtnbdbackup.0", 2);
    put(&lab, INC(2), "virtnbdbackup.2", "virtnbdbackup.1", 3);
    /* The name of the next increment. */
    put(&lab, "vda.diff.1700000000.data", "virtnbdbackup.2", "virtnbdbackup.1",
        4);
    put(&lab, INC(3), "virtnbdbackup.3", "", 5); /* all of the disk */
    put(&lab, INC(4), "virtnbdbackup.4", "virtnbdbackup.3", 6);
    put(&lab, "vda.copy.data", "virtnbdbackup.0", "", 7);
    memset(raw, 8, sizeof(raw));
    lab_write(&lab, "vda.raw", raw, sizeof(raw));

    check(&lab, "vda.full.data", 1, NULL);
    check(&lab, "vda.copy.data", 7, NULL);
    check(&lab, "vda.full.data " INC(1), 2, NULL);
    check(&lab, "vda.full.data " INC(1) " " INC(2), 3, NULL);
    check(&lab, "vda.full.data " INC(1) " vda.diff.1700000000.data", 4, NULL);
    check(&lab, "vda.full.data " INC(1) " " INC(2) " " INC(3), 5, NULL);
    check(&lab, INC(3) " " INC(4), 6, NULL);

    check(&lab, "vda.full.data " INC(2), 0, "does not build upon");
    check(&lab, "vda.full.data " INC(2) " " INC(1), 0, "does not build upon");
    check(&lab, "vda.full.data " INC(1) " vda.diff.1700000000.data " INC(4), 0,
          "does not build upon");
    check(&lab, INC(3) " vda.full.data", 0, "does not build upon");
    check(&lab, "vda.copy.data " INC(1), 0, "a copy");
    check(&lab, "vda.raw " INC(1), 0, "a raw image");
    check(&lab, "vda.full.data vda.raw", 0, "a raw image");
    /* Under another name nothing tells an increment from a differential. */
    lab_rename(&lab, INC(1), "one");
    check(&lab, "vda.full.data one", 0, "not named");
    lab_text(&lab, "empty", "");
    check(&lab, "empty", 0, "0 bytes");
}

/* From two directories, one of them ambiguous, and through a link. */
static void test_directories(void)
{
    _cleanup_lab_ struct lab lab = lab_new();

    if (mkdirat(lab.dirfd, "a", 0700) < 0)
        abort();
    put(&lab, "a/vda.full.data", "virtnbdbackup.0", "", 1);
    put(&lab, "a/vda.inc.virtnbdbackup.2.data", "virtnbdbackup.2",
        "virtnbdbackup.1", 9);
    put(&lab, INC(1), "virtnbdbackup.1", "virtnbdbackup.0", 2);
    if (symlinkat("a/vda.full.data", lab.dirfd, "newest") < 0)
        abort();
    check(&lab, "a/vda.full.data " INC(1), 2, NULL);
    check(&lab, "newest " INC(1), 2, NULL);
}

int main(void)
{
    RUN(test_of_ours);
    RUN(test_without_manifests);
    RUN(test_directories);
    return check_result();
}
