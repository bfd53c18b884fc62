/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* fuzz-manifest.c - any bytes as a manifest
 *
 * What is accepted can be written again, and means the same.  As a seal stands
 * in the way of most changes, the text is sealed anew and tried a second time.
 * How to build and run: fuzz.h.
 */
#include <string.h>

#include "set/manifest.h"

#include "fuzz.h"
#include "seal.h"

static void check_manifest(const struct manifest *m)
{
    _cleanup_error_ struct error err = ERROR_INIT;
    _cleanup_manifest_ struct manifest again = MANIFEST_INIT;
    char *text = NULL;
    size_t length = 0;

    PROMISE(name_is_point(m->name) && name_is_uuid(m->point));
    for (size_t i = 0; i < m->disk_count; i++) {
        PROMISE(name_is_disk(m->disks[i].target));
        PROMISE(name_is_safe(m->disks[i].file));
        PROMISE(name_is_safe(m->disks[i].index));
        PROMISE(manifest_find_disk(m, m->disks[i].target) == &m->disks[i]);
    }
    for (size_t i = 0; i < m->file_count; i++)
        PROMISE(name_is_safe_below(m->files[i].name));
    PROMISE(manifest_encode(m, &text, &length, &err) == 0);
    PROMISE(manifest_decode(text, length, &again, &err) == 0);
    PROMISE(again.disk_count == m->disk_count);
    PROMISE(again.file_count == m->file_count);
    PROMISE(strcmp(again.name, m->name) == 0);
    free(text);
}

static void try(const char *text, size_t length)
{
    _cleanup_error_ struct error err = ERROR_INIT;
    _cleanup_manifest_ struct manifest m = MANIFEST_INIT;

    if (manifest_decode(text, length, &m, &err) == 0)
        check_manifest(&m);
    else
        PROMISE(err.kind == ERR_DAMAGED || err.kind == ERR_INPUT);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    try_as_it_is_and_sealed((const char *)data, size, try);
    return 0;
}
