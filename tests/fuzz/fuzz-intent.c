/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* fuzz-intent.c - any bytes as an intent
 *
 * What is accepted can be written again, and means the same; no path in it
 * leads anywhere but down.  As a seal stands in the way of most changes, the
 * text is sealed anew and tried a second time.  How to build and run: fuzz.h.
 */
#include <string.h>

#include "set/intent.h"

#include "fuzz.h"
#include "seal.h"

static void check_same(const struct intent *a, const struct intent *b)
{
    PROMISE(strcmp(a->point, b->point) == 0);
    PROMISE(strcmp(a->runtime_dir, b->runtime_dir) == 0);
    PROMISE(strcmp(a->socket, b->socket) == 0);
    PROMISE(a->pid == b->pid && a->level == b->level);
    PROMISE(a->kept == b->kept && a->frozen == b->frozen);
    PROMISE(a->suspended == b->suspended && a->started == b->started);
    PROMISE(a->file_count == b->file_count);
    for (size_t i = 0; i < a->file_count; i++)
        PROMISE(strcmp(a->files[i], b->files[i]) == 0);
}

static void check_path(const char *path)
{
    PROMISE(!path[0] || path[0] == '/');
    PROMISE(!strstr(path, "/../") && !strchr(path, '\n'));
}

static void check_intent(const struct intent *in)
{
    _cleanup_error_ struct error err = ERROR_INIT;
    _cleanup_intent_ struct intent again = INTENT_INIT;
    _cleanup_free_ char *text = NULL;
    size_t length = 0;

    PROMISE(name_is_uuid(in->point) && name_is_point(in->name));
    for (size_t i = 0; i < in->file_count; i++)
        PROMISE(name_is_safe_below(in->files[i]));
    check_path(in->runtime_dir);
    check_path(in->socket);
    PROMISE(intent_encode(in, &text, &length, &err) == 0);
    PROMISE(intent_decode(text, length, &again, &err) == 0);
    check_same(in, &again);
}

static void try(const char *text, size_t length)
{
    _cleanup_error_ struct error err = ERROR_INIT;
    _cleanup_intent_ struct intent in = INTENT_INIT;

    if (intent_decode(text, length, &in, &err) == 0)
        check_intent(&in);
    else
        PROMISE(err.kind == ERR_DAMAGED || err.kind == ERR_INPUT);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    try_as_it_is_and_sealed((const char *)data, size, try);
    return 0;
}
