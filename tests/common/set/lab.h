/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* lab.h - small backup directories for the tests of common/set
 *
 * A lab is a temporary directory; lab_point writes what a run would: data files
 * through the stream writer, their indexes, and the manifest.
 */
#ifndef TESTS_SET_LAB_H
#define TESTS_SET_LAB_H

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "base/file.h"
#include "base/text.h"
#include "set/index.h"
#include "set/manifest.h"
#include "stream/meta.h"
#include "stream/writer.h"

#include "check.h"

#define LAB_CHAIN "11111111-1111-4111-8111-111111111111"
#define LAB_DOMAIN "22222222-2222-4222-8222-222222222222"
#define LAB_SIZE 8192 /* of a disk */

struct lab {
    char path[64];
    int dirfd;
};

static inline struct lab lab_new(void)
{
    struct lab lab = {"/tmp/vnb-set-XXXXXX", -1};

    if (!mkdtemp(lab.path))
        abort();
    lab.dirfd = open(lab.path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (lab.dirfd < 0)
        abort();
    return lab;
}

static inline void lab_done(struct lab *lab)
{
    char command[128] = "";

    close(lab->dirfd);
    snprintf(command, sizeof(command), "rm -rf '%s'", lab->path);
    if (system(command) != 0)
        abort();
}
#define _cleanup_lab_ __attribute__((cleanup(lab_done)))

static inline void lab_write(struct lab *lab, const char *name,
                             const void *bytes, size_t len)
{
    int fd = openat(lab->dirfd, name, O_WRONLY | O_CREAT | O_TRUNC, 0600);

    if (fd < 0 || file_write_full(fd, bytes, len) < 0)
        abort();
    close(fd);
}

static inline void lab_text(struct lab *lab, const char *name, const char *text)
{
    lab_write(lab, name, text, strlen(text));
}

static inline char *lab_read(struct lab *lab, const char *name, size_t *len)
{
    char *text = NULL;

    if (file_read_all(lab->dirfd, name, 1 << 26, &text, len, NULL) < 0)
        abort();
    return text;
}

static inline bool lab_has(struct lab *lab, const char *name)
{
    struct stat st = {0};

    return fstatat(lab->dirfd, name, &st, AT_SYMLINK_NOFOLLOW) == 0;
}

static inline void lab_rename(struct lab *lab, const char *from, const char *to)
{
    if (renameat(lab->dirfd, from, lab->dirfd, to) < 0)
        abort();
}

static inline void lab_remove(struct lab *lab, const char *name)
{
    if (unlinkat(lab->dirfd, name, 0) < 0)
        abort();
}

/* A UUID that ends in `number`. */
static inline const char *lab_uuid(unsigned number, char out[UUID_TEXT_SIZE])
{
    snprintf(out, UUID_TEXT_SIZE, "aaaaaaaa-aaaa-4aaa-8aaa-%012u", number);
    return out;
}

static inline int lab_put(void *opaque, const void *bytes, size_t len,
                          struct error *err)
{
    (void)err;
    if (file_write_full(*(int *)opaque, bytes, len) < 0)
        abort();
    return 0;
}

/* What a stream holds: its first `data` bytes are `fill`, the rest of the disk
 * is zero (or, in an increment, unchanged).
 */
struct lab_stream {
    const char *disk;
    const char *checkpoint;
    const char *parent;
    bool incremental;
    uint64_t size; /* of the disk; 0: LAB_SIZE */
    uint64_t data;
    unsigned char fill;
    const char *date; /* NULL: a fixed one */
};

/* Write a stream file; with `index`, its index too (its final name). */
static inline void lab_stream(struct lab *lab, const char *file,
                              const struct lab_stream *s, bool index,
                              struct manifest_disk *fill)
{
    _cleanup_error_ struct error err = ERROR_INIT;
    _cleanup_writer_ struct stream_writer w = WRITER_INIT;
    uint64_t size = s->size ? s->size : LAB_SIZE;
    struct meta meta = {
        .virtual_size = size,
        .data_size = s->data,
        .date = (char *)(s->date ? s->date : "2026-01-02T03:04:05.000001"),
        .disk_name = (char *)s->disk,
        .disk_format = (char *)"qcow2",
        .checkpoint_name = (char *)s->checkpoint,
        .parent_checkpoint = (char *)s->parent,
        .incremental = s->incremental,
    };
    unsigned char *payload = malloc(s->data + 1);
    struct index_writer *iw = NULL;
    struct name_text index_name = {""};
    int fd = openat(lab->dirfd, file, O_WRONLY | O_CREAT | O_TRUNC, 0600);

    if (fd < 0 || !payload)
        abort();
    memset(payload, s->fill, s->data);
    if (index) {
        CHECK_OK(name_index(file, &index_name, &err), &err);
        CHECK_OK(index_writer_new(lab->dirfd, index_name.text, size, &iw, &err),
                 &err);
    }
    writer_init(&w, lab_put, &fd);
    CHECK_OK(writer_meta(&w, &meta, &err), &err);
    if (s->data > 0) {
        struct index_record record = {
            .offset = 0,
            .length = s->data,
            .stored_length = s->data,
            .kind = INDEX_DATA,
            .hashed = true,
        };

        CHECK_OK(writer_data_begin(&w, 0, s->data, &err), &err);
        record.file_offset = writer_position(&w);
        lab_put(&fd, payload, s->data, NULL);
        CHECK_OK(writer_data_end(&w, s->data, &err), &err);
        index_hash_block(payload, s->data, record.hash);
        if (iw)
            CHECK_OK(index_writer_add(iw, &record, &err), &err);
    }
    if (!s->incremental && s->data < size) {
        struct index_record record = {
            .offset = s->data,
            .length = size - s->data,
            .kind = INDEX_ZERO,
        };

        CHECK_OK(writer_zero(&w, s->data, size - s->data, &err), &err);
        if (iw)
            CHECK_OK(index_writer_add(iw, &record, &err), &err);
    }
    CHECK_OK(writer_stop(&w, &err), &err);
    CHECK_OK(writer_trailer(&w, &err), &err);
    close(fd);
    free(payload);
    if (iw) {
        char hash[HASH_TEXT_SIZE] = "";

        CHECK_OK(index_writer_finish(iw, writer_position(&w), hash, &err),
                 &err);
        if (fill) {
            memcpy(fill->index_hash, hash, sizeof(hash));
            fill->virtual_size = size;
            fill->data_size = s->data;
            fill->zero_size = index_writer_zero_size(iw);
            fill->file_size = writer_position(&w);
        }
        index_writer_free(iw);
        CHECK_OK(index_publish(lab->dirfd, index_name.text, &err), &err);
    }
}

/* One point of ours, to be written by lab_point. */
struct lab_plan {
    const char *name;
    enum level level;
    unsigned uuid; /* for lab_uuid */
    unsigned sequence;
    const char *previous;
    unsigned parent;    /* for lab_uuid; 0: none */
    const char *disks;  /* one letter each: "ab" = vda, vdb */
    uint64_t size;      /* of the disks; 0: LAB_SIZE */
    const char *chain;  /* NULL: LAB_CHAIN */
    const char *domain; /* NULL: LAB_DOMAIN */
};

/* A manifest with everything but disks. */
static inline void lab_manifest(const struct lab_plan *plan, struct manifest *m)
{
    CHECK_EQ_INT(manifest_set(&m->tool, "test 1", NULL), 0);
    CHECK_EQ_INT(manifest_set(&m->name, plan->name, NULL), 0);
    CHECK_EQ_INT(manifest_set(&m->level_asked, level_text(plan->level), NULL),
                 0);
    CHECK_EQ_INT(manifest_set(&m->domain_name, "vm one \xc3\xa4", NULL), 0);
    CHECK_EQ_INT(manifest_set(&m->time, "2026-01-02T03:04:05Z", NULL), 0);
    strcpy(m->chain, plan->chain ? plan->chain : LAB_CHAIN);
    strcpy(m->domain_uuid, plan->domain ? plan->domain : LAB_DOMAIN);
    lab_uuid(plan->uuid, m->point);
    m->level_done = plan->level;
    m->sequence = plan->sequence;
    strcpy(m->previous, plan->previous ? plan->previous : "");
}

static inline void lab_disk(struct lab *lab, const struct lab_plan *plan,
                            char letter, struct manifest *m)
{
    _cleanup_error_ struct error err = ERROR_INIT;
    bool base = plan->level == LEVEL_FULL || plan->level == LEVEL_COPY;
    bool owner = plan->level == LEVEL_FULL || plan->level == LEVEL_INC;
    char target[4] = {'v', 'd', letter, '\0'};
    const char *point =
        plan->level == LEVEL_DIFF ? plan->name + strlen("diff.") : plan->name;
    struct manifest_disk *d = manifest_add_disk(m, &err);
    struct name_text file = {""}, index = {""};
    struct lab_stream s = {
        .disk = target,
        .checkpoint = owner ? plan->name : "virtnbdbackup.0",
        .parent = base ? "" : "virtnbdbackup.0",
        .incremental = !base,
        .size = plan->size,
        .data = 1024,
        .fill = (unsigned char)(plan->sequence + 1),
    };

    CHECK_OK(name_data(target, plan->level, point, &file, &err), &err);
    CHECK_OK(name_index(file.text, &index, &err), &err);
    lab_stream(lab, file.text, &s, true, d);
    CHECK_EQ_INT(manifest_set(&d->target, target, NULL), 0);
    CHECK_EQ_INT(manifest_set(&d->file, file.text, NULL), 0);
    CHECK_EQ_INT(manifest_set(&d->index, index.text, NULL), 0);
    CHECK_EQ_INT(manifest_set(&d->format, "qcow2", NULL), 0);
    CHECK_EQ_INT(manifest_set(&d->checkpoint, owner ? plan->name : "", NULL),
                 0);
    d->level = plan->level;
    if (plan->parent)
        lab_uuid(plan->parent, d->parent);
}

/* Write the point; `hash` gets the manifest's hash, for the next one. */
static inline void lab_point(struct lab *lab, const struct lab_plan *plan,
                             char hash[HASH_TEXT_SIZE])
{
    _cleanup_error_ struct error err = ERROR_INIT;
    _cleanup_manifest_ struct manifest m = MANIFEST_INIT;

    lab_manifest(plan, &m);
    for (const char *p = plan->disks ? plan->disks : "a"; *p; p++)
        lab_disk(lab, plan, *p, &m);
    CHECK_OK(manifest_write(lab->dirfd, &m, &err), &err);
    if (hash)
        strcpy(hash, m.hash);
}

/* Random numbers from a seed that is printed. */
static inline uint64_t lab_random(uint64_t *state)
{
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    return *state;
}

static inline uint64_t lab_seed(void)
{
    const char *given = getenv("TEST_SEED");
    uint64_t seed = 0;

    if (given)
        seed = strtoull(given, NULL, 0);
    else if (getentropy(&seed, sizeof(seed)) < 0)
        abort();
    seed |= 1;
    printf("# TEST_SEED=%" PRIu64 "\n", seed);
    return seed;
}

#endif
