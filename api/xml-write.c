/* SPDX-License-Identifier: Apache-2.0 */
#include <config.h>
#include "api/xml-write.h"
#include "common/base/clock.h"
#include "common/xml/xml.h"

#define DECLARATION "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n"

static void element(struct str *out, const char *name, const char *text)
{
    str_printf(out, "<%s>", name);
    xml_escape(out, text, XML_REPLACED);
    str_printf(out, "</%s>", name);
}

static void write_list(struct str *out, enum xml_dialect dialect, const struct api_field *f,
                       const struct api_list *list)
{
    const char *item = dialect == XML_EC2 ? "item" : "member";
    if (!list->len) {
        str_printf(out, "<%s/>", f->wire);
        return;
    }
    str_printf(out, "<%s>", f->wire);
    for (size_t i = 0; i < list->len; i++) {
        const void *at = (const char *)list->data + i * api_element_size(f);
        if (f->type == API_SHAPE) {
            str_printf(out, "<%s>", item);
            xml_members(out, dialect, f->shape, at);
            str_printf(out, "</%s>", item);
        } else {
            element(out, item, *(char *const *)at);
        }
    }
    str_printf(out, "</%s>", f->wire);
}

static void write_scalar(struct str *out, const struct api_field *f, const void *at)
{
    switch (f->type) {
    case API_STRING:
        element(out, f->wire, *(char *const *)at);
        break;
    case API_INTEGER:
        str_printf(out, "<%s>%jd</%s>", f->wire, (intmax_t) * (const int64_t *)at, f->wire);
        break;
    case API_BOOLEAN:
        element(out, f->wire, *(const bool *)at ? "true" : "false");
        break;
    case API_TIMESTAMP: {
        _cleanup_free_ char *text = clock_iso8601(*(const int64_t *)at);
        element(out, f->wire, text);
        break;
    }
    case API_SHAPE:
        break;
    }
}

void xml_members(struct str *out, enum xml_dialect dialect, const struct api_shape *shape, const void *value)
{
    for (size_t i = 0; i < shape->len; i++) {
        const struct api_field *f = &shape->fields[i];
        const void *at = api_at_const(f, value);
        bool pointer = f->type == API_STRING || f->type == API_SHAPE;
        if (f->list) {
            write_list(out, dialect, f, at);
        } else if (!api_has(f, value) || (pointer && !*(void *const *)at)) {
            continue;
        } else if (f->type == API_SHAPE) {
            str_printf(out, "<%s>", f->wire);
            xml_members(out, dialect, f->shape, *(void *const *)at);
            str_printf(out, "</%s>", f->wire);
        } else {
            write_scalar(out, f, at);
        }
    }
}

void xml_answer(struct str *out, enum xml_dialect dialect, const char *action, const char *xmlns,
                const char *request_id, const struct api_shape *shape, const void *value)
{
    str_printf(out, DECLARATION "<%sResponse xmlns=\"", action);
    xml_escape(out, xmlns, XML_REPLACED);
    str_add(out, "\">");
    if (dialect == XML_EC2) {
        element(out, "requestId", request_id);
        xml_members(out, dialect, shape, value);
    } else {
        str_printf(out, "<%sResult>", action);
        xml_members(out, dialect, shape, value);
        str_printf(out, "</%sResult><ResponseMetadata>", action);
        element(out, "RequestId", request_id);
        str_add(out, "</ResponseMetadata>");
    }
    str_printf(out, "</%sResponse>", action);
}

void xml_empty_set(struct str *out, const char *action, const char *xmlns, const char *request_id, const char *set)
{
    str_printf(out, DECLARATION "<%sResponse xmlns=\"", action);
    xml_escape(out, xmlns, XML_REPLACED);
    str_add(out, "\">");
    element(out, "requestId", request_id);
    str_printf(out, "<%s/></%sResponse>", set, action);
}

void xml_error(struct str *out, enum xml_dialect dialect, const char *code, int status, const char *message,
               const char *request_id)
{
    bool ec2 = dialect == XML_EC2;
    str_add(out, ec2 ? DECLARATION "<Response><Errors><Error>" : DECLARATION "<ErrorResponse><Error>");
    if (!ec2)
        element(out, "Type", status < 500 ? "Sender" : "Receiver");
    element(out, "Code", code);
    element(out, "Message", message);
    str_add(out, ec2 ? "</Error></Errors>" : "</Error>");
    element(out, ec2 ? "RequestID" : "RequestId", request_id);
    str_add(out, ec2 ? "</Response>" : "</ErrorResponse>");
}
