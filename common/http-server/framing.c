/* SPDX-License-Identifier: Apache-2.0 */
#include <config.h>
#include <stdint.h>
#include <strings.h>
#include "common/http-server/internal.h"

struct framing {
    struct http_request *request;
    unsigned lengths, encodings, hosts;
    bool bad, chunked, digits;
    uint64_t length;
};

static bool name_valid(const char *name, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        unsigned char c = (unsigned char)name[i];
        if (c <= ' ' || c >= 127 || c == ':')
            return false;
    }
    return len > 0;
}

static bool value_valid(const char *value, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        unsigned char c = (unsigned char)value[i];
        if ((c < ' ' && c != '\t') || c == 127)
            return false;
    }
    return true;
}

static void take_length(struct framing *f, const char *value)
{
    f->lengths++;
    f->digits = *value != 0;
    f->length = 0;
    for (const char *p = value; *p; p++) {
        if (*p < '0' || *p > '9' || f->length > (UINT64_MAX >> 5))
            f->digits = false;
        f->length = f->length * 10 + (uint64_t)(*p - '0');
    }
}

static enum MHD_Result take_header(void *arg, enum MHD_ValueKind kind, const char *name,
                                   size_t name_len, const char *value, size_t value_len)
{
    struct framing *f = arg;
    (void)kind;
    if (!value)
        value = "";
    if (strlen(name) != name_len || strlen(value) != value_len || !name_valid(name, name_len) ||
        !value_valid(value, value_len))
        f->bad = true;
    if (!strcasecmp(name, "Content-Length")) {
        take_length(f, value);
    } else if (!strcasecmp(name, "Transfer-Encoding")) {
        f->encodings++;
        f->chunked = !strcasecmp(value, "chunked");
    } else if (!strcasecmp(name, "Host")) {
        f->hosts++;
    }
    array_push(&f->request->headers, ((struct http_header){name, value}));
    return MHD_YES;
}

static bool target_valid(const struct http_request *r)
{
    const char *parts[] = {r->path, r->query ? r->query : ""};
    for (size_t i = 0; i < ARRAY_SIZE(parts); i++)
        for (const unsigned char *p = (const unsigned char *)parts[i]; *p; p++)
            if (*p <= ' ' || *p == 127)
                return false;
    return r->path[0] == '/' || streq(r->path, "*");
}

int http_framing_check(struct http_request *r, const char *method, const char *version)
{
    struct framing f = {.request = r};
    bool takes_body = streq(method, "PUT") || streq(method, "POST");
    MHD_get_connection_values_n(r->connection, MHD_HEADER_KIND, take_header, &f);
    if (f.bad || f.lengths > 1 || f.encodings > 1 || (f.lengths && f.encodings) || !target_valid(r))
        return 400;
    if (f.encodings && !f.chunked)
        return 501;
    if (f.encodings && !streq(version, "HTTP/1.1"))
        return 400;
    if (f.lengths && !f.digits)
        return 400;
    if (f.hosts != 1 && !(f.hosts == 0 && streq(version, "HTTP/1.0")))
        return 400;
    if (takes_body && !f.lengths && !f.encodings && !r->server->length_optional)
        return 411;
    r->length = f.encodings ? -1 : (int64_t)f.length;
    if (f.length > r->server->limits.max_body)
        return 413;
    return 0;
}
