/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* remote.h - another host: programs, files and sockets there, over ssh
 *
 * The system's ssh gets us there, with all that the user has set up for it:
 * keys, agent, known hosts, jump hosts.  It is never asked to prompt.  There is
 * one connection, which everything shares; its first and longest guest is an
 * agent of ours (remote_agent.sh), which is told what must not outlive us
 * there.  When the connection ends, however that happens, the agent takes it
 * back.  What the user's shell there gets to see are constant texts, and words
 * in an encoding that no shell finds anything in (remote_word).
 *
 * Functions that take a `struct remote *` where work can be done here or there
 * mean this machine by NULL.
 *
 * Hides ssh's options, its multiplexing, quoting, and the agent's language.
 * Must not know what the files and programs are for.  May be used by several
 * threads; remote_run and the copies side by side, all else one after the
 * other.
 */
#ifndef HOST_REMOTE_H
#define HOST_REMOTE_H

#include <stdbool.h>
#include <sys/types.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "base/macro.h"

struct remote;

/* Where to: borrowed strings. */
struct remote_options {
    const char *uri;      /* libvirt's, by way of ssh (remote_uri.h) */
    const char *user;     /* the following go before what the URI says; */
    int port;             /* 0 and NULL: not given */
    const char *key_file; /* of the private key */
};

/* Connect.  `directory` is a private directory of ours, where sockets are made;
 * it must stay until remote_close.  ERR_INPUT: the URI makes no sense;
 * ERR_CHILD: ssh does not get there, and why; ERR_TIMEOUT; ERR_STOPPED.
 */
must_check int remote_open(const struct remote_options *options,
                           const char *directory, struct remote **ret,
                           struct error *err);

/* End the connection; what the agent was told and not told to forget is taken
 * back, and waited for (for half a minute at most).  NULL is fine.
 */
void remote_close(struct remote *r);
DEFINE_CLEANUP(struct remote *, remote_close);

/* Its name, for messages. */
const char *remote_name(const struct remote *r);

/* The URI of libvirt there, as seen from there. */
const char *remote_libvirt_uri(const struct remote *r);

/* Has the connection not broken yet? */
bool remote_is_alive(struct remote *r);

/* Programs and files. */

/* Run a program there: `argv` arrives byte for byte, found through PATH (with
 * the sbin directories).  `ret_out` (NULL: dropped) gets its stdout.  Errors as
 * spawn_run has them, with the host's name in front; ERR_CHILD with code 255
 * may be ssh's own failure.
 */
must_check int remote_run(struct remote *r, const char *const *argv,
                          int timeout_ms, char **ret_out, struct error *err);

/* Write the content of the file `path` there to `fd`.  Only regular files:
 * ERR_INPUT.
 */
must_check int remote_fetch(struct remote *r, const char *path, int fd,
                            struct error *err);

/* Make the file `path` there from the content of `fd` (from where it stands to
 * its end), durable, with mode 0600.  ERR_EXISTS: the name is taken, also by a
 * dangling link.
 */
must_check int remote_store(struct remote *r, int fd, const char *path,
                            struct error *err);

/* Outcome 1: something has that name there, also a dangling link; 0: nothing.
 */
must_check int remote_exists(struct remote *r, const char *path,
                             struct error *err);

/* Sockets: connections to the Unix socket `here` (which is made, mode 0600)
 * arrive at the Unix socket `there`, which need not exist yet.
 */
must_check int remote_forward(struct remote *r, const char *here,
                              const char *there, struct error *err);

/* What must not outlive us there.  `key` is a word of ours: lower case letters
 * and digits.  The last thing told is taken back first.
 */

#define REMOTE_FILE "file"     /* a: its path; removed */
#define REMOTE_DIR "dir"       /* a: a private directory of ours; with files */
#define REMOTE_JOB "job"       /* a: libvirt, b: domain, c: socket; ended */
#define REMOTE_BEGIN "begin"   /* the same, which libvirt may begin yet */
#define REMOTE_FROZEN "frozen" /* a: libvirt, b: domain; thawed */
#define REMOTE_PAUSED "paused" /* a: libvirt, b: domain; resumed */

/* Tell of it, in place of what `key` stood for.  When this returns 0 the agent
 * knows.
 */
must_check int remote_tell(struct remote *r, const char *key, const char *kind,
                           const char *a, const char *b, const char *c,
                           struct error *err);

/* It may stay. */
must_check int remote_forget(struct remote *r, const char *key,
                             struct error *err);

/* Take it back now, and forget it. */
must_check int remote_undo(struct remote *r, const char *key,
                           struct error *err);

/* Make the private directory `path` there, as host_runtime_make does, and
 * remember it.
 */
must_check int remote_make_dir(struct remote *r, const char *key,
                               const char *path, uid_t uid, gid_t gid,
                               struct error *err);

/* Start a server there, and return when it serves: when it has written
 * `base`.pid, as its arguments must make it do.  `base` lies in a directory
 * made by remote_make_dir for ourselves.  It dies with the connection.
 * ERR_CHILD: it ended, with what it said as the message (lines end in tabs).
 */
must_check int remote_serve(struct remote *r, const char *key, const char *base,
                            const char *const *argv, struct error *err);

/* SIGTERM, and wait for its end, for ten minutes at most.  Its exit status, and
 * what it wrote to stderr (lines end in tabs), which is the caller's.
 */
must_check int remote_stop(struct remote *r, const char *key, int *ret_status,
                           char **ret_said, struct error *err);

/* For the tests and remote.c: a new string of bytes that no shell finds
 * anything in, which the agent decodes to `word`.  NULL: no memory.
 */
must_check char *remote_word(const char *word);

#endif
