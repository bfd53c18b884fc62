/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* survey.c - how long it takes to find out what there is to save
 *
 * usage: survey SOCKET [CONTEXT]
 *
 * Surveys the export as a backup does: the changes that the dirty bitmap behind
 * CONTEXT tells, otherwise everything.  Prints seconds from the moment the
 * server is there, peak memory in KiB, and the number of extents.
 */
#include "survey.h"

#include <stdio.h>
#include <sys/resource.h>
#include <time.h>

#include "base/cleanup.h"

static double now(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

/* A connection that asks for nothing: the server may just be starting. */
static int wait_for_server(const struct nbd_target *target, struct error *err)
{
    struct nbd_conn *conn = NULL;

    if (nbd_conn_open(target, NULL, 10000, &conn, err) < 0)
        return -1;
    nbd_conn_close(conn);
    return 0;
}

int main(int argc, char **argv)
{
    _cleanup_error_ struct error err = ERROR_INIT;
    _cleanup_(survey_done) struct survey survey = {0};
    struct disk_task task = {.io_timeout_ms = 120000};
    struct rusage usage;
    double begin;

    if (argc < 2) {
        fprintf(stderr, "usage: survey SOCKET [CONTEXT]\n");
        return 64;
    }
    task.target.socket_path = argv[1];
    task.bitmap = argc > 2 ? argv[2] : NULL;
    if (wait_for_server(&task.target, &err) < 0) {
        fprintf(stderr, "survey: %s\n", error_text(&err));
        return 1;
    }
    begin = now();
    if (survey_make(&task, &survey, &err) < 0) {
        fprintf(stderr, "survey: %s\n", error_text(&err));
        return 1;
    }
    begin = now() - begin;
    getrusage(RUSAGE_SELF, &usage);
    printf("%.6f %ld %zu\n", begin, usage.ru_maxrss, survey.extents.count);
    return 0;
}
