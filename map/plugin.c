/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* plugin.c - nbdkit shows the disks of a point
 *
 *     nbdkit LIBDIR/virtnbdbackup/virtnbdmap-plugin.so PARAMETER...
 *
 * What is shown, one of:
 *
 *   dir=PATH      A backup directory (a bare PATH means the same).  Relative
 *                 paths are of the directory that nbdkit was started in.
 *   point=POINT   With dir=: the point, by its name, number or time as in
 *                 set/until.h; `newest`, the default: the newest one.
 *   disk=NAME     With dir=, repeatable: only these disks; the default is every
 *                 disk of the point.
 *
 *   file=PATH     Repeatable: data files of one disk in their order, the full
 *                 first.  That they belong together and in this order is
 *                 checked by manifests and metadata.
 *
 * and:
 *
 *   export=NAME   If there is one disk only: its export has this name instead
 *                 of the disk's own.
 *   cache=SIZE    Bytes for decoded frames, for all disks together, as nbdkit
 *                 writes sizes (32M); the default is 64 MiB.
 *
 * Every disk is an export of its name (file=: of the name in the metadata).  If
 * there is one only, it is the default export too; otherwise a client must
 * name one (NBD_OPT_LIST tells).  Read-only, any number of clients; nothing is
 * ever written.  Everything that can be refused is refused before nbdkit
 * answers its first client, with a sentence on stderr and status 1; bytes that
 * are damaged are EIO for those who read them, with a sentence that names file
 * and offset.
 *
 * Knows nbdkit and turns its calls into those of exports.h and view.h; must not
 * know what is in a backup.
 */
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#define NBDKIT_API_VERSION 2
#include <nbdkit-plugin.h>

#include "ahead.h"
#include "base/cleanup.h"
#include "base/sandbox.h"
#include "base/vec.h"
#include "exports.h"

#define THREAD_MODEL NBDKIT_THREAD_MODEL_PARALLEL

#define CACHE_DEFAULT (64 * MIB)

/* Clients that heed it read what a small cluster of the guest's disk is. */
#define BLOCK_PREFERRED ((uint32_t)(64 * KIB))
#define BLOCK_MAXIMUM ((uint32_t)(32 * MIB))

struct names {
    char **items;
    size_t count, cap;
};

/* What the command line says. */
static struct {
    char *dir;
    char *point;
    char *name;
    struct names disks;
    struct names files;
    uint64_t cache_size;
} config = {.cache_size = CACHE_DEFAULT};

static struct exports *exports;
static struct ahead *ahead;

static void names_done(struct names *n)
{
    for (size_t i = 0; i < n->count; i++)
        free(n->items[i]);
    vec_free(n);
}

/* Say what is wrong, for nbdkit's log and its client. */
static int fail(struct error *err)
{
    nbdkit_error("%s", error_text(err));
    nbdkit_set_error(err->kind == ERR_MEMORY ? ENOMEM : EIO);
    error_clear(err);
    return -1;
}

static int no_memory(void)
{
    nbdkit_error("out of memory");
    nbdkit_set_error(ENOMEM);
    return -1;
}

/* Set a parameter that is given once; takes over `own_value`, NULL of which has
 * its message already.
 */
static int set_once(char **parameter, const char *key, char *own_value)
{
    if (!own_value)
        return -1;
    if (*parameter) {
        free(own_value);
        nbdkit_error("'%s=' is given twice", key);
        return -1;
    }
    *parameter = own_value;
    return 0;
}

static int add_name(struct names *names, char *own_value)
{
    if (!own_value)
        return -1;
    if (vec_push(names, own_value) < 0) {
        free(own_value);
        return no_memory();
    }
    return 0;
}

static char *copy(const char *value)
{
    char *text = strdup(value);

    if (!text)
        no_memory();
    return text;
}

static int set_cache(const char *value)
{
    int64_t size = nbdkit_parse_size(value);

    if (size < 0)
        return -1;
    config.cache_size = (uint64_t)size;
    return 0;
}

static int map_config(const char *key, const char *value)
{
    /* nbdkit changes its directory later, if it becomes a daemon. */
    if (strcmp(key, "dir") == 0)
        return set_once(&config.dir, key, nbdkit_absolute_path(value));
    if (strcmp(key, "file") == 0)
        return add_name(&config.files, nbdkit_absolute_path(value));
    if (strcmp(key, "point") == 0)
        return set_once(&config.point, key, copy(value));
    if (strcmp(key, "disk") == 0)
        return add_name(&config.disks, copy(value));
    if (strcmp(key, "export") == 0)
        return set_once(&config.name, key, copy(value));
    if (strcmp(key, "cache") == 0)
        return set_cache(value);
    nbdkit_error("there is no parameter '%s'", key);
    return -1;
}

static int map_config_complete(void)
{
    if (config.dir ? config.files.count > 0 : config.files.count == 0) {
        nbdkit_error("what is to be shown? Give either the backup directory "
                     "(dir=PATH) or the data files of a disk (file=PATH ...)");
        return -1;
    }
    if (config.point && strcmp(config.point, "newest") == 0) {
        free(config.point);
        config.point = NULL;
    }
    return 0;
}

/* A chain may have more files than a process may commonly open. */
static void raise_file_limit(void)
{
    struct rlimit limit = {0};

    if (getrlimit(RLIMIT_NOFILE, &limit) < 0)
        return;
    limit.rlim_cur = limit.rlim_max;
    if (setrlimit(RLIMIT_NOFILE, &limit) < 0)
        nbdkit_debug("the limit of open files stays as it is");
}

/* Before nbdkit gives up its terminal, its user and its directory. */
static int map_get_ready(void)
{
    _cleanup_error_ struct error err = ERROR_INIT;
    struct exports_request request = {
        .dir = config.dir,
        .point = config.point,
        .disks = (const char *const *)config.disks.items,
        .disk_count = config.disks.count,
        .files = (const char *const *)config.files.items,
        .file_count = config.files.count,
        .name = config.name,
        .cache_size = config.cache_size,
    };

    raise_file_limit();
    return exports_open(&request, &exports, &err) < 0 ? fail(&err) : 0;
}

/* All is open; from now on there are only reads, and what comes from the files
 * to be decoded.
 */
static int give_up_rights(struct error *err)
{
    static const char *const none[] = {NULL};
    int r = sandbox_enter(SANDBOX_READER, none, err);

    if (r == 0)
        nbdkit_debug("this kernel has no Landlock: no sandbox");
    return r;
}

/* Threads do not come along when nbdkit becomes a daemon. */
static int map_after_fork(void)
{
    _cleanup_error_ struct error err = ERROR_INIT;

    return give_up_rights(&err) < 0 || ahead_new(&ahead, &err) < 0 ? fail(&err)
                                                                   : 0;
}

static void map_unload(void)
{
    ahead_free(ahead);
    exports_free(exports);
    free(config.dir);
    free(config.point);
    free(config.name);
    names_done(&config.disks);
    names_done(&config.files);
}

static int map_list_exports(int readonly, int is_tls,
                            struct nbdkit_exports *list)
{
    for (size_t i = 0; i < exports_count(exports); i++) {
        const struct export_disk *e = exports_get(exports, i);

        if (nbdkit_add_export(list, e->name, e->description) < 0)
            return -1;
    }
    return 0;
}

/* NULL: there is no default, a client has to choose. */
static const char *map_default_export(int readonly, int is_tls)
{
    const struct export_disk *e = exports_find(exports, "");

    return e ? e->name : NULL;
}

static void *map_open(int readonly)
{
    const char *name = nbdkit_export_name();
    const struct export_disk *e = name ? exports_find(exports, name) : NULL;

    if (!e) {
        nbdkit_error("there is no export '%s'", name ? name : "");
        nbdkit_set_error(ENOENT);
    }
    return (void *)e;
}

static const char *map_export_description(void *handle)
{
    const struct export_disk *e = handle;

    return e->description;
}

static int64_t map_get_size(void *handle)
{
    const struct export_disk *e = handle;

    return (int64_t)view_size(e->view);
}

static int map_block_size(void *handle, uint32_t *minimum, uint32_t *preferred,
                          uint32_t *maximum)
{
    *minimum = 1;
    *preferred = BLOCK_PREFERRED;
    *maximum = BLOCK_MAXIMUM;
    return 0;
}

/* Nothing ever changes, so all connections see the same. */
static int map_can_multi_conn(void *handle)
{
    return 1;
}

static int map_pread(void *handle, void *buf, uint32_t count, uint64_t offset,
                     uint32_t flags)
{
    _cleanup_error_ struct error err = ERROR_INIT;
    const struct export_disk *e = handle;

    ahead_note(ahead, e->view, offset, count);
    if (view_read(e->view, buf, count, offset, &err) == 0)
        return 0;
    error_prefix(&err, "cannot read %u bytes at %llu of the disk '%s'", count,
                 (unsigned long long)offset, e->name);
    return fail(&err);
}

static int map_extents(void *handle, uint32_t count, uint64_t offset,
                       uint32_t flags, struct nbdkit_extents *extents)
{
    const struct export_disk *e = handle;
    const uint64_t end = offset + count;

    do {
        bool zero = false;
        uint64_t length = view_extent(e->view, offset, end, &zero);
        uint32_t type = zero ? NBDKIT_EXTENT_ZERO | NBDKIT_EXTENT_HOLE : 0;

        if (nbdkit_add_extent(extents, offset, length, type) < 0)
            return -1;
        offset += length;
    } while (offset < end && !(flags & NBDKIT_FLAG_REQ_ONE));
    return 0;
}

/* clang-format off */
static struct nbdkit_plugin plugin = {
    .name = "virtnbdmap",
    .longname = "virtnbdmap plugin",
    .version = VERSION,
    .description = "any point of a backup made by virtnbdbackup, as a disk",
    .magic_config_key = "dir",
    .config_help =
        "dir=PATH       the backup directory\n"
        "point=POINT    name, number or time of the point to be shown (newest)\n"
        "disk=NAME      only this disk; repeatable (all of the point)\n"
        "file=PATH      instead of dir=: data files of one disk in order\n"
        "export=NAME    name of the export, if there is one disk only\n"
        "cache=SIZE     memory for decoded data (64M)",
    .load = sandbox_no_core,
    .config = map_config,
    .config_complete = map_config_complete,
    .get_ready = map_get_ready,
    .after_fork = map_after_fork,
    .unload = map_unload,
    .list_exports = map_list_exports,
    .default_export = map_default_export,
    .open = map_open,
    .export_description = map_export_description,
    .get_size = map_get_size,
    .block_size = map_block_size,
    .can_multi_conn = map_can_multi_conn,
    .pread = map_pread,
    .extents = map_extents,
};
/* clang-format on */

/* The macro defines it without declaring it. */
NBDKIT_DLL_PUBLIC struct nbdkit_plugin *plugin_init(void);
NBDKIT_REGISTER_PLUGIN(plugin)
