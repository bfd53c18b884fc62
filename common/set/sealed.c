/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* sealed.c - see sealed.h; knows xxhash, no JSON library */
#include "set/sealed.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include <xxhash.h>

#include "base/cleanup.h"
#include "base/text.h"

static const char seal_front[] = ",\n    \"checksum\": \"";
static const char seal_back[] = "\"\n}\n";

#define HASH_DIGITS (HASH_TEXT_SIZE - 1)
#define FRONT_LEN (sizeof(seal_front) - 1)
#define BACK_LEN (sizeof(seal_back) - 1)

void hash_text(const void *bytes, size_t len, char ret[HASH_TEXT_SIZE])
{
    XXH128_canonical_t canonical = {{0}};

    XXH128_canonicalFromHash(&canonical, XXH3_128bits(bytes, len));
    text_hex(canonical.digest, sizeof(canonical.digest), ret);
}

int sealed_add(const char *json, char **ret_text, size_t *ret_len,
               struct error *err)
{
    size_t len = strlen(json);
    size_t body = 0, total = 0;
    _cleanup_free_ char *text = NULL;

    if (len < 2 || strcmp(json + len - 2, "\n}") != 0)
        return error_set(err, ERR_INPUT,
                         "cannot seal a text that is no indented object");
    body = len - 2 + FRONT_LEN;
    total = body + HASH_DIGITS + BACK_LEN;
    if (total > SEALED_MAX_SIZE)
        return error_set(err, ERR_INPUT, "a text of %zu bytes is too long",
                         total);
    text = malloc(total + 1);
    if (!text)
        return error_memory(err);
    memcpy(text, json, len - 2);
    memcpy(text + len - 2, seal_front, FRONT_LEN);
    hash_text(text, body, text + body);
    memcpy(text + body + HASH_DIGITS, seal_back, BACK_LEN + 1);
    *ret_text = take(text);
    *ret_len = total;
    return 0;
}

/* How much deeper the nesting is behind the byte `c` outside of strings. */
static int depth_step(char c)
{
    if (c == '{' || c == '[')
        return 1;
    return c == '}' || c == ']' ? -1 : 0;
}

int json_check_depth(const char *text, size_t len, int max_depth,
                     struct error *err)
{
    bool string = false;
    int depth = 0;

    for (size_t i = 0; i < len; i++) {
        if (string) {
            if (text[i] == '\\')
                i++;
            else if (text[i] == '"')
                string = false;
            continue;
        }
        if (text[i] == '"')
            string = true;
        depth += depth_step(text[i]);
        if (depth > max_depth)
            return error_set(err, ERR_DAMAGED,
                             "more than %d arrays and objects inside each "
                             "other at byte %zu",
                             max_depth, i);
        if (depth < 0)
            return error_set(err, ERR_DAMAGED, "a bracket too many at byte %zu",
                             i);
    }
    return 0;
}

int sealed_check(const char *text, size_t len, struct error *err)
{
    char digits[HASH_TEXT_SIZE] = "";
    size_t body = 0;

    if (len > SEALED_MAX_SIZE)
        return error_set(err, ERR_DAMAGED, "%zu bytes are too long", len);
    if (len < FRONT_LEN + HASH_DIGITS + BACK_LEN)
        return error_set(err, ERR_DAMAGED, "cut off after %zu bytes", len);
    body = len - HASH_DIGITS - BACK_LEN;
    if (memcmp(text + len - BACK_LEN, seal_back, BACK_LEN) != 0 ||
        memcmp(text + body - FRONT_LEN, seal_front, FRONT_LEN) != 0)
        return error_set(err, ERR_DAMAGED,
                         "it does not end in a checksum: cut off or changed");
    hash_text(text, body, digits);
    if (memcmp(text + body, digits, HASH_DIGITS) != 0)
        return error_set(err, ERR_DAMAGED,
                         "its checksum does not fit: it was changed");
    return json_check_depth(text, len, SEALED_MAX_DEPTH, err);
}
