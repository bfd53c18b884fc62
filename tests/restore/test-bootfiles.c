/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* test-bootfiles.c - tests of restore/bootfiles and of names in vmconfig */
#include "bootfiles.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/file.h"
#include "base/log.h"
#include "base/text.h"
#include "check.h"

/* A set with a directory to restore to and one to restore from in place. */
struct lab {
    char path[32];
    char *elsewhere; /* absolute */
    int set, target, staging, place;
    struct backup_set backup;
    struct chain_point point;
    struct vmconfig config;
};

static int make_dir(const struct lab *lab, const char *name)
{
    _cleanup_free_ char *path = text_dup_printf("%s/%s", lab->path, name);

    if (!path || mkdir(path, 0700) < 0)
        abort();
    return open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
}

static void put(int dirfd, const char *name, const char *text)
{
    _cleanup_error_ struct error err = ERROR_INIT;

    if (file_replace(dirfd, name, text, strlen(text), 0600, &err) < 0)
        abort();
}

/* What is in a file; "" if it is not there.  Valid until the next call. */
static const char *get(int dirfd, const char *name)
{
    static char *text;
    _cleanup_error_ struct error err = ERROR_INIT;
    size_t length = 0;

    free(text);
    text = NULL;
    return file_read_all(dirfd, name, MIB, &text, &length, &err) < 0 ? ""
                                                                     : text;
}

static bool exists(int dirfd, const char *name)
{
    return faccessat(dirfd, name, F_OK, AT_SYMLINK_NOFOLLOW) == 0;
}

static void lab_open(struct lab *lab)
{
    *lab = (struct lab){.path = "/tmp/vnb-boot.XXXXXX"};
    if (!mkdtemp(lab->path))
        abort();
    lab->set = make_dir(lab, "set");
    lab->target = make_dir(lab, "target");
    lab->staging = make_dir(lab, "staging");
    lab->place = make_dir(lab, "place");
    lab->elsewhere = text_dup_printf("%s/place", lab->path);
    lab->backup = (struct backup_set){.path = "set", .dirfd = lab->set};
    lab->point.name = strdup("virtnbdbackup.0");
    lab->point.level = LEVEL_FULL;
}

static void lab_close(struct lab *lab)
{
    _cleanup_free_ char *command = text_dup_printf("rm -rf %s", lab->path);

    if (!command || system(command) != 0)
        abort();
    closep(&lab->set);
    closep(&lab->target);
    closep(&lab->staging);
    closep(&lab->place);
    vmconfig_done(&lab->config);
    manifest_done(&lab->point.manifest);
    free(lab->point.name);
    free(lab->elsewhere);
}

/* The configuration has the NVRAM at this path. */
static void nvram_at(struct lab *lab, const char *path)
{
    free(lab->config.origin.nvram);
    lab->config.origin.nvram = strdup(path);
}

/* A file that our own manifest names. */
static void add(struct lab *lab, const char *name, enum file_role role,
                const char *text)
{
    _cleanup_error_ struct error err = ERROR_INIT;

    put(lab->set, name, text);
    lab->point.ours = true;
    CHECK_OK(manifest_add_boot_file(&lab->point.manifest, lab->set, name, role,
                                    &err),
             &err);
}

static int find(struct lab *lab, struct bootfiles *ret, struct error *err)
{
    return bootfiles_find(&lab->backup, &lab->point, &lab->config, ret, err);
}

/* Name, stage and give final names; what run.c does. */
static int restore(struct lab *lab, struct bootfiles *files, struct error *err)
{
    if (bootfiles_name(files, &lab->backup, lab->target, NULL, 0, err) < 0 ||
        bootfiles_stage(files, &lab->backup, lab->staging, err) < 0)
        return -1;
    for (size_t i = 0; i < files->count; i++) {
        const struct bootfile *f = &files->items[i];

        if (!f->in_place && !f->is_there &&
            renameat(lab->staging, f->name, lab->target, f->name) < 0)
            return error_set(err, ERR_SYSTEM, "rename %s", f->name);
    }
    return 0;
}

/* ---- by role ---- */

static void test_roles(void)
{
    _cleanup_(lab_close) struct lab lab = {0};
    _cleanup_(bootfiles_done) struct bootfiles files = {0};
    _cleanup_error_ struct error err = ERROR_INIT;
    struct stat st;

    lab_open(&lab);
    nvram_at(&lab, "/var/lib/nvram/my guest_VARS.fd");
    lab.config.origin.loader = strdup("/usr/share/CODE.fd");
    lab.config.origin.kernel = strdup("/boot/same");
    lab.config.origin.initrd = strdup("/other/same");
    add(&lab, "my-guest_VARS.fd.virtnbdbackup.0", FILE_NVRAM, "variables");
    add(&lab, "CODE.fd.virtnbdbackup.0", FILE_LOADER, "code");
    add(&lab, "same.virtnbdbackup.0", FILE_KERNEL, "kernel");
    add(&lab, "same-1.virtnbdbackup.0", FILE_INITRD, "initrd");
    CHECK_OK(find(&lab, &files, &err), &err);
    CHECK_EQ_U64(files.count, 4);
    CHECK_OK(restore(&lab, &files, &err), &err);
    CHECK_STR(get(lab.target, "my guest_VARS.fd"), "variables");
    CHECK_STR(get(lab.target, "CODE.fd"), "code");
    CHECK_STR(get(lab.target, "same"), "kernel");
    CHECK_STR(get(lab.target, "initrd-same"), "initrd");
    CHECK(fstatat(lab.target, "CODE.fd", &st, 0) == 0 &&
          (st.st_mode & 07777) == 0644);
    CHECK(fstatat(lab.target, "my guest_VARS.fd", &st, 0) == 0 &&
          (st.st_mode & 07777) == 0600);
    /* Once more: all is there. */
    bootfiles_done(&files);
    CHECK_OK(find(&lab, &files, &err), &err);
    CHECK_OK(bootfiles_name(&files, &lab.backup, lab.target, NULL, 0, &err),
             &err);
    for (size_t i = 0; i < files.count; i++)
        CHECK(files.items[i].is_there);
}

static void test_without_config(void)
{
    _cleanup_(lab_close) struct lab lab = {0};
    _cleanup_(bootfiles_done) struct bootfiles files = {0};
    _cleanup_error_ struct error err = ERROR_INIT;
    char name[] = "image";
    char *const taken[] = {name};

    lab_open(&lab);
    add(&lab, "image", FILE_NVRAM, "variables");
    CHECK_OK(find(&lab, &files, &err), &err);
    CHECK_EQ_U64(files.count, 1);
    CHECK_OK(bootfiles_in_place(&files, &lab.backup, false, &err), &err);
    CHECK_OK(bootfiles_name(&files, &lab.backup, lab.target, taken, 1, &err),
             &err);
    CHECK(!files.items[0].in_place);
    CHECK_STR(files.items[0].name, "nvram-image");
}

static void test_damaged(void)
{
    _cleanup_(lab_close) struct lab lab = {0};
    _cleanup_(bootfiles_done) struct bootfiles files = {0};
    _cleanup_error_ struct error err = ERROR_INIT;

    lab_open(&lab);
    add(&lab, "vars", FILE_NVRAM, "variables");
    CHECK_OK(find(&lab, &files, &err), &err);
    CHECK_OK(bootfiles_name(&files, &lab.backup, lab.target, NULL, 0, &err),
             &err);
    /* Changed between the check and the copy. */
    put(lab.set, "vars", "variableX");
    CHECK_FAILS(bootfiles_stage(&files, &lab.backup, lab.staging, &err), &err,
                "not as it was written");
    bootfiles_done(&files);
    CHECK(find(&lab, &files, &err) < 0 && err.kind == ERR_DAMAGED);
    CHECK_CONTAINS(error_text(&err), "'set/vars' is not as it was written");
    unlinkat(lab.set, "vars", 0);
    CHECK(find(&lab, &files, &err) < 0 && err.kind == ERR_DAMAGED);
    CHECK_CONTAINS(error_text(&err), "vars");
    symlinkat("/etc/passwd", lab.set, "vars");
    CHECK(find(&lab, &files, &err) < 0 && err.kind == ERR_DAMAGED);
    CHECK_EQ_U64(files.count, 0);
}

static void test_two_of_one_role(void)
{
    _cleanup_(lab_close) struct lab lab = {0};
    _cleanup_(bootfiles_done) struct bootfiles files = {0};
    _cleanup_error_ struct error err = ERROR_INIT;

    lab_open(&lab);
    add(&lab, "a", FILE_NVRAM, "1");
    add(&lab, "b", FILE_NVRAM, "2");
    CHECK_FAILS(find(&lab, &files, &err), &err, "two files for one purpose");
}

/* What a manifest of ours does not name is not ours, whatever it is called. */
static void test_not_in_manifest(void)
{
    _cleanup_(lab_close) struct lab lab = {0};
    _cleanup_(bootfiles_done) struct bootfiles files = {0};
    _cleanup_error_ struct error err = ERROR_INIT;

    lab_open(&lab);
    nvram_at(&lab, "/x/vars");
    put(lab.set, "vars.virtnbdbackup.0", "forged");
    lab.point.ours = true;
    CHECK_OK(find(&lab, &files, &err), &err);
    CHECK_EQ_U64(files.count, 0);
    lab.point.manifest.adopted = true;
    CHECK_OK(find(&lab, &files, &err), &err);
    CHECK_EQ_U64(files.count, 1);
}

/* ---- by name ---- */

static void test_names_of_others(void)
{
    static const struct {
        enum level level;
        const char *point, *file; /* NULL: not found */
    } cases[] = {
        {LEVEL_FULL, "virtnbdbackup.0", "my vars.virtnbdbackup.0"},
        {LEVEL_INC, "virtnbdbackup.1", "my vars.virtnbdbackup.1"},
        {LEVEL_INC, "virtnbdbackup.2", NULL},
        {LEVEL_INC, "inc.virtnbdbackup.1", "my vars.virtnbdbackup.1"},
        {LEVEL_COPY, "copy", "my vars"},
        {LEVEL_DIFF, "diff.1700000000", "my vars.1700000000"},
        {LEVEL_DIFF, "diff.1700000001", "my vars.1700000007"},
        {LEVEL_DIFF, "diff.1700000007", "my vars.1700000007"},
        {LEVEL_DIFF, "diff.1700000008", NULL},
        {LEVEL_DIFF, "diff.1700086408", "my vars.1700172807"},
        {LEVEL_DIFF, "diff.1700086407", NULL},
    };
    _cleanup_(lab_close) struct lab lab = {0};
    _cleanup_error_ struct error err = ERROR_INIT;

    lab_open(&lab);
    nvram_at(&lab, "/x/my vars");
    for (size_t i = 0; i < array_size(cases); i++)
        if (cases[i].file)
            put(lab.set, cases[i].file, cases[i].file);
    put(lab.set, "my vars.1700000002x", "");
    put(lab.set, "my vars.-1700000002", "");
    put(lab.set, "xmy vars.1700000002", "");
    for (size_t i = 0; i < array_size(cases); i++) {
        _cleanup_(bootfiles_done) struct bootfiles files = {0};

        free(lab.point.name);
        lab.point.name = strdup(cases[i].point);
        lab.point.level = cases[i].level;
        CHECK_OK(find(&lab, &files, &err), &err);
        CHECK_EQ_U64(files.count, cases[i].file != NULL);
        if (files.count)
            CHECK_STR(files.items[0].file, cases[i].file);
    }
}

/* Paths that lead out of the directory, or to no plain name. */
static void test_strange_paths(void)
{
    static const char *const paths[] = {
        "/",     "vars",    "/..",     "/x/..", "/x/.", "/x/-rf",
        "/x/.s", "/x/a\nb", "/x/\x1b", "/x/",   "",     "..",
    };
    _cleanup_(lab_close) struct lab lab = {0};
    _cleanup_error_ struct error err = ERROR_INIT;

    lab_open(&lab);
    put(lab.set, "vars.virtnbdbackup.0", "");
    for (size_t i = 0; i < array_size(paths); i++) {
        _cleanup_(bootfiles_done) struct bootfiles files = {0};

        nvram_at(&lab, paths[i]);
        CHECK_OK(find(&lab, &files, &err), &err);
        CHECK_EQ_U64(files.count, 0);
    }
}

/* ---- in place ---- */

static void test_in_place(void)
{
    _cleanup_(lab_close) struct lab lab = {0};
    _cleanup_(bootfiles_done) struct bootfiles files = {0};
    _cleanup_error_ struct error err = ERROR_INIT;
    _cleanup_free_ char *path = NULL;

    lab_open(&lab);
    path = text_dup_printf("%s/vars", lab.elsewhere);
    nvram_at(&lab, path);
    add(&lab, "vars", FILE_NVRAM, "variables");
    CHECK_OK(find(&lab, &files, &err), &err);
    CHECK_OK(bootfiles_in_place(&files, &lab.backup, true, &err), &err);
    CHECK_OK(restore(&lab, &files, &err), &err);
    CHECK(!exists(lab.place, "vars"));
    CHECK_OK(bootfiles_place(&files, lab.staging, &err), &err);
    CHECK_STR(get(lab.place, "vars"), "variables");
    CHECK(!exists(lab.target, "vars"));
    bootfiles_take_back(&files);
    CHECK(!exists(lab.place, "vars"));
    /* Somebody was faster: his file stays, also when we take ours back. */
    put(lab.place, "vars", "other");
    CHECK_FAILS(bootfiles_place(&files, lab.staging, &err), &err, "vars");
    bootfiles_take_back(&files);
    CHECK_STR(get(lab.place, "vars"), "other");
}

static int in_place_again(const struct lab *lab, enum file_role role,
                          bool alone, struct error *err)
{
    _cleanup_(bootfiles_done) struct bootfiles files = {0};
    char *path = lab->config.origin.nvram;
    const struct vmconfig config = {
        .origin = {.loader = path, .nvram = path, .kernel = path},
    };

    lab->point.manifest.files[0].role = role;
    if (bootfiles_find(&lab->backup, &lab->point, &config, &files, err) < 0)
        return -1;
    return bootfiles_in_place(&files, &lab->backup, alone, err);
}

static void test_in_place_existing(void)
{
    _cleanup_(lab_close) struct lab lab = {0};
    _cleanup_error_ struct error err = ERROR_INIT;
    _cleanup_free_ char *path = NULL;

    lab_open(&lab);
    path = text_dup_printf("%s/vars", lab.elsewhere);
    nvram_at(&lab, path);
    add(&lab, "vars", FILE_NVRAM, "variables");
    put(lab.place, "vars", "variables");
    CHECK_OK(in_place_again(&lab, FILE_NVRAM, false, &err), &err);
    CHECK_FAILS(in_place_again(&lab, FILE_NVRAM, true, &err), &err,
                "another guest may use it");
    CHECK_OK(in_place_again(&lab, FILE_KERNEL, true, &err), &err);
    put(lab.place, "vars", "variable");
    CHECK_FAILS(in_place_again(&lab, FILE_NVRAM, false, &err), &err,
                "not replaced");
    CHECK_FAILS(in_place_again(&lab, FILE_KERNEL, false, &err), &err,
                "not replaced");
    CHECK_OK(in_place_again(&lab, FILE_LOADER, true, &err), &err);
    unlinkat(lab.place, "vars", 0);
    CHECK(symlinkat("vars", lab.place, "vars") == 0);
    CHECK_FAILS(in_place_again(&lab, FILE_NVRAM, false, &err), &err,
                "not replaced");
    nvram_at(&lab, "/nowhere-at-all/vars");
    CHECK_FAILS(in_place_again(&lab, FILE_NVRAM, false, &err), &err,
                "/nowhere-at-all");
    nvram_at(&lab, "relative/vars");
    CHECK_FAILS(in_place_again(&lab, FILE_NVRAM, false, &err), &err,
                "not a place");
    nvram_at(&lab, "/tmp/../tmp/vars");
    CHECK_FAILS(in_place_again(&lab, FILE_NVRAM, false, &err), &err,
                "not a place");
}

/* ---- images that lead elsewhere ---- */

static void test_refers(void)
{
    static const struct {
        size_t at;
        unsigned char value;
        int refers;
    } cases[] = {
        {0, 'Q', 0}, {8, 1, 1},  {15, 1, 1},  {16, 1, 0},
        {79, 4, 1},  {79, 1, 0}, {0, 'X', 0},
    };
    _cleanup_(lab_close) struct lab lab = {0};
    _cleanup_error_ struct error err = ERROR_INIT;

    lab_open(&lab);
    for (size_t i = 0; i < array_size(cases); i++) {
        unsigned char header[104] = "QFI\xfb\0\0\0\3";
        struct bootfile f = {.file = (char[]){"x"}};

        header[cases[i].at] = cases[i].value;
        CHECK_OK(file_replace(lab.set, "x", (char *)header, sizeof(header),
                              0600, &err),
                 &err);
        CHECK_EQ_INT(bootfile_refers(&f, &lab.backup, &err), cases[i].refers);
    }
    put(lab.set, "x", "QFI\xfb");
    CHECK_EQ_INT(bootfile_refers(&(struct bootfile){.file = (char[]){"x"}},
                                 &lab.backup, &err),
                 0);
}

int main(void)
{
    log_limit(LOG_LEVEL_ERROR);
    RUN(test_roles);
    RUN(test_without_config);
    RUN(test_damaged);
    RUN(test_two_of_one_role);
    RUN(test_not_in_manifest);
    RUN(test_names_of_others);
    RUN(test_strange_paths);
    RUN(test_in_place);
    RUN(test_in_place_existing);
    RUN(test_refers);
    return check_result();
}
