/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* transport.c - see transport.h */
#include "cli/transport.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/text.h"
#include "cli/groups.h"

enum { KEY_TLS = 0x600, KEY_TLS_CERT };

static const struct argp_option options[] = {
    {"nbd-ip", 'I', "ADDRESS", 0,
     "send the data over TCP: where the NBD server listens (default: the host "
     "of the URI)",
     0},
    {"nbd-port", 'P', "PORT", 0,
     "send the data over TCP: the port there (default: a free one from 10809 "
     "on)",
     0},
    {"tls", KEY_TLS, NULL, 0,
     "send the data over TCP with TLS; both sides show certificates", 0},
    {"tls-cert", KEY_TLS_CERT, "DIR", 0,
     "where the certificates are, here and on the hypervisor (default "
     "/etc/pki/qemu)",
     0},
    {0},
};

static void parse_port(struct argp_state *state, const char *arg,
                       struct cli_transport *t)
{
    uint64_t port = 0;

    if (text_u64(arg, &port) < 0 || port < 1 || port > UINT16_MAX)
        cli_error(state, "--nbd-port takes a number from 1 to 65535, not '%s'",
                  cli_shown(arg));
    t->nbd_port = (uint16_t)port;
}

static error_t parse(int key, char *arg, struct argp_state *state)
{
    struct cli_transport *t = state->input;

    switch (key) {
    case ARGP_KEY_INIT:
        *t = (struct cli_transport){0};
        return 0;
    case 'I':
        if (!arg[0])
            cli_error(state, "--nbd-ip takes an address or a name");
        t->nbd_ip = arg;
        return 0;
    case 'P':
        parse_port(state, arg, t);
        return 0;
    case KEY_TLS:
        t->tls = true;
        return 0;
    case KEY_TLS_CERT:
        if (arg[0] != '/')
            cli_error(state,
                      "--tls-cert takes the whole path of a directory, "
                      "which begins with '/', not '%s'",
                      arg);
        t->tls_cert = arg;
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

const struct argp cli_transport_argp = {.options = options, .parser = parse};

bool cli_transport_is_tcp(const struct cli_transport *t)
{
    return t->nbd_ip || t->nbd_port || t->tls;
}

const char *cli_transport_server_certificates(const struct cli_transport *t)
{
    return t->tls_cert ? t->tls_cert : CLI_TLS_DIR;
}

static bool has(const char *dir, const char *file)
{
    _cleanup_free_ char *path = text_dup_printf("%s/%s", dir, file);

    return path && access(path, F_OK) == 0;
}

/* Everything that goes with the certificate. */
static int check_directory(const char *dir, struct error *err)
{
    static const char *const files[] = {"ca-cert.pem", "client-cert.pem",
                                        "client-key.pem"};

    for (size_t i = 0; i < array_size(files); i++) {
        _cleanup_free_ char *path = text_dup_printf("%s/%s", dir, files[i]);

        if (!path)
            return error_memory(err);
        if (access(path, R_OK) < 0)
            return error_errno(err, errno, "--tls needs the file '%s'", path);
    }
    return 0;
}

int cli_transport_certificates(const struct cli_transport *t, char **ret,
                               struct error *err)
{
    const char *first = cli_transport_server_certificates(t);
    const char *home = getenv("HOME");
    _cleanup_free_ char *mine =
        text_dup_printf("%s/.pki/libnbd", home ? home : "");
    const char *places[] = {first, mine, "/etc/pki/libnbd"};

    if (!mine)
        return error_memory(err);
    for (size_t i = 0; i < array_size(places); i++) {
        if (!has(places[i], "client-cert.pem"))
            continue;
        if (check_directory(places[i], err) < 0)
            return -1;
        *ret = strdup(places[i]);
        return *ret ? 0 : error_memory(err);
    }
    return error_set(err, ERR_INPUT,
                     "--tls needs a certificate to show to the server, and "
                     "there is no client-cert.pem in '%s', '%s' or '%s' "
                     "(--tls-cert names another directory)",
                     places[0], places[1], places[2]);
}
