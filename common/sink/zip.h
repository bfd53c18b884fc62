/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* zip.h - a sink that is one zip archive, written to a descriptor
 *
 * For a backup to stdout: nothing is read back and nothing is moved, so a pipe
 * will do.  Entries are stored as they are, mode 0600, dated when they were
 * begun, in zip64 where their size is not known before or needs it.  The
 * archive's directory is its very end: an archive that was not closed has none,
 * and every reader of zip files calls it broken.
 *
 * One file at a time, written by one thread at a time in the order of the file.
 * What is left out is written as zeroes.  sink_publish and sink_remove have
 * nothing to do.  After a failed write, a discarded file, or anything else that
 * leaves an entry incomplete, the archive has failed for good: nothing more
 * reaches the descriptor, every call fails with the first reason.
 *
 * Never waits for a slow reader alone: base/stop ends it with ERR_STOPPED.  The
 * descriptor's flags stay as they are, as others may share them; the program
 * ignores SIGPIPE and SIGXFSZ.  Hides libarchive.  Must not know what the files
 * are.
 */
#ifndef SINK_ZIP_H
#define SINK_ZIP_H

#include <stddef.h>

#include "base/error.h"
#include "base/macro.h"
#include "sink/sink.h"

/* Begin an archive on `fd` (duplicated).  Nothing is written before the first
 * entry.  ERR_USAGE if `fd` is a terminal or not open for writing.  Freed with
 * sink_free; unless zip_sink_close succeeded before, that leaves the archive
 * broken.
 *
 * sink_begin: ERR_BUSY while another file is open, ERR_EXISTS if the archive
 * has an entry of that name, ERR_INPUT if it cannot be a name (UTF-8, without
 * control characters); these leave the archive as it is.  sink_write: ERR_INPUT
 * for an offset before the end of what was written.
 */
must_check int zip_sink_new(int fd, struct sink **ret, struct error *err);

/* Append the regular file `name` below `dirfd` as an entry of that name: one
 * component ("vm.cpt"), or a directory and one ("checkpoints/x.xml"), never
 * through symbolic links.  It has the bytes that the file has now: what is
 * appended to it meanwhile stays out.
 *
 * Errors from before anything is written leave the archive as it is: ERR_SYSTEM
 * with code ENOENT if there is no such file, ERR_INPUT if it is no regular one,
 * ERR_BUSY, ERR_EXISTS.  One that becomes shorter meanwhile is ERR_INPUT and
 * fails the archive.
 */
must_check int zip_sink_add_file(struct sink *sink, int dirfd, const char *name,
                                 struct error *err);

/* The same for `length` bytes of memory. */
must_check int zip_sink_add_bytes(struct sink *sink, const char *name,
                                  const void *bytes, size_t length,
                                  struct error *err);

/* End the archive: its directory is written, a regular file or block device is
 * synced, and of a pipe or socket the reader has taken every byte (what it does
 * with them is beyond us).  Only after success is the archive complete.
 * ERR_BUSY while a file is open.  Nothing can be added any more.
 */
must_check int zip_sink_close(struct sink *sink, struct error *err);

#endif
