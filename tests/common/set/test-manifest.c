/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* test-manifest.c - manifests: there and back, every byte changed, every cut,
 * every rule, and the files they name
 */
#include "set/manifest.h"
#include "set/sealed.h"

#include "lab.h"

static const struct lab_plan full_plan = {
    .name = "virtnbdbackup.0",
    .level = LEVEL_FULL,
    .uuid = 1,
    .disks = "ab",
};

/* A manifest with two disks, a file and a warning; its files are in the lab. */
static void make(struct lab *lab, struct manifest *m)
{
    _cleanup_error_ struct error err = ERROR_INIT;

    lab_manifest(&full_plan, m);
    lab_disk(lab, &full_plan, 'a', m);
    lab_disk(lab, &full_plan, 'b', m);
    lab_text(lab, "vmconfig.virtnbdbackup.0.xml", "<domain/>");
    CHECK_OK(
        manifest_add_file(m, lab->dirfd, "vmconfig.virtnbdbackup.0.xml", &err),
        &err);
    lab_text(lab, "vm_VARS.fd.virtnbdbackup.0", "variables");
    CHECK_OK(manifest_add_boot_file(m, lab->dirfd, "vm_VARS.fd.virtnbdbackup.0",
                                    FILE_NVRAM, &err),
             &err);
    CHECK_OK(manifest_add_warning(m, "disk 'vdc' skipped \xff\x1b[1m", &err),
             &err);
    m->frozen_ms = 12;
}

static void test_roundtrip(void)
{
    _cleanup_error_ struct error err = ERROR_INIT;
    _cleanup_lab_ struct lab lab = lab_new();
    _cleanup_manifest_ struct manifest m = MANIFEST_INIT;
    _cleanup_manifest_ struct manifest n = MANIFEST_INIT;
    _cleanup_free_ char *text = NULL;
    _cleanup_free_ char *again = NULL;
    char hash[HASH_TEXT_SIZE] = "";
    size_t len = 0, again_len = 0;

    make(&lab, &m);
    CHECK_OK(manifest_encode(&m, &text, &len, &err), &err);
    CHECK_EQ_U64(strlen(text), len);
    CHECK_OK(manifest_decode(text, len, &n, &err), &err);
    CHECK_STR(n.name, "virtnbdbackup.0");
    CHECK_STR(n.domain_name, "vm one \xc3\xa4");
    CHECK_STR(n.point, m.point);
    CHECK_STR(n.chain, LAB_CHAIN);
    CHECK_EQ_U64(n.frozen_ms, 12);
    CHECK_EQ_U64(n.disk_count, 2);
    CHECK_STR(n.disks[1].file, "vdb.full.data");
    CHECK_STR(n.disks[1].index_hash, m.disks[1].index_hash);
    CHECK_EQ_U64(n.disks[1].virtual_size, LAB_SIZE);
    CHECK_EQ_U64(n.disks[1].data_size, 1024);
    CHECK_EQ_U64(n.disks[1].zero_size, LAB_SIZE - 1024);
    CHECK_EQ_U64(n.file_count, 2);
    CHECK_EQ_U64(n.files[0].size, 9);
    CHECK_EQ_INT(n.files[0].role, FILE_OTHER);
    CHECK_EQ_INT(n.files[1].role, FILE_NVRAM);
    CHECK_EQ_U64(n.warning_count, 1);
    CHECK_CONTAINS(n.warnings[0], "disk 'vdc' skipped \\xff");
    CHECK(manifest_find_disk(&n, "vda") == &n.disks[0]);
    CHECK(!manifest_find_disk(&n, "vd"));
    manifest_hash(text, len, hash);
    CHECK_STR(n.hash, hash);
    CHECK_OK(manifest_encode(&n, &again, &again_len, &err), &err);
    CHECK_STR(again, text);
}

/* Whatever bit of whatever byte changes, and wherever it is cut. */
/* covers: F1:RV F13:CRVM */
static void test_every_byte(void)
{
    _cleanup_error_ struct error err = ERROR_INIT;
    _cleanup_lab_ struct lab lab = lab_new();
    _cleanup_manifest_ struct manifest m = MANIFEST_INIT;
    _cleanup_free_ char *text = NULL;
    size_t len = 0;

    make(&lab, &m);
    CHECK_OK(manifest_encode(&m, &text, &len, &err), &err);
    for (size_t i = 0; i < len; i++) {
        char original = text[i];

        for (int bit = 0; bit < 8; bit++) {
            _cleanup_manifest_ struct manifest n = MANIFEST_INIT;

            text[i] = (char)(original ^ (1 << bit));
            if (manifest_decode(text, len, &n, NULL) == 0)
                CHECK_FAIL("bit %d of byte %zu changed unnoticed", bit, i);
        }
        text[i] = original;
    }
    for (size_t cut = 0; cut < len; cut++) {
        _cleanup_manifest_ struct manifest n = MANIFEST_INIT;
        char *copy = malloc(cut + 1);

        /* A copy of its own, so that a read behind its end is seen. */
        memcpy(copy, text, cut);
        copy = realloc(copy, cut ? cut : 1);
        if (manifest_decode(copy, cut, &n, &err) == 0)
            CHECK_FAIL("a cut at %zu goes unnoticed", cut);
        free(copy);
    }
}

/* Replace a part of the text, then seal it anew: only the contents are wrong.
 */
static char *forge(const char *text, const char *from, const char *to,
                   size_t *len)
{
    _cleanup_free_ char *json = strdup(text);
    _cleanup_free_ char *forged = NULL;
    char *seal = strstr(json, ",\n    \"checksum\"");
    char *at = NULL, *sealed = NULL;

    strcpy(seal, "\n}");
    at = strstr(json, from);
    if (!at) {
        CHECK_FAIL("'%s' does not occur", from);
        return strdup("");
    }
    *at = '\0';
    if (asprintf(&forged, "%s%s%s", json, to, at + strlen(from)) < 0 ||
        sealed_add(forged, &sealed, len, NULL) < 0)
        abort();
    return sealed;
}

static void test_rules(void)
{
    static const struct {
        const char *from, *to, *says;
    } cases[] = {
        {"\"format\": 1", "\"format\": 2", "newer version"},
        {"\"format\": 1", "\"format\": 0", "unknown format"},
        {"\"format\": 1", "\"format\": 1.0", "no 'format'"},
        {"\"format\": 1", "\"format\": 1, \"format\": 1", "duplicate"},
        {"\"sequence\": 0", "\"sequence\": -1", "negative"},
        {"\"sequence\": 0", "\"sequence\": 1", "previous"},
        {"\"sequence\": 0", "\"sequence\": 0.5", "Expected integer"},
        {"\"sequence\": 0", "\"sequence\": 99999999999999999999", "too big"},
        {"\"previous\": \"\"", "\"previous\": \"x\"", "previous"},
        {"\"name\": \"virtnbdbackup.0\"", "\"name\": \"../x\"", "its name"},
        {"\"name\": \"virtnbdbackup.0\"", "\"name\": 7", "Expected string"},
        {"\"levelDone\": \"full\"", "\"levelDone\": \"inc\"", "ok"},
        {"\"levelDone\": \"full\"", "\"levelDone\": \"copy\"", "level full"},
        {"\"levelDone\": \"full\"", "\"levelDone\": \"diff\"", "checkpoint"},
        {"\"levelDone\": \"full\"", "\"levelDone\": \"x\"", "unknown level"},
        {"\"levelAsked\": \"full\"", "\"levelAsked\": \"x\"", "asked"},
        {"\"chain\": \"1", "\"chain\": \"X", "UUID"},
        {"\"chain\": \"1", "\"chain\": \"11", "too long"},
        {"\"name\": \"vm one", "\"name\": \"vm/one", "domain"},
        {"2026-01-02T03", "2026-01-02 03", "time"},
        {"\"file\": \"vda.full.data\"", "\"file\": \"../vda.full.data\"",
         "data file"},
        {"\"file\": \"vda.full.data\"", "\"file\": \"vdb.full.data\"",
         "data file"},
        {"\"file\": \"vda.full.data\"", "\"file\": \"vda.copy.data\"",
         "data file"},
        {"\"index\": \"vda.full.index\"", "\"index\": \"vdb.full.index\"",
         "index"},
        {"\"target\": \"vda\"", "\"target\": \"/vda\"", "name of a disk"},
        {"\"parent\": \"\"", "\"parent\": \"" LAB_CHAIN "\"", "parent"},
        {"\"checkpoint\": \"virtnbdbackup.0\"", "\"checkpoint\": \"a b\"",
         "checkpoint"},
        {"\"format\": \"qcow2\"", "\"format\": \"qcow2,x=y\"", "format"},
        {"\"virtualSize\": 8192", "\"virtualSize\": 1023", "sizes"},
        {"\"fileSize\": ", "\"fileSize\": -", "negative"},
        {"\"raw\": false", "\"raw\": 0", "Expected true or false"},
        {"\"name\": \"vmconfig.virtnbdbackup.0.xml\"",
         "\"name\": \"/etc/passwd\"", "name of a file"},
        {"\"name\": \"vmconfig.virtnbdbackup.0.xml\"",
         "\"name\": \"vda.full.data\"", "twice"},
        {"\"name\": \"vmconfig.virtnbdbackup.0.xml\"",
         "\"name\": \"x\\u0000y\"", "NUL"},
        {"\"size\": 9", "\"size\": 9, \"extra\": [[[[[[]]]]]]", "each other"},
        {"\"size\": 9", "\"size\": 9, \"extra\": {\"a\": []}", "ok"},
        {"\"frozenMs\": 12", "\"frozenMs\": NaN", "NaN"},
    };
    _cleanup_error_ struct error err = ERROR_INIT;
    _cleanup_lab_ struct lab lab = lab_new();
    _cleanup_manifest_ struct manifest m = MANIFEST_INIT;
    _cleanup_free_ char *text = NULL;
    size_t len = 0;

    make(&lab, &m);
    CHECK_OK(manifest_encode(&m, &text, &len, &err), &err);
    for (size_t i = 0; i < array_size(cases); i++) {
        _cleanup_manifest_ struct manifest n = MANIFEST_INIT;
        size_t forged_len = 0;
        _cleanup_free_ char *forged =
            forge(text, cases[i].from, cases[i].to, &forged_len);

        if (strcmp(cases[i].says, "ok") == 0)
            CHECK_OK(manifest_decode(forged, forged_len, &n, &err), &err);
        else
            CHECK_FAILS(manifest_decode(forged, forged_len, &n, &err), &err,
                        cases[i].says);
    }
}

/* Contents changed at random under a good seal: refused or accepted, no more.
 */
static void test_random_contents(void)
{
    _cleanup_error_ struct error err = ERROR_INIT;
    _cleanup_lab_ struct lab lab = lab_new();
    _cleanup_manifest_ struct manifest m = MANIFEST_INIT;
    _cleanup_free_ char *text = NULL;
    uint64_t seed = lab_seed();
    size_t len = 0, body = 0, refused = 0;

    make(&lab, &m);
    CHECK_OK(manifest_encode(&m, &text, &len, &err), &err);
    body = (size_t)(strstr(text, ",\n    \"checksum\"") - text);
    for (int i = 0; i < 3000; i++) {
        _cleanup_manifest_ struct manifest n = MANIFEST_INIT;
        _cleanup_free_ char *json = calloc(1, body + 3);
        _cleanup_free_ char *sealed = NULL;
        size_t sealed_len = 0;

        memcpy(json, text, body);
        for (int k = 0; k < 3; k++)
            json[lab_random(&seed) % body] =
                "{}[]\",:-0129aeE\\.\n\x01\xff"[lab_random(&seed) % 20];
        strcpy(json + body, "\n}");
        if (sealed_add(json, &sealed, &sealed_len, NULL) < 0)
            continue;
        refused += manifest_decode(sealed, sealed_len, &n, NULL) < 0;
    }
    CHECK(refused > 1000);
}

static void test_write(void)
{
    _cleanup_error_ struct error err = ERROR_INIT;
    _cleanup_lab_ struct lab lab = lab_new();
    _cleanup_manifest_ struct manifest m = MANIFEST_INIT;
    _cleanup_manifest_ struct manifest n = MANIFEST_INIT;
    struct stat st = {0};
    _cleanup_free_ char *before = NULL;
    _cleanup_free_ char *after = NULL;
    size_t len = 0;

    make(&lab, &m);
    CHECK_OK(manifest_write(lab.dirfd, &m, &err), &err);
    CHECK(fstatat(lab.dirfd, "manifest.virtnbdbackup.0.json", &st, 0) == 0);
    CHECK_EQ_INT(st.st_mode & 0777, 0600);
    CHECK_OK(
        manifest_load(lab.dirfd, "manifest.virtnbdbackup.0.json", &n, &err),
        &err);
    CHECK_STR(n.hash, m.hash);
    before = lab_read(&lab, "manifest.virtnbdbackup.0.json", &len);
    m.frozen_ms = 99;
    if (manifest_write(lab.dirfd, &m, &err) == 0)
        CHECK_FAIL("a manifest was replaced");
    CHECK_EQ_INT(err.kind, ERR_EXISTS);
    after = lab_read(&lab, "manifest.virtnbdbackup.0.json", &len);
    CHECK_STR(after, before);
    /* A manifest under another name is not that point's. */
    lab_rename(&lab, "manifest.virtnbdbackup.0.json",
               "manifest.virtnbdbackup.1.json");
    manifest_done(&n);
    CHECK_FAILS(
        manifest_load(lab.dirfd, "manifest.virtnbdbackup.1.json", &n, &err),
        &err, "that of the point 'virtnbdbackup.0'");
    /* What could not be read back is not written. */
    m.disks[1].data_size = LAB_SIZE + 1;
    CHECK_FAILS(manifest_write(lab.dirfd, &m, &err), &err, "sizes");
    CHECK(!lab_has(&lab, "manifest.virtnbdbackup.0.json"));
}

static void test_not_utf8(void)
{
    _cleanup_error_ struct error err = ERROR_INIT;
    _cleanup_lab_ struct lab lab = lab_new();
    _cleanup_manifest_ struct manifest m = MANIFEST_INIT;
    char *text = NULL;
    size_t len = 0;

    make(&lab, &m);
    CHECK_EQ_INT(manifest_set(&m.domain_name, "vm \xff", NULL), 0);
    CHECK_FAILS(manifest_encode(&m, &text, &len, &err), &err, "UTF-8");
}

static void test_check(void)
{
    _cleanup_error_ struct error err = ERROR_INIT;
    _cleanup_lab_ struct lab lab = lab_new();
    _cleanup_manifest_ struct manifest m = MANIFEST_INIT;
    int dir = lab.dirfd;

    make(&lab, &m);
    CHECK_OK(manifest_check(dir, &m, false, &err), &err);
    CHECK_OK(manifest_check(dir, &m, true, &err), &err);
    CHECK_OK(manifest_check_files(dir, &m, true, &err), &err);
    /* The data file gone, longer, a link, a pipe. */
    lab_rename(&lab, "vdb.full.data", "x");
    CHECK_FAILS(manifest_check(dir, &m, false, &err), &err,
                "'vdb.full.data' is missing");
    CHECK_EQ_INT(symlinkat("x", dir, "vdb.full.data"), 0);
    CHECK_FAILS(manifest_check(dir, &m, false, &err), &err, "not a regular");
    lab_remove(&lab, "vdb.full.data");
    CHECK_EQ_INT(mkfifoat(dir, "vdb.full.data", 0600), 0);
    CHECK_FAILS(manifest_check(dir, &m, false, &err), &err, "not a regular");
    lab_remove(&lab, "vdb.full.data");
    lab_text(&lab, "vdb.full.data", "short");
    CHECK_FAILS(manifest_check(dir, &m, false, &err), &err, "5 bytes instead");
    lab_rename(&lab, "x", "vdb.full.data");
    CHECK_OK(manifest_check(dir, &m, true, &err), &err);
    /* The index of the other disk fits in everything but its hash. */
    lab_rename(&lab, "vda.full.index", "y");
    CHECK_FAILS(manifest_check(dir, &m, false, &err), &err, "is missing");
    lab_text(&lab, "vda.full.index", "garbage");
    CHECK_OK(manifest_check(dir, &m, false, &err), &err);
    CHECK_FAILS(manifest_check(dir, &m, true, &err), &err, "hash");
    lab_rename(&lab, "y", "vda.full.index");
    m.disks[0].virtual_size += 512;
    CHECK_FAILS(manifest_check(dir, &m, true, &err), &err, "sizes");
    m.disks[0].virtual_size -= 512;
    /* Other files. */
    lab_text(&lab, "vmconfig.virtnbdbackup.0.xml", "<DOMAIN/>");
    CHECK_OK(manifest_check_files(dir, &m, false, &err), &err);
    CHECK_FAILS(manifest_check_files(dir, &m, true, &err), &err, "changed");
    lab_remove(&lab, "vmconfig.virtnbdbackup.0.xml");
    CHECK_FAILS(manifest_check_files(dir, &m, false, &err), &err, "missing");
}

static void test_file_below(void)
{
    _cleanup_error_ struct error err = ERROR_INIT;
    _cleanup_lab_ struct lab lab = lab_new();
    _cleanup_manifest_ struct manifest m = MANIFEST_INIT;

    make(&lab, &m);
    CHECK_EQ_INT(mkdirat(lab.dirfd, "checkpoints", 0700), 0);
    lab_text(&lab, "checkpoints/virtnbdbackup.0.xml", "<x/>");
    CHECK_OK(manifest_add_file(&m, lab.dirfd, "checkpoints/virtnbdbackup.0.xml",
                               &err),
             &err);
    CHECK_OK(manifest_write(lab.dirfd, &m, &err), &err);
    CHECK_OK(manifest_check_files(lab.dirfd, &m, true, &err), &err);
    /* The directory itself must not be a link either. */
    lab_rename(&lab, "checkpoints", "elsewhere");
    CHECK_EQ_INT(symlinkat("elsewhere", lab.dirfd, "checkpoints"), 0);
    if (manifest_check_files(lab.dirfd, &m, true, &err) == 0)
        CHECK_FAIL("a link to a directory was followed");
}

static void test_too_large(void)
{
    _cleanup_error_ struct error err = ERROR_INIT;
    _cleanup_lab_ struct lab lab = lab_new();
    _cleanup_manifest_ struct manifest m = MANIFEST_INIT;

    lab_text(&lab, "manifest.copy.json", "");
    {
        int fd = openat(lab.dirfd, "manifest.copy.json", O_WRONLY);

        CHECK_EQ_INT(ftruncate(fd, SEALED_MAX_SIZE + 1), 0);
        close(fd);
    }
    CHECK_FAILS(manifest_load(lab.dirfd, "manifest.copy.json", &m, &err), &err,
                "more than");
}

int main(void)
{
    RUN(test_roundtrip);
    RUN(test_every_byte);
    RUN(test_rules);
    RUN(test_random_contents);
    RUN(test_write);
    RUN(test_not_utf8);
    RUN(test_check);
    RUN(test_file_below);
    RUN(test_too_large);
    return check_result();
}
