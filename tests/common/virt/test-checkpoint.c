/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* test-checkpoint.c - tests of virt/checkpoint against a real libvirtd
 *
 * The guest "vm" has no checkpoint at the begin and the end of each test.
 */
#include "virt/checkpoint.h"

#include "in-lab.h"

#define POINT "0b5c1f6e-1111-4222-8333-444455556666"
#define CHAIN "7d0e2a90-aaaa-4bbb-9ccc-ddddeeeeffff"

static struct session *session;
static struct domain *vm;

static void test_identity(void)
{
    static const char *const others[] = {
        "",
        "virtnbdbackup",
        "virtnbdbackup point=" POINT,
        "virtnbdbackup point=" POINT " chain=",
        "virtnbdbackup point=" POINT " chain=" CHAIN " ",
        " virtnbdbackup point=" POINT " chain=" CHAIN,
        "virtnbdbackup point=" CHAIN "0 chain=" CHAIN,
        "virtnbdbackup chain=" CHAIN " point=" POINT,
        "virtnbdbackup point=0b5c1f6e-1111-4222-8333-44445555666 chain=" CHAIN,
        "virtnbdbackup point=0b5c1f6e-1111-4222-8333-44445555666g chain=" CHAIN,
    };
    char text[CHECKPOINT_DESCRIPTION_ROOM];
    char point[TEXT_UUID_ROOM] = "p", chain[TEXT_UUID_ROOM] = "c";

    for (size_t i = 0; i < array_size(others); i++)
        CHECK_EQ_INT(checkpoint_identity(others[i], point, chain), 0);
    CHECK_EQ_INT(checkpoint_identity(NULL, point, chain), 0);
    CHECK_STR(point, "p");
    CHECK_STR(chain, "c");
    CHECK_STR(checkpoint_describe(POINT, CHAIN, text),
              "virtnbdbackup point=" POINT " chain=" CHAIN);
    CHECK_EQ_INT(checkpoint_identity(text, point, chain), 1);
    CHECK_STR(point, POINT);
    CHECK_STR(chain, CHAIN);
}

static void test_parse(void)
{
    static const char *const bad[][2] = {
        {"<domain/>", "starts with 'domain'"},
        {"<domaincheckpoint/>", "has no name"},
        {"<domaincheckpoint><name/></domaincheckpoint>", "has no name"},
        {"<domaincheckpoint><name>x</name><creationTime>soon</creationTime>"
         "</domaincheckpoint>",
         "no number"},
        {"<!DOCTYPE x><domaincheckpoint><name>x</name></domaincheckpoint>",
         "DOCTYPE"},
    };
    _cleanup_(checkpoint_free) struct checkpoint c = {0};
    _cleanup_error_ struct error err = ERROR_INIT;

    for (size_t i = 0; i < array_size(bad); i++)
        CHECK_FAILS(checkpoint_parse(bad[i][0], &c, &err), &err, bad[i][1]);
    CHECK(c.name == NULL);
    CHECK_OK(checkpoint_parse("<domaincheckpoint><name>n</name><parent><name>p"
                              "</name></parent><creationTime>17</creationTime>"
                              "</domaincheckpoint>",
                              &c, &err),
             &err);
    REQUIRE(c.name);
    CHECK_STR(c.name, "n");
    CHECK_STR(c.parent, "p");
    CHECK_STR(c.description, "");
    CHECK_EQ_INT(c.created, 17);
}

/* Checkpoints c0 <- c1 <- c2 of vda, with 64 KiB written after each. */
static void make_three(void)
{
    for (int i = 0; i < 3; i++) {
        char name[8], offset[8];

        snprintf(name, sizeof(name), "c%d", i);
        snprintf(offset, sizeof(offset), "%dM", i);
        CHECK_EQ_INT(sh("virsh -q checkpoint-create-as vm %s 'd %s' --diskspec "
                        "vda --diskspec vdb,checkpoint=no >/dev/null",
                        name, name),
                     0);
        CHECK_EQ_INT(guest_write("vm", "vda", 1, offset, "64K"), 0);
    }
}

static void check_names(const char *want)
{
    _cleanup_(checkpoint_list_free) struct checkpoint_list list = {0};
    _cleanup_error_ struct error err = ERROR_INIT;
    char have[64] = "";

    CHECK_OK(checkpoint_list(vm, &list, &err), &err);
    vec_foreach (c, &list) {
        strncat(have, have[0] ? " " : "", 2);
        strncat(have, c->name, 8);
    }
    CHECK_STR(have, want);
}

static void test_list(void)
{
    _cleanup_(checkpoint_list_free) struct checkpoint_list list = {0};
    _cleanup_error_ struct error err = ERROR_INIT;

    check_names("");
    make_three();
    check_names("c0 c1 c2");
    CHECK_OK(checkpoint_list(vm, &list, &err), &err);
    REQUIRE(list.count == 3);
    CHECK(list.items[0].parent == NULL);
    CHECK_STR(list.items[1].parent, "c0");
    CHECK_STR(list.items[2].description, "d c2");
    CHECK(list.items[0].created > 1700000000);
    /* The middle one: its writes go to its parent's account. */
    CHECK_EQ_INT(checkpoint_delete(vm, "c1", false, &err), 1);
    CHECK_EQ_INT(checkpoint_delete(vm, "c1", false, &err), 0);
    check_names("c0 c2");
    CHECK_EQ_INT(checkpoint_delete(vm, "c2", false, &err), 1);
    CHECK_EQ_INT(checkpoint_delete(vm, "c0", false, &err), 1);
    check_names("");
}

static void test_find(void)
{
    _cleanup_(checkpoint_free) struct checkpoint c = {0};
    _cleanup_error_ struct error err = ERROR_INIT;
    _cleanup_free_ char *xml = NULL;
    uint64_t bytes = 7;

    make_three();
    CHECK_EQ_INT(checkpoint_find(vm, "c1", &c, &err), 1);
    CHECK_STR(c.name, "c1");
    CHECK_STR(c.parent, "c0");
    CHECK_EQ_INT(checkpoint_find(vm, "c2", NULL, &err), 1);
    CHECK_EQ_INT(checkpoint_find(vm, "c3", NULL, &err), 0);
    CHECK_OK(checkpoint_xml(vm, "c1", 0, &xml, &err), &err);
    CHECK_CONTAINS(xml, "size='131072'");
    CHECK(xml && !strstr(xml, "<domain>") && !strstr(xml, "<domain "));
    CHECK_EQ_INT(checkpoint_size(vm, "c1", "vda", &bytes, &err), 1);
    CHECK_EQ_U64(bytes, 131072);
    CHECK_EQ_INT(checkpoint_size(vm, "c1", "vdb", &bytes, &err), 0);
    CHECK_FAILS(checkpoint_size(vm, "c3", "vda", &bytes, &err), &err,
                "Domain 'vm' has no checkpoint 'c3'");
    CHECK_OK(checkpoint_delete_many(vm, (const char *[]){"c0", "c1", "c2"}, 3,
                                    NULL, &err),
             &err);
    check_names("");
}

static void test_changed_size(void)
{
    _cleanup_(domain_closep) struct domain *off = NULL;
    _cleanup_error_ struct error err = ERROR_INIT;
    uint64_t bytes = 7;

    CHECK_EQ_INT(sh("virsh -q checkpoint-create-as vm c0 >/dev/null"), 0);
    CHECK_OK(checkpoint_changed_size(vm, "c0", &bytes, &err), &err);
    CHECK_EQ_U64(bytes, 0);
    CHECK_EQ_INT(guest_write("vm", "vda", 1, "1M", "128K"), 0);
    CHECK_EQ_INT(guest_write("vm", "vdb", 1, "2M", "64K"), 0);
    CHECK_EQ_INT(sh("virsh -q checkpoint-create-as vm c1 >/dev/null"), 0);
    /* All since then, whatever other checkpoints came after it. */
    CHECK_EQ_INT(guest_write("vm", "vdb", 1, "4M", "64K"), 0);
    CHECK_OK(checkpoint_changed_size(vm, "c0", &bytes, &err), &err);
    CHECK_EQ_U64(bytes, 256 * KIB);
    CHECK_OK(checkpoint_changed_size(vm, "c1", &bytes, &err), &err);
    CHECK_EQ_U64(bytes, 64 * KIB);
    CHECK_OK(
        checkpoint_delete_many(vm, (const char *[]){"c0", "c1"}, 2, NULL, &err),
        &err);

    bytes = 7;
    CHECK(checkpoint_changed_size(vm, "c0", &bytes, &err) < 0);
    CHECK_EQ_INT(err.kind, ERR_INPUT);
    CHECK_STR(error_text(&err), "Domain 'vm' has no checkpoint 'c0'");
    error_clear(&err);
    CHECK_OK(domain_open(session, "off", &off, &err), &err);
    REQUIRE(off);
    CHECK(checkpoint_changed_size(off, "c0", &bytes, &err) < 0);
    CHECK_EQ_INT(err.kind, ERR_INPUT);
    CHECK_EQ_U64(bytes, 7);
}

static void test_parse_sizes(void)
{
#define DISKS(disks)                                                           \
    "<domaincheckpoint><disks>" disks "</disks></domaincheckpoint>"
    _cleanup_error_ struct error err = ERROR_INIT;
    uint64_t bytes = 7;

    CHECK_FAILS(checkpoint_parse_sizes(DISKS("<disk name='a'/>"), &bytes, &err),
                &err, "tells the size of no disk");
    CHECK_FAILS(
        checkpoint_parse_sizes(DISKS("<disk size='-1'/>"), &bytes, &err), &err,
        "tells the size of no disk");
    CHECK_FAILS(checkpoint_parse_sizes(DISKS("<disk size='18446744073709551615'"
                                             "/><disk size='1'/>"),
                                       &bytes, &err),
                &err, "too large");
    CHECK_EQ_U64(bytes, 7);
    CHECK_OK(checkpoint_parse_sizes(DISKS("<disk size='5'/><disk "
                                          "checkpoint='no'/><disk size='6'/>"),
                                    &bytes, &err),
             &err);
    CHECK_EQ_U64(bytes, 11);
#undef DISKS
}

static void test_delete_own(void)
{
    _cleanup_error_ struct error err = ERROR_INIT;

    make_three();
    CHECK_EQ_INT(checkpoint_delete_own(vm, "c2", "d c1", &err), 0);
    CHECK_EQ_INT(checkpoint_delete_own(vm, "c2", "d c", &err), 0);
    check_names("c0 c1 c2");
    CHECK_EQ_INT(checkpoint_delete_own(vm, "c2", "d c2", &err), 1);
    CHECK_EQ_INT(checkpoint_delete_own(vm, "c2", "d c2", &err), 0);
    check_names("c0 c1");
    CHECK_OK(
        checkpoint_delete_many(vm, (const char *[]){"c0", "c1"}, 2, NULL, &err),
        &err);
}

/* Forget one and tell libvirt again, from what it said before. */
static void test_redefine(void)
{
    _cleanup_free_ char *xml = NULL;
    _cleanup_free_ char *why = NULL;
    _cleanup_error_ struct error err = ERROR_INIT;

    make_three();
    CHECK_OK(checkpoint_xml(vm, "c2", 0, &xml, &err), &err);
    REQUIRE(xml);
    CHECK_EQ_INT(checkpoint_delete(vm, "c2", true, &err), 1);
    check_names("c0 c1");
    CHECK_EQ_INT(checkpoint_redefine(vm, xml, true, &why, &err), 1);
    CHECK(why == NULL);
    check_names("c0 c1 c2");
    CHECK_EQ_INT(checkpoint_validate(vm, "c2", &why, &err), 1);
    /* Now its bitmap is gone: really deleted, then claimed. */
    CHECK_EQ_INT(checkpoint_delete(vm, "c2", false, &err), 1);
    CHECK_EQ_INT(checkpoint_redefine(vm, xml, true, &why, &err), 0);
    CHECK_CONTAINS(why, "bitmap 'c2'");
    check_names("c0 c1");
    CHECK_FAILS(checkpoint_redefine(vm, "<x/>", true, NULL, &err), &err,
                "starts with 'x'");
    CHECK_OK(
        checkpoint_delete_many(vm, (const char *[]){"c0", "c1"}, 2, NULL, &err),
        &err);
}

/* A bitmap that vanished behind libvirt's back. */
/* covers: D1:FIC D3:IC */
static void test_broken(void)
{
    _cleanup_free_ char *node = NULL;
    _cleanup_free_ char *why = NULL;
    _cleanup_error_ struct error err = ERROR_INIT;
    bool forced[4] = {true, true, true, true};

    make_three();
    node = strdup(sh_out(
        "virsh qemu-monitor-command vm --pretty "
        "'{\"execute\":\"query-named-block-nodes\"}' | "
        "sed -n 's/.*\"node-name\": \"\\(libvirt-2-format\\)\".*/\\1/p' | "
        "head -n 1 | tr -d '\\n'"));
    CHECK_STR(node, "libvirt-2-format");
    CHECK_EQ_INT(sh("virsh qemu-monitor-command vm '{\"execute\":\"block-"
                    "dirty-bitmap-remove\",\"arguments\":{\"node\":\"%s\","
                    "\"name\":\"c1\"}}' >/dev/null",
                    node),
                 0);
    CHECK_EQ_INT(checkpoint_validate(vm, "c1", &why, &err), 0);
    CHECK_CONTAINS(why, "bitmap 'c1'");
    CHECK_EQ_INT(checkpoint_validate(vm, "c2", NULL, &err), 1);
    CHECK(checkpoint_delete(vm, "c1", false, &err) < 0);
    CHECK_EQ_INT(err.kind, ERR_LIBVIRT);
    CHECK_CONTAINS(error_text(&err), "checkpoint 'c1'");
    error_clear(&err);
    CHECK_OK(
        checkpoint_delete_many(
            vm, (const char *[]){"c2", "unknown", "c1", "c0"}, 4, forced, &err),
        &err);
    check_names("");
    CHECK(forced[2] && !forced[1] && !forced[3]);
}

static void test_off(void)
{
    _cleanup_(domain_closep) struct domain *d = NULL;
    _cleanup_(checkpoint_list_free) struct checkpoint_list list = {0};
    _cleanup_error_ struct error err = ERROR_INIT;
    uint64_t bytes = 0;

    CHECK_OK(domain_open(session, "off", &d, &err), &err);
    REQUIRE(d);
    CHECK_EQ_INT(
        checkpoint_redefine(d,
                            "<domaincheckpoint><name>c0</name><creationTime>17"
                            "</creationTime><disks><disk name='vda' "
                            "checkpoint='bitmap'/></disks></domaincheckpoint>",
                            false, NULL, &err),
        1);
    CHECK_OK(checkpoint_list(d, &list, &err), &err);
    CHECK_EQ_U64(list.count, 1);
    CHECK_EQ_INT(checkpoint_size(d, "c0", "vda", &bytes, &err), 0);
    CHECK_FAILS(checkpoint_validate(d, "c0", NULL, &err), &err,
                "domain is not running");
    CHECK(checkpoint_delete(d, "c0", false, &err) < 0);
    CHECK_EQ_INT(err.kind, ERR_LIBVIRT);
    error_clear(&err);
    CHECK_EQ_INT(checkpoint_delete(d, "c0", true, &err), 1);
}

int main(void)
{
    _cleanup_error_ struct error err = ERROR_INIT;

    if (session_open(NULL, 20000, &session, &err) < 0 ||
        domain_open(session, "vm", &vm, &err) < 0) {
        printf("Bail out! %s\n", error_text(&err));
        return 1;
    }
    RUN(test_identity);
    RUN(test_parse);
    RUN(test_list);
    RUN(test_find);
    RUN(test_changed_size);
    RUN(test_parse_sizes);
    RUN(test_delete_own);
    RUN(test_redefine);
    RUN(test_broken);
    RUN(test_off);
    domain_close(vm);
    session_close(session);
    return check_result();
}
