/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* random-read.c - how fast an NBD export answers
 *
 * usage: random-read URI BYTES SECONDS
 *
 * Prints two numbers: microseconds from the connection to the first byte, and
 * reads a second of so many bytes each, at random aligned places, one after the
 * other (what a guest that boots from the export waits for).
 */
#include <inttypes.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include <libnbd.h>

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

int main(int argc, char **argv)
{
    struct nbd_handle *nbd = nbd_create();
    int64_t begin = now_us(), end;
    size_t length = argc == 4 ? strtoul(argv[2], NULL, 10) : 0;
    uint64_t state = 1, count = 0, places;
    char *buffer = length > 0 ? malloc(length) : NULL;

    if (!buffer || !nbd) {
        fprintf(stderr, "usage: random-read URI BYTES SECONDS\n");
        return 64;
    }
    if (nbd_connect_uri(nbd, argv[1]) < 0 ||
        nbd_pread(nbd, buffer, 1, 0, 0) < 0)
        fail();
    printf("%" PRId64, now_us() - begin);
    places = (uint64_t)nbd_get_size(nbd) / length;
    begin = now_us();
    end = begin + strtoll(argv[3], NULL, 10) * 1000000;
    for (; now_us() < end; count++)
        if (nbd_pread(nbd, buffer, length, next(&state) % places * length, 0) <
            0)
            fail();
    printf(" %" PRIu64 "\n", count * 1000000 / (uint64_t)(now_us() - begin));
    nbd_close(nbd);
    free(buffer);
    return 0;
}
