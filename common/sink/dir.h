/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* dir.h - a sink that is a local directory
 *
 * Files are `<name>.partial`, mode 0600, until they are published.  Written
 * with O_DIRECT where the file system takes it, otherwise through the page
 * cache with writeback started at once, so that fsync finds little to do.
 */
#ifndef SINK_DIR_H
#define SINK_DIR_H

#include <stdbool.h>

#include "base/error.h"
#include "base/macro.h"
#include "sink/sink.h"

/* How to write; for tests and measurements.  DIR_AUTO is what programs use. */
enum dir_mode {
    DIR_AUTO = 0,
    DIR_BUFFERED, /* never O_DIRECT */
};

/* A sink for the directory `dirfd` (duplicated).  Freed with sink_free. */
must_check int dir_sink_new(int dirfd, enum dir_mode mode, struct sink **ret,
                            struct error *err);

/* Does this file of a directory sink bypass the page cache right now? */
bool dir_file_is_direct(const struct sink_file *file);

#endif
