/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* test-mutations.c - thousands of damaged sets, read by the code that restores
 *
 * Each change of a good set must be refused, in words that name the file, by
 * every restore that would give something else than was saved, and be found by
 * verify; or do no harm, which comparing every byte of every point proves.
 * MUTATIONS: how many (default 2000); SEED: which.
 */
#include "base/log.h"
#include "maker.h"
#include "mutate.h"
#include "restore/set.h"
#include "restore/sum.h"
#include "restore/verify.h"
#include "restore/vmconfig.h"
#include "set/record.h"
#include "set/source.h"

static uint64_t seed;
static unsigned rounds;

static struct made made;

/* What became of a change. */
static struct {
    unsigned refused, harmless;
} tally;

/* The disk at hand. */
struct reading {
    const struct source *source;
    struct source_work work;
    unsigned char *bytes;
    uint64_t at;
};

static int take_bytes(void *opaque, const void *bytes, size_t length,
                      struct error *err)
{
    struct reading *r = opaque;
    struct index_record part = {.offset = r->at, .length = length};
    struct blockmap_pieces it =
        blockmap_pieces(&r->source->map, r->work.file, r->work.record, &part);
    struct blockmap_range p;

    (void)err;
    while (blockmap_piece_next(&it, &p)) {
        uint64_t from = MAX_OF(p.offset, r->at);
        uint64_t to = MIN_OF(p.offset + p.length, r->at + length);

        if (from < to)
            memcpy(r->bytes + from,
                   (const unsigned char *)bytes + (from - r->at), to - from);
    }
    r->at += length;
    return 0;
}

/* As a restore does: sums, then every record once. */
static int read_source(const struct backup_set *set, struct reading *r,
                       struct error *err)
{
    _cleanup_(record_reader_freep) struct record_reader *reader = NULL;
    struct source_cursor cursor = {0};

    for (size_t i = 0; i < r->source->count; i++)
        if (!r->source->files[i].file->entry &&
            sum_check(set, r->source->files[i].file, r->source->files[i].fd,
                      err) < 0)
            return -1;
    if (record_reader_new(&reader, err) < 0)
        return -1;
    while (source_next(r->source, &cursor, &r->work)) {
        const struct source_file *f = &r->source->files[r->work.file];

        r->at = r->work.offset;
        if (record_read(reader, f->fd, f->file->file, &r->work.what,
                        r->work.offset - r->work.what.offset, r->work.length,
                        take_bytes, r, err) < 0)
            return -1;
    }
    return 0;
}

/* The bytes of one disk, all of which have to be there: owned; or NULL. */
static unsigned char *read_disk(const struct backup_set *set,
                                const struct selection_disk *disk,
                                struct error *err)
{
    _cleanup_(source_done) struct source source = {0};
    struct reading r = {.source = &source};

    if (disk->virtual_size > 1 << 20) {
        error_set(err, ERR_DAMAGED, "too long to be true");
        return NULL;
    }
    r.bytes = calloc(1, disk->virtual_size + 1);
    if (source_open(set->chain, disk, &source, err) == 0 &&
        read_source(set, &r, err) == 0)
        return r.bytes;
    free(r.bytes);
    return NULL;
}

/* Which sets are changed: what they are made of, and what they hold. */
struct subject {
    struct lab lab;
    struct mutate_set files;
    size_t point_count;
    /* Compare one disk of a point with the truth. */
    bool (*is_right)(const char *point, const char *disk,
                     const unsigned char *bytes, uint64_t size);
    const char *(*point_name)(size_t number);
    size_t disk_count;
    bool with_config;
};

static bool config_is_right(const struct backup_set *set, size_t point,
                            struct error *err)
{
    struct vmconfig config = VMCONFIG_INIT;
    char *truth = NULL;
    bool right = false;

    if (vmconfig_load(set, &set->chain->points[point], &config, err) < 0)
        return true; /* refused */
    truth = made_config((unsigned)point);
    right = config.text && strcmp(config.text, truth) == 0;
    free(truth);
    vmconfig_done(&config);
    return right;
}

/* Restore a point, or the newest: 0 and right, -1 and an error, or wrong. */
static int read_point(const struct subject *s, const char *until, bool *wrong,
                      struct error *err)
{
    _cleanup_(backup_set_close) struct backup_set set = BACKUP_SET_INIT;
    _cleanup_selection_ struct selection selection = SELECTION_INIT;
    const char *name = until ? until : s->point_name(s->point_count - 1);

    if (backup_set_open(s->lab.path, until, &set, err) < 0 ||
        backup_set_check_strangers(&set, err) < 0 ||
        chain_select(set.chain, set.until, &selection, err) < 0)
        return -1;
    if (strcmp(set.chain->points[selection.point].name, name) != 0 ||
        selection.disk_count != s->disk_count ||
        (s->with_config && !config_is_right(&set, selection.point, err))) {
        *wrong = true;
        return 0;
    }
    if (err->kind != ERR_NONE)
        return -1;
    for (size_t i = 0; i < selection.disk_count; i++) {
        const struct selection_disk *d = &selection.disks[i];
        unsigned char *bytes = read_disk(&set, d, err);

        if (!bytes)
            return -1;
        *wrong |= !s->is_right(name, d->disk, bytes, d->virtual_size);
        free(bytes);
    }
    return 0;
}

static int verify(const struct subject *s, struct error *err)
{
    static const struct restore_options options = {
        .common = {.quiet = true, .noprogress = true}};
    _cleanup_(backup_set_close) struct backup_set set = BACKUP_SET_INIT;

    if (backup_set_open(s->lab.path, NULL, &set, err) < 0)
        return -1;
    return verify_set(&set, &options, err);
}

/* Does the message name one of the files that were changed?  An index stands
 * for its data file and the other way round, a point for its manifest.
 */
static bool names_it(const struct subject *s, const char *text,
                     const struct mutation *m)
{
    /* Without a manifest nothing tells what a file that is gone, or says that
     * it is something else, was called.
     */
    if ((strcmp(m->text, "delete") == 0 || strncmp(m->text, "rename", 6) == 0 ||
         !s->with_config) &&
        (strstr(text, "missing") || strstr(text, "there is no point")))
        return true;
    for (size_t i = 0; i < array_size(m->names); i++) {
        const char *name = m->names[i];
        const char *dot = name ? strrchr(name, '.') : NULL;
        char stem[300] = "";

        if (!dot)
            continue;
        /* (stem of vda.inc.virtnbdbackup.1.data.chksum and so on) */
        snprintf(stem, sizeof(stem), "%.*s", (int)(dot - name), name);
        if (strstr(text, name) || strstr(text, stem))
            return true;
        if (strncmp(stem, "manifest.", 9) == 0 && strstr(text, stem + 9))
            return true;
    }
    return false;
}

static void complain(uint64_t number, const struct mutation *m,
                     const char *what, const char *until,
                     const struct error *err)
{
    CHECK_FAIL("number %" PRIu64 ", '%s': %s: %s (point %s): %s", number,
               m->names[0], m->text, what, until ? until : "(newest)",
               err ? error_text(err) : "");
}

static void check_mutation(const struct subject *s, uint64_t number,
                           const struct mutation *m)
{
    _cleanup_error_ struct error found = ERROR_INIT;
    int verified = verify(s, &found);
    bool refused = false;

    for (size_t i = 0; i <= s->point_count; i++) {
        const char *until = i < s->point_count ? s->point_name(i) : NULL;
        _cleanup_error_ struct error err = ERROR_INIT;
        bool wrong = false;
        int r = read_point(s, until, &wrong, &err);

        if (wrong)
            complain(number, m, "restored wrong", until, NULL);
        if (r == 0)
            continue;
        refused = true;
        if (verified == 0)
            complain(number, m, "verify does not find it", until, &err);
        if (err.kind != ERR_DAMAGED && err.kind != ERR_INPUT)
            complain(number, m, "an error of another kind", until, &err);
        if (!names_it(s, error_text(&err), m))
            complain(number, m, "the file is not named", until, &err);
    }
    if (refused)
        tally.refused++;
    else
        tally.harmless++;
}

static void check_good(const struct subject *s)
{
    _cleanup_error_ struct error err = ERROR_INIT;
    bool wrong = false;

    CHECK_OK(verify(s, &err), &err);
    for (size_t i = 0; i < s->point_count; i++) {
        CHECK_OK(read_point(s, s->point_name(i), &wrong, &err), &err);
        CHECK(!wrong);
    }
    CHECK_OK(read_point(s, NULL, &wrong, &err), &err);
    CHECK(!wrong);
}

static void run_mutations(struct subject *s, unsigned count)
{
    memset(&tally, 0, sizeof(tally));
    check_good(s);
    mutate_open(&s->files, &s->lab);
    for (unsigned i = 0; i < count && !check_this_failed; i++) {
        uint64_t number = (seed + i) * 2 + 1;
        struct mutation m = mutate(&s->files, number);

        check_mutation(s, number, &m);
        mutate_undo(&s->files, &m);
    }
    check_good(s);
    mutate_close(&s->files);
    printf("# %u refused, %u harmless\n", tally.refused, tally.harmless);
    /* Whoever changes the mutations sees whether they are still worth it. */
    CHECK(tally.refused > count / 3);
}

/* A set of ours. */

static const char *our_point(size_t number)
{
    return made_points[number].name;
}

static bool our_bytes(const char *point, const char *disk,
                      const unsigned char *bytes, uint64_t size)
{
    for (size_t i = 0; i < MADE_POINTS; i++)
        for (size_t k = 0; k < MADE_DISKS; k++)
            if (strcmp(point, made_points[i].name) == 0 &&
                strcmp(disk, made_disks[k].name) == 0)
                return size == made_disks[k].size &&
                       memcmp(bytes, made.truth[i][k], size) == 0;
    return false;
}

/* covers: F1:RV F2:RV F7:RV F10:RV F12:R */
static void test_ours(void)
{
    for (unsigned i = 0; i < 4; i++) {
        struct subject s = {.lab = lab_new(),
                            .point_count = MADE_POINTS,
                            .is_right = our_bytes,
                            .point_name = our_point,
                            .disk_count = MADE_DISKS,
                            .with_config = true};

        made_fill(&s.lab, seed + i, &made);
        run_mutations(&s, rounds / 5);
        lab_done(&s.lab);
        seed += rounds;
    }
}

/* Without any of these files, together: each point is right or refused, and
 * what needs none of them is right.
 */
static void check_subset(struct subject *s, const char *const *names,
                         size_t count, unsigned subset)
{
    _cleanup_error_ struct error found = ERROR_INIT;

    for (size_t i = 0; i < count; i++)
        if (subset & 1U << i)
            lab_remove(&s->lab, names[i]);
    CHECK(subset == 0 || verify(s, &found) < 0);
    for (size_t i = 0; i <= s->point_count; i++) {
        const char *until = i < s->point_count ? s->point_name(i) : NULL;
        _cleanup_error_ struct error err = ERROR_INIT;
        bool wrong = false;
        int r = read_point(s, until, &wrong, &err);

        if (wrong)
            CHECK_FAIL("subset %u of '%s'...: restored wrong (point %s)",
                       subset, names[0], until ? until : "(newest)");
        /* The first file stands for the first point, of which nothing else is
         * needed.
         */
        if (i == 0)
            CHECK_EQ_INT(r, subset & 1 ? -1 : 0);
    }
    for (size_t i = 0; i < count; i++)
        for (size_t k = 0; k < s->files.count; k++)
            if (strcmp(names[i], s->files.files[k].name) == 0)
                lab_write(&s->lab, names[i], s->files.files[k].bytes,
                          s->files.files[k].length);
}

/* covers: F3:RV */
static void test_subsets(void)
{
    static const char *const files[][MADE_POINTS] = {
        {"vda.full.data", "vda.inc.virtnbdbackup.1.data",
         "vda.diff.1700000000.data", "vda.inc.virtnbdbackup.2.data"},
        {"vda.full.index", "vda.inc.virtnbdbackup.1.index",
         "vda.diff.1700000000.index", "vda.inc.virtnbdbackup.2.index"},
        {"manifest.virtnbdbackup.0.json", "manifest.virtnbdbackup.1.json",
         "manifest.diff.1700000000.json", "manifest.virtnbdbackup.2.json"},
    };
    struct subject s = {.lab = lab_new(),
                        .point_count = MADE_POINTS,
                        .is_right = our_bytes,
                        .point_name = our_point,
                        .disk_count = MADE_DISKS,
                        .with_config = true};

    made_fill(&s.lab, seed, &made);
    mutate_open(&s.files, &s.lab);
    for (size_t i = 0; i < array_size(files); i++)
        for (unsigned k = 0; k < 1U << MADE_POINTS; k++)
            check_subset(&s, files[i], MADE_POINTS, k);
    check_good(&s);
    mutate_close(&s.files);
    lab_done(&s.lab);
}

/* Sets of upstream, with its checksums: plain and compressed. */

static unsigned char upstream[2][600 * KIB];
static uint64_t upstream_size;

static const char *upstream_point(size_t number)
{
    return number == 0 ? "virtnbdbackup.0" : "virtnbdbackup.1";
}

static bool upstream_bytes(const char *point, const char *disk,
                           const unsigned char *bytes, uint64_t size)
{
    const unsigned char *truth =
        upstream[strcmp(point, "virtnbdbackup.0") == 0 ? 0 : 1];

    return strcmp(disk, "sda") == 0 && size == upstream_size &&
           memcmp(bytes, truth, size) == 0;
}

static void put_golden(struct lab *lab, const char *golden, const char *name)
{
    char path[500] = "";
    struct lab dir = {.dirfd = AT_FDCWD};
    size_t length = 0;
    char *bytes = NULL;

    snprintf(path, sizeof(path), "%s/%s.data", COMPAT_DIR, golden);
    bytes = lab_read(&dir, path, &length);
    lab_write(lab, name, bytes, length);
    maker_chksum(lab, name);
    free(bytes);
}

/* What the good set holds: proven elsewhere, against the golden checksums. */
static void learn_upstream(const struct subject *s)
{
    for (size_t i = 0; i < s->point_count; i++) {
        _cleanup_(backup_set_close) struct backup_set set = BACKUP_SET_INIT;
        _cleanup_selection_ struct selection selection = SELECTION_INIT;
        _cleanup_error_ struct error err = ERROR_INIT;
        unsigned char *bytes = NULL;

        CHECK_OK(backup_set_open(s->lab.path, upstream_point(i), &set, &err),
                 &err);
        CHECK_OK(chain_select(set.chain, set.until, &selection, &err), &err);
        bytes = read_disk(&set, &selection.disks[0], &err);
        REQUIRE(bytes && selection.disks[0].virtual_size < sizeof(upstream[0]));
        upstream_size = selection.disks[0].virtual_size;
        memcpy(upstream[i], bytes, upstream_size);
        free(bytes);
    }
}

/* covers: F1:RV F5:R F6:RV F7:RV F8:R F9:R F10:RV F12:R */
static void test_upstream(void)
{
    static const char *const goldens[][2] = {
        {"full", "inc"}, {"full-lz4-pieces", "inc-lz4-pieces"}};

    for (size_t i = 0; i < array_size(goldens); i++) {
        struct subject s = {.lab = lab_new(),
                            .point_count = 2,
                            .is_right = upstream_bytes,
                            .point_name = upstream_point,
                            .disk_count = 1};

        put_golden(&s.lab, goldens[i][0], "sda.full.data");
        put_golden(&s.lab, goldens[i][1], "sda.inc.virtnbdbackup.1.data");
        lab_text(&s.lab, "vm1.cpt",
                 "[\"virtnbdbackup.0\", \"virtnbdbackup.1\"]");
        learn_upstream(&s);
        run_mutations(&s, rounds / 10);
        lab_done(&s.lab);
        seed += rounds;
    }
}

/* Is here, or beside here, the border of a frame? */
static bool is_border(const char *bytes, size_t at)
{
    static const char *const words[] = {"data 0", "zero 0", "stop 0", "\r\n"};

    for (size_t i = at - 1; i <= at + 1; i++)
        for (size_t k = 0; k < array_size(words); k++)
            if (strncmp(bytes + i, words[k], strlen(words[k])) == 0)
                return true;
    return false;
}

/* Cut at every border of a frame, beside it, and here and there. */
/* covers: F2:RV */
static void test_cuts(void)
{
    struct subject s = {.lab = lab_new(),
                        .point_count = 2,
                        .is_right = upstream_bytes,
                        .point_name = upstream_point,
                        .disk_count = 1};
    static const char *const names[] = {"sda.full.data",
                                        "sda.inc.virtnbdbackup.1.data"};

    put_golden(&s.lab, "full", names[0]);
    put_golden(&s.lab, "inc", names[1]);
    lab_remove(&s.lab, "sda.full.data.chksum");
    lab_remove(&s.lab, "sda.inc.virtnbdbackup.1.data.chksum");
    learn_upstream(&s);
    for (size_t i = 0; i < array_size(names); i++) {
        size_t length = 0;
        char *bytes = lab_read(&s.lab, names[i], &length);

        for (size_t cut = 1; cut < length && !check_this_failed; cut++) {
            _cleanup_error_ struct error err = ERROR_INIT;
            bool wrong = false;

            if (cut > 60 && cut % 97 != 0 && !is_border(bytes, cut))
                continue;
            lab_write(&s.lab, names[i], bytes, cut);
            if (read_point(&s, NULL, &wrong, &err) == 0)
                CHECK_FAIL("'%s' cut to %zu was restored", names[i], cut);
        }
        lab_write(&s.lab, names[i], bytes, length);
        free(bytes);
    }
    lab_done(&s.lab);
}

int main(void)
{
    const char *given = getenv("SEED"), *count = getenv("MUTATIONS");

    seed = given ? strtoull(given, NULL, 0) : (uint64_t)time(NULL);
    rounds = count ? (unsigned)atoi(count) : 2000;
    printf("# SEED=%" PRIu64 " MUTATIONS=%u\n", seed, rounds);
    log_limit(LOG_LEVEL_NONE);
    RUN(test_ours);
    RUN(test_subsets);
    RUN(test_upstream);
    RUN(test_cuts);
    return check_result();
}
