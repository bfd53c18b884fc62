/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* rewrite_devices.c - devices that are no disks, see rewrite.h */
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "base/macro.h"
#include "virt/rewrite_private.h"

#define MAC_ROOM 18

static bool starts_with(const char *text, const char *start)
{
    return text && strncmp(text, start, strlen(start)) == 0;
}

/* ---- network ---- */

/* The address of interface number `i`: QEMU's prefix, then what FNV-1a makes of
 * the UUID and the number.  So nothing is random here, and yet the UUID is.
 */
static void make_mac(const char *uuid, unsigned i, char out[static MAC_ROOM])
{
    uint32_t hash = 2166136261U;

    for (const char *c = uuid; *c; c++)
        hash = (hash ^ (unsigned char)*c) * 16777619U;
    for (unsigned shift = 0; shift < 32; shift += 8)
        hash = (hash ^ (i >> shift & 0xff)) * 16777619U;
    hash ^= hash >> 24;
    snprintf(out, MAC_ROOM, "52:54:00:%02x:%02x:%02x", hash >> 16 & 0xff,
             hash >> 8 & 0xff, hash & 0xff);
}

/* Names of the host's end that libvirt made up. */
static bool is_generated(const char *name)
{
    return starts_with(name, "vnet") || starts_with(name, "macvtap") ||
           starts_with(name, "macvlan");
}

static void rewrite_host_end(struct rewriting *r, struct xml_node *interface)
{
    struct xml_node *target = xml_child(interface, "target");
    const char *dev = xml_attr(target, "dev");

    /* A device that exists already is not to be made. */
    if (!dev || rewrite_attr_is(target, "managed", "no") ||
        (r->how->keep_mac && !is_generated(dev)))
        return;
    xml_unset(target, "dev");
    if (!xml_attr_first(target))
        xml_remove(target);
}

/* IDs by which a switch knows the port. */
static void rewrite_port(struct xml_node *interface)
{
    struct xml_node *port = xml_child(interface, "virtualport");
    struct xml_node *parameters = xml_child(port, "parameters");

    if (rewrite_attr_is(port, "type", "openvswitch"))
        xml_unset(parameters, "interfaceid");
    else if (rewrite_attr_is(port, "type", "802.1Qbg"))
        xml_unset(parameters, "instanceid");
}

static void rewrite_mac(struct rewriting *r, struct xml_node *interface,
                        unsigned number)
{
    struct xml_node *mac = xml_child(interface, "mac");
    char text[MAC_ROOM];

    if (!mac)
        return; /* libvirt makes one */
    make_mac(r->how->uuid, number, text);
    rewrite_note(r, REWRITE_CHANGED,
                 "network card %u: MAC address %s, was "
                 "%.17s",
                 number + 1, text,
                 xml_attr(mac, "address") ? xml_attr(mac, "address") : "none");
    xml_set(r->xml, mac, "address", text);
}

/* libvirt looks at the first one of each name; a second must not take its place
 * when that is dropped.
 */
static void keep_first(struct xml_node *node, const char *name)
{
    struct xml_node *first = xml_child(node, name), *more;

    while (first && (more = xml_next(first, name)))
        xml_remove(more);
}

static void rewrite_interface(struct rewriting *r, struct xml_node *interface,
                              unsigned number)
{
    static const char *const single[] = {"mac", "source", "target",
                                         "virtualport"};
    struct xml_node *source = NULL;

    for (size_t i = 0; i < array_size(single); i++)
        keep_first(interface, single[i]);
    source = xml_child(interface, "source");
    if (rewrite_attr_is(interface, "type", "network")) {
        xml_unset(source, "portid");
        xml_unset(source, "bridge");
    }
    rewrite_host_end(r, interface);
    if (r->how->keep_mac)
        return;
    rewrite_port(interface);
    rewrite_mac(r, interface, number);
}

/* ---- consoles and channels ---- */

static void rewrite_chardev(struct xml_node *node)
{
    struct xml_node *target = xml_child(node, "target");
    struct xml_node *source = xml_child(node, "source");

    xml_unset(target, "state");
    if (rewrite_attr_is(node, "type", "pty")) {
        xml_unset(node, "tty");
        rewrite_drop(node, "source");
    }
    /* libvirt makes a socket of its own. */
    if (strcmp(xml_name(node), "channel") == 0 &&
        rewrite_attr_is(node, "type", "unix") &&
        rewrite_attr_is(target, "type", "virtio") &&
        !rewrite_attr_is(source, "mode", "connect"))
        rewrite_drop(node, "source");
}

/* ---- displays ---- */

static bool is_fixed_port(const char *port)
{
    return port && strcmp(port, "-1") != 0 && strcmp(port, "0") != 0;
}

static void rewrite_graphics(struct rewriting *r, struct xml_node *graphics)
{
    const char *type = xml_attr(graphics, "type");
    struct xml_node *listen = xml_child(graphics, "listen");

    if (!rewrite_attr_is(graphics, "autoport", "yes") &&
        (is_fixed_port(xml_attr(graphics, "port")) ||
         is_fixed_port(xml_attr(graphics, "tlsPort")))) {
        rewrite_note(r, REWRITE_CHANGED,
                     "the %.20s display had a port of its own, and gets any "
                     "free one",
                     type ? type : "");
        xml_set(r->xml, graphics, "autoport", "yes");
    }
    if (rewrite_attr_is(graphics, "autoport", "yes")) {
        xml_unset(graphics, "port");
        xml_unset(graphics, "tlsPort");
    }
    if (is_fixed_port(xml_attr(graphics, "websocket")))
        xml_set(r->xml, graphics, "websocket", "-1");
    if (xml_attr(graphics, "socket")) {
        xml_unset(graphics, "socket");
        if (!listen)
            xml_set(r->xml, xml_add(r->xml, graphics, "listen", NULL), "type",
                    "socket");
    }
    for (; listen; listen = xml_next(listen, "listen"))
        xml_unset(listen, "socket");
}

/* ---- others ---- */

static void rewrite_vsock(struct rewriting *r, struct xml_node *vsock)
{
    struct xml_node *cid = xml_child(vsock, "cid");

    if (!cid)
        return;
    if (!rewrite_attr_is(cid, "auto", "yes") && xml_attr(cid, "address"))
        rewrite_note(r, REWRITE_CHANGED,
                     "the context ID of the vsock was %.20s, and is any free "
                     "one",
                     xml_attr(cid, "address"));
    xml_set(r->xml, cid, "auto", "yes");
    xml_unset(cid, "address");
}

/* Storage of the host that is no <disk>, and not in the backup: true if it was
 * removed.
 */
static bool leave_out_storage(struct rewriting *r, struct xml_node *node)
{
    const char *name = xml_name(node);
    bool scsi = strcmp(name, "hostdev") == 0 &&
                (rewrite_attr_is(node, "type", "scsi") ||
                 rewrite_attr_is(node, "type", "scsi_host") ||
                 rewrite_attr_is(node, "type", "storage"));
    bool memory = strcmp(name, "memory") == 0 &&
                  (rewrite_attr_is(node, "model", "nvdimm") ||
                   rewrite_attr_is(node, "model", "virtio-pmem"));

    if (!scsi && !memory)
        return false;
    rewrite_note(r, REWRITE_MISSING,
                 scsi ? "a storage device of the host that was passed through "
                        "is not in the backup, so it is left out"
                      : "a non-volatile memory is not in the backup, so it is "
                        "left out");
    xml_remove(node);
    return true;
}

static void rewrite_device(struct rewriting *r, struct xml_node *node,
                           unsigned *interfaces)
{
    static const char *const chardevs[] = {"serial", "parallel", "console",
                                           "channel"};
    const char *name = xml_name(node);
    struct xml_node *alias = xml_child(node, "alias");

    if (alias && !starts_with(xml_attr(alias, "name"), "ua-"))
        rewrite_drop(node, "alias");
    for (size_t i = 0; i < array_size(chardevs); i++)
        if (strcmp(name, chardevs[i]) == 0)
            rewrite_chardev(node);
    if (strcmp(name, "interface") == 0)
        rewrite_interface(r, node, (*interfaces)++);
    else if (strcmp(name, "graphics") == 0)
        rewrite_graphics(r, node);
    else if (strcmp(name, "vsock") == 0)
        rewrite_vsock(r, node);
    else if (strcmp(name, "tpm") == 0 &&
             rewrite_attr_is(xml_child(node, "backend"), "type", "emulator"))
        rewrite_note(r, REWRITE_MISSING,
                     "the state of the TPM is not in the backup: the guest "
                     "gets an empty one; have the recovery keys of encrypted "
                     "disks at hand");
}

void rewrite_devices(struct rewriting *r, struct xml_node *devices)
{
    struct xml_node *next = NULL;
    unsigned interfaces = 0;

    for (struct xml_node *n = xml_child(devices, NULL); n; n = next) {
        next = xml_next(n, NULL);
        if (!leave_out_storage(r, n))
            rewrite_device(r, n, &interfaces);
    }
}
