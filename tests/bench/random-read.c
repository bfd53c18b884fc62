/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* random-read.c - how fast an NBD export answers
 *
 * usage: random-read URI BYTES SECONDS [IN_FLIGHT]
 *
 * Prints two numbers: microseconds from the connection to the first byte, and
 * reads a second of so many bytes each, at random aligned places, IN_FLIGHT (1)
 * at a time: what a guest that boots from the export waits for is one.
 */
#include <inttypes.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include <libnbd.h>

#define IN_FLIGHT_MAX 64

static int64_t now_us(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

static uint64_t next(uint64_t *state)
{
    uint64_t z = *state += 0x9e3779b97f4a7c15;

    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
    z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
    return z ^ (z >> 31);
}

static void fail(void)
{
    fprintf(stderr, "random-read: %s\n", nbd_get_error());
    exit(EXIT_FAILURE);
}

/* Where answers go, and how many are outstanding. */
static struct {
    char *buffer;
    size_t length;
    unsigned free[IN_FLIGHT_MAX], free_count;
    uint64_t done;
} reads;

static int landed(void *slot, int *error)
{
    if (*error) {
        fprintf(stderr, "random-read: error %d\n", *error);
        exit(EXIT_FAILURE);
    }
    reads.done++;
    reads.free[reads.free_count++] = (unsigned)(uintptr_t)slot;
    return 1;
}

static void start(struct nbd_handle *nbd, uint64_t offset)
{
    unsigned slot = reads.free[--reads.free_count];
    nbd_completion_callback done = {.callback = landed,
                                    .user_data = (void *)(uintptr_t)slot};

    if (nbd_aio_pread(nbd, reads.buffer + slot * reads.length, reads.length,
                      offset, done, 0) < 0)
        fail();
}

int main(int argc, char **argv)
{
    struct nbd_handle *nbd = nbd_create();
    int64_t begin = now_us(), end;
    unsigned in_flight = argc == 5 ? (unsigned)strtoul(argv[4], NULL, 10) : 1;
    uint64_t state = 1, places;

    reads.length = argc >= 4 ? strtoul(argv[2], NULL, 10) : 0;
    if (in_flight >= 1 && in_flight <= IN_FLIGHT_MAX && reads.length > 0)
        reads.buffer = malloc(in_flight * reads.length);
    if (!reads.buffer || !nbd) {
        fprintf(stderr, "usage: random-read URI BYTES SECONDS [IN_FLIGHT]\n");
        return 64;
    }
    if (nbd_connect_uri(nbd, argv[1]) < 0 ||
        nbd_pread(nbd, reads.buffer, 1, 0, 0) < 0)
        fail();
    printf("%" PRId64, now_us() - begin);
    nbd_set_pread_initialize(nbd, false);
    while (reads.free_count < in_flight) {
        reads.free[reads.free_count] = reads.free_count;
        reads.free_count++;
    }
    places = (uint64_t)nbd_get_size(nbd) / reads.length;
    begin = now_us();
    end = begin + strtoll(argv[3], NULL, 10) * 1000000;
    while (now_us() < end) {
        while (reads.free_count > 0)
            start(nbd, next(&state) % places * reads.length);
        if (nbd_poll(nbd, -1) < 0)
            fail();
    }
    printf(" %" PRIu64 "\n",
           reads.done * 1000000 / (uint64_t)(now_us() - begin + 1));
    /* nbdkit 1.32 aborts when a client goes that waits for answers. */
    while (nbd_aio_in_flight(nbd) > 0)
        if (nbd_poll(nbd, -1) < 0)
            fail();
    if (nbd_shutdown(nbd, 0) < 0)
        fail();
    nbd_close(nbd);
    free(reads.buffer);
    return 0;
}
