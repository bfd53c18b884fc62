/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* xml.h - small trees of XML
 *
 * For libvirt's XML, and for that of backup sets, which nobody should trust:
 * at most 4 MiB of UTF-8 (libvirt's own limit), 256 levels, 2000 attributes of
 * an element, no DOCTYPE, hence no entities; nothing is loaded from anywhere.
 *
 * Names are matched without a namespace: elements that have one are invisible.
 * Hides libxml2.  Knows base only.
 */
#ifndef VIRT_XML_H
#define VIRT_XML_H

#include <stdbool.h>
#include <stddef.h>

#include "base/error.h"
#include "base/macro.h"

#define XML_SIZE_MAX (4 * MIB)

struct xml;
struct xml_node; /* owned by its tree */

/* Parse.  `what` names it in errors ("the XML of domain 'vm1'").  ERR_INPUT:
 * not well formed, or beyond the limits.
 */
must_check int xml_parse(const char *text, const char *what, struct xml **ret,
                         struct error *err);

/* The same, and ERR_INPUT if the root element is not called `root`. */
must_check int xml_parse_as(const char *text, const char *what,
                            const char *root, struct xml **ret,
                            struct error *err);

/* A new tree with a root element of that name; NULL: no memory. */
must_check struct xml *xml_new(const char *root);

void xml_free(struct xml *x);

static inline void xml_freep(struct xml **x)
{
    xml_free(*x);
}

/* ---- reading: all results are borrowed ---- */

struct xml_node *xml_root(const struct xml *x);

/* The element's name. */
const char *xml_name(const struct xml_node *node);

/* The first child element of that name (NULL: of any), or NULL.  `node` may be
 * NULL: then so is the answer.
 */
struct xml_node *xml_child(const struct xml_node *node, const char *name);

/* The next sibling element of that name (NULL: any), or NULL. */
struct xml_node *xml_next(const struct xml_node *node, const char *name);

/* The value of an attribute, or NULL if there is none.  `node` may be NULL. */
const char *xml_attr(const struct xml_node *node, const char *name);

/* The text of an element without child elements ("" if empty), or NULL.
 * `node` may be NULL.
 */
const char *xml_content(const struct xml_node *node);

/* ---- looking at everything, whatever its namespace ---- */

/* The first child element, and the next sibling; or NULL. */
struct xml_node *xml_first(const struct xml_node *node);
struct xml_node *xml_following(const struct xml_node *node);

/* The element that this one is in; NULL for the root. */
struct xml_node *xml_parent(const struct xml_node *node);

/* Is there text beside its elements?  (After xml_strip; blanks are none.) */
bool xml_is_mixed(const struct xml_node *node);

/* The namespace of an element, or NULL. */
const char *xml_namespace(const struct xml_node *node);

/* The attributes of an element, one after the other. */
struct xml_attribute;
const struct xml_attribute *xml_attr_first(const struct xml_node *node);
const struct xml_attribute *xml_attr_next(const struct xml_attribute *a);
const char *xml_attr_name(const struct xml_attribute *a);
const char *xml_attr_value(const struct xml_attribute *a);
bool xml_attr_has_namespace(const struct xml_attribute *a);

/* ---- writing: a lack of memory is remembered and told by xml_write ---- */

/* Append a child element with `text` (NULL: empty) to `parent`.  Text that
 * `parent` has instead of children goes: the two would be read in two ways.
 */
struct xml_node *xml_add(struct xml *x, struct xml_node *parent,
                         const char *name, const char *text);

/* Set an attribute. */
void xml_set(struct xml *x, struct xml_node *node, const char *name,
             const char *value);

/* Replace what is in an element by a text. */
void xml_set_content(struct xml *x, struct xml_node *node, const char *text);

/* Remove an attribute, or an element with all that is in it (not the root). */
void xml_unset(struct xml_node *node, const char *name);
void xml_remove(struct xml_node *node);

/* Remove everything in an element: attributes, text, elements. */
void xml_clear(struct xml_node *node);

/* Remove all comments and processing instructions, and the blanks between
 * elements.  Then an element's text is in one piece, as a reader that skips
 * comments sees it.
 */
void xml_strip(struct xml *x);

/* The tree as text, indented; owned by the caller.  ERR_MEMORY; ERR_INPUT if
 * a text that was set cannot be in XML (control characters, not UTF-8).
 */
must_check int xml_write(struct xml *x, char **ret, struct error *err);

#endif
