/* SPDX-License-Identifier: Apache-2.0 */
#include <config.h>
#include "common/mq/url.h"
#include "common/base/mem.h"
#include "common/base/str.h"

/* Decodes len bytes; NULL where an escape is broken or yields NUL. */
static char *decode(const char *text, size_t len)
{
    _cleanup_str_ struct str out = STR_INIT;
    for (size_t i = 0; i < len; i++) {
        unsigned char byte = (unsigned char)text[i];
        if (byte == '%') {
            if (len - i < 3)
                return NULL;
            const char digits[3] = {text[i + 1], text[i + 2], '\0'};
            struct error *e = hex_decode(digits, &byte, 1);
            if (e) {
                error_ignore(e);
                return NULL;
            }
            i += 2;
        }
        if (!byte)
            return NULL;
        str_add_char(&out, (char)byte);
    }
    return str_take(&out);
}

void mq_url_free(struct mq_url *u)
{
    if (u->password)
        wipe(u->password, strlen(u->password));
    free(u->user);
    free(u->password);
    free(u->host);
    free(u->vhost);
    *u = (struct mq_url){0};
}

static struct error *parse_host(const char *text, size_t len, struct mq_url *u)
{
    const char *colon = memrchr(text, ':', len);
    size_t host_len = colon ? (size_t)(colon - text) : len;
    uint64_t port = 5672;
    if (colon) {
        _cleanup_free_ char *digits = xstrndup(colon + 1, len - host_len - 1);
        RETURN_IF_ERROR(error_wrap(parse_u64(digits, 65535, &port), "port of the broker's URL"));
    }
    u->host = decode(text, host_len);
    if (!u->host || !*u->host || !port)
        return error_new(ERROR_INVALID, "the broker's URL names no host and port");
    u->port = (uint16_t)port;
    return NULL;
}

static struct error *parse_user(const char *text, size_t len, struct mq_url *u)
{
    const char *colon = memchr(text, ':', len);
    if (!colon)
        return error_new(ERROR_INVALID, "the broker's URL has no password");
    u->user = decode(text, (size_t)(colon - text));
    u->password = decode(colon + 1, len - (size_t)(colon - text) - 1);
    if (!u->user || !*u->user || !u->password)
        return error_new(ERROR_INVALID, "user or password of the broker's URL is badly encoded");
    return NULL;
}

struct error *mq_url_parse(const char *text, struct mq_url *ret)
{
    static const char scheme[] = "amqp://";
    _cleanup_(mq_url_free) struct mq_url u = {0};
    if (!str_starts(text, scheme))
        return error_new(ERROR_INVALID, "the broker's URL does not begin with %s", scheme);
    text += strlen(scheme);
    size_t len = strcspn(text, "/");
    const char *at = memrchr(text, '@', len);
    if (!at)
        return error_new(ERROR_INVALID, "the broker's URL has no user");
    RETURN_IF_ERROR(parse_user(text, (size_t)(at - text), &u));
    RETURN_IF_ERROR(parse_host(at + 1, len - (size_t)(at - text) - 1, &u));
    const char *vhost = text[len] && text[len + 1] ? text + len + 1 : "/";
    u.vhost = decode(vhost, strlen(vhost));
    if (!u.vhost)
        return error_new(ERROR_INVALID, "the virtual host of the broker's URL is badly encoded");
    *ret = u;
    u = (struct mq_url){0};
    return NULL;
}
