/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* disk.c - see disk.h */
#include "disk.h"

#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>

#include "base/cleanup.h"
#include "base/log.h"
#include "base/text.h"
#include "engine.h"
#include "nbd/status.h"
#include "stream/writer.h"

/* Reads of PLAN_READ_SIZE in flight; more do not make QEMU faster. */
#define READS_IN_FLIGHT 16

#define CONNECT_TIMEOUT_MS 30000

struct text_buffer {
    char *bytes;
    size_t length;
};

/* A stream_put into memory. */
static int collect_text(void *opaque, const void *bytes, size_t length,
                        struct error *err)
{
    struct text_buffer *text = opaque;
    char *bigger = realloc(text->bytes, text->length + length);

    if (!bigger)
        return error_memory(err);
    memcpy(bigger + text->length, bytes, length);
    text->bytes = bigger;
    text->length += length;
    return 0;
}

/* What an uncompressed file starts with. */
static int make_head(const struct meta *meta, struct text_buffer *ret,
                     struct error *err)
{
    _cleanup_writer_ struct stream_writer writer = WRITER_INIT;

    writer_init(&writer, collect_text, ret);
    return writer_meta(&writer, meta, err);
}

/* How many segments and frames the memory allows. */
static unsigned share(unsigned memory, size_t each, unsigned least)
{
    return MAX_OF((unsigned)(memory / each), least);
}

struct copying {
    const struct disk_task *task;
    struct nbd_conn *conn;
    bool incremental;
    struct extent_list extents;
    struct plan_totals totals;
    struct progress_disk *progress;
    struct outfile *out;
    struct index_writer *index;
    int wake_fd;
};

static struct plan_policy choose_policy(const struct copying *c)
{
    const struct disk_task *task = c->task;
    struct plan_policy policy = {
        .max_frame = task->level > 0 ? PLAN_CHUNK_SIZE : 0,
    };

    if (c->incremental) {
        /* Not every reader applies zero frames over older data: zeroes are
         * data, held as a hole of the file. */
        policy.zero_as_data = !task->zero_frames;
        policy.allocated_zero_as_data = !task->zero_frames;
    } else {
        /* Uncompressed, zeroes in data frames cost nothing (they are holes)
         * and the file equals upstream's; compressed, they cost four bytes in
         * a thousand, which only `cover` is worth. */
        bool cover = task->cover || task->bitmap;

        policy.zero_as_data = cover;
        policy.allocated_zero_as_data = cover || task->level == 0;
    }
    return policy;
}

static void fill_meta(const struct copying *c, char *date, struct meta *ret)
{
    const struct disk_task *task = c->task;

    meta_date_now(date);
    *ret = (struct meta){
        .virtual_size = nbd_conn_size(c->conn),
        .data_size = c->totals.data_size,
        .date = date,
        .disk_name = (char *)task->name,
        .disk_format = (char *)task->format,
        .checkpoint_name = (char *)task->checkpoint,
        .parent_checkpoint = (char *)(c->incremental ? task->parent : ""),
        .incremental = c->incremental,
        .compressed = task->level > 0,
        .level = task->level,
        /* Without this key upstream's readers stop with an error, instead of
         * passing over zero frames. */
        .no_compressed_key = c->incremental && task->zero_frames,
    };
}

static void copying_done(struct copying *c)
{
    outfile_free(c->out);
    index_writer_free(c->index);
    nbd_conn_close(c->conn);
    extent_list_free(&c->extents);
    closep(&c->wake_fd);
}

static int open_output(struct copying *c, struct error *err)
{
    const struct disk_task *task = c->task;
    unsigned memory = task->level > 0 ? task->memory / 3 : task->memory;

    c->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (c->wake_fd < 0)
        return error_errno(err, errno, "make an event descriptor");
    if (index_writer_new(task->dirfd, task->index_file, nbd_conn_size(c->conn),
                         &c->index, err) < 0)
        return -1;
    return outfile_open(task->sink, task->data_file,
                        share(memory, OUT_SEGMENT_SIZE, 2), task->writers,
                        c->progress, c->wake_fd, &c->out, err);
}

static int run_engine(struct copying *c, const struct meta *meta,
                      const struct plan_policy *policy, uint64_t *ret_size,
                      struct error *err)
{
    const struct disk_task *task = c->task;
    struct text_buffer head = {NULL, 0};
    _cleanup_free_ char *head_bytes = NULL;
    struct engine e = {
        .meta = meta,
        .extents = &c->extents,
        .policy = *policy,
        .out = c->out,
        .index = c->index,
        .codecs = task->codecs,
        .progress = c->progress,
        .level = task->level,
        /* A frame takes its plain bytes and about as many coded ones. */
        .frames = share(task->memory / 3 * 2, 2 * PLAN_CHUNK_SIZE, 2),
        .wake_fd = c->wake_fd,
    };

    if (pull_new(&c->conn, 1, READS_IN_FLIGHT, task->io_timeout_ms, &e.pull,
                 err) < 0)
        return -1;
    if (task->level > 0)
        return engine_packed(&e, ret_size, err);
    if (make_head(meta, &head, err) < 0) {
        pull_free(e.pull);
        free(head.bytes);
        return -1;
    }
    head_bytes = head.bytes;
    e.head = head_bytes;
    e.head_length = head.length;
    return engine_plain(&e, ret_size, err);
}

static int finish_files(struct copying *c, struct disk_result *ret,
                        struct error *err)
{
    _cleanup_error_ struct error ignored = ERROR_INIT;

    if (outfile_finish(c->out, ret->file_size, &ret->adler, err) < 0)
        return -1;
    if (index_writer_finish(c->index, ret->file_size, ret->index_hash, err) ==
        0)
        return 0;
    /* Finished, the data file no longer goes by itself. */
    if (sink_remove(c->task->sink, c->task->data_file, &ignored) < 0)
        log_debug("%s", error_text(&ignored));
    return -1;
}

/* Write the file and the index; both complete and durable in the end. */
static int copy_disk(struct copying *c, struct disk_result *ret,
                     struct error *err)
{
    const struct disk_task *task = c->task;
    struct plan_policy policy = choose_policy(c);
    char date[META_DATE_SIZE];
    struct meta meta;

    plan_totals(&c->extents, &policy, &c->totals);
    fill_meta(c, date, &meta);
    c->progress = progress_add(task->progress, task->name, c->totals.read_size);
    if (open_output(c, err) < 0 ||
        run_engine(c, &meta, &policy, &ret->file_size, err) < 0 ||
        finish_files(c, ret, err) < 0)
        return -1;
    ret->whole = task->bitmap && !c->incremental;
    ret->virtual_size = meta.virtual_size;
    ret->data_size = c->totals.data_size;
    ret->zero_size = c->totals.hole_size + c->totals.zero_size;
    ret->read_size = c->totals.read_size;
    progress_done(c->progress);
    return 0;
}

/* Can this disk's changes be told by its bitmap?  Outcomes 1 and 0. */
static int open_bitmap(struct copying *c, struct nbd_conn **ret,
                       struct error *err)
{
    const struct disk_task *task = c->task;
    const char *const contexts[] = {task->bitmap, NULL};
    _cleanup_(nbd_conn_closep) struct nbd_conn *conn = NULL;

    if (!task->bitmap)
        return 0;
    if (nbd_conn_size(c->conn) < task->parent_size) {
        log_warning("the disk has shrunk; all of it is saved");
        return 0;
    }
    if (nbd_conn_open(&task->target, contexts, CONNECT_TIMEOUT_MS, &conn, err) <
        0)
        return -1;
    if (!nbd_conn_has_context(conn, task->bitmap)) {
        log_warning("QEMU does not offer the bitmap '%s'; all of the disk is "
                    "saved",
                    task->bitmap);
        return 0;
    }
    *ret = take(conn);
    return 1;
}

/* The changed parts; which of them are zero is asked for these only, so that
 * the cost follows the change and not the disk.
 */
static int find_changes(struct copying *c, struct nbd_conn *conn,
                        struct error *err)
{
    const struct disk_task *task = c->task;
    _cleanup_extents_ struct extent_list dirty = EXTENT_LIST_INIT;

    if (task->read_zeroes)
        return status_dirty(conn, task->bitmap, task->io_timeout_ms,
                            &c->extents, err);
    if (status_dirty(conn, task->bitmap, task->io_timeout_ms, &dirty, err) < 0)
        return -1;
    return status_allocation_within(c->conn, &dirty, task->io_timeout_ms,
                                    &c->extents, err);
}

static int find_extents(struct copying *c, struct error *err)
{
    _cleanup_(nbd_conn_closep) struct nbd_conn *bitmap = NULL;
    int r = open_bitmap(c, &bitmap, err);

    if (r < 0)
        return -1;
    c->incremental = r > 0;
    if (c->incremental)
        return find_changes(c, bitmap, err);
    return status_allocation(c->conn, c->task->io_timeout_ms, &c->extents, err);
}

int disk_back_up(const struct disk_task *task, struct disk_result *ret,
                 struct error *err)
{
    static const char *const contexts[] = {STATUS_ALLOCATION, NULL};
    _cleanup_(copying_done) struct copying c = {.task = task, .wake_fd = -1};
    struct disk_result result = {0};

    if (nbd_conn_open(&task->target, contexts, CONNECT_TIMEOUT_MS, &c.conn,
                      err) < 0 ||
        find_extents(&c, err) < 0)
        return -1;
    log_debug("%zu extents in %llu bytes", c.extents.count,
              (unsigned long long)nbd_conn_size(c.conn));
    if (copy_disk(&c, &result, err) < 0)
        return -1;
    *ret = result;
    return 0;
}
