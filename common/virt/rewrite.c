/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* rewrite.c - see rewrite.h; shape and identity, the rest is in rewrite_*.c */
#include "virt/rewrite.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/file.h"
#include "base/vec.h"
#include "virt/disk.h"
#include "virt/rewrite_private.h"

#define NAME_MAX_BYTES 200
#define NOTES_MAX 1000

/* ---- notes ---- */

void rewrite_notes_free(struct rewrite_notes *notes)
{
    vec_foreach (note, notes)
        free(note->text);
    vec_free(notes);
}

void rewrite_note(struct rewriting *r, enum rewrite_note_kind kind,
                  const char *fmt, ...)
{
    struct rewrite_note note = {.kind = kind};
    va_list args;
    int length = 0;

    /* So many are nobody's configuration; what counts is that there are some.
     */
    if (r->notes.count >= NOTES_MAX && kind != REWRITE_TRUST)
        return;
    va_start(args, fmt);
    length = vasprintf(&note.text, fmt, args);
    va_end(args);
    if (length < 0) {
        r->no_memory = true;
    } else if (vec_push(&r->notes, note) < 0) {
        free(note.text);
        r->no_memory = true;
    }
}

/* ---- small helpers ---- */

bool rewrite_attr_is(const struct xml_node *node, const char *name,
                     const char *value)
{
    const char *found = xml_attr(node, name);

    return found && strcmp(found, value) == 0;
}

void rewrite_drop(struct xml_node *node, const char *name)
{
    struct xml_node *next = NULL;

    for (struct xml_node *c = xml_child(node, name); c; c = next) {
        next = xml_next(c, name);
        xml_remove(c);
    }
}

int rewrite_name_check(const char *name, struct error *err)
{
    size_t length = strlen(name);

    if (length == 0 || strspn(name, " ") == length)
        return error_set(err, ERR_INPUT, "a domain needs a name");
    if (length > NAME_MAX_BYTES)
        return error_set(err, ERR_INPUT,
                         "'%.40s...' is too long for the name of a domain: "
                         "more than %d bytes",
                         name, NAME_MAX_BYTES);
    if (!name_is_leaf(name))
        return error_set(err, ERR_INPUT,
                         "'%s' cannot be the name of a domain: it may hold no "
                         "slash and no control characters",
                         name);
    return 0;
}

/* ---- shape ---- */

/* The next element behind `node`, below `top`; not into `node` if `skip`. */
static struct xml_node *next_below(struct xml_node *node,
                                   const struct xml_node *top, bool skip)
{
    struct xml_node *next = skip ? NULL : xml_first(node);

    while (!next && node != top) {
        next = xml_following(node);
        node = xml_parent(node);
    }
    return next;
}

static int ambiguous(const struct xml_node *node, const char *what,
                     struct error *err)
{
    return error_set(err, ERR_INPUT,
                     "The domain's XML can be read in two ways: %s in '%.80s'",
                     what, xml_name(node));
}

/* Some of libvirt's code looks at namespaces, and some does not; some takes the
 * text around elements, too.
 */
static int check_elements(struct xml_node *domain, struct error *err)
{
    struct xml_node *node = domain;
    bool skip = false;

    for (; node; node = next_below(node, domain, skip)) {
        bool at_top = xml_parent(node) == domain;
        const struct xml_attribute *a = xml_attr_first(node);

        skip = at_top &&
               (xml_namespace(node) || strcmp(xml_name(node), "metadata") == 0);
        if (skip)
            continue;
        if (xml_namespace(node))
            return ambiguous(node, "a foreign namespace", err);
        if (xml_is_mixed(node))
            return ambiguous(node, "text beside elements", err);
        for (; a; a = xml_attr_next(a))
            if (xml_attr_has_namespace(a) || !xml_attr_value(a))
                return ambiguous(node, "a foreign attribute", err);
    }
    return 0;
}

/* Elements of which libvirt means one. */
static int check_single(struct xml_node *node, const char *const *names,
                        size_t count, struct error *err)
{
    for (size_t i = 0; i < count; i++)
        if (xml_next(xml_child(node, names[i]), names[i]))
            return ambiguous(node, "an element that is there twice", err);
    return 0;
}

static int check_shape(struct xml *x, struct error *err)
{
    static const char *const of_domain[] = {
        "name", "uuid", "genid", "os", "devices", "metadata",
    };
    static const char *const of_os[] = {"loader", "nvram", "kernel", "initrd"};
    struct xml_node *domain = xml_root(x);

    if (strcmp(xml_name(domain), "domain") != 0 || xml_namespace(domain))
        return error_set(err, ERR_INPUT, "The domain's XML starts with '%.40s'",
                         xml_name(domain));
    if (!xml_child(domain, "name"))
        return error_set(err, ERR_INPUT, "The domain's XML names no domain");
    if (check_elements(domain, err) < 0 ||
        check_single(domain, of_domain, array_size(of_domain), err) < 0)
        return -1;
    return check_single(xml_child(domain, "os"), of_os, array_size(of_os), err);
}

/* ---- identity ---- */

static void set_child(struct rewriting *r, struct xml_node *node,
                      const char *name, const char *text)
{
    struct xml_node *child = xml_child(node, name);

    if (child)
        xml_set_content(r->xml, child, text);
    else
        xml_add(r->xml, node, name, text);
}

/* SMBIOS says the UUID again, and libvirt insists that it is the same. */
static void rewrite_sysinfo(struct rewriting *r, struct xml_node *domain)
{
    struct xml_node *info = xml_child(domain, "sysinfo");

    for (; info; info = xml_next(info, "sysinfo")) {
        struct xml_node *system = xml_child(info, "system");

        for (; system; system = xml_next(system, "system")) {
            struct xml_node *entry = xml_child(system, "entry");

            for (; entry; entry = xml_next(entry, "entry"))
                if (rewrite_attr_is(entry, "name", "uuid"))
                    xml_set_content(r->xml, entry, r->how->uuid);
        }
    }
}

/* Labels that libvirt chose are chosen again. */
static void rewrite_labels(struct xml_node *domain)
{
    struct xml_node *next = NULL;

    for (struct xml_node *s = xml_child(domain, "seclabel"); s; s = next) {
        next = xml_next(s, "seclabel");
        if (!rewrite_attr_is(s, "type", "dynamic"))
            continue;
        rewrite_drop(s, "label");
        rewrite_drop(s, "imagelabel");
        if (!xml_child(s, "baselabel") && !rewrite_attr_is(s, "relabel", "no"))
            xml_remove(s);
    }
}

static void rewrite_identity(struct rewriting *r, struct xml_node *domain)
{
    struct xml_node *genid = xml_child(domain, "genid");

    xml_unset(domain, "id");
    set_child(r, domain, "name", r->how->name);
    set_child(r, domain, "uuid", r->how->uuid);
    if (genid)
        xml_clear(genid); /* libvirt makes one */
    rewrite_sysinfo(r, domain);
    rewrite_labels(domain);
}

/* ---- all ---- */

/* What must be right whatever the code above did: no disk but the caller's. */
static int check_result(const struct rewrite *how, const char *xml,
                        struct error *err)
{
    _cleanup_(disk_list_free) struct domain_disk_list list = {0};

    if (disk_list_parse(xml, &list, err) < 0)
        return -1;
    vec_foreach (disk, &list) {
        const struct rewrite_disk *wanted = NULL;

        for (size_t i = 0; i < how->disk_count; i++)
            if (strcmp(how->disks[i].target, disk->target) == 0)
                wanted = &how->disks[i];
        if (!wanted || !disk->source ||
            strcmp(disk->source, wanted->path) != 0 ||
            strcmp(disk->format, wanted->format) != 0)
            return error_set(err, ERR_INPUT,
                             "The domain's XML cannot be adjusted: disk %s",
                             disk->target);
    }
    return 0;
}

static int rewrite(struct rewriting *r, const char *xml, char **ret_xml,
                   struct error *err)
{
    _cleanup_(disk_list_free) struct domain_disk_list list = {0};
    _cleanup_free_ char *text = NULL;
    struct xml_node *domain = NULL;

    xml_strip(r->xml);
    /* The list looks at targets; what comes now relies on them. */
    if (check_shape(r->xml, err) < 0 || disk_list_parse(xml, &list, err) < 0)
        return -1;
    domain = xml_root(r->xml);
    rewrite_identity(r, domain);
    rewrite_os(r, xml_child(domain, "os"));
    rewrite_disks(r, xml_child(domain, "devices"));
    rewrite_devices(r, xml_child(domain, "devices"));
    rewrite_trust(r, domain);
    if (r->no_memory)
        return error_memory(err);
    if (xml_write(r->xml, &text, err) < 0 ||
        check_result(r->how, text, err) < 0)
        return -1;
    *ret_xml = take(text);
    return 0;
}

int domain_rewrite(const char *xml, const struct rewrite *how, char **ret_xml,
                   struct rewrite_notes *ret_notes, struct error *err)
{
    _cleanup_(xml_freep) struct xml *x = NULL;
    struct rewriting r = {.how = how};

    if (rewrite_name_check(how->name, err) < 0 ||
        xml_parse(xml, "The domain's XML", &x, err) < 0)
        return -1;
    r.xml = x;
    if (rewrite(&r, xml, ret_xml, err) < 0) {
        rewrite_notes_free(&r.notes);
        return -1;
    }
    *ret_notes = r.notes;
    return 0;
}
