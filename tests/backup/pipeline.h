/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* pipeline.h - one disk through backup and restore, for tests of both
 *
 * Images made by qemu-io, served by real servers, backed up by disk_back_up
 * into a directory of their own; the truth is what qemu-img makes of the
 * image.  Knows nothing of what is checked (verify.h).
 */
#ifndef TESTS_BACKUP_PIPELINE_H
#define TESTS_BACKUP_PIPELINE_H

#include <fcntl.h>
#include <pthread.h>
#include <sys/stat.h>

#include "../common/nbd/servers.h"
#include "../common/set/lab.h"
#include "backup/disk.h"
#include "base/stop.h"
#include "restore/disk.h"
#include "set/chain.h"
#include "set/manifest.h"
#include "sink/dir.h"

#define LITTLE_MEMORY 1 /* byte: the least that the engines can do with */
#define MUCH_MEMORY (24U << 20)

/* How to back up. */
struct variant {
    int level;
    bool cover;
    unsigned memory;
    bool raw;
};

/* A directory for one backup of one disk, and the threads for it. */
struct bench {
    struct lab lab;
    struct sink *sink;
    struct workers *writers, *codecs;
    struct progress *progress; /* NULL, or the test's */
    struct name_text data, index;
    struct disk_result result;
};

static inline void bench_done(struct bench *b)
{
    workers_free(b->writers);
    workers_free(b->codecs);
    progress_free(b->progress);
    sink_free(b->sink);
    lab_done(&b->lab);
}
#define _cleanup_bench_ __attribute__((cleanup(bench_done)))

static inline struct bench bench_new(void)
{
    _cleanup_error_ struct error err = ERROR_INIT;
    struct bench b = {.lab = lab_new()};

    CHECK_OK(dir_sink_new(b.lab.dirfd, DIR_AUTO, &b.sink, &err), &err);
    CHECK_OK(name_data("vda", LEVEL_FULL, NULL, &b.data, &err), &err);
    CHECK_OK(name_index(b.data.text, &b.index, &err), &err);
    b.writers = workers_new(2, "writer", &err);
    b.codecs = workers_new(2, "codec", &err);
    if (!b.sink || !b.writers || !b.codecs)
        abort();
    return b;
}

static inline struct disk_task bench_task(const struct bench *b,
                                          const struct server *s,
                                          const struct variant *v)
{
    return (struct disk_task){
        .name = "vda",
        .format = "qcow2",
        .target = {.socket_path = s->socket},
        .sink = b->sink,
        .dirfd = b->lab.dirfd,
        .data_file = b->data.text,
        .index_file = b->index.text,
        .raw = v->raw,
        .checkpoint = "virtnbdbackup.0",
        .parent = "",
        .level = v->level,
        .cover = v->cover,
        .memory = v->memory,
        .writers = b->writers,
        .codecs = b->codecs,
        .progress = b->progress,
        .io_timeout_ms = IO_MS,
    };
}

/* Back up and give both files their names; true if all went well. */
static inline bool bench_back_up(struct bench *b, const struct server *s,
                                 const struct variant *v)
{
    _cleanup_error_ struct error err = ERROR_INIT;
    struct disk_task task = bench_task(b, s, v);

    if (disk_back_up(&task, &b->result, &err) < 0 ||
        index_publish(b->lab.dirfd, b->index.text, &err) < 0 ||
        sink_publish(b->sink, b->data.text, &err) < 0) {
        CHECK_FAIL("backup failed: %s", error_text(&err));
        return false;
    }
    return true;
}

/* Names in the bench's directory. */
static inline unsigned bench_files(const struct bench *b)
{
    _cleanup_(closedirp) DIR *dir = opendir(b->lab.path);
    struct dirent *entry = NULL;
    unsigned count = 0;

    while (dir && (entry = readdir(dir)))
        if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0)
            count++;
    return count;
}

/* Make the point exist. */
static inline void bench_commit(struct bench *b, const struct variant *v)
{
    _cleanup_error_ struct error err = ERROR_INIT;
    _cleanup_manifest_ struct manifest m = MANIFEST_INIT;
    struct lab_plan plan = {.name = "virtnbdbackup.0", .level = LEVEL_FULL};
    struct manifest_disk *d = manifest_add_disk(&m, &err);

    lab_manifest(&plan, &m);
    d->level = LEVEL_FULL;
    d->raw = v->raw;
    d->compressed = v->level > 0;
    d->virtual_size = b->result.virtual_size;
    d->data_size = b->result.data_size;
    d->zero_size = b->result.zero_size;
    d->file_size = b->result.file_size;
    memcpy(d->index_hash, b->result.index_hash, sizeof(d->index_hash));
    CHECK_OK(manifest_set(&d->target, "vda", &err), &err);
    CHECK_OK(manifest_set(&d->file, b->data.text, &err), &err);
    CHECK_OK(manifest_set(&d->index, b->index.text, &err), &err);
    CHECK_OK(manifest_set(&d->checkpoint, "virtnbdbackup.0", &err), &err);
    CHECK_OK(manifest_set(&d->format, "qcow2", &err), &err);
    CHECK_OK(manifest_write(b->lab.dirfd, &m, &err), &err);
}

/* Write the newest state of disk vda in the directory to the server; `blank`:
 * which reads as zeroes.
 */
static inline int lab_restore_onto(const struct lab *lab,
                                   const struct server *s, bool blank,
                                   struct error *err)
{
    _cleanup_(chain_freep) struct chain *chain = NULL;
    _cleanup_selection_ struct selection selection = SELECTION_INIT;
    _cleanup_(nbd_conn_closep) struct nbd_conn *conn = NULL;
    struct disk_target target = {.server = {.socket_path = s->socket},
                                 .blank = blank};
    struct source source;
    int r;

    if (nbd_conn_open(&target.server, NULL, CONNECT_MS, &conn, err) < 0 ||
        chain_open(lab->dirfd, &chain, err) < 0 ||
        chain_select(chain, NULL, &selection, err) < 0 ||
        source_open(chain, &selection.disks[0], &source, err) < 0)
        return -1;
    target.conn = conn;
    r = disk_restore(&source, &target, NULL, err);
    source_done(&source);
    return r;
}

static inline int lab_restore(const struct lab *lab, const struct server *s,
                              struct error *err)
{
    return lab_restore_onto(lab, s, true, err);
}

/* Images. */

static inline uint64_t below(uint64_t limit)
{
    return (((uint64_t)random() << 31) | (uint64_t)random()) % limit;
}

/* One random command for qemu-io on a disk of `size` bytes: data, allocated
 * zeroes, holes.  Places are multiples of 512.
 */
static inline void put_command(FILE *f, uint64_t size, uint64_t longest)
{
    static const char *const zeroes[] = {"write -z", "write -zu", "discard"};
    uint64_t length = (1 + below(longest / 512)) * 512;
    uint64_t offset = 0;

    length = MIN_OF(length, size);
    offset = below(size / 512 + 1) * 512;
    offset = MIN_OF(offset, size - length);
    if (random() % 3 == 0)
        fprintf(f, "%s %" PRIu64 " %" PRIu64 "\n", zeroes[random() % 3], offset,
                length);
    else if (random() % 3 == 0)
        fprintf(f, "write -s random %" PRIu64 " %" PRIu64 "\n", offset, length);
    else
        fprintf(f, "write -P %d %" PRIu64 " %" PRIu64 "\n",
                (int)(random() % 256), offset, length);
}

struct image {
    uint64_t size;
    unsigned cluster;
    unsigned writes;  /* random commands */
    uint64_t longest; /* of one, bytes */
    bool full;        /* written all over before */
    const char *more; /* commands, or NULL */
};

/* Make `a.qcow2`, and what is in it as `a.raw`. */
static inline bool image_make(const struct image *image)
{
    char path[128] = "";
    FILE *f = NULL;

    snprintf(path, sizeof(path), "%s/commands", work_dir);
    f = fopen(path, "w");
    if (!f)
        return false;
    if (image->full && image->size > 0)
        fprintf(f, "write -s random 0 %" PRIu64 "\n", image->size);
    for (unsigned i = 0; i < image->writes; i++)
        put_command(f, image->size, image->longest);
    if (image->more)
        fputs(image->more, f);
    fclose(f);
    printf("# size %" PRIu64 ", clusters of %u, %u writes\n", image->size,
           image->cluster, image->writes);
    return shell("[ -e random ] || head -c 3000000 /dev/urandom >random") &&
           shell("rm -f a.qcow2 a.raw; qemu-img create -q -f qcow2 -o "
                 "cluster_size=%u a.qcow2 %" PRIu64,
                 image->cluster, image->size) &&
           shell("qemu-io -f qcow2 a.qcow2 <commands >io 2>&1; "
                 "! grep -iE 'fail|error|invalid' io") &&
           shell("qemu-img convert -f qcow2 -O raw a.qcow2 a.raw");
}

static inline int work_open(const char *name)
{
    char path[128] = "";

    snprintf(path, sizeof(path), "%s/%s", work_dir, name);
    return open(path, O_RDONLY | O_CLOEXEC);
}

#endif
