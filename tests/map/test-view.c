/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* test-view.c - any place of any point of any set, read by several threads
 *
 * Sets are drawn (maker.h); what is read is compared with what the disk held.
 * SEED repeats a run, MEGABYTES is how much is read in all (1024).
 */
#include <pthread.h>
#include <sys/stat.h>

#include "ahead.h"
#include "base/cleanup.h"
#include "exports.h"

#include "maker.h"

#define THREADS 4
#define READ_MAX ((size_t)(32 * MIB))

static uint64_t seed;
static uint64_t amount; /* bytes to be read of one point */

static char *path_of(const struct maker *m, const char *file)
{
    return text_dup_printf("%s/%s", m->lab.path, file);
}

static struct exports *open_request(const struct exports_request *r)
{
    _cleanup_error_ struct error err = ERROR_INIT;
    struct exports *e = NULL;

    CHECK_OK(exports_open(r, &e, &err), &err);
    return e;
}

/* The point `number`, by its name, or by the list of its files. */
static struct exports *open_point(const struct maker *m, size_t number,
                                  bool by_files, uint64_t cache_size)
{
    const char *files[MAKER_POINTS] = {NULL};
    struct exports *e = NULL;
    struct exports_request r = {.cache_size = cache_size};
    size_t count = 0;

    if (!by_files) {
        r.dir = m->lab.path;
        r.point = number + 1 < m->count ? m->points[number].name : NULL;
        return open_request(&r);
    }
    for (size_t i = number;; i = m->points[i].base) {
        files[MAKER_POINTS - ++count] = path_of(m, m->points[i].file);
        if (m->points[i].base == i)
            break;
    }
    r.files = files + MAKER_POINTS - count;
    r.file_count = count;
    e = open_request(&r);
    for (size_t i = 0; i < count; i++)
        free((void *)r.files[i]);
    return e;
}

/* Mostly small, sometimes up to 32 MiB. */
static size_t draw_length(uint64_t *state, uint64_t size)
{
    uint64_t bits = lab_random(state) % 16, length = 0;

    if (lab_random(state) % 16 == 0)
        bits = lab_random(state) % 26;
    length = 1 + lab_random(state) % (1ULL << bits);
    return (size_t)MIN_OF(length, size);
}

struct client {
    pthread_t thread;
    const struct maker_point *point;
    struct view *view;
    struct ahead *ahead;
    uint64_t seed;
    uint64_t most; /* reads */
    uint64_t reads;
    char failure[256]; /* "" if all is well */
};

static void *read_randomly(void *opaque)
{
    struct client *c = opaque;
    _cleanup_error_ struct error err = ERROR_INIT;
    _cleanup_free_ unsigned char *buf = malloc(READ_MAX);
    uint64_t done = 0, end = 0; /* of the last read */

    while (done < amount / THREADS && c->reads < c->most && !c->failure[0]) {
        size_t length = draw_length(&c->seed, c->point->size);
        uint64_t at = lab_random(&c->seed) % (c->point->size - length + 1);

        /* Often in order. */
        if (lab_random(&c->seed) % 4 && end <= c->point->size - length)
            at = end;
        end = at + length;
        ahead_note(c->ahead, c->view, at, length);
        if (view_read(c->view, buf, length, at, &err) < 0)
            snprintf(c->failure, sizeof(c->failure), "%s", error_text(&err));
        else if (memcmp(buf, c->point->truth + at, length) != 0)
            snprintf(c->failure, sizeof(c->failure),
                     "%zu bytes at %" PRIu64 " are others", length, at);
        done += length;
        c->reads++;
    }
    return NULL;
}

static void check_reads(struct maker *m, const struct maker_point *point,
                        struct view *view, uint64_t most)
{
    _cleanup_error_ struct error err = ERROR_INIT;
    _cleanup_(ahead_freep) struct ahead *ahead = NULL;
    struct client clients[THREADS] = {{0}};

    CHECK_OK(ahead_new(&ahead, &err), &err);
    for (size_t i = 0; i < THREADS; i++) {
        clients[i] = (struct client){.point = point,
                                     .view = view,
                                     .ahead = ahead,
                                     .seed = lab_random(&m->seed),
                                     .most = most};
        if (pthread_create(&clients[i].thread, NULL, read_randomly,
                           &clients[i]) != 0)
            abort();
    }
    for (size_t i = 0; i < THREADS; i++) {
        pthread_join(clients[i].thread, NULL);
        CHECK_STR(clients[i].failure, "");
        CHECK(clients[i].reads > 0);
    }
}

/* Extents cover all of it, each as long as it can be, and what they call zero
 * is.
 */
static void check_extents(const struct maker_point *point, struct view *view)
{
    bool before = false;
    uint64_t at = 0;

    while (at < point->size) {
        bool zero = false, again = false;
        uint64_t n = view_extent(view, at, point->size, &zero);

        CHECK(n > 0 && n <= point->size - at);
        CHECK(at == 0 || zero != before);
        CHECK_EQ_U64(view_extent(view, at, at + 1, &again), 1);
        CHECK_EQ_INT(again, zero);
        for (uint64_t i = at; zero && i < at + n; i++)
            if (point->truth[i] != 0) {
                CHECK_FAIL("%" PRIu64 " is called zero", i);
                return;
            }
        before = zero;
        at += n;
    }
    CHECK_EQ_U64(at, point->size);
}

static void check_point(struct maker *m, size_t number)
{
    static const uint64_t sizes[] = {0, 100 * KIB, 5 * MIB, 64 * MIB};
    uint64_t cache_size = sizes[maker_random(m, array_size(sizes))];
    bool by_files = maker_random(m, 3) == 0;
    _cleanup_(exports_freep) struct exports *e =
        open_point(m, number, by_files, cache_size);
    const struct maker_point *point = &m->points[number];
    const struct export_disk *d = NULL;
    struct view *view = NULL;

    REQUIRE(e);
    d = exports_find(e, "vda");
    REQUIRE(d);
    view = d->view;
    CHECK_EQ_U64(view_size(view), point->size);
    REQUIRE(view_size(view) == point->size);
    check_extents(point, view);
    /* Where nothing can be kept, every byte of a long frame costs all of it. */
    check_reads(m, point, view,
                m->nested && cache_size < 64 * MIB ? 20 : UINT64_MAX);
    if (check_this_failed)
        printf("# %s of %zu points, by %s, cache %" PRIu64 "\n", point->name,
               m->count, by_files ? "files" : "name", cache_size);
}

/* A set, and some of its points. */
static void check_set(uint64_t number, uint64_t max_size, int kind,
                      size_t points)
{
    struct maker m = {0};

    maker_begin(&m, seed + number, kind, max_size);
    while (m.count < points)
        maker_next(&m);
    check_point(&m, m.count - 1);
    if (m.count > 1) {
        check_point(&m, (size_t)maker_random(&m, m.count));
        check_point(&m, (size_t)maker_random(&m, m.count));
    }
    if (check_this_failed)
        printf("# set %" PRIu64 " of SEED=%" PRIu64 "\n", number, seed);
    CHECK_EQ_INT(m.nested, max_size > 64 * MIB);
    maker_done(&m);
}

/* A round reads a GiB of as many points. */
#define SETS 6
#define POINTS_READ (SETS * 3 * 2 + 1 + 3)
#define ROUND_MEGABYTES 1024

static uint64_t rounds;

/* covers: H1:M H3:M */
static void test_sets_of_ours(void)
{
    for (uint64_t i = 0; i < SETS * rounds && !check_this_failed; i++)
        check_set(i, 24 * MIB, MAKER_OURS, 3 + i % SETS * 9 / SETS);
}

/* covers: H1:M H3:M */
static void test_sets_of_upstreams(void)
{
    for (uint64_t i = 0; i < SETS * rounds && !check_this_failed; i++)
        check_set(10000 + i, 24 * MIB, MAKER_UPSTREAM, 3 + i % SETS * 9 / SETS);
}

static void test_raw_image(void)
{
    for (uint64_t i = 0; i < rounds && !check_this_failed; i++)
        check_set(20000 + i, 8 * MIB, MAKER_UPSTREAM | MAKER_RAW, 1);
}

/* Frames of 32 MiB and more, in pieces. */
static void test_nested_pieces(void)
{
    for (uint64_t i = 0; i < rounds && !check_this_failed; i++)
        check_set(30000 + i, 80 * MIB,
                  MAKER_UPSTREAM | MAKER_DENSE | MAKER_PACKED, 4);
}

int main(void)
{
    const char *given = getenv("MEGABYTES");
    uint64_t megabytes = given ? strtoull(given, NULL, 10) : ROUND_MEGABYTES;

    seed = maker_seed();
    rounds = MAX_OF(megabytes / ROUND_MEGABYTES, 1);
    amount = megabytes * MIB / rounds / POINTS_READ;
    RUN(test_sets_of_ours);
    RUN(test_sets_of_upstreams);
    RUN(test_raw_image);
    RUN(test_nested_pieces);
    return check_result();
}
