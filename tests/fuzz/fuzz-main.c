/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* fuzz-main.c - feed a fuzzer the files of a corpus
 *
 * Usage: fuzz-NAME DIRECTORY|FILE...
 *
 * Fails when there is nothing to feed: an empty corpus tests nothing.  The
 * name of each file is printed first, so that a crash has a name.
 */
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <sys/stat.h>

#include "base/cleanup.h"

#include "fuzz.h"

#define SIZE_MAX_FILE (16 << 20)

static int replay_file(const char *path)
{
    _cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC);
    _cleanup_free_ uint8_t *data = NULL;
    struct stat st = {0};
    size_t len = 0;
    ssize_t n = 0;

    if (fd < 0 || fstat(fd, &st) < 0 || st.st_size > SIZE_MAX_FILE) {
        fprintf(stderr, "cannot replay '%s'\n", path);
        return -1;
    }
    data = malloc((size_t)st.st_size + 1);
    while (data && (n = read(fd, data + len, (size_t)st.st_size - len)) > 0)
        len += (size_t)n;
    printf("%s\n", path);
    fflush(stdout);
    /* Exactly as long as it is, for the sanitizer's sake. */
    if (data && len > 0)
        data = realloc(data, len);
    if (!data)
        return -1;
    LLVMFuzzerTestOneInput(data, len);
    return 1;
}

/* Returns the number of files replayed, or -1. */
static int replay(const char *path)
{
    _cleanup_(closedirp) DIR *dir = opendir(path);
    struct dirent *entry = NULL;
    int count = 0;

    if (!dir)
        return replay_file(path);
    while ((entry = readdir(dir))) {
        char inner[PATH_MAX];

        if (entry->d_name[0] == '.')
            continue;
        snprintf(inner, sizeof(inner), "%s/%s", path, entry->d_name);
        if (replay_file(inner) < 0)
            return -1;
        count++;
    }
    return count;
}

int main(int argc, char **argv)
{
    int total = 0;

    for (int i = 1; i < argc; i++) {
        int count = replay(argv[i]);

        if (count < 0)
            return 1;
        total += count;
    }
    printf("%d inputs\n", total);
    return total == 0;
}
