/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* notify.c - see notify.h; the protocol is that of sd_notify(3) */
#include "base/notify.h"

#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "base/cleanup.h"

bool notify_wanted(void)
{
    const char *path = getenv("NOTIFY_SOCKET");

    return path && (path[0] == '/' || path[0] == '@') && path[1];
}

static void tell(const char *message)
{
    const char *path = getenv("NOTIFY_SOCKET");
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    _cleanup_close_ int fd = -1;
    size_t length;

    if (!path || !notify_wanted() || strlen(path) >= sizeof(address.sun_path))
        return;
    length = strlen(path);
    memcpy(address.sun_path, path, length);
    /* The abstract name space: no file, and no NUL at the end. */
    if (path[0] == '@')
        address.sun_path[0] = '\0';
    else
        length++;
    fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return;
    (void)!sendto(fd, message, strlen(message), MSG_NOSIGNAL | MSG_DONTWAIT,
                  (const struct sockaddr *)&address,
                  (socklen_t)(offsetof(struct sockaddr_un, sun_path) + length));
}

void notify_status(const char *text)
{
    char message[NOTIFY_STATUS_MAX + sizeof("STATUS=")];

    /* A newline would begin another assignment. */
    snprintf(message, sizeof(message), "STATUS=%.*s", (int)strcspn(text, "\n"),
             text);
    tell(message);
}

void notify_ready(void)
{
    tell("READY=1");
}
