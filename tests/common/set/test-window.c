/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* test-window.c - any part of a file, past the page cache or not: the same
 * bytes
 */
#include "lab.h"

#include <fcntl.h>

#include "set/window.h"

#define SIZE ((size_t)(300 * KIB + 123))
#define ROOM ((size_t)(64 * KIB))

static unsigned char truth[SIZE];

static int make_file(const char *dir)
{
    _cleanup_free_ char *path = NULL;
    int fd = -1;

    CHECK(asprintf(&path, "%s/vnb-window.XXXXXX", dir) > 0);
    fd = mkstemp(path);
    unlink(path);
    CHECK_EQ_INT(write(fd, truth, SIZE), SIZE);
    return fd;
}

static void read_any(int fd)
{
    _cleanup_error_ struct error err = ERROR_INIT;
    _cleanup_(window_freep) struct window *w = NULL;
    const unsigned char *bytes = NULL;

    CHECK_OK(window_new(ROOM, &w, &err), &err);
    for (int i = 0; i < 2000; i++) {
        size_t offset = (size_t)random() % SIZE;
        size_t length = 1 + (size_t)random() % ROOM;

        length = MIN_OF(length, SIZE - offset);
        CHECK_OK(window_read(w, fd, "f", offset, length, &bytes, &err), &err);
        CHECK(memcmp(bytes, truth + offset, length) == 0);
    }
    /* All that there is, and one byte more. */
    CHECK_OK(window_read(w, fd, "f", SIZE - 200, 200, &bytes, &err), &err);
    CHECK(memcmp(bytes, truth + SIZE - 200, 200) == 0);
    CHECK(window_read(w, fd, "f", SIZE - 200, 201, &bytes, &err) < 0);
    CHECK_EQ_INT(err.kind, ERR_DAMAGED);
    error_clear(&err);
    CHECK(window_read(w, fd, "f", 2 * SIZE, 1, &bytes, &err) < 0);
    CHECK_EQ_INT(err.kind, ERR_DAMAGED);
    error_clear(&err);
    CHECK(window_read(w, fd, "f", 0, ROOM + 1, &bytes, &err) < 0);
    CHECK_EQ_INT(err.kind, ERR_INPUT);
}

static void read_both(const char *dir)
{
    _cleanup_close_ int fd = make_file(dir);

    read_any(fd);
    window_past_cache(fd);
    read_any(fd);
}

static void test_on_disk(void)
{
    read_both("/tmp");
}

/* Has no O_DIRECT. */
static void test_in_memory(void)
{
    read_both("/dev/shm");
}

int main(void)
{
    srandom(20261);
    for (size_t i = 0; i < SIZE; i++)
        truth[i] = (unsigned char)random();
    RUN(test_on_disk);
    RUN(test_in_memory);
    return check_result();
}
