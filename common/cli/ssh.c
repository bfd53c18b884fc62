/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* ssh.c - see ssh.h */
#include "cli/ssh.h"

#include "base/macro.h"
#include "base/text.h"
#include "cli/groups.h"

enum {
    KEY_SSH_USER = 0x380,
    KEY_SSH_PORT,
    KEY_SSH_KEY,
};

static const struct argp_option options[] = {
    {"ssh-user", KEY_SSH_USER, "NAME", 0,
     "log in as this user (default: the one in the URI)", 0},
    {"ssh-port", KEY_SSH_PORT, "PORT", 0,
     "port of the ssh server (default: the one in the URI)", 0},
    {"ssh-private-key", KEY_SSH_KEY, "KEY", 0,
     "log in with the key in this file (default: what ssh is set up for)", 0},
    {0},
};

/* A second value would replace the first in silence. */
static void set_once(struct argp_state *state, const char **member,
                     const char *option, const char *value)
{
    if (*member)
        cli_error(state, "%s can be given only once", option);
    if (!*value)
        cli_error(state, "%s needs a value", option);
    *member = value;
}

static void set_port(struct argp_state *state, struct cli_ssh *ssh,
                     const char *word)
{
    uint64_t port = 0;

    if (text_u64(word, &port) < 0 || port < 1 || port > 65535)
        cli_error(state, "--ssh-port takes a number from 1 to 65535, not '%s'",
                  word);
    ssh->port = (int)port;
}

static error_t parse(int key, char *arg, struct argp_state *state)
{
    struct cli_ssh *ssh = state->input;

    switch (key) {
    case ARGP_KEY_INIT:
        *ssh = (struct cli_ssh){0};
        return 0;
    case KEY_SSH_USER:
        set_once(state, &ssh->user, "--ssh-user", arg);
        return 0;
    case KEY_SSH_PORT:
        set_port(state, ssh, arg);
        return 0;
    case KEY_SSH_KEY:
        set_once(state, &ssh->key_file, "--ssh-private-key", arg);
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

const struct argp cli_ssh_argp = {.options = options, .parser = parse};
