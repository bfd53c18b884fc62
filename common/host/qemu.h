/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* qemu.h - qemu-img and qemu-nbd
 *
 * Hides command lines, the JSON of `qemu-img info`, and socket activation.
 * Nothing that comes from outside ends up in an option: what is passed on are
 * numbers and the words listed here.  Image names are safe in any form (no
 * "nbd:", no "-x"), since they are made to begin with '/' or './'.
 */
#ifndef HOST_QEMU_H
#define HOST_QEMU_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "base/macro.h"

struct remote;

/* Images. */

/* What `qemu-img info` says of an image: a value without pointers to free. */
struct qemu_image {
    char format[32];       /* "qcow2", "raw", ... */
    uint64_t virtual_size; /* bytes */

    /* qcow2 only, otherwise 0, "" and false: */
    uint64_t cluster_size;        /* bytes; 512 to 2 MiB, a power of two */
    const char *compat;           /* "0.10", "1.1" or "" (not said) */
    const char *compression_type; /* "zlib", "zstd" or "" (not said) */
    unsigned refcount_bits;       /* 1 to 64, a power of two; 0: not said */
    bool lazy_refcounts;
    bool extended_l2;
    size_t bitmap_count; /* persistent dirty bitmaps */

    bool has_backing;   /* is an overlay of another file */
    bool has_data_file; /* its data is in another file */
    bool encrypted;
    bool corrupt;
};

/* Run `qemu-img info` on `path`, here (NULL) or on another host, also while a
 * guest uses it.  `*ret_json` is the caller's.
 */
must_check int qemu_img_info(struct remote *on, const char *path,
                             char **ret_json, struct error *err);

/* Read such JSON, also from a backup set that somebody tampered with.  Keys
 * that we do not need are ignored; duplicates, wrong types and values out of
 * range are ERR_DAMAGED, as is JSON that is too large (1 MiB) or too deep (16).
 */
must_check int qemu_info_parse(const char *json, struct qemu_image *ret,
                               struct error *err);

/* Does the JSON of qemu_img_info tell of a persistent bitmap of this name, and
 * can it be relied on: was it kept up, and stored when the image was closed?
 * Outcome 1 = yes; 0 = no, and `*ret_why` is a static sentence.  ERR_DAMAGED.
 */
must_check int qemu_info_bitmap(const char *json, const char *name,
                                const char **ret_why, struct error *err);

/* An image to be made.  All zero but format and virtual_size: QEMU's defaults.
 */
struct qemu_create {
    const char *format;    /* "qcow2" or "raw" */
    uint64_t virtual_size; /* bytes; of a qcow2, rounded up to 512 */

    /* qcow2 only, ignored otherwise: */
    uint64_t cluster_size;        /* 0, or as above */
    const char *compat;           /* NULL, "", "0.10" or "1.1" */
    const char *compression_type; /* NULL, "", "zlib" or "zstd" */
    unsigned refcount_bits;       /* 0, or as above */
    bool lazy_refcounts;
    bool extended_l2;

    bool preallocate;    /* write all of it once, so that it has its room */
    const char *backing; /* NULL, or an NBD URI of ours: an overlay of
                            what is served there, of its size */
    struct remote *on;   /* NULL: here; else there (without backing), in a
                            directory that nobody else can enter */
};

/* Like `image`, of that size.  Backing file, data file and encryption are not
 * taken over.  A format that we do not make becomes qcow2 with defaults.
 */
struct qemu_create qemu_create_like(const struct qemu_image *image,
                                    uint64_t virtual_size);

/* Make the image `path` with mode 0600.  ERR_EXISTS: the name is taken (also
 * by a dangling symbolic link), nothing was touched.  After another failure
 * the name is free again.
 */
must_check int qemu_img_create(const char *path,
                               const struct qemu_create *create,
                               struct error *err);

/* Make the image `path` from the qcow2 image `plain`, compressed: `create` is
 * qcow2, and as long.  Errors as above.
 */
must_check int qemu_img_compress(const char *plain, const char *path,
                                 const struct qemu_create *create,
                                 struct error *err);

/* The NBD server. */

enum qemu_cache {
    QEMU_CACHE_AUTO,      /* none if the file can do O_DIRECT, or writeback */
    QEMU_CACHE_NONE,      /* past the page cache */
    QEMU_CACHE_WRITEBACK, /* through the page cache */
};

enum qemu_aio {
    QEMU_AIO_AUTO, /* what works everywhere: threads */
    QEMU_AIO_THREADS,
    QEMU_AIO_NATIVE, /* only together with cache none; otherwise threads */
    QEMU_AIO_IO_URING,
};

/* All zero: one client, read and write, discards ignored. */
struct qemu_nbd_options {
    struct remote *on; /* NULL: here.  Else the image is there, and the server
                          too, whose socket is forwarded; and `directory` is a
                          private one of ours there (remote_make_dir), for what
                          it needs beside the image */
    const char *directory;
    bool read_only;
    enum qemu_cache cache;
    enum qemu_aio aio;
    bool discard;       /* discards and zeroes with unmap free space */
    bool detect_zeroes; /* written zeroes become unmapped zeroes */
    unsigned shared;    /* clients at a time; 0 means 1 */
    const char *bitmap; /* NULL, or a persistent bitmap to be exported */
    /* Over TCP instead of a Unix socket, whose path is NULL then: */
    const char *tcp_host; /* name or address to listen at; NULL: no TCP */
    uint16_t tcp_port;
    const char *tls_dir; /* its certificates (server-cert.pem ...): only with
                            TLS, and only for clients of the same CA */
    const char *export_name; /* NULL: "" */
};

struct qemu_nbd;

/* Serve the image or device `path` of format `format` (from our own tables or
 * from libvirt, never guessed) as one export on a new Unix socket, mode
 * 0600, or on TCP. It accepts clients when this returns.  It serves one client
 * after the other until it is stopped, and dies with the calling *thread*.
 * ERR_CHILD: qemu-nbd refuses, and why (the image is in use, damaged, ...);
 * ERR_EXISTS: the socket's name is taken; ERR_BUSY: the port is; ERR_INPUT: the
 * socket's name is too long (107 bytes), or a certificate is missing.
 */
must_check int qemu_nbd_start(const char *path, const char *format,
                              const char *socket_path,
                              const struct qemu_nbd_options *options,
                              struct qemu_nbd **ret, struct error *err);

/* The modes that QEMU_CACHE_AUTO and QEMU_AIO_AUTO became. */
enum qemu_cache qemu_nbd_cache(const struct qemu_nbd *server);
enum qemu_aio qemu_nbd_aio(const struct qemu_nbd *server);

/* -1 for a server on another host. */
pid_t qemu_nbd_pid(const struct qemu_nbd *server);

/* Readable once it has ended by itself; for poll.  Belongs to the server.  -1
 * for a server on another host.
 */
int qemu_nbd_fd(const struct qemu_nbd *server);

/* Let it write what it still has, and end; all clients should be gone and have
 * flushed.  An exit status but 0 is an error, and so is a complaint (a failed
 * write of metadata makes it complain, not fail).  Frees it and removes the
 * socket in any case.  What was written is durable after host_sync_file.
 */
must_check int qemu_nbd_stop(struct qemu_nbd *own_server, struct error *err);

/* End it whatever that does to the image.  Accepts NULL. */
void qemu_nbd_free(struct qemu_nbd *server);
DEFINE_CLEANUP(struct qemu_nbd *, qemu_nbd_free);

#endif
