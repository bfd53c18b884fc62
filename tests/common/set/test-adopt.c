/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* test-adopt.c - points of upstream's that become ours, from files that its own
 * classes wrote (tests/compat)
 */
#include "set/adopt.h"

#include <signal.h>
#include <sys/wait.h>

#include <zlib.h>

#include "set/intent.h"
#include "set/marks.h"

#include "lab.h"

#define NAME "vm one"

static const struct adopt_request request = {
    .tool = "test 1 (adopted)",
    .domain_name = NAME,
    .domain_uuid = LAB_DOMAIN,
};

static char *read_golden(const char *name, size_t *len)
{
    char path[256] = "";
    char *bytes = malloc(64 * MIB);
    gzFile in = NULL;
    int got = 0;

    snprintf(path, sizeof(path), "%s/%s", COMPAT_DIR, name);
    in = gzopen(path, "rb");
    if (!in || !bytes)
        abort();
    got = gzread(in, bytes, 64 * MIB);
    if (got <= 0)
        abort();
    gzclose(in);
    *len = (size_t)got;
    return bytes;
}

static void put(struct lab *lab, const char *golden, const char *name)
{
    size_t len = 0;
    _cleanup_free_ char *bytes = read_golden(golden, &len);

    lab_write(lab, name, bytes, len);
}

static void put_cpt(struct lab *lab, const char *text)
{
    lab_text(lab, NAME ".cpt", text);
}

/* A full and an increment of the disk sda. */
static void put_set(struct lab *lab, const char *full, const char *inc)
{
    put(lab, full, "sda.full.data");
    put(lab, inc, "sda.inc.virtnbdbackup.1.data");
    put_cpt(lab, "[\"virtnbdbackup.0\", \"virtnbdbackup.1\"]");
    lab_text(lab, "vmconfig.virtnbdbackup.1.xml", "<domain/>");
    lab_text(lab, "sda.virtnbdbackup.1.qcow.json", "{}");
    if (mkdirat(lab->dirfd, "checkpoints", 0700) < 0)
        abort();
    lab_text(lab, "checkpoints/virtnbdbackup.1.xml", "<x/>");
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

/* Adopt the next point of the directory. */
static int adopt_next(struct lab *lab, struct error *err)
{
    _cleanup_(chain_freep) struct chain *chain = open_chain(lab);
    size_t first = adopt_first(chain);

    if (first == chain->point_count)
        abort();
    return adopt_point(lab->dirfd, chain, &request, chain->points[first].name,
                       err);
}

static void adopt_all(struct lab *lab)
{
    for (;;) {
        _cleanup_error_ struct error err = ERROR_INIT;
        _cleanup_(chain_freep) struct chain *chain = open_chain(lab);

        if (adopt_first(chain) == chain->point_count)
            return;
        if (adopt_next(lab, &err) < 0) {
            CHECK_FAIL("%s", error_text(&err));
            return;
        }
    }
}

/* What a killed run left goes, as the next run does it. */
static size_t recover(struct lab *lab)
{
    _cleanup_error_ struct error err = ERROR_INIT;
    _cleanup_intent_list_ struct intent_list list = {0};

    CHECK_OK(intent_list(lab->dirfd, &list, &err), &err);
    for (size_t i = 0; i < list.count; i++) {
        _cleanup_intent_ struct intent in = INTENT_INIT;
        int committed = 0;

        CHECK_OK(intent_load(lab->dirfd, list.names[i].text, &in, &err), &err);
        committed = intent_is_committed(lab->dirfd, &in, &err);
        if (committed == 0)
            CHECK_OK(intent_remove_files(lab->dirfd, &in, NULL, &err), &err);
        CHECK(committed >= 0);
        CHECK_OK(intent_drop(lab->dirfd, &in, &err), &err);
    }
    return list.count;
}

/* All of it ours, sound to the last manifest, ready for the next point. */
static void check_adopted(struct lab *lab, size_t points)
{
    _cleanup_error_ struct error err = ERROR_INIT;
    _cleanup_(chain_freep) struct chain *chain = open_chain(lab);
    _cleanup_manifest_ struct manifest next = MANIFEST_INIT;

    CHECK_EQ_U64(chain->point_count, points);
    CHECK_EQ_U64(chain->note_count, 0);
    CHECK(chain->ours);
    CHECK_OK(chain_check(chain, &err), &err);
    for (size_t i = 0; i < chain->point_count; i++) {
        const struct chain_point *p = &chain->points[i];

        CHECK(p->ours && p->manifest.adopted);
        CHECK_EQ_U64(p->manifest.sequence, i);
        CHECK_STR(p->manifest.tool, request.tool);
        CHECK_STR(p->manifest.domain_name, NAME);
        CHECK_OK(manifest_check(lab->dirfd, &p->manifest, true, &err), &err);
        CHECK_OK(manifest_check_files(lab->dirfd, &p->manifest, true, &err),
                 &err);
    }
    CHECK_OK(chain_continue(chain, &next, &err), &err);
    CHECK_EQ_U64(next.sequence, points);
    CHECK_STR(next.chain, chain->uuid);
}

static void check_sum(struct lab *lab, const char *file)
{
    _cleanup_error_ struct error err = ERROR_INIT;
    size_t len = 0;
    _cleanup_free_ char *bytes = lab_read(lab, file, &len);
    uint32_t sum = 0;

    CHECK_EQ_INT(chksum_read(lab->dirfd, file, &sum, &err), 1);
    CHECK_EQ_U64(sum, adler32_z(adler32(0, NULL, 0), (const void *)bytes, len));
}

/* Plain, compressed in one piece a frame, and in several; the long pieces of
 * real sets are in test_long.
 */
static void test_sets(void)
{
    static const char *const sets[][2] = {
        {"full.data", "inc.data"},
        {"full-lz4.data", "inc-lz4.data"},
        {"full-lz4-pieces.data", "inc-lz4-pieces.data"},
        {"full-empty.data", "inc-empty.data"},
        {"example-full.data", "example-inc-lz4.data"},
        {"v0.22-full.data", "v0.22-inc-lz4.data"},
        {"v0.21-full-snapshot.data", "v0.1-inc-zero.data"},
        {"example-full.data", "inc-fallback-full.data"},
    };

    for (size_t i = 0; i < array_size(sets); i++) {
        _cleanup_lab_ struct lab lab = lab_new();
        _cleanup_(chain_freep) struct chain *chain = NULL;
        const struct manifest *full = NULL, *inc = NULL;
        bool fallback = strstr(sets[i][1], "fallback") != NULL;

        put_set(&lab, sets[i][0], sets[i][1]);
        adopt_all(&lab);
        check_adopted(&lab, 2);
        check_sum(&lab, "sda.full.data");
        check_sum(&lab, "sda.inc.virtnbdbackup.1.data");
        chain = open_chain(&lab);
        full = &chain->points[0].manifest;
        inc = &chain->points[1].manifest;
        CHECK_STR(full->name, "virtnbdbackup.0");
        CHECK_STR(full->disks[0].checkpoint, "virtnbdbackup.0");
        CHECK_STR(full->disks[0].parent, "");
        CHECK_STR(inc->name, "virtnbdbackup.1");
        CHECK_STR(inc->disks[0].checkpoint, "virtnbdbackup.1");
        CHECK_STR(inc->disks[0].parent, fallback ? "" : full->point);
        CHECK_EQ_INT(inc->disks[0].level, fallback ? LEVEL_FULL : LEVEL_INC);
        CHECK_EQ_INT(inc->level_done, LEVEL_INC);
        CHECK_EQ_U64(inc->file_count, 3);
        CHECK_EQ_INT(chain_parent(chain, "sda"), 1);
    }
}

/* The data that restore gets from the adopted set is hashed: every byte of it
 * that is changed afterwards is found.
 */
static void test_flips(void)
{
    _cleanup_error_ struct error err = ERROR_INIT;
    _cleanup_lab_ struct lab lab = lab_new();
    _cleanup_(index_freep) struct index *idx = NULL;
    size_t len = 0, data = 0;
    _cleanup_free_ char *bytes = NULL;

    put_set(&lab, "full.data", "inc.data");
    adopt_all(&lab);
    bytes = lab_read(&lab, "sda.full.data", &len);
    CHECK_OK(index_open(lab.dirfd, "sda.full.index", NULL, &idx, &err), &err);
    for (size_t i = 0; i < index_count(idx); i++) {
        struct index_record r = index_get(idx, i);
        unsigned char hash[INDEX_HASH_SIZE] = {0};

        if (r.kind == INDEX_ZERO)
            continue;
        CHECK(r.hashed && !r.compressed);
        index_hash_block(bytes + r.file_offset, r.length, hash);
        CHECK_MEM(hash, r.hash, sizeof(hash));
        bytes[r.file_offset + r.length - 1] ^= 1;
        index_hash_block(bytes + r.file_offset, r.length, hash);
        CHECK(memcmp(hash, r.hash, sizeof(hash)) != 0);
        data += r.length;
    }
    CHECK_EQ_U64(data, 10240);
}

/* A frame of several MiB: plain it gets one hash a MiB, compressed none, as no
 * reader would know it in time.
 */
static void test_long(void)
{
    static const struct {
        const char *golden;
        uint64_t size;
    } cases[] = {{"full-lz4-32MiB.data.gz", 33 * MIB}, {NULL, 5 * MIB + 512}};

    for (size_t i = 0; i < array_size(cases); i++) {
        _cleanup_error_ struct error err = ERROR_INIT;
        _cleanup_lab_ struct lab lab = lab_new();
        _cleanup_(index_freep) struct index *idx = NULL;
        struct lab_stream s = {
            .disk = "sda",
            .checkpoint = "virtnbdbackup.0",
            .parent = "",
            .size = cases[i].size,
            .data = cases[i].size,
            .fill = 7,
        };

        if (cases[i].golden)
            put(&lab, cases[i].golden, "sda.full.data");
        else
            lab_stream(&lab, "sda.full.data", &s, false, NULL);
        put_cpt(&lab, "[\"virtnbdbackup.0\"]");
        adopt_all(&lab);
        check_adopted(&lab, 1);
        CHECK_OK(index_open(lab.dirfd, "sda.full.index", NULL, &idx, &err),
                 &err);
        CHECK_EQ_U64(index_data_size(idx), cases[i].size);
        for (size_t k = 0; k < index_count(idx); k++) {
            struct index_record r = index_get(idx, k);

            CHECK_EQ_INT(r.hashed, r.length <= INDEX_PLAIN_MAX);
            CHECK_EQ_INT(r.compressed, cases[i].golden != NULL);
        }
    }
}

static void test_raw(void)
{
    _cleanup_error_ struct error err = ERROR_INIT;
    _cleanup_lab_ struct lab lab = lab_new();
    _cleanup_(index_freep) struct index *idx = NULL;
    size_t size = 3 * MIB;
    _cleanup_free_ char *bytes = calloc(1, size);
    int fd = -1;

    memset(bytes + MIB - 4096, 9, 8192);
    lab_write(&lab, "sda.full.data", "", 0);
    fd = openat(lab.dirfd, "sda.full.data", O_WRONLY);
    CHECK_EQ_INT(file_pwrite_full(fd, bytes + MIB - 4096, 8192, MIB - 4096), 0);
    CHECK_EQ_INT(ftruncate(fd, (off_t)size), 0);
    close(fd);
    adopt_all(&lab);
    check_adopted(&lab, 1);
    check_sum(&lab, "sda.full.data");
    CHECK_OK(index_open(lab.dirfd, "sda.full.index", NULL, &idx, &err), &err);
    CHECK(index_covers(idx));
}

/* What is damaged already is not made ours, and nothing is left behind. */
static void test_damaged(void)
{
    static const char *const goldens[] = {"full.data", "full-lz4.data"};

    for (size_t i = 0; i < 2 * array_size(goldens); i++) {
        _cleanup_error_ struct error err = ERROR_INIT;
        _cleanup_lab_ struct lab lab = lab_new();
        _cleanup_(chain_freep) struct chain *chain = NULL;
        bool sum = i % 2 == 0;
        size_t len = 0;
        _cleanup_free_ char *bytes = NULL;

        put_set(&lab, goldens[i / 2], "inc.data");
        bytes = lab_read(&lab, "sda.full.data", &len);
        if (sum)
            lab_text(&lab, "sda.full.data.chksum", "12345");
        else if (i / 2 == 0)
            bytes[len / 2] ^= 1, len -= 40;
        else
            bytes[len / 2] ^= 1;
        lab_write(&lab, "sda.full.data", bytes, len);
        CHECK(adopt_next(&lab, &err) < 0);
        CHECK_CONTAINS(error_text(&err), "sda.full.data");
        CHECK_EQ_INT(err.kind, ERR_DAMAGED);
        CHECK(!lab_has(&lab, "sda.full.index"));
        CHECK(!lab_has(&lab, "sda.full.index.partial"));
        CHECK(lab_has(&lab, "sda.full.data"));
        CHECK_EQ_INT(lab_has(&lab, "sda.full.data.chksum"), sum);
        CHECK_EQ_U64(recover(&lab), 0);
        chain = open_chain(&lab);
        CHECK(!chain->ours);
        CHECK_EQ_U64(chain->point_count, 2);
    }
}

static void test_refused(void)
{
    _cleanup_error_ struct error err = ERROR_INIT;
    _cleanup_lab_ struct lab lab = lab_new();
    _cleanup_(chain_freep) struct chain *chain = NULL, *later = NULL;
    struct adopt_request other = request;

    put_set(&lab, "full.data", "inc.data");
    chain = open_chain(&lab);
    CHECK_FAILS(
        adopt_point(lab.dirfd, chain, &request, "virtnbdbackup.1", &err), &err,
        "not the next point");
    CHECK_OK(adopt_point(lab.dirfd, chain, &request, "virtnbdbackup.0", &err),
             &err);
    later = open_chain(&lab);
    other.domain_uuid = LAB_CHAIN;
    CHECK_FAILS(adopt_point(lab.dirfd, later, &other, "virtnbdbackup.1", &err),
                &err, "another domain");
    /* The chain from before is out of date. */
    CHECK_FAILS(
        adopt_point(lab.dirfd, chain, &request, "virtnbdbackup.0", &err), &err,
        "is there already");
    CHECK_EQ_U64(recover(&lab), 0);
}

/* Between any two points a run may end: what was adopted is ours, the rest is
 * upstream's, and all of it can be restored.
 */
static void test_partly(void)
{
    _cleanup_error_ struct error err = ERROR_INIT;
    _cleanup_lab_ struct lab lab = lab_new();
    _cleanup_(chain_freep) struct chain *chain = NULL;
    _cleanup_selection_ struct selection s = SELECTION_INIT;
    _cleanup_manifest_ struct manifest m = MANIFEST_INIT;

    put_set(&lab, "full.data", "inc.data");
    CHECK_OK(adopt_next(&lab, &err), &err);
    chain = open_chain(&lab);
    CHECK_EQ_U64(chain->point_count, 2);
    CHECK_EQ_U64(chain->note_count, 0);
    CHECK(chain->points[0].ours && !chain->points[1].ours);
    CHECK_OK(chain_select(chain, NULL, &s, &err), &err);
    CHECK_EQ_U64(s.point, 1);
    CHECK_EQ_U64(s.disks[0].file_count, 2);
    CHECK(chain_continue(chain, &m, &err) < 0);
    CHECK_EQ_INT(err.kind, ERR_EXISTS);
    adopt_all(&lab);
    check_adopted(&lab, 2);
}

/* Killed with the index in place but no manifest: upstream's until the intent
 * is found, upstream's afterwards.
 */
static void test_killed_state(void)
{
    static const char uuid[] = "33333333-3333-4333-8333-333333333333";
    _cleanup_error_ struct error err = ERROR_INIT;
    _cleanup_lab_ struct lab lab = lab_new();
    _cleanup_(chain_freep) struct chain *chain = NULL;
    _cleanup_intent_ struct intent in = INTENT_INIT;

    put_set(&lab, "full.data", "inc.data");
    memcpy(in.point, uuid, sizeof(uuid));
    memcpy(in.chain, uuid, sizeof(uuid));
    memcpy(in.domain_uuid, uuid, sizeof(uuid));
    CHECK_OK(manifest_set(&in.domain_name, NAME, &err), &err);
    CHECK_OK(manifest_set(&in.uri, "", &err), &err);
    CHECK_OK(manifest_set(&in.name, "virtnbdbackup.0", &err), &err);
    CHECK_OK(manifest_set(&in.checkpoint, "", &err), &err);
    CHECK_OK(manifest_set(&in.runtime_dir, "", &err), &err);
    CHECK_OK(manifest_set(&in.socket, "", &err), &err);
    CHECK_OK(manifest_set(&in.time, "", &err), &err);
    CHECK_OK(intent_place(lab.dirfd, &in.place, &err), &err);
    CHECK_OK(manifest_set(&in.place, "", &err), &err);
    CHECK_OK(intent_add_file(&in, "sda.full.index", &err), &err);
    CHECK_OK(intent_add_file(&in, "sda.full.data.chksum", &err), &err);
    CHECK_OK(intent_write(lab.dirfd, &in, &err), &err);
    lab_text(&lab, "sda.full.index", "half of one");
    lab_text(&lab, "sda.full.data.chksum", "1");
    chain = open_chain(&lab);
    CHECK_EQ_U64(chain->point_count, 2);
    CHECK_EQ_U64(chain_count_notes(chain, CHAIN_UNCOMMITTED), 0);
    CHECK_EQ_U64(chain_count_notes(chain, CHAIN_INTENT), 1);
    CHECK_EQ_U64(recover(&lab), 1);
    CHECK(!lab_has(&lab, "sda.full.index"));
    CHECK(!lab_has(&lab, "sda.full.data.chksum"));
    CHECK(lab_has(&lab, "sda.full.data"));
    adopt_all(&lab);
    check_adopted(&lab, 2);
}

/* Really killed, at any moment: nothing is ever lost, and the next run ends
 * what the first began.
 */
static void test_killed(void)
{
    uint64_t seed = lab_seed();

    for (int i = 0; i < 25; i++) {
        _cleanup_lab_ struct lab lab = lab_new();
        _cleanup_(chain_freep) struct chain *chain = NULL;
        useconds_t delay = (useconds_t)(lab_random(&seed) % 30000);
        pid_t child = -1;
        int status = 0;

        put_set(&lab, "full-lz4.data", "inc-lz4.data");
        fflush(NULL);
        child = fork();
        if (child == 0) {
            while (adopt_next(&lab, NULL) == 0) {
                struct chain *now = open_chain(&lab);
                bool all = adopt_first(now) == now->point_count;

                chain_free(now);
                if (all)
                    break;
            }
            _exit(0);
        }
        usleep(delay);
        kill(child, SIGKILL);
        waitpid(child, &status, 0);
        chain = open_chain(&lab);
        CHECK_EQ_U64(chain->point_count, 2);
        CHECK_EQ_U64(chain_count_notes(chain, CHAIN_UNCOMMITTED), 0);
        recover(&lab);
        adopt_all(&lab);
        check_adopted(&lab, 2);
    }
}

/* Ours, then upstream's behind, then ours again. */
static void test_behind_ours(void)
{
    static const struct lab_plan full = {
        .name = "virtnbdbackup.0",
        .level = LEVEL_FULL,
        .uuid = 1,
    };
    struct lab_stream inc = {
        .disk = "vda",
        .checkpoint = "virtnbdbackup.1",
        .parent = "virtnbdbackup.0",
        .incremental = true,
        .data = 512,
    };
    struct adopt_request ours = request;
    _cleanup_error_ struct error err = ERROR_INIT;
    _cleanup_lab_ struct lab lab = lab_new();
    _cleanup_(chain_freep) struct chain *chain = NULL, *after = NULL,
                                        *diff = NULL;
    _cleanup_manifest_ struct manifest m = MANIFEST_INIT;

    lab_point(&lab, &full, NULL);
    lab_stream(&lab, "vda.inc.virtnbdbackup.1.data", &inc, false, NULL);
    chain = open_chain(&lab);
    /* Nobody has listed it. */
    CHECK_EQ_U64(chain->point_count, 1);
    CHECK_EQ_U64(chain_count_notes(chain, CHAIN_UNCOMMITTED), 1);
    chain_free(chain);
    lab_text(&lab, "vm one \xc3\xa4.cpt",
             "[\"virtnbdbackup.0\", \"virtnbdbackup.1\"]");
    chain = open_chain(&lab);
    CHECK_EQ_U64(chain->point_count, 2);
    CHECK_EQ_U64(chain->note_count, 0);
    ours.domain_name = chain->domain_name;
    CHECK_OK(adopt_point(lab.dirfd, chain, &ours, "virtnbdbackup.1", &err),
             &err);
    inc.parent = "virtnbdbackup.1";
    inc.checkpoint = "virtnbdbackup.2";
    lab_stream(&lab, "vda.diff.1700000000.data", &inc, false, NULL);
    after = open_chain(&lab);
    CHECK_EQ_U64(after->point_count, 3);
    CHECK_STR(after->points[1].manifest.chain, LAB_CHAIN);
    CHECK_STR(after->points[1].manifest.disks[0].parent,
              after->points[0].manifest.point);
    CHECK_OK(adopt_point(lab.dirfd, after, &ours, "diff.1700000000", &err),
             &err);
    diff = open_chain(&lab);
    CHECK_OK(chain_check(diff, &err), &err);
    CHECK_STR(diff->points[2].manifest.disks[0].checkpoint, "");
    CHECK_EQ_INT(diff->points[2].manifest.level_done, LEVEL_DIFF);
    CHECK_EQ_INT(chain_parent(diff, "vda"), 1);
    CHECK_OK(chain_continue(diff, &m, &err), &err);
    CHECK_EQ_U64(m.sequence, 3);
}

int main(void)
{
    RUN(test_sets);
    RUN(test_flips);
    RUN(test_long);
    RUN(test_raw);
    RUN(test_damaged);
    RUN(test_refused);
    RUN(test_partly);
    RUN(test_killed_state);
    RUN(test_killed);
    RUN(test_behind_ours);
    return check_result();
}
