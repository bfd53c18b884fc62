/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* survey.c - see survey.h */
#include "survey.h"

#include <inttypes.h>
#include <stdio.h>

#include "base/log.h"
#include "nbd/status.h"
#include "nbdinfo.h"
#include "unchanged.h"

#define CONNECT_TIMEOUT_MS 30000
#define SECTOR 512

/* What the whole disk holds. */
static int ask_allocation(const struct disk_task *task, const struct survey *s,
                          struct extent_list *ret, struct error *err)
{
    uint64_t size = nbd_conn_size(s->conn);

    /* An image of a disk nobody knows anything about is read as a whole. */
    if (task->raw && !nbd_conn_has_context(s->conn, STATUS_ALLOCATION))
        return extent_append(ret, 0, size, EXTENT_DATA, err);
    if (task->ask_nbdinfo)
        return nbdinfo_allocation(&task->target, size, task->io_timeout_ms, ret,
                                  err);
    return status_allocation(s->conn, task->io_timeout_ms, ret, err);
}

/* The same for the parts in `dirty` only. */
static int ask_allocation_within(const struct disk_task *task,
                                 const struct survey *s,
                                 const struct extent_list *dirty,
                                 struct extent_list *ret, struct error *err)
{
    _cleanup_extents_ struct extent_list all = EXTENT_LIST_INIT;

    if (!task->ask_nbdinfo)
        return status_allocation_within(s->conn, dirty, task->io_timeout_ms,
                                        ret, err);
    if (ask_allocation(task, s, &all, err) < 0)
        return -1;
    return extent_intersect(&all, dirty, ret, err);
}

/* What the bitmap calls changed; frees the connection. */
static int ask_dirty(const struct disk_task *task, const struct survey *s,
                     struct nbd_conn *own_conn, struct extent_list *ret,
                     struct error *err)
{
    _cleanup_(nbd_conn_closep) struct nbd_conn *conn = own_conn;

    if (!task->ask_nbdinfo)
        return status_dirty(conn, task->bitmap, task->io_timeout_ms, ret, err);
    /* nbdinfo is a client, too. */
    nbd_conn_close(take(conn));
    return nbdinfo_dirty(&task->target, task->bitmap, nbd_conn_size(s->conn),
                         task->io_timeout_ms, ret, err);
}

/* Everything is saved although the bitmap was to tell. */
static int give_up_bitmap(const struct disk_task *task, const char *why,
                          struct error *err)
{
    if (task->no_fallback)
        return error_set(err, ERR_INPUT,
                         "%s; without --no-fallback all of the disk would be "
                         "saved",
                         why);
    log_warning("%s; all of the disk is saved", why);
    return 0;
}

/* Can this disk's changes be told by its bitmap?  Outcomes 1, with a connection
 * for it, and 0.
 */
static int open_bitmap(const struct disk_task *task, const struct survey *s,
                       struct nbd_conn **ret, struct error *err)
{
    const char *const contexts[] = {task->bitmap, NULL};
    _cleanup_(nbd_conn_closep) struct nbd_conn *conn = NULL;
    char why[200];

    if (!task->bitmap)
        return 0;
    if (nbd_conn_size(s->conn) < task->parent_size)
        return give_up_bitmap(task, "the disk has shrunk", err);
    if (nbd_conn_open(&task->target, contexts, CONNECT_TIMEOUT_MS, &conn, err) <
        0)
        return -1;
    if (survey_check_size(s, conn, err) < 0)
        return -1;
    if (!nbd_conn_has_context(conn, task->bitmap)) {
        snprintf(why, sizeof(why), "QEMU does not offer the bitmap '%s'",
                 task->bitmap);
        return give_up_bitmap(task, why, err);
    }
    *ret = take(conn);
    return 1;
}

/* Has an image been changed in ways that its bitmap does not know of?  Outcome
 * 1: nothing of that kind was found.
 */
static int check_unchanged(const struct disk_task *task, const struct survey *s,
                           const struct extent_list *dirty, struct error *err)
{
    char why[200];
    uint64_t offset = 0;
    int r = unchanged_check(task, s->conn, dirty, &offset, err);

    if (r != 0)
        return r;
    snprintf(why, sizeof(why),
             "what lies at %" PRIu64 " is not what point '%s' holds, but was "
             "not changed by the guest: the image was rolled back, or written "
             "to by others",
             offset, task->parent);
    return give_up_bitmap(task, why, err);
}

/* The changed parts; which of them are zero is asked for these only, so that
 * the cost follows the change and not the disk.  Outcome 0: they are not all
 * that has changed.
 */
static int find_changes(const struct disk_task *task, struct survey *s,
                        struct nbd_conn *own_conn, struct error *err)
{
    _cleanup_extents_ struct extent_list dirty = EXTENT_LIST_INIT;
    int r;

    if (ask_dirty(task, s, own_conn, &dirty, err) < 0)
        return -1;
    r = check_unchanged(task, s, &dirty, err);
    if (r <= 0)
        return r;
    s->dirty_size = extent_total_all(&dirty);
    if (!task->read_zeroes)
        return ask_allocation_within(task, s, &dirty, &s->extents, err) < 0 ? -1
                                                                            : 1;
    s->extents = dirty;
    dirty = (struct extent_list)EXTENT_LIST_INIT;
    return 1;
}

/* Of an image that does not end with a sector QEMU shows the last one whole, or
 * not at all.
 */
static bool is_size_right(const struct disk_task *task, uint64_t size)
{
    uint64_t less = MIN_OF(size, task->size), more = MAX_OF(size, task->size);

    return !task->size_known || less == more ||
           (size % SECTOR == 0 && more - less < SECTOR);
}

static int check_size(const struct disk_task *task, uint64_t size,
                      struct error *err)
{
    if (is_size_right(task, size))
        return 0;
    return error_set(err, ERR_INPUT,
                     "its export has %" PRIu64 " bytes, but libvirt says that "
                     "the disk has %" PRIu64 ": another image is shown, or it "
                     "was resized behind libvirt's back",
                     size, task->size);
}

int survey_check_size(const struct survey *s, const struct nbd_conn *conn,
                      struct error *err)
{
    uint64_t size = nbd_conn_size(s->conn), other = nbd_conn_size(conn);

    if (other == size)
        return 0;
    return error_set(err, ERR_NBD,
                     "its export has %" PRIu64 " bytes, but %" PRIu64
                     " on another connection",
                     size, other);
}

int survey_make(const struct disk_task *task, struct survey *ret,
                struct error *err)
{
    static const char *const contexts[] = {STATUS_ALLOCATION, NULL};
    struct nbd_conn *bitmap = NULL;
    int r;

    if (nbd_conn_open(&task->target, contexts, CONNECT_TIMEOUT_MS, &ret->conn,
                      err) < 0 ||
        check_size(task, nbd_conn_size(ret->conn), err) < 0)
        return -1;
    r = open_bitmap(task, ret, &bitmap, err);
    if (r < 0)
        return -1;
    if (r > 0)
        r = find_changes(task, ret, bitmap, err);
    if (r < 0)
        return -1;
    ret->incremental = r > 0;
    if (ret->incremental)
        return 0;
    ret->dirty_size = nbd_conn_size(ret->conn);
    return ask_allocation(task, ret, &ret->extents, err);
}

void survey_done(struct survey *survey)
{
    nbd_conn_close(survey->conn);
    extent_list_free(&survey->extents);
}
