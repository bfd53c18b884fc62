/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* json.c - see json.h */
#include "base/json.h"

#include <stdlib.h>

#include <jansson.h>

#include "base/cleanup.h"

/* A value takes 40 bytes with what malloc adds, and its text two at least; a
 * scanned string up to four times its length while it grows.
 */
#define RESERVE_PER_BYTE 24
#define RESERVE_MIN 4096
#define ALIGNMENT sizeof(max_align_t)

/* What is set aside for the text that this thread parses; all NULL if none. */
static _Thread_local struct {
    char *begin, *end;
    char *next;  /* where the free part begins */
    bool missed; /* malloc failed meanwhile */
} reserve;

static void *allocate(size_t size)
{
    void *p = malloc(size);

    if (p)
        return p;
    reserve.missed = true;
    if (!reserve.begin)
        return NULL;
    size += -size % ALIGNMENT;
    if (size > (size_t)(reserve.end - reserve.next))
        return NULL;
    p = reserve.next;
    reserve.next += size;
    return p;
}

static void release(void *p)
{
    char *at = p;

    if (!reserve.begin || at < reserve.begin || at >= reserve.end)
        free(p);
}

/* Before there are threads. */
__attribute__((constructor)) static void take_over(void)
{
    json_set_alloc_funcs(allocate, release);
}

/* Sets `*ret_missed` if the result was not to be had in full. */
static json_t *parse(const char *text, size_t length, json_error_t *why,
                     char *block, size_t size, bool *ret_missed)
{
    json_t *root;

    reserve.begin = reserve.next = block;
    reserve.end = block + size;
    reserve.missed = false;
    root = json_loadb(text, length, JSON_REJECT_DUPLICATES, why);
    *ret_missed = reserve.missed;
    if (*ret_missed) {
        json_decref(root);
        root = NULL;
    }
    reserve.begin = reserve.next = reserve.end = NULL;
    return root;
}

json_t *json_read(const char *text, size_t length, enum error_kind kind,
                  struct error *err)
{
    size_t size = RESERVE_MIN + length * RESERVE_PER_BYTE;
    _cleanup_free_ char *block = malloc(size);
    json_error_t why = {0};
    json_t *root = NULL;
    bool missed = true;

    if (block)
        root = parse(text, length, &why, block, size, &missed);
    if (missed || (!root && json_error_code(&why) == json_error_out_of_memory))
        error_memory(err);
    else if (!root)
        error_set(err, kind, "line %d: %s", why.line, why.text);
    return root;
}

char *json_print(const json_t *value, size_t flags)
{
    char *text;

    json_watch();
    text = json_dumps(value, flags);
    if (json_missed())
        free(take(text));
    return text;
}

void json_watch(void)
{
    reserve.missed = false;
}

bool json_missed(void)
{
    return reserve.missed;
}
