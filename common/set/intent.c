/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* intent.c - the JSON of an intent, and its file, see intent.h
 *
 * Cleaning up is in intent_remove.c.
 */
#include "set/intent.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include <jansson.h>

#include "base/cleanup.h"
#include "base/file.h"
#include "base/json.h"
#include "base/patience.h"
#include "base/redact.h"
#include "base/text.h"
#include "set/files.h"
#include "set/sealed.h"

#define INTENT_FORMAT 1
#define PATH_MAX_LEN 1024
#define RUNTIME_PREFIX "virtnbdbackup."

void intent_done(struct intent *in)
{
    free(in->domain_name);
    free(in->uri);
    free(in->name);
    free(in->checkpoint);
    free(in->runtime_dir);
    free(in->place);
    free(in->socket);
    free(in->time);
    for (size_t i = 0; i < in->file_count; i++)
        free(in->files[i]);
    free(in->files);
    *in = (struct intent)INTENT_INIT;
}

int intent_add_file(struct intent *in, const char *name, struct error *err)
{
    char **files = NULL;

    if (!name_is_safe_below(name))
        return error_set(err, ERR_INPUT, "'%s' is not the name of a file",
                         name);
    if (in->file_count >= INTENT_MAX_FILES)
        return error_set(err, ERR_INPUT, "more than %d files",
                         INTENT_MAX_FILES);
    files = reallocarray(in->files, in->file_count + 1, sizeof(*files));
    if (!files)
        return error_memory(err);
    in->files = files;
    files[in->file_count] = strdup(name);
    if (!files[in->file_count])
        return error_memory(err);
    in->file_count++;
    return 0;
}

static bool is_plain_text(const char *text)
{
    if (!text)
        return false;
    for (const char *p = text; *p; p++)
        if ((unsigned char)*p < 0x20 || *p == 0x7f)
            return false;
    return true;
}

/* Empty, or absolute without "." and ".." and empty components. */
static bool is_path(const char *path)
{
    if (!is_plain_text(path) || strlen(path) > PATH_MAX_LEN)
        return false;
    for (const char *p = path; *p;) {
        size_t len = 0;

        if (*p != '/')
            return false;
        p++;
        len = strcspn(p, "/");
        if (len == 0 || (len == 1 && p[0] == '.') ||
            (len == 2 && p[0] == '.' && p[1] == '.'))
            return false;
        p += len;
    }
    return true;
}

static bool is_runtime_dir(const char *path)
{
    const char *leaf = NULL;

    if (!is_path(path))
        return false;
    leaf = strrchr(path, '/');
    return !leaf ||
           strncmp(leaf + 1, RUNTIME_PREFIX, strlen(RUNTIME_PREFIX)) == 0;
}

static int check_rules(const struct intent *in, enum error_kind kind,
                       struct error *err)
{
    if (!name_is_uuid(in->point) || !name_is_uuid(in->chain) ||
        !name_is_uuid(in->domain_uuid))
        return error_set(err, kind, "a UUID is missing");
    if (!name_is_point(in->name))
        return error_set(err, kind, "the name of its point is '%s'",
                         in->name ? in->name : "");
    if (!in->checkpoint ||
        (in->checkpoint[0] && !name_is_point(in->checkpoint)))
        return error_set(err, kind, "its checkpoint is '%s'",
                         in->checkpoint ? in->checkpoint : "");
    if (!is_plain_text(in->domain_name) || !*in->domain_name ||
        !is_plain_text(in->uri) || !is_plain_text(in->time))
        return error_set(err, kind, "domain, URI or time is missing");
    if (!is_runtime_dir(in->runtime_dir) || !is_path(in->socket))
        return error_set(err, kind, "a path of it cannot be ours");
    if (in->pid < 0)
        return error_set(err, kind, "a process number below 0");
    for (size_t i = 0; i < in->file_count; i++)
        if (!name_is_safe_below(in->files[i]))
            return error_set(err, kind, "'%s' is not the name of a file",
                             in->files[i]);
    return 0;
}

static json_t *encode_files(const struct intent *in)
{
    json_auto_t *files = json_array();

    for (size_t i = 0; files && i < in->file_count; i++)
        if (json_array_append_new(files, json_string(in->files[i])) < 0)
            return NULL;
    return json_incref(files);
}

/* What an intent may say of itself, and where. */
struct flag {
    const char *key;
    size_t offset;
};

static const struct flag flags[] = {
    {"kept", offsetof(struct intent, kept)},
    {"frozen", offsetof(struct intent, frozen)},
    {"suspended", offsetof(struct intent, suspended)},
    {"started", offsetof(struct intent, started)},
};

static int encode_flags(const struct intent *in, json_t *root)
{
    for (size_t i = 0; i < array_size(flags); i++) {
        bool on = *(const bool *)((const char *)in + flags[i].offset);

        if (on && json_object_set_new(root, flags[i].key, json_true()) < 0)
            return -1;
    }
    return 0;
}

static int decode_flags(json_t *root, struct intent *in, struct error *err)
{
    for (size_t i = 0; i < array_size(flags); i++) {
        json_t *value = json_object_get(root, flags[i].key);

        if (value && !json_is_boolean(value))
            return error_set(err, ERR_DAMAGED, "'%s' is not true or false",
                             flags[i].key);
        *(bool *)((char *)in + flags[i].offset) = json_is_true(value);
    }
    return 0;
}

int intent_encode(const struct intent *in, char **ret_text, size_t *ret_len,
                  struct error *err)
{
    json_auto_t *root = NULL;
    _cleanup_free_ char *json = NULL;
    json_t *files = NULL;

    if (check_rules(in, ERR_INPUT, err) < 0)
        return error_prefix(err, "cannot write an intent");
    files = encode_files(in);
    if (!files)
        return error_memory(err);
    json_watch();
    root = json_pack(
        "{s:i, s:s, s:s, s:{s:s, s:s}, s:s, s:s, s:s, s:s, s:o, s:s, s:s, "
        "s:s, s:I, s:s}",
        "format", INTENT_FORMAT, "point", in->point, "chain", in->chain,
        "domain", "name", in->domain_name, "uuid", in->domain_uuid, "uri",
        in->uri, "level", level_text(in->level), "name", in->name, "checkpoint",
        in->checkpoint, "files", files, "runtimeDir", in->runtime_dir, "socket",
        in->socket, "place", in->place, "pid", (json_int_t)in->pid, "time",
        in->time);
    if (!root)
        return json_missed() ? error_memory(err)
                             : error_set(err, ERR_INPUT,
                                         "cannot write an intent: a text that "
                                         "is no UTF-8");
    if (encode_flags(in, root) < 0)
        return error_memory(err);
    json = json_print(root, JSON_INDENT(4));
    if (!json)
        return error_memory(err);
    return sealed_add(json, ret_text, ret_len, err);
}

/* UUIDs have their length checked before they are copied. */
static int copy_uuid(char *to, const char *from, struct error *err)
{
    if (strlen(from) != UUID_TEXT_SIZE - 1)
        return error_set(err, ERR_DAMAGED, "'%s' is not a UUID", from);
    memcpy(to, from, UUID_TEXT_SIZE);
    return 0;
}

static int decode_files(json_t *files, struct intent *in, struct error *err)
{
    json_t *item = NULL;
    size_t i = 0;

    if (!json_is_array(files))
        return error_set(err, ERR_DAMAGED, "'files' is not an array");
    json_array_foreach(files, i, item)
    {
        if (!json_is_string(item) ||
            !name_is_safe_below(json_string_value(item)))
            return error_set(err, ERR_DAMAGED,
                             "entry %zu of 'files' is not the name of a file",
                             i);
        if (intent_add_file(in, json_string_value(item), err) < 0)
            return -1;
    }
    return 0;
}

static int decode_root(json_t *root, struct intent *in, struct error *err)
{
    const char *point = NULL, *chain = NULL, *domain = NULL, *uuid = NULL;
    const char *uri = NULL, *level = NULL, *name = NULL, *checkpoint = NULL;
    const char *runtime_dir = NULL, *socket = NULL, *time = NULL;
    const char *place = NULL;
    json_t *files = NULL;
    json_int_t format = 0, pid = 0;
    json_error_t why = {0};

    if (json_unpack_ex(
            root, &why, 0,
            "{s:I, s:s, s:s, s:{s:s, s:s}, s:s, s:s, s:s, s:s, s:o, s:s, s:s, "
            "s:s, s:I, s:s}",
            "format", &format, "point", &point, "chain", &chain, "domain",
            "name", &domain, "uuid", &uuid, "uri", &uri, "level", &level,
            "name", &name, "checkpoint", &checkpoint, "files", &files,
            "runtimeDir", &runtime_dir, "socket", &socket, "place", &place,
            "pid", &pid, "time", &time) < 0)
        return json_error_code(&why) == json_error_out_of_memory
                   ? error_memory(err)
                   : error_set(err, ERR_DAMAGED, "%s", why.text);
    if (format != INTENT_FORMAT)
        return error_set(err, ERR_DAMAGED, "unknown format %lld",
                         (long long)format);
    if (!level_parse(level, &in->level))
        return error_set(err, ERR_DAMAGED, "unknown level '%s'", level);
    in->pid = pid;
    if (decode_flags(root, in, err) < 0 ||
        copy_uuid(in->point, point, err) < 0 ||
        copy_uuid(in->chain, chain, err) < 0 ||
        copy_uuid(in->domain_uuid, uuid, err) < 0 ||
        manifest_set(&in->domain_name, domain, err) < 0 ||
        manifest_set(&in->uri, uri, err) < 0 ||
        manifest_set(&in->name, name, err) < 0 ||
        manifest_set(&in->checkpoint, checkpoint, err) < 0 ||
        manifest_set(&in->runtime_dir, runtime_dir, err) < 0 ||
        manifest_set(&in->place, place, err) < 0 ||
        manifest_set(&in->socket, socket, err) < 0 ||
        manifest_set(&in->time, time, err) < 0)
        return -1;
    return decode_files(files, in, err);
}

int intent_decode(const char *text, size_t len, struct intent *ret,
                  struct error *err)
{
    _cleanup_intent_ struct intent in = INTENT_INIT;
    json_auto_t *root = NULL;

    if (sealed_check(text, len, err) < 0)
        return -1;
    root = json_read(text, len, ERR_DAMAGED, err);
    if (!root)
        return -1;
    if (decode_root(root, &in, err) < 0 ||
        check_rules(&in, ERR_DAMAGED, err) < 0)
        return -1;
    *ret = in;
    in = (struct intent)INTENT_INIT;
    return 0;
}

int intent_load(int dirfd, const char *filename, struct intent *ret,
                struct error *err)
{
    _cleanup_intent_ struct intent in = INTENT_INIT;
    _cleanup_free_ char *text = NULL;
    struct name_text name = {""};
    size_t len = 0;

    if (files_read(dirfd, filename, SEALED_MAX_SIZE, &text, &len, err) < 0)
        return -1;
    if (intent_decode(text, len, &in, err) < 0)
        return error_prefix(err, "intent '%s'", filename);
    if (name_intent(in.point, &name, err) < 0)
        return -1;
    if (strcmp(name.text, filename) != 0)
        return error_set(err, ERR_DAMAGED,
                         "intent '%s': it is that of the point %s", filename,
                         in.point);
    *ret = in;
    in = (struct intent)INTENT_INIT;
    return 0;
}

static bool has_file(const struct intent *in, const char *name)
{
    for (size_t i = 0; i < in->file_count; i++)
        if (strcmp(in->files[i], name) == 0)
            return true;
    return false;
}

/* Neither the name nor its partial file may be there. */
static int check_free(int dirfd, const char *name, struct error *err)
{
    _cleanup_free_ char *partial = text_dup_printf("%s.partial", name);
    int found = 0;

    if (!partial)
        return error_memory(err);
    found = files_exists(dirfd, name, err);
    if (found == 0)
        found = files_exists(dirfd, partial, err);
    if (found > 0)
        return error_set(err, ERR_EXISTS,
                         "'%s' or its partial file is there already and is "
                         "not of this run; move it away, or choose another "
                         "directory",
                         name);
    return found;
}

int intent_write(int dirfd, const struct intent *in, struct error *err)
{
    _cleanup_intent_ struct intent before = INTENT_INIT;
    _cleanup_free_ char *text = NULL;
    struct name_text name = {""};
    size_t len = 0;
    int found = 0;

    if (intent_encode(in, &text, &len, err) < 0 ||
        name_intent(in->point, &name, err) < 0)
        return -1;
    found = files_exists(dirfd, name.text, err);
    if (found < 0 ||
        (found > 0 && intent_load(dirfd, name.text, &before, err) < 0))
        return -1;
    for (size_t i = 0; i < in->file_count; i++)
        if (!has_file(&before, in->files[i]) &&
            check_free(dirfd, in->files[i], err) < 0)
            return -1;
    return file_replace(dirfd, name.text, text, len, 0600, err);
}

void intent_list_done(struct intent_list *list)
{
    free(list->names);
    *list = (struct intent_list){NULL, 0};
}

int intent_list(int dirfd, struct intent_list *ret, struct error *err)
{
    _cleanup_file_names_ struct file_names names = FILE_NAMES_INIT;
    _cleanup_intent_list_ struct intent_list list = {NULL, 0};

    if (files_list(dirfd, FILES_MAX_NAMES, &names, err) < 0)
        return -1;
    list.names = calloc(names.count + 1, sizeof(*list.names));
    if (!list.names)
        return error_memory(err);
    for (size_t i = 0; i < names.count; i++) {
        struct name name = {0};

        if (name_parse(names.names[i], &name) && name.kind == NAME_INTENT)
            strcpy(list.names[list.count++].text, names.names[i]);
    }
    *ret = list;
    list = (struct intent_list){NULL, 0};
    return 0;
}

int intent_is_committed(int dirfd, const struct intent *in, struct error *err)
{
    _cleanup_manifest_ struct manifest m = MANIFEST_INIT;
    struct name_text name = {""};
    int found = 0;

    if (name_manifest(in->name, &name, err) < 0)
        return -1;
    found = files_exists(dirfd, name.text, err);
    if (found <= 0)
        return found;
    if (manifest_load(dirfd, name.text, &m, err) < 0)
        return -1;
    return strcmp(m.point, in->point) == 0;
}

int intent_drop(int dirfd, const struct intent *in, struct error *err)
{
    struct name_text name = {""};

    if (name_intent(in->point, &name, err) < 0 ||
        files_remove(dirfd, name.text, err) < 0)
        return -1;
    return file_sync_dir(dirfd, err);
}

#define MACHINE_ID_MAX 256

int intent_place(int dirfd, char **ret, struct error *err)
{
    PATIENCE_SCOPE("looking at the directory");
    _cleanup_free_ char *machine = NULL;
    _cleanup_error_ struct error ignored = ERROR_INIT;
    struct stat st;
    size_t len = 0;

    if (fstat(dirfd, &st) < 0)
        return error_errno(err, errno, "examining the backup directory");
    /* Without one, the directory alone has to do. */
    if (file_read_all(AT_FDCWD, "/etc/machine-id", MACHINE_ID_MAX, &machine,
                      &len, &ignored) == 0)
        machine[strcspn(machine, "\n")] = '\0';
    *ret = text_dup_printf("%s:%llx:%llx", machine ? machine : "",
                           (unsigned long long)st.st_dev,
                           (unsigned long long)st.st_ino);
    return *ret ? 0 : error_memory(err);
}

/* What tells URIs apart that look alike without their secrets; NULL: no memory.
 */
static char *uri_end(const char *point, const char *uri)
{
    _cleanup_free_ char *all = text_dup_printf("%s %s", point, uri);
    char hash[HASH_TEXT_SIZE] = "";

    if (!all)
        return NULL;
    hash_text(all, strlen(all), hash);
    return text_dup_printf("#%s", hash);
}

int intent_set_uri(struct intent *in, const char *uri, struct error *err)
{
    _cleanup_free_ char *shown = redact_word(uri);
    _cleanup_free_ char *end = uri_end(in->point, uri);

    if (!shown || !end)
        return error_memory(err);
    free(in->uri);
    in->uri = strcmp(shown, uri) == 0 ? take(shown)
                                      : text_dup_printf("%s%s", shown, end);
    return in->uri ? 0 : error_memory(err);
}

int intent_is_uri(const struct intent *in, const char *uri, struct error *err)
{
    _cleanup_free_ char *end = uri_end(in->point, uri);
    const char *hash = strrchr(in->uri, '#');

    if (!end)
        return error_memory(err);
    return strcmp(in->uri, uri) == 0 || (hash && strcmp(hash, end) == 0);
}
