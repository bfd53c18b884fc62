/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* test-archived.c - working directories of backups whose data is in archives:
 * what is missing is no damage, everything else is; and forgetting points
 */
#include "set/chain.h"
#include "set/forget.h"
#include "set/marks.h"

#include <sys/wait.h>

#include "lab.h"

#define DOMAIN "vm one \xc3\xa4"
#define CPT DOMAIN ".cpt"
#define SHARED "OVMF_VARS.fd"

static void add_text(struct lab *lab, struct manifest *m, const char *name)
{
    _cleanup_error_ struct error err = ERROR_INIT;

    if (!lab_has(lab, name))
        lab_text(lab, name, name);
    CHECK_OK(manifest_add_file(m, lab->dirfd, name, &err), &err);
}

/* A point as a backup to stdout leaves it here: without data and indexes. */
static void point(struct lab *lab, const struct lab_plan *plan,
                  char hash[HASH_TEXT_SIZE])
{
    _cleanup_error_ struct error err = ERROR_INIT;
    _cleanup_manifest_ struct manifest m = MANIFEST_INIT;
    char name[128] = "";

    lab_manifest(plan, &m);
    for (const char *p = "ab"; *p; p++)
        lab_disk(lab, plan, *p, &m);
    snprintf(name, sizeof(name), "vmconfig.%s.xml", plan->name);
    add_text(lab, &m, name);
    snprintf(name, sizeof(name), "checkpoints/%s.xml", plan->name);
    if (m.disks[0].checkpoint[0])
        add_text(lab, &m, name);
    add_text(lab, &m, SHARED);
    CHECK_OK(manifest_write(lab->dirfd, &m, &err), &err);
    strcpy(hash, m.hash);
    for (size_t i = 0; i < m.disk_count; i++) {
        lab_remove(lab, m.disks[i].file);
        lab_remove(lab, m.disks[i].index);
    }
}

/* Full, two increments, a differential, an increment. */
static struct lab working_directory(void)
{
    static const struct lab_plan plans[] = {
        {.name = "virtnbdbackup.0", .level = LEVEL_FULL, .uuid = 1},
        {.name = "virtnbdbackup.1", .level = LEVEL_INC, .uuid = 2, .parent = 1},
        {.name = "virtnbdbackup.2", .level = LEVEL_INC, .uuid = 3, .parent = 2},
        {.name = "diff.1700000000",
         .level = LEVEL_DIFF,
         .uuid = 4,
         .parent = 3},
        {.name = "virtnbdbackup.3", .level = LEVEL_INC, .uuid = 5, .parent = 3},
    };
    struct lab lab = lab_new();
    char hash[HASH_TEXT_SIZE] = "";

    if (mkdirat(lab.dirfd, "checkpoints", 0700) < 0)
        abort();
    for (size_t i = 0; i < array_size(plans); i++) {
        struct lab_plan plan = plans[i];
        char before[HASH_TEXT_SIZE] = "";

        strcpy(before, hash);
        plan.previous = before;
        plan.sequence = (unsigned)i;
        point(&lab, &plan, hash);
    }
    lab_text(&lab, CPT,
             "[\"virtnbdbackup.0\", \"virtnbdbackup.1\", "
             "\"virtnbdbackup.2\", \"virtnbdbackup.3\"]");
    return lab;
}

static void test_open(void)
{
    _cleanup_error_ struct error err = ERROR_INIT;
    _cleanup_lab_ struct lab lab = working_directory();
    _cleanup_(chain_freep) struct chain *chain = NULL;
    _cleanup_(index_freep) struct index *idx = NULL;
    _cleanup_manifest_ struct manifest m = MANIFEST_INIT;
    _cleanup_meta_ struct meta meta = META_INIT;
    const struct chain_file *file = NULL;
    int fd = -1;

    CHECK_OK(chain_open_archived(lab.dirfd, &chain, &err), &err);
    REQUIRE(chain);
    CHECK(chain->archived);
    CHECK_OK(chain_check(chain, &err), &err);
    CHECK_EQ_U64(chain->point_count, 5);
    CHECK_EQ_U64(chain->note_count, 0);
    CHECK_EQ_INT(chain_parent(chain, "vda"), 4);
    CHECK_OK(chain_continue(chain, &m, &err), &err);
    CHECK_EQ_U64(m.sequence, 5);
    CHECK_STR(m.chain, LAB_CHAIN);
    CHECK_STR(m.previous, chain->points[4].manifest.hash);

    file = &chain->points[0].files[0];
    CHECK_EQ_INT(chain_file_open(chain, file, &fd, &err), -1);
    CHECK_EQ_INT(err.kind, ERR_INPUT);
    CHECK_CONTAINS(error_text(&err), "'vda.full.data'");
    CHECK_CONTAINS(error_text(&err), "unzip all archives");
    error_clear(&err);
    CHECK_EQ_INT(chain_file_meta(chain, file, &meta, &err), -1);
    CHECK_EQ_INT(err.kind, ERR_INPUT);
    error_clear(&err);
    CHECK_EQ_INT(chain_file_index(chain, file, &idx, &err), -1);
    CHECK_EQ_INT(err.kind, ERR_INPUT);
}

/* Who opens it as a backup learns what it is. */
static void test_open_as_backup(void)
{
    _cleanup_error_ struct error err = ERROR_INIT;
    _cleanup_lab_ struct lab lab = working_directory();
    _cleanup_(chain_freep) struct chain *chain = NULL;
    _cleanup_selection_ struct selection s = SELECTION_INIT;

    CHECK_OK(chain_open(lab.dirfd, &chain, &err), &err);
    REQUIRE(chain);
    CHECK_EQ_INT(chain_select(chain, NULL, &s, &err), -1);
    CHECK_EQ_INT(err.kind, ERR_DAMAGED);
    CHECK_CONTAINS(error_text(&err), "is not here; this directory holds only");
    CHECK_CONTAINS(error_text(&err), "unzip all archives of the chain");
    error_clear(&err);
    CHECK_EQ_INT(chain_check(chain, &err), -1);
    CHECK_EQ_INT(err.kind, ERR_DAMAGED);
    chain_free(take(chain));

    /* With a part of the data, that is what is missing. */
    error_clear(&err);
    lab_text(&lab, "vda.full.data", "x");
    CHECK_OK(chain_open(lab.dirfd, &chain, &err), &err);
    REQUIRE(chain);
    CHECK_FAILS(chain_check(chain, &err), &err, "bytes instead of");
    CHECK_FAILS(chain_select_disk(chain, NULL, "vdb", &s, &err), &err,
                "'vdb.inc.virtnbdbackup.3.data' is missing");
}

static void check_refused(struct lab *lab, const char *name)
{
    _cleanup_error_ struct error err = ERROR_INIT;
    _cleanup_(chain_freep) struct chain *chain = NULL;

    lab_text(lab, name, "x");
    CHECK_EQ_INT(chain_open_archived(lab->dirfd, &chain, &err), -1);
    CHECK_EQ_INT(err.kind, ERR_INPUT);
    CHECK_CONTAINS(error_text(&err), name);
    CHECK_CONTAINS(error_text(&err), "-o DIR");
    lab_remove(lab, name);
}

/* A directory is the one or the other. */
static void test_mixed(void)
{
    _cleanup_error_ struct error err = ERROR_INIT;
    _cleanup_lab_ struct lab lab = working_directory();
    _cleanup_lab_ struct lab empty = lab_new();
    _cleanup_(chain_freep) struct chain *chain = NULL;

    check_refused(&lab, "vda.full.data");
    check_refused(&lab, "vdb.inc.virtnbdbackup.1.index");
    check_refused(&lab, "sda.copy.data");
    check_refused(&empty, "vda.diff.1700000000.data");
    /* What other programs call data is nobody's business here. */
    lab_text(&lab, "measurements.data", "x");
    lab_text(&lab, "vda.full.data.chksum", "None");
    CHECK_OK(chain_open_archived(lab.dirfd, &chain, &err), &err);
    REQUIRE(chain);
    CHECK_OK(chain_check(chain, &err), &err);
    chain_free(take(chain));

    CHECK_OK(chain_open_archived(empty.dirfd, &chain, &err), &err);
    REQUIRE(chain);
    CHECK_EQ_U64(chain->point_count, 0);
    CHECK(!chain->ours);
}

static void test_strict(void)
{
    _cleanup_error_ struct error err = ERROR_INIT;
    _cleanup_lab_ struct lab lab = working_directory();
    _cleanup_(chain_freep) struct chain *chain = NULL;
    _cleanup_manifest_ struct manifest m = MANIFEST_INIT;
    _cleanup_free_ char *text = NULL;
    size_t len = 0;

    text = lab_read(&lab, "manifest.virtnbdbackup.1.json", &len);
    text[len / 2] ^= 1;
    lab_write(&lab, "manifest.virtnbdbackup.1.json", text, len);
    CHECK_OK(chain_open_archived(lab.dirfd, &chain, &err), &err);
    REQUIRE(chain);
    CHECK(chain_count_notes(chain, CHAIN_DAMAGE) > 0);
    CHECK_FAILS(chain_continue(chain, &m, &err), &err, "virtnbdbackup.1");
    chain_free(take(chain));

    lab_remove(&lab, "manifest.virtnbdbackup.1.json");
    CHECK_OK(chain_open_archived(lab.dirfd, &chain, &err), &err);
    REQUIRE(chain);
    CHECK_FAILS(chain_continue(chain, &m, &err), &err,
                "number 1, before 'virtnbdbackup.2', is missing");
}

static void test_cpt_text(void)
{
    _cleanup_error_ struct error err = ERROR_INIT;
    _cleanup_lab_ struct lab lab = working_directory();
    _cleanup_lab_ struct lab empty = lab_new();
    _cleanup_(chain_freep) struct chain *chain = NULL;
    _cleanup_(chain_freep) struct chain *none = NULL;
    static const struct {
        struct lab_plan plan;
        const char *text;
    } cases[] = {
        {{.name = "virtnbdbackup.4",
          .level = LEVEL_INC,
          .uuid = 6,
          .parent = 5},
         "[\"virtnbdbackup.0\", \"virtnbdbackup.1\", \"virtnbdbackup.2\", "
         "\"virtnbdbackup.3\", \"virtnbdbackup.4\"]"},
        {{.name = "virtnbdbackup.weekly.0", .level = LEVEL_FULL, .uuid = 6},
         "[\"virtnbdbackup.weekly.0\"]"},
        {{.name = "copy", .level = LEVEL_COPY, .uuid = 6},
         "[\"virtnbdbackup.0\", \"virtnbdbackup.1\", \"virtnbdbackup.2\", "
         "\"virtnbdbackup.3\"]"},
    };

    CHECK_OK(chain_open_archived(lab.dirfd, &chain, &err), &err);
    CHECK_OK(chain_open_archived(empty.dirfd, &none, &err), &err);
    REQUIRE(chain && none);
    for (size_t i = 0; i < array_size(cases); i++) {
        _cleanup_manifest_ struct manifest m = MANIFEST_INIT;
        _cleanup_free_ char *text = NULL;

        lab_manifest(&cases[i].plan, &m);
        lab_disk(&empty, &cases[i].plan, 'a', &m);
        CHECK_OK(cpt_text_with(chain, &m, &text, &err), &err);
        CHECK_STR(text, cases[i].text);
        if (cases[i].plan.level == LEVEL_FULL) {
            free(take(text));
            CHECK_OK(cpt_text_with(none, &m, &text, &err), &err);
            CHECK_STR(text, cases[i].text);
        }
    }
}

static void check_cpt(struct lab *lab, const char *want)
{
    _cleanup_free_ char *text = NULL;
    size_t len = 0;

    text = lab_read(lab, CPT, &len);
    CHECK_STR(text, want);
}

static void test_forget(void)
{
    _cleanup_error_ struct error err = ERROR_INIT;
    _cleanup_lab_ struct lab lab = working_directory();
    _cleanup_(chain_freep) struct chain *chain = NULL;
    _cleanup_forgotten_ struct forgotten_list list = FORGOTTEN_INIT;
    char uuid[UUID_TEXT_SIZE] = "";

    CHECK_OK(chain_open_archived(lab.dirfd, &chain, &err), &err);
    REQUIRE(chain);
    CHECK_EQ_INT(chain_forget_list(chain, "virtnbdbackup.1", &list, &err), 1);
    CHECK_EQ_U64(list.count, 2);
    forgotten_done(&list);
    CHECK(lab_has(&lab, "manifest.virtnbdbackup.3.json"));
    /* Changed since: kept. */
    lab_text(&lab, "vmconfig.virtnbdbackup.3.xml", "somebody's own");
    CHECK_EQ_INT(
        chain_forget_after(lab.dirfd, chain, "virtnbdbackup.1", &list, &err),
        1);
    REQUIRE(list.count == 2);
    CHECK_STR(list.items[0].checkpoint, "virtnbdbackup.3");
    CHECK_STR(list.items[0].point, lab_uuid(5, uuid));
    CHECK_STR(list.items[1].checkpoint, "virtnbdbackup.2");
    CHECK_STR(list.items[1].point, lab_uuid(3, uuid));
    CHECK(!lab_has(&lab, "manifest.virtnbdbackup.2.json"));
    CHECK(!lab_has(&lab, "manifest.diff.1700000000.json"));
    CHECK(!lab_has(&lab, "manifest.virtnbdbackup.3.json"));
    CHECK(!lab_has(&lab, "vmconfig.virtnbdbackup.2.xml"));
    CHECK(!lab_has(&lab, "vmconfig.diff.1700000000.xml"));
    CHECK(!lab_has(&lab, "checkpoints/virtnbdbackup.2.xml"));
    CHECK(lab_has(&lab, "vmconfig.virtnbdbackup.3.xml"));
    CHECK(lab_has(&lab, "vmconfig.virtnbdbackup.1.xml"));
    CHECK(lab_has(&lab, "checkpoints/virtnbdbackup.1.xml"));
    CHECK(lab_has(&lab, SHARED));
    check_cpt(&lab, "[\"virtnbdbackup.0\", \"virtnbdbackup.1\"]");
    chain_free(take(chain));

    CHECK_OK(chain_open_archived(lab.dirfd, &chain, &err), &err);
    REQUIRE(chain);
    CHECK_OK(chain_check(chain, &err), &err);
    CHECK_EQ_U64(chain->point_count, 2);
    for (size_t i = 0; i < chain->point_count; i++)
        CHECK_OK(manifest_check_files(lab.dirfd, &chain->points[i].manifest,
                                      true, &err),
                 &err);
    /* Once more: nothing to do but the list. */
    lab_remove(&lab, CPT);
    forgotten_done(&list);
    CHECK_EQ_INT(
        chain_forget_after(lab.dirfd, chain, "virtnbdbackup.1", &list, &err),
        0);
    CHECK_EQ_U64(list.count, 0);
    check_cpt(&lab, "[\"virtnbdbackup.0\", \"virtnbdbackup.1\"]");
}

static void check_forget_refused(struct lab *lab, const struct chain *chain,
                                 const char *point, enum error_kind kind,
                                 const char *text)
{
    _cleanup_error_ struct error err = ERROR_INIT;
    _cleanup_forgotten_ struct forgotten_list list = FORGOTTEN_INIT;

    CHECK_EQ_INT(chain_forget_after(lab->dirfd, chain, point, &list, &err), -1);
    CHECK_EQ_INT(err.kind, kind);
    CHECK_CONTAINS(error_text(&err), text);
    CHECK(lab_has(lab, "manifest.virtnbdbackup.3.json"));
    CHECK(lab_has(lab, "vmconfig.virtnbdbackup.3.xml"));
}

static void test_forget_refused(void)
{
    _cleanup_error_ struct error err = ERROR_INIT;
    _cleanup_lab_ struct lab lab = working_directory();
    _cleanup_(chain_freep) struct chain *chain = NULL;

    CHECK_OK(chain_open_archived(lab.dirfd, &chain, &err), &err);
    REQUIRE(chain);
    check_forget_refused(&lab, chain, "virtnbdbackup.9", ERR_INPUT,
                         "no point 'virtnbdbackup.9'; it can be one of: "
                         "'virtnbdbackup.3', 'virtnbdbackup.2', "
                         "'virtnbdbackup.1', 'virtnbdbackup.0'");
    check_forget_refused(&lab, chain, "diff.1700000000", ERR_INPUT,
                         "no checkpoint to build upon; it can be one of: "
                         "'virtnbdbackup.3',");
    chain_free(take(chain));

    /* Data in the directory: not ours to take back. */
    CHECK_OK(chain_open(lab.dirfd, &chain, &err), &err);
    REQUIRE(chain);
    check_forget_refused(&lab, chain, "virtnbdbackup.1", ERR_INPUT,
                         "not forgotten");
    chain_free(take(chain));

    lab_remove(&lab, "manifest.virtnbdbackup.2.json");
    CHECK_OK(chain_open_archived(lab.dirfd, &chain, &err), &err);
    REQUIRE(chain);
    check_forget_refused(&lab, chain, "virtnbdbackup.1", ERR_DAMAGED,
                         "is missing");
}

/* What the process of test_forget_killed does. */
static int forget_in(const char *path)
{
    _cleanup_error_ struct error err = ERROR_INIT;
    _cleanup_close_ int dirfd = dir_open(path, &err);
    _cleanup_(chain_freep) struct chain *chain = NULL;
    _cleanup_forgotten_ struct forgotten_list list = FORGOTTEN_INIT;

    if (dirfd < 0 || chain_open_archived(dirfd, &chain, &err) < 0 ||
        chain_forget_after(dirfd, chain, "virtnbdbackup.0", &list, &err) < 0)
        return 1;
    return 0;
}

/* Run it; SIGKILL arrives with its removal number `when`.  Does it end well? */
static bool forget_killed(const struct lab *lab, int when)
{
    char command[512] = "";
    char self[256] = "";
    ssize_t len = readlink("/proc/self/exe", self, sizeof(self) - 1);
    int status = 0;

    if (len < 0)
        abort();
    snprintf(command, sizeof(command),
             "ASAN_OPTIONS=detect_leaks=0 exec strace -f -o /dev/null "
             "-e trace=unlinkat -e inject=unlinkat:signal=KILL:when=%d "
             "'%s' '%s' 2>/dev/null",
             when, self, lab->path);
    status = system(command);
    return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

/* Wherever it is killed, a chain is left, and the next time ends it. */
static void test_forget_killed(void)
{
    bool done = false;
    int when = 1;

    for (; !done && when < 50; when++) {
        _cleanup_error_ struct error err = ERROR_INIT;
        _cleanup_lab_ struct lab lab = working_directory();
        _cleanup_(chain_freep) struct chain *chain = NULL;

        done = forget_killed(&lab, when);
        CHECK_OK(chain_open_archived(lab.dirfd, &chain, &err), &err);
        REQUIRE(chain);
        CHECK_OK(chain_check(chain, &err), &err);
        CHECK(chain->point_count >= 1 && chain->point_count <= 5);
        CHECK_EQ_INT(forget_in(lab.path), 0);
        check_cpt(&lab, "[\"virtnbdbackup.0\"]");
        CHECK(lab_has(&lab, "manifest.virtnbdbackup.0.json"));
        CHECK(lab_has(&lab, "vmconfig.virtnbdbackup.0.xml"));
        CHECK(!lab_has(&lab, "manifest.virtnbdbackup.1.json"));
    }
    CHECK(done);
    /* Four manifests and their files. */
    CHECK(when > 8);
}

int main(int argc, char **argv)
{
    if (argc > 1)
        return forget_in(argv[1]);
    RUN(test_open);
    RUN(test_open_as_backup);
    RUN(test_mixed);
    RUN(test_strict);
    RUN(test_cpt_text);
    RUN(test_forget);
    RUN(test_forget_refused);
    RUN(test_forget_killed);
    return check_result();
}
