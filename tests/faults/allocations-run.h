/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* allocations-run.h - what test-allocations.c does again and again
 *
 * One function an operation: it does something whole with the inner layers, as
 * the programs do, and returns what failed; what has to be true whatever
 * allocation fails, it checks itself.
 */
#ifndef TESTS_FAULTS_ALLOCATIONS_RUN_H
#define TESTS_FAULTS_ALLOCATIONS_RUN_H

#include "../common/stream/build.h"
#include "../restore/maker.h"
#include "base/segment.h"
#include "base/spawn.h"
#include "base/words.h"
#include "base/workers.h"
#include "block/extent.h"
#include "set/adopt.h"
#include "set/blockmap.h"
#include "set/chain.h"
#include "set/files.h"
#include "set/intent.h"
#include "set/marks.h"
#include "set/record.h"
#include "set/sequence.h"
#include "set/source.h"
#include "set/until.h"

/* Nothing here is about power failures, and thousands of runs are to take
 * seconds.
 */
#pragma GCC visibility push(default)
int fsync(int fd)
{
    (void)fd;
    return 0;
}

int fdatasync(int fd)
{
    (void)fd;
    return 0;
}
#pragma GCC visibility pop

/* What all operations find. */
static struct lab set;      /* the set of maker.h */
static struct lab upstream; /* one that the Python suite could have made */
static struct lab scratch;  /* theirs to fill; empty before each run */
static struct bytes stream; /* a compressed stream */
static char *manifest_text; /* of the set, with its length */
static size_t manifest_length;
static struct made made;

struct operation {
    const char *name;
    int (*run)(struct error *err);
    void (*before)(void); /* each run; may be NULL */
    void (*after)(void);
};

/* The outputs of a function that fails must be as they were. */
#define UNTOUCHED(result, out)                                                 \
    do {                                                                       \
        static const unsigned char check_zero[sizeof(out)];                    \
        if ((result) < 0)                                                      \
            CHECK(memcmp(&(out), check_zero, sizeof(out)) == 0);               \
    } while (0)

/* ---- base ---- */

static int run_texts(struct error *err)
{
    _cleanup_free_ char *escaped = text_escape("a\n\x1b b");
    _cleanup_free_ char *quoted = text_quote("it's");
    _cleanup_free_ char *printed = text_dup_printf("%s-%d", "a", 7);

    return escaped && quoted && printed ? 0 : error_memory(err);
}

static int run_words(struct error *err)
{
    _cleanup_words_ struct words w = WORDS_INIT;
    _cleanup_free_ char *joined = NULL;

    for (int i = 0; i < 20; i++)
        words_add(&w, "word-%d", i);
    if (words_end(&w, err) < 0)
        return -1;
    CHECK_EQ_U64(w.count, 20);
    joined = words_join(&w, " ");
    return joined ? 0 : error_memory(err);
}

/* Errors are needed most where memory is not. */
static int run_errors(struct error *err)
{
    _cleanup_error_ struct error e = ERROR_INIT;

    (void)err;
    CHECK_EQ_INT(error_set(&e, ERR_BUSY, "it is %s", "busy"), -1);
    CHECK_EQ_INT(error_prefix(&e, "disk %s", "vda"), -1);
    CHECK_EQ_INT(error_append(&e, "; %s", "wait"), -1);
    CHECK_EQ_INT(e.kind, ERR_BUSY);
    CHECK(error_text(&e)[0]);
    CHECK_EQ_INT(error_errno(&e, ENOSPC, "cannot write"), -1);
    CHECK_EQ_INT(e.kind, ERR_SYSTEM);
    CHECK_EQ_INT(e.code, ENOSPC);
    return 0;
}

static int run_files(struct error *err)
{
    _cleanup_free_ char *text = NULL;
    size_t length = 0;

    if (file_replace(scratch.dirfd, "a", "hello", 5, 0600, err) < 0) {
        CHECK(!lab_has(&scratch, "a"));
        return -1;
    }
    if (file_read_all(scratch.dirfd, "a", 100, &text, &length, err) < 0) {
        CHECK(!text && length == 0);
        return -1;
    }
    CHECK_EQ_U64(length, 5);
    return 0;
}

static int run_spawn(struct error *err)
{
    const char *const argv[] = {"echo", "hello", NULL};
    const char *const env[] = {"A=b", NULL};
    struct spawn_request request = {.argv = argv, .env_add = env};
    _cleanup_free_ char *out = NULL;
    int result = spawn_run(&request, 60000, &out, NULL, err);

    CHECK((result == 0) == (out != NULL));
    if (out)
        CHECK(strcmp(out, "hello\n") == 0);
    return result;
}

static int run_segments(struct error *err)
{
    _cleanup_(segment_pool_freep) struct segment_pool *pool =
        segment_pool_new(4, 65536, err);
    struct segment *s = pool ? segment_take(pool) : NULL;

    if (s)
        segment_give(pool, s);
    return pool ? 0 : -1;
}

static int run_extents(struct error *err)
{
    _cleanup_extents_ struct extent_list a = EXTENT_LIST_INIT;
    _cleanup_extents_ struct extent_list b = EXTENT_LIST_INIT;
    _cleanup_extents_ struct extent_list both = EXTENT_LIST_INIT;
    _cleanup_extents_ struct extent_list wide = EXTENT_LIST_INIT;

    for (uint64_t i = 0; i < 200; i++) {
        size_t count = a.count;

        if (extent_append(&a, i * 4096, 1024, i % 3, err) < 0) {
            CHECK_EQ_U64(a.count, count);
            return -1;
        }
        if (extent_append(&b, i * 4096 + 512, 2048, EXTENT_DATA, err) < 0)
            return -1;
    }
    if (extent_intersect(&a, &b, &both, err) < 0)
        return -1;
    CHECK_EQ_U64(extent_total_all(&both), 200 * 512);
    return extent_widen(&a, 512, 4096, 200 * 4096, &wide, err);
}

/* ---- stream ---- */

static int run_meta(struct error *err)
{
    struct meta m = {.virtual_size = 4096,
                     .data_size = 512,
                     .date = (char *)"2026-01-02T03:04:05.000001",
                     .disk_name = (char *)"vda",
                     .disk_format = (char *)"qcow2",
                     .checkpoint_name = (char *)"virtnbdbackup.1",
                     .parent_checkpoint = (char *)"virtnbdbackup.0",
                     .incremental = true};
    _cleanup_meta_ struct meta again = META_INIT;
    _cleanup_free_ char *text = NULL;
    size_t length = 0;
    int result = meta_encode(&m, &text, &length, err);

    UNTOUCHED(result, text);
    if (result < 0)
        return -1;
    result = meta_decode(text, length, &again, err);
    UNTOUCHED(result, again);
    return result;
}

static int run_walk(struct error *err)
{
    static unsigned char disk[MADE_SIZE_MAX];
    struct memory_source memory;
    struct reader_source source =
        memory_source(&memory, stream.data, stream.len);
    struct walk w = {.disk = disk, .virtual_size = sizeof(disk)};

    return walk_stream(&source, &w, err);
}

static int run_writer(struct error *err)
{
    _cleanup_writer_ struct stream_writer w = WRITER_INIT;
    _cleanup_bytes_ struct bytes out = BYTES_INIT;
    struct meta meta = {
        .virtual_size = 8192,
        .data_size = 4096,
        .date = (char *)"2026-01-02T03:04:05.000001",
        .disk_name = (char *)"vda",
        .disk_format = (char *)"qcow2",
        .checkpoint_name = (char *)"virtnbdbackup.0",
        .parent_checkpoint = (char *)"",
        .compressed = true,
        .level = 1,
    };

    writer_init(&w, bytes_put, &out);
    if (writer_meta(&w, &meta, err) < 0)
        return -1;
    for (uint64_t i = 0; i < 8; i++) {
        char payload[512] = "x";

        if (writer_data_begin(&w, i * 1024, 512, err) < 0 ||
            bytes_put(&out, payload, sizeof(payload), err) < 0 ||
            writer_data_end(&w, sizeof(payload), err) < 0 ||
            writer_zero(&w, i * 1024 + 512, 512, err) < 0)
            return -1;
    }
    return writer_stop(&w, err) < 0 || writer_trailer(&w, err) < 0 ? -1 : 0;
}

static int run_codec(struct error *err)
{
    static char plain[100000], stored[200000], back[sizeof(plain)];
    _cleanup_(codec_freep) struct codec *c = codec_new(err);
    size_t length = 0;

    for (int level = 1; c && level <= 12; level += 11) {
        if (codec_encode(c, level, plain, sizeof(plain), stored, sizeof(stored),
                         &length, err) < 0 ||
            codec_decode(c, stored, length, back, sizeof(back), err) < 0)
            return -1;
        CHECK(memcmp(plain, back, sizeof(plain)) == 0);
    }
    return c ? 0 : -1;
}

/* ---- set: texts ---- */

static int run_manifest(struct error *err)
{
    _cleanup_manifest_ struct manifest m = MANIFEST_INIT;
    _cleanup_free_ char *text = NULL;
    size_t length = 0;
    int result = manifest_decode(manifest_text, manifest_length, &m, err);

    UNTOUCHED(result, m);
    if (result < 0)
        return -1;
    result = manifest_encode(&m, &text, &length, err);
    UNTOUCHED(result, text);
    if (result < 0)
        return -1;
    CHECK_EQ_U64(length, manifest_length);
    result = manifest_add_warning(&m, "a warning", err);
    CHECK_EQ_U64(m.warning_count, result < 0 ? 0 : 1);
    if (result < 0 || manifest_write(scratch.dirfd, &m, err) < 0) {
        CHECK(!lab_has(&scratch, "manifest.virtnbdbackup.1.json"));
        return -1;
    }
    return 0;
}

static int run_manifest_check(struct error *err)
{
    _cleanup_manifest_ struct manifest m = MANIFEST_INIT;

    if (manifest_load(set.dirfd, "manifest.virtnbdbackup.1.json", &m, err) < 0)
        return -1;
    return manifest_check(set.dirfd, &m, true, err);
}

static int fill_intent(struct intent *in, struct error *err)
{
    lab_uuid(77, in->point);
    strcpy(in->chain, LAB_CHAIN);
    strcpy(in->domain_uuid, LAB_DOMAIN);
    if (intent_place(scratch.dirfd, &in->place, err) < 0 ||
        manifest_set(&in->domain_name, "vm1", err) < 0 ||
        manifest_set(&in->uri, "qemu:///system", err) < 0 ||
        manifest_set(&in->name, "virtnbdbackup.0", err) < 0 ||
        manifest_set(&in->checkpoint, "virtnbdbackup.0", err) < 0 ||
        manifest_set(&in->runtime_dir, "", err) < 0 ||
        manifest_set(&in->socket, "", err) < 0 ||
        manifest_set(&in->time, "2026-01-02T03:04:05Z", err) < 0)
        return -1;
    return intent_add_file(in, "vda.full.data", err);
}

static int run_intent(struct error *err)
{
    _cleanup_intent_ struct intent in = INTENT_INIT;
    _cleanup_intent_ struct intent again = INTENT_INIT;
    _cleanup_intent_list_ struct intent_list list = {0};
    size_t kept = 0;
    int result;

    if (fill_intent(&in, err) < 0)
        return -1;
    if (intent_write(scratch.dirfd, &in, err) < 0 ||
        intent_list(scratch.dirfd, &list, err) < 0)
        return -1;
    CHECK_EQ_U64(list.count, 1);
    result = intent_load(scratch.dirfd, list.names[0].text, &again, err);
    UNTOUCHED(result, again);
    if (result < 0 || intent_is_committed(scratch.dirfd, &again, err) < 0)
        return -1;
    lab_text(&scratch, "vda.full.data.partial", "");
    if (intent_remove_files(scratch.dirfd, &again, &kept, err) < 0)
        return -1;
    CHECK(!lab_has(&scratch, "vda.full.data.partial"));
    return intent_drop(scratch.dirfd, &again, err);
}

static int run_marks(struct error *err)
{
    _cleanup_cpt_ struct cpt cpt = CPT_INIT;
    _cleanup_cpt_ struct cpt again = CPT_INIT;
    uint32_t sum = 0;
    int result;

    if (cpt_add(&cpt, "virtnbdbackup.0", err) < 0 ||
        cpt_add(&cpt, "virtnbdbackup.1", err) < 0 ||
        cpt_write(scratch.dirfd, "vm1", &cpt, err) < 0)
        return -1;
    result = cpt_read(scratch.dirfd, "vm1", &again, err);
    UNTOUCHED(result, again);
    if (result < 0 || chksum_write(scratch.dirfd, "vda.full.data", 17, err) < 0)
        return -1;
    result = chksum_read(scratch.dirfd, "vda.full.data", &sum, err);
    CHECK_EQ_U64(sum, result == 1 ? 17 : 0);
    return result < 0 ? -1 : 0;
}

/* ---- set: indexes ---- */

static int run_index_writer(struct error *err)
{
    struct index_writer *w = NULL;
    struct index *idx = NULL;
    char hash[HASH_TEXT_SIZE] = "";
    int result =
        index_writer_new(scratch.dirfd, "vda.full.index", 1 << 20, &w, err);

    UNTOUCHED(result, w);
    for (uint64_t i = 0; result == 0 && i < 16; i++) {
        struct index_record r = {.offset = i * 65536,
                                 .length = 65536,
                                 .file_offset = 100 + i * 65536,
                                 .stored_length = 65536,
                                 .kind = INDEX_DATA,
                                 .hashed = true};

        result = index_writer_add(w, &r, err);
    }
    if (result == 0)
        result = index_writer_finish(w, 2 << 20, hash, err);
    index_writer_free(w);
    if (result < 0 || index_publish(scratch.dirfd, "vda.full.index", err) < 0) {
        CHECK(!lab_has(&scratch, "vda.full.index"));
        return -1;
    }
    result = index_open(scratch.dirfd, "vda.full.index", hash, &idx, err);
    UNTOUCHED(result, idx);
    index_free(idx);
    return result;
}

static int run_index_scan(struct error *err)
{
    _cleanup_(index_freep) struct index *idx = NULL;
    _cleanup_(index_freep) struct index *raw = NULL;
    _cleanup_(index_freep) struct index *some = NULL;
    const uint32_t numbers[] = {0, 1};

    if (index_scan(set.dirfd, "vda.full.data", &idx, err) < 0) {
        CHECK(!idx);
        return -1;
    }
    if (index_pick(idx, numbers, 2, &some, err) < 0)
        return -1;
    return index_scan_raw(set.dirfd, "vdc.full.data", &raw, err);
}

/* ---- set: the directory ---- */

static int run_chain(struct error *err)
{
    _cleanup_(chain_freep) struct chain *chain = NULL;
    _cleanup_selection_ struct selection sel = SELECTION_INIT;
    _cleanup_manifest_ struct manifest next = MANIFEST_INIT;
    _cleanup_cpt_ struct cpt cpt = CPT_INIT;
    const char *found = NULL;

    if (chain_open(set.dirfd, &chain, err) < 0) {
        CHECK(!chain);
        return -1;
    }
    CHECK_EQ_U64(chain->point_count, MADE_POINTS);
    if (chain_check(chain, err) < 0 ||
        chain_select(chain, NULL, &sel, err) < 0 ||
        until_find(chain, "2", &found, err) < 0 ||
        chain_continue(chain, &next, err) < 0)
        return -1;
    CHECK_EQ_U64(next.sequence, MADE_POINTS);
    return chain_cpt(chain, chain->point_count, NULL, &cpt, err);
}

/* What is not there is named, and what is there is listed. */
static int run_until(struct error *err)
{
    _cleanup_(chain_freep) struct chain *chain = NULL;
    _cleanup_error_ struct error no = ERROR_INIT;
    const char *found = NULL;

    if (chain_open(set.dirfd, &chain, err) < 0)
        return -1;
    CHECK(until_find(chain, "virtnbdbackup.9", &found, &no) < 0);
    CHECK(no.kind == ERR_INPUT || no.kind == ERR_MEMORY);
    CHECK(!found);
    return 0;
}

static int count_put(void *opaque, const void *part, size_t len,
                     struct error *err)
{
    (void)part;
    (void)err;
    *(uint64_t *)opaque += len;
    return 0;
}

static int read_all(const struct source *s, struct error *err)
{
    _cleanup_(record_reader_freep) struct record_reader *r = NULL;
    struct source_cursor cursor = {0};
    struct source_work work;
    uint64_t bytes = 0;

    if (record_reader_new(&r, err) < 0)
        return -1;
    while (source_next(s, &cursor, &work) > 0)
        if (work.what.kind == INDEX_DATA &&
            record_read(r, s->files[work.file].fd, "it", &work.what,
                        work.offset - work.what.offset, work.length, count_put,
                        &bytes, err) < 0)
            return -1;
    CHECK(bytes > 0);
    return 0;
}

static int run_source(struct error *err)
{
    _cleanup_(chain_freep) struct chain *chain = NULL;
    _cleanup_selection_ struct selection sel = SELECTION_INIT;

    if (chain_open(set.dirfd, &chain, err) < 0 ||
        chain_select(chain, "virtnbdbackup.2", &sel, err) < 0)
        return -1;
    for (size_t i = 0; i < sel.disk_count; i++) {
        struct source s = {0};
        int result = source_open(chain, &sel.disks[i], &s, err);

        UNTOUCHED(result, s);
        if (result == 0)
            result = read_all(&s, err);
        source_done(&s);
        if (result < 0)
            return -1;
    }
    return 0;
}

static int run_sequence(struct error *err)
{
    static char paths[2][300];
    const char *const list[] = {paths[0], paths[1]};
    _cleanup_(sequence_freep) struct sequence *s = NULL;
    struct source source = {0};
    int result;

    snprintf(paths[0], sizeof(paths[0]), "%s/vda.full.data", set.path);
    snprintf(paths[1], sizeof(paths[1]), "%s/vda.inc.virtnbdbackup.1.data",
             set.path);
    if (sequence_open(list, 2, &s, err) < 0) {
        CHECK(!s);
        return -1;
    }
    result = sequence_source(s, &source, err);
    source_done(&source);
    return result;
}

static int run_chain_sequence(struct error *err)
{
    _cleanup_(chain_freep) struct chain *chain = NULL;

    return chain_open_sequence(
        set.dirfd, "vda.full.data,vda.inc.virtnbdbackup.1.data", &chain, err);
}

static int run_upstream(struct error *err)
{
    _cleanup_(chain_freep) struct chain *chain = NULL;
    _cleanup_selection_ struct selection sel = SELECTION_INIT;
    _cleanup_(index_freep) struct index *idx = NULL;

    if (chain_open(upstream.dirfd, &chain, err) < 0)
        return -1;
    CHECK_EQ_U64(chain->point_count, 2);
    if (chain_select(chain, NULL, &sel, err) < 0)
        return -1;
    return chain_file_index(chain, sel.disks[0].files[1], &idx, err);
}

static void put_golden(struct lab *lab)
{
    static const char *const files[][2] = {
        {"full.data", "sda.full.data"},
        {"inc.data", "sda.inc.virtnbdbackup.1.data"},
    };

    for (size_t i = 0; i < array_size(files); i++) {
        char path[300];
        struct bytes b;

        snprintf(path, sizeof(path), "%s/%s", COMPAT_DIR, files[i][0]);
        b = bytes_load(path);
        if (b.len == 0)
            abort();
        lab_write(lab, files[i][1], b.data, b.len);
        bytes_free(&b);
    }
    lab_text(lab, "vm1.cpt", "[\"virtnbdbackup.0\", \"virtnbdbackup.1\"]");
}

static void put_upstream(void)
{
    put_golden(&scratch);
}

/* Half of an adoption is undone as the next run does it. */
static void undo_adoption(void)
{
    _cleanup_error_ struct error err = ERROR_INIT;
    _cleanup_intent_list_ struct intent_list list = {0};

    CHECK_OK(intent_list(scratch.dirfd, &list, &err), &err);
    for (size_t i = 0; i < list.count; i++) {
        _cleanup_intent_ struct intent in = INTENT_INIT;

        CHECK_OK(intent_load(scratch.dirfd, list.names[i].text, &in, &err),
                 &err);
        if (intent_is_committed(scratch.dirfd, &in, &err) == 0)
            CHECK_OK(intent_remove_files(scratch.dirfd, &in, NULL, &err), &err);
        CHECK_OK(intent_drop(scratch.dirfd, &in, &err), &err);
    }
}

static int run_adopt(struct error *err)
{
    static const struct adopt_request request = {
        .tool = "test 1", .domain_name = "vm1", .domain_uuid = LAB_DOMAIN};
    _cleanup_(chain_freep) struct chain *chain = NULL;

    if (chain_open(scratch.dirfd, &chain, err) < 0)
        return -1;
    return adopt_point(scratch.dirfd, chain, &request, "virtnbdbackup.0", err);
}

#endif
