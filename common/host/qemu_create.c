/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* qemu_create.c - see qemu.h; new images
 *
 * We make the file ourselves, exclusively, and qemu-img fills it through the
 * descriptor: nothing that exists can be overwritten, and nobody can put
 * something else in its place meanwhile.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/spawn.h"
#include "base/text.h"
#include "host/qemu_private.h"
#include "host/remote.h"

#define CREATE_TIMEOUT_MS 600000

struct qemu_create qemu_create_like(const struct qemu_image *image,
                                    uint64_t virtual_size)
{
    struct qemu_create create = {.format = "qcow2",
                                 .virtual_size = virtual_size};

    if (strcmp(image->format, "raw") == 0)
        create.format = "raw";
    if (strcmp(image->format, "qcow2") != 0)
        return create;
    create.cluster_size = image->cluster_size;
    create.compat = image->compat;
    create.compression_type = image->compression_type;
    create.refcount_bits = image->refcount_bits;
    create.lazy_refcounts = image->lazy_refcounts;
    create.extended_l2 = image->extended_l2;
    return create;
}

static bool is_given(const char *word)
{
    return word && word[0];
}

/* Whoever calls: no word but ours gets into an option. */
static int check(const struct qemu_create *c, struct error *err)
{
    if (strcmp(c->format, "qcow2") != 0 && strcmp(c->format, "raw") != 0)
        return error_set(err, ERR_INPUT, "images of format '%s' are not made",
                         c->format);
    if (c->virtual_size > INT64_MAX)
        return error_set(err, ERR_INPUT, "%" PRIu64 " bytes is no image size",
                         c->virtual_size);
    if ((is_given(c->compat) && !qemu_word(qemu_compat_words, c->compat)) ||
        (is_given(c->compression_type) &&
         !qemu_word(qemu_compression_words, c->compression_type)) ||
        (c->cluster_size && !qemu_cluster_size_ok(c->cluster_size)) ||
        (c->refcount_bits && !qemu_refcount_bits_ok(c->refcount_bits)))
        return error_set(err, ERR_INPUT, "image options that are not known");
    return 0;
}

/* The list for -o; NULL: no memory. */
static char *build_options(const struct qemu_create *c)
{
    const char *preallocation = c->preallocate ? "full" : "off";
    bool compressed = is_given(c->compression_type);
    char cluster[48] = "";
    char refcount[48] = "";

    if (strcmp(c->format, "raw") == 0)
        return text_dup_printf("preallocation=%s", preallocation);
    if (c->cluster_size)
        snprintf(cluster, sizeof(cluster), ",cluster_size=%" PRIu64,
                 c->cluster_size);
    if (c->refcount_bits)
        snprintf(refcount, sizeof(refcount), ",refcount_bits=%u",
                 c->refcount_bits);
    return text_dup_printf("preallocation=%s,compat=%s%s%s%s%s%s%s",
                           preallocation,
                           is_given(c->compat) ? c->compat : "1.1", cluster,
                           refcount, compressed ? ",compression_type=" : "",
                           compressed ? c->compression_type : "",
                           c->lazy_refcounts ? ",lazy_refcounts=on" : "",
                           c->extended_l2 ? ",extended_l2=on" : "");
}

/* Run qemu-img, which sees the file `path`, ours as `fd`, as /dev/fd/3. */
static int run(const char *const *argv, const char *path, int fd,
               int timeout_ms, struct error *err)
{
    const char *const writes[] = {path, NULL};
    struct spawn_request req = {
        .argv = argv, .pass_fd = fd, .writes = writes, .die_with_us = true};

    if (spawn_run(&req, timeout_ms, NULL, NULL, err) < 0)
        return qemu_missing_hint(err);
    return 0;
}

/* There the name is all we have of it. */
static int create_there(const char *path, const struct qemu_create *c,
                        struct error *err)
{
    _cleanup_free_ char *options = build_options(c);
    char size[24];
    const char *make[] = {"qemu-img", "create", "-q", "-f", c->format,
                          "-o",       options,  path, size, NULL};
    const char *mode[] = {"chmod", "0600", "--", path, NULL};
    /* It rounds up; the file is to be as long as the disk. */
    const char *cut[] = {"truncate", "-s", size, "--", path, NULL};
    int taken = remote_exists(c->on, path, err);

    if (taken < 0)
        return -1;
    if (taken)
        return error_set(err, ERR_EXISTS,
                         "something with that name is already there");
    if (!options)
        return error_memory(err);
    snprintf(size, sizeof(size), "%" PRIu64, c->virtual_size);
    if (remote_run(c->on, make, c->preallocate ? -1 : CREATE_TIMEOUT_MS, NULL,
                   err) < 0 ||
        remote_run(c->on, mode, CREATE_TIMEOUT_MS, NULL, err) < 0)
        return -1;
    return strcmp(c->format, "raw") == 0
               ? remote_run(c->on, cut, CREATE_TIMEOUT_MS, NULL, err)
               : 0;
}

static int compress_there(const char *source, const char *path,
                          const char *options, struct remote *on,
                          struct error *err)
{
    const char *argv[] = {"qemu-img", "convert", "-c",    "-W", "-f",
                          "qcow2",    "-O",      "qcow2", "-o", options,
                          source,     path,      NULL};
    const char *mode[] = {"chmod", "0600", "--", path, NULL};

    if (remote_run(on, argv, -1, NULL, err) < 0)
        return -1;
    return remote_run(on, mode, CREATE_TIMEOUT_MS, NULL, err);
}

static int fill(const char *path, int fd, const struct qemu_create *c,
                struct error *err)
{
    _cleanup_free_ char *options = build_options(c);
    char size[24];
    const char *argv[16] = {"qemu-img", "create", "-q",   "-f",
                            c->format,  "-o",     options};
    size_t n = 7;

    if (!options)
        return error_memory(err);
    snprintf(size, sizeof(size), "%" PRIu64, c->virtual_size);
    if (c->backing) {
        argv[n++] = "-F";
        argv[n++] = "raw";
        argv[n++] = "-b";
        argv[n++] = c->backing;
    }
    argv[n++] = "/dev/fd/3";
    if (!c->backing)
        argv[n++] = size;
    if (run(argv, path, fd, c->preallocate ? -1 : CREATE_TIMEOUT_MS, err) < 0)
        return -1;
    /* It rounds up; the file is to be as long as the disk. */
    if (strcmp(c->format, "raw") == 0 &&
        ftruncate(fd, (off_t)c->virtual_size) < 0)
        return error_errno(err, errno, "set its size");
    return 0;
}

/* A new file under a name that nobody has. */
static int make_file(const char *path, struct error *err)
{
    int fd =
        open(path, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);

    if (fd < 0 && errno == EEXIST)
        return error_set(err, ERR_EXISTS,
                         "something with that name is already there");
    if (fd < 0)
        return error_errno(err, errno, "make the file");
    return fd;
}

int qemu_img_create(const char *path, const struct qemu_create *create,
                    struct error *err)
{
    _cleanup_close_ int fd = -1;

    if (check(create, err) < 0 ||
        (create->on && create_there(path, create, err) < 0))
        return error_prefix(err, "create the image '%s'", path);
    if (create->on)
        return 0;
    fd = make_file(path, err);
    if (fd < 0)
        return error_prefix(err, "create the image '%s'", path);
    if (fill(path, fd, create, err) < 0) {
        unlink(path);
        return error_prefix(err, "create the image '%s'", path);
    }
    return 0;
}

int qemu_img_compress(const char *plain, const char *path,
                      const struct qemu_create *create, struct error *err)
{
    _cleanup_free_ char *options = build_options(create);
    _cleanup_free_ char *source = qemu_file_argument(plain);
    /* -W: compressed clusters need no order, and several threads make them. */
    const char *argv[] = {"qemu-img", "convert",   "-c",    "-W", "-f",
                          "qcow2",    "-O",        "qcow2", "-o", options,
                          source,     "/dev/fd/3", NULL};
    _cleanup_close_ int fd = -1;

    if (!source || !options)
        return error_memory(err);
    if (check(create, err) < 0 ||
        (create->on &&
         compress_there(source, path, options, create->on, err) < 0))
        return error_prefix(err, "compress the image '%s'", path);
    if (create->on)
        return 0;
    fd = make_file(path, err);
    if (fd < 0)
        return error_prefix(err, "compress the image '%s'", path);
    if (run(argv, path, fd, -1, err) < 0) {
        unlink(path);
        return error_prefix(err, "compress the image '%s'", path);
    }
    return 0;
}
