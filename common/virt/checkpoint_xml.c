/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* checkpoint_xml.c - descriptions and XML of checkpoints, see checkpoint.h;
 * knows virt/xml, no libvirt
 */
#include <string.h>

#include "base/cleanup.h"
#include "virt/checkpoint.h"
#include "virt/xml.h"

/* ---- identity ---- */

#define POINT_WORD "virtnbdbackup point="
#define CHAIN_WORD " chain="
#define UUID_LENGTH (TEXT_UUID_ROOM - 1)

const char *checkpoint_describe(const char *point_uuid, const char *chain_uuid,
                                char out[static CHECKPOINT_DESCRIPTION_ROOM])
{
    snprintf(out, CHECKPOINT_DESCRIPTION_ROOM, POINT_WORD "%s" CHAIN_WORD "%s",
             point_uuid, chain_uuid);
    return out;
}

/* Move `*text` past `word`, if it starts with it. */
static bool skip_word(const char **text, const char *word)
{
    size_t length = strlen(word);

    if (strncmp(*text, word, length) != 0)
        return false;
    *text += length;
    return true;
}

static bool read_uuid(const char **text, char out[static TEXT_UUID_ROOM])
{
    if (strnlen(*text, UUID_LENGTH) < UUID_LENGTH)
        return false;
    memcpy(out, *text, UUID_LENGTH);
    out[UUID_LENGTH] = '\0';
    *text += UUID_LENGTH;
    return uuid_is_valid(out);
}

int checkpoint_identity(const char *description,
                        char ret_point[static TEXT_UUID_ROOM],
                        char ret_chain[static TEXT_UUID_ROOM])
{
    const char *text = description;
    char point[TEXT_UUID_ROOM], chain[TEXT_UUID_ROOM];

    if (!text || !skip_word(&text, POINT_WORD) || !read_uuid(&text, point) ||
        !skip_word(&text, CHAIN_WORD) || !read_uuid(&text, chain) || *text)
        return 0;
    memcpy(ret_point, point, sizeof(point));
    memcpy(ret_chain, chain, sizeof(chain));
    return 1;
}

/* ---- reading XML ---- */

void checkpoint_free(struct checkpoint *c)
{
    free(c->name);
    free(c->parent);
    free(c->description);
    *c = (struct checkpoint){0};
}

void checkpoint_list_free(struct checkpoint_list *list)
{
    vec_foreach (c, list)
        checkpoint_free(c);
    vec_free(list);
}

static int open_xml(const char *text, struct xml **ret, struct error *err)
{
    return xml_parse_as(text, "The checkpoint's XML", "domaincheckpoint", ret,
                        err);
}

int checkpoint_parse(const char *text, struct checkpoint *ret,
                     struct error *err)
{
    _cleanup_(checkpoint_free) struct checkpoint c = {0};
    _cleanup_(xml_freep) struct xml *x = NULL;
    const struct xml_node *root = NULL;
    const char *name = NULL, *parent = NULL, *description = NULL, *time = NULL;

    if (open_xml(text, &x, err) < 0)
        return -1;
    root = xml_root(x);
    name = xml_content(xml_child(root, "name"));
    parent = xml_content(xml_child(xml_child(root, "parent"), "name"));
    description = xml_content(xml_child(root, "description"));
    time = xml_content(xml_child(root, "creationTime"));
    if (!name || !name[0])
        return error_set(err, ERR_INPUT, "The checkpoint's XML has no name");
    if (time && text_i64(time, INT64_MIN, INT64_MAX, &c.created) < 0)
        return error_set(err, ERR_INPUT,
                         "The checkpoint's XML has a creationTime that is no "
                         "number");
    c.name = strdup(name);
    c.parent = parent ? strdup(parent) : NULL;
    c.description = strdup(description ? description : "");
    if (!c.name || (parent && !c.parent) || !c.description)
        return error_memory(err);
    *ret = c;
    c = (struct checkpoint){0};
    return 0;
}

int checkpoint_parse_domain(const char *text, char **ret_uuid,
                            struct error *err)
{
    _cleanup_(xml_freep) struct xml *x = NULL;
    const char *uuid = NULL;

    if (open_xml(text, &x, err) < 0)
        return -1;
    uuid = xml_content(xml_child(xml_child(xml_root(x), "domain"), "uuid"));
    if (!uuid || !uuid[0])
        return 0;
    *ret_uuid = strdup(uuid);
    return *ret_uuid ? 1 : error_memory(err);
}

int checkpoint_parse_size(const char *text, const char *target,
                          uint64_t *ret_bytes, struct error *err)
{
    _cleanup_(xml_freep) struct xml *x = NULL;
    const struct xml_node *disk = NULL;

    if (open_xml(text, &x, err) < 0)
        return -1;
    disk = xml_child(xml_child(xml_root(x), "disks"), "disk");
    for (; disk; disk = xml_next(disk, "disk")) {
        const char *name = xml_attr(disk, "name");
        const char *size = xml_attr(disk, "size");

        if (name && size && strcmp(name, target) == 0 &&
            text_u64(size, ret_bytes) == 0)
            return 1;
    }
    return 0;
}

int checkpoint_parse_sizes(const char *text, uint64_t *ret_bytes,
                           struct error *err)
{
    _cleanup_(xml_freep) struct xml *x = NULL;
    const struct xml_node *disk = NULL;
    uint64_t total = 0;
    bool known = false;

    if (open_xml(text, &x, err) < 0)
        return -1;
    disk = xml_child(xml_child(xml_root(x), "disks"), "disk");
    for (; disk; disk = xml_next(disk, "disk")) {
        const char *size = xml_attr(disk, "size");
        uint64_t bytes = 0;

        if (!size || text_u64(size, &bytes) < 0)
            continue;
        if (__builtin_add_overflow(total, bytes, &total))
            return error_set(err, ERR_INPUT,
                             "The checkpoint's XML has sizes that are too "
                             "large");
        known = true;
    }
    if (!known)
        return error_set(err, ERR_INPUT,
                         "The checkpoint's XML tells the size of no disk");
    *ret_bytes = total;
    return 0;
}

int checkpoint_orphan(const char *text, char **ret, struct error *err)
{
    _cleanup_(xml_freep) struct xml *x = NULL;
    struct xml_node *parent = NULL;

    if (open_xml(text, &x, err) < 0)
        return -1;
    parent = xml_child(xml_root(x), "parent");
    if (parent)
        xml_remove(parent);
    return xml_write(x, ret, err);
}

int checkpoint_stray_xml(const char *name, const char *target, char **ret,
                         struct error *err)
{
    _cleanup_(xml_freep) struct xml *x = xml_new("domaincheckpoint");
    struct xml_node *disk = NULL;

    if (!x)
        return error_memory(err);
    xml_add(x, xml_root(x), "name", name);
    xml_add(x, xml_root(x), "creationTime", "1");
    disk = xml_add(x, xml_add(x, xml_root(x), "disks", NULL), "disk", NULL);
    xml_set(x, disk, "name", target);
    xml_set(x, disk, "checkpoint", "bitmap");
    xml_set(x, disk, "bitmap", name);
    return xml_write(x, ret, err);
}
