/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* nbdinfo.c - see nbdinfo.h
 *
 * The array is walked by hand and only its elements go through jansson, one at
 * a time, so that a map of many extents costs its text and not a tree of it.
 * This also bounds how deep anything nests: an element ends at the first
 * closing brace.
 */
#include "nbdinfo.h"

#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include <jansson.h>

#include "base/cleanup.h"
#include "base/json.h"
#include "base/spawn.h"
#include "base/text.h"
#include "nbd/status.h"

/* Bytes of one element; nbdinfo needs about ninety. */
#define ELEMENT_MAX 1024

struct map {
    const char *at, *end; /* what is left of the text */
    uint64_t covered;     /* bytes of the disk */
    uint64_t size;
    status_meaning meaning;
};

static int nonsense(struct error *err, const struct map *m, const char *what)
{
    return error_set(err, ERR_NBD,
                     "the map of nbdinfo makes no sense at byte %" PRIu64
                     " of the disk: %s",
                     m->covered, what);
}

static void skip_space(struct map *m)
{
    while (m->at < m->end && (*m->at == ' ' || *m->at == '\t' ||
                              *m->at == '\r' || *m->at == '\n'))
        m->at++;
}

/* The next character that is no white space; it is passed if it is `wanted`. */
static bool next_is(struct map *m, char wanted)
{
    skip_space(m);
    if (m->at == m->end || *m->at != wanted)
        return false;
    m->at++;
    return true;
}

/* Outcome 0 and a number that is not negative; -1: there is none. */
static int get_number(const json_t *object, const char *key, uint64_t *ret)
{
    const json_t *value = json_object_get(object, key);

    if (!json_is_integer(value) || json_integer_value(value) < 0)
        return -1;
    *ret = (uint64_t)json_integer_value(value);
    return 0;
}

static int add_extent(struct map *m, const json_t *element,
                      struct extent_list *ret, struct error *err)
{
    uint64_t offset = 0, length = 0, type = 0;
    int kind;

    if (get_number(element, "offset", &offset) < 0 ||
        get_number(element, "length", &length) < 0 ||
        get_number(element, "type", &type) < 0)
        return nonsense(err, m, "an extent lacks its offset, length or type");
    if (offset != m->covered)
        return nonsense(err, m, "the next extent begins elsewhere");
    if (length == 0 || length > m->size - m->covered)
        return nonsense(err, m, "an extent is empty, or longer than the disk");
    if (type > UINT32_MAX)
        return nonsense(err, m, "a type is too large");
    kind = m->meaning((uint32_t)type);
    if (kind >= 0 &&
        extent_append(ret, offset, length, (enum extent_kind)kind, err) < 0)
        return -1;
    m->covered += length;
    return 0;
}

/* One element of the array. */
static int read_element(struct map *m, struct extent_list *ret,
                        struct error *err)
{
    const char *begin = m->at;
    size_t room = MIN_OF((size_t)(m->end - begin), (size_t)ELEMENT_MAX);
    const char *last = memchr(begin, '}', room);
    _cleanup_(json_decrefp) json_t *element = NULL;
    _cleanup_error_ struct error why = ERROR_INIT;

    if (!last)
        return nonsense(err, m, "an element has no end");
    element = json_read(begin, (size_t)(last + 1 - begin), ERR_NBD, &why);
    if (!element && why.kind == ERR_MEMORY)
        return error_memory(err);
    if (!json_is_object(element))
        return nonsense(err, m, element ? "no object" : error_text(&why));
    m->at = last + 1;
    return add_extent(m, element, ret, err);
}

static int read_elements(struct map *m, struct extent_list *ret,
                         struct error *err)
{
    if (!next_is(m, '['))
        return nonsense(err, m, "it does not begin as a list");
    if (next_is(m, ']'))
        return 0;
    do {
        if (read_element(m, ret, err) < 0)
            return -1;
    } while (next_is(m, ','));
    return next_is(m, ']') ? 0 : nonsense(err, m, "the list has no end");
}

int nbdinfo_parse(const char *json, size_t length, uint64_t size,
                  status_meaning meaning, struct extent_list *ret,
                  struct error *err)
{
    struct map m = {
        .at = json, .end = json + length, .size = size, .meaning = meaning};

    if (read_elements(&m, ret, err) < 0)
        return -1;
    skip_space(&m);
    if (m.at != m.end)
        return nonsense(err, &m, "more follows behind the list");
    if (m.covered != size)
        return nonsense(err, &m, "it ends before the disk does");
    return 0;
}

/* Append `text` to `*to`, with all but letters, digits and "-._~" escaped. */
static char *escape(char *to, const char *text)
{
    static const char safe[] = "abcdefghijklmnopqrstuvwxyz"
                               "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._~";

    for (; *text; text++) {
        if (strchr(safe, *text)) {
            *to++ = *text;
        } else {
            *to++ = '%';
            text_hex(text, 1, to);
            to += 2;
        }
    }
    *to = '\0';
    return to;
}

char *nbdinfo_uri(const struct nbd_target *target)
{
    static const char scheme[] = "nbd+unix:///", query[] = "?socket=";
    const char *name = target->export_name ? target->export_name : "";
    size_t room = sizeof(scheme) + sizeof(query) + 3 * strlen(name) +
                  3 * strlen(target->socket_path);
    char *uri = malloc(room);
    char *to = uri;

    if (!uri)
        return NULL;
    to = escape(stpcpy(to, scheme), name);
    escape(stpcpy(to, query), target->socket_path);
    return uri;
}

/* Milliseconds for all of its work; -1: no limit. */
static int patience(int io_timeout_ms)
{
    if (io_timeout_ms <= 0)
        return -1;
    return NBDINFO_PATIENCE * MIN_OF(io_timeout_ms, INT_MAX / NBDINFO_PATIENCE);
}

/* Run it; `*ret` is what it prints. */
static int run(const struct nbd_target *target, const char *context,
               int io_timeout_ms, char **ret, struct error *err)
{
    _cleanup_free_ char *uri = NULL;
    _cleanup_free_ char *map = text_dup_printf("--map=%s", context);
    const char *argv[] = {"nbdinfo", "--json", map, NULL, NULL};
    static const char *const nothing[] = {NULL};
    struct spawn_request req = {.argv = argv,
                                .output_max = NBDINFO_OUTPUT_MAX,
                                .writes = nothing,
                                .die_with_us = true};

    if (!target->socket_path)
        return error_set(err, ERR_INPUT,
                         "nbdinfo is only asked about servers on unix sockets");
    uri = nbdinfo_uri(target);
    if (!map || !uri)
        return error_memory(err);
    argv[3] = uri;
    if (spawn_run(&req, patience(io_timeout_ms), ret, NULL, err) == 0)
        return 0;
    if (err && err->kind == ERR_SYSTEM && err->code == ENOENT)
        return error_append(err, " (it belongs to the package libnbd-bin or "
                                 "libnbd; without --qemu it is not needed)");
    if (err && (err->kind == ERR_CHILD || err->kind == ERR_TIMEOUT))
        return error_append(err, "; without --qemu it is not needed");
    return -1;
}

static int ask(const struct nbd_target *target, const char *context,
               uint64_t size, int io_timeout_ms, status_meaning meaning,
               struct extent_list *ret, struct error *err)
{
    _cleanup_free_ char *json = NULL;

    if (run(target, context, io_timeout_ms, &json, err) < 0 ||
        nbdinfo_parse(json, strlen(json), size, meaning, ret, err) < 0)
        return error_prefix(err, "ask nbdinfo for '%s'", context);
    return 0;
}

int nbdinfo_allocation(const struct nbd_target *target, uint64_t size,
                       int io_timeout_ms, struct extent_list *ret,
                       struct error *err)
{
    return ask(target, STATUS_ALLOCATION, size, io_timeout_ms,
               status_allocation_meaning, ret, err);
}

int nbdinfo_dirty(const struct nbd_target *target, const char *context,
                  uint64_t size, int io_timeout_ms, struct extent_list *ret,
                  struct error *err)
{
    return ask(target, context, size, io_timeout_ms, status_dirty_meaning, ret,
               err);
}
