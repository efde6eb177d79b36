/* SPDX-License-Identifier: Apache-2.0 */
#include <config.h>
#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <net/if.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include "common/base/log.h"
#include "common/file/file.h"
#include "node-controller/network/internal.h"

#define BACKLOG 64

/* ---- the table ---- */

struct vpc *vpc_find(struct network *n, const struct id *id)
{
    return map_get(n->vpcs, id->text);
}

struct vpc *vpc_get(struct network *n, const struct id *id)
{
    struct vpc *v = vpc_find(n, id);
    if (v)
        return v;
    v = xnew0(struct vpc);
    v->id = *id;
    v->ns = -1;
    v->name = xasprintf("%s%s", n->prefix, id->text);
    v->folder = xasprintf("%s/%s", n->state_dir, id->text);
    device_name("mu", v->name, v->link);
    map_set(n->vpcs, id->text, v);
    return v;
}

void vpc_free(struct vpc *v)
{
    array_each(&v->segments, s)
        array_free(&s->remotes);
    array_free(&v->segments);
    array_free(&v->cards);
    if (v->ns >= 0)
        close(v->ns);
    free(v->name);
    free(v->folder);
    free(v);
}

struct card *vpc_card(struct vpc *v, const struct id *instance)
{
    array_each(&v->cards, c)
        if (id_eq(&c->guest.instance, instance))
            return c;
    return NULL;
}

struct segment *vpc_segment(struct vpc *v, const struct id *subnet)
{
    array_each(&v->segments, s)
        if (id_eq(&s->id, subnet))
            return s;
    return NULL;
}

void vpc_uplink_address(const struct vpc *v, char ret[ADDRESS_TEXT])
{
    uint32_t range = 0;
    address_parse(UPLINK_RANGE, &range);
    address_text(range + v->slot, ret);
}

/* The open descriptor keeps a deleted namespace alive: the name is looked at. */
static bool same_namespace(const struct vpc *v)
{
    _cleanup_close_ int fd = -1;
    struct stat a, b;
    struct error *e = netns_open(v->name, &fd);
    bool same = !e && fstat(fd, &a) == 0 && fstat(v->ns, &b) == 0 && a.st_ino == b.st_ino && a.st_dev == b.st_dev;
    error_free(e);
    return same;
}

/* ---- the uplink's address ---- */

struct adopted {
    uint32_t address; /* 0: the namespace has no uplink */
};

static struct error *read_uplink(void *arg)
{
    struct adopted *a = arg;
    struct ifreq device = {.ifr_addr.sa_family = AF_INET};
    _cleanup_close_ int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    snprintf(device.ifr_name, sizeof device.ifr_name, "%s", UPLINK);
    if (fd < 0)
        return error_errno(errno, "making a socket");
    if (ioctl(fd, SIOCGIFADDR, &device) == 0)
        a->address = ntohl(((struct sockaddr_in *)(void *)&device.ifr_addr)->sin_addr.s_addr);
    return NULL;
}

static bool slot_taken(struct network *n, const struct vpc *but, unsigned slot)
{
    struct map_cursor at = {0};
    void *value;
    while (map_next(n->vpcs, &at, NULL, &value))
        if (value != but && ((struct vpc *)value)->slot == slot)
            return true;
    return false;
}

/* Keeps the address that the namespace has from before, so that flows go on. */
static struct error *choose_slot(struct network *n, struct vpc *v)
{
    struct adopted found = {0};
    uint32_t range = 0;
    if (v->slot)
        return NULL;
    address_parse(UPLINK_RANGE, &range);
    if (v->ns >= 0)
        RETURN_IF_ERROR(netns_run(v->ns, read_uplink, &found));
    unsigned had = found.address > range && found.address - range <= SLOTS_MAX ? found.address - range : 0;
    if (had && !slot_taken(n, v, had))
        v->slot = had;
    for (unsigned k = 1; !v->slot && k <= SLOTS_MAX; k++)
        if (!slot_taken(n, v, k))
            v->slot = k;
    return v->slot ? NULL : error_new(ERROR_NO_SPACE, "more than %d VPCs on this node", SLOTS_MAX);
}

/* ---- namespace and uplink ---- */

static struct error *find_device(void *arg)
{
    const char *name = arg;
    return device_exists(name) ? NULL : error_new(ERROR_NOT_FOUND, "no device %s", name);
}

static struct error *has_device(int ns, const char *name, bool *ret)
{
    _cleanup_free_ char *copy = xstrdup(name);
    struct error *e = netns_run(ns, find_device, copy);
    *ret = e == NULL;
    if (!error_is(e, &ERROR_NOT_FOUND))
        return e;
    error_free(e);
    return NULL;
}

static struct error *open_namespace(struct vpc *v)
{
    int fd = -1;
    struct error *e = netns_open(v->name, &fd);
    if (error_is(e, &ERROR_NOT_FOUND))
        e = error_free(e);
    if (e)
        return e;
    if (v->ns >= 0)
        close(v->ns);
    v->ns = fd;
    return NULL;
}

struct host_settings {
    const struct network *n;
    const struct vpc *v;
};

/* Packets are forwarded between link and uplinks; other devices of the node stay as they are, unless guests go outside,
 * by whatever device. */
static struct error *set_host(void *arg)
{
    const struct host_settings *h = arg;
    const char *const forwarding[] = {h->v->link, h->n->link_device};
    if (h->n->outside)
        RETURN_IF_ERROR(sysctl_set("net/ipv4/ip_forward", "1"));
    for (size_t k = 0; k < ARRAY_SIZE(forwarding); k++) {
        _cleanup_free_ char *key = xasprintf("net/ipv4/conf/%s/forwarding", forwarding[k]);
        RETURN_IF_ERROR(sysctl_set(key, "1"));
    }
    _cleanup_free_ char *ipv6 = xasprintf("net/ipv6/conf/%s/disable_ipv6", h->v->link);
    error_ignore(sysctl_set(ipv6, "1"));
    _cleanup_free_ char *delay = xasprintf("net/ipv4/neigh/%s/proxy_delay", h->n->link_device);
    return sysctl_set(delay, "0");
}

static struct error *build_host_side(struct network *n, struct vpc *v)
{
    char own[ADDRESS_TEXT];
    bool linked = false, inside = false;
    _cleanup_str_ struct str batch = STR_INIT;
    struct host_settings settings = {n, v};
    vpc_uplink_address(v, own);
    RETURN_IF_ERROR(has_device(n->host, v->link, &linked));
    if (v->ns >= 0)
        RETURN_IF_ERROR(has_device(v->ns, UPLINK, &inside));
    if (linked && !inside) /* its other end is nowhere we know */
        str_printf(&batch, "link del %s\n", v->link);
    if (v->ns < 0)
        str_printf(&batch, "netns add %s\n", v->name);
    if (!linked || !inside)
        str_printf(&batch, "link add %s address " UPLINK_NODE_MAC " type veth peer name " UPLINK " address " UPLINK_MAC
                           " netns %s\n", v->link, v->name);
    str_printf(&batch, "link set %s up\n", v->link);
    str_printf(&batch, "neighbour replace %s lladdr " UPLINK_MAC " dev %s nud permanent\n", own, v->link);
    str_printf(&batch, "route replace %s/32 dev %s\n", own, v->link);
    RETURN_IF_ERROR(netns_batch(n->host, "ip", str_text(&batch)));
    RETURN_IF_ERROR(netns_run(n->host, set_host, &settings));
    return v->ns >= 0 ? NULL : open_namespace(v);
}

/* All before the first device comes up. */
static struct error *set_inside(void *arg)
{
    static const char *const keys[][2] = {
        {"net/ipv6/conf/all/disable_ipv6", "1"},    {"net/ipv6/conf/default/disable_ipv6", "1"},
        {"net/ipv4/conf/all/send_redirects", "0"},  {"net/ipv4/conf/default/send_redirects", "0"},
        {"net/ipv4/conf/all/accept_redirects", "0"}, {"net/ipv4/ip_forward", "1"},
        {"net/ipv4/conf/all/arp_announce", "2"}, /* guests are asked by their gateway, not by 169.254.169.254 */
    };
    (void)arg;
    struct error *e = sysctl_set("net/bridge/bridge-nf-call-iptables", "1");
    if (e)
        return error_recode(e, &ERROR_UNAVAILABLE,
                            "bridged packets would pass no security group: net.bridge.bridge-nf-call-iptables cannot be "
                            "set to 1; load the kernel module br_netfilter (modprobe br_netfilter), then try again");
    for (size_t k = 0; k < ARRAY_SIZE(keys); k++) {
        e = sysctl_set(keys[k][0], keys[k][1]);
        if (e && k < 2) /* a kernel without IPv6 leaks none */
            e = error_free(e);
        RETURN_IF_ERROR(e);
    }
    return NULL;
}

static struct error *build_inside(struct vpc *v)
{
    char own[ADDRESS_TEXT], range[CIDR_TEXT];
    _cleanup_str_ struct str batch = STR_INIT;
    vpc_uplink_address(v, own);
    cidr_text(&v->cidr, range);
    RETURN_IF_ERROR(netns_run(v->ns, set_inside, NULL));
    str_printf(&batch, "link set lo up\naddress replace " METADATA_ADDRESS "/32 dev lo\n");
    str_printf(&batch, "link set " UPLINK " up\naddress replace %s/32 dev " UPLINK "\n", own);
    str_add(&batch, "neighbour replace " UPLINK_NEXT_HOP " lladdr " UPLINK_NODE_MAC " dev " UPLINK " nud permanent\n");
    str_printf(&batch, "route replace default via " UPLINK_NEXT_HOP " dev " UPLINK " onlink src %s\n", own);
    /* Subnets of the VPC without an instance here are not outside. */
    str_printf(&batch, "route replace unreachable %s\n", range);
    return netns_batch(v->ns, "ip", str_text(&batch));
}

struct error *vpc_build(struct network *n, struct vpc *v)
{
    if (v->built)
        return NULL;
    RETURN_IF_ERROR(file_make_dirs(v->folder)); /* says, to who starts again, that the VPC was here */
    if (v->announced && !same_namespace(v)) {
        v->announced = false;
        n->on_vpc_gone(n->arg, &v->id);
    }
    RETURN_IF_ERROR(open_namespace(v));
    RETURN_IF_ERROR(choose_slot(n, v));
    RETURN_IF_ERROR(error_wrap(build_host_side(n, v), "the uplink of %s", v->name));
    RETURN_IF_ERROR(error_wrap(build_inside(v), "the namespace %s", v->name));
    RETURN_IF_ERROR(host_add_link(n, v));
    v->built = true;
    return NULL;
}

/* ---- metadata's socket ---- */

struct listener {
    int fd;
};

static struct error *open_listener(void *arg)
{
    struct listener *l = arg;
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_port = htons(METADATA_PORT)};
    int on = 1;
    _cleanup_close_ int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    inet_pton(AF_INET, METADATA_ADDRESS, &at.sin_addr);
    if (fd < 0)
        return error_errno(errno, "making a socket");
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (bind(fd, (const struct sockaddr *)&at, sizeof at) || listen(fd, BACKLOG))
        return error_errno(errno, "listening at %s:%d", METADATA_ADDRESS, METADATA_PORT);
    l->fd = TAKE_FD(fd);
    return NULL;
}

struct error *vpc_announce(struct network *n, struct vpc *v)
{
    struct listener l = {-1};
    if (v->announced || !n->on_vpc)
        return NULL;
    RETURN_IF_ERROR(error_wrap(netns_run(v->ns, open_listener, &l), "the metadata address of %s", v->name));
    v->announced = true;
    n->on_vpc(n->arg, &v->id, l.fd);
    return NULL;
}

/* ---- bridges ---- */

static struct segment *segment_get(struct vpc *v, const struct network_guest *g)
{
    struct segment *s = vpc_segment(v, &g->subnet);
    if (s)
        return s;
    s = array_add(&v->segments);
    s->id = g->subnet;
    s->vni = g->vni;
    cidr_parse(g->subnet_cidr, &s->cidr, NULL);
    device_name("mb", g->subnet.text, s->bridge);
    device_name("mx", g->subnet.text, s->wire);
    return s;
}

struct error *vpc_bridge(struct network *n, struct vpc *v, const struct network_guest *g)
{
    struct segment *s = segment_get(v, g);
    char gateway[ADDRESS_TEXT];
    bool there = false;
    _cleanup_str_ struct str batch = STR_INIT;
    (void)n;
    if (s->bridged)
        return NULL;
    address_text(s->cidr.base + 1, gateway);
    RETURN_IF_ERROR(has_device(v->ns, s->bridge, &there));
    if (!there)
        str_printf(&batch, "link add %s address " GATEWAY_MAC " type bridge stp_state 0 forward_delay 0 mcast_snooping 0 "
                           "no_linklocal_learn 1\n", s->bridge);
    str_printf(&batch, "link set %s address " GATEWAY_MAC " mtu %d up\n", s->bridge, NETWORK_MTU);
    str_printf(&batch, "address replace %s/%u dev %s\n", gateway, s->cidr.len, s->bridge);
    RETURN_IF_ERROR(error_wrap(netns_batch(v->ns, "ip", str_text(&batch)), "the bridge of %s", s->id.text));
    s->bridged = true;
    return NULL;
}

struct error *vpc_plug(struct network *n, struct vpc *v, const struct card *c)
{
    const struct segment *s = vpc_segment(v, &c->guest.subnet);
    bool inside = false, outside = false;
    _cleanup_str_ struct str batch = STR_INIT;
    RETURN_IF_ERROR(has_device(v->ns, c->tap, &inside));
    if (!inside)
        RETURN_IF_ERROR(has_device(n->host, c->tap, &outside));
    if (!inside && !outside)
        return error_new(ERROR_NOT_FOUND, "the instance has no device %s", c->tap);
    if (!inside) {
        str_printf(&batch, "link set %s netns %s\n", c->tap, v->name);
        RETURN_IF_ERROR(netns_batch(n->host, "ip", str_text(&batch)));
        str_clear(&batch);
    }
    str_printf(&batch, "link set %s mtu %d master %s up\n", c->tap, NETWORK_MTU, s->bridge);
    return error_wrap(netns_batch(v->ns, "ip", str_text(&batch)), "plugging %s", c->tap);
}

/* Devices go by themselves too, with their domain or namespace: what matters is that it is gone. */
static struct error *delete_device(int ns, const char *name)
{
    _cleanup_free_ char *batch = xasprintf("link del %s\n", name);
    bool there = false;
    RETURN_IF_ERROR(has_device(ns, name, &there));
    struct error *e = there ? netns_batch(ns, "ip", batch) : NULL;
    if (!e)
        return NULL;
    struct error *look = has_device(ns, name, &there);
    if (look || there) {
        error_free(look);
        return e;
    }
    return error_free(e);
}

/* It goes with its domain; one that has no domain goes now. */
struct error *vpc_unplug(struct network *n, struct vpc *v, const struct card *c)
{
    if (v->ns >= 0)
        RETURN_IF_ERROR(delete_device(v->ns, c->tap));
    return delete_device(n->host, c->tap);
}

static bool segment_used(const struct vpc *v, const struct segment *s)
{
    array_each(&v->cards, c)
        if (id_eq(&c->guest.subnet, &s->id))
            return true;
    return false;
}

static struct error *remove_segment(struct vpc *v, const struct segment *s)
{
    if (v->ns < 0)
        return NULL;
    RETURN_IF_ERROR(delete_device(v->ns, s->wire));
    return delete_device(v->ns, s->bridge);
}

struct error *vpc_trim(struct network *n, struct vpc *v)
{
    bool peers = false;
    for (size_t k = v->segments.len; k-- > 0;) {
        struct segment *s = &v->segments.data[k];
        if (segment_used(v, s))
            continue;
        RETURN_IF_ERROR(remove_segment(v, s));
        peers |= s->remotes.len > 0;
        v->ruled &= !s->wired;
        array_free(&s->remotes);
        array_remove(&v->segments, k);
    }
    return peers ? host_set_peers(n) : NULL;
}

/* ---- the end ---- */

static bool is_kind(const char *name, const char *kinds)
{
    return name[0] == 'm' && name[1] && strchr(kinds, name[1]) && strlen(name) == 14;
}

/* VXLAN devices go before their namespace, which lingers while a socket holds it: their numbers must be free. */
static struct error *list_devices(void *arg)
{
    struct str *batch = arg;
    struct if_nameindex *all = if_nameindex();
    if (!all)
        return error_errno(errno, "listing devices");
    for (const struct if_nameindex *i = all; i->if_index; i++)
        if (is_kind(i->if_name, "xbt"))
            str_printf(batch, "link del %s\n", i->if_name);
    if_freenameindex(all);
    return NULL;
}

static struct error *remove_namespace(struct network *n, const char *name)
{
    _cleanup_close_ int ns = -1;
    _cleanup_str_ struct str batch = STR_INIT;
    _cleanup_free_ char *last = xasprintf("netns del %s\n", name);
    struct error *e = netns_open(name, &ns);
    if (error_is(e, &ERROR_NOT_FOUND))
        return error_free(e), NULL;
    RETURN_IF_ERROR(e);
    RETURN_IF_ERROR(netns_run(ns, list_devices, &batch));
    e = netns_batch(ns, "ip", str_text(&batch));
    if (e) /* a tap went by itself meanwhile */
        log_failure(LOG_INFO, e, "emptying a namespace");
    return netns_batch(n->host, "ip", last);
}

struct error *vpc_destroy(struct network *n, struct vpc *v)
{
    if (v->announced && n->on_vpc_gone)
        n->on_vpc_gone(n->arg, &v->id);
    v->announced = v->built = v->ruled = false;
    RETURN_IF_ERROR(dhcp_stop(n, v->folder));
    if (v->ns >= 0)
        close(TAKE_FD(v->ns));
    RETURN_IF_ERROR(delete_device(n->host, v->link));
    RETURN_IF_ERROR(remove_namespace(n, v->name));
    map_take(n->vpcs, v->id.text);
    vpc_free(v);
    /* The last guest takes the table along. */
    return map_size(n->vpcs) ? host_sync(n) : host_drop_table(n);
}

/* ---- after a restart ---- */

struct names {
    ARRAY(char *) list;
};

static void names_free(struct names *s)
{
    array_each(&s->list, name)
        free(*name);
    array_free(&s->list);
}

static void closedirp(DIR **d)
{
    if (*d)
        closedir(*d);
}

static struct error *list_folder(const char *path, const char *prefix, struct names *ret)
{
    _cleanup_(closedirp) DIR *d = opendir(path);
    if (!d)
        return errno == ENOENT ? NULL : error_errno(errno, "reading %s", path);
    for (const struct dirent *entry; (entry = readdir(d));)
        if (entry->d_name[0] != '.' && str_starts(entry->d_name, prefix))
            array_push(&ret->list, xstrdup(entry->d_name + strlen(prefix)));
    return NULL;
}

/* Namespaces of other nodes on this host may begin with our prefix too: ours go on with a VPC's id. */
static struct error *remove_stray(struct network *n, const char *id)
{
    _cleanup_free_ char *folder = xasprintf("%s/%s", n->state_dir, id);
    _cleanup_free_ char *name = xasprintf("%s%s", n->prefix, id);
    char link[DEVICE_NAME];
    device_name("mu", name, link);
    if (!str_starts(id, "vpc-") || map_get(n->vpcs, id))
        return NULL;
    log_info("%s has no instance: it is removed", name);
    RETURN_IF_ERROR(dhcp_stop(n, folder));
    RETURN_IF_ERROR(delete_device(n->host, link));
    return remove_namespace(n, name);
}

struct error *vpc_remove_strays(struct network *n)
{
    _cleanup_(names_free) struct names found = {0};
    RETURN_IF_ERROR(list_folder(NETNS_FOLDER, n->prefix, &found));
    RETURN_IF_ERROR(list_folder(n->state_dir, "", &found));
    array_each(&found.list, id)
        RETURN_IF_ERROR(remove_stray(n, *id));
    return NULL;
}

static bool device_known(const struct vpc *v, const char *name)
{
    array_each(&v->segments, s)
        if (streq(name, s->bridge) || streq(name, s->wire))
            return true;
    return false;
}

struct sweep {
    const struct vpc *v;
    struct str batch;
};

/* A tap without an instance keeps its place: no rule lets it send, and its domain is somebody's. */
static struct error *list_unknown(void *arg)
{
    struct sweep *s = arg;
    struct if_nameindex *all = if_nameindex();
    if (!all)
        return error_errno(errno, "listing devices");
    for (const struct if_nameindex *i = all; i->if_index; i++)
        if (is_kind(i->if_name, "xb") && !device_known(s->v, i->if_name))
            str_printf(&s->batch, "link del %s\n", i->if_name);
    if_freenameindex(all);
    return NULL;
}

struct error *vpc_sweep(struct network *n, struct vpc *v)
{
    struct sweep s = {v, STR_INIT};
    (void)n;
    struct error *e = netns_run(v->ns, list_unknown, &s);
    if (!e)
        e = netns_batch(v->ns, "ip", str_text(&s.batch));
    str_free(&s.batch);
    return e;
}

/* ---- watching ---- */

static struct error *look_inside(void *arg)
{
    const struct vpc *v = arg;
    if (!sysctl_is("net/bridge/bridge-nf-call-iptables", "1"))
        log_warning("bridge-nf-call-iptables was 0 in %s: its security groups were open; it is set again", v->name);
    RETURN_IF_ERROR(set_inside(NULL));
    array_each(&v->segments, s)
        if (s->bridged && !device_exists(s->bridge))
            return error_new(ERROR_NOT_FOUND, "its bridge %s is gone", s->bridge);
    return device_exists(UPLINK) ? NULL : error_new(ERROR_NOT_FOUND, "its uplink is gone");
}

/* ERROR_NOT_FOUND where something is gone and has to be made again. */
struct error *vpc_check(struct network *n, struct vpc *v)
{
    bool linked = false;
    if (!v->built || !same_namespace(v))
        return error_new(ERROR_NOT_FOUND, "its namespace is gone");
    if (!v->ruled)
        return error_new(ERROR_NOT_FOUND, "a change of its rules failed");
    RETURN_IF_ERROR(netns_run(v->ns, look_inside, v));
    RETURN_IF_ERROR(has_device(n->host, v->link, &linked));
    if (!linked)
        return error_new(ERROR_NOT_FOUND, "its uplink is gone");
    RETURN_IF_ERROR(nft_look(v->ns, "bridge", VPC_TABLE, "prerouting"));
    RETURN_IF_ERROR(nft_look(v->ns, "ip", VPC_TABLE, "egress"));
    return NULL;
}
