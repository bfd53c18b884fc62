/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* make-set.c - a backup set for tests that have no hypervisor, or damage to it
 *
 *     make-set DIRECTORY SEED            write the set of maker.h, and beside
 * it DIRECTORY.POINT.DISK: what disks held make-set DIRECTORY SEED NUMBER
 * change that set (mutate.h), and say how
 */
#include "maker.h"
#include "mutate.h"

static struct made made;

static void write_truth(const char *directory)
{
    for (size_t i = 0; i < MADE_POINTS; i++)
        for (size_t k = 0; k < MADE_DISKS; k++) {
            struct lab here = {.dirfd = AT_FDCWD};
            char name[500] = "";

            snprintf(name, sizeof(name), "%s.%s.%s", directory,
                     made_points[i].name, made_disks[k].name);
            lab_write(&here, name, made.truth[i][k], made_disks[k].size);
        }
}

static void change(struct lab *lab, uint64_t number)
{
    struct mutate_set files;
    struct mutation m;

    mutate_open(&files, lab);
    m = mutate(&files, number * 2 + 1);
    printf("'%s': %s\n", m.names[0], m.text);
    mutate_close(&files);
}

int main(int argc, char **argv)
{
    struct lab lab = {.dirfd = -1};

    if (argc < 3 || argc > 4) {
        fprintf(stderr, "usage: make-set DIRECTORY SEED [NUMBER]\n");
        return 64;
    }
    if (argc == 3 && mkdir(argv[1], 0755) < 0) {
        perror(argv[1]);
        return 1;
    }
    lab.dirfd = open(argv[1], O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (lab.dirfd < 0) {
        perror(argv[1]);
        return 1;
    }
    if (argc == 4) {
        change(&lab, strtoull(argv[2], NULL, 0) + strtoull(argv[3], NULL, 0));
    } else {
        made_fill(&lab, strtoull(argv[2], NULL, 0), &made);
        write_truth(argv[1]);
    }
    close(lab.dirfd);
    return check_this_failed;
}
