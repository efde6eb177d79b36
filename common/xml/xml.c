/* SPDX-License-Identifier: Apache-2.0 */
#include <config.h>
#include "common/xml/xml.h"
#include <limits.h>
#include <libxml/parser.h>
#include <libxml/tree.h>
#include "common/base/mem.h"

#define DEPTH_MAX 32

struct xml {
    xmlDoc *doc;
};

static bool too_deep(const xmlNode *n, unsigned depth)
{
    for (; n; n = n->next)
        if (depth > DEPTH_MAX || (n->type == XML_ELEMENT_NODE && too_deep(n->children, depth + 1)))
            return true;
    return false;
}

struct error *xml_parse(const char *text, size_t len, struct xml **ret)
{
    const int options = XML_PARSE_NONET | XML_PARSE_NOERROR | XML_PARSE_NOWARNING | XML_PARSE_NOCDATA;
    if (len > INT_MAX || memmem(text, len, "<!DOCTYPE", 9))
        return error_new(ERROR_INVALID, "the XML has a document type or is too long");
    xmlDoc *doc = xmlReadMemory(text, (int)len, NULL, NULL, options);
    if (!doc)
        return error_new(ERROR_INVALID, "the XML is not well-formed");
    const xmlNode *root = xmlDocGetRootElement(doc);
    if (doc->intSubset || !root || too_deep(root, 1)) {
        xmlFreeDoc(doc);
        return error_new(ERROR_INVALID, "the XML has a document type or nests too deep");
    }
    struct xml *x = xnew0(struct xml);
    x->doc = doc;
    *ret = x;
    return NULL;
}

void xml_free(struct xml *x)
{
    if (!x)
        return;
    xmlFreeDoc(x->doc);
    free(x);
}

static const struct xml_node *element(const xmlNode *n)
{
    while (n && n->type != XML_ELEMENT_NODE)
        n = n->next;
    return (const struct xml_node *)n;
}

const struct xml_node *xml_root(const struct xml *x)
{
    return element(xmlDocGetRootElement(x->doc));
}

const char *xml_name(const struct xml_node *n)
{
    return (const char *)((const xmlNode *)n)->name;
}

const struct xml_node *xml_child(const struct xml_node *n)
{
    return element(((const xmlNode *)n)->children);
}

const struct xml_node *xml_next(const struct xml_node *n)
{
    return element(((const xmlNode *)n)->next);
}

char *xml_content(const struct xml_node *n)
{
    xmlChar *text = xmlNodeGetContent((const xmlNode *)n);
    char *own = xstrdup(text ? (const char *)text : "");
    xmlFree(text);
    return own;
}

static void add_control(struct str *out, unsigned char c, enum xml_controls controls)
{
    if (c == '\t' || c == '\n')
        str_add_char(out, (char)c);
    else if (c == '\r' || controls == XML_REFERENCE)
        str_printf(out, "&#x%X;", c);
    else
        str_add(out, "\xef\xbf\xbd");
}

void xml_escape(struct str *out, const char *text, enum xml_controls controls)
{
    for (const unsigned char *p = (const unsigned char *)text; *p; p++) {
        switch (*p) {
        case '&':
            str_add(out, "&amp;");
            break;
        case '<':
            str_add(out, "&lt;");
            break;
        case '>':
            str_add(out, "&gt;");
            break;
        case '"':
            str_add(out, "&quot;");
            break;
        case '\'':
            str_add(out, "&apos;");
            break;
        default:
            if (*p < ' ')
                add_control(out, *p, controls);
            else
                str_add_char(out, (char)*p);
        }
    }
}

void xml_element(struct str *out, const char *name, const char *text)
{
    if (!text)
        return;
    str_printf(out, "<%s>", name);
    xml_escape(out, text, XML_REFERENCE);
    str_printf(out, "</%s>", name);
}
