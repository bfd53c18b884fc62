/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* compare.c - does an NBD export hold what a raw image does?
 *
 * usage: map-compare URI IMAGE [MEGABYTES [CONNECTIONS]]
 *
 * Several connections read at random, 1 byte to 32 MiB, mostly little, not
 * aligned, until so much was read in all (default: 64 over 8 connections); then
 * the sizes, and that nothing can be read behind the end.  SEED in the
 * environment repeats a run.  IMAGE `-`: nothing is compared.
 *
 * Exit status: 0 equal, 1 not, or an error.
 */
#include <fcntl.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <libnbd.h>

#include "base/cleanup.h"
#include "base/file.h"

#define READ_MAX ((size_t)(32 * MIB))
#define CONNECTIONS_MAX 64

struct client {
    const char *uri;
    int image; /* -1: none */
    uint64_t seed;
    uint64_t amount; /* bytes to be read */
    uint64_t reads;
    bool failed;
};

static uint64_t next(uint64_t *state)
{
    uint64_t z = *state += 0x9e3779b97f4a7c15;

    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
    z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
    return z ^ (z >> 31);
}

static size_t draw_length(uint64_t *state, uint64_t size)
{
    uint64_t bits = next(state) % (next(state) % 16 == 0 ? 26 : 16);
    uint64_t length = 1 + next(state) % (1ULL << bits);

    return (size_t)MIN_OF(length, size);
}

static int fail(struct client *c, const char *what, uint64_t at, size_t length)
{
    fprintf(stderr, "%zu bytes at %" PRIu64 ": %s\n", length, at, what);
    c->failed = true;
    return -1;
}

static int read_one(struct client *c, struct nbd_handle *nbd, uint64_t size,
                    unsigned char *got, unsigned char *want)
{
    size_t length = draw_length(&c->seed, size);
    uint64_t at = next(&c->seed) % (size - length + 1);

    /* The end is a place like others, but drawn too seldom. */
    if (next(&c->seed) % 64 == 0)
        at = size - length;
    if (nbd_pread(nbd, got, length, at, 0) < 0)
        return fail(c, nbd_get_error(), at, length);
    c->amount -= MIN_OF(c->amount, length);
    c->reads++;
    if (c->image < 0)
        return 0;
    if (file_pread_full(c->image, want, length, at) != (ssize_t)length)
        return fail(c, "the image is shorter", at, length);
    return memcmp(got, want, length) == 0 ? 0
                                          : fail(c, "not the same", at, length);
}

static void nbd_closep(struct nbd_handle **nbd)
{
    nbd_close(*nbd);
}

static void *run(void *opaque)
{
    struct client *c = opaque;
    _cleanup_(nbd_closep) struct nbd_handle *nbd = nbd_create();
    _cleanup_free_ unsigned char *got = malloc(READ_MAX);
    _cleanup_free_ unsigned char *want = malloc(READ_MAX);
    int64_t size = 0;

    if (!nbd || !got || !want || nbd_connect_uri(nbd, c->uri) < 0 ||
        (size = nbd_get_size(nbd)) < 0) {
        fail(c, nbd_get_error(), 0, 0);
        return NULL;
    }
    if (c->image >= 0 && lseek(c->image, 0, SEEK_END) != size)
        fail(c, "the size is another", (uint64_t)size, 0);
    while (c->amount > 0 && !c->failed && size > 0)
        if (read_one(c, nbd, (uint64_t)size, got, want) < 0)
            break;
    nbd_set_strict_mode(nbd, 0);
    if (!c->failed && nbd_pread(nbd, got, 2, (uint64_t)size - 1, 0) == 0)
        fail(c, "readable, but behind the end", (uint64_t)size - 1, 2);
    return NULL;
}

int main(int argc, char **argv)
{
    const char *given = getenv("SEED");
    uint64_t seed = given ? strtoull(given, NULL, 0) : (uint64_t)time(NULL);
    uint64_t megabytes = argc > 3 ? strtoull(argv[3], NULL, 10) : 64;
    size_t count = argc > 4 ? strtoull(argv[4], NULL, 10) : 8;
    struct client clients[CONNECTIONS_MAX] = {{0}};
    pthread_t threads[CONNECTIONS_MAX];
    uint64_t reads = 0;
    bool failed = false;
    int image = -1;

    if (argc < 3 || count == 0 || count > CONNECTIONS_MAX) {
        fprintf(stderr,
                "usage: map-compare URI IMAGE [MEGABYTES [CONNECTIONS]]\n");
        return 1;
    }
    if (strcmp(argv[2], "-") != 0 &&
        (image = open(argv[2], O_RDONLY | O_CLOEXEC)) < 0) {
        perror(argv[2]);
        return 1;
    }
    for (size_t i = 0; i < count; i++) {
        clients[i] = (struct client){
            .uri = argv[1],
            .image = image,
            .seed = seed + i * 1000003,
            .amount = megabytes * MIB / count,
        };
        if (pthread_create(&threads[i], NULL, run, &clients[i]) != 0)
            abort();
    }
    for (size_t i = 0; i < count; i++) {
        pthread_join(threads[i], NULL);
        failed |= clients[i].failed;
        reads += clients[i].reads;
    }
    printf("SEED=%" PRIu64 ": %" PRIu64 " reads%s\n", seed, reads,
           failed ? ", FAILED" : "");
    return failed;
}
