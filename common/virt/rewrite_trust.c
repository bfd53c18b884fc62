/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* rewrite_trust.c - what a strange configuration could do to this host
 *
 * The list is of what is harmless; the rest is named, so that somebody looks at
 * it before a domain is defined.  See rewrite.h.
 */
#include <ctype.h>
#include <string.h>

#include "base/macro.h"
#include "virt/rewrite_private.h"

static bool is_one_of(const char *name, const char *const *list, size_t count)
{
    for (size_t i = 0; name && i < count; i++)
        if (strcmp(name, list[i]) == 0)
            return true;
    return false;
}

#define IS_ONE_OF(name, list) is_one_of(name, list, array_size(list))

static void suspect(struct rewriting *r, const struct xml_node *node,
                    const char *why)
{
    const char *type = xml_attr(node, "type");

    rewrite_note(r, REWRITE_TRUST, "<%.80s%s%.80s%s>: %s", xml_name(node),
                 type ? " type='" : "", type ? type : "", type ? "'" : "", why);
}

/* ---- elements ---- */

/* The paths under which distributions have QEMU. */
static bool is_usual_emulator(const char *path)
{
    static const char system[] = "/usr/bin/qemu-system-";
    static const char *const others[] = {"/usr/bin/kvm", "/usr/bin/qemu-kvm",
                                         "/usr/libexec/qemu-kvm"};
    size_t length = strlen(system);

    if (!path)
        return false;
    if (IS_ONE_OF(path, others))
        return true;
    return strncmp(path, system, length) == 0 && path[length] &&
           strspn(path + length, "abcdefghijklmnopqrstuvwxyz0123456789_") ==
               strlen(path + length);
}

static void look_at_emulator(struct rewriting *r, struct xml_node *devices)
{
    struct xml_node *next = NULL;

    for (struct xml_node *e = xml_child(devices, "emulator"); e; e = next) {
        next = xml_next(e, "emulator");
        if (is_usual_emulator(xml_content(e)))
            xml_remove(e);
        else
            suspect(r, e, "names the program that the guest runs in");
    }
}

static void look_at_interface(struct rewriting *r, struct xml_node *node)
{
    static const char *const fine[] = {"network",  "bridge", "user",   "direct",
                                       "udp",      "mcast",  "client", "server",
                                       "internal", "null"};

    if (!IS_ONE_OF(xml_attr(node, "type"), fine))
        suspect(r, node, "gives the guest a device or socket of the host");
    if (xml_child(node, "script") || xml_child(node, "downscript"))
        suspect(r, node, "has a script that the host runs");
}

/* Where the other end of a character device is. */
static void look_at_chardev(struct rewriting *r, struct xml_node *node)
{
    static const char *const fine[] = {
        "pty", "null", "vc", "dbus", "spicevmc", "spiceport", "qemu-vdagent"};
    const char *type = xml_attr(node, "type");
    bool own_socket =
        type && strcmp(type, "unix") == 0 && !xml_child(node, "source");

    if (!own_socket && !IS_ONE_OF(type, fine))
        suspect(r, node, "leads to a file, program or address of the host");
}

static void look_at_device(struct rewriting *r, struct xml_node *node)
{
    static const char *const fine[] = {
        "disk",     "emulator", "controller", "input", "hub",    "sound",
        "audio",    "video",    "watchdog",   "panic", "crypto", "vsock",
        "graphics", "iommu",    "memory",     "rng",   "tpm",    "memballoon",
    };
    static const char *const chardevs[] = {
        "serial", "parallel", "console", "channel", "redirdev", "smartcard",
    };
    const char *name = xml_name(node);

    if (IS_ONE_OF(name, chardevs))
        look_at_chardev(r, node);
    else if (strcmp(name, "interface") == 0)
        look_at_interface(r, node);
    else if (strcmp(name, "redirfilter") == 0)
        return;
    else if (!IS_ONE_OF(name, fine))
        suspect(r, node, "gives the guest something of the host");
    if (strcmp(name, "tpm") == 0 &&
        !rewrite_attr_is(xml_child(node, "backend"), "type", "emulator"))
        suspect(r, node, "gives the guest the TPM of the host");
    if (strcmp(name, "input") == 0 &&
        (rewrite_attr_is(node, "type", "evdev") ||
         rewrite_attr_is(node, "type", "passthrough")))
        suspect(r, node, "gives the guest an input device of the host");
    if (strcmp(name, "graphics") == 0 && xml_attr(node, "address"))
        suspect(r, node, "leads to a bus of the host");
    if (strcmp(name, "rng") == 0 &&
        !rewrite_attr_is(xml_child(node, "backend"), "model", "random") &&
        !rewrite_attr_is(xml_child(node, "backend"), "model", "builtin"))
        suspect(r, node, "leads to a file or address of the host");
}

static void look_at_top(struct rewriting *r, struct xml_node *node)
{
    static const char *const fine[] = {
        "name",           "uuid",
        "genid",          "title",
        "description",    "metadata",
        "maxMemory",      "memory",
        "currentMemory",  "memoryBacking",
        "memtune",        "vcpu",
        "vcpus",          "iothreads",
        "iothreadids",    "defaultiothread",
        "cputune",        "numatune",
        "blkiotune",      "resource",
        "sysinfo",        "os",
        "features",       "cpu",
        "clock",          "on_poweroff",
        "on_reboot",      "on_crash",
        "on_lockfailure", "pm",
        "perf",           "devices",
        "seclabel",       "keywrap",
        "launchSecurity", "throttlegroups",
    };

    if (xml_namespace(node))
        suspect(r, node, "goes to the emulator past libvirt");
    else if (!IS_ONE_OF(xml_name(node), fine))
        suspect(r, node, "is nothing that a guest of QEMU usually has");
    else if (strcmp(xml_name(node), "seclabel") == 0)
        suspect(r, node, "changes as whom the guest runs on the host");
}

/* ---- paths ---- */

static bool is_ours(const struct rewrite *how, const char *path)
{
    const char *const known[] = {how->loader, how->nvram, how->kernel,
                                 how->initrd};

    for (size_t i = 0; i < array_size(known); i++)
        if (known[i] && strcmp(path, known[i]) == 0)
            return true;
    return false;
}

/* Firmware comes in packages, which put it here. */
static bool is_firmware(const struct xml_node *node, const char *path)
{
    const char *name = xml_name(node);

    return (strcmp(name, "loader") == 0 || strcmp(name, "nvram") == 0) &&
           strncmp(path, "/usr/share/", strlen("/usr/share/")) == 0 &&
           !strstr(path, "/..");
}

static bool is_random(const struct xml_node *node, const char *path)
{
    static const char *const fine[] = {"/dev/urandom", "/dev/random",
                                       "/dev/hwrng"};

    return strcmp(xml_name(node), "backend") == 0 && IS_ONE_OF(path, fine);
}

/* A text that may be a path.  `certain`: that is all it can be, so that a
 * relative one counts too: QEMU runs in "/".
 */
static void look_at_path(struct rewriting *r, const struct xml_node *node,
                         const char *text, bool certain)
{
    while (text && isspace((unsigned char)*text))
        text++;
    if (!text || !text[0] || (text[0] != '/' && !certain) ||
        is_ours(r->how, text) || is_firmware(node, text) ||
        is_random(node, text))
        return;
    rewrite_note(r, REWRITE_TRUST, "<%.80s>: names '%.200s' of the host",
                 xml_name(node), text);
}

static void look_at_attributes(struct rewriting *r, const struct xml_node *node)
{
    static const char *const paths[] = {
        "file", "path", "dir", "socket", "logFile", "template", "rendernode",
    };
    const struct xml_attribute *a = xml_attr_first(node);

    for (; a; a = xml_attr_next(a))
        look_at_path(r, node, xml_attr_value(a),
                     IS_ONE_OF(xml_attr_name(a), paths));
}

static void look_at_paths(struct rewriting *r, const struct xml_node *node)
{
    static const char *const paths[] = {
        "loader", "nvram", "kernel",  "initrd", "dtb",      "shim",
        "init",   "table", "backend", "path",   "database",
    };
    /* What is in there is no place, or was looked at by others. */
    static const char *const skipped[] = {
        "metadata", "title",    "description", "cmdline",  "blkiotune",
        "disk",     "emulator", "entry",       "resource",
    };

    look_at_attributes(r, node);
    if (IS_ONE_OF(xml_name(node), skipped))
        return;
    look_at_path(r, node, xml_content(node), IS_ONE_OF(xml_name(node), paths));
    for (node = xml_first(node); node; node = xml_following(node))
        look_at_paths(r, node);
}

void rewrite_trust(struct rewriting *r, struct xml_node *domain)
{
    static const char *const types[] = {"kvm", "qemu", "hvf"};
    struct xml_node *devices = xml_child(domain, "devices");

    if (!IS_ONE_OF(xml_attr(domain, "type"), types))
        suspect(r, domain, "is no guest of QEMU");
    for (struct xml_node *n = xml_first(domain); n; n = xml_following(n))
        look_at_top(r, n);
    look_at_emulator(r, devices);
    for (struct xml_node *n = xml_child(devices, NULL); n;
         n = xml_next(n, NULL))
        look_at_device(r, n);
    look_at_paths(r, domain);
}
