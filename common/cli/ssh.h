/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* ssh.h - how to reach a host by ssh: options that several programs share
 *
 * An argp child, as groups.h has one; its input is a struct cli_ssh, which it
 * clears first.
 */
#ifndef CLI_SSH_H
#define CLI_SSH_H

#include <argp.h>

struct cli_ssh {
    const char *user;     /* --ssh-user, or NULL */
    int port;             /* --ssh-port, or 0 */
    const char *key_file; /* --ssh-private-key, or NULL */
};

extern const struct argp cli_ssh_argp;

#endif
