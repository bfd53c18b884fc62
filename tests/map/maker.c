/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* maker.c - see maker.h */
#include "maker.h"
#include "maker_file.h"

#include <time.h>

/* A level that is none of the suite's: a full with an increment's name. */
#define FULL_INSIDE 4

uint64_t maker_random(struct maker *m, uint64_t limit)
{
    return lab_random(&m->seed) % limit;
}

uint64_t maker_seed(void)
{
    const char *given = getenv("SEED");
    uint64_t seed = given ? strtoull(given, NULL, 0) : (uint64_t)time(NULL);

    printf("# SEED=%" PRIu64 "\n", seed);
    return seed;
}

/* Something that compresses well, badly or not at all; never only zeroes. */
static void fill(struct maker *m, uint64_t at, uint64_t length)
{
    uint64_t kind = maker_random(m, 3), word = lab_random(&m->seed);

    for (uint64_t i = 0; i < length; i += sizeof(word)) {
        if (kind == 2 || (kind == 1 && i % 256 == 0))
            word = lab_random(&m->seed);
        memcpy(m->disk + at + i, &word, MIN_OF(sizeof(word), length - i));
    }
}

/* Write to the disk: [at, at + length) becomes data or zero. */
static void change(struct maker *m, uint64_t at, uint64_t length, bool zero)
{
    if (at >= m->size)
        return;
    length = MIN_OF(length, m->size - at);
    if (zero)
        memset(m->disk + at, 0, length);
    else
        fill(m, at, length);
    if (length > 0)
        memset(m->changed + at / m->granule, 1,
               (at + length - 1) / m->granule - at / m->granule + 1);
}

static void change_some(struct maker *m, uint64_t count)
{
    for (uint64_t i = 0; i < count; i++) {
        uint64_t at = maker_random(m, m->size) / 512 * 512;
        uint64_t most = maker_random(m, 10) ? 200 * KIB : 3 * MIB;

        change(m, at, (1 + maker_random(m, most / 512)) * 512,
               maker_random(m, 4) == 0);
    }
}

void maker_begin(struct maker *m, uint64_t seed, int kind, uint64_t max_size)
{
    *m = (struct maker){
        .lab = lab_new(),
        .seed = seed * 0x9e3779b97f4a7c15 + 1,
        .kind = kind,
        .max_size = max_size,
    };
    m->granule = maker_random(m, 2) ? 64 * KIB : 4 * KIB;
    m->disk = calloc(1, max_size);
    m->changed = calloc(1, max_size / m->granule + 1);
    if (!m->disk || !m->changed)
        abort();
    m->size = (1 + maker_random(m, max_size / 512)) * 512;
    if (kind & MAKER_DENSE) {
        m->size = max_size;
        for (uint64_t at = 0; at < max_size; at += MIB)
            change(m, at, MIB, false);
    } else {
        change_some(m, 20);
    }
}

void maker_done(struct maker *m)
{
    for (size_t i = 0; i < m->count; i++)
        free(m->points[i].truth);
    free(m->disk);
    free(m->changed);
    lab_done(&m->lab);
}

/* The manifest of a point of ours, behind its file. */
static void make_point(struct maker *m, const struct maker_point *p, int level,
                       bool whole)
{
    _cleanup_error_ struct error err = ERROR_INIT;
    _cleanup_manifest_ struct manifest manifest = MANIFEST_INIT;
    struct lab_plan plan = {
        .name = p->name,
        .level = level == FULL_INSIDE ? LEVEL_INC : (enum level)level,
        .uuid = (unsigned)m->count + 1,
        .sequence = (unsigned)m->count,
        .previous = m->previous,
    };
    struct manifest_disk *d = NULL;

    lab_manifest(&plan, &manifest);
    d = manifest_add_disk(&manifest, &err);
    CHECK_EQ_INT(manifest_set(&d->target, "vda", &err), 0);
    CHECK_EQ_INT(manifest_set(&d->file, p->file, &err), 0);
    CHECK_EQ_INT(manifest_set(&d->format, "qcow2", &err), 0);
    CHECK_EQ_INT(manifest_set(&d->checkpoint, p->owner ? p->name : "", &err),
                 0);
    d->level = whole ? LEVEL_FULL : plan.level;
    d->virtual_size = m->size;
    if (!whole)
        lab_uuid((unsigned)m->owner + 1, d->parent);
    maker_file(m, p, whole, d);
    CHECK_OK(manifest_write(m->lab.dirfd, &manifest, &err), &err);
    memcpy(m->previous, manifest.hash, sizeof(m->previous));
}

static void resize(struct maker *m)
{
    uint64_t size = (1 + maker_random(m, m->max_size / 512)) * 512;

    /* What is cut off has changed, should the disk grow again. */
    if (size < m->size)
        change(m, size, m->size - size, true);
    m->size = size;
}

/* Full, inc, diff or a full inside; the disk has changed accordingly. */
static int draw_level(struct maker *m)
{
    if (m->count == 0)
        return LEVEL_FULL;
    if (maker_random(m, 3) == 0)
        resize(m);
    if (maker_random(m, 6) != 0)
        change_some(m, 1 + maker_random(m, 12));
    switch (maker_random(m, 8)) {
    case 0:
        return FULL_INSIDE;
    case 1:
    case 2:
        return LEVEL_DIFF;
    default:
        return LEVEL_INC;
    }
}

static void name_point(struct maker *m, struct maker_point *p, int level)
{
    size_t n = m->count;

    if (level == LEVEL_DIFF) {
        n += 1700000000;
        snprintf(p->name, sizeof(p->name), "diff.%zu", n);
        snprintf(p->file, sizeof(p->file), "vda.diff.%zu.data", n);
        return;
    }
    snprintf(p->name, sizeof(p->name), "virtnbdbackup.%zu", n);
    if (level == LEVEL_FULL)
        snprintf(p->file, sizeof(p->file), "vda.full.data");
    else
        snprintf(p->file, sizeof(p->file), "vda.inc.virtnbdbackup.%zu.data", n);
}

void maker_next(struct maker *m)
{
    int level = draw_level(m);
    bool whole = level == LEVEL_FULL || level == FULL_INSIDE;
    struct maker_point *p = &m->points[m->count];

    if (m->count == ((m->kind & MAKER_RAW) ? 1 : MAKER_POINTS))
        abort();
    *p = (struct maker_point){
        .base = whole ? m->count : m->owner,
        .owner = level != LEVEL_DIFF && !(m->kind & MAKER_RAW),
        .size = m->size,
        .truth = malloc(m->size),
    };
    if (!p->truth)
        abort();
    memcpy(p->truth, m->disk, m->size);
    name_point(m, p, level);
    if (!(m->kind & MAKER_UPSTREAM))
        make_point(m, p, level, whole);
    else if (m->kind & MAKER_RAW)
        maker_raw(m, p);
    else
        maker_file(m, p, whole, NULL);
    if (p->owner) {
        m->owner = m->count;
        memset(m->changed, 0, m->max_size / m->granule + 1);
    }
    m->count++;
    /* What failed in here would be overlooked elsewhere. */
    if (check_this_failed)
        abort();
}
