/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* fuzz-names.c - any text as a file's name, a number, a size, something to show
 *
 * A name that is taken apart can be put together again; what is escaped or
 * quoted cannot do harm.  Two texts, with a line end between them, are compared
 * as names.  How to build and run: fuzz.h.
 */
#include <string.h>

#include "base/cleanup.h"
#include "base/text.h"
#include "set/name.h"

#include "fuzz.h"

static void check_built(const char *name, const struct name *n)
{
    struct name_text text = {""};
    struct name_text data = {""};

    switch (n->kind) {
    case NAME_DATA:
        PROMISE(name_data(n->disk, n->level, n->point, &text, NULL) == 0);
        PROMISE(strcmp(text.text, name) == 0);
        PROMISE(name_index(name, &text, NULL) == 0);
        return;
    case NAME_INDEX:
        PROMISE(name_data(n->disk, n->level, n->point, &data, NULL) == 0);
        PROMISE(name_index(data.text, &text, NULL) == 0);
        break;
    case NAME_MANIFEST:
        PROMISE(name_manifest(n->point, &text, NULL) == 0);
        break;
    case NAME_INTENT:
        PROMISE(name_intent(n->point, &text, NULL) == 0);
        break;
    default:
        return;
    }
    PROMISE(strcmp(text.text, name) == 0);
}

static void check_name(const char *name)
{
    struct name n;

    if (name_is_disk(name) || name_is_point(name))
        PROMISE(name_is_safe(name));
    if (name_is_safe(name))
        PROMISE(name_is_safe_below(name) && !strchr(name, '/'));
    if (name_is_safe_below(name))
        PROMISE(name[0] != '/' && !strstr(name, "/..") && name[0] != '.');
    if (name_parse(name, &n) != 1)
        return;
    PROMISE(name_is_safe(name));
    check_built(name, &n);
}

static void check_numbers(const char *text)
{
    uint64_t u = 0, bytes = 0;
    int64_t i = 0;
    unsigned long long number = 0;
    char digest[16];

    if (text_u64(text, &u) == 0) {
        PROMISE(text_bytes(text, &bytes) == 0 && bytes == u);
        if (u <= INT64_MAX)
            PROMISE(text_i64(text, 0, INT64_MAX, &i) == 0 && (uint64_t)i == u);
    }
    if (text_i64(text, -5, 5, &i) == 0)
        PROMISE(i >= -5 && i <= 5);
    if (name_is_hash(text))
        PROMISE(text_unhex(text, sizeof(digest), digest) == 0);
    if (name_is_uuid(text))
        PROMISE(uuid_is_valid(text));
    if (name_point_number(text, &number) == 1)
        PROMISE(text[0]);
}

static void check_shown(const char *text)
{
    _cleanup_free_ char *escaped = text_escape(text);
    _cleanup_free_ char *quoted = text_quote(text);

    PROMISE(escaped && quoted);
    for (const char *p = escaped; *p; p++)
        PROMISE((unsigned char)*p >= ' ' && *p != 0x7f);
    PROMISE(strlen(quoted) >= strlen(text) && quoted[0]);
    PROMISE(quoted[0] != '-' || text[0] == '-');
}

static int sign(int n)
{
    return (n > 0) - (n < 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    _cleanup_free_ char *text = strndup((const char *)data, size);
    char *second = text ? strchr(text, '\n') : NULL;

    if (!text)
        return 0;
    check_shown(text);
    if (second) {
        *second++ = '\0';
        PROMISE(sign(name_compare(text, second)) ==
                -sign(name_compare(second, text)));
        PROMISE((name_compare(text, second) == 0) ==
                (strcmp(text, second) == 0));
    }
    check_name(text);
    check_numbers(text);
    return 0;
}
