/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* maker.h - a whole backup set made of random data, and what its disks held
 *
 * Written by the library as a run would write it, in a moment and without a
 * hypervisor: a full, an increment, a differential, an increment; one disk with
 * frames of all kinds, one that is a full again in between, one raw.  Small, so
 * that thousands of changed copies can be read.
 */
#ifndef TESTS_RESTORE_MAKER_H
#define TESTS_RESTORE_MAKER_H

#include <zlib.h>

#include "../common/set/lab.h"
#include "base/macro.h"
#include "stream/codec.h"

#define MADE_POINTS 4
#define MADE_DISKS 3
#define MADE_SIZE_MAX 40000

struct made_disk {
    const char *name;
    uint64_t size;
    bool raw;
};

static const struct made_disk made_disks[MADE_DISKS] = {
    {"vda", 36864 + 512, false},
    {"vdb", 16384, false},
    {"vdc", 9000, true},
};

struct made_point {
    const char *name;
    enum level level;
    unsigned parent; /* number of the point below, but for a full */
};

static const struct made_point made_points[MADE_POINTS] = {
    {"virtnbdbackup.0", LEVEL_FULL, 0},
    {"virtnbdbackup.1", LEVEL_INC, 0},
    {"diff.1700000000", LEVEL_DIFF, 1},
    {"virtnbdbackup.2", LEVEL_INC, 1},
};

struct made {
    unsigned char truth[MADE_POINTS][MADE_DISKS][MADE_SIZE_MAX];
};

/* Random numbers, repeatable. */
static inline uint64_t made_below(uint64_t *state, uint64_t limit)
{
    return lab_random(state) % limit;
}

/* One data file on its way. */
struct maker {
    struct lab *lab;
    uint64_t *random;
    int fd;
    struct stream_writer writer;
    struct index_writer *index;
    struct codec *codec;
    bool compressed;
};

/* One frame; `bytes` is what it holds, all zero or not. */
static inline void maker_frame(struct maker *m, uint64_t offset,
                               const unsigned char *bytes, uint64_t length,
                               bool zero_frame)
{
    _cleanup_error_ struct error err = ERROR_INIT;
    bool zero = bytes[0] == 0 && memcmp(bytes, bytes + 1, length - 1) == 0;
    struct index_record r = {.offset = offset,
                             .length = length,
                             .kind = zero ? INDEX_ZERO : INDEX_DATA,
                             .hashed = !zero};
    size_t room = codec_bound(length), stored = length;
    unsigned char *coded = malloc(room);

    if (zero && zero_frame) {
        CHECK_OK(writer_zero(&m->writer, offset, length, &err), &err);
    } else {
        CHECK_OK(writer_data_begin(&m->writer, offset, length, &err), &err);
        r.file_offset = writer_position(&m->writer);
        r.compressed = m->compressed;
        if (m->compressed)
            CHECK_OK(codec_encode(m->codec, 1, bytes, length, coded, room,
                                  &stored, &err),
                     &err);
        lab_put(&m->fd, m->compressed ? coded : bytes, stored, NULL);
        CHECK_OK(writer_data_end(&m->writer, stored, &err), &err);
        r.stored_length = stored;
        if (!zero)
            index_hash_block(bytes, length, r.hash);
    }
    CHECK_OK(index_writer_add(m->index, &r, &err), &err);
    free(coded);
}

struct maker_piece {
    uint64_t offset, length;
    bool zero_frame;
};

/* Change `disk` here and there, and say which frames tell it. */
static inline size_t maker_draw(struct maker *m, unsigned char *disk,
                                uint64_t size, bool whole,
                                struct maker_piece *pieces, uint64_t *ret_data)
{
    uint64_t at = 0;
    size_t n = 0;

    *ret_data = 0;
    while (at < size) {
        uint64_t length = (1 + made_below(m->random, 8)) * 512;
        uint64_t kind = made_below(m->random, 8);
        struct maker_piece *p = &pieces[n];

        length = MIN_OF(length, size - at);
        if (whole || kind < 4) {
            *p = (struct maker_piece){at, length, false};
            if (kind < 3)
                for (uint64_t i = 0; i < length; i++)
                    disk[at + i] = (unsigned char)(made_below(m->random, 4) +
                                                   length / 512);
            else if (kind < 5)
                memset(disk + at, 0, length);
            p->zero_frame = kind == 3 && whole;
            *ret_data += p->zero_frame ? 0 : length;
            n++;
        }
        at += length;
    }
    return n;
}

static inline void maker_stream(struct maker *m, const struct made_point *point,
                                const struct made_disk *disk,
                                unsigned char *bytes, bool whole,
                                struct manifest_disk *d)
{
    struct maker_piece pieces[MADE_SIZE_MAX / 512];
    _cleanup_error_ struct error err = ERROR_INIT;
    uint64_t data = 0;
    size_t count = maker_draw(m, bytes, disk->size, whole, pieces, &data);
    struct meta meta = {
        .virtual_size = disk->size,
        .data_size = data,
        .date = (char *)"2026-01-02T03:04:05.000001",
        .disk_name = (char *)disk->name,
        .disk_format = (char *)"qcow2",
        .checkpoint_name = (char *)point->name,
        .parent_checkpoint =
            (char *)(whole ? "" : made_points[point->parent].name),
        .incremental = !whole,
        .compressed = m->compressed,
        .level = m->compressed,
    };

    writer_init(&m->writer, lab_put, &m->fd);
    CHECK_OK(writer_meta(&m->writer, &meta, &err), &err);
    for (size_t i = 0; i < count; i++)
        maker_frame(m, pieces[i].offset, bytes + pieces[i].offset,
                    pieces[i].length, pieces[i].zero_frame);
    CHECK_OK(writer_stop(&m->writer, &err), &err);
    CHECK_OK(writer_trailer(&m->writer, &err), &err);
    d->file_size = writer_position(&m->writer);
    d->data_size = data;
    d->compressed = m->compressed;
    writer_done(&m->writer);
}

/* A plain image: data, and a hole. */
static inline void maker_image(struct maker *m, const struct made_disk *disk,
                               unsigned char *bytes, struct manifest_disk *d)
{
    _cleanup_error_ struct error err = ERROR_INIT;
    uint64_t half = disk->size / 2 / 4096 * 4096;
    struct index_record r = {.length = half,
                             .stored_length = half,
                             .kind = INDEX_DATA,
                             .hashed = true};

    for (uint64_t i = 0; i < half; i++)
        bytes[i] = (unsigned char)made_below(m->random, 256);
    index_hash_block(bytes, half, r.hash);
    CHECK_OK(index_writer_add(m->index, &r, &err), &err);
    r = (struct index_record){.offset = half,
                              .length = disk->size - half,
                              .file_offset = half,
                              .stored_length = disk->size - half,
                              .kind = INDEX_ZERO};
    CHECK_OK(index_writer_add(m->index, &r, &err), &err);
    CHECK_EQ_INT(file_write_full(m->fd, bytes, half), 0);
    CHECK_EQ_INT(ftruncate(m->fd, (off_t)disk->size), 0);
    d->file_size = d->data_size = disk->size;
    d->raw = true;
}

static inline void maker_chksum(struct lab *lab, const char *file)
{
    char name[300] = "", text[16] = "";
    size_t length = 0;
    char *bytes = lab_read(lab, file, &length);

    snprintf(name, sizeof(name), "%s.chksum", file);
    snprintf(text, sizeof(text), "%lu",
             adler32_z(1, (const unsigned char *)bytes, length));
    lab_text(lab, name, text);
    free(bytes);
}

/* A disk of a point; `bytes` is what it held before, and then holds. */
static inline void maker_disk(struct lab *lab, uint64_t *random,
                              unsigned number, unsigned k, unsigned char *bytes,
                              struct manifest *manifest)
{
    const struct made_point *point = &made_points[number];
    const struct made_disk *disk = &made_disks[k];
    _cleanup_error_ struct error err = ERROR_INIT;
    struct manifest_disk *d = manifest_add_disk(manifest, &err);
    struct maker m = {.lab = lab, .random = random};
    struct name_text file = {""}, index = {""};
    bool owner = point->level != LEVEL_DIFF && !disk->raw;
    /* The second disk is saved whole in the last increment. */
    bool whole = number == 0 || (k == 1 && number == 3);
    const char *part =
        point->level == LEVEL_DIFF ? point->name + 5 : point->name;

    m.compressed = made_below(random, 2) == 1;
    CHECK_OK(name_data(disk->name, point->level, part, &file, &err), &err);
    CHECK_OK(name_index(file.text, &index, &err), &err);
    m.fd = openat(lab->dirfd, file.text, O_WRONLY | O_CREAT | O_EXCL, 0600);
    m.codec = codec_new(&err);
    CHECK_OK(
        index_writer_new(lab->dirfd, index.text, disk->size, &m.index, &err),
        &err);
    if (disk->raw)
        maker_image(&m, disk, bytes, d);
    else
        maker_stream(&m, point, disk, bytes, whole, d);
    d->zero_size = index_writer_zero_size(m.index);
    CHECK_OK(index_writer_finish(m.index, d->file_size, d->index_hash, &err),
             &err);
    index_writer_free(m.index);
    codec_free(m.codec);
    close(m.fd);
    CHECK_OK(index_publish(lab->dirfd, index.text, &err), &err);
    if (!disk->raw)
        maker_chksum(lab, file.text);
    d->level = whole ? LEVEL_FULL : point->level;
    d->virtual_size = disk->size;
    if (!whole)
        lab_uuid(point->parent + 1, d->parent);
    CHECK_OK(manifest_set(&d->target, disk->name, &err), &err);
    CHECK_OK(manifest_set(&d->file, file.text, &err), &err);
    CHECK_OK(manifest_set(&d->index, index.text, &err), &err);
    CHECK_OK(manifest_set(&d->checkpoint, owner ? point->name : "", &err),
             &err);
    CHECK_OK(manifest_set(&d->format, disk->raw ? "raw" : "qcow2", &err), &err);
}

/* A small file of the point, named in its manifest. */
static inline void maker_small(struct lab *lab, struct manifest *m,
                               const char *name, const char *text)
{
    _cleanup_error_ struct error err = ERROR_INIT;

    lab_text(lab, name, text);
    CHECK_OK(manifest_add_file(m, lab->dirfd, name, &err), &err);
}

/* What the configuration of a point says. */
static inline char *made_config(unsigned number)
{
    return text_dup_printf(
        "<domain>\n  <name>vm1</name>\n  <title>%u</title>\n  <devices>\n"
        "    <disk type='file' device='disk'>\n"
        "      <driver name='qemu' type='qcow2'/>\n"
        "      <source file='/images/a.qcow2'/>\n"
        "      <target dev='vda' bus='virtio'/>\n    </disk>\n"
        "    <disk type='file' device='disk'>\n"
        "      <driver name='qemu' type='qcow2'/>\n"
        "      <source file='/images/b.qcow2'/>\n"
        "      <target dev='vdb' bus='virtio'/>\n    </disk>\n"
        "    <disk type='file' device='disk'>\n"
        "      <driver name='qemu' type='raw'/>\n"
        "      <source file='/images/c.raw'/>\n"
        "      <target dev='vdc' bus='virtio'/>\n    </disk>\n"
        "  </devices>\n</domain>\n",
        number);
}

static inline void maker_point(struct lab *lab, uint64_t *random,
                               unsigned number, struct made *made,
                               char hash[HASH_TEXT_SIZE])
{
    const struct made_point *point = &made_points[number];
    struct lab_plan plan = {.name = point->name,
                            .level = point->level,
                            .uuid = number + 1,
                            .sequence = number,
                            .previous = hash};
    _cleanup_error_ struct error err = ERROR_INIT;
    _cleanup_manifest_ struct manifest m = MANIFEST_INIT;
    char name[100] = "";
    char *config = made_config(number);

    lab_manifest(&plan, &m);
    for (unsigned k = 0; k < MADE_DISKS; k++) {
        /* A differential builds upon the increment, not upon another one. */
        if (number > 0)
            memcpy(made->truth[number][k], made->truth[point->parent][k],
                   MADE_SIZE_MAX);
        if (number == 0 || !made_disks[k].raw)
            maker_disk(lab, random, number, k, made->truth[number][k], &m);
    }
    snprintf(name, sizeof(name), "vmconfig.%s.xml", point->name);
    maker_small(lab, &m, name, config);
    free(config);
    snprintf(name, sizeof(name), "vda.%s.qcow.json", point->name);
    maker_small(lab, &m, name,
                "{\"format\": \"qcow2\", \"virtual-size\": 37376, "
                "\"cluster-size\": 65536}\n");
    if (point->level != LEVEL_DIFF) {
        snprintf(name, sizeof(name), "checkpoints/%s.xml", point->name);
        maker_small(lab, &m, name, "<domaincheckpoint/>\n");
    }
    CHECK_OK(manifest_write(lab->dirfd, &m, &err), &err);
    strcpy(hash, m.hash);
}

/* Fill the empty directory. */
static inline void made_fill(struct lab *lab, uint64_t seed, struct made *made)
{
    char hash[HASH_TEXT_SIZE] = "";
    uint64_t random = seed | 1;

    memset(made, 0, sizeof(*made));
    if (mkdirat(lab->dirfd, "checkpoints", 0700) < 0)
        abort();
    for (unsigned i = 0; i < MADE_POINTS; i++)
        maker_point(lab, &random, i, made, hash);
    lab_text(lab, "vm one \xc3\xa4.cpt",
             "[\"virtnbdbackup.0\", \"virtnbdbackup.1\", "
             "\"virtnbdbackup.2\"]");
    lab_text(lab, "backup.full.01022026030405.log", "a log\n");
}

#endif
