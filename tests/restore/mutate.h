/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* mutate.h - change a backup set at random, and undo it
 *
 * Flips, cuts, bytes put in, taken out, zeroed; digits of text edited; files
 * deleted, copied over each other, swapped, given another name.
 */
#ifndef TESTS_RESTORE_MUTATE_H
#define TESTS_RESTORE_MUTATE_H

#include <ctype.h>
#include <dirent.h>

#include "../common/set/lab.h"
#include "base/macro.h"

#define MUTATE_FILES_MAX 100

struct mutate_file {
    char *name; /* "vda.full.data", "checkpoints/x.xml" */
    char *bytes;
    size_t length;
};

struct mutate_set {
    struct lab *lab;
    struct mutate_file files[MUTATE_FILES_MAX];
    size_t count;
};

/* What was done, and to which one or two files. */
struct mutation {
    char text[500];
    const char *names[2]; /* [1] may be NULL */
};

static inline void mutate_read_dir(struct mutate_set *s, const char *below)
{
    int fd = openat(s->lab->dirfd, below[0] ? below : ".",
                    O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *dir = fdopendir(fd);
    struct dirent *entry = NULL;

    while (dir && (entry = readdir(dir))) {
        struct mutate_file *f = &s->files[s->count];

        if (entry->d_type != DT_REG || s->count == MUTATE_FILES_MAX)
            continue;
        f->name = text_dup_printf("%s%s%s", below, below[0] ? "/" : "",
                                  entry->d_name);
        f->bytes = lab_read(s->lab, f->name, &f->length);
        s->count++;
    }
    closedir(dir);
}

static inline int mutate_compare(const void *a, const void *b)
{
    return strcmp(((const struct mutate_file *)a)->name,
                  ((const struct mutate_file *)b)->name);
}

/* Remember everything in the directory; in the order of names, so that the same
 * number does the same to the same set.
 */
static inline void mutate_open(struct mutate_set *s, struct lab *lab)
{
    *s = (struct mutate_set){.lab = lab};
    mutate_read_dir(s, "");
    if (lab_has(lab, "checkpoints"))
        mutate_read_dir(s, "checkpoints");
    qsort(s->files, s->count, sizeof(s->files[0]), mutate_compare);
}

static inline void mutate_close(struct mutate_set *s)
{
    for (size_t i = 0; i < s->count; i++) {
        free(s->files[i].name);
        free(s->files[i].bytes);
    }
}

static inline bool mutate_knows(const struct mutate_set *s, const char *name)
{
    for (size_t i = 0; i < s->count; i++)
        if (strcmp(s->files[i].name, name) == 0)
            return true;
    return false;
}

/* What a rename has made. */
static inline void mutate_remove_new(struct mutate_set *s)
{
    int fd = openat(s->lab->dirfd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *dir = fdopendir(fd);
    struct dirent *entry = NULL;

    while (dir && (entry = readdir(dir)))
        if (entry->d_type == DT_REG && !mutate_knows(s, entry->d_name))
            lab_remove(s->lab, entry->d_name);
    closedir(dir);
}

/* Put back what the change has touched. */
static inline void mutate_undo(struct mutate_set *s, const struct mutation *m)
{
    mutate_remove_new(s);
    for (size_t i = 0; i < s->count; i++)
        for (size_t k = 0; k < array_size(m->names); k++)
            if (m->names[k] && strcmp(m->names[k], s->files[i].name) == 0)
                lab_write(s->lab, s->files[i].name, s->files[i].bytes,
                          s->files[i].length);
}

/* The kinds of files have equal chances, whatever their number. */
static inline struct mutate_file *mutate_pick(struct mutate_set *s,
                                              uint64_t *random)
{
    static const char *const ends[] = {".data", ".data", ".index", ".json", ""};

    /* (Not every set has all kinds.) */
    for (;;) {
        const char *end = ends[lab_random(random) % array_size(ends)];
        struct mutate_file *f = &s->files[lab_random(random) % s->count];
        size_t length = strlen(f->name), n = strlen(end);

        if (length >= n && strcmp(f->name + length - n, end) == 0 &&
            (end[0] != '.' || end[1] != 'j' ||
             strncmp(f->name, "manifest.", 9) == 0))
            return f;
    }
}

/* A place in the file; beginnings and ends are where the meaning is. */
static inline size_t mutate_place(const struct mutate_file *f, uint64_t *random)
{
    size_t at = 0;

    if (f->length == 0)
        return 0;
    at = lab_random(random) % f->length;
    switch (lab_random(random) % 4) {
    case 0:
        return at % 600 % f->length;
    case 1:
        return f->length - 1 - at % 600 % f->length;
    default:
        return at;
    }
}

/* Write the file with `bytes` at `at` instead of the `gone` ones there. */
static inline void mutate_write(struct mutate_set *s,
                                const struct mutate_file *f, size_t at,
                                size_t gone, const char *bytes, size_t length)
{
    size_t rest = f->length - at - gone;
    char *out = malloc(f->length + length + 1);

    memcpy(out, f->bytes, at);
    memcpy(out + at, bytes, length);
    memcpy(out + at + length, f->bytes + at + gone, rest);
    lab_write(s->lab, f->name, out, at + length + rest);
    free(out);
}

static inline void mutate_bytes(struct mutate_set *s, struct mutate_file *f,
                                uint64_t *random, struct mutation *m)
{
    size_t at = mutate_place(f, random);
    size_t length = 1 + lab_random(random) % 64;
    char put[64];

    for (size_t i = 0; i < sizeof(put); i++)
        put[i] = (char)lab_random(random);
    length = MIN_OF(length, f->length - at);
    switch (lab_random(random) % 6) {
    case 0:
    case 1:
        put[0] = (char)(f->bytes[at] ^ 1 << lab_random(random) % 8);
        mutate_write(s, f, at, 1, put, 1);
        snprintf(m->text, sizeof(m->text), "flip a bit at %zu", at);
        break;
    case 2:
        mutate_write(s, f, at, 0, put, length);
        snprintf(m->text, sizeof(m->text), "put %zu bytes in at %zu", length,
                 at);
        break;
    case 3:
        mutate_write(s, f, at, length, put, 0);
        snprintf(m->text, sizeof(m->text), "take %zu bytes out at %zu", length,
                 at);
        break;
    case 4:
        memset(put, 0, sizeof(put));
        mutate_write(s, f, at, length, put, length);
        snprintf(m->text, sizeof(m->text), "zero %zu bytes at %zu", length, at);
        break;
    default:
        mutate_write(s, f, at, length, put, length);
        snprintf(m->text, sizeof(m->text), "change %zu bytes at %zu", length,
                 at);
    }
}

/* Another digit for one of the text: metadata, trailers, headers, JSON. */
static inline void mutate_digit(struct mutate_set *s, struct mutate_file *f,
                                uint64_t *random, struct mutation *m)
{
    size_t at = mutate_place(f, random), start = at;
    char digit;

    while (!isxdigit((unsigned char)f->bytes[at])) {
        at = (at + 1) % f->length;
        if (at == start)
            break;
    }
    do
        digit = "0123456789abcdef"[lab_random(random) % 16];
    while (digit == f->bytes[at]);
    mutate_write(s, f, at, 1, &digit, 1);
    snprintf(m->text, sizeof(m->text), "'%c' becomes '%c' at %zu", f->bytes[at],
             digit, at);
}

static inline void mutate_cut(struct mutate_set *s, struct mutate_file *f,
                              uint64_t *random, struct mutation *m)
{
    size_t at = mutate_place(f, random);

    mutate_write(s, f, at, f->length - at, "", 0);
    snprintf(m->text, sizeof(m->text), "cut to %zu of %zu", at, f->length);
}

static inline void mutate_delete(struct mutate_set *s, struct mutate_file *f,
                                 uint64_t *random, struct mutation *m)
{
    (void)random;
    lab_remove(s->lab, f->name);
    snprintf(m->text, sizeof(m->text), "delete");
}

static inline void mutate_rename(struct mutate_set *s, struct mutate_file *f,
                                 uint64_t *random, struct mutation *m)
{
    static const char *const names[] = {
        "vdd.full.data",  "vda.inc.virtnbdbackup.7.data",
        "vda.copy.data",  "manifest.virtnbdbackup.7.json",
        "notes.txt",      "vdb.diff.1600000000.data",
        "vda.copy.index", "x.data",
    };
    const char *to = names[lab_random(random) % array_size(names)];

    lab_rename(s->lab, f->name, to);
    m->names[1] = to;
    snprintf(m->text, sizeof(m->text), "rename to '%s'", to);
}

static inline void mutate_two(struct mutate_set *s, struct mutate_file *f,
                              uint64_t *random, struct mutation *m)
{
    struct mutate_file *g = mutate_pick(s, random);
    bool swap = lab_random(random) % 2;

    lab_write(s->lab, f->name, g->bytes, g->length);
    if (swap)
        lab_write(s->lab, g->name, f->bytes, f->length);
    m->names[1] = g->name;
    snprintf(m->text, sizeof(m->text), "%s '%s'",
             swap ? "swap with" : "becomes", g->name);
}

/* Do the change of this number (not 0); `undo` it before the next. */
static inline struct mutation mutate(struct mutate_set *s, uint64_t number)
{
    typedef void (*kind_fn)(struct mutate_set *, struct mutate_file *,
                            uint64_t *, struct mutation *);
    static const kind_fn kinds[] = {mutate_bytes,  mutate_bytes, mutate_digit,
                                    mutate_digit,  mutate_cut,   mutate_delete,
                                    mutate_rename, mutate_two};
    uint64_t random = number;
    struct mutation m = {.text = ""};
    struct mutate_file *f = NULL;

    /* Neighbouring numbers begin alike. */
    for (int i = 0; i < 20; i++)
        lab_random(&random);
    do
        f = mutate_pick(s, &random);
    while (f->length == 0);
    m.names[0] = f->name;
    kinds[lab_random(&random) % array_size(kinds)](s, f, &random, &m);
    return m;
}

#endif
