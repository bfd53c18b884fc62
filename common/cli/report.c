/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* report.c - see report.h
 *
 * A lack of memory is seen where a value is missing, at the end.
 */
#include "cli/report.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <jansson.h>

#include "base/cleanup.h"
#include "base/json.h"
#include "base/text.h"

struct report_disk report_total(const struct report *r)
{
    struct report_disk sum = {0};

    for (size_t i = 0; i < r->disk_count; i++) {
        const struct report_disk *d = &r->disks[i];

        sum.virtual_size += d->virtual_size;
        sum.changed_size += d->changed_size;
        sum.read_size += d->read_size;
        sum.zero_size += d->zero_size;
        sum.stored_size += d->stored_size;
        sum.extent_count += d->extent_count;
        sum.lost_tracking |= d->lost_tracking;
    }
    return sum;
}

/* What stands there may quote anything; JSON is UTF-8. */
static json_t *json_text(const char *text)
{
    _cleanup_free_ char *escaped = NULL;

    if (!text)
        return json_null();
    escaped = text_escape(text);
    return escaped ? json_string(escaped) : NULL;
}

static json_t *json_size(uint64_t size)
{
    return json_integer((json_int_t)size);
}

static json_t *json_known(int64_t number)
{
    return number < 0 ? json_null() : json_integer(number);
}

static json_t *json_time(int64_t when)
{
    char text[32];
    struct tm tm;
    time_t seconds = (time_t)when;

    if (!gmtime_r(&seconds, &tm))
        return json_null();
    strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%SZ", &tm);
    return json_string(text);
}

static const char *result_text(enum report_result result)
{
    static const char *const texts[] = {
        [REPORT_COMPLETE] = "complete",
        [REPORT_SKIPPED] = "skipped",
        [REPORT_FAILED] = "failed",
    };

    return texts[result];
}

static json_t *json_sizes(const struct report_disk *d)
{
    return json_pack(
        "{s:o, s:o, s:o, s:o, s:o, s:o}", "virtualBytes",
        json_size(d->virtual_size), "changedBytes", json_size(d->changed_size),
        "readBytes", json_size(d->read_size), "zeroBytes",
        json_size(d->zero_size), "storedBytes", json_size(d->stored_size),
        "extents", json_size(d->extent_count));
}

static json_t *json_disk(const struct report_disk *d)
{
    json_t *disk = json_pack(
        "{s:o, s:o, s:o, s:b, s:o}", "target", json_text(d->target), "level",
        json_text(d->level), "parent", json_text(d->parent), "lostTracking",
        d->lost_tracking, "durationMs", json_size(d->duration_ms));

    if (disk && json_object_update_new(disk, json_sizes(d)) < 0) {
        json_decref(disk);
        return NULL;
    }
    return disk;
}

static json_t *json_point(const struct report *r)
{
    if (!r->point)
        return json_null();
    return json_pack("{s:o, s:o, s:o}", "name", json_text(r->point), "uuid",
                     json_text(r->point_uuid), "sequence",
                     json_size(r->sequence));
}

static json_t *json_set(const struct report *r)
{
    return json_pack(
        "{s:o, s:o, s:o, s:o, s:o, s:o, s:o}", "directory",
        json_text(r->directory), "chain", json_text(r->chain_uuid), "points",
        json_known(r->set_points), "bytes", json_known(r->set_size),
        "chainLength", json_known(r->chain_length), "lostTracking",
        json_known(r->set_lost_tracking), "newestPoint",
        r->last_success < 0 ? json_null() : json_time(r->last_success));
}

static json_t *json_run(const struct report *r)
{
    return json_pack(
        "{s:o, s:o, s:o, s:o, s:s, s:i, s:o, s:o, s:o, s:o, s:o}", "domain",
        json_pack("{s:o, s:o}", "name", json_text(r->domain), "uuid",
                  json_text(r->domain_uuid)),
        "levelAsked", json_text(r->level_asked), "levelDone",
        json_text(r->level_done), "point", json_point(r), "result",
        result_text(r->result), "exitStatus", r->exit_status, "error",
        json_text(r->error), "begun", json_time(r->begun), "ended",
        json_time(r->ended), "durationMs", json_size(r->duration_ms),
        "frozenMs", json_size(r->frozen_ms));
}

int report_json(const struct report *r, char **ret_text, struct error *err)
{
    const struct report_disk total = report_total(r);
    json_auto_t *root = json_pack("{s:i, s:s, s:s}", "format", REPORT_FORMAT,
                                  "program", r->program, "version", VERSION);
    json_auto_t *warnings = json_array();
    json_auto_t *disks = json_array();
    _cleanup_free_ char *text = NULL;
    char *line = NULL;

    for (size_t i = 0; i < r->warning_count; i++)
        json_array_append_new(warnings, json_text(r->warnings[i]));
    for (size_t i = 0; i < r->disk_count; i++)
        json_array_append_new(disks, json_disk(&r->disks[i]));
    if (json_object_update_new(root, json_run(r)) < 0 ||
        json_object_set_new(root, "set", json_set(r)) < 0 ||
        json_object_set_new(root, "total", json_sizes(&total)) < 0 ||
        json_array_size(warnings) != r->warning_count ||
        json_array_size(disks) != r->disk_count ||
        json_object_set(root, "warnings", warnings) < 0 ||
        json_object_set(root, "disks", disks) < 0)
        return error_memory(err);
    text = json_print(root, JSON_INDENT(4));
    line = text ? text_dup_printf("%s\n", text) : NULL;
    if (!line)
        return error_memory(err);
    *ret_text = line;
    return 0;
}
