/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* facts.c - see facts.h */
#include "facts.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/log.h"
#include "base/text.h"
#include "device.h"
#include "fuse.h"
#include "host/host.h"
#include "host/process.h"

/* Go on with the rest after a failure; the first one is told. */
static void note(int result, struct error *e, int *ret, struct error *err)
{
    if (result == 0)
        return;
    if (*ret == 0)
        error_move(err, e);
    error_clear(e);
    *ret = -1;
}

static int remove_file(const char *dir, const char *name, struct error *err)
{
    _cleanup_free_ char *path = text_dup_printf("%s/%s", dir, name);

    if (!path)
        return error_memory(err);
    if (unlink(path) < 0 && errno != ENOENT)
        return error_errno(err, errno, "remove '%s'", path);
    return 0;
}

/* Call `undo` for each of the names in `list`, with "/" between them. */
static int each(const char *dir, const char *list,
                int (*undo)(const char *dir, const char *name,
                            struct error *err),
                struct error *err)
{
    _cleanup_free_ char *copy = strdup(list);
    char *rest = copy;
    char *name = NULL;
    int r = 0;

    if (!copy)
        return error_memory(err);
    while ((name = strsep(&rest, "/"))) {
        _cleanup_error_ struct error e = ERROR_INIT;

        note(undo(dir, name, &e), &e, &r, err);
    }
    return r;
}

static int release_files(const struct guardian_facts *facts, struct error *err)
{
    const char *dir = facts_get(facts, FACT_FUSE);
    const char *names = facts_get(facts, FACT_FUSE_FILES);

    if (!dir || !names)
        return 0;
    if (each(dir, names, fuse_release, err) < 0)
        return -1;
    if (facts_get(facts, FACT_FUSE_MADE) && rmdir(dir) < 0 && errno != ENOENT)
        return error_errno(err, errno, "remove the directory '%s'", dir);
    return 0;
}

static int kill_server(const char *unused, const char *identity,
                       struct error *err)
{
    return process_kill(identity, err);
}

static int kill_servers(const struct guardian_facts *facts, struct error *err)
{
    const char *list = facts_get(facts, FACT_NBDKITS);

    return list ? each("", list, kill_server, err) : 0;
}

static int remove_overlays(const struct guardian_facts *facts,
                           struct error *err)
{
    const char *dir = facts_get(facts, FACT_OVERLAYS);
    const char *names = facts_get(facts, FACT_OVERLAY_FILES);

    return dir && names ? each(dir, names, remove_file, err) : 0;
}

/* Outcome 1: there is no device of this number. */
static int release_device(const struct guardian_facts *facts, size_t number,
                          struct error *err)
{
    char key[GUARDIAN_KEY_MAX];
    const char *device = NULL;
    const char *pid = NULL;
    int64_t process = 0;

    snprintf(key, sizeof(key), FACT_DEVICE, number);
    device = facts_get(facts, key);
    if (!device)
        return 1;
    snprintf(key, sizeof(key), FACT_DEVICE_PID, number);
    pid = facts_get(facts, key);
    if (pid && text_i64(pid, 1, INT32_MAX, &process) < 0)
        process = 0;
    return device_release(device, (pid_t)process, err);
}

int map_as_guardian(const struct guardian_facts *facts, struct error *err)
{
    _cleanup_error_ struct error e = ERROR_INIT;
    const char *runtime = facts_get(facts, FACT_RUNTIME);
    int r = 0;

    note(release_files(facts, &e), &e, &r, err);
    for (size_t i = 0;; i++) {
        int one = release_device(facts, i, &e);

        if (one > 0)
            break;
        note(one, &e, &r, err);
    }
    note(kill_servers(facts, &e), &e, &r, err);
    note(remove_overlays(facts, &e), &e, &r, err);
    if (runtime)
        note(host_remove_dir(NULL, runtime, &e), &e, &r, err);
    return r;
}
