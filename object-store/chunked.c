/* SPDX-License-Identifier: Apache-2.0 */
#include <config.h>
#include "object-store/chunked.h"
#include <strings.h>
#include "common/base/array.h"
#include "common/base/str.h"
#include "common/crypto/digest.h"
#include "object-store/s3-error.h"

#define LINE_MAX_    1024
#define TRAILERS_MAX 16
#define EMPTY_SHA256 "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"

enum state {
    HEAD,     /* "size[;chunk-signature=…]" up to CR LF */
    DATA,
    DATA_END, /* CR LF behind a chunk */
    TRAILER,  /* lines up to an empty one */
    OVER,
};

struct trailer {
    char *name, *value;
};

struct chunked {
    enum chunked_mode mode;
    struct sigv4_result sig;
    char last[65]; /* the signature before */
    enum state state;
    struct str line;
    uint64_t left, size, max;
    char chunk_signature[65];
    struct digest *digest;
    ARRAY(struct trailer) trailers;
    bool trailer_signed;
    void (*out)(void *arg, const void *data, size_t len);
    void *arg;
};

struct chunked *chunked_new(enum chunked_mode mode, const struct sigv4_result *sig, uint64_t max,
                            void (*out)(void *arg, const void *data, size_t len), void *arg)
{
    struct chunked *c = xnew0(struct chunked);
    c->mode = mode;
    c->sig = *sig;
    memcpy(c->last, sig->signature, sizeof c->last);
    c->max = max;
    c->out = out;
    c->arg = arg;
    return c;
}

void chunked_free(struct chunked *c)
{
    if (!c)
        return;
    array_each (&c->trailers, t) {
        free(t->name);
        free(t->value);
    }
    array_free(&c->trailers);
    str_free(&c->line);
    digest_free(c->digest);
    wipe(&c->sig, sizeof c->sig);
    free(c);
}

static struct error *malformed(const char *what)
{
    return error_new(S3_INCOMPLETE_BODY, "The aws-chunked body is malformed: %s.", what);
}

/* The next signature of the chain must be `claimed`. */
static struct error *check_link(struct chunked *c, const char *kind, const char *middle,
                                const char *hash, const char *claimed)
{
    unsigned char mac[32];
    _cleanup_free_ char *text =
        xasprintf("AWS4-HMAC-SHA256-%s\n%s\n%.8s/%s/%s/aws4_request\n%s\n%s%s", kind, c->sig.date,
                  c->sig.date, c->sig.region, c->sig.service, c->last, middle, hash);
    hmac_sha256(c->sig.key, sizeof c->sig.key, text, strlen(text), mac);
    _cleanup_free_ char *want = hex_encode(mac, sizeof mac);
    if (strlen(claimed) != 64 || !secret_equal(want, claimed, 64))
        return error_new_code(&S3_SIGNATURE, "%s", S3_SIGNATURE.message);
    memcpy(c->last, claimed, 65);
    return NULL;
}

static struct error *end_chunk(struct chunked *c)
{
    unsigned char raw[DIGEST_MAX];
    size_t len = 0;
    if (c->mode == CHUNKED_UNSIGNED_TRAILER)
        return NULL;
    digest_final(c->digest, raw, &len);
    digest_free(c->digest);
    c->digest = NULL;
    _cleanup_free_ char *hash = hex_encode(raw, len);
    return check_link(c, "PAYLOAD", EMPTY_SHA256 "\n", hash, c->chunk_signature);
}

static struct error *parse_size(const char *line, size_t digits, uint64_t *ret)
{
    uint64_t n = 0;
    if (!digits || digits > 15)
        return malformed("a chunk has no valid size");
    for (size_t i = 0; i < digits; i++) {
        const char *hex = "0123456789abcdef";
        char ch = line[i] >= 'A' && line[i] <= 'F' ? (char)(line[i] + 32) : line[i];
        const char *at = ch ? strchr(hex, ch) : NULL;
        if (!at)
            return malformed("a chunk has no valid size");
        n = n << 4 | (uint64_t)(at - hex);
    }
    *ret = n;
    return NULL;
}

static struct error *take_head(struct chunked *c)
{
    static const char name[] = ";chunk-signature=";
    const char *line = str_text(&c->line);
    size_t digits = strcspn(line, ";");
    RETURN_IF_ERROR(parse_size(line, digits, &c->left));
    if (c->mode != CHUNKED_UNSIGNED_TRAILER) {
        if (!str_starts(line + digits, name) || strlen(line + digits + sizeof name - 1) != 64)
            return malformed("a chunk has no signature");
        memcpy(c->chunk_signature, line + digits + sizeof name - 1, 65);
        c->digest = digest_new(DIGEST_SHA256);
    }
    if (c->left > c->max - c->size)
        return error_new_code(&S3_ENTITY_TOO_LARGE, "%s", S3_ENTITY_TOO_LARGE.message);
    if (c->left) {
        c->state = DATA;
        return NULL;
    }
    RETURN_IF_ERROR(end_chunk(c));
    c->state = TRAILER;
    return NULL;
}

static struct error *check_trailers(struct chunked *c, const char *signature)
{
    struct str text = STR_INIT;
    array_each (&c->trailers, t)
        str_printf(&text, "%s:%s\n", t->name, t->value);
    _cleanup_free_ char *hash = sha256_hex(str_text(&text), text.len);
    str_free(&text);
    c->trailer_signed = true;
    return check_link(c, "TRAILER", "", hash, signature);
}

static struct error *take_trailer(struct chunked *c)
{
    char *line = c->line.data, *colon = line ? strchr(line, ':') : NULL;
    if (!c->line.len) {
        c->state = OVER;
        return NULL;
    }
    if (!colon || c->mode == CHUNKED_SIGNED || c->trailers.len >= TRAILERS_MAX || c->trailer_signed)
        return malformed("a trailing header is not expected");
    *colon = 0;
    for (char *p = line; *p; p++)
        *p = *p >= 'A' && *p <= 'Z' ? (char)(*p + 32) : *p;
    const char *value = colon + 1 + strspn(colon + 1, " \t");
    if (streq(line, "x-amz-trailer-signature"))
        return c->mode == CHUNKED_SIGNED_TRAILER ? check_trailers(c, value)
                                                 : malformed("a trailer signature is not expected");
    array_push(&c->trailers, ((struct trailer){xstrdup(line), xstrdup(value)}));
    return NULL;
}

/* One byte of a line; *ret_whole where it ended. */
static struct error *take_byte(struct chunked *c, char byte, bool *ret_whole)
{
    *ret_whole = false;
    if (byte == '\n') {
        if (!c->line.len || c->line.data[c->line.len - 1] != '\r')
            return malformed("a line does not end with CR LF");
        c->line.data[--c->line.len] = 0;
        *ret_whole = true;
        return NULL;
    }
    if (c->line.len >= LINE_MAX_ || !byte)
        return malformed("a line is too long");
    str_add_char(&c->line, byte);
    return NULL;
}

static struct error *take_line(struct chunked *c)
{
    struct error *e = NULL;
    if (c->state == HEAD)
        e = take_head(c);
    else if (c->state == TRAILER)
        e = take_trailer(c);
    else if (c->line.len)
        e = malformed("a chunk is longer than its size");
    else
        c->state = HEAD;
    str_clear(&c->line);
    return e;
}

static struct error *take_data(struct chunked *c, const char *data, size_t len)
{
    if (c->digest)
        digest_add(c->digest, data, len);
    c->out(c->arg, data, len);
    c->size += len;
    c->left -= len;
    if (c->left)
        return NULL;
    c->state = DATA_END;
    return end_chunk(c);
}

struct error *chunked_feed(struct chunked *c, const char *data, size_t len)
{
    while (len) {
        size_t n = 1;
        bool whole = false;
        if (c->state == OVER)
            return malformed("there are bytes behind its end");
        if (c->state == DATA) {
            n = c->left < len ? (size_t)c->left : len;
            RETURN_IF_ERROR(take_data(c, data, n));
        } else {
            RETURN_IF_ERROR(take_byte(c, *data, &whole));
            if (whole)
                RETURN_IF_ERROR(take_line(c));
        }
        data += n;
        len -= n;
    }
    return NULL;
}

struct error *chunked_end(struct chunked *c, uint64_t *ret_size)
{
    /* Some clients leave the last empty line out. */
    if (c->state != OVER && !(c->state == TRAILER && !c->line.len && c->mode != CHUNKED_SIGNED_TRAILER))
        return malformed("it ends early");
    if (c->mode == CHUNKED_SIGNED_TRAILER && !c->trailer_signed)
        return malformed("the trailer signature is missing");
    *ret_size = c->size;
    return NULL;
}

const char *chunked_trailer(const struct chunked *c, const char *name)
{
    array_each (&c->trailers, t)
        if (streq(t->name, name))
            return t->value;
    return NULL;
}
