/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* make-set.c - a large compressed chain that takes little room
 *
 * usage: map-make-set DIRECTORY GIB INCREMENTS PERCENT
 *
 * A full of a disk of so many GiB without zeroes, in frames of 1 MiB; then
 * increments, each of so many in a hundred of its pieces of 64 KiB, drawn one
 * by one, so that there are as many frames as can be.  All frames of a size are
 * one of a few, so that they need not be compressed one by one.  SEED draws.
 */
#include "../common/set/lab.h"

#include "stream/codec.h"

#define KINDS 8
#define CLUSTER (64 * KIB)

/* A frame that is written many times. */
struct stamp {
    size_t length, stored;
    char *bytes;
    unsigned char hash[INDEX_HASH_SIZE];
};

static struct stamp full[KINDS], part[KINDS];

static void make_stamp(struct stamp *s, size_t length, uint64_t *seed)
{
    _cleanup_error_ struct error err = ERROR_INIT;
    _cleanup_(codec_freep) struct codec *codec = codec_new(&err);
    _cleanup_free_ uint64_t *plain = malloc(length);
    uint64_t word = 0;

    /* Compresses a lot, so that a long chain is small. */
    for (size_t i = 0; i < length / sizeof(*plain); i++)
        plain[i] = word = i % 1024 ? word : lab_random(seed);
    s->length = length;
    s->bytes = malloc(codec_bound(length));
    CHECK_OK(codec_encode(codec, 1, plain, length, s->bytes,
                          codec_bound(length), &s->stored, &err),
             &err);
    index_hash_block(plain, length, s->hash);
}

struct target {
    struct lab *lab;
    int fd;
    struct stream_writer writer;
    struct index_writer *index;
};

static void put_stamp(struct target *t, uint64_t offset, const struct stamp *s)
{
    _cleanup_error_ struct error err = ERROR_INIT;
    struct index_record r = {
        .offset = offset,
        .length = s->length,
        .stored_length = s->stored,
        .kind = INDEX_DATA,
        .compressed = true,
        .hashed = true,
    };

    memcpy(r.hash, s->hash, sizeof(r.hash));
    CHECK_OK(writer_data_begin(&t->writer, offset, s->length, &err), &err);
    r.file_offset = writer_position(&t->writer);
    lab_put(&t->fd, s->bytes, s->stored, NULL);
    CHECK_OK(writer_data_end(&t->writer, s->stored, &err), &err);
    CHECK_OK(index_writer_add(t->index, &r, &err), &err);
}

/* The pieces of an increment: a byte for each. */
static uint64_t draw(unsigned char *pieces, size_t count, unsigned percent,
                     uint64_t *seed)
{
    uint64_t drawn = 0;

    for (size_t i = 0; i < count; i++) {
        pieces[i] = lab_random(seed) % 100 < percent;
        drawn += pieces[i];
    }
    return drawn;
}

/* Its data file and index; fills what the manifest says of them. */
static void make_file(struct lab *lab, struct meta *meta, const char *file,
                      const char *index, const unsigned char *pieces,
                      struct manifest_disk *d)
{
    _cleanup_error_ struct error err = ERROR_INIT;
    uint64_t size = meta->virtual_size;
    struct target t = {
        .lab = lab,
        .fd = openat(lab->dirfd, file, O_WRONLY | O_CREAT | O_EXCL, 0600),
        .writer = WRITER_INIT,
    };

    CHECK_OK(index_writer_new(lab->dirfd, index, size, &t.index, &err), &err);
    writer_init(&t.writer, lab_put, &t.fd);
    CHECK_OK(writer_meta(&t.writer, meta, &err), &err);
    for (uint64_t at = 0; !meta->incremental && at < size; at += MIB)
        put_stamp(&t, at, &full[at / MIB % KINDS]);
    for (size_t i = 0; meta->incremental && i < size / CLUSTER; i++)
        if (pieces[i])
            put_stamp(&t, i * CLUSTER, &part[i % KINDS]);
    CHECK_OK(writer_stop(&t.writer, &err), &err);
    CHECK_OK(writer_trailer(&t.writer, &err), &err);
    close(t.fd);
    d->compressed = true;
    d->virtual_size = size;
    d->data_size = meta->data_size;
    d->file_size = writer_position(&t.writer);
    CHECK_OK(index_writer_finish(t.index, d->file_size, d->index_hash, &err),
             &err);
    CHECK_OK(index_publish(lab->dirfd, index, &err), &err);
    index_writer_free(t.index);
    writer_done(&t.writer);
}

static void make_point(struct lab *lab, unsigned number, uint64_t size,
                       unsigned percent, uint64_t *seed,
                       char hash[HASH_TEXT_SIZE])
{
    _cleanup_error_ struct error err = ERROR_INIT;
    _cleanup_manifest_ struct manifest m = MANIFEST_INIT;
    _cleanup_free_ unsigned char *pieces = calloc(1, size / CLUSTER);
    char name[64] = "", parent[64] = "";
    struct name_text file = {""}, index = {""};
    struct lab_plan plan = {
        .name = name,
        .level = number ? LEVEL_INC : LEVEL_FULL,
        .uuid = number + 1,
        .sequence = number,
        .previous = hash,
    };
    struct meta meta = {
        .virtual_size = size,
        .data_size = size,
        .date = (char *)"2026-01-02T03:04:05.000001",
        .disk_name = (char *)"vda",
        .disk_format = (char *)"qcow2",
        .checkpoint_name = name,
        .parent_checkpoint = parent,
        .incremental = number > 0,
        .compressed = true,
        .level = 1,
    };
    struct manifest_disk *d = NULL;

    snprintf(name, sizeof(name), "virtnbdbackup.%u", number);
    if (number) {
        snprintf(parent, sizeof(parent), "virtnbdbackup.%u", number - 1);
        meta.data_size =
            draw(pieces, (size_t)(size / CLUSTER), percent, seed) * CLUSTER;
    }
    lab_manifest(&plan, &m);
    d = manifest_add_disk(&m, &err);
    CHECK_OK(name_data("vda", plan.level, name, &file, &err), &err);
    CHECK_OK(name_index(file.text, &index, &err), &err);
    make_file(lab, &meta, file.text, index.text, pieces, d);
    CHECK_EQ_INT(manifest_set(&d->target, "vda", &err), 0);
    CHECK_EQ_INT(manifest_set(&d->file, file.text, &err), 0);
    CHECK_EQ_INT(manifest_set(&d->index, index.text, &err), 0);
    CHECK_EQ_INT(manifest_set(&d->format, "qcow2", &err), 0);
    CHECK_EQ_INT(manifest_set(&d->checkpoint, name, &err), 0);
    if (number)
        lab_uuid(number, d->parent);
    d->level = plan.level;
    CHECK_OK(manifest_write(lab->dirfd, &m, &err), &err);
    memcpy(hash, m.hash, HASH_TEXT_SIZE);
}

int main(int argc, char **argv)
{
    const char *given = getenv("SEED");
    uint64_t seed = given ? strtoull(given, NULL, 0) | 1 : 1;
    char hash[HASH_TEXT_SIZE] = "";
    struct lab lab = {"", -1};

    if (argc != 5) {
        fprintf(stderr, "usage: map-make-set DIRECTORY GIB INCREMENTS "
                        "PERCENT\n");
        return 1;
    }
    lab.dirfd = open(argv[1], O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (lab.dirfd < 0) {
        perror(argv[1]);
        return 1;
    }
    for (size_t i = 0; i < KINDS; i++) {
        make_stamp(&full[i], (size_t)MIB, &seed);
        make_stamp(&part[i], (size_t)CLUSTER, &seed);
    }
    for (unsigned i = 0; i <= strtoul(argv[3], NULL, 10); i++)
        make_point(&lab, i, strtoull(argv[2], NULL, 10) * GIB,
                   (unsigned)strtoul(argv[4], NULL, 10), &seed, hash);
    for (size_t i = 0; i < KINDS; i++) {
        free(full[i].bytes);
        free(part[i].bytes);
    }
    close(lab.dirfd);
    return check_this_failed;
}
