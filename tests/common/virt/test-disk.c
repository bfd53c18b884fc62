/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* test-disk.c - tests of virt/disk */
#include "virt/disk.h"

#include "base/cleanup.h"
#include "check.h"

#define DOMAIN(devices)                                                        \
    "<domain type='kvm'><devices>" devices "</devices>"                        \
    "</domain>"

#define DISK(type, device, driver, source, target)                             \
    "<disk type='" type "' device='" device "'>"                               \
    "<driver name='qemu' type='" driver "'/>" source "<target dev='" target    \
    "' bus='virtio'/></disk>"

static void test_kinds(void)
{
    static const char xml[] = DOMAIN(
        DISK("file", "disk", "qcow2", "<source file='/a&amp;b'/>", "vda") DISK(
            "block", "disk", "qcow2", "<source dev='/dev/vg/x'/>",
            "vdb") DISK("file", "disk", "raw", "<source file='/r'/>", "vdc")
            DISK("block", "lun", "raw", "<source dev='/dev/sdx'/>", "sda") DISK(
                "network", "disk", "raw", "<source protocol='rbd'/>", "vdd")
                DISK("volume", "disk", "qcow2", "<source pool='p' volume='v'/>",
                     "vde") DISK("file", "cdrom", "raw", "", "sdb")
                    DISK("file", "floppy", "raw", "<source file='/f'/>", "fda")
                        DISK("vhostuser", "disk", "raw",
                             "<source type='unix'/>", "vdf")
                            DISK("file", "disk", "qcow2", "",
                                 "vdg") "<disk><source file='/x'/><target "
                                        "dev='vdh'/><readonly/></disk>");
    static const struct {
        const char *target, *source, *format;
        enum disk_skip kind;
        bool raw;
    } want[] = {
        {"vda", "/a&b", "qcow2", DISK_TAKEN, false},
        {"vdb", "/dev/vg/x", "qcow2", DISK_TAKEN, false},
        {"vdc", "/r", "raw", DISK_SKIP_WARNING, true},
        {"sda", "/dev/sdx", "raw", DISK_SKIP_WARNING, true},
        {"vdd", NULL, "raw", DISK_SKIP_ERROR, false},
        {"vde", NULL, "qcow2", DISK_TAKEN, false},
        {"sdb", NULL, "raw", DISK_SKIP_INFO, false},
        {"fda", "/f", "raw", DISK_SKIP_INFO, false},
        {"vdf", NULL, "raw", DISK_SKIP_ERROR, false},
        {"vdg", NULL, "qcow2", DISK_SKIP_ERROR, false},
        {"vdh", "/x", "raw", DISK_SKIP_WARNING, true},
    };
    _cleanup_(disk_list_free) struct domain_disk_list list = {0};
    _cleanup_error_ struct error err = ERROR_INIT;

    CHECK_OK(disk_list_parse(xml, &list, &err), &err);
    REQUIRE(list.count == array_size(want));
    for (size_t i = 0; i < array_size(want); i++) {
        const struct domain_disk *disk = &list.items[i];

        CHECK_STR(disk->target, want[i].target);
        CHECK_STR(disk->format, want[i].format);
        CHECK_STR(disk->source ? disk->source : "none",
                  want[i].source ? want[i].source : "none");
        CHECK_EQ_INT(disk->skip_kind, want[i].kind);
        CHECK_EQ_INT(disk->raw, want[i].raw);
        CHECK_EQ_INT(disk->skip != NULL, want[i].kind != DISK_TAKEN);
    }
    CHECK_STR(list.items[5].pool, "p");
    CHECK_STR(list.items[5].volume, "v");
    CHECK(list.items[6].empty && !list.items[7].empty);
    CHECK(list.items[10].readonly && !list.items[0].readonly);
    CHECK(disk_list_find(&list, "vdc") == &list.items[2]);
    CHECK(disk_list_find(&list, "vd") == NULL);
}

/* What the user can do is said, where he can do something. */
static void test_reasons(void)
{
    static const char xml[] = DOMAIN(
        DISK("block", "disk", "raw", "<source dev='/r'/>", "vda")
            DISK("block", "lun", "raw", "<source dev='/dev/sdx'/>", "sda") DISK(
                "network", "lun", "raw", "<source protocol='iscsi'/>", "sdb"));
    static const char *const want[] = {
        "it is a raw disk, which has no dirty bitmaps; --raw saves it whole",
        "it is a LUN that is passed through to the guest; --raw saves it whole",
        "it is a network disk, which cannot be backed up",
    };
    _cleanup_(disk_list_free) struct domain_disk_list list = {0};
    _cleanup_error_ struct error err = ERROR_INIT;

    CHECK_OK(disk_list_parse(xml, &list, &err), &err);
    REQUIRE(list.count == array_size(want));
    for (size_t i = 0; i < array_size(want); i++)
        CHECK_STR(list.items[i].skip, want[i]);
    CHECK(list.items[0].raw && list.items[1].raw && !list.items[2].raw);
    CHECK_STR(list.items[1].source, "/dev/sdx");
}

static void test_volume(void)
{
    static const char xml[] = DOMAIN(
        DISK("volume", "disk", "raw", "<source pool='p' volume='v'/>", "vda")
            DISK("volume", "disk", "qcow2", "<source pool='p'/>", "vdb")
                DISK("volume", "lun", "raw", "<source pool='p' volume='w'/>",
                     "sda"));
    _cleanup_(disk_list_free) struct domain_disk_list list = {0};
    _cleanup_error_ struct error err = ERROR_INIT;

    CHECK_OK(disk_list_parse(xml, &list, &err), &err);
    REQUIRE(list.count == 3);
    CHECK(list.items[0].raw && list.items[2].raw);
    CHECK_OK(disk_judge(&list.items[2], "block", &err), &err);
    CHECK(list.items[2].raw);
    CHECK_EQ_INT(list.items[2].skip_kind, DISK_SKIP_WARNING);
    CHECK_EQ_INT(list.items[1].skip_kind, DISK_SKIP_ERROR);
    CHECK_OK(disk_judge(&list.items[0], "network", &err), &err);
    CHECK_EQ_INT(list.items[0].skip_kind, DISK_SKIP_ERROR);
    CHECK(!list.items[0].raw);
}

static void test_refused(void)
{
    static const char *const bad[][2] = {
        {"<network/>", "starts with 'network'"},
        {DOMAIN("<disk/>"), "no plain name"},
        {DOMAIN("<disk><target dev=''/></disk>"), "no plain name"},
        {DOMAIN("<disk><target dev='../x'/></disk>"), "no plain name"},
        {DOMAIN("<disk><target dev='a/b'/></disk>"), "no plain name"},
        {DOMAIN("<disk><target dev='a.b'/></disk>"), "no plain name"},
        {DOMAIN("<disk><target dev='-vda'/></disk>"), "no plain name"},
        {DOMAIN("<disk><target dev='vda'/></disk>"
                "<disk><target dev='vda'/></disk>"),
         "two disks 'vda'"},
        {"<!DOCTYPE domain><domain/>", "DOCTYPE"},
    };

    for (size_t i = 0; i < array_size(bad); i++) {
        _cleanup_(disk_list_free) struct domain_disk_list list = {0};
        _cleanup_error_ struct error err = ERROR_INIT;

        CHECK_FAILS(disk_list_parse(bad[i][0], &list, &err), &err, bad[i][1]);
        CHECK_EQ_U64(list.count, 0);
    }
}

static void test_no_disks(void)
{
    _cleanup_(disk_list_free) struct domain_disk_list list = {0};
    _cleanup_error_ struct error err = ERROR_INIT;

    CHECK_OK(disk_list_parse("<domain/>", &list, &err), &err);
    CHECK_EQ_U64(list.count, 0);
}

static void test_owner(void)
{
    static const struct {
        const char *label;
        int result;
        uid_t uid;
        gid_t gid;
    } cases[] = {
        {"<seclabel model='dac'><label>+107:+108</label></seclabel>", 1, 107,
         108},
        {"<seclabel model='apparmor'><label>libvirt-x</label></seclabel>"
         "<seclabel model='dac'><label>7:8</label></seclabel>",
         1, 7, 8},
        {"<seclabel model='dac'><label>root:root</label></seclabel>", 1, 0, 0},
        {"<seclabel model='dac'/>", 0, 99, 99},
        {"<seclabel model='apparmor'><label>x:y</label></seclabel>", 0, 99, 99},
        {"", 0, 99, 99},
        {"<seclabel model='dac'><label>no-such-user:+1</label></seclabel>", -1,
         99, 99},
        {"<seclabel model='dac'><label>+-1:+1</label></seclabel>", -1, 99, 99},
        {"<seclabel model='dac'><label>+4294967295:+1</label></seclabel>", -1,
         99, 99},
    };

    for (size_t i = 0; i < array_size(cases); i++) {
        _cleanup_error_ struct error err = ERROR_INIT;
        char xml[256];
        uid_t uid = 99;
        gid_t gid = 99;

        snprintf(xml, sizeof(xml), "<domain>%s</domain>", cases[i].label);
        CHECK_EQ_INT(disk_owner_parse(xml, &uid, &gid, &err), cases[i].result);
        CHECK_EQ_U64(uid, cases[i].uid);
        CHECK_EQ_U64(gid, cases[i].gid);
    }
}

int main(void)
{
    RUN(test_kinds);
    RUN(test_reasons);
    RUN(test_volume);
    RUN(test_refused);
    RUN(test_no_disks);
    RUN(test_owner);
    return check_result();
}
