/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* rewrite.h - a domain's XML for a copy of the domain
 *
 * Pure: text in, text out, nothing random, no connection.  The XML comes from a
 * backup set and is not believed.
 *
 * The copy can be defined and started beside the original, from which it gets
 * nothing to write to: every disk is one of those that the caller names, or is
 * left out.  Rewritten are
 *
 * - name, UUID (in the SMBIOS data too), generation ID, and unless told
 *   otherwise MAC addresses, names of tap devices and IDs of switch ports;
 * - disks: file or block device, with the format that the caller says.
 *   Backing stores, mirrors, encryption, reservations and whatever else hung on
 *   the old source go; so do drives for removable media, and every disk that
 *   the caller does not name;
 * - other storage that the backup does not hold: SCSI devices of the host and
 *   non-volatile memory are left out;
 * - loader, NVRAM, kernel and initrd: the caller's files; an NVRAM that it does
 *   not have is made anew by libvirt;
 * - what libvirt put into the XML while the guest ran, and what two guests
 *   cannot share: generated labels, aliases, consoles' devices, ports of
 *   displays, sockets of channels, context IDs.
 *
 * An emulator under one of the usual names is left out, so that libvirt takes
 * this host's own.
 *
 * Hides libvirt's domain XML.  Knows base and virt/xml.
 */
#ifndef VIRT_REWRITE_H
#define VIRT_REWRITE_H

#include <stdbool.h>
#include <stddef.h>

#include "base/error.h"
#include "base/macro.h"

/* One disk that the copy has; texts are borrowed. */
struct rewrite_disk {
    const char *target; /* "vda" */
    const char *path;   /* absolute */
    const char *format; /* "qcow2", "raw" */
    bool is_device;     /* a block device, else a file */
};

struct rewrite {
    const char *name; /* of the copy; see rewrite_name_check */
    const char *uuid; /* in lower case; MAC addresses are made from it */
    bool keep_mac;    /* leave the network identity as it was */
    const struct rewrite_disk *disks;
    size_t disk_count;
    const char *loader; /* absolute paths; NULL: not there */
    const char *nvram;
    const char *kernel;
    const char *initrd;
};

enum rewrite_note_kind {
    REWRITE_CHANGED, /* as expected: something was left out or renewed */
    REWRITE_MISSING, /* the copy misses something that the original has */
    REWRITE_TRUST,   /* the copy would run a program, or use something, of the
                        host that the XML names: to be looked at first */
};

struct rewrite_note {
    enum rewrite_note_kind kind;
    char *text; /* a sentence for people; may hold any character */
};

struct rewrite_notes {
    struct rewrite_note *items;
    size_t count, cap;
};

void rewrite_notes_free(struct rewrite_notes *notes);

/* Make the XML of the copy.  `*ret_xml` is the caller's, `*ret_notes` (empty
 * before) is freed with rewrite_notes_free, both set on success only.
 * ERR_INPUT: the XML makes no sense, or can be read in two ways.
 */
must_check int domain_rewrite(const char *xml, const struct rewrite *how,
                              char **ret_xml, struct rewrite_notes *ret_notes,
                              struct error *err);

/* May a domain be called so: 1 to 200 bytes of UTF-8, not only blanks, no
 * slash, no control character, not "." or ".."?  ERR_INPUT says why not.
 */
must_check int rewrite_name_check(const char *name, struct error *err);

/* What an XML says of the original; owned texts, NULL: nothing. */
struct rewrite_origin {
    char *name;
    char *loader; /* paths, as they are */
    char *nvram;
    char *kernel;
    char *initrd;
    bool has_backing; /* a disk names a backing store */
};

must_check int rewrite_origin_parse(const char *xml, struct rewrite_origin *ret,
                                    struct error *err);
void rewrite_origin_free(struct rewrite_origin *origin);

#endif
