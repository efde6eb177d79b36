/* SPDX-License-Identifier: Apache-2.0 */
#ifndef COMMON_XML_XML_H
#define COMMON_XML_XML_H
/* XML in and out.  What comes in is read whole, bounded by its caller, without document types, entities of its own or any
 * look outside; what goes out is written by hand with xml_escape().  A document is one owner's. */
#include "common/base/str.h"

struct xml;      /* a document */
struct xml_node; /* an element; lives as long as its document */

/* ERROR_INVALID for what is not well-formed, has a DOCTYPE, or nests deeper than 32. */
struct error *xml_parse(const char *text, size_t len, struct xml **ret) _must_check_;
void xml_free(struct xml *x);
DEFINE_CLEANUP(struct xml *, xml_free)
const struct xml_node *xml_root(const struct xml *x);
/* The local name, whatever its namespace. */
const char *xml_name(const struct xml_node *n);
/* The first child element, the next sibling element; NULL: none. */
const struct xml_node *xml_child(const struct xml_node *n);
const struct xml_node *xml_next(const struct xml_node *n);
/* The text of an element, allocated. */
char *xml_content(const struct xml_node *n);

/* What becomes of the control characters that XML 1.0 cannot hold. */
enum xml_controls {
    XML_REPLACED,  /* U+FFFD, so that every reader takes the document */
    XML_REFERENCE, /* &#x1;: not well-formed, and what S3 answers where a key must be told as it is */
};
/* Appends text, fit for content and for an attribute in either quotes. */
void xml_escape(struct str *out, const char *text, enum xml_controls controls);
/* <name>text</name> with references; nothing for NULL. */
void xml_element(struct str *out, const char *name, const char *text);
#endif
