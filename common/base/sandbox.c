/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* sandbox.c - see sandbox.h; hides the system calls and the versions of them
 *
 * The kernel's header may be older than the kernel: what it lacks is given
 * here.
 */
#include "base/sandbox.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/landlock.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/macro.h"
#include "base/patience.h"

/* Rights of later versions than the first. */
#define VERSION_MOVES 2 /* before that, all moves to other directories fail */
#define RIGHT_REFER (1ULL << 13)          /* version 2 */
#define RIGHT_TRUNCATE (1ULL << 14)       /* version 3 */
#define RIGHT_TCP (1ULL << 0 | 1ULL << 1) /* version 4: bind, connect */

#define RIGHTS_READ (LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_READ_DIR)
#define RIGHTS_WRITE                                                           \
    (LANDLOCK_ACCESS_FS_WRITE_FILE | LANDLOCK_ACCESS_FS_REMOVE_DIR |           \
     LANDLOCK_ACCESS_FS_REMOVE_FILE | LANDLOCK_ACCESS_FS_MAKE_CHAR |           \
     LANDLOCK_ACCESS_FS_MAKE_DIR | LANDLOCK_ACCESS_FS_MAKE_REG |               \
     LANDLOCK_ACCESS_FS_MAKE_SOCK | LANDLOCK_ACCESS_FS_MAKE_FIFO |             \
     LANDLOCK_ACCESS_FS_MAKE_BLOCK | LANDLOCK_ACCESS_FS_MAKE_SYM |             \
     RIGHT_REFER | RIGHT_TRUNCATE)

/* What is allowed for a path that is no directory. */
#define RIGHTS_OF_FILES                                                        \
    (LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_WRITE_FILE |            \
     LANDLOCK_ACCESS_FS_EXECUTE | RIGHT_TRUNCATE)

struct ruleset {
    uint64_t files;
    uint64_t network;
};

struct sandbox {
    int fd; /* of the ruleset */
    uint64_t handled;
};

/* 0: none. */
static long version(void)
{
    long v = -1;

#ifndef NO_SANDBOX
    v = syscall(SYS_landlock_create_ruleset, NULL, 0,
                LANDLOCK_CREATE_RULESET_VERSION);
#endif
    return v < 0 ? 0 : v;
}

static struct ruleset choose(enum sandbox_kind kind, long v)
{
    struct ruleset r = {RIGHTS_WRITE, 0};

    if (kind == SANDBOX_READER) {
        r.files |= RIGHTS_READ | LANDLOCK_ACCESS_FS_EXECUTE;
        r.network = v >= 4 ? RIGHT_TCP : 0;
    }
    if (v < 2)
        r.files &= ~RIGHT_REFER;
    if (v < 3)
        r.files &= ~RIGHT_TRUNCATE;
    return r;
}

/* O_PATH mounts nothing that is mounted at need. */
static int open_place(const char *path)
{
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

    return fd >= 0 ? fd : open(path, O_PATH | O_CLOEXEC);
}

/* Allow `rights` on and below `path`, if there is one. */
static int allow(const struct sandbox *s, const char *path, uint64_t rights,
                 struct error *err)
{
    PATIENCE_SCOPE("looking at a directory");
    _cleanup_close_ int fd = open_place(path);
    struct landlock_path_beneath_attr rule = {0};
    struct stat st;

    if (fd < 0)
        return errno == ENOENT || errno == ENOTDIR || errno == EACCES
                   ? 0
                   : error_errno(err, errno, "opening '%s'", path);
    if (fstat(fd, &st) < 0)
        return error_errno(err, errno, "examining '%s'", path);
    if (!S_ISDIR(st.st_mode))
        rights &= RIGHTS_OF_FILES;
    rule.parent_fd = fd;
    rule.allowed_access = rights & s->handled;
    if (rule.allowed_access &&
        syscall(SYS_landlock_add_rule, s->fd, LANDLOCK_RULE_PATH_BENEATH, &rule,
                0) < 0)
        return error_errno(err, errno, "allowing the use of '%s'", path);
    return 0;
}

static int allow_all(const struct sandbox *s, const char *const *paths,
                     uint64_t rights, struct error *err)
{
    for (; *paths; paths++)
        if (allow(s, *paths, rights, err) < 0)
            return -1;
    return 0;
}

/* To remove a directory is a right on the one above it. */
static int allow_removal(const struct sandbox *s, const char *const *paths,
                         struct error *err)
{
    for (; *paths; paths++) {
        _cleanup_free_ char *above = strdup(*paths);
        char *slash = above ? strrchr(above, '/') : NULL;

        if (!above)
            return error_memory(err);
        if (!slash || slash == above)
            continue;
        *slash = '\0';
        if (allow(s, above, LANDLOCK_ACCESS_FS_REMOVE_DIR, err) < 0)
            return -1;
    }
    return 0;
}

/* The rules that are the same for all. */
static int allow_system(const struct sandbox *s, struct error *err)
{
    static const char *const system[] = {"/usr", "/lib",       "/lib64",
                                         "/etc", "/proc/self", NULL};
    static const char *const nowhere[] = {"/dev/null", "/dev/zero", "/dev/full",
                                          "/dev/tty", NULL};

    if (allow_all(s, system, RIGHTS_READ, err) < 0)
        return -1;
    return allow_all(s, nowhere, RIGHTS_READ | LANDLOCK_ACCESS_FS_WRITE_FILE,
                     err);
}

int sandbox_prepare(enum sandbox_kind kind, const char *const *paths,
                    int *ret_fd, struct error *err)
{
    long v = version();
    struct ruleset rules = choose(kind, v);
    struct sandbox s = {-1, rules.files};
    _cleanup_close_ int fd = -1;

    if (v < (kind == SANDBOX_WRITER ? VERSION_MOVES : 1))
        return 0;
    fd = (int)syscall(SYS_landlock_create_ruleset, &rules,
                      v >= 4 ? sizeof(rules) : sizeof(rules.files), 0);
    if (fd < 0)
        return error_errno(err, errno, "making a sandbox");
    s.fd = fd;
    if (allow_all(&s, paths,
                  kind == SANDBOX_READER ? RIGHTS_READ : RIGHTS_WRITE,
                  err) < 0 ||
        allow_system(&s, err) < 0)
        return -1;
    if (kind == SANDBOX_WRITER && allow_removal(&s, paths, err) < 0)
        return -1;
    *ret_fd = take_fd(fd);
    return 1;
}

int sandbox_restrict(int fd)
{
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
        return -1;
    return (int)syscall(SYS_landlock_restrict_self, fd, 0);
}

int sandbox_enter(enum sandbox_kind kind, const char *const *paths,
                  struct error *err)
{
    _cleanup_close_ int fd = -1;
    int r = sandbox_prepare(kind, paths, &fd, err);

    if (r > 0 && sandbox_restrict(fd) < 0)
        return error_errno(err, errno, "entering the sandbox");
    return r;
}

void sandbox_no_core(void)
{
    struct rlimit limit;

    if (getrlimit(RLIMIT_CORE, &limit) < 0)
        return;
    /* 0 would keep files from being written only; 1 is what the kernel takes
     * for a handler that must not be called, too (fs/coredump.c).  The hard
     * limit stays: a libvirtd that we wake up may raise its own again.
     */
    if (limit.rlim_max == 0)
        limit.rlim_max = 1; /* root may */
    limit.rlim_cur = 1;
    (void)!setrlimit(RLIMIT_CORE, &limit);
}
