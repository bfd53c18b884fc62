/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* name.c - see name.h; pure text */
#include "set/name.h"

#include <stdio.h>
#include <string.h>

#define CHECKPOINT_DIR "checkpoints/"

/* Not isalnum(): a locale must not widen the set. */
static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static bool is_alnum(char c)
{
    return is_digit(c) || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

static bool is_hex(char c)
{
    return is_digit(c) || (c >= 'a' && c <= 'f');
}

static bool is_word(const char *text, size_t max, const char *also)
{
    size_t len = 0;

    for (; text[len]; len++)
        if (len == max || (!is_alnum(text[len]) && !strchr(also, text[len])))
            return false;
    return len > 0 && text[0] != '.' && text[0] != '-';
}

bool name_is_safe(const char *name)
{
    return name && is_word(name, NAME_SAFE_MAX, "._-");
}

bool name_is_disk(const char *name)
{
    return name && is_word(name, NAME_DISK_MAX, "_-");
}

bool name_is_point(const char *name)
{
    return name && is_word(name, NAME_POINT_MAX, "._-");
}

bool name_is_safe_below(const char *name)
{
    size_t skip = strlen(CHECKPOINT_DIR);

    if (name && strncmp(name, CHECKPOINT_DIR, skip) == 0)
        name += skip;
    return name_is_safe(name);
}

bool name_is_uuid(const char *text)
{
    for (size_t i = 0; i < 36; i++) {
        bool dash = i == 8 || i == 13 || i == 18 || i == 23;

        if (dash ? text[i] != '-' : !is_hex(text[i]))
            return false;
    }
    return text[36] == '\0';
}

bool name_is_hash(const char *text)
{
    for (size_t i = 0; i < 32; i++)
        if (!is_hex(text[i]))
            return false;
    return text[32] == '\0';
}

/* The part of `text` between `front` and `back`: 1 and a copy in `ret` of
 * `room` bytes, or 0.
 */
static int between(const char *text, const char *front, const char *back,
                   char *ret, size_t room)
{
    size_t len = strlen(text), f = strlen(front), b = strlen(back);

    if (len <= f + b || len - f - b >= room || strncmp(text, front, f) != 0 ||
        strcmp(text + len - b, back) != 0)
        return 0;
    memcpy(ret, text + f, len - f - b);
    ret[len - f - b] = '\0';
    return 1;
}

/* Read "<disk>.<level>[.<point>]" into `ret`. */
static int parse_stem(const char *stem, struct name *ret)
{
    const char *dot = strchr(stem, '.');
    const char *rest = NULL;
    size_t len = 0;

    if (!dot || (size_t)(dot - stem) > NAME_DISK_MAX)
        return 0;
    len = (size_t)(dot - stem);
    memcpy(ret->disk, stem, len);
    ret->disk[len] = '\0';
    if (!name_is_disk(ret->disk))
        return 0;
    rest = dot + 1;
    if (strcmp(rest, "full") == 0) {
        ret->level = LEVEL_FULL;
        return 1;
    }
    if (strcmp(rest, "copy") == 0) {
        ret->level = LEVEL_COPY;
        return 1;
    }
    if (between(rest, "inc.", "", ret->point, sizeof(ret->point)))
        ret->level = LEVEL_INC;
    else if (between(rest, "diff.", "", ret->point, sizeof(ret->point)))
        ret->level = LEVEL_DIFF;
    else
        return 0;
    return name_is_point(ret->point);
}

int name_parse(const char *filename, struct name *ret)
{
    static const struct {
        const char *suffix;
        enum name_kind kind;
    } kinds[] = {
        {".data", NAME_DATA},
        {".data.partial", NAME_DATA_PARTIAL},
        {".data.chksum", NAME_CHECKSUM},
        {".index", NAME_INDEX},
        {".index.partial", NAME_INDEX_PARTIAL},
    };
    char stem[NAME_SAFE_MAX + 1] = "";
    struct name name = {0};

    if (!name_is_safe(filename))
        return 0;
    for (size_t i = 0; i < array_size(kinds); i++) {
        if (!between(filename, "", kinds[i].suffix, stem, sizeof(stem)) ||
            !parse_stem(stem, &name))
            continue;
        name.kind = kinds[i].kind;
        *ret = name;
        return 1;
    }
    memset(&name, 0, sizeof(name));
    if (between(filename, "manifest.", ".json", name.point,
                sizeof(name.point)) &&
        name_is_point(name.point))
        name.kind = NAME_MANIFEST;
    else if (between(filename, "intent.", ".json", name.point,
                     sizeof(name.point)) &&
             name_is_uuid(name.point))
        name.kind = NAME_INTENT;
    else
        return 0;
    *ret = name;
    return 1;
}

/* A finished name, if it is safe. */
static int finish(struct name_text *out, int len, struct name_text *ret,
                  struct error *err)
{
    if (len < 0 || (size_t)len >= sizeof(out->text) || !name_is_safe(out->text))
        return error_set(err, ERR_INPUT,
                         "cannot name a file '%s': too long, or characters "
                         "other than letters, digits, '.', '_', '-'",
                         out->text);
    *ret = *out;
    return 0;
}

int name_data(const char *disk, enum level level, const char *point,
              struct name_text *ret, struct error *err)
{
    bool with_point = level == LEVEL_INC || level == LEVEL_DIFF;
    struct name_text out = {""};

    if (!name_is_disk(disk))
        return error_set(err, ERR_INPUT,
                         "cannot name a file after the disk '%s': characters "
                         "other than letters, digits, '_', '-'",
                         disk);
    if (with_point && !name_is_point(point))
        return error_set(err, ERR_INPUT,
                         "cannot name a file after the point '%s'", point);
    return finish(&out,
                  snprintf(out.text, sizeof(out.text), "%s.%s%s%s.data", disk,
                           level_text(level), with_point ? "." : "",
                           with_point ? point : ""),
                  ret, err);
}

int name_index(const char *datafile, struct name_text *ret, struct error *err)
{
    struct name name = {0};
    struct name_text out = {""};
    size_t stem = 0;

    if (!name_parse(datafile, &name) || name.kind != NAME_DATA)
        return error_set(err, ERR_INPUT, "'%s' is not the name of a data file",
                         datafile);
    stem = strlen(datafile) - strlen(".data");
    return finish(
        &out,
        snprintf(out.text, sizeof(out.text), "%.*s.index", (int)stem, datafile),
        ret, err);
}

int name_manifest(const char *point, struct name_text *ret, struct error *err)
{
    struct name_text out = {""};

    if (!name_is_point(point))
        return error_set(err, ERR_INPUT,
                         "cannot name a manifest after the point '%s'", point);
    return finish(
        &out, snprintf(out.text, sizeof(out.text), "manifest.%s.json", point),
        ret, err);
}

int name_intent(const char *uuid, struct name_text *ret, struct error *err)
{
    struct name_text out = {""};

    if (!name_is_uuid(uuid))
        return error_set(err, ERR_INPUT, "'%s' is not a UUID", uuid);
    return finish(&out,
                  snprintf(out.text, sizeof(out.text), "intent.%s.json", uuid),
                  ret, err);
}

static const char *const levels[] = {
    [LEVEL_FULL] = "full",
    [LEVEL_COPY] = "copy",
    [LEVEL_INC] = "inc",
    [LEVEL_DIFF] = "diff",
};

const char *level_text(enum level level)
{
    return levels[level];
}

int level_parse(const char *text, enum level *ret)
{
    for (size_t i = 0; i < array_size(levels); i++) {
        if (strcmp(text, levels[i]) == 0) {
            *ret = (enum level)i;
            return 1;
        }
    }
    return 0;
}

int name_point_number(const char *point, unsigned long long *ret)
{
    const char *dot = strrchr(point, '.');
    unsigned long long value = 0;

    if (!dot) {
        if (strcmp(point, "virtnbdbackup") != 0)
            return 0;
        *ret = 0;
        return 1;
    }
    if (!dot[1])
        return 0;
    for (const char *p = dot + 1; *p; p++) {
        if (!is_digit(*p) || __builtin_mul_overflow(value, 10ULL, &value) ||
            __builtin_add_overflow(value, (unsigned long long)(*p - '0'),
                                   &value))
            return 0;
    }
    *ret = value;
    return 1;
}

/* Compare the digits at `*a` and `*b` by value and step behind them. */
static int compare_digits(const char **a, const char **b)
{
    size_t la = 0, lb = 0;
    int order = 0;

    while (**a == '0')
        (*a)++;
    while (**b == '0')
        (*b)++;
    while (is_digit((*a)[la]))
        la++;
    while (is_digit((*b)[lb]))
        lb++;
    order = la != lb ? (la < lb ? -1 : 1) : strncmp(*a, *b, la);
    *a += la;
    *b += lb;
    return order;
}

int name_compare(const char *a, const char *b)
{
    const char *x = a, *y = b;

    while (*x && *y) {
        if (is_digit(*x) && is_digit(*y)) {
            int order = compare_digits(&x, &y);

            if (order != 0)
                return order;
            continue;
        }
        if (*x != *y)
            return (unsigned char)*x < (unsigned char)*y ? -1 : 1;
        x++;
        y++;
    }
    if (*x || *y)
        return *x ? 1 : -1;
    /* Equal by value: "01" and "1" are still two names. */
    return strcmp(a, b);
}
