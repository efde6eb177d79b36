/* SPDX-License-Identifier: Apache-2.0 */
#include <config.h>
#include "node-controller/network/nft.h"
#include <nftables/libnftables.h>
#include <stdarg.h>
#include "common/base/mem.h"
#include "common/base/str.h"
#include "node-controller/network/netns.h"

static json_t *must(json_t *made)
{
    if (!made)
        abort();
    return made;
}

struct nft nft_begin(void)
{
    return (struct nft){must(json_array()), NULL, NULL};
}

void nft_free(struct nft *t)
{
    json_decref(t->commands);
    t->commands = NULL;
}

void nft_table(struct nft *t, const char *family, const char *table)
{
    t->family = family;
    t->table = table;
}

/* {what: {kind: {family, table, name?…}}}; gives the innermost object. */
static json_t *command(struct nft *t, const char *what, const char *kind, const char *name)
{
    bool table = streq(kind, "table");
    json_t *o = must(json_object());
    json_set_string(o, "family", t->family);
    json_set_string(o, table ? "name" : "table", t->table);
    if (name)
        json_set_string(o, "name", name);
    json_push(t->commands, must(json_pack("{s:{s:o}}", what, kind, o)));
    return o;
}

void nft_drop_table(struct nft *t)
{
    command(t, "add", "table", NULL);
    command(t, "delete", "table", NULL);
}

void nft_replace_table(struct nft *t)
{
    nft_drop_table(t);
    command(t, "add", "table", NULL);
}

static json_t *types(const char *text)
{
    json_t *list = must(json_array());
    const char *cursor = text;
    for (char *piece; (piece = str_next_piece(&cursor, '.')); free(piece))
        json_push(list, must(json_string(piece)));
    if (json_array_size(list) > 1)
        return list;
    json_t *one = json_incref(json_array_get(list, 0));
    json_decref(list);
    return one;
}

void nft_set(struct nft *t, const char *name, const char *type)
{
    json_set(command(t, "add", "set", name), "type", types(type));
}

void nft_map(struct nft *t, const char *name, const char *type, const char *to)
{
    json_t *o = command(t, "add", "map", name);
    json_set(o, "type", types(type));
    json_set_string(o, "map", to);
}

void nft_chain(struct nft *t, const char *name)
{
    command(t, "add", "chain", name);
}

void nft_base_chain(struct nft *t, const char *name, const char *type, const char *hook, int priority, const char *policy)
{
    json_t *o = command(t, "add", "chain", name);
    json_set_string(o, "type", type);
    json_set_string(o, "hook", hook);
    json_set(o, "prio", must(json_integer(priority)));
    json_set_string(o, "policy", policy);
}

void nft_rule(struct nft *t, const char *chain, json_t *expressions)
{
    json_t *o = command(t, "add", "rule", NULL);
    json_set_string(o, "chain", chain);
    json_set(o, "expr", expressions);
}

void nft_element(struct nft *t, const char *what, const char *set, json_t *element)
{
    json_t *list = must(json_array());
    json_push(list, element);
    json_set(command(t, what, "element", set), "elem", list);
}

void nft_flush_chain(struct nft *t, const char *chain)
{
    command(t, "flush", "chain", chain);
}

void nft_flush_set(struct nft *t, const char *set)
{
    command(t, "flush", "set", set);
}

void nft_delete_chain(struct nft *t, const char *chain)
{
    command(t, "delete", "chain", chain);
}

/* ---- expressions ---- */

json_t *nft_field(const char *protocol, const char *field)
{
    if (streq(protocol, "meta") || streq(protocol, "ct"))
        return must(json_pack("{s:{s:s}}", protocol, "key", field));
    return must(json_pack("{s:{s:s,s:s}}", "payload", "protocol", protocol, "field", field));
}

json_t *nft_join(json_t *a, json_t *b)
{
    return must(json_pack("{s:[o,o]}", "concat", a, b));
}

static json_t *match(const char *op, json_t *left, json_t *right)
{
    return must(json_pack("{s:{s:s,s:o,s:o}}", "match", "op", op, "left", left, "right", right));
}

json_t *nft_match(json_t *left, json_t *right)
{
    return match("==", left, right);
}

json_t *nft_match_not(json_t *left, json_t *right)
{
    return match("!=", left, right);
}

json_t *nft_number(int64_t value)
{
    return must(json_integer(value));
}

json_t *nft_text(const char *value)
{
    return must(json_string(value));
}

json_t *nft_prefix(const char *base, unsigned len)
{
    return must(json_pack("{s:{s:s,s:i}}", "prefix", "addr", base, "len", (int)len));
}

json_t *nft_range(int64_t from, int64_t to)
{
    return must(json_pack("{s:[I,I]}", "range", (json_int_t)from, (json_int_t)to));
}

json_t *nft_do(const char *verdict)
{
    return must(json_pack("{s:n}", verdict));
}

json_t *nft_jump(const char *chain)
{
    return must(json_pack("{s:{s:s}}", "jump", "target", chain));
}

json_t *nft_goto(const char *chain)
{
    return must(json_pack("{s:{s:s}}", "goto", "target", chain));
}

json_t *nft_lookup(json_t *key, const char *map)
{
    return must(json_pack("{s:{s:o,s:s}}", "vmap", "key", key, "data", map));
}

json_t *nft_nat(const char *kind, json_t *address)
{
    return must(json_pack("{s:{s:o}}", kind, "addr", address));
}

json_t *nft_mapped(json_t *key, const char *map)
{
    return must(json_pack("{s:{s:o,s:s}}", "map", "key", key, "data", map));
}

json_t *nft_all(json_t *first, ...)
{
    json_t *list = must(json_array());
    va_list more;
    va_start(more, first);
    for (json_t *e = first; e; e = va_arg(more, json_t *))
        json_push(list, e);
    va_end(more);
    return list;
}

/* ---- carrying out ---- */

struct call {
    const char *text;
    const struct error_code *code; /* of a failure */
};

/* One line of what libnftables complains about. */
static struct error *failure(struct nft_ctx *nft, const struct error_code *code)
{
    _cleanup_free_ char *text = xstrndup(nft_ctx_get_error_buffer(nft), 400);
    for (char *c = text; *c; c++)
        if ((unsigned char)*c < ' ')
            *c = ' ';
    return error_new_code(code, "nftables: %s", *text ? text : "refused without a reason");
}

static struct error *call_nft(void *arg)
{
    const struct call *c = arg;
    struct nft_ctx *nft = nft_ctx_new(NFT_CTX_DEFAULT);
    struct error *e = NULL;
    if (!nft)
        return error_new(ERROR_INTERNAL, "nftables is not there: does the kernel have nf_tables?");
    nft_ctx_output_set_flags(nft, NFT_CTX_OUTPUT_JSON);
    nft_ctx_buffer_error(nft);
    nft_ctx_buffer_output(nft);
    if (nft_run_cmd_from_buffer(nft, c->text) != 0)
        e = failure(nft, c->code);
    nft_ctx_free(nft);
    return e;
}

struct error *nft_run(int ns, const struct nft *t)
{
    _cleanup_json_ json_t *whole = must(json_pack("{s:O}", "nftables", t->commands));
    _cleanup_free_ char *text = json_dumps(whole, JSON_COMPACT);
    struct call c = {text, &ERROR_INTERNAL};
    return json_array_size(t->commands) ? netns_run(ns, call_nft, &c) : NULL;
}

struct error *nft_look(int ns, const char *family, const char *table, const char *chain)
{
    _cleanup_nft_ struct nft t = nft_begin();
    nft_table(&t, family, table);
    command(&t, "list", "chain", chain);
    _cleanup_json_ json_t *whole = must(json_pack("{s:O}", "nftables", t.commands));
    _cleanup_free_ char *text = json_dumps(whole, JSON_COMPACT);
    struct call c = {text, &ERROR_NOT_FOUND};
    return netns_run(ns, call_nft, &c);
}
