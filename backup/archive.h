/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* archive.h - a point as one zip archive on stdout
 *
 * The directory of the run is the current one.  It keeps what the next
 * increment needs (manifests, descriptions of checkpoints, `<domain>.cpt`, as
 * the Python suite does), the data exists in the archive only.  The manifest is
 * the last entry; in the directory it appears after the archive was closed, so
 * that the chain goes on only from archives that were written whole.  Of a
 * copy, which nothing builds on, nothing but the log stays.
 */
#ifndef BACKUP_ARCHIVE_H
#define BACKUP_ARCHIVE_H

#include "base/error.h"
#include "point.h"
#include "set/manifest.h"

/* Read the chain of the current directory and begin the archive: nothing is
 * written yet.  Sets run->chain and run->archive.  ERR_USAGE where stdout
 * cannot take an archive, or would take the log too.
 */
must_check int archive_open(struct run *run, struct error *err);

/* A full or a copy: the archive is a set of its own, whatever chain the
 * directory knows.  Nothing is changed yet; sets run->old_chain.  ERR_EXISTS if
 * a full of another chain would take its place.
 */
must_check int archive_restart(struct run *run, struct error *err);

/* Forget the points behind the one that --since names, if there is such an
 * option, here and in libvirt; run->chain is read again.  For when it is
 * certain that directory, domain and options belong together.
 */
must_check int archive_forget(struct run *run, struct error *err);

/* A full is about to begin: the directory forgets the chain before.  If it then
 * fails, the next run has to be a full again.
 */
must_check int archive_replace(struct run *run, struct error *err);

/* Move the finished index of a disk from the directory into the archive. */
must_check int archive_index(struct run *run, const struct run_disk *d,
                             struct error *err);

/* Everything is in the directory but the manifest: put it into the archive, the
 * manifest last, and close it.
 */
must_check int archive_close(struct run *run, const struct manifest *m,
                             struct error *err);

#endif
