/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* plugin_path.c - see plugin_path.h */
#include "plugin_path.h"

#include <errno.h>
#include <limits.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/text.h"

#define PLUGIN_NAME "virtnbdmap-plugin.so"

/* "<directory of this program>/<plugin>". */
static int path_beside(char **ret, struct error *err)
{
    char self[PATH_MAX];
    ssize_t n = readlink("/proc/self/exe", self, sizeof(self) - 1);
    char *slash = NULL;

    if (n < 0)
        return error_errno(err, errno, "find where this program lies");
    self[n] = '\0';
    slash = strrchr(self, '/');
    if (slash)
        *slash = '\0';
    *ret = text_dup_printf("%s/%s", self, PLUGIN_NAME);
    return *ret ? 0 : error_memory(err);
}

int plugin_path_find(char **ret, struct error *err)
{
    static const char installed[] = PLUGIN_DIR "/" PLUGIN_NAME;
    _cleanup_free_ char *beside = NULL;

    if (path_beside(&beside, err) < 0)
        return -1;
    if (access(beside, R_OK) == 0) {
        *ret = take(beside);
        return 0;
    }
    if (access(installed, R_OK) < 0)
        return error_errno(err, errno, "find the plugin of nbdkit, '%s'",
                           installed);
    *ret = strdup(installed);
    return *ret ? 0 : error_memory(err);
}
