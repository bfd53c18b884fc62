/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* places.c - see places.h */
#include "places.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/file.h"
#include "base/text.h"
#include "checkpoints.h"
#include "host/host.h"
#include "recover.h"
#include "transport.h"

#define SCRATCH_TIMEOUT_MS 60000
#define UNSEEN_SCRATCH "/var/tmp"

/* Relative to where we were started: libvirt and QEMU work elsewhere. */
static int make_absolute(const struct run *run, const char *path, char **ret,
                         struct error *err)
{
    _cleanup_free_ char *here = NULL;

    if (path[0] == '/') {
        *ret = strdup(path);
        return *ret ? 0 : error_memory(err);
    }
    if (run->remote || run->unseen)
        return error_set(
            err, ERR_INPUT, "'%s' is a path on '%s', it has to begin with '/'",
            path,
            run->remote ? remote_name(run->remote) : run->transport.names.host);
    here = getcwd(NULL, 0);
    if (!here)
        return error_errno(err, errno, "find the current directory");
    *ret = text_dup_printf("%s/%s", here, path);
    return *ret ? 0 : error_memory(err);
}

static int is_taken(const struct run *run, const char *path, struct error *err)
{
    if (run->remote)
        return remote_exists(run->remote, path, err);
    return faccessat(AT_FDCWD, path, F_OK, AT_SYMLINK_NOFOLLOW) == 0;
}

/* The user's socket: QEMU makes it, so it must not be there. */
static int name_socket(struct run *run, struct error *err)
{
    const char *path = run->options->socketfile;
    int taken;

    if (!path) {
        run->socket = text_dup_printf("%s/nbd", run->runtime_dir);
        return run->socket ? 0 : error_memory(err);
    }
    if (make_absolute(run, path, &run->socket, err) < 0)
        return -1;
    taken = is_taken(run, run->socket, err);
    if (taken < 0)
        return -1;
    if (taken)
        return error_set(err, ERR_EXISTS,
                         "'%s' exists already; remove it, or choose another "
                         "--socketfile",
                         run->socket);
    if (run->remote)
        return remote_tell(run->remote, "socket", REMOTE_FILE, run->socket,
                           NULL, NULL, err);
    return guardian_tell(run->guardian, FACT_SOCKET, run->socket, err);
}

static int name_mark(struct run *run, struct error *err)
{
    struct job_request request = {
        .scratch_dir = run->scratch_dir,
        .prefix = run->point_uuid,
    };

    if (!run->transport.tcp)
        return name_socket(run, err);
    transport_request(run, &request);
    run->socket = job_mark(&request);
    return run->socket ? 0 : error_memory(err);
}

/* Where nobody can make a directory, libvirt makes files in one that is there.
 */
static int name_scratch(struct run *run, struct error *err)
{
    const char *path = run->options->scratchdir;

    if (!path)
        path = run->unseen ? UNSEEN_SCRATCH : run->runtime_dir;
    return make_absolute(run, path, &run->scratch_dir, err);
}

int places_name(struct run *run, struct error *err)
{
    if (host_runtime_name(&run->runtime_dir, err) < 0 ||
        name_scratch(run, err) < 0 || name_mark(run, err) < 0)
        return -1;
    if (run->remote &&
        guardian_tell(run->guardian, FACT_ELSEWHERE, "1", err) < 0)
        return -1;
    return guardian_tell(run->guardian, FACT_RUNTIME, run->runtime_dir, err);
}

static int make_scratch_there(const struct run *run, struct error *err)
{
    const char *argv[] = {"mkdir", "-p", "-m", "0711", "--", NULL, NULL};

    argv[5] = run->scratch_dir;
    if (remote_run(run->remote, argv, SCRATCH_TIMEOUT_MS, NULL, err) < 0)
        return error_prefix(err, "--scratchdir");
    return 0;
}

static int make_runtime(struct run *run, uid_t uid, gid_t gid,
                        struct error *err)
{
    if (run->remote)
        return remote_make_dir(run->remote, REMOTE_DIR, run->runtime_dir, uid,
                               gid, err);
    return host_runtime_make(run->runtime_dir, uid, gid, err);
}

/* Where the user wants the scratch files: QEMU has to get there, and libvirt
 * makes the files.
 */
static int make_scratch(const struct run *run, struct error *err)
{
    struct stat st;

    if (!run->options->scratchdir || run->unseen)
        return 0;
    if (run->remote)
        return make_scratch_there(run, err);
    if (dir_make(run->scratch_dir, 0711, err) < 0)
        return error_prefix(err, "--scratchdir");
    if (stat(run->scratch_dir, &st) < 0)
        return error_errno(err, errno, "--scratchdir '%s'", run->scratch_dir);
    return 0;
}

int places_make(struct run *run, struct error *err)
{
    uid_t uid = (uid_t)-1;
    gid_t gid = (gid_t)-1;

    /* Elsewhere the numbers are other users', and nothing of it is used. */
    if (!run->powered_off && !run->unseen &&
        domain_qemu_user(run->domain, &uid, &gid, err) < 0)
        return -1;
    if (make_runtime(run, uid, gid, err) < 0 || make_scratch(run, err) < 0)
        return -1;
    return checkpoints_open(run, err);
}
