/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* metrics.c - see metrics.h */
#include "cli/metrics.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/text.h"

#define LAST_SUCCESS "virtnbdbackup_last_success_timestamp_seconds"

/* The value of a label: quotes, backslashes and newlines are escaped. */
static void put_value(FILE *f, const char *value)
{
    for (const char *c = value ? value : ""; *c; c++) {
        if (*c == '\n')
            fputs("\\n", f);
        else if (*c == '"' || *c == '\\')
            fprintf(f, "\\%c", *c);
        else
            fputc(*c, f);
    }
}

static void put_labels(FILE *f, const char *domain, const char *disk)
{
    fputs("{domain=\"", f);
    put_value(f, domain);
    if (disk) {
        fputs("\",disk=\"", f);
        put_value(f, disk);
    }
    fputs("\"}", f);
}

static void put_head(FILE *f, const char *name, const char *help)
{
    fprintf(f, "# HELP %s %s\n# TYPE %s gauge\n", name, help, name);
}

static void put_number(FILE *f, const struct report *r, const char *name,
                       const char *help, double value)
{
    put_head(f, name, help);
    fputs(name, f);
    put_labels(f, r->domain, NULL);
    fprintf(f, " %.15g\n", value);
}

/* What is not known is left out: a wrong 0 would raise or hide an alarm. */
static void put_known(FILE *f, const struct report *r, const char *name,
                      const char *help, int64_t value)
{
    if (value >= 0)
        put_number(f, r, name, help, (double)value);
}

/* The number behind the series of this domain in an older text, or -1. */
static int64_t find_before(const char *before, const char *domain)
{
    _cleanup_free_ char *series = NULL;
    size_t length = 0;
    FILE *f = open_memstream(&series, &length);
    const char *line = before;
    int64_t found = -1;

    if (!f)
        return -1;
    fputs(LAST_SUCCESS, f);
    put_labels(f, domain, NULL);
    fputc(' ', f);
    if (text_stream_end(f, &series) < 0)
        return -1;
    while (line && *line && found < 0) {
        const char *end = strchrnul(line, '\n');

        if (strncmp(line, series, length) == 0) {
            _cleanup_free_ char *word =
                strndup(line + length, (size_t)(end - line) - length);

            if (!word || text_i64(word, 0, INT64_MAX, &found) < 0)
                return -1;
        }
        line = *end ? end + 1 : end;
    }
    return found;
}

static void put_disks(FILE *f, const struct report *r)
{
    static const struct {
        const char *name, *help;
        size_t offset;
    } series[] = {
        {"virtnbdbackup_disk_virtual_bytes", "Size of the guest's disk.",
         offsetof(struct report_disk, virtual_size)},
        {"virtnbdbackup_disk_changed_bytes",
         "What had changed, or all of the disk.",
         offsetof(struct report_disk, changed_size)},
        {"virtnbdbackup_disk_read_bytes", "Read from the disk.",
         offsetof(struct report_disk, read_size)},
        {"virtnbdbackup_disk_stored_bytes", "Size of its data file.",
         offsetof(struct report_disk, stored_size)},
        {"virtnbdbackup_disk_duration_milliseconds", "Time the disk took.",
         offsetof(struct report_disk, duration_ms)},
    };

    for (size_t i = 0; i < array_size(series) && r->disk_count > 0; i++) {
        put_head(f, series[i].name, series[i].help);
        for (size_t k = 0; k < r->disk_count; k++) {
            uint64_t value = 0;

            memcpy(&value, (const char *)&r->disks[k] + series[i].offset,
                   sizeof(value));
            fputs(series[i].name, f);
            put_labels(f, r->domain, r->disks[k].target);
            fprintf(f, " %llu\n", (unsigned long long)value);
        }
    }
}

static void put_run(FILE *f, const struct report *r)
{
    const struct report_disk total = report_total(r);
    uint64_t lost = 0;

    for (size_t i = 0; i < r->disk_count; i++)
        lost += r->disks[i].lost_tracking;
    put_number(f, r, "virtnbdbackup_last_run_timestamp_seconds",
               "When the last run ended.", (double)r->ended);
    put_number(f, r, "virtnbdbackup_last_run_exit_status",
               "Its exit status; 0: the point is there.", r->exit_status);
    put_number(f, r, "virtnbdbackup_last_run_duration_seconds",
               "How long it took.", (double)r->duration_ms / 1000);
    put_number(f, r, "virtnbdbackup_last_run_frozen_seconds",
               "How long the guest's file systems were frozen.",
               (double)r->frozen_ms / 1000);
    put_number(f, r, "virtnbdbackup_last_run_read_bytes",
               "Read from all disks.", (double)total.read_size);
    put_number(f, r, "virtnbdbackup_last_run_stored_bytes",
               "Size of the point's data files.", (double)total.stored_size);
    put_number(f, r, "virtnbdbackup_last_run_warnings",
               "Warnings in its log, 100 at most.", (double)r->warning_count);
    put_number(f, r, "virtnbdbackup_last_run_lost_tracking",
               "Disks saved whole since their changes were not known.",
               (double)lost);
}

static void put_set(FILE *f, const struct report *r, int64_t last_success)
{
    put_known(f, r, LAST_SUCCESS,
              "When the newest point was begun: it is this old.", last_success);
    put_known(f, r, "virtnbdbackup_set_points",
              "Restore points in the directory.", r->set_points);
    put_known(f, r, "virtnbdbackup_set_bytes", "Size of their data files.",
              r->set_size);
    put_known(f, r, "virtnbdbackup_chain_length",
              "Points of the newest chain: its full, and what builds on it.",
              r->chain_length);
    put_known(f, r, "virtnbdbackup_set_lost_tracking",
              "Disks in the directory saved whole in the place of an "
              "increment.",
              r->set_lost_tracking);
}

int metrics_text(const struct report *r, const char *before, char **ret_text,
                 struct error *err)
{
    int64_t last_success = r->last_success;
    _cleanup_free_ char *text = NULL;
    size_t length = 0;
    FILE *f = open_memstream(&text, &length);

    if (!f)
        return error_memory(err);
    if (last_success < 0)
        last_success = find_before(before, r->domain);
    put_run(f, r);
    put_set(f, r, last_success);
    put_disks(f, r);
    if (text_stream_end(f, &text) < 0)
        return error_memory(err);
    *ret_text = take(text);
    return 0;
}
