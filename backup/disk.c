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
#include "stream/writer.h"
#include "survey.h"

/* Connections to read from, where the server takes several. */
#define CONNECTIONS 2

/* Reads of PLAN_READ_SIZE in flight, over all connections; more do not make
 * QEMU faster. */
#define READS_IN_FLIGHT 16

/* Longer than this nobody waits for a connection that is not necessary. */
#define MORE_TIMEOUT_MS 500
#define FAR_TIMEOUT_MS 30000

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
    struct survey survey;
    struct nbd_conn *conns[DISK_CONNECTIONS_MAX]; /* the first one is the
                                                     survey's */
    size_t conn_count;
    struct plan_totals totals;
    struct progress_disk *progress;
    struct outfile *out;
    struct index_writer *index;
    int wake_fd;
};

static struct plan_policy choose_policy(const struct disk_task *task,
                                        bool incremental)
{
    struct plan_policy policy = {
        .max_frame = task->level > 0 ? PLAN_CHUNK_SIZE : 0,
    };

    if (task->raw) {
        policy.zero_as_data = true;
        policy.allocated_zero_as_data = true;
    } else if (incremental) {
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
        .virtual_size = nbd_conn_size(c->survey.conn),
        .data_size = c->totals.data_size,
        .date = date,
        .disk_name = (char *)task->name,
        .disk_format = (char *)task->format,
        .checkpoint_name = (char *)task->checkpoint,
        .parent_checkpoint =
            (char *)(c->survey.incremental ? task->parent : ""),
        .incremental = c->survey.incremental,
        .compressed = task->level > 0,
        .level = task->level,
        /* Without this key upstream's readers stop with an error, instead of
         * passing over zero frames. */
        .no_compressed_key = c->survey.incremental && task->zero_frames,
    };
}

static void copying_done(struct copying *c)
{
    outfile_free(c->out);
    index_writer_free(c->index);
    for (size_t i = 1; i < c->conn_count; i++)
        nbd_conn_close(c->conns[i]);
    survey_done(&c->survey);
    closep(&c->wake_fd);
}

static int open_output(struct copying *c, struct error *err)
{
    const struct disk_task *task = c->task;
    unsigned memory = task->level > 0 ? task->memory / 3 : task->memory;

    c->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (c->wake_fd < 0)
        return error_errno(err, errno, "make an event descriptor");
    if (index_writer_new(task->dirfd, task->index_file,
                         nbd_conn_size(c->survey.conn), &c->index, err) < 0)
        return -1;
    return outfile_open(task->sink, task->data_file,
                        share(memory, OUT_SEGMENT_SIZE, 2), task->writers,
                        c->progress, c->wake_fd, &c->out, err);
}

/* More connections to the same export: while the server sends on one, it can
 * read for the other.  Where it does not take them, one does.
 */
static int open_more(struct copying *c, struct error *err)
{
    const struct disk_task *task = c->task;
    unsigned wanted = task->far_away ? DISK_CONNECTIONS_MAX : CONNECTIONS;
    int timeout_ms = task->far_away ? FAR_TIMEOUT_MS : MORE_TIMEOUT_MS;

    c->conns[0] = c->survey.conn;
    c->conn_count = 1;
    while (c->conn_count < wanted && nbd_conn_can_multi(c->survey.conn)) {
        _cleanup_error_ struct error why = ERROR_INIT;

        if (nbd_conn_open(&task->target, NULL, timeout_ms,
                          &c->conns[c->conn_count], &why) == 0) {
            if (survey_check_size(&c->survey, c->conns[c->conn_count++], err) <
                0)
                return -1;
            continue;
        }
        if (why.kind == ERR_STOPPED) {
            error_move(err, &why);
            return -1;
        }
        log_debug("one connection only: %s", error_text(&why));
        break;
    }
    return 0;
}

static int run_engine(struct copying *c, const struct meta *meta,
                      const struct plan_policy *policy, uint64_t *ret_size,
                      struct error *err)
{
    const struct disk_task *task = c->task;
    struct text_buffer head = {NULL, 0};
    _cleanup_free_ char *head_bytes = NULL;
    struct engine e = {
        .raw = task->raw,
        .meta = meta,
        .extents = &c->survey.extents,
        .policy = *policy,
        .out = c->out,
        .index = c->index,
        .codecs = task->codecs,
        .progress = c->progress,
        .rate = task->rate,
        .level = task->level,
        /* A frame takes its plain bytes and about as many coded ones. */
        .frames = share(task->memory / 3 * 2, 2 * PLAN_CHUNK_SIZE, 2),
        .wake_fd = c->wake_fd,
    };

    if (open_more(c, err) < 0 ||
        pull_new(c->conns, c->conn_count,
                 task->far_away ? READS_IN_FLIGHT
                                : (unsigned)(READS_IN_FLIGHT / c->conn_count),
                 task->io_timeout_ms, &e.pull, err) < 0)
        return -1;
    if (task->level > 0)
        return engine_packed(&e, ret_size, err);
    if (!task->raw && make_head(meta, &head, err) < 0) {
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

/* The one line about what is going to be read, and why that. */
static void log_survey(const struct copying *c)
{
    char part[TEXT_SIZE_ROOM], size[TEXT_SIZE_ROOM];

    text_size(nbd_conn_size(c->survey.conn), size);
    if (c->survey.incremental)
        log_info("changes since '%s': %s of %s", c->task->parent,
                 text_size(c->survey.dirty_size, part), size);
    else
        log_info("everything is read: %s of %s in use",
                 text_size(c->totals.read_size, part), size);
    log_debug("%zu extents", c->survey.extents.count);
}

static void fill_result(const struct copying *c, struct disk_result *ret)
{
    ret->whole = c->task->bitmap && !c->survey.incremental;
    ret->virtual_size = nbd_conn_size(c->survey.conn);
    ret->dirty_size = c->survey.dirty_size;
    ret->extent_count = c->survey.extents.count;
    ret->read_size = c->totals.read_size;
    ret->data_size = c->totals.data_size;
    ret->zero_size = c->totals.hole_size + c->totals.zero_size;
    if (c->task->raw) {
        /* The engine has found zeroes that the server did not tell. */
        ret->data_size = index_writer_data_size(c->index);
        ret->zero_size = index_writer_zero_size(c->index);
    }
}

/* Write the file and the index; both complete and durable in the end. */
static int copy_disk(struct copying *c, struct disk_result *ret,
                     struct error *err)
{
    const struct disk_task *task = c->task;
    struct plan_policy policy = choose_policy(task, c->survey.incremental);
    char date[META_DATE_SIZE];
    struct meta meta;

    plan_totals(&c->survey.extents, &policy, &c->totals);
    log_survey(c);
    fill_meta(c, date, &meta);
    c->progress = progress_add(task->progress, task->name, c->totals.read_size);
    if (open_output(c, err) < 0 ||
        run_engine(c, &meta, &policy, &ret->file_size, err) < 0 ||
        finish_files(c, ret, err) < 0)
        return -1;
    fill_result(c, ret);
    progress_done(c->progress);
    return 0;
}

/* An image can hold neither what is compressed nor a part of a disk. */
static int check_task(const struct disk_task *task, struct error *err)
{
    if (task->raw && (task->level > 0 || task->bitmap))
        return error_set(err, ERR_INPUT,
                         "a raw image holds a whole disk, uncompressed");
    return 0;
}

int disk_back_up(const struct disk_task *task, struct disk_result *ret,
                 struct error *err)
{
    _cleanup_(copying_done) struct copying c = {.task = task, .wake_fd = -1};
    struct disk_result result = {0};

    if (check_task(task, err) < 0 || survey_make(task, &c.survey, err) < 0 ||
        copy_disk(&c, &result, err) < 0)
        return -1;
    *ret = result;
    return 0;
}

int disk_examine(const struct disk_task *task, struct disk_examined *ret,
                 struct error *err)
{
    _cleanup_(survey_done) struct survey survey = {0};
    struct plan_policy policy;
    struct plan_totals totals;

    if (check_task(task, err) < 0 || survey_make(task, &survey, err) < 0)
        return -1;
    policy = choose_policy(task, survey.incremental);
    plan_totals(&survey.extents, &policy, &totals);
    *ret = (struct disk_examined){
        .incremental = survey.incremental,
        .virtual_size = nbd_conn_size(survey.conn),
        .extent_count = survey.extents.count,
        .data_size = totals.read_size,
        .zero_size = totals.hole_size + totals.zero_size,
    };
    return 0;
}
