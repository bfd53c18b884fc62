/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* rewrite_private.h - between the files of rewrite.h */
#ifndef VIRT_REWRITE_PRIVATE_H
#define VIRT_REWRITE_PRIVATE_H

#include "virt/rewrite.h"
#include "virt/xml.h"

/* A rewriting under way. */
struct rewriting {
    const struct rewrite *how;
    struct xml *xml;
    struct rewrite_notes notes;
    bool no_memory; /* a note is missing */
};

/* Remember a note; a lack of memory is told at the end. */
void rewrite_note(struct rewriting *r, enum rewrite_note_kind kind,
                  const char *fmt, ...) printf_format(3, 4);

/* Compare an attribute; one that is not there equals nothing. */
bool rewrite_attr_is(const struct xml_node *node, const char *name,
                     const char *value);

/* Remove all child elements of that name. */
void rewrite_drop(struct xml_node *node, const char *name);

/* rewrite_disk.c: all disks in <devices>. */
void rewrite_disks(struct rewriting *r, struct xml_node *devices);

/* rewrite_os.c: loader, NVRAM, kernel, initrd. */
void rewrite_os(struct rewriting *r, struct xml_node *os);

/* rewrite_devices.c: everything else in <devices>. */
void rewrite_devices(struct rewriting *r, struct xml_node *devices);

/* rewrite_trust.c: look for what the host should be asked about. */
void rewrite_trust(struct rewriting *r, struct xml_node *domain);

#endif
