/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* there.c - see there.h */
#include "there.h"

#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/log.h"
#include "base/text.h"
#include "host/host.h"
#include "host/remote_uri.h"
#include "recover.h"

int there_open(struct run *run, struct error *err)
{
    const struct cli_ssh *ssh = &run->options->ssh;
    const struct remote_options options = {
        .uri = session_choose_uri(run->options->uri),
        .user = ssh->user,
        .port = ssh->port,
        .key_file = ssh->key_file,
    };

    if (!remote_uri_is_ssh(options.uri)) {
        if (!ssh->user && !ssh->port && !ssh->key_file)
            return 0;
        return error_set(err, ERR_USAGE,
                         "--ssh-user, --ssh-port and --ssh-private-key are for "
                         "a hypervisor that is reached by ssh (-U "
                         "qemu+ssh://HOST/system)");
    }
    if (host_runtime_name(&run->local_dir, err) < 0 ||
        guardian_tell(run->guardian, FACT_LOCAL, run->local_dir, err) < 0 ||
        host_runtime_make(run->local_dir, (uid_t)-1, (gid_t)-1, err) < 0)
        return -1;
    if (remote_open(&options, run->local_dir, &run->remote, err) < 0)
        return -1;
    log_debug("connected to '%s' by ssh", remote_name(run->remote));
    return 0;
}

/* A job has one key, however far it has come. */
static const char *key_of(const char *kind)
{
    return strcmp(kind, REMOTE_BEGIN) == 0 ? REMOTE_JOB : kind;
}

int there_tell(struct run *run, const char *kind, struct error *err)
{
    if (!run->remote)
        return 0;
    return remote_tell(run->remote, key_of(kind), kind,
                       remote_libvirt_uri(run->remote),
                       domain_uuid(run->domain), run->socket, err);
}

void there_forget(struct run *run, const char *kind)
{
    _cleanup_error_ struct error err = ERROR_INIT;

    if (run->remote && remote_forget(run->remote, key_of(kind), &err) < 0)
        log_debug("%s", error_text(&err));
}

int there_forward(struct run *run, struct error *err)
{
    if (!run->remote || run->transport.tcp)
        return 0;
    run->local_socket = text_dup_printf("%s/nbd", run->local_dir);
    if (!run->local_socket)
        return error_memory(err);
    return remote_forward(run->remote, run->local_socket, run->socket, err);
}

void there_close(struct run *run)
{
    _cleanup_error_ struct error err = ERROR_INIT;

    remote_close(run->remote);
    run->remote = NULL;
    if (run->local_dir && host_remove_dir(NULL, run->local_dir, &err) < 0)
        log_warning("%s", error_text(&err));
}
