/* SPDX-License-Identifier: Apache-2.0 */
#ifndef NODE_CONTROLLER_NETWORK_NFT_H
#define NODE_CONTROLLER_NETWORK_NFT_H
/* Transactions of nftables, through libnftables in its JSON form.
 *
 * Commands are collected for one table at a time (nft_table()) and carried out together or not at all.  Expressions
 * and elements that are given away belong to the callee. */
#include "common/json/json.h"

struct nft {
    json_t *commands;
    const char *family, *table;
};

struct nft nft_begin(void);
void nft_free(struct nft *t);
#define _cleanup_nft_ _cleanup_(nft_free)

/* The table that the following commands speak of; texts are borrowed. */
void nft_table(struct nft *t, const char *family, const char *table);
/* Empties the table, or makes it: what follows is all that it will hold. */
void nft_replace_table(struct nft *t);
/* The table goes, if it is there. */
void nft_drop_table(struct nft *t);
/* `type` as in nft, parts of a concatenation joined by '.': "ifname.ipv4_addr". */
void nft_set(struct nft *t, const char *name, const char *type);
void nft_map(struct nft *t, const char *name, const char *type, const char *to);
void nft_chain(struct nft *t, const char *name);
void nft_base_chain(struct nft *t, const char *name, const char *type, const char *hook, int priority, const char *policy);
void nft_rule(struct nft *t, const char *chain, json_t *expressions);
/* `what` is "add" or "delete". */
void nft_element(struct nft *t, const char *what, const char *set, json_t *element);
void nft_flush_chain(struct nft *t, const char *chain);
void nft_flush_set(struct nft *t, const char *set);
void nft_delete_chain(struct nft *t, const char *chain);

/* ---- expressions ---- */
json_t *nft_field(const char *protocol, const char *field); /* ("ip", "saddr"), ("meta", "iifname") */
/* Two or three texts, or fields, as one key. */
json_t *nft_join(json_t *a, json_t *b);
json_t *nft_match(json_t *left, json_t *right);
json_t *nft_match_not(json_t *left, json_t *right);
json_t *nft_number(int64_t value);
json_t *nft_text(const char *value);
json_t *nft_prefix(const char *base, unsigned len);
json_t *nft_range(int64_t from, int64_t to);
json_t *nft_do(const char *verdict); /* "accept", "drop" */
json_t *nft_jump(const char *chain);
json_t *nft_goto(const char *chain);
json_t *nft_lookup(json_t *key, const char *map); /* a verdict map */
json_t *nft_nat(const char *kind, json_t *address);
json_t *nft_mapped(json_t *key, const char *map);
/* A list of expressions; ends with NULL. */
json_t *nft_all(json_t *first, ...);

/* Carries the transaction out in the namespace.  An error says that nothing changed. */
struct error *nft_run(int ns, const struct nft *t) _must_check_;
/* ERROR_NOT_FOUND where the namespace lacks the chain. */
struct error *nft_look(int ns, const char *family, const char *table, const char *chain) _must_check_;
#endif
