/* SPDX-License-Identifier: Apache-2.0 */
#include <config.h>
#include "common/base/array.h"
#include "common/base/str.h"
#include "common/crypto/base64.h"
#include "common/crypto/digest.h"
#include "node-controller/metadata/metadata.h"
#include "node-controller/metadata/tree.h"

#define TTL_MAX        21600
#define USER_DATA_MAX  16384
#define TOKEN_SIZE     (8 + SHA256_SIZE) /* expiry, MAC */
#define TOKEN_TEXT_MAX 128
#define PARTS_MAX      16
#define TEXT           "text/plain"

static const char *const versions[] = {
    "1.0",        "2007-01-19", "2007-03-01", "2007-08-29", "2007-10-10", "2007-12-15", "2008-02-01", "2008-09-01", "2009-04-04",
    "2011-01-01", "2011-05-01", "2012-01-12", "2014-02-25", "2014-11-05", "2015-10-20", "2016-04-19", "2016-06-30", "2016-09-02",
    "2018-03-28", "2018-08-17", "2018-09-24", "2019-10-01", "2020-10-27", "2021-01-03", "2021-03-23", "latest",
};

void metadata_answer_free(struct metadata_answer *a)
{
    free(a->body);
    a->body = NULL;
}

/* ---- answers ---- */

static void say_n(struct metadata_answer *ret, int status, const char *type, char *take, size_t len)
{
    ret->status = status;
    ret->type = type;
    ret->body = take;
    ret->len = len;
}

static void say(struct metadata_answer *ret, char *take)
{
    say_n(ret, 200, TEXT, take, strlen(take));
}

static void refuse(struct metadata_answer *ret, int status)
{
    static const struct {
        int status;
        const char *text;
    } names[] = {{400, "Bad Request"}, {401, "Unauthorized"}, {403, "Forbidden"}, {404, "Not Found"}, {405, "Method Not Allowed"}};
    const char *text = "Error";
    for (size_t k = 0; k < ARRAY_SIZE(names); k++)
        if (names[k].status == status)
            text = names[k].text;
    char *body = xasprintf("<?xml version=\"1.0\" encoding=\"iso-8859-1\"?>\n"
                           "<!DOCTYPE html PUBLIC \"-//W3C//DTD XHTML 1.0 Transitional//EN\"\n"
                           "\t\"http://www.w3.org/TR/xhtml1/DTD/xhtml1-transitional.dtd\">\n"
                           "<html xmlns=\"http://www.w3.org/1999/xhtml\" xml:lang=\"en\" lang=\"en\">\n"
                           " <head>\n  <title>%d - %s</title>\n </head>\n <body>\n  <h1>%d - %s</h1>\n </body>\n</html>\n",
                           status, text, status, text);
    say_n(ret, status, "text/html", body, strlen(body));
}

static void refuse_method(struct metadata_answer *ret, const char *allow)
{
    refuse(ret, 405);
    ret->allow = allow;
}

/* ---- tokens ---- */

static void sign(const unsigned char *secret, const struct id *instance, const unsigned char expiry[8],
                 unsigned char ret[SHA256_SIZE])
{
    static const char purpose[] = "imds-token";
    struct str bound = STR_INIT;
    str_add_n(&bound, purpose, sizeof purpose);
    str_add_n(&bound, instance->text, strlen(instance->text) + 1);
    str_add_n(&bound, expiry, 8);
    hmac_sha256(secret, METADATA_SECRET_SIZE, bound.data, bound.len, ret);
    str_free(&bound);
}

static char *make_token(const unsigned char *secret, const struct id *instance, uint64_t expires_s)
{
    unsigned char token[TOKEN_SIZE];
    for (int k = 0; k < 8; k++)
        token[k] = (unsigned char)(expires_s >> (56 - 8 * k));
    sign(secret, instance, token, token + 8);
    return base64_encode(token, sizeof token);
}

static bool token_holds(const unsigned char *secret, const struct id *instance, const char *text, int64_t now_ms)
{
    unsigned char want[SHA256_SIZE];
    _cleanup_free_ unsigned char *token = NULL;
    size_t len = 0;
    uint64_t expires = 0, now = (uint64_t)now_ms / 1000;
    struct error *e = base64_decode(text, TOKEN_TEXT_MAX, &token, &len);
    if (e || len != TOKEN_SIZE) {
        error_free(e);
        return false;
    }
    sign(secret, instance, token, want);
    if (!secret_equal(want, token + 8, SHA256_SIZE))
        return false;
    for (int k = 0; k < 8; k++)
        expires = expires << 8 | token[k];
    /* The second bound: a clock that was set back does not make tokens last. */
    return now < expires && expires - now <= TTL_MAX;
}

static const json_t *settings(const json_t *body)
{
    return json_object_get(body, "metadata");
}

static void give_token(const unsigned char *secret, const struct id *instance, const json_t *body, const struct metadata_ask *ask,
                       int64_t now_ms, struct metadata_answer *ret)
{
    uint64_t ttl = 0, hops = json_get_u64(settings(body), "hop_limit", 1);
    if (!streq(ask->method, "PUT")) {
        refuse_method(ret, "OPTIONS, PUT");
        return;
    }
    if (ask->forwarded) { /* it came through a proxy that somebody else may use */
        refuse(ret, 403);
        return;
    }
    struct error *e = ask->ttl ? parse_u64(ask->ttl, TTL_MAX, &ttl) : NULL;
    if (e || ttl < 1) {
        error_free(e);
        refuse(ret, 400);
        return;
    }
    say(ret, make_token(secret, instance, (uint64_t)now_ms / 1000 + ttl));
    ret->token_ttl = (unsigned)ttl;
    ret->hops = hops >= 1 && hops <= 64 ? (unsigned)hops : 1;
}

/* ---- the tree ---- */

static int compare_names(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* The names of a folder, folders with a slash behind. */
static char *list(json_t *folder)
{
    ARRAY(const char *) names = {0};
    struct str out = STR_INIT;
    const char *name;
    json_t *child;
    json_object_foreach (folder, name, child)
        array_push(&names, name);
    if (names.len)
        qsort(names.data, names.len, sizeof *names.data, compare_names);
    array_each (&names, n)
        str_printf(&out, "%s%s%s", out.len ? "\n" : "", *n, json_is_object(json_object_get(folder, *n)) ? "/" : "");
    array_free(&names);
    return str_take(&out);
}

struct path {
    char *parts[PARTS_MAX];
    size_t len;
    bool slash; /* it ends with one */
    bool bad;
};

static void path_free(struct path *p)
{
    for (size_t k = 0; k < p->len; k++)
        free(p->parts[k]);
}

/* Slashes that follow each other count as one. */
static struct path split(const char *text)
{
    struct path p = {.slash = str_ends(text, "/")};
    const char *cursor = text;
    for (char *piece; (piece = str_next_piece(&cursor, '/')) != NULL;) {
        if (!*piece || p.len == PARTS_MAX) {
            p.bad |= *piece != '\0';
            free(piece);
            continue;
        }
        p.parts[p.len++] = piece;
    }
    return p;
}

/* Answers the parts from `at` on out of the tree, which it takes. */
static void walk(json_t *tree, const struct path *p, size_t at, struct metadata_answer *ret)
{
    json_t *node = tree;
    for (size_t k = at; node && k < p->len; k++)
        node = json_is_object(node) ? json_object_get(node, p->parts[k]) : NULL;
    if (json_is_object(node))
        say(ret, list(node));
    else if (json_is_string(node) && !p->slash)
        say(ret, xstrdup(json_string_value(node)));
    else
        refuse(ret, 404);
    json_decref(tree);
}

static void meta_data(const struct id *instance, const json_t *body, const struct path *p, struct metadata_answer *ret)
{
    const char *key = json_get_string(body, "key_name", "");
    /* A listing with a form of its own. */
    if (p->len == 3 && streq(p->parts[2], "public-keys") && json_get_string(body, "public_key", NULL))
        say(ret, xasprintf("0=%s", key));
    else
        walk(tree_meta_data(instance, body), p, 2, ret);
}

static void user_data(const json_t *body, const struct path *p, struct metadata_answer *ret)
{
    const char *text = json_get_string(body, "user_data", NULL);
    unsigned char *data = NULL;
    size_t len = 0;
    struct error *e = text ? base64_decode(text, USER_DATA_MAX * 4 / 3 + 4, &data, &len) : NULL;
    if (!text || e || p->len > 2 || p->slash)
        refuse(ret, 404);
    else
        say_n(ret, 200, "application/octet-stream", (char *)TAKE_PTR(data), len);
    error_free(e);
    free(data);
}

static bool known_version(const char *text)
{
    for (size_t k = 0; k < ARRAY_SIZE(versions); k++)
        if (streq(text, versions[k]))
            return true;
    return false;
}

static char *list_versions(void)
{
    struct str out = STR_INIT;
    for (size_t k = 0; k < ARRAY_SIZE(versions); k++)
        str_printf(&out, "%s%s", k ? "\n" : "", versions[k]);
    return str_take(&out);
}

static void get(const struct id *instance, const json_t *body, const struct path *p, struct metadata_answer *ret)
{
    const char *top = p->len > 1 ? p->parts[1] : NULL;
    if (p->len == 0)
        say(ret, list_versions());
    else if (p->bad || !known_version(p->parts[0]))
        refuse(ret, 404);
    else if (!top)
        say(ret, xasprintf("dynamic/\nmeta-data/%s", json_get_string(body, "user_data", NULL) ? "\nuser-data" : ""));
    else if (streq(top, "meta-data"))
        meta_data(instance, body, p, ret);
    else if (streq(top, "dynamic"))
        walk(tree_dynamic(instance, body), p, 2, ret);
    else if (streq(top, "user-data"))
        user_data(body, p, ret);
    else
        refuse(ret, 404);
}

static bool is_token_path(const struct path *p)
{
    return p->len == 3 && streq(p->parts[0], "latest") && streq(p->parts[1], "api") && streq(p->parts[2], "token");
}

static void answer(const unsigned char *secret, const struct id *instance, const json_t *body, const struct metadata_ask *ask,
                   const struct path *p, int64_t now_ms, struct metadata_answer *ret)
{
    bool required = streq(json_get_string(settings(body), "tokens", "optional"), "required");
    if (streq(json_get_string(settings(body), "endpoint", "enabled"), "disabled"))
        refuse(ret, 403);
    else if (is_token_path(p))
        give_token(secret, instance, body, ask, now_ms, ret);
    else if (!streq(ask->method, "GET") && !streq(ask->method, "HEAD"))
        refuse_method(ret, "GET, HEAD");
    else if (ask->token ? !token_holds(secret, instance, ask->token, now_ms) : required)
        refuse(ret, 401);
    else
        get(instance, body, p, ret);
}

void metadata_answer(const unsigned char secret[METADATA_SECRET_SIZE], const struct id *instance, const json_t *body,
                     const struct metadata_ask *ask, int64_t now_ms, struct metadata_answer *ret)
{
    struct path p = split(ask->path);
    *ret = (struct metadata_answer){0};
    if (instance)
        answer(secret, instance, body, ask, &p, now_ms, ret);
    else
        refuse(ret, 404);
    path_free(&p);
}
