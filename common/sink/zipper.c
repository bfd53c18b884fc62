/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* zipper.c - see zipper.h; knows libarchive
 *
 * libarchive writes an archive's directory whenever it is allowed to.  That
 * nothing follows a failure is therefore ensured below it, in the function that
 * it writes with: once `failed` is set, no byte passes there.
 */
#include "sink/zipper.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <archive.h>
#include <archive_entry.h>

#include "base/cleanup.h"
#include "base/text.h"

/* What holes are made of. */
static const unsigned char zeroes[64 * KIB];

/* Tell why the archive failed. */
static int give_reason(const struct zipper *z, struct error *err)
{
    return error_set_code(err, z->why.kind, z->why.code, "%s",
                          error_text(&z->why));
}

/* The end of the archive; the first reason stays.  Takes `why`. */
int zipper_fail(struct zipper *z, struct error *why, struct error *err)
{
    if (!z->failed)
        error_move(&z->why, why);
    z->failed = true;
    return give_reason(z, err);
}

/* The same for what libarchive says; what the outlet said before wins. */
static int fail_library(struct zipper *z, const char *name, struct error *err)
{
    _cleanup_error_ struct error why = ERROR_INIT;
    const char *text = archive_error_string(z->archive);

    if (!z->failed && archive_errno(z->archive) == ENOMEM)
        error_memory(&why);
    else if (!z->failed)
        error_set(&why, ERR_INPUT, "cannot put '%s' into the archive: %s", name,
                  text ? text : "for no known reason");
    return zipper_fail(z, &why, err);
}

/* libarchive writes with this. */
static la_ssize_t write_out(struct archive *archive, void *opaque,
                            const void *bytes, size_t length)
{
    struct zipper *z = opaque;
    _cleanup_error_ struct error why = ERROR_INIT;

    if (!z->failed && outlet_write(&z->outlet, bytes, length, &why) == 0)
        return (la_ssize_t)length;
    archive_set_error(archive, EIO, "nothing can be written any more");
    (void)zipper_fail(z, &why, NULL);
    return -1;
}

/* libarchive would replace what is no UTF-8 without a word. */
static int check_name(const char *name, struct error *err)
{
    _cleanup_free_ char *escaped = text_escape(name);

    if (!escaped)
        return error_memory(err);
    if (strcmp(escaped, name) != 0)
        return error_set(err, ERR_INPUT,
                         "cannot put '%s' into the archive: control characters "
                         "and what is no UTF-8 have no place in a name",
                         escaped);
    return 0;
}

/* May an entry of this name begin? */
static int check_begin(struct zipper *z, const char *name, struct error *err)
{
    if (z->failed)
        return give_reason(z, err);
    if (z->closed)
        return error_set(err, ERR_INPUT,
                         "cannot put '%s' into the archive: it is closed",
                         name);
    if (z->open)
        return error_set(err, ERR_BUSY,
                         "cannot put '%s' into the archive: another file is "
                         "being written",
                         name);
    vec_foreach (known, &z->names)
        if (strcmp(*known, name) == 0)
            return error_set(err, ERR_EXISTS,
                             "the archive has a file '%s' already", name);
    return check_name(name, err);
}

static void free_entry(struct archive_entry **entry)
{
    archive_entry_free(*entry);
}

static int write_header(struct zipper *z, const char *name,
                        const uint64_t *size, struct error *err)
{
    _cleanup_(free_entry) struct archive_entry *entry = archive_entry_new();

    if (!entry)
        return error_memory(err);
    /* In UTF-8 whatever the locale is: see the options of the archive. */
    archive_entry_set_pathname_utf8(entry, name);
    archive_entry_set_filetype(entry, AE_IFREG);
    archive_entry_set_perm(entry, 0600);
    archive_entry_set_mtime(entry, time(NULL), 0);
    if (size)
        archive_entry_set_size(entry, (la_int64_t)*size);
    if (archive_write_header(z->archive, entry) != ARCHIVE_OK)
        return fail_library(z, name, err);
    return 0;
}

/* Begin an entry; `size` NULL: not known yet. */
int zipper_begin(struct zipper *z, const char *name, const uint64_t *size,
                 struct error *err)
{
    _cleanup_free_ char *copy = NULL;

    if (check_begin(z, name, err) < 0)
        return -1;
    copy = strdup(name);
    if (!copy || vec_push(&z->names, copy) < 0)
        return error_memory(err);
    copy = NULL;
    if (write_header(z, name, size, err) < 0)
        return -1;
    z->open = true;
    return 0;
}

const char *zipper_name(const struct zipper *z)
{
    return z->names.items[z->names.count - 1];
}

/* Append to the open entry. */
int zipper_append(struct zipper *z, const void *bytes, size_t length,
                  struct error *err)
{
    if (z->failed)
        return give_reason(z, err);
    if (length > 0 &&
        archive_write_data(z->archive, bytes, length) != (la_ssize_t)length)
        return fail_library(z, zipper_name(z), err);
    return 0;
}

int zipper_append_zeroes(struct zipper *z, uint64_t length, struct error *err)
{
    while (length > 0) {
        size_t part = (size_t)MIN_OF(length, sizeof(zeroes));

        if (zipper_append(z, zeroes, part, err) < 0)
            return -1;
        length -= part;
    }
    return 0;
}

int zipper_end(struct zipper *z, struct error *err)
{
    if (z->failed)
        return give_reason(z, err);
    if (archive_write_finish_entry(z->archive) != ARCHIVE_OK)
        return fail_library(z, zipper_name(z), err);
    z->open = false;
    return 0;
}

/* Stored entries, names in UTF-8, every byte passed on at once. */
static int set_up(struct zipper *z, struct error *err)
{
    struct archive *a = z->archive;

    if (archive_write_set_format_zip(a) == ARCHIVE_OK &&
        archive_write_zip_set_compression_store(a) == ARCHIVE_OK &&
        archive_write_set_format_option(a, "zip", "hdrcharset", "UTF-8") ==
            ARCHIVE_OK &&
        archive_write_set_bytes_per_block(a, 0) == ARCHIVE_OK &&
        archive_write_open(a, z, NULL, write_out, NULL) == ARCHIVE_OK)
        return 0;
    return error_set(err, ERR_INPUT, "cannot begin an archive: %s",
                     archive_error_string(a));
}

int zipper_open(int fd, struct zipper *z, struct error *err)
{
    z->archive = archive_write_new();
    if (!z->archive)
        return error_memory(err);
    return outlet_open(fd, &z->outlet, err) < 0 || set_up(z, err) < 0 ? -1 : 0;
}

int zipper_finish(struct zipper *z, struct error *err)
{
    _cleanup_error_ struct error why = ERROR_INIT;

    if (z->failed)
        return give_reason(z, err);
    if (z->closed)
        return 0;
    if (z->open)
        return error_set(err, ERR_BUSY,
                         "cannot close the archive: '%s' is being written",
                         zipper_name(z));
    if (archive_write_close(z->archive) != ARCHIVE_OK)
        return fail_library(z, "its directory", err);
    if (outlet_settle(&z->outlet, &why) < 0)
        return zipper_fail(z, &why, err);
    z->closed = true;
    return 0;
}

void zipper_done(struct zipper *z)
{
    z->failed = true;
    /* Freeing alone leaks after some failures (libarchive 3.6). */
    if (z->archive)
        archive_write_close(z->archive);
    archive_write_free(z->archive);
    outlet_close(&z->outlet);
    vec_foreach (name, &z->names)
        free(*name);
    vec_free(&z->names);
    error_clear(&z->why);
}
