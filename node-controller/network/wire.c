/* SPDX-License-Identifier: Apache-2.0 */
#include <config.h>
/* The way to other nodes: a VXLAN device per subnet.  It floods nothing and learns nothing: MACs and addresses that it
 * knows are the subnet object's, set as differences. */
#include "common/base/log.h"
#include "node-controller/network/internal.h"

struct wanted {
    ARRAY(struct subnet_host) hosts;
};

void wire_element(struct nft *t, const char *what, const struct subnet_host *h)
{
    char address[ADDRESS_TEXT];
    address_text(h->address, address);
    nft_element(t, what, "remotes", nft_join(nft_text(h->mac), nft_text(address)));
}

static int compare_hosts(const void *a, const void *b)
{
    const struct subnet_host *x = a, *y = b;
    return x->address < y->address ? -1 : x->address > y->address;
}

static bool same(const struct subnet_host *a, const struct subnet_host *b)
{
    return a->address == b->address && a->link == b->link && streq(a->mac, b->mac);
}

static bool is_local(const struct network *n, const struct vpc *v, const struct subnet_host *h)
{
    char address[ADDRESS_TEXT];
    address_text(h->address, address);
    array_each(&v->cards, c)
        if (streq(c->guest.address, address) || streq(c->guest.mac, h->mac))
            return true;
    return h->link == n->link_address;
}

/* The object's hosts on other nodes, by address, each once. */
static struct error *wanted_hosts(struct network *n, const struct vpc *v, const struct segment *s, struct wanted *ret)
{
    const struct subnet *object = map_get(n->subnets, s->id.text);
    if (!object)
        return NULL;
    if (!id_eq(&object->vpc, &v->id) || object->vni != s->vni || object->cidr.base != s->cidr.base ||
        object->cidr.len != s->cidr.len)
        return error_new(ERROR_INVALID, "the object of %s is not of the subnet that its instances here name", s->id.text);
    array_each(&object->hosts, h)
        if (!is_local(n, v, h))
            array_push(&ret->hosts, *h);
    if (ret->hosts.len)
        qsort(ret->hosts.data, ret->hosts.len, sizeof *ret->hosts.data, compare_hosts);
    size_t kept = 0;
    for (size_t k = 0; k < ret->hosts.len; k++)
        if (!kept || ret->hosts.data[kept - 1].address != ret->hosts.data[k].address)
            ret->hosts.data[kept++] = ret->hosts.data[k];
    ret->hosts.len = kept;
    return NULL;
}

/* ---- the device ---- */

static struct error *find_device(void *arg)
{
    return device_exists(arg) ? NULL : error_new(ERROR_NOT_FOUND, "no device");
}

/* What a device from before this process' start knows: its permanent neighbours. */
static struct error *adopt(struct vpc *v, struct segment *s)
{
    const char *const argv[] = {"neighbour", "show", "dev", s->wire, "nud", "permanent", NULL};
    _cleanup_str_ struct str text = STR_INIT;
    json_error_t why;
    RETURN_IF_ERROR(netns_ask(v->ns, argv, &text));
    _cleanup_json_ json_t *list = text.len ? json_loadb(text.data, text.len, 0, &why) : NULL;
    for (size_t k = 0; k < json_array_size(list); k++) {
        const json_t *o = json_array_get(list, k);
        struct subnet_host h = {0};
        if (address_parse(json_get_string(o, "dst", ""), &h.address) && mac_parse(json_get_string(o, "lladdr", ""), h.mac))
            array_push(&s->remotes, h);
    }
    if (s->remotes.len)
        qsort(s->remotes.data, s->remotes.len, sizeof *s->remotes.data, compare_hosts);
    return NULL;
}

static struct error *make_wire(struct network *n, struct vpc *v, struct segment *s)
{
    char own[ADDRESS_TEXT];
    struct error *e = netns_run(v->ns, find_device, s->wire);
    bool there = e == NULL;
    if (error_is(e, &ERROR_NOT_FOUND))
        e = error_free(e);
    RETURN_IF_ERROR(e);
    address_text(n->link_address, own);
    /* Made in the node's namespace, where its packets stay; the device itself is the VPC's. */
    _cleanup_free_ char *make = xasprintf("link add %s netns %s type vxlan id %u local %s dstport %d nolearning proxy\n", s->wire,
                                          v->name, s->vni, own, VXLAN_PORT);
    _cleanup_free_ char *place = xasprintf("link set %s mtu %d master %s up\nlink set %s type bridge_slave learning off\n",
                                           s->wire, NETWORK_MTU, s->bridge, s->wire);
    if (!there)
        RETURN_IF_ERROR(netns_batch(n->host, "ip", make));
    RETURN_IF_ERROR(netns_batch(v->ns, "ip", place));
    s->remotes.len = 0;
    if (there)
        RETURN_IF_ERROR(adopt(v, s));
    s->wired = true;
    v->ruled = false;
    return NULL;
}

static void remove_wire(struct vpc *v, struct segment *s)
{
    _cleanup_free_ char *batch = xasprintf("link del %s\n", s->wire);
    error_ignore(netns_batch(v->ns, "ip", batch));
    s->wired = false;
    s->remotes.len = 0;
    v->ruled = false;
}

/* ---- differences ---- */

struct changes {
    struct str bridge, ip;
    struct nft nft;
    bool any;
};

static void drop_host(struct changes *c, const struct segment *s, const struct subnet_host *h, bool address_stays)
{
    char address[ADDRESS_TEXT];
    address_text(h->address, address);
    str_printf(&c->bridge, "fdb del %s dev %s self\nfdb del %s dev %s master\n", h->mac, s->wire, h->mac, s->wire);
    if (!address_stays)
        str_printf(&c->ip, "neighbour del %s dev %s\nneighbour del %s dev %s\n", address, s->wire, address, s->bridge);
    wire_element(&c->nft, "delete", h);
    c->any = true;
}

static void add_host(struct changes *c, const struct segment *s, const struct subnet_host *h)
{
    char address[ADDRESS_TEXT], link[ADDRESS_TEXT];
    address_text(h->address, address);
    address_text(h->link, link);
    str_printf(&c->bridge, "fdb replace %s dev %s dst %s self static\nfdb replace %s dev %s master static\n", h->mac, s->wire,
               link, h->mac, s->wire);
    str_printf(&c->ip, "neighbour replace %s lladdr %s dev %s nud permanent\nneighbour replace %s lladdr %s dev %s nud permanent\n",
               address, h->mac, s->wire, address, h->mac, s->bridge);
    wire_element(&c->nft, "add", h);
    c->any = true;
}

/* What goes comes first, so that a MAC may wander from one address to another. */
static void compare(struct changes *c, const struct segment *s, const struct wanted *w)
{
    array_each(&s->remotes, old) {
        const struct subnet_host *now = w->hosts.len ? bsearch(old, w->hosts.data, w->hosts.len, sizeof *old, compare_hosts) : NULL;
        if (!now || !streq(now->mac, old->mac))
            drop_host(c, s, old, now != NULL);
    }
    array_each(&w->hosts, now) {
        const struct subnet_host *old =
            s->remotes.len ? bsearch(now, s->remotes.data, s->remotes.len, sizeof *now, compare_hosts) : NULL;
        if (!old || !same(old, now))
            add_host(c, s, now);
    }
}

static void take_hosts(struct segment *s, const struct wanted *w)
{
    s->remotes.len = 0;
    array_each(&w->hosts, h)
        array_push(&s->remotes, *h);
}

static struct error *carry_out(struct network *n, struct vpc *v, struct segment *s, const struct wanted *w)
{
    struct changes c = {STR_INIT, STR_INIT, nft_begin(), false};
    nft_table(&c.nft, "bridge", VPC_TABLE);
    compare(&c, s, w);
    struct error *e = netns_batch(v->ns, "bridge", str_text(&c.bridge));
    if (!e)
        e = netns_batch(v->ns, "ip", str_text(&c.ip));
    if (!e)
        take_hosts(s, w);
    if (!e && v->ruled)
        e = nft_run(v->ns, &c.nft);
    else if (!e)
        e = rules_replace(n, v);
    str_free(&c.bridge);
    str_free(&c.ip);
    nft_free(&c.nft);
    return e;
}

static struct error *sync_hosts(struct network *n, struct vpc *v, struct segment *s, const struct wanted *w)
{
    if (!s->wired)
        RETURN_IF_ERROR(make_wire(n, v, s));
    return carry_out(n, v, s, w);
}

struct error *wire_sync(struct network *n, struct vpc *v, struct segment *s)
{
    struct wanted w = {0};
    struct error *e = wanted_hosts(n, v, s, &w);
    bool idle = !e && !s->wired && !w.hosts.len;
    if (!e && !idle) {
        e = sync_hosts(n, v, s, &w);
        if (e) {
            log_failure(LOG_WARNING, e, "a subnet's way to other nodes is not as it was left: it is made anew");
            remove_wire(v, s);
            e = sync_hosts(n, v, s, &w);
        }
        if (!e)
            e = host_set_peers(n);
    }
    array_free(&w.hosts);
    return error_wrap(e, "the way of %s to other nodes", s->id.text);
}
