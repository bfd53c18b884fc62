/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* meta.c - see meta.h
 *
 * Decoding is jansson's part, behind limits of size and depth.  Encoding is
 * done by hand: four kinds of values, and the text must be upstream's to the
 * byte, which no library's output style promises.
 */
#include "stream/meta.h"

#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/time.h>
#include <time.h>

#include <jansson.h>

#include "base/json.h"
#include "base/macro.h"
#include "base/text.h"

#define DEPTH_MAX 8
#define STRING_MAX 4096
#define DISK_NAME_MAX 128
#define LEVEL_MAX 16

static const char default_format[] = "qcow2";

void meta_free(struct meta *m)
{
    free(m->date);
    free(m->disk_name);
    free(m->disk_format);
    free(m->checkpoint_name);
    free(m->parent_checkpoint);
    *m = (struct meta)META_INIT;
}

void meta_date_now(char ret_date[static META_DATE_SIZE])
{
    struct timeval now = {0};
    struct tm tm = {0};
    size_t used = 0;

    gettimeofday(&now, NULL);
    localtime_r(&now.tv_sec, &tm);
    used = strftime(ret_date, META_DATE_SIZE, "%Y-%m-%dT%H:%M:%S", &tm);
    if (now.tv_usec != 0)
        snprintf(ret_date + used, META_DATE_SIZE - used, ".%06u",
                 (unsigned)now.tv_usec % 1000000U);
}

/* The next character of valid UTF-8 at `*at`, which moves behind it; -1 if it
 * is not valid.
 */
static long next_character(const unsigned char **at)
{
    static const unsigned long smallest[] = {0, 0x80, 0x800, 0x10000};
    const unsigned char *s = *at;
    int more = *s < 0x80   ? 0
               : *s < 0xc0 ? -1
               : *s < 0xe0 ? 1
               : *s < 0xf0 ? 2
               : *s < 0xf8 ? 3
                           : -1;
    unsigned long c = *s;

    if (more < 0)
        return -1;
    if (more > 0)
        c &= 0x3fU >> more;
    for (int i = 0; i < more; i++) {
        if ((*++s & 0xc0) != 0x80)
            return -1;
        c = c << 6 | (*s & 0x3fU);
    }
    if (c < smallest[more] || c > 0x10ffff || (c >= 0xd800 && c < 0xe000))
        return -1;
    *at = s + 1;
    return (long)c;
}

/* `text` is valid UTF-8 without control characters. */
static bool is_clean(const char *text)
{
    const unsigned char *at = (const unsigned char *)text;

    while (*at) {
        long c = next_character(&at);

        if (c < ' ' || (c >= 0x7f && c < 0xa0))
            return false;
    }
    return true;
}

/* The name becomes part of file names: the letters that libvirt's targets are
 * made of, and nothing that could be a path or an option.
 */
static bool is_disk_name(const char *name)
{
    static const char letters[] = "abcdefghijklmnopqrstuvwxyz"
                                  "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
                                  "0123456789._-";
    size_t len = strlen(name);

    return len > 0 && len <= DISK_NAME_MAX && name[0] != '.' &&
           name[0] != '-' && strspn(name, letters) == len;
}

/* A clean string as upstream writes it: pure ASCII. */
static void print_string(FILE *out, const char *key, const char *text)
{
    const unsigned char *at = (const unsigned char *)text;

    fprintf(out, "    \"%s\": \"", key);
    while (*at) {
        long c = next_character(&at);

        if (c == '"' || c == '\\')
            fprintf(out, "\\%c", (int)c);
        else if (c < 0x7f)
            fputc((int)c, out);
        else if (c < 0x10000)
            fprintf(out, "\\u%04lx", c);
        else
            fprintf(out, "\\u%04lx\\u%04lx", 0xd800 + ((c - 0x10000) >> 10),
                    0xdc00 + (c & 0x3ff));
    }
    fputs("\",\n", out);
}

static void print_all(FILE *out, const struct meta *m)
{
    fprintf(out, "{\n    \"virtualSize\": %" PRIu64 ",\n", m->virtual_size);
    fprintf(out, "    \"dataSize\": %" PRIu64 ",\n", m->data_size);
    print_string(out, "date", m->date ? m->date : "");
    print_string(out, "diskName", m->disk_name);
    print_string(out, "diskFormat",
                 m->disk_format ? m->disk_format : default_format);
    print_string(out, "checkpointName",
                 m->checkpoint_name ? m->checkpoint_name : "");
    if (m->compressed)
        fprintf(out, "    \"compressed\": %d,\n", m->level);
    else if (!m->no_compressed_key)
        fputs("    \"compressed\": false,\n", out);
    print_string(out, "compressionMethod", "lz4");
    print_string(out, "parentCheckpoint",
                 m->parent_checkpoint ? m->parent_checkpoint : "");
    fprintf(out, "    \"incremental\": %s,\n",
            m->incremental ? "true" : "false");
    fprintf(out, "    \"streamVersion\": %d\n}", META_STREAM_VERSION);
}

static int check_encodable(const struct meta *m, struct error *err)
{
    const char *const strings[] = {m->date, m->disk_name, m->disk_format,
                                   m->checkpoint_name, m->parent_checkpoint};

    if (m->virtual_size > INT64_MAX || m->data_size > m->virtual_size)
        return error_set(err, ERR_INPUT,
                         "metadata cannot announce %" PRIu64
                         " bytes of data on a disk of %" PRIu64,
                         m->data_size, m->virtual_size);
    if (m->compressed &&
        (m->no_compressed_key || m->level < 1 || m->level > LEVEL_MAX))
        return error_set(err, ERR_INPUT,
                         "metadata cannot state the compression level %d",
                         m->level);
    if (!m->disk_name || !is_disk_name(m->disk_name))
        return error_set(err, ERR_INPUT, "'%s' cannot be the name of a disk",
                         m->disk_name ? m->disk_name : "");
    for (size_t i = 0; i < array_size(strings); i++)
        if (strings[i] &&
            (strlen(strings[i]) > STRING_MAX || !is_clean(strings[i])))
            return error_set(err, ERR_INPUT,
                             "a text of the metadata is too long or not "
                             "printable UTF-8");
    return 0;
}

int meta_encode(const struct meta *m, char **ret_text, size_t *ret_len,
                struct error *err)
{
    _cleanup_free_ char *text = NULL;
    size_t len = 0;
    FILE *out = NULL;

    if (check_encodable(m, err) < 0)
        return -1;
    out = open_memstream(&text, &len);
    if (!out)
        return error_memory(err);
    print_all(out, m);
    if (text_stream_end(out, &text) < 0)
        return error_memory(err);
    *ret_text = take(text);
    *ret_len = len;
    return 0;
}

/* Deep nesting would make the parser's recursion deep. */
static int check_depth(const char *text, size_t len, struct error *err)
{
    size_t depth = 0;
    bool quoted = false;

    for (size_t i = 0; i < len; i++) {
        if (quoted) {
            if (text[i] == '\\')
                i++;
            else if (text[i] == '"')
                quoted = false;
        } else if (text[i] == '"') {
            quoted = true;
        } else if (text[i] == '{' || text[i] == '[') {
            if (++depth > DEPTH_MAX)
                return error_set(err, ERR_DAMAGED,
                                 "the metadata is nested too deeply");
        } else if ((text[i] == '}' || text[i] == ']') && depth > 0) {
            depth--;
        }
    }
    return 0;
}

static int refuse(struct error *err, const char *key)
{
    return error_set(err, ERR_DAMAGED,
                     "the metadata has no usable value for '%s'", key);
}

static int get_size(json_t *object, const char *key, uint64_t *ret_value,
                    struct error *err)
{
    json_t *value = json_object_get(object, key);

    if (!json_is_integer(value) || json_integer_value(value) < 0)
        return refuse(err, key);
    *ret_value = (uint64_t)json_integer_value(value);
    return 0;
}

/* Texts that could disturb a terminal, a log or a file name stay out here. */
static int dup_string(const char *text, const char *key, char **ret_text,
                      struct error *err)
{
    if (strlen(text) > STRING_MAX || !is_clean(text))
        return refuse(err, key);
    *ret_text = strdup(text);
    return *ret_text ? 0 : error_memory(err);
}

/* `missing`: what a missing value means; NULL if it may not be missing. */
static int get_string(json_t *object, const char *key, const char *missing,
                      char **ret_text, struct error *err)
{
    json_t *value = json_object_get(object, key);
    const char *text = json_is_string(value) ? json_string_value(value) : NULL;

    if (!value)
        text = missing;
    return text ? dup_string(text, key, ret_text, err) : refuse(err, key);
}

/* Releases 0.47-0.57 wrote integers into diffs. */
static int get_checkpoint(json_t *object, char **ret_text, struct error *err)
{
    static const char key[] = "checkpointName";
    json_t *value = json_object_get(object, key);
    char *text = NULL;

    if (!json_is_integer(value))
        return get_string(object, key, NULL, ret_text, err);
    if (json_integer_value(value) < 0)
        return refuse(err, key);
    if (asprintf(&text, "%" JSON_INTEGER_FORMAT, json_integer_value(value)) < 0)
        return error_memory(err);
    *ret_text = text;
    return 0;
}

/* Releases before 1.9.4 wrote false where there is none. */
static int get_parent(json_t *object, char **ret_text, struct error *err)
{
    static const char key[] = "parentCheckpoint";

    if (json_is_false(json_object_get(object, key)))
        return dup_string("", key, ret_text, err);
    return get_string(object, key, NULL, ret_text, err);
}

static int get_incremental(json_t *object, bool *ret_value, struct error *err)
{
    json_t *value = json_object_get(object, "incremental");

    if (!json_is_boolean(value))
        return refuse(err, "incremental");
    *ret_value = json_is_true(value);
    return 0;
}

static int get_disk_name(json_t *object, char **ret_text, struct error *err)
{
    static const char key[] = "diskName";
    const char *name = json_string_value(json_object_get(object, key));

    if (!name || !is_disk_name(name))
        return refuse(err, key);
    return dup_string(name, key, ret_text, err);
}

/* Which kind of stream, under either name of the key. */
static int get_version(json_t *object, int *ret_version, struct error *err)
{
    const char *key = json_object_get(object, "stream-version")
                          ? "stream-version"
                          : "streamVersion";
    uint64_t version = 0;

    if (get_size(object, key, &version, err) < 0)
        return -1;
    if (version > META_STREAM_VERSION)
        return error_set(err, ERR_INPUT,
                         "written by a newer version: the stream has version "
                         "%" PRIu64 ", this program reads up to %d",
                         version, META_STREAM_VERSION);
    if (version == 0)
        return refuse(err, key);
    *ret_version = (int)version;
    return 0;
}

/* Version 1 knew no compression, whatever the object says. */
static int get_compression(json_t *object, struct meta *m, struct error *err)
{
    json_t *value = json_object_get(object, "compressed");
    json_t *method = json_object_get(object, "compressionMethod");

    m->no_compressed_key = value == NULL;
    if (!value || json_is_false(value) || m->stream_version == 1)
        return 0;
    if (json_is_integer(value) && json_integer_value(value) >= INT_MIN &&
        json_integer_value(value) <= INT_MAX)
        m->level = (int)json_integer_value(value);
    else if (!json_is_true(value))
        return refuse(err, "compressed");
    if (method && !json_is_string(method))
        return refuse(err, "compressionMethod");
    if (method && strcmp(json_string_value(method), "lz4") != 0)
        return error_set(err, ERR_INPUT,
                         "written by a newer version: the stream is compressed "
                         "with a method other than 'lz4'");
    m->compressed = true;
    return 0;
}

static int get_all(json_t *object, struct meta *m, struct error *err)
{
    if (get_version(object, &m->stream_version, err) < 0 ||
        get_size(object, "virtualSize", &m->virtual_size, err) < 0 ||
        get_size(object, "dataSize", &m->data_size, err) < 0 ||
        get_string(object, "date", NULL, &m->date, err) < 0 ||
        get_disk_name(object, &m->disk_name, err) < 0 ||
        get_string(object, "diskFormat", default_format, &m->disk_format, err) <
            0 ||
        get_checkpoint(object, &m->checkpoint_name, err) < 0 ||
        get_parent(object, &m->parent_checkpoint, err) < 0 ||
        get_incremental(object, &m->incremental, err) < 0 ||
        get_compression(object, m, err) < 0)
        return -1;
    if (m->data_size > m->virtual_size)
        return error_set(err, ERR_DAMAGED,
                         "the metadata announces %" PRIu64
                         " bytes of data on a disk of %" PRIu64,
                         m->data_size, m->virtual_size);
    return 0;
}

int meta_decode(const char *text, size_t len, struct meta *ret_meta,
                struct error *err)
{
    _cleanup_meta_ struct meta m = META_INIT;
    json_auto_t *object = NULL;

    if (len > META_SIZE_MAX)
        return error_set(err, ERR_DAMAGED, "the metadata is too long");
    if (check_depth(text, len, err) < 0)
        return -1;
    object = json_read(text, len, ERR_DAMAGED, err);
    if (!object)
        return err && err->kind == ERR_MEMORY
                   ? -1
                   : error_prefix(err, "the metadata is no JSON object");
    if (!json_is_object(object))
        return error_set(err, ERR_DAMAGED, "the metadata is no JSON object");
    if (get_all(object, &m, err) < 0)
        return -1;
    *ret_meta = m;
    m = (struct meta)META_INIT;
    return 0;
}
