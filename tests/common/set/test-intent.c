/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* test-intent.c - intents, and that cleaning up takes what is ours and no more
 */
#include "set/intent.h"
#include "set/marks.h"

#include "lab.h"

#define POINT "33333333-3333-4333-8333-333333333333"

static const char *const files[] = {
    "vda.inc.virtnbdbackup.1.data",    "vda.inc.virtnbdbackup.1.data.chksum",
    "vda.inc.virtnbdbackup.1.index",   "vmconfig.virtnbdbackup.1.xml",
    "checkpoints/virtnbdbackup.1.xml",
};

static void make(struct intent *in)
{
    CHECK_EQ_INT(manifest_set(&in->domain_name, "vm one", NULL), 0);
    CHECK_EQ_INT(manifest_set(&in->uri, "qemu:///system", NULL), 0);
    CHECK_EQ_INT(manifest_set(&in->name, "virtnbdbackup.1", NULL), 0);
    CHECK_EQ_INT(manifest_set(&in->checkpoint, "virtnbdbackup.1", NULL), 0);
    CHECK_EQ_INT(
        manifest_set(&in->runtime_dir, "/var/tmp/virtnbdbackup.0123", NULL), 0);
    CHECK_EQ_INT(manifest_set(&in->place, "machine:1:2", NULL), 0);
    CHECK_EQ_INT(
        manifest_set(&in->socket, "/var/tmp/virtnbdbackup.0123/s", NULL), 0);
    CHECK_EQ_INT(manifest_set(&in->time, "2026-01-02T03:04:05Z", NULL), 0);
    strcpy(in->point, POINT);
    strcpy(in->chain, LAB_CHAIN);
    strcpy(in->domain_uuid, LAB_DOMAIN);
    in->level = LEVEL_INC;
    in->pid = 4711;
    for (size_t i = 0; i < array_size(files); i++)
        CHECK_EQ_INT(intent_add_file(in, files[i], NULL), 0);
}

/* What the intent has of it is `begin`, and a hash unless that is the whole. */
static void check_uri(const char *uri, const char *begin, bool whole)
{
    _cleanup_error_ struct error err = ERROR_INIT;
    _cleanup_intent_ struct intent in = INTENT_INIT;
    _cleanup_intent_ struct intent other = INTENT_INIT;

    make(&in);
    make(&other);
    strcpy(other.point, LAB_CHAIN);
    CHECK_OK(intent_set_uri(&in, uri, &err), &err);
    CHECK_OK(intent_set_uri(&other, uri, &err), &err);
    REQUIRE(in.uri && other.uri);
    CHECK(strncmp(in.uri, begin, strlen(begin)) == 0);
    CHECK_EQ_INT(strlen(in.uri), strlen(begin) + (whole ? 0 : 32));
    CHECK(whole == (strcmp(in.uri, other.uri) == 0));
    CHECK_EQ_INT(intent_is_uri(&in, uri, &err), 1);
    CHECK_EQ_INT(intent_is_uri(&in, "qemu:///session?authfile=/b", &err), 0);
    /* As it was written before. */
    CHECK_EQ_INT(manifest_set(&in.uri, uri, NULL), 0);
    CHECK_EQ_INT(intent_is_uri(&in, uri, &err), 1);
}

/* No secret in the file, and no other libvirt taken for the same. */
static void test_uri(void)
{
    check_uri("qemu:///system", "qemu:///system", true);
    check_uri("qemu+unix:///system?socket=/a/b",
              "qemu+unix:///system?socket=/a/b", true);
    check_uri("qemu:///session?authfile=/a", "qemu:///session?***#", false);
    check_uri("qemu+ssh://root@host/system", "qemu+ssh://***@host/system#",
              false);
}

/* Only what is so is written, and what is not written is not so. */
static void test_flags(void)
{
    for (int i = 0; i < 4; i++) {
        _cleanup_error_ struct error err = ERROR_INIT;
        _cleanup_intent_ struct intent in = INTENT_INIT;
        _cleanup_intent_ struct intent back = INTENT_INIT;
        _cleanup_free_ char *text = NULL;
        size_t len = 0;

        make(&in);
        in.kept = (i & 1) != 0;
        in.frozen = (i & 2) != 0;
        CHECK_OK(intent_encode(&in, &text, &len, &err), &err);
        REQUIRE(text);
        CHECK_EQ_INT(strstr(text, "\"kept\": true") != NULL, in.kept);
        CHECK_EQ_INT(strstr(text, "kept") != NULL, in.kept);
        CHECK_EQ_INT(strstr(text, "frozen") != NULL, in.frozen);
        CHECK_OK(intent_decode(text, len, &back, &err), &err);
        CHECK_EQ_INT(back.kept, in.kept);
        CHECK_EQ_INT(back.frozen, in.frozen);
    }
}

static void test_roundtrip(void)
{
    _cleanup_error_ struct error err = ERROR_INIT;
    _cleanup_lab_ struct lab lab = lab_new();
    _cleanup_intent_ struct intent in = INTENT_INIT;
    _cleanup_intent_ struct intent back = INTENT_INIT;
    _cleanup_intent_list_ struct intent_list list = {NULL, 0};

    make(&in);
    CHECK_OK(intent_write(lab.dirfd, &in, &err), &err);
    CHECK_OK(intent_list(lab.dirfd, &list, &err), &err);
    CHECK_EQ_U64(list.count, 1);
    CHECK_STR(list.names[0].text, "intent." POINT ".json");
    CHECK_OK(intent_load(lab.dirfd, list.names[0].text, &back, &err), &err);
    CHECK_STR(back.name, "virtnbdbackup.1");
    CHECK_STR(back.socket, in.socket);
    CHECK_STR(back.uri, in.uri);
    CHECK_EQ_INT(back.pid, 4711);
    CHECK_EQ_INT(back.level, LEVEL_INC);
    CHECK_EQ_U64(back.file_count, array_size(files));
    CHECK_STR(back.files[4], files[4]);
    CHECK_OK(intent_drop(lab.dirfd, &in, &err), &err);
    CHECK(!lab_has(&lab, "intent." POINT ".json"));
    CHECK_OK(intent_drop(lab.dirfd, &in, &err), &err);
}

static void test_every_byte(void)
{
    _cleanup_error_ struct error err = ERROR_INIT;
    _cleanup_intent_ struct intent in = INTENT_INIT;
    _cleanup_free_ char *text = NULL;
    size_t len = 0;

    make(&in);
    CHECK_OK(intent_encode(&in, &text, &len, &err), &err);
    for (size_t i = 0; i < len; i++)
        for (int bit = 0; bit < 8; bit++) {
            _cleanup_intent_ struct intent back = INTENT_INIT;

            text[i] = (char)(text[i] ^ (1 << bit));
            if (intent_decode(text, len, &back, NULL) == 0)
                CHECK_FAIL("bit %d of byte %zu changed unnoticed", bit, i);
            text[i] = (char)(text[i] ^ (1 << bit));
        }
    for (size_t cut = 0; cut < len; cut++) {
        _cleanup_intent_ struct intent back = INTENT_INIT;

        if (intent_decode(text, cut, &back, NULL) == 0)
            CHECK_FAIL("a cut at %zu goes unnoticed", cut);
    }
}

/* What an intent must never make us remove. */
static void test_paths(void)
{
    static const char *const bad_dirs[] = {
        "/etc",
        "relative/virtnbdbackup.x",
        "/var/tmp/virtnbdbackup.x/",
        "/var/tmp/../etc/virtnbdbackup.x",
        "/var/tmp/virtnbdbackup.x/..",
        "//virtnbdbackup.x",
        "/./virtnbdbackup.x",
        "/var/tmp/virtnbdbackup.x\n",
        "/",
    };
    static const char *const bad_files[] = {
        "/etc/passwd", "../x", "checkpoints/../x", "", ".", "a/b", "-x", "a b",
    };
    _cleanup_error_ struct error err = ERROR_INIT;
    _cleanup_intent_ struct intent in = INTENT_INIT;
    _cleanup_free_ char *text = NULL;
    size_t len = 0;

    make(&in);
    for (size_t i = 0; i < array_size(bad_dirs); i++) {
        CHECK_EQ_INT(manifest_set(&in.runtime_dir, bad_dirs[i], NULL), 0);
        if (intent_encode(&in, &text, &len, NULL) == 0)
            CHECK_FAIL("'%s' is taken for a directory of ours", bad_dirs[i]);
    }
    CHECK_EQ_INT(manifest_set(&in.runtime_dir, "", NULL), 0);
    CHECK_EQ_INT(manifest_set(&in.socket, "", NULL), 0);
    CHECK_OK(intent_encode(&in, &text, &len, &err), &err);
    for (size_t i = 0; i < array_size(bad_files); i++)
        if (intent_add_file(&in, bad_files[i], NULL) == 0)
            CHECK_FAIL("'%s' is taken for a file of a set", bad_files[i]);
}

/* What was there before the run is no work of the run. */
static void test_names_in_the_way(void)
{
    _cleanup_error_ struct error err = ERROR_INIT;
    _cleanup_lab_ struct lab lab = lab_new();
    _cleanup_intent_ struct intent in = INTENT_INIT;

    make(&in);
    lab_text(&lab, "vmconfig.virtnbdbackup.1.xml", "somebody's");
    if (intent_write(lab.dirfd, &in, &err) == 0)
        CHECK_FAIL("an intent claims what is another's");
    CHECK_EQ_INT(err.kind, ERR_EXISTS);
    CHECK_CONTAINS(error_text(&err), "vmconfig");
    error_clear(&err);
    lab_rename(&lab, "vmconfig.virtnbdbackup.1.xml",
               "vda.inc.virtnbdbackup.1.data.partial");
    CHECK_FAILS(intent_write(lab.dirfd, &in, &err), &err, "vda.inc");
    lab_remove(&lab, "vda.inc.virtnbdbackup.1.data.partial");
    CHECK_OK(intent_write(lab.dirfd, &in, &err), &err);
    /* Its own files may be there when it learns of more. */
    lab_text(&lab, "vmconfig.virtnbdbackup.1.xml", "ours");
    CHECK_OK(intent_add_file(&in, "osinfo.virtnbdbackup.1", &err), &err);
    CHECK_OK(intent_write(lab.dirfd, &in, &err), &err);
    lab_text(&lab, "autostart.x", "somebody's");
    CHECK_OK(intent_add_file(&in, "autostart.x", &err), &err);
    CHECK_FAILS(intent_write(lab.dirfd, &in, &err), &err, "autostart.x");
}

static void write_all(struct lab *lab, bool index)
{
    struct lab_stream s = {
        .disk = "vda",
        .checkpoint = "virtnbdbackup.1",
        .parent = "virtnbdbackup.0",
        .incremental = true,
        .data = 512,
    };

    if (mkdirat(lab->dirfd, "checkpoints", 0700) < 0 && errno != EEXIST)
        abort();
    lab_stream(lab, "vda.inc.virtnbdbackup.1.data", &s, index, NULL);
    lab_text(lab, "vda.inc.virtnbdbackup.1.data.chksum", "1");
    lab_text(lab, "vmconfig.virtnbdbackup.1.xml", "x");
    lab_text(lab, "checkpoints/virtnbdbackup.1.xml", "x");
}

/* The state after a run died at any place: all of it goes, the rest stays. */
static void test_remove(void)
{
    static const char *const remains[] = {
        "vda.inc.virtnbdbackup.1.data.partial",
        "vda.inc.virtnbdbackup.1.index.partial",
        "vda.inc.virtnbdbackup.1.new-0123456789abcdef",
        "vm one.cpt.keep",
        "manifest.virtnbdbackup.1.json.new-0123456789abcdef",
        "checkpoints/virtnbdbackup.1.xml.new-0123456789abcdef",
    };
    static const char *const others[] = {
        "vdb.inc.virtnbdbackup.1.data.partial",
        "vda.inc.virtnbdbackup.2.data",
        "vda.inc.virtnbdbackup.1.data.bak",
        "vmconfig.virtnbdbackup.2.xml",
        "vda.inc.virtnbdbackup.1.new-0123456789abcdeX",
        "vda.inc.virtnbdbackup.10.new-0123456789abcdef",
        "checkpoints/virtnbdbackup.0.xml",
        "vm one.cpt.keep",
    };
    _cleanup_error_ struct error err = ERROR_INIT;
    _cleanup_lab_ struct lab lab = lab_new();
    _cleanup_intent_ struct intent in = INTENT_INIT;
    struct lab_plan full = {
        .name = "virtnbdbackup.0", .level = LEVEL_FULL, .uuid = 1};
    size_t kept = 99;

    make(&in);
    CHECK_OK(intent_write(lab.dirfd, &in, &err), &err);
    lab_point(&lab, &full, NULL);
    write_all(&lab, true);
    for (size_t i = 0; i < array_size(remains); i++)
        lab_text(&lab, remains[i], "x");
    for (size_t i = 0; i < array_size(others); i++)
        lab_text(&lab, others[i], "x");
    CHECK_EQ_INT(intent_is_committed(lab.dirfd, &in, &err), 0);
    CHECK_OK(intent_remove_files(lab.dirfd, &in, &kept, &err), &err);
    CHECK_EQ_U64(kept, 0);
    for (size_t i = 0; i < array_size(files); i++)
        if (lab_has(&lab, files[i]))
            CHECK_FAIL("'%s' is still there", files[i]);
    for (size_t i = 0; i < array_size(remains); i++)
        if (strcmp(remains[i], "vm one.cpt.keep") != 0 &&
            lab_has(&lab, remains[i]))
            CHECK_FAIL("'%s' is still there", remains[i]);
    for (size_t i = 0; i < array_size(others); i++)
        if (!lab_has(&lab, others[i]))
            CHECK_FAIL("'%s' is gone", others[i]);
    CHECK(lab_has(&lab, "vda.full.data"));
    CHECK(lab_has(&lab, "manifest.virtnbdbackup.0.json"));
    /* A second time there is nothing to do. */
    CHECK_OK(intent_remove_files(lab.dirfd, &in, &kept, &err), &err);
}

static bool all_there(struct lab *lab)
{
    for (size_t i = 0; i < array_size(files); i++)
        if (!lab_has(lab, files[i]))
            return false;
    return true;
}

/* Killed between the commit and the end: the point stays whole. */
static void test_committed(void)
{
    _cleanup_error_ struct error err = ERROR_INIT;
    _cleanup_lab_ struct lab lab = lab_new();
    _cleanup_intent_ struct intent in = INTENT_INIT;
    struct lab_plan inc = {
        .name = "virtnbdbackup.1",
        .level = LEVEL_INC,
        .uuid = 2,
        .sequence = 1,
        .previous = "00000000000000000000000000000000",
        .parent = 1,
    };
    size_t kept = 99;

    make(&in);
    CHECK_OK(intent_write(lab.dirfd, &in, &err), &err);
    lab_uuid(2, in.point);
    write_all(&lab, false);
    lab_remove(&lab, "vda.inc.virtnbdbackup.1.data");
    lab_point(&lab, &inc, NULL);
    lab_text(&lab, "vda.inc.virtnbdbackup.1.data.partial", "x");
    CHECK_EQ_INT(intent_is_committed(lab.dirfd, &in, &err), 1);
    CHECK_OK(intent_remove_files(lab.dirfd, &in, &kept, &err), &err);
    CHECK_EQ_U64(kept, 0);
    CHECK(all_there(&lab));
    CHECK(!lab_has(&lab, "vda.inc.virtnbdbackup.1.data.partial"));
    /* The same name, but another attempt's manifest: its disks stay too. */
    lab_uuid(3, in.point);
    CHECK_EQ_INT(intent_is_committed(lab.dirfd, &in, &err), 0);
    CHECK_OK(intent_remove_files(lab.dirfd, &in, &kept, &err), &err);
    CHECK(lab_has(&lab, "vda.inc.virtnbdbackup.1.data"));
    CHECK(lab_has(&lab, "vda.inc.virtnbdbackup.1.index"));
    CHECK(lab_has(&lab, "vda.inc.virtnbdbackup.1.data.chksum"));
}

/* Another program made the point after our attempt: nothing final goes. */
static void test_others_point(void)
{
    _cleanup_error_ struct error err = ERROR_INIT;
    _cleanup_lab_ struct lab lab = lab_new();
    _cleanup_intent_ struct intent in = INTENT_INIT;
    _cleanup_cpt_ struct cpt cpt = CPT_INIT;
    size_t kept = 0;

    make(&in);
    write_all(&lab, true);
    CHECK_OK(cpt_add(&cpt, "virtnbdbackup.0", &err), &err);
    CHECK_OK(cpt_add(&cpt, "virtnbdbackup.1", &err), &err);
    CHECK_OK(cpt_write(lab.dirfd, "vm one", &cpt, &err), &err);
    CHECK_OK(intent_remove_files(lab.dirfd, &in, &kept, &err), &err);
    CHECK_EQ_U64(kept, array_size(files));
    CHECK(all_there(&lab));
    /* A list that cannot be read may say the same. */
    lab_text(&lab, "vm one.cpt", "[\"virtnbd");
    CHECK_OK(intent_remove_files(lab.dirfd, &in, &kept, &err), &err);
    CHECK(all_there(&lab));
    lab_remove(&lab, "vm one.cpt");
    /* No index, or one of another size: not the file that we wrote. */
    lab_rename(&lab, "vda.inc.virtnbdbackup.1.index", "x");
    CHECK_OK(intent_remove_files(lab.dirfd, &in, &kept, &err), &err);
    CHECK(lab_has(&lab, "vda.inc.virtnbdbackup.1.data"));
    CHECK(lab_has(&lab, "vda.inc.virtnbdbackup.1.data.chksum"));
    lab_rename(&lab, "x", "vda.inc.virtnbdbackup.1.index");
    lab_text(&lab, "vda.inc.virtnbdbackup.1.data", "another's");
    CHECK_OK(intent_remove_files(lab.dirfd, &in, &kept, &err), &err);
    CHECK_EQ_U64(kept, 3);
    CHECK(lab_has(&lab, "vda.inc.virtnbdbackup.1.data"));
    CHECK(lab_has(&lab, "vda.inc.virtnbdbackup.1.index"));
}

/* A manifest that nobody can read may commit anything. */
static void test_unreadable_manifest(void)
{
    _cleanup_error_ struct error err = ERROR_INIT;
    _cleanup_lab_ struct lab lab = lab_new();
    _cleanup_intent_ struct intent in = INTENT_INIT;

    make(&in);
    write_all(&lab, true);
    lab_text(&lab, "manifest.virtnbdbackup.1.json", "{");
    CHECK_FAILS(intent_is_committed(lab.dirfd, &in, &err), &err, "cut off");
    CHECK_FAILS(intent_remove_files(lab.dirfd, &in, NULL, &err), &err,
                "cannot tell");
    CHECK(all_there(&lab));
}

/* A link in place of a file: the link goes, what it points to stays. */
static void test_links(void)
{
    _cleanup_error_ struct error err = ERROR_INIT;
    _cleanup_lab_ struct lab lab = lab_new();
    _cleanup_lab_ struct lab other = lab_new();
    _cleanup_intent_ struct intent in = INTENT_INIT;

    make(&in);
    lab_text(&other, "virtnbdbackup.1.xml", "precious");
    CHECK_EQ_INT(symlinkat(other.path, lab.dirfd, "checkpoints"), 0);
    if (intent_remove_files(lab.dirfd, &in, NULL, &err) == 0)
        CHECK_FAIL("a link to a directory was followed");
    CHECK(lab_has(&other, "virtnbdbackup.1.xml"));
}

int main(void)
{
    RUN(test_flags);
    RUN(test_uri);
    RUN(test_roundtrip);
    RUN(test_every_byte);
    RUN(test_paths);
    RUN(test_names_in_the_way);
    RUN(test_remove);
    RUN(test_committed);
    RUN(test_others_point);
    RUN(test_unreadable_manifest);
    RUN(test_links);
    return check_result();
}
