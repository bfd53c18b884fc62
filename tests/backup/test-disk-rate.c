/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* test-disk-rate.c - the limit of bytes a second, as the server sees it
 *
 * Disks that are read at the same time, by both engines, through servers that
 * log each request with its time.  Whatever window of a second one looks at, no
 * more than 1.2 times the limit was asked for.
 */
#include <sys/resource.h>

#include "base/log.h"
#include "verify.h"

#define DISKS 2
#define SECOND_US 1000000

struct reader {
    struct server server;
    struct disk_task task;
    struct disk_result result;
    struct error error;
    char data[16], index[16], log[16];
    pthread_t thread;
    int status;
};

static void *reader_thread(void *opaque)
{
    struct reader *r = opaque;

    r->status = disk_back_up(&r->task, &r->result, &r->error);
    return NULL;
}

static void reader_start(struct reader *r, const struct bench *b, unsigned i,
                         struct rate *rate)
{
    struct variant v = {.level = (int)(i % 2), .memory = MUCH_MEMORY};

    snprintf(r->data, sizeof(r->data), "d%u.data", i);
    snprintf(r->index, sizeof(r->index), "d%u.index", i);
    snprintf(r->log, sizeof(r->log), "d%u.log", i);
    nbdkit_start(&r->server, "-r --filter=log file a.raw logfile=%s", r->log);
    r->task = bench_task(b, &r->server, &v);
    r->task.data_file = r->data;
    r->task.index_file = r->index;
    r->task.rate = rate;
    if (pthread_create(&r->thread, NULL, reader_thread, r) != 0)
        abort();
}

struct request {
    uint64_t us; /* of the day */
    uint64_t length;
};

static int compare_requests(const void *a, const void *b)
{
    const struct request *x = a, *y = b;

    return x->us < y->us ? -1 : x->us > y->us;
}

/* The reads in a log, appended at `count`. */
static size_t read_log(const char *name, struct request *all, size_t count,
                       size_t room)
{
    char path[128], line[512];
    FILE *f;

    snprintf(path, sizeof(path), "%s/%s", work_dir, name);
    f = fopen(path, "r");
    while (f && fgets(line, sizeof(line), f)) {
        unsigned hours, minutes, seconds, us;
        const char *length = strstr(line, " count=");

        if (!strstr(line, " Read id=") || !length || count == room ||
            sscanf(line, "%*s %u:%u:%u.%u", &hours, &minutes, &seconds, &us) !=
                4)
            continue;
        all[count].us =
            ((hours * 60ULL + minutes) * 60 + seconds) * SECOND_US + us;
        all[count++].length = strtoull(length + 7, NULL, 0);
    }
    if (f)
        fclose(f);
    return count;
}

/* The most that was asked for in a second. */
static uint64_t busiest_second(struct request *all, size_t count)
{
    uint64_t sum = 0, most = 0;
    size_t first = 0;

    qsort(all, count, sizeof(all[0]), compare_requests);
    for (size_t i = 0; i < count; i++) {
        sum += all[i].length;
        while (all[i].us - all[first].us > SECOND_US)
            sum -= all[first++].length;
        most = MAX_OF(most, sum);
    }
    return most;
}

static uint64_t processor_ms(void)
{
    struct rusage u = {0};

    getrusage(RUSAGE_SELF, &u);
    return (uint64_t)(u.ru_utime.tv_sec + u.ru_stime.tv_sec) * 1000 +
           (uint64_t)(u.ru_utime.tv_usec + u.ru_stime.tv_usec) / 1000;
}

/* Read `size` bytes of each disk. */
static void check_limit(uint64_t limit, uint64_t size)
{
    static struct request all[20000];
    _cleanup_bench_ struct bench b = bench_new();
    _cleanup_(rate_done) struct rate rate = {0};
    struct reader readers[DISKS] = {0};
    uint64_t worked = processor_ms(), total = 0;
    long long begun = clock_ms();
    size_t count = 0;

    rate_init(&rate, limit);
    CHECK(shell("rm -f a.raw d*.log; head -c %" PRIu64 " /dev/urandom >a.raw",
                size));
    for (unsigned i = 0; i < DISKS; i++)
        reader_start(&readers[i], &b, i, &rate);
    for (unsigned i = 0; i < DISKS; i++) {
        struct reader *r = &readers[i];

        pthread_join(r->thread, NULL);
        CHECK_OK(r->status, &r->error);
        error_clear(&r->error);
        server_end(&r->server);
        count = read_log(r->log, all, count, array_size(all));
    }
    for (size_t i = 0; i < count; i++)
        total += all[i].length;
    CHECK_EQ_U64(total, DISKS * size);
    printf("# limit %" PRIu64 ": %zu reads, at most %" PRIu64 " in a second\n",
           limit, count, busiest_second(all, count));
    CHECK(busiest_second(all, count) <= limit * 12 / 10);
    /* Waiting is not work. */
    worked = processor_ms() - worked;
    printf("# %" PRIu64 " ms of work in %lld ms\n", worked, clock_ms() - begun);
    CHECK(worked < (uint64_t)(clock_ms() - begun) / 5);
}

static void test_limit(void)
{
    check_limit(4 * MIB, 2600 * KIB + 512);
}

/* A single read of the usual size would be more than the limit. */
static void test_less_than_a_read(void)
{
    check_limit(100 * KIB, 70 * KIB);
}

/* The limit makes us silent, not the server. */
static void test_no_silence(void)
{
    static const struct variant plain = {.memory = MUCH_MEMORY};
    _cleanup_bench_ struct bench b = bench_new();
    _cleanup_error_ struct error err = ERROR_INIT;
    _cleanup_(rate_done) struct rate rate = {0};
    _cleanup_server_ struct server s = SERVER_INIT;
    struct disk_task task;

    rate_init(&rate, 8 * KIB);
    nbdkit_start(&s, "pattern 8K");
    task = bench_task(&b, &s, &plain);
    task.rate = &rate;
    task.io_timeout_ms = 100;
    CHECK_OK(disk_back_up(&task, &b.result, &err), &err);
}

int main(void)
{
    _cleanup_error_ struct error err = ERROR_INIT;

    need("nbdkit");
    work_dir_make();
    seed_random();
    log_limit(LOG_LEVEL_WARNING);
    CHECK_OK(stop_init(&err), &err);
    RUN(test_limit);
    RUN(test_less_than_a_read);
    RUN(test_no_silence);
    return check_result();
}
