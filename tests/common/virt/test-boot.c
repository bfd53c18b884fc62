/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* test-boot.c - tests of virt/boot */
#include "virt/boot.h"

#include "base/cleanup.h"
#include "check.h"

/* The files of an <os> element as "role=path role=path (note)". */
static const char *files_of(const char *os)
{
    static char text[8192];
    _cleanup_(boot_files_free) struct boot_file_list list = {0};
    _cleanup_error_ struct error err = ERROR_INIT;
    char xml[6000];

    snprintf(xml, sizeof(xml), "<domain>%s<devices/></domain>", os);
    text[0] = '\0';
    CHECK_OK(boot_files_parse(xml, &list, &err), &err);
    for (size_t i = 0; i < list.count; i++)
        snprintf(text + strlen(text), sizeof(text) - strlen(text), "%s%s=%s",
                 i ? " " : "", list.items[i].role, list.items[i].path);
    if (list.note)
        snprintf(text + strlen(text), sizeof(text) - strlen(text), "(%s)",
                 list.note);
    return text;
}

static void test_files(void)
{
    static const char *const cases[][2] = {
        {"", ""},
        {"<os/>", ""},
        {"<os><type>hvm</type><boot dev='hd'/></os>", ""},
        /* As libvirt writes it for UEFI. */
        {"<os><loader readonly='yes' type='pflash'>/usr/share/OVMF/CODE.fd"
         "</loader><nvram template='/usr/share/OVMF/VARS.fd'>/var/nv/a&amp;b c"
         "</nvram></os>",
         "loader=/usr/share/OVMF/CODE.fd nvram=/var/nv/a&b c"},
        /* Direct boot, in another order. */
        {"<os><cmdline>x</cmdline><initrd>/i</initrd><kernel>/k</kernel></os>",
         "kernel=/k initrd=/i"},
        /* Firmware that libvirt is to choose. */
        {"<os firmware='efi'><loader secure='yes'/><nvram/></os>", ""},
        {"<os><loader>  </loader></os>",
         "(the loader '  ' is no absolute path and is left out)"},
        /* One of QEMU's own files. */
        {"<os><kernel>/k</kernel><loader>bios.bin</loader></os>",
         "kernel=/k(the loader 'bios.bin' is no absolute path and is left "
         "out)"},
        {"<os><nvram type='file'><source file='../n'/></nvram>"
         "<initrd>i</initrd></os>",
         "(the nvram '../n' is no absolute path and is left out; the initrd "
         "'i' is no absolute path and is left out)"},
        /* The NVRAM's newer form. */
        {"<os><nvram type='file'><source file='/n'/></nvram></os>", "nvram=/n"},
        {"<os><nvram type='file' template='/t'>\n  <source file='/n'><seclabel "
         "model='dac' relabel='no'/></source>\n</nvram></os>",
         "nvram=/n"},
        {"<os><nvram type='block'><source dev='/dev/n'/></nvram></os>",
         "nvram=/dev/n"},
        {"<os><nvram type='network'><source protocol='nbd' name='/e'>"
         "<host name='h'/></source></nvram></os>",
         ""},
        {"<os><nvram type='network'><source protocol='iscsi' file='/e'/>"
         "</nvram></os>",
         ""},
        {"<os><nvram type='file'><source/></nvram></os>", ""},
        {"<os><nvram type='file'><source file=''/></nvram></os>", ""},
        {"<os><nvram type='file'/></os>", ""},
        /* Text beside elements is no path. */
        {"<os><nvram>/n<x/></nvram></os>", ""},
        /* The first counts, as for libvirt. */
        {"<os><kernel>/1</kernel><kernel>/2</kernel></os>", "kernel=/1"},
        {"<os><q:kernel xmlns:q='u'>/q</q:kernel></os>", ""},
        /* Not in <os>. */
        {"<kernel>/k</kernel><metadata><os><kernel>/m</kernel></os></metadata>",
         ""},
    };

    for (size_t i = 0; i < array_size(cases); i++)
        CHECK_STR(files_of(cases[i][0]), cases[i][1]);
}

static void test_long(void)
{
    char os[5000], name[4200];

    memset(name, 'x', sizeof(name));
    name[0] = '/';
    name[4095] = '\0';
    snprintf(os, sizeof(os), "<os><kernel>%s</kernel></os>", name);
    CHECK_CONTAINS(files_of(os), "kernel=/xxx");
    snprintf(os, sizeof(os), "<os><kernel>%sx</kernel></os>", name);
    CHECK_CONTAINS(files_of(os), "(the kernel '/xxx");
}

static void test_refused(void)
{
    _cleanup_(boot_files_free) struct boot_file_list list = {0};
    _cleanup_error_ struct error err = ERROR_INIT;

    CHECK_FAILS(boot_files_parse("<network/>", &list, &err), &err,
                "starts with 'network'");
    CHECK_FAILS(boot_files_parse("<domain", &list, &err), &err, "is no XML");
    CHECK_FAILS(boot_files_parse("<!DOCTYPE d [<!ENTITY e SYSTEM '/etc/passwd'>"
                                 "]><domain><os><kernel>&e;</kernel></os>"
                                 "</domain>",
                                 &list, &err),
                &err, "DOCTYPE");
    CHECK_EQ_U64(list.count, 0);
}

static void test_tpm(void)
{
    static const struct {
        const char *devices;
        int want;
    } cases[] = {
        {"", 0},
        {"<tpm model='tpm-crb'/>", 0},
        {"<tpm><backend type='passthrough'><device path='/dev/tpm0'/></backend>"
         "</tpm>",
         0},
        {"<tpm model='tpm-tis'><backend type='emulator' version='2.0'/></tpm>",
         1},
        {"<tpm><backend type='passthrough'/></tpm><disk/>"
         "<tpm><backend type='emulator'/></tpm>",
         1},
        {"<disk><tpm><backend type='emulator'/></tpm></disk>", 0},
    };
    _cleanup_error_ struct error err = ERROR_INIT;
    char xml[512];

    for (size_t i = 0; i < array_size(cases); i++) {
        snprintf(xml, sizeof(xml), "<domain><devices>%s</devices></domain>",
                 cases[i].devices);
        CHECK_EQ_INT(domain_xml_has_tpm(xml, &err), cases[i].want);
    }
    CHECK_EQ_INT(domain_xml_has_tpm("<domain/>", &err), 0);
    CHECK_FAILS(domain_xml_has_tpm("<pool/>", &err), &err,
                "starts with 'pool'");
}

int main(void)
{
    RUN(test_files);
    RUN(test_long);
    RUN(test_refused);
    RUN(test_tpm);
    return check_result();
}
