/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* login.h - user and password for a libvirt that asks for them
 *
 * An argp child (see groups.h) and what makes its result complete: the password
 * comes from the command line, where it is blanked at once, from a file that
 * nobody else can read, or from the person at the terminal.  From then on the
 * log does not show it.  Knows argp, base and the terminal.
 */
#ifndef CLI_LOGIN_H
#define CLI_LOGIN_H

#include <argp.h>

#include "base/error.h"
#include "base/macro.h"

struct cli_login {
    const char *user;          /* borrowed from argv; NULL: none */
    const char *password_file; /* the same */
    char *password;            /* NULL: none (yet) */
};

/* --user, --password, --password-file.  Its input is a struct cli_login, which
 * it clears first; it refuses what does not go together.
 */
extern const struct argp cli_login_argp;

/* Get the password if there is a user without one: from the file, else from the
 * terminal if there is one; without a terminal there is none.  After
 * startup_begin: a signal ends the waiting (ERR_STOPPED).  ERR_INPUT: the file
 * is somebody else's, others may read it, or it holds no password.
 */
must_check int cli_login_complete(struct cli_login *login, struct error *err);

/* Wipe the password, wherever it is kept: when nothing is said any more. */
void cli_login_done(struct cli_login *login);

#endif
