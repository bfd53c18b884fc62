/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* test-domain.c - tests of virt/domain against a real libvirtd */
#include "virt/domain.h"

#include "in-lab.h"

static struct session *session;

static void test_unknown(void)
{
    struct domain *d = NULL;
    _cleanup_error_ struct error err = ERROR_INIT;
    char text[512];

    snprintf(text, sizeof(text), "There is no domain 'no such' at '%s'",
             default_uri());
    CHECK(domain_open(session, "no such", &d, &err) < 0);
    CHECK_EQ_INT(err.kind, ERR_INPUT);
    CHECK_STR(error_text(&err), text);
    error_clear(&err);
    CHECK(domain_open_uuid(session, "2a2a2a2a-2a2a-4a2a-8a2a-2a2a2a2a2a2a", &d,
                           &err) < 0);
    CHECK_EQ_INT(err.kind, ERR_INPUT);
    CHECK(d == NULL);
}

static void test_open(void)
{
    _cleanup_(domain_closep) struct domain *d = NULL;
    _cleanup_(domain_closep) struct domain *same = NULL;
    _cleanup_free_ char *xml = NULL;
    _cleanup_error_ struct error err = ERROR_INIT;

    CHECK_OK(domain_open(session, "vm", &d, &err), &err);
    REQUIRE(d);
    CHECK_STR(domain_name(d), "vm");
    CHECK_CONTAINS(sh_out("virsh -q domuuid vm"), domain_uuid(d));
    CHECK_EQ_INT(domain_is_active(d, &err), 1);
    CHECK_EQ_INT(domain_is_persistent(d, &err), 1);
    CHECK_EQ_INT(domain_has_autostart(d, &err), 0);
    CHECK_OK(domain_xml(d, &xml, &err), &err);
    CHECK_CONTAINS(xml, "<name>vm</name>");
    CHECK_CONTAINS(xml, "<domain type='qemu' id='");
    CHECK_OK(domain_open_uuid(session, domain_uuid(d), &same, &err), &err);
    REQUIRE(same);
    CHECK_STR(domain_name(same), "vm");
}

static void test_off(void)
{
    _cleanup_(domain_closep) struct domain *d = NULL;
    _cleanup_free_ char *xml = NULL;
    _cleanup_error_ struct error err = ERROR_INIT;

    CHECK_OK(domain_open(session, "off", &d, &err), &err);
    REQUIRE(d);
    CHECK_EQ_INT(domain_is_active(d, &err), 0);
    CHECK_EQ_INT(domain_is_paused(d, &err), 0);
    CHECK_OK(domain_xml_inactive(d, &xml, &err), &err);
    CHECK_CONTAINS(xml, "<name>off</name>");
    CHECK(domain_suspend(d, &err) < 0);
    CHECK_EQ_INT(err.kind, ERR_LIBVIRT);
    CHECK_CONTAINS(error_text(&err), "domain is not running");
}

static void test_pause(void)
{
    _cleanup_(domain_closep) struct domain *d = NULL;
    _cleanup_error_ struct error err = ERROR_INIT;

    CHECK_OK(domain_open(session, "vm", &d, &err), &err);
    REQUIRE(d);
    CHECK_EQ_INT(domain_is_paused(d, &err), 0);
    CHECK_OK(domain_suspend(d, &err), &err);
    CHECK_EQ_INT(domain_is_paused(d, &err), 1);
    CHECK_EQ_INT(domain_resume(d, &err), 1);
    CHECK_EQ_INT(domain_is_paused(d, &err), 0);
    CHECK_EQ_INT(domain_resume(d, &err), 0);
}

static void test_disks(void)
{
    _cleanup_(domain_closep) struct domain *d = NULL;
    _cleanup_(disk_list_free) struct domain_disk_list list = {0};
    _cleanup_error_ struct error err = ERROR_INIT;
    const struct domain_disk *disk = NULL;
    char path[256];

    CHECK_OK(domain_open(session, "mixed", &d, &err), &err);
    REQUIRE(d);
    CHECK_OK(domain_disks(d, &list, &err), &err);
    CHECK_EQ_U64(list.count, 6);
    disk = disk_list_find(&list, "vda");
    REQUIRE(disk);
    snprintf(path, sizeof(path), "%s/disks/mixed.qcow2", getenv("LAB"));
    CHECK_STR(disk->source, path);
    CHECK_STR(disk->serial, "ABC-1");
    CHECK_EQ_INT(disk->skip_kind, DISK_TAKEN);
    disk = disk_list_find(&list, "vdd");
    REQUIRE(disk);
    snprintf(path, sizeof(path), "%s/disks/volume.qcow2", getenv("LAB"));
    CHECK_STR(disk->source, path);
    CHECK_EQ_INT(disk->skip_kind, DISK_TAKEN);
    disk = disk_list_find(&list, "vdb");
    CHECK(disk && disk->skip_kind == DISK_SKIP_WARNING && disk->raw);
    disk = disk_list_find(&list, "vdc");
    CHECK(disk && disk->skip_kind == DISK_SKIP_ERROR);
    disk = disk_list_find(&list, "sda");
    CHECK(disk && disk->skip_kind == DISK_SKIP_INFO && disk->empty);
    disk = disk_list_find(&list, "fda");
    CHECK(disk && disk->skip_kind == DISK_SKIP_INFO);
}

/* On, and off. */
static void test_disk_size(void)
{
    static const char *const domains[] = {"vm", "mixed"};
    static const uint64_t sizes[] = {64 * MIB, 16 * MIB};

    for (size_t i = 0; i < array_size(domains); i++) {
        _cleanup_(domain_closep) struct domain *d = NULL;
        _cleanup_error_ struct error err = ERROR_INIT;
        uint64_t size = 0;

        CHECK_OK(domain_open(session, domains[i], &d, &err), &err);
        REQUIRE(d);
        CHECK_OK(domain_disk_size(d, "vda", 0, &size, &err), &err);
        CHECK_EQ_U64(size, sizes[i]);
        CHECK_FAILS(domain_disk_size(d, "vdz", 0, &size, &err), &err,
                    "disk vdz: Cannot ask for the size of a disk of domain");
    }
}

static void test_volume_gone(void)
{
    _cleanup_(domain_closep) struct domain *d = NULL;
    _cleanup_(disk_list_free) struct domain_disk_list list = {0};
    _cleanup_error_ struct error err = ERROR_INIT;

    CHECK_EQ_INT(sh("virsh -q vol-delete --pool lab volume.qcow2 >/dev/null"),
                 0);
    CHECK_OK(domain_open(session, "mixed", &d, &err), &err);
    REQUIRE(d);
    CHECK(domain_disks(d, &list, &err) < 0);
    CHECK_CONTAINS(error_text(&err),
                   "disk vdd, volume 'volume.qcow2' of pool 'lab'");
    CHECK_EQ_U64(list.count, 0);
}

static void test_qemu_user(void)
{
    _cleanup_(domain_closep) struct domain *d = NULL;
    _cleanup_error_ struct error err = ERROR_INIT;
    uid_t uid = 1;
    gid_t gid = 1;

    CHECK_OK(domain_open(session, "vm", &d, &err), &err);
    REQUIRE(d);
    CHECK_OK(domain_qemu_user(d, &uid, &gid, &err), &err);
    CHECK_EQ_U64(uid, (uid_t)-1); /* a session has no DAC labels */
    CHECK_EQ_U64(gid, (gid_t)-1);
}

/* Another domain of the same name is not ours. */
/* covers: C8:IC */
static void test_replaced(void)
{
    _cleanup_(domain_closep) struct domain *d = NULL;
    _cleanup_error_ struct error err = ERROR_INIT;

    CHECK_OK(domain_open(session, "off", &d, &err), &err);
    REQUIRE(d);
    CHECK_EQ_INT(sh("cd $LAB_RUN && virsh -q dumpxml off | grep -v '<uuid>' "
                    ">off.xml && virsh -q undefine off >/dev/null && "
                    "virsh -q define off.xml >/dev/null"),
                 0);
    CHECK(domain_is_active(d, &err) < 0);
    CHECK_EQ_INT(err.kind, ERR_INPUT);
    CHECK_CONTAINS(error_text(&err), domain_uuid(d));
}

int main(void)
{
    _cleanup_error_ struct error err = ERROR_INIT;

    if (session_open(NULL, 20000, &session, &err) < 0) {
        printf("Bail out! %s\n", error_text(&err));
        return 1;
    }
    RUN(test_unknown);
    RUN(test_open);
    RUN(test_off);
    RUN(test_pause);
    RUN(test_disks);
    RUN(test_disk_size);
    RUN(test_volume_gone);
    RUN(test_qemu_user);
    RUN(test_replaced);
    session_close(session);
    return check_result();
}
