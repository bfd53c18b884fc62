/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* dump.c - see dump.h
 *
 * Each stream's metadata is JSON already: it is checked, then printed as it
 * stands, indented, so that keys we do not know are seen too.
 */
#include "dump.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/file.h"
#include "base/log.h"
#include "stream/frame.h"
#include "stream/meta.h"

/* The JSON text in front of a stream, checked. */
static int read_text(const struct chain *chain, const struct chain_file *file,
                     char **ret, struct error *err)
{
    _cleanup_close_ int fd = -1;
    _cleanup_free_ char *text = NULL;
    _cleanup_meta_ struct meta meta = META_INIT;
    char header[FRAME_SIZE];
    struct frame frame;

    if (chain_file_meta(chain, file, &meta, err) < 0 ||
        chain_file_open(chain, file, &fd, err) < 0)
        return -1;
    if (file_pread_full(fd, header, sizeof(header), 0) != FRAME_SIZE ||
        frame_decode(header, &frame, err) < 0 || frame.length > META_SIZE_MAX)
        return error_set(err, ERR_DAMAGED, "'%s' does not start with metadata",
                         file->file);
    text = calloc(1, (size_t)frame.length + 1);
    if (!text)
        return error_memory(err);
    if (file_pread_full(fd, text, (size_t)frame.length, FRAME_SIZE) !=
        (ssize_t)frame.length)
        return error_errno(err, errno, "read '%s'", file->file);
    *ret = take(text);
    return 0;
}

static void print_indented(const char *text)
{
    fputs("    ", stdout);
    for (; *text; text++) {
        if (*text == '\r')
            continue;
        putchar(*text);
        if (*text == '\n')
            fputs("    ", stdout);
    }
}

static int print_file(const struct chain *chain, const struct chain_file *file,
                      bool *first, struct error *err)
{
    _cleanup_free_ char *text = NULL;

    if (file->raw) {
        log_info("'%s' is a raw image, which has no metadata", file->file);
        return 0;
    }
    if (read_text(chain, file, &text, err) < 0)
        return -1;
    fputs(*first ? "\n" : ",\n", stdout);
    *first = false;
    print_indented(text);
    return 0;
}

int dump_set(const struct backup_set *set, const char *disk, struct error *err)
{
    const struct chain *chain = set->chain;
    bool first = true;

    putchar('[');
    for (size_t i = 0; i < set->point_count; i++)
        for (size_t k = 0; k < chain->points[i].file_count; k++) {
            const struct chain_file *file = &chain->points[i].files[k];

            if (disk && strcmp(disk, file->disk) != 0)
                continue;
            if (print_file(chain, file, &first, err) < 0)
                return -1;
        }
    fputs(first ? "]\n" : "\n]\n", stdout);
    if (fflush(stdout) != 0 || ferror(stdout))
        return error_errno(err, errno, "write to stdout");
    return 0;
}
