/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* meta.h - the metadata at the start of a backup stream
 *
 * One JSON object.  Decoding understands what every release of the format
 * wrote; encoding writes the current form, byte for byte as upstream does
 * (docs/FORMAT.md).  Hides JSON; must not know frames or files.
 */
#ifndef STREAM_META_H
#define STREAM_META_H

#include <stdbool.h>
#include <stdint.h>

#include "base/cleanup.h"
#include "base/error.h"

/* Metadata longer than this is refused; real ones have some 330 bytes. */
#define META_SIZE_MAX (1024 * 1024)

/* The version of the stream that we write, and the newest that we read. */
#define META_STREAM_VERSION 2

/* YYYY-MM-DDTHH:MM:SS.ffffff and the NUL */
#define META_DATE_SIZE 27

/* All strings are owned, UTF-8, without control characters, and never NULL
 * after meta_decode.
 */
struct meta {
    uint64_t virtual_size; /* bytes of the guest disk */
    uint64_t data_size;    /* sum of the plain lengths of all data frames */
    char *date;            /* local time without zone */
    char *disk_name;       /* target of the disk (vda); when decoded: safe as
                              part of a file name */
    char *disk_format;     /* "qcow2" where old releases did not say */
    char *checkpoint_name;
    char *parent_checkpoint; /* "" if none */
    bool incremental;        /* gaps between the frames mean "unchanged" */
    bool compressed;         /* payloads are lz4 frames, a trailer exists */
    int level;               /* if compressed: lz4 level; 0 if not known */
    bool no_compressed_key;  /* the key is, or is to be, left out; then
                                `compressed` must be false */
    int stream_version;      /* 1 or 2; ignored on encode */
};

#define META_INIT                                                              \
    {                                                                          \
        0                                                                      \
    }

/* Free the strings and empty `m`. */
void meta_free(struct meta *m);
#define _cleanup_meta_ _cleanup_(meta_free)

/* The metadata as JSON of the current stream version; the text is the
 * caller's, `*ret_len` excludes its NUL.  NULL strings count as "", except
 * disk_format ("qcow2") and disk_name, which must be the name of a disk.
 * ERR_INPUT for what could not be read back: data_size beyond virtual_size, a
 * level outside 1..16, texts that are not printable UTF-8.
 */
must_check int meta_encode(const struct meta *m, char **ret_text,
                           size_t *ret_len, struct error *err);

/* Read the JSON in `text` (`len` bytes, need not end in NUL).  `*ret_meta` is
 * the caller's to meta_free.  ERR_INPUT if a newer version wrote it,
 * ERR_DAMAGED for everything else that is not metadata.
 */
must_check int meta_decode(const char *text, size_t len, struct meta *ret_meta,
                           struct error *err);

/* The present local time as upstream writes it; the fraction is left out when
 * it is exactly 0.
 */
void meta_date_now(char ret_date[static META_DATE_SIZE]);

#endif
