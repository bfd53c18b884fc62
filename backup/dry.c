/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* dry.c - see dry.h */
#include "dry.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/log.h"
#include "exports.h"
#include "recover.h"
#include "there.h"
#include "transfer.h"
#include "virt/job.h"

#define JOB_END_TIMEOUT_MS 60000

static int flush(struct error *err)
{
    if (fflush(stdout) == 0 && !ferror(stdout))
        return 0;
    return error_errno(err, errno, "write to stdout");
}

/* What an increment would read, or what of the disk is in use. */
static int print_disk(const struct run *run, const struct run_disk *d,
                      uint64_t *total, struct error *err)
{
    struct disk_task task = transfer_task(run, d);
    struct disk_examined what;

    if (disk_examine(&task, &what, err) < 0)
        return error_prefix(err, "disk %s", d->disk->target);
    printf("%s: %" PRIu64 " bytes to save in %zu extents, %" PRIu64
           " bytes zero, of %" PRIu64 "%s\n",
           d->disk->target, what.data_size, what.extent_count, what.zero_size,
           what.virtual_size,
           d->parent >= 0 && !what.incremental ? " (whole)" : "");
    *total += what.data_size;
    return 0;
}

int dry_print(struct run *run, struct error *err)
{
    uint64_t total = 0;

    if (exports_open(run, err) < 0)
        return -1;
    for (size_t i = 0; i < run->disk_count; i++)
        if (print_disk(run, &run->disks[i], &total, err) < 0)
            return exports_explain(run, err);
    exports_close(run);
    printf("total: %" PRIu64 "\n", total);
    return flush(err);
}

/* A path as part of a URI. */
static void print_escaped(const char *text)
{
    for (; *text; text++) {
        unsigned char c = (unsigned char)*text;

        if ((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
            (c >= '0' && c <= '9') || strchr("/._-~", c))
            putchar(c);
        else
            printf("%%%02X", c);
    }
}

/* As a URI; an address of IPv6 in brackets. */
static void print_place(const struct nbd_target *t)
{
    if (t->socket_path) {
        printf("nbd+unix:///");
        print_escaped(t->export_name);
        printf("?socket=");
        print_escaped(t->socket_path);
        return;
    }
    printf(strchr(t->host, ':') ? "%s://[%s]:%d/" : "%s://%s:%d/",
           t->tls == NBD_TLS_REQUIRE ? "nbds" : "nbd", t->host, t->port);
    print_escaped(t->export_name);
}

int dry_start(struct run *run, struct error *err)
{
    if (exports_open(run, err) < 0)
        return -1;
    run->intent.kept = true;
    if (intent_write(run->dirfd, &run->intent, err) < 0)
        return -1;
    for (size_t i = 0; i < run->disk_count; i++) {
        print_place(&run->disks[i].target);
        if (run->disks[i].bitmap)
            printf("\t%s", run->disks[i].bitmap);
        putchar('\n');
    }
    if (flush(err) < 0)
        return -1;
    run->kept = true;
    there_forget(run, REMOTE_JOB);
    there_forget(run, REMOTE_DIR);
    log_info("the job goes on until: virtnbdbackup -d %s -o %s -k",
             domain_name(run->domain), point_place(run));
    return 0;
}

int dry_kill(struct run *run, struct error *err)
{
    const struct recover_through through = {run->session, run->remote, false};
    int r = job_end_any(run->domain, JOB_END_TIMEOUT_MS, err);

    /* What an earlier --startonly left here goes in any case. */
    if (r < 0 || recover_directory(run->dirfd, &through, err) < 0)
        return -1;
    if (r == 0)
        return error_set(err, ERR_INPUT,
                         "domain '%s' has no backup job that could be ended",
                         domain_name(run->domain));
    log_info("ended the backup job of domain '%s'", domain_name(run->domain));
    return 0;
}
