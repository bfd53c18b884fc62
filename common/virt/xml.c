/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* xml.c - see xml.h; hides libxml2, knows base */
#include "virt/xml.h"

#include <limits.h>
#include <stdbool.h>
#include <string.h>

#include <libxml/parser.h>
#include <libxml/tree.h>

#include "base/cleanup.h"
#include "base/text.h"

#define ATTRIBUTES_MAX 2000

struct xml {
    xmlDocPtr doc;
    bool no_memory;
    bool bad_text;
};

DEFINE_CLEANUP(xmlParserCtxtPtr, xmlFreeParserCtxt);
DEFINE_CLEANUP(xmlDocPtr, xmlFreeDoc);

static void xml_init(void)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;

    pthread_once(&once, xmlInitParser);
}

/* The tree behind our opaque nodes. */
static xmlNodePtr raw(const struct xml_node *node)
{
    return (xmlNodePtr)(uintptr_t)node;
}

static struct xml_node *wrap(xmlNodePtr node)
{
    return (struct xml_node *)node;
}

static const char *text_of(const xmlChar *text)
{
    return (const char *)text;
}

/* libxml2's complaint as the end of a sentence. */
static int parse_error(xmlParserCtxtPtr ctxt, const char *what,
                       struct error *err)
{
    const xmlError *e = xmlCtxtGetLastError(ctxt);
    size_t length = 0;

    if (e && e->code == XML_ERR_NO_MEMORY)
        return error_memory(err);
    if (!e || !e->message)
        return error_set(err, ERR_INPUT, "%s is no XML", what);
    length = strcspn(e->message, "\n");
    return error_set(err, ERR_INPUT, "%s is no XML: line %d: %.*s", what,
                     e->line, (int)MIN_OF(length, 200U), e->message);
}

/* The parser compares each attribute of an element with all others: with a
 * hundred thousand of them that takes minutes.  No "<" can be in a value, so
 * what is between two of them is at most one element's.
 */
static bool has_many_attributes(const char *text)
{
    unsigned count = 0;

    for (const char *c = text; *c; c++) {
        if (*c == '<')
            count = 0;
        if (*c != '=')
            continue;
        c += 1 + strspn(c + 1, " \t\r\n");
        count += *c == '"' || *c == '\'';
        if (!*c || count > ATTRIBUTES_MAX)
            break;
    }
    return count > ATTRIBUTES_MAX;
}

int xml_parse(const char *text, const char *what, struct xml **ret,
              struct error *err)
{
    const int options = XML_PARSE_NONET | XML_PARSE_NOERROR |
                        XML_PARSE_NOWARNING | XML_PARSE_NOCDATA |
                        XML_PARSE_NOXINCNODE;
    _cleanup_(xmlFreeParserCtxtp) xmlParserCtxtPtr ctxt = NULL;
    _cleanup_(xmlFreeDocp) xmlDocPtr doc = NULL;
    _cleanup_(xml_freep) struct xml *x = NULL;
    size_t length = strlen(text);

    xml_init();
    if (length > XML_SIZE_MAX)
        return error_set(err, ERR_INPUT, "%s is larger than %llu MiB", what,
                         XML_SIZE_MAX / MIB);
    /* Refused before the parser sees it: entities are expanded in attributes
     * even where substitution is off.  The encoding is forced below, so
     * that the word cannot hide in another one.
     */
    if (strstr(text, "<!DOCTYPE"))
        return error_set(err, ERR_INPUT, "%s has a DOCTYPE", what);
    if (has_many_attributes(text))
        return error_set(err, ERR_INPUT,
                         "%s has an element with more than %d attributes", what,
                         ATTRIBUTES_MAX);
    ctxt = xmlNewParserCtxt();
    x = calloc(1, sizeof(*x));
    if (!ctxt || !x)
        return error_memory(err);
    doc = xmlCtxtReadMemory(ctxt, text, (int)length, NULL, "UTF-8", options);
    if (!doc)
        return parse_error(ctxt, what, err);
    if (doc->intSubset || doc->extSubset)
        return error_set(err, ERR_INPUT, "%s has a DOCTYPE", what);
    if (!xmlDocGetRootElement(doc))
        return error_set(err, ERR_INPUT, "%s is empty", what);
    x->doc = take(doc);
    *ret = take(x);
    return 0;
}

int xml_parse_as(const char *text, const char *what, const char *root,
                 struct xml **ret, struct error *err)
{
    _cleanup_(xml_freep) struct xml *x = NULL;

    if (xml_parse(text, what, &x, err) < 0)
        return -1;
    if (strcmp(xml_name(xml_root(x)), root) != 0)
        return error_set(err, ERR_INPUT, "%s starts with '%.40s'", what,
                         xml_name(xml_root(x)));
    *ret = take(x);
    return 0;
}

struct xml *xml_new(const char *root)
{
    _cleanup_(xml_freep) struct xml *x = calloc(1, sizeof(*x));
    xmlNodePtr node = NULL;

    xml_init();
    if (!x)
        return NULL;
    x->doc = xmlNewDoc(BAD_CAST "1.0");
    if (!x->doc)
        return NULL;
    node = xmlNewDocNode(x->doc, NULL, BAD_CAST root, NULL);
    if (!node)
        return NULL;
    xmlDocSetRootElement(x->doc, node);
    return take(x);
}

void xml_free(struct xml *x)
{
    if (!x)
        return;
    if (x->doc)
        xmlFreeDoc(x->doc);
    free(x);
}

struct xml_node *xml_root(const struct xml *x)
{
    return wrap(xmlDocGetRootElement(x->doc));
}

const char *xml_name(const struct xml_node *node)
{
    return text_of(raw(node)->name);
}

/* The first element from `node` on, along the siblings, of that name. */
static struct xml_node *find(xmlNodePtr node, const char *name)
{
    for (; node; node = node->next) {
        if (node->type != XML_ELEMENT_NODE || node->ns)
            continue;
        if (!name || strcmp(text_of(node->name), name) == 0)
            return wrap(node);
    }
    return NULL;
}

struct xml_node *xml_child(const struct xml_node *node, const char *name)
{
    return node ? find(raw(node)->children, name) : NULL;
}

struct xml_node *xml_next(const struct xml_node *node, const char *name)
{
    return node ? find(raw(node)->next, name) : NULL;
}

/* The text that is all there is from `node` on, or NULL. */
static const char *only_text(xmlNodePtr node)
{
    if (!node)
        return "";
    if (node->type != XML_TEXT_NODE || node->next)
        return NULL;
    return node->content ? text_of(node->content) : "";
}

const char *xml_attr(const struct xml_node *node, const char *name)
{
    if (!node)
        return NULL;
    for (xmlAttrPtr a = raw(node)->properties; a; a = a->next)
        if (!a->ns && strcmp(text_of(a->name), name) == 0)
            return only_text(a->children);
    return NULL;
}

const char *xml_content(const struct xml_node *node)
{
    return node ? only_text(raw(node)->children) : NULL;
}

/* ---- everything ---- */

static struct xml_node *find_any(xmlNodePtr node)
{
    while (node && node->type != XML_ELEMENT_NODE)
        node = node->next;
    return wrap(node);
}

struct xml_node *xml_first(const struct xml_node *node)
{
    return find_any(raw(node)->children);
}

struct xml_node *xml_following(const struct xml_node *node)
{
    return find_any(raw(node)->next);
}

struct xml_node *xml_parent(const struct xml_node *node)
{
    xmlNodePtr parent = raw(node)->parent;

    return parent && parent->type == XML_ELEMENT_NODE ? wrap(parent) : NULL;
}

bool xml_is_mixed(const struct xml_node *node)
{
    bool text = false;

    for (xmlNodePtr n = raw(node)->children; n; n = n->next)
        text |= n->type != XML_ELEMENT_NODE;
    return text && xml_first(node);
}

const char *xml_namespace(const struct xml_node *node)
{
    return raw(node)->ns ? text_of(raw(node)->ns->href) : NULL;
}

static xmlAttrPtr raw_attr(const struct xml_attribute *a)
{
    return (xmlAttrPtr)(uintptr_t)a;
}

const struct xml_attribute *xml_attr_first(const struct xml_node *node)
{
    return (const struct xml_attribute *)raw(node)->properties;
}

const struct xml_attribute *xml_attr_next(const struct xml_attribute *a)
{
    return (const struct xml_attribute *)raw_attr(a)->next;
}

const char *xml_attr_name(const struct xml_attribute *a)
{
    return text_of(raw_attr(a)->name);
}

const char *xml_attr_value(const struct xml_attribute *a)
{
    return only_text(raw_attr(a)->children);
}

bool xml_attr_has_namespace(const struct xml_attribute *a)
{
    return raw_attr(a)->ns != NULL;
}

/* ---- writing ---- */

/* Can `text` stand in an XML document?  libxml2 would write anything. */
static bool text_fits(const char *text)
{
    for (const char *c = text; *c; c++)
        if ((unsigned char)*c < 0x20 && *c != '\t' && *c != '\n')
            return false;
    return xmlCheckUTF8(BAD_CAST text) == 1;
}

static bool is_text(xmlNodePtr node)
{
    return node && node->type == XML_TEXT_NODE;
}

struct xml_node *xml_add(struct xml *x, struct xml_node *parent,
                         const char *name, const char *text)
{
    xmlNodePtr node = NULL;

    if (!parent)
        return NULL;
    if (text && !text_fits(text)) {
        x->bad_text = true;
        text = NULL;
    }
    if (!xml_first(parent) && is_text(raw(parent)->children))
        xml_set_content(x, parent, "");
    node = xmlNewTextChild(raw(parent), NULL, BAD_CAST name, BAD_CAST text);
    if (!node)
        x->no_memory = true;
    return wrap(node);
}

void xml_set(struct xml *x, struct xml_node *node, const char *name,
             const char *value)
{
    if (!node)
        return;
    if (!text_fits(value))
        x->bad_text = true;
    else if (!xmlSetProp(raw(node), BAD_CAST name, BAD_CAST value))
        x->no_memory = true;
}

void xml_set_content(struct xml *x, struct xml_node *node, const char *text)
{
    xmlNodePtr content = NULL;

    if (!node)
        return;
    if (!text_fits(text)) {
        x->bad_text = true;
        return;
    }
    content = text[0] ? xmlNewDocText(x->doc, BAD_CAST text) : NULL;
    if (text[0] && !content) {
        x->no_memory = true;
        return;
    }
    while (raw(node)->children) {
        xmlNodePtr child = raw(node)->children;

        xmlUnlinkNode(child);
        xmlFreeNode(child);
    }
    if (content)
        xmlAddChild(raw(node), content);
}

void xml_unset(struct xml_node *node, const char *name)
{
    if (node)
        xmlUnsetProp(raw(node), BAD_CAST name);
}

void xml_remove(struct xml_node *node)
{
    if (!node)
        return;
    xmlUnlinkNode(raw(node));
    xmlFreeNode(raw(node));
}

void xml_clear(struct xml_node *node)
{
    while (raw(node)->properties)
        xmlRemoveProp(raw(node)->properties);
    while (raw(node)->children)
        xml_remove(wrap(raw(node)->children));
}

/* The node behind `node` in document order.  Without recursion: trees are deep.
 */
static xmlNodePtr next_node(xmlNodePtr node)
{
    if (node->type == XML_ELEMENT_NODE && node->children)
        return node->children;
    while (!node->next) {
        node = node->parent;
        if (!node || node->type != XML_ELEMENT_NODE)
            return NULL;
    }
    return node->next;
}

/* Make one text of `node` and the texts that follow it, in one go: there may be
 * very many.
 */
static void join_texts(struct xml *x, xmlNodePtr node)
{
    _cleanup_free_ char *text = NULL;
    size_t length = 0;
    FILE *out = open_memstream(&text, &length);

    if (!out) {
        x->no_memory = true;
        return;
    }
    for (xmlNodePtr n = node; is_text(n); n = n->next)
        fputs(n->content ? text_of(n->content) : "", out);
    if (text_stream_end(out, &text) < 0) {
        x->no_memory = true;
        return;
    }
    while (is_text(node->next))
        xml_remove(wrap(node->next));
    xmlNodeSetContent(node, BAD_CAST text);
    if (!node->content)
        x->no_memory = true;
}

void xml_strip(struct xml *x)
{
    xmlNodePtr next = NULL;

    for (xmlNodePtr n = x->doc->children; n; n = next) {
        next = next_node(n);
        if (n->type == XML_COMMENT_NODE || n->type == XML_PI_NODE)
            xml_remove(wrap(n));
    }
    for (xmlNodePtr n = x->doc->children; n; n = next) {
        if (is_text(n) && is_text(n->next))
            join_texts(x, n);
        next = next_node(n);
        /* What is beside a text now is an element. */
        if (is_text(n) && (n->prev || n->next) && xmlIsBlankNode(n))
            xml_remove(wrap(n));
    }
}

int xml_write(struct xml *x, char **ret, struct error *err)
{
    xmlChar *buffer = NULL;
    char *copy = NULL;
    int length = 0;

    if (x->no_memory)
        return error_memory(err);
    if (x->bad_text)
        return error_set(err, ERR_INPUT,
                         "Cannot write XML: a name or text has control "
                         "characters or is not UTF-8");
    xmlDocDumpFormatMemoryEnc(x->doc, &buffer, &length, "UTF-8", 1);
    if (!buffer)
        return error_memory(err);
    copy = strndup((const char *)buffer, (size_t)length);
    xmlFree(buffer);
    if (!copy)
        return error_memory(err);
    *ret = copy;
    return 0;
}
