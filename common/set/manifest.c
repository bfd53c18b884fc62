/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* manifest.c - the JSON of a manifest, see manifest.h
 *
 * What the members may say is in manifest_rules.c, the files on disk in
 * manifest_files.c.
 */
#include "set/manifest.h"

#include <stdlib.h>
#include <string.h>

#include <jansson.h>

#include "base/cleanup.h"
#include "base/json.h"
#include "base/text.h"
#include "set/manifest_rules.h"

static void disk_done(struct manifest_disk *d)
{
    free(d->target);
    free(d->file);
    free(d->index);
    free(d->checkpoint);
    free(d->format);
    free(d->source_id);
}

void manifest_done(struct manifest *m)
{
    free(m->tool);
    free(m->name);
    free(m->level_asked);
    free(m->domain_name);
    free(m->time);
    for (size_t i = 0; i < m->disk_count; i++)
        disk_done(&m->disks[i]);
    free(m->disks);
    for (size_t i = 0; i < m->file_count; i++)
        free(m->files[i].name);
    free(m->files);
    for (size_t i = 0; i < m->warning_count; i++)
        free(m->warnings[i]);
    free(m->warnings);
    *m = (struct manifest)MANIFEST_INIT;
}

int manifest_set(char **member, const char *value, struct error *err)
{
    char *copy = strdup(value);

    if (!copy)
        return error_memory(err);
    free(*member);
    *member = copy;
    return 0;
}

/* `array` of `count` elements with room for one more, which is zero. */
static void *grow(void *array, size_t count, size_t size)
{
    char *grown = reallocarray(array, count + 1, size);

    if (grown)
        memset(grown + count * size, 0, size);
    return grown;
}

struct manifest_disk *manifest_add_disk(struct manifest *m, struct error *err)
{
    struct manifest_disk *disks = NULL;

    if (m->disk_count >= MANIFEST_MAX_DISKS) {
        error_set(err, ERR_INPUT, "more than %d disks", MANIFEST_MAX_DISKS);
        return NULL;
    }
    disks = grow(m->disks, m->disk_count, sizeof(*disks));
    if (!disks) {
        error_memory(err);
        return NULL;
    }
    m->disks = disks;
    return &disks[m->disk_count++];
}

int manifest_put_file(struct manifest *m, const char *name, uint64_t size,
                      const char *hash, struct error *err)
{
    struct manifest_file *files = NULL;

    if (m->file_count >= MANIFEST_MAX_FILES)
        return error_set(err, ERR_INPUT, "more than %d files",
                         MANIFEST_MAX_FILES);
    files = grow(m->files, m->file_count, sizeof(*files));
    if (!files)
        return error_memory(err);
    m->files = files;
    files[m->file_count].name = strdup(name);
    if (!files[m->file_count].name)
        return error_memory(err);
    files[m->file_count].size = size;
    strncpy(files[m->file_count].hash, hash, HASH_TEXT_SIZE - 1);
    m->file_count++;
    return 0;
}

static const char *const roles[] = {
    [FILE_LOADER] = "loader",
    [FILE_NVRAM] = "nvram",
    [FILE_KERNEL] = "kernel",
    [FILE_INITRD] = "initrd",
};

const char *file_role_text(enum file_role role)
{
    return (size_t)role < array_size(roles) ? roles[role] : NULL;
}

int file_role_parse(const char *text, enum file_role *ret)
{
    for (size_t i = FILE_LOADER; i < array_size(roles); i++) {
        if (strcmp(text, roles[i]) == 0) {
            *ret = (enum file_role)i;
            return 1;
        }
    }
    return 0;
}

int manifest_add_boot_file(struct manifest *m, int dirfd, const char *name,
                           enum file_role role, struct error *err)
{
    if (manifest_add_file(m, dirfd, name, err) < 0)
        return -1;
    m->files[m->file_count - 1].role = role;
    return 0;
}

int manifest_add_warning(struct manifest *m, const char *text,
                         struct error *err)
{
    char **warnings = grow(m->warnings, m->warning_count, sizeof(*warnings));

    if (!warnings)
        return error_memory(err);
    m->warnings = warnings;
    /* Messages may quote what is no UTF-8. */
    warnings[m->warning_count] = text_escape(text);
    if (!warnings[m->warning_count])
        return error_memory(err);
    m->warning_count++;
    return 0;
}

const struct manifest_disk *manifest_find_disk(const struct manifest *m,
                                               const char *target)
{
    for (size_t i = 0; i < m->disk_count; i++)
        if (strcmp(m->disks[i].target, target) == 0)
            return &m->disks[i];
    return NULL;
}

void manifest_hash(const char *text, size_t len, char ret[HASH_TEXT_SIZE])
{
    hash_text(text, len, ret);
}

/* Append `own_item` to the array; NULL is no memory or no UTF-8. */
static int append(json_t *array, json_t *own_item, struct error *err)
{
    if (!own_item)
        return json_missed()
                   ? error_memory(err)
                   : error_set(err, ERR_INPUT,
                               "cannot encode a manifest: a text that is no "
                               "UTF-8");
    if (json_array_append_new(array, own_item) < 0)
        return error_memory(err);
    return 0;
}

static json_t *encode_disk(const struct manifest_disk *d)
{
    return json_pack(
        "{s:s, s:s, s:s, s:s, s:s, s:s, s:s, s:b, s:b, s:I, s:I, s:I, s:I, "
        "s:s, s:s*}",
        "target", d->target, "file", d->file, "index", d->index, "level",
        level_text(d->level), "parent", d->parent, "checkpoint", d->checkpoint,
        "format", d->format, "raw", (int)d->raw, "compressed",
        (int)d->compressed, "virtualSize", (json_int_t)d->virtual_size,
        "dataSize", (json_int_t)d->data_size, "zeroSize",
        (json_int_t)d->zero_size, "fileSize", (json_int_t)d->file_size,
        "indexHash", d->index_hash, "sourceId",
        d->source_id && d->source_id[0] ? d->source_id : NULL);
}

static int encode_arrays(const struct manifest *m, json_t *disks, json_t *files,
                         json_t *warnings, struct error *err)
{
    if (!disks || !files || !warnings)
        return error_memory(err);
    json_watch();
    for (size_t i = 0; i < m->disk_count; i++)
        if (append(disks, encode_disk(&m->disks[i]), err) < 0)
            return -1;
    for (size_t i = 0; i < m->file_count; i++) {
        const struct manifest_file *f = &m->files[i];

        if (append(files,
                   json_pack("{s:s, s:I, s:s, s:s*}", "name", f->name, "size",
                             (json_int_t)f->size, "hash", f->hash, "role",
                             file_role_text(f->role)),
                   err) < 0)
            return -1;
    }
    for (size_t i = 0; i < m->warning_count; i++)
        if (append(warnings, json_string(m->warnings[i]), err) < 0)
            return -1;
    return 0;
}

int manifest_encode(const struct manifest *m, char **ret_text, size_t *ret_len,
                    struct error *err)
{
    json_auto_t *disks = json_array();
    json_auto_t *files = json_array();
    json_auto_t *warnings = json_array();
    json_auto_t *root = NULL;
    _cleanup_free_ char *json = NULL;

    if (manifest_check_rules(m, ERR_INPUT, err) < 0 ||
        encode_arrays(m, disks, files, warnings, err) < 0)
        return -1;
    json_watch();
    root = json_pack(
        "{s:i, s:s, s:s, s:s, s:s, s:I, s:s, s:s, s:s, s:{s:s, s:s}, s:s, "
        "s:I, s:O, s:O, s:O}",
        "format", MANIFEST_FORMAT, "tool", m->tool, "chain", m->chain, "point",
        m->point, "name", m->name, "sequence", (json_int_t)m->sequence,
        "previous", m->previous, "levelAsked", m->level_asked, "levelDone",
        level_text(m->level_done), "domain", "name", m->domain_name, "uuid",
        m->domain_uuid, "time", m->time, "frozenMs", (json_int_t)m->frozen_ms,
        "disks", disks, "files", files, "warnings", warnings);
    if (!root)
        return json_missed()
                   ? error_memory(err)
                   : error_set(err, ERR_INPUT,
                               "cannot encode the manifest of '%s': a text "
                               "that is no UTF-8",
                               m->name);
    if (m->adopted && json_object_set_new(root, "adopted", json_true()) < 0)
        return error_memory(err);
    json = json_print(root, JSON_INDENT(4));
    if (!json)
        return error_memory(err);
    return sealed_add(json, ret_text, ret_len, err);
}

static int wrong(const json_error_t *why, struct error *err)
{
    if (json_error_code(why) == json_error_out_of_memory)
        return error_memory(err);
    return error_set(err, ERR_DAMAGED, "%s", why->text);
}

/* Copy a text of fixed length; longer is wrong, and what it says is checked
 * by the rules.
 */
static int copy_fixed(char *to, size_t room, const char *from,
                      struct error *err)
{
    size_t len = strlen(from);

    if (len >= room)
        return error_set(err, ERR_DAMAGED, "'%s' is too long", from);
    memcpy(to, from, len + 1);
    return 0;
}

static int decode_level(const char *text, enum level *ret, struct error *err)
{
    if (!level_parse(text, ret))
        return error_set(err, ERR_DAMAGED, "unknown level '%s'", text);
    return 0;
}

/* A number of bytes, or any other that cannot be less than 0. */
static int decode_u64(const char *key, json_int_t value, uint64_t *ret,
                      struct error *err)
{
    if (value < 0)
        return error_set(err, ERR_DAMAGED, "'%s' is negative", key);
    *ret = (uint64_t)value;
    return 0;
}

static int decode_disk(json_t *item, struct manifest_disk *d, struct error *err)
{
    const char *target = NULL, *file = NULL, *index = NULL, *level = NULL;
    const char *parent = NULL, *checkpoint = NULL, *format = NULL;
    const char *index_hash = NULL, *source_id = "";
    json_int_t virtual_size = 0, data_size = 0, zero_size = 0, file_size = 0;
    json_error_t why = {0};
    int raw = 0, compressed = 0;

    if (json_unpack_ex(
            item, &why, 0,
            "{s:s, s:s, s:s, s:s, s:s, s:s, s:s, s:b, s:b, s:I, s:I, s:I, "
            "s:I, s:s, s?s}",
            "target", &target, "file", &file, "index", &index, "level", &level,
            "parent", &parent, "checkpoint", &checkpoint, "format", &format,
            "raw", &raw, "compressed", &compressed, "virtualSize",
            &virtual_size, "dataSize", &data_size, "zeroSize", &zero_size,
            "fileSize", &file_size, "indexHash", &index_hash, "sourceId",
            &source_id) < 0)
        return wrong(&why, err);
    d->raw = raw != 0;
    d->compressed = compressed != 0;
    if (manifest_set(&d->target, target, err) < 0 ||
        manifest_set(&d->file, file, err) < 0 ||
        manifest_set(&d->index, index, err) < 0 ||
        manifest_set(&d->checkpoint, checkpoint, err) < 0 ||
        manifest_set(&d->format, format, err) < 0 ||
        manifest_set(&d->source_id, source_id, err) < 0 ||
        decode_level(level, &d->level, err) < 0 ||
        copy_fixed(d->parent, sizeof(d->parent), parent, err) < 0 ||
        copy_fixed(d->index_hash, sizeof(d->index_hash), index_hash, err) < 0 ||
        decode_u64("virtualSize", virtual_size, &d->virtual_size, err) < 0 ||
        decode_u64("dataSize", data_size, &d->data_size, err) < 0 ||
        decode_u64("zeroSize", zero_size, &d->zero_size, err) < 0 ||
        decode_u64("fileSize", file_size, &d->file_size, err) < 0)
        return -1;
    return 0;
}

static int decode_disks(json_t *array, struct manifest *m, struct error *err)
{
    json_t *item = NULL;
    size_t i = 0;

    if (!json_is_array(array))
        return error_set(err, ERR_DAMAGED, "'disks' is not an array");
    json_array_foreach(array, i, item)
    {
        struct manifest_disk *d = manifest_add_disk(m, err);

        if (!d || decode_disk(item, d, err) < 0)
            return error_prefix(err, "disk %zu", i);
    }
    return 0;
}

static int decode_files(json_t *array, struct manifest *m, struct error *err)
{
    json_t *item = NULL;
    size_t i = 0;

    if (!json_is_array(array))
        return error_set(err, ERR_DAMAGED, "'files' is not an array");
    json_array_foreach(array, i, item)
    {
        const char *name = NULL, *hash = NULL, *role = NULL;
        json_int_t number = 0;
        uint64_t size = 0;
        json_error_t why = {0};

        if (json_unpack_ex(item, &why, 0, "{s:s, s:I, s:s, s?s}", "name", &name,
                           "size", &number, "hash", &hash, "role", &role) < 0)
            return wrong(&why, err);
        if (!name_is_hash(hash))
            return error_set(err, ERR_DAMAGED, "'%s' is no hash", hash);
        if (decode_u64("size", number, &size, err) < 0 ||
            manifest_put_file(m, name, size, hash, err) < 0)
            return -1;
        if (role &&
            file_role_parse(role, &m->files[m->file_count - 1].role) == 0)
            return error_set(err, ERR_DAMAGED, "'%s' is no role of a file",
                             role);
    }
    return 0;
}

static int decode_warnings(json_t *array, struct manifest *m, struct error *err)
{
    json_t *item = NULL;
    size_t i = 0;

    if (!json_is_array(array))
        return error_set(err, ERR_DAMAGED, "'warnings' is not an array");
    json_array_foreach(array, i, item)
    {
        if (!json_is_string(item))
            return error_set(err, ERR_DAMAGED, "a warning is no text");
        if (manifest_add_warning(m, json_string_value(item), err) < 0)
            return -1;
    }
    return 0;
}

static int decode_root(json_t *root, struct manifest *m, struct error *err)
{
    const char *tool = NULL, *chain = NULL, *point = NULL, *name = NULL;
    const char *previous = NULL, *asked = NULL, *done = NULL, *time = NULL;
    const char *domain_name = NULL, *domain_uuid = NULL;
    json_t *disks = NULL, *files = NULL, *warnings = NULL;
    json_int_t sequence = 0, frozen = 0;
    json_error_t why = {0};
    int adopted = 0;

    if (json_unpack_ex(
            root, &why, 0,
            "{s:s, s:s, s:s, s:s, s:I, s:s, s:s, s:s, s:{s:s, s:s}, s:s, s:I, "
            "s:o, s:o, s:o, s?b}",
            "tool", &tool, "chain", &chain, "point", &point, "name", &name,
            "sequence", &sequence, "previous", &previous, "levelAsked", &asked,
            "levelDone", &done, "domain", "name", &domain_name, "uuid",
            &domain_uuid, "time", &time, "frozenMs", &frozen, "disks", &disks,
            "files", &files, "warnings", &warnings, "adopted", &adopted) < 0)
        return wrong(&why, err);
    if (manifest_set(&m->tool, tool, err) < 0 ||
        manifest_set(&m->name, name, err) < 0 ||
        manifest_set(&m->level_asked, asked, err) < 0 ||
        manifest_set(&m->domain_name, domain_name, err) < 0 ||
        manifest_set(&m->time, time, err) < 0 ||
        copy_fixed(m->chain, sizeof(m->chain), chain, err) < 0 ||
        copy_fixed(m->point, sizeof(m->point), point, err) < 0 ||
        copy_fixed(m->previous, sizeof(m->previous), previous, err) < 0 ||
        copy_fixed(m->domain_uuid, sizeof(m->domain_uuid), domain_uuid, err) <
            0 ||
        decode_level(done, &m->level_done, err) < 0 ||
        decode_u64("sequence", sequence, &m->sequence, err) < 0 ||
        decode_u64("frozenMs", frozen, &m->frozen_ms, err) < 0 ||
        decode_disks(disks, m, err) < 0 || decode_files(files, m, err) < 0 ||
        decode_warnings(warnings, m, err) < 0)
        return -1;
    m->adopted = adopted != 0;
    return 0;
}

/* The version first: a newer one may have changed everything else. */
static int decode_format(json_t *root, struct error *err)
{
    json_t *format = json_object_get(root, "format");

    if (!json_is_integer(format))
        return error_set(err, ERR_DAMAGED, "it has no 'format'");
    if (json_integer_value(format) > MANIFEST_FORMAT)
        return error_set(err, ERR_INPUT,
                         "it was written by a newer version: format %lld",
                         (long long)json_integer_value(format));
    if (json_integer_value(format) != MANIFEST_FORMAT)
        return error_set(err, ERR_DAMAGED, "unknown format %lld",
                         (long long)json_integer_value(format));
    return 0;
}

int manifest_decode(const char *text, size_t len, struct manifest *ret,
                    struct error *err)
{
    _cleanup_manifest_ struct manifest m = MANIFEST_INIT;
    json_auto_t *root = NULL;

    if (sealed_check(text, len, err) < 0)
        return -1;
    root = json_read(text, len, ERR_DAMAGED, err);
    if (!root)
        return -1;
    if (decode_format(root, err) < 0 || decode_root(root, &m, err) < 0 ||
        manifest_check_rules(&m, ERR_DAMAGED, err) < 0)
        return -1;
    manifest_hash(text, len, m.hash);
    *ret = m;
    m = (struct manifest)MANIFEST_INIT;
    return 0;
}
