/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* boot.h - what a guest needs beside its disks: boot files, a TPM's state
 *
 * Pure: text in, list out, no connection.  The XML may come from a backup set,
 * so nothing in it is believed: a path that is found here is a name and no
 * permission to write there.
 *
 * Knows base and virt/xml.
 */
#ifndef VIRT_BOOT_H
#define VIRT_BOOT_H

#include <stddef.h>

#include "base/error.h"
#include "base/macro.h"

struct boot_file {
    const char *role; /* "loader", "nvram", "kernel", "initrd"; static */
    char *path;       /* absolute, on the host of the domain */
};

struct boot_file_list {
    struct boot_file *items;
    size_t count, cap;
    char *note; /* a sentence about a file that is left out; NULL: none is */
};

/* The files that a domain XML boots from, at most one of each role, in the
 * order of the roles above.  What names no file is not in it: a firmware
 * that libvirt chose by itself and did not write down, an NVRAM on the network.
 * Neither is a path that is not absolute (or too long to be one), which libvirt
 * accepts and QEMU looks for in its own directories; `note` tells of those.
 * ERR_INPUT: it is no domain.
 */
must_check int boot_files_parse(const char *xml, struct boot_file_list *ret,
                                struct error *err);

/* Free the contents; the list is empty again.  Also the cleanup function. */
void boot_files_free(struct boot_file_list *list);

/* Has the domain a TPM that swtpm emulates?  What that remembers (keys of
 * encrypted disks) lies in a directory of its own, outside of the backup.
 * Outcome 1 = yes, 0 = no.
 */
must_check int domain_xml_has_tpm(const char *xml, struct error *err);

#endif
