/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* qemu_private.h - what the parts of qemu.h share */
#ifndef HOST_QEMU_PRIVATE_H
#define HOST_QEMU_PRIVATE_H

#include "host/qemu.h"

/* `path` as an argument that QEMU's tools take for nothing but a file: a new
 * string that begins with '/' or './'; NULL: no memory.
 */
must_check char *qemu_file_argument(const char *path);

/* If `err` says that the program is not there, say where it is to be had.
 * Returns -1.
 */
int qemu_missing_hint(struct error *err);

/* Words that may be given for qcow2's options; each list ends with NULL. */
extern const char *const qemu_compat_words[];
extern const char *const qemu_compression_words[];

/* The word of the list that equals `text`, or NULL. */
const char *qemu_word(const char *const words[], const char *text);

bool qemu_cluster_size_ok(uint64_t size);
bool qemu_refcount_bits_ok(uint64_t bits);

#endif
