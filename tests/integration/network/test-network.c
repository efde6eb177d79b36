/* SPDX-License-Identifier: Apache-2.0 */
/* The network of instances with real packets: two nodes and a host on a link network, each a namespace of its own, and
 * guests that are namespaces behind a veth whose other end stands for the tap.  Skipped (77) where we are not root or
 * cannot make namespaces. */
#include <config.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <arpa/inet.h>
#include <dirent.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#include "common/base/array.h"
#include "common/base/clock.h"
#include "common/base/log.h"
#include "common/base/str.h"
#include "common/file/file.h"
#include "common/spawn/spawn.h"
#include "node-controller/metadata/metadata.h"
#include "node-controller/network/netns.h"
#include "node-controller/network/network.h"
#include "tests/integration/network/guest.h"

#define HOST      "10.96.64.1"
#define NODE_A    "10.96.65.1"
#define NODE_B    "10.96.65.2"
#define SERVICE   8773
#define SILENT_MS 500 /* how long a packet that must not come is waited for; the baselines arrive in a few */
#define OPEN_MS   4000

#define OK(call)                                                                                   \
    do {                                                                                           \
        struct error *ok_ = (call);                                                                \
        if (ok_)                                                                                   \
            fail_msg("%s: %s (%s)", #call, error_message(ok_), error_origin(ok_));                 \
    } while (0)

#define assert_open(vm, to, port)   assert_int_equal(machine_connect((vm)->machine, to, port, OPEN_MS), TRIED_OPEN)
#define assert_silent_from(m, to, port) assert_int_equal(machine_connect(m, to, port, SILENT_MS), TRIED_SILENT)
#define assert_silent(vm, to, port) assert_silent_from((vm)->machine, to, port)

struct node {
    struct machine *machine;
    char *dir, *prefix;
    const char *address;
    bool outside;
    struct network *network;
    struct metadata *metadata; /* where it is set, it serves; else the test listens itself */
    struct {
        struct id vpc;
        int fd;
    } listeners[8];
};

struct world {
    struct machine *host;
    struct node a, b;
    char *dir;
    int own;
    unsigned vms;
};
static struct world w;

struct vm {
    struct node *node;
    struct machine *machine;
    struct network_guest guest;
};

/* ---- nodes ---- */

static void on_vpc(void *arg, const struct id *vpc, int fd)
{
    struct node *n = arg;
    if (n->metadata) {
        OK(metadata_add(n->metadata, vpc, fd));
        return;
    }
    for (size_t k = 0; k < ARRAY_SIZE(n->listeners); k++) {
        if (n->listeners[k].fd >= 0)
            continue;
        n->listeners[k].vpc = *vpc;
        n->listeners[k].fd = fd;
        return;
    }
    abort();
}

static void on_vpc_gone(void *arg, const struct id *vpc)
{
    struct node *n = arg;
    if (n->metadata)
        metadata_drop(n->metadata, vpc);
    for (size_t k = 0; k < ARRAY_SIZE(n->listeners); k++) {
        if (n->listeners[k].fd >= 0 && id_eq(&n->listeners[k].vpc, vpc))
            close(TAKE_FD(n->listeners[k].fd));
    }
}

static int listener_of(struct node *n, const char *vpc)
{
    for (size_t k = 0; k < ARRAY_SIZE(n->listeners); k++)
        if (n->listeners[k].fd >= 0 && id_is(&n->listeners[k].vpc, vpc))
            return n->listeners[k].fd;
    return -1;
}

static struct error *open_network(void *arg)
{
    static const char *const services[] = {HOST ":8773", NODE_A ":9001"}; /* the second is on a node itself */
    struct node *n = arg;
    _cleanup_free_ char *link = xasprintf("%s/18", n->address);
    struct network_options o = {.state_dir = n->dir, .netns_prefix = n->prefix, .link_device = "link0", .link_address = link,
                                .public_network = "10.96.96.0/19", .guest_services = services, .guest_services_len = 2,
                                .guest_outside = n->outside,
                                .arg = n, .on_vpc = on_vpc, .on_vpc_gone = on_vpc_gone};
    return network_open(&o, &n->network);
}

static void start_node(struct node *n)
{
    for (size_t k = 0; k < ARRAY_SIZE(n->listeners); k++)
        n->listeners[k].fd = -1;
    OK(netns_run(n->machine->ns, open_network, n));
}

/* As a kill of the daemon: sockets go, everything else stays. */
static void kill_node(struct node *n)
{
    network_close(n->network);
    for (size_t k = 0; k < ARRAY_SIZE(n->listeners); k++)
        if (n->listeners[k].fd >= 0)
            close(TAKE_FD(n->listeners[k].fd));
    n->network = NULL;
}

static void link_node(struct node *n, char letter)
{
    machine_ip(w.host, "link add p%c type veth peer name link0 netns %s\nlink set p%c master net up", letter, n->machine->name, letter);
    machine_ip(n->machine, "link set link0 up\naddress add %s/18 dev link0", n->address);
}

static void make_node(struct node *n, char letter, const char *address)
{
    _cleanup_free_ char *name = xasprintf("mtest%d-%c", getpid(), letter);
    n->machine = machine_new(name);
    n->dir = xasprintf("%s/%c", w.dir, letter);
    n->prefix = xasprintf("mtest%d-%c-", getpid(), letter);
    n->address = address;
    link_node(n, letter);
    start_node(n);
}

static int setup(void **state)
{
    char dir[] = "/tmp/test-network-XXXXXX";
    _cleanup_free_ char *name = xasprintf("mtest%d-link", getpid());
    (void)state;
    assert_non_null(mkdtemp(dir));
    assert_int_equal(chmod(dir, 0711), 0);
    w.dir = xstrdup(dir);
    OK(netns_own(&w.own));
    w.host = machine_new(name);
    machine_ip(w.host, "link add net type bridge\nlink set net up\naddress add " HOST "/18 dev net");
    make_node(&w.a, 'a', NODE_A);
    make_node(&w.b, 'b', NODE_B);
    return 0;
}

static void remove_dir(const char *dir)
{
    struct spawn rm = {.argv = (const char *const[]){"rm", "-rf", dir, NULL}};
    OK(spawn_check(&rm));
}

/* What a failed test left goes as well. */
static void drop_node(struct node *n)
{
    if (n->network)
        kill_node(n);
    start_node(n);
    OK(network_restore(n->network, NULL, 0, NULL, 0, NULL, 0));
    kill_node(n);
    machine_free(n->machine);
    free(n->dir);
    free(n->prefix);
}

static void drop_guests(void)
{
    _cleanup_free_ char *prefix = xasprintf("mtest%d-g", getpid());
    DIR *d = opendir(NETNS_FOLDER);
    for (const struct dirent *entry; d && (entry = readdir(d));)
        if (str_starts(entry->d_name, prefix))
            machine_ip(w.host, "netns del %s", entry->d_name);
    if (d)
        closedir(d);
}

static int teardown(void **state)
{
    (void)state;
    drop_guests();
    drop_node(&w.a);
    drop_node(&w.b);
    machine_free(w.host);
    remove_dir(w.dir);
    free(w.dir);
    close(w.own);
    return 0;
}

/* ---- objects and guests ---- */

static json_t *rule(const char *direction, const char *protocol, int from, int to, const char *cidr)
{
    return json_pack("{s:s,s:s,s:i,s:i,s:s}", "direction", direction, "protocol", protocol, "from", from, "to", to, "cidr", cidr);
}

static json_t *all_out(void)
{
    return json_pack("{s:s,s:s,s:s}", "direction", "out", "protocol", "all", "cidr", "0.0.0.0/0");
}

static json_t *members_rule(json_t *members)
{
    return json_pack("{s:s,s:s,s:o}", "direction", "in", "protocol", "all", "members", members);
}

/* Takes the rules. */
static void set_group(struct node *n, const char *group, const char *vpc, json_t *rules)
{
    _cleanup_json_ json_t *body = json_pack("{s:s,s:o}", "vpc", vpc, "rules", rules);
    struct id id = id_of(group);
    OK(network_set_group(n->network, &id, body));
}

static void drop_group(struct node *n, const char *group)
{
    struct id id = id_of(group);
    OK(network_set_group(n->network, &id, NULL));
}

static struct network_guest make_guest(const char *vpc, const char *address, const char *group, const char *public)
{
    struct network_guest g;
    uint32_t number;
    struct id id = id_random("i-");
    assert_true(address_parse(address, &number));
    bool second = strstr(address, "172.31.16.") != NULL;
    _cleanup_free_ char *subnet = xasprintf("subnet-%s-%d", vpc + 4, second ? 2 : 1);
    _cleanup_free_ char *mac = xasprintf("02:00:%02x:%02x:%02x:%02x", ++w.vms, number >> 16 & 255, number >> 8 & 255, number & 255);
    _cleanup_json_ json_t *body =
        json_pack("{s:s,s:s,s:s,s:s,s:s,s:s,s:i,s:[s]}", "address", address, "mac", mac, "subnet", subnet, "subnet_cidr",
                  second ? "172.31.16.0/20" : "172.31.0.0/20", "vpc", vpc, "vpc_cidr", "172.31.0.0/16", "vni",
                  (second ? 2000 : 1000) + (vpc[4] - 'a'), "groups", group);
    if (public)
        json_set_string(body, "public_address", public);
    OK(network_guest_parse(&id, body, &g));
    return g;
}

/* The hypervisor's part: a tap in the node's namespace. */
static void make_tap(struct vm *vm)
{
    _cleanup_free_ char *tap = network_tap_name(&vm->guest.instance);
    machine_ip(vm->node->machine, "link add %s type veth peer name eth0 address %s netns %s\nlink set %s up", tap, vm->guest.mac,
               vm->machine->name, tap);
    machine_ip(vm->machine, "link set eth0 up");
}

static struct vm *new_vm(struct node *n, const char *vpc, const char *address, const char *group, const char *public)
{
    struct vm *vm = xnew0(struct vm);
    vm->node = n;
    vm->guest = make_guest(vpc, address, group, public);
    _cleanup_free_ char *name = xasprintf("mtest%d-g%u", getpid(), w.vms);
    vm->machine = machine_new(name);
    return vm;
}

static struct vm *start_vm(struct node *n, const char *vpc, const char *address, const char *group, const char *public)
{
    struct vm *vm = new_vm(n, vpc, address, group, public);
    struct lease lease;
    OK(network_prepare(n->network, &vm->guest));
    make_tap(vm);
    OK(network_plug(n->network, &vm->guest));
    assert_true(machine_configure(vm->machine, 10000, &lease));
    assert_string_equal(lease.address, address);
    return vm;
}

static void end_vm(struct vm *vm)
{
    OK(network_unplug(vm->node->network, &vm->guest.instance));
    machine_free(vm->machine);
    free(vm);
}

/* ---- what must be gone ---- */

static char *output_of(struct machine *m, const char *const *argv);

struct command {
    const char *const *argv;
    char *output;
};

static struct error *run_command(void *arg)
{
    struct command *c = arg;
    struct spawn s = {.argv = c->argv, .max_output = 1 << 20};
    struct spawn_result r;
    RETURN_IF_ERROR(spawn_run(&s, &r));
    c->output = str_take(&r.output);
    return NULL;
}

static char *output_of(struct machine *m, const char *const *argv)
{
    struct command c = {argv, NULL};
    OK(netns_run(m->ns, run_command, &c));
    return c.output;
}

#define RUN(machine, ...) output_of(machine, (const char *const[]){__VA_ARGS__, NULL})

/* Processes that were started for the folder. */
static unsigned processes_of(const char *dir)
{
    DIR *proc = opendir("/proc");
    unsigned found = 0;
    for (const struct dirent *entry; (entry = readdir(proc));) {
        char text[4096];
        _cleanup_free_ char *path = xasprintf("/proc/%s/cmdline", entry->d_name);
        int fd = open(path, O_RDONLY);
        ssize_t n = fd < 0 ? -1 : read(fd, text, sizeof text);
        if (fd >= 0)
            close(fd);
        found += n > 0 && memmem(text, (size_t)n, dir, strlen(dir)) && memmem(text, (size_t)n, "dnsmasq", 7);
    }
    closedir(proc);
    return found;
}

static unsigned entries_of(const char *dir, const char *prefix)
{
    DIR *d = opendir(dir);
    unsigned found = 0;
    for (const struct dirent *entry; d && (entry = readdir(d));)
        found += entry->d_name[0] != '.' && str_starts(entry->d_name, prefix);
    if (d)
        closedir(d);
    return found;
}

static void assert_nothing_left(struct node *n)
{
    _cleanup_free_ char *links = RUN(n->machine, "ip", "-brief", "link");
    _cleanup_free_ char *routes = RUN(n->machine, "ip", "route");
    _cleanup_free_ char *proxies = RUN(n->machine, "ip", "neighbour", "show", "proxy");
    _cleanup_free_ char *permanent = RUN(n->machine, "ip", "neighbour", "show", "nud", "permanent");
    _cleanup_free_ char *tables = RUN(n->machine, "nft", "list", "tables");
    assert_null(strstr(links, "mu"));
    assert_null(strstr(links, "mt"));
    assert_null(strstr(links, "mx"));
    assert_null(strstr(routes, "169.254"));
    assert_null(strstr(routes, "10.96.96"));
    assert_string_equal(proxies, "");
    assert_string_equal(permanent, "");
    assert_string_equal(tables, "");
    assert_int_equal(entries_of(NETNS_FOLDER, n->prefix), 0);
    assert_int_equal(entries_of(n->dir, ""), 0);
    assert_int_equal(processes_of(n->dir), 0);
    assert_int_equal(listener_of(n, "vpc-a"), -1);
}

/* ---- tests ---- */

static void test_two_vpcs_with_one_range(void **state)
{
    char from[ADDRESS_TEXT];
    struct lease lease;
    (void)state;
    struct vm *a = start_vm(&w.a, "vpc-a", "172.31.0.5", "sg-1", NULL);
    struct vm *b = start_vm(&w.a, "vpc-b", "172.31.0.5", "sg-2", NULL);
    assert_true(machine_dhcp(a->machine, 10000, &lease));
    assert_string_equal(lease.router, "172.31.0.1");
    assert_string_equal(lease.mask, "255.255.240.0");
    assert_string_equal(lease.name, "ip-172-31-0-5");
    assert_int_equal(lease.mtu, 1450);
    assert_false(lease.resolvers);
    /* Each VPC's guest reaches its own listener. */
    int in_a = listener_of(&w.a, "vpc-a"), in_b = listener_of(&w.a, "vpc-b");
    assert_open(a, "169.254.169.254", 80);
    accepted_from(in_a, OPEN_MS, from);
    assert_string_equal(from, "172.31.0.5");
    assert_open(b, "169.254.169.254", 80);
    accepted_from(in_b, OPEN_MS, from);
    assert_string_equal(from, "172.31.0.5");
    accepted_from(in_a, 0, from);
    assert_string_equal(from, "");
    end_vm(a);
    end_vm(b);
    assert_nothing_left(&w.a);
}

static void test_nothing_before_groups(void **state)
{
    (void)state;
    struct vm *a = start_vm(&w.a, "vpc-a", "172.31.0.5", "sg-1", "10.96.96.5");
    struct vm *b = start_vm(&w.a, "vpc-a", "172.31.0.6", "sg-1", NULL);
    int listener = machine_listen(b->machine, 22), service = machine_listen(w.host, SERVICE);
    assert_silent(a, "172.31.0.6", 22);
    assert_silent(a, HOST, SERVICE);
    assert_silent(a, "172.31.0.1", 22); /* the gateway */
    assert_false(machine_ping(a->machine, "172.31.0.1", SILENT_MS));
    assert_false(machine_ping(a->machine, "172.31.0.6", SILENT_MS));
    assert_open(a, "169.254.169.254", 80);
    set_group(&w.a, "sg-1", "vpc-a", json_pack("[o,o]", rule("in", "tcp", 22, 22, "172.31.0.0/20"), all_out()));
    assert_open(a, "172.31.0.6", 22);
    assert_open(a, HOST, SERVICE);
    assert_silent(a, "172.31.0.6", 23);
    /* A group of another VPC allows nothing. */
    set_group(&w.a, "sg-1", "vpc-b", json_pack("[o,o]", rule("in", "tcp", 22, 22, "0.0.0.0/0"), all_out()));
    assert_silent(a, "172.31.0.6", 22);
    drop_group(&w.a, "sg-1");
    assert_silent(a, "172.31.0.6", 22);
    close(listener);
    close(service);
    end_vm(a);
    end_vm(b);
    assert_nothing_left(&w.a);
}

static json_t *one_member(const char *address)
{
    return json_pack("[s]", address);
}

static void test_groups(void **state)
{
    (void)state;
    json_t *web = json_pack("[o,o,o,o]", rule("in", "tcp", 80, 82, "0.0.0.0/0"), rule("in", "tcp", 22, 22, "172.31.0.6/32"),
                            rule("in", "icmp", 8, -1, "172.31.0.7/32"), all_out());
    struct vm *a = start_vm(&w.a, "vpc-a", "172.31.0.5", "sg-web", NULL);
    struct vm *b = start_vm(&w.a, "vpc-a", "172.31.0.6", "sg-db", NULL);
    struct vm *c = start_vm(&w.a, "vpc-a", "172.31.16.7", "sg-db", NULL); /* in the other subnet */
    int fds[] = {machine_listen(a->machine, 82), machine_listen(a->machine, 22), machine_listen(b->machine, 5432)};
    set_group(&w.a, "sg-web", "vpc-a", web);
    set_group(&w.a, "sg-db", "vpc-a", json_pack("[o,o]", members_rule(one_member("172.31.0.5")), all_out()));
    assert_open(b, "172.31.0.5", 82);
    assert_open(c, "172.31.0.5", 82); /* routed */
    assert_silent(b, "172.31.0.5", 83);
    assert_int_equal(machine_connect(b->machine, "172.31.0.5", 81, OPEN_MS), TRIED_REFUSED);
    assert_open(b, "172.31.0.5", 22);
    assert_silent(c, "172.31.0.5", 22);
    assert_false(machine_ping(b->machine, "172.31.0.5", SILENT_MS));
    assert_open(a, "172.31.0.6", 5432); /* a is a member of what sg-db trusts, c is none */
    assert_silent(c, "172.31.0.6", 5432);
    assert_true(machine_ping(a->machine, "172.31.0.6", OPEN_MS));
    /* Another member: sg-web's rules stay as they are. */
    json_t *two = json_pack("[s,s]", "172.31.0.5", "172.31.16.7");
    set_group(&w.a, "sg-db", "vpc-a", json_pack("[o,o]", members_rule(two), all_out()));
    assert_open(c, "172.31.0.6", 5432);
    assert_open(b, "172.31.0.5", 82);
    /* No egress but to one place: what answers a flow from elsewhere still leaves. */
    json_t *narrow = json_pack("[o,o]", rule("in", "tcp", 82, 82, "0.0.0.0/0"), rule("out", "tcp", 5433, 5433, "0.0.0.0/0"));
    set_group(&w.a, "sg-web", "vpc-a", narrow);
    assert_silent(a, "172.31.0.6", 5432);
    assert_open(b, "172.31.0.5", 82);
    /* A flow that a rule admitted goes on without it, a new one does not begin. */
    int flow = machine_open(b->machine, "172.31.0.5", 82, OPEN_MS);
    set_group(&w.a, "sg-web", "vpc-a", json_array());
    assert_silent(b, "172.31.0.5", 82);
    assert_int_equal(send(flow, "x", 1, MSG_NOSIGNAL), 1);
    close(flow);
    for (size_t k = 0; k < ARRAY_SIZE(fds); k++)
        close(fds[k]);
    end_vm(a);
    end_vm(c);
    end_vm(b);
    drop_group(&w.a, "sg-web");
    drop_group(&w.a, "sg-db");
    assert_nothing_left(&w.a);
}

/* ---- spoofing ---- */

static bool frame_passes(struct vm *from, struct vm *to, const struct frame *f, const char *mark, int ms)
{
    _cleanup_close_ int ear = machine_hear(to->machine);
    machine_send(from->machine, f);
    return heard(ear, mark, (unsigned)strlen(mark), ms);
}

static bool arp_passes(struct vm *from, struct vm *to, const struct frame *f, int ms)
{
    _cleanup_close_ int ear = machine_hear(to->machine);
    machine_send(from->machine, f);
    return heard(ear, f->data + 12, 20, ms); /* type, header, sender's MAC and address are on the wire as sent */
}

/* The bridge's rules step aside: what is dropped for its sender must arrive now. */
static void drop_bridge_rules(struct node *n, const char *vpc)
{
    _cleanup_free_ char *name = xasprintf("%s%s", n->prefix, vpc);
    struct machine inside = {.name = name, .ns = -1};
    OK(netns_open(name, &inside.ns));
    free(RUN(&inside, "nft", "delete", "table", "bridge", "mallee"));
    close(inside.ns);
}

/* The frame, as one of IPv6. */
static void make_six(struct frame *f, const char *text)
{
    uint8_t head[40] = {0x60, 0, 0, 0, 0, (uint8_t)strlen(text), 59, 64, 0xfe, 0x80, [23] = 1, [24] = 0xfe, [25] = 0x80, [39] = 2};
    memcpy(f->data + 12, "\x86\xdd", 2);
    memcpy(f->data + 14, head, sizeof head);
    memcpy(f->data + 54, text, strlen(text));
    f->len = 54 + (unsigned)strlen(text);
}

static void test_spoofing(void **state)
{
    static const char gateway[] = "02:ff:6d:00:00:01";
    struct frame own, address, mac, arp, sender, server, multicast;
    (void)state;
    struct vm *a = start_vm(&w.a, "vpc-a", "172.31.0.5", "sg-1", NULL);
    struct vm *b = start_vm(&w.a, "vpc-a", "172.31.0.6", "sg-1", NULL);
    set_group(&w.a, "sg-1", "vpc-a", json_pack("[o,o]", rule("in", "udp", 0, 65535, "0.0.0.0/0"), all_out()));
    frame_udp(&own, a->guest.mac, b->guest.mac, "172.31.0.5", "172.31.0.6", 999, 1000, "mine-and-true");
    frame_udp(&address, a->guest.mac, b->guest.mac, "172.31.0.9", "172.31.0.6", 999, 1000, "of-another-address");
    frame_udp(&mac, "02:00:00:99:99:99", b->guest.mac, "172.31.0.5", "172.31.0.6", 999, 1000, "of-another-card");
    frame_udp(&server, a->guest.mac, "ff:ff:ff:ff:ff:ff", "172.31.0.5", "255.255.255.255", 67, 68, "a-false-dhcp-server");
    frame_udp(&multicast, a->guest.mac, "01:00:5e:00:00:01", "172.31.0.5", "224.0.0.1", 999, 1000, "to-everybody");
    frame_arp(&arp, a->guest.mac, a->guest.mac, "172.31.0.1", "172.31.0.1", 2);
    frame_arp(&sender, a->guest.mac, gateway, "172.31.0.5", "172.31.0.6", 1);
    assert_true(frame_passes(a, b, &own, "mine-and-true", OPEN_MS));
    assert_false(frame_passes(a, b, &address, "of-another-address", SILENT_MS));
    assert_false(frame_passes(a, b, &mac, "of-another-card", SILENT_MS));
    assert_false(frame_passes(a, b, &server, "a-false-dhcp-server", SILENT_MS));
    assert_false(frame_passes(a, b, &multicast, "to-everybody", SILENT_MS));
    assert_false(arp_passes(a, b, &arp, SILENT_MS));
    assert_false(arp_passes(a, b, &sender, SILENT_MS));
    frame_arp(&arp, a->guest.mac, a->guest.mac, "172.31.0.5", "172.31.0.6", 1);
    assert_true(arp_passes(a, b, &arp, OPEN_MS));
    /* IPv6 does not leave a card. */
    struct frame six = own;
    make_six(&six, "of-another-world");
    assert_false(frame_passes(a, b, &six, "of-another-world", SILENT_MS));
    /* The same frames arrive where nothing forbids them. */
    drop_bridge_rules(&w.a, "vpc-a");
    frame_arp(&arp, a->guest.mac, a->guest.mac, "172.31.0.1", "172.31.0.1", 2);
    assert_true(frame_passes(a, b, &address, "of-another-address", OPEN_MS));
    assert_true(frame_passes(a, b, &mac, "of-another-card", OPEN_MS));
    assert_true(frame_passes(a, b, &server, "a-false-dhcp-server", OPEN_MS));
    assert_true(arp_passes(a, b, &arp, OPEN_MS));
    assert_true(arp_passes(a, b, &sender, OPEN_MS));
    assert_true(frame_passes(a, b, &six, "of-another-world", OPEN_MS));
    /* Who watches finds the rules gone and sets them again. */
    OK(network_check(w.a.network));
    assert_false(frame_passes(a, b, &address, "of-another-address", SILENT_MS));
    assert_true(frame_passes(a, b, &own, "mine-and-true", OPEN_MS));
    end_vm(a);
    end_vm(b);
    drop_group(&w.a, "sg-1");
    assert_nothing_left(&w.a);
}

/* ---- between nodes ---- */

static json_t *host_entry(const struct vm *vm)
{
    return json_pack("{s:s,s:s,s:s,s:s}", "address", vm->guest.address, "mac", vm->guest.mac, "node", "n-x", "link", vm->node->address);
}

/* Takes the list. */
static void set_subnet(struct node *n, const struct vm *of, json_t *hosts)
{
    _cleanup_json_ json_t *body = json_pack("{s:s,s:s,s:i,s:o}", "vpc", of->guest.vpc.text, "cidr", of->guest.subnet_cidr, "vni",
                                            (int)of->guest.vni, "hosts", hosts);
    OK(network_set_subnet(n->network, &of->guest.subnet, body));
}

static void drop_subnet(struct node *n, const struct id *subnet)
{
    OK(network_set_subnet(n->network, subnet, NULL));
}

/* A frame to a link-local MAC passes no hook on its way in: the bridge must not learn from it either. */
static void test_no_place_is_stolen(void **state)
{
    struct frame f;
    struct machine inside = {.name = xasprintf("%svpc-a", w.a.prefix), .ns = -1};
    (void)state;
    struct vm *a = start_vm(&w.a, "vpc-a", "172.31.0.5", "sg-1", NULL);
    struct vm *b = start_vm(&w.a, "vpc-a", "172.31.0.6", "sg-1", NULL);
    _cleanup_free_ char *tap = network_tap_name(&b->guest.instance);
    OK(netns_open(inside.name, &inside.ns));
    const char last[] = {0x00, 0x03, 0x0e, 0x21};
    for (size_t k = 0; k < sizeof last; k++) {
        char to[MAC_TEXT];
        snprintf(to, sizeof to, "01:80:c2:00:00:%02x", last[k]);
        frame_udp(&f, b->guest.mac, to, "172.31.0.5", "172.31.0.6", 999, 1000, "i-am-b");
        f.data[12] = 0x88;
        f.data[13] = 0xcc;
        machine_send(a->machine, &f);
        _cleanup_free_ char *known = RUN(&inside, "bridge", "fdb", "show", "dynamic");
        const char *line = strstr(known, b->guest.mac);
        assert_non_null(line);
        assert_true(str_starts(line + strlen(b->guest.mac) + strlen(" dev "), tap));
    }
    close(inside.ns);
    free(inside.name);
    end_vm(a);
    end_vm(b);
    assert_nothing_left(&w.a);
}

static void test_two_nodes(void **state)
{
    struct node *const nodes[] = {&w.a, &w.b};
    (void)state;
    struct vm *a = start_vm(&w.a, "vpc-a", "172.31.0.5", "sg-1", NULL);
    struct vm *b = start_vm(&w.b, "vpc-a", "172.31.0.6", "sg-1", NULL);
    struct vm *other = start_vm(&w.b, "vpc-b", "172.31.0.5", "sg-1", NULL);
    struct vm *there = start_vm(&w.b, "vpc-a", "172.31.16.7", "sg-1", NULL); /* its subnet is on both nodes */
    struct vm *here = start_vm(&w.a, "vpc-a", "172.31.16.8", "sg-1", NULL);
    struct id first = a->guest.subnet, second = here->guest.subnet;
    int fds[] = {machine_listen(b->machine, 22), machine_listen(a->machine, 22), machine_listen(there->machine, 22)};
    for (size_t k = 0; k < 2; k++)
        set_group(nodes[k], "sg-1", "vpc-a", json_pack("[o,o]", rule("in", "tcp", 22, 22, "0.0.0.0/0"), all_out()));
    assert_int_not_equal(machine_connect(a->machine, "172.31.0.6", 22, SILENT_MS), TRIED_OPEN); /* nobody said where it is */
    for (size_t k = 0; k < 2; k++) {
        set_subnet(nodes[k], a, json_pack("[o,o]", host_entry(a), host_entry(b)));
        set_subnet(nodes[k], here, json_pack("[o,o]", host_entry(here), host_entry(there)));
    }
    assert_open(a, "172.31.0.6", 22);
    assert_open(b, "172.31.0.5", 22);
    assert_silent(a, "172.31.0.6", 23);
    assert_open(a, "172.31.16.7", 22); /* routed here, bridged there */
    /* One moves: the others forget where it was. */
    for (size_t k = 0; k < 2; k++)
        set_subnet(nodes[k], a, json_pack("[o]", host_entry(a)));
    assert_int_not_equal(machine_connect(a->machine, "172.31.0.6", 22, SILENT_MS), TRIED_OPEN);
    for (size_t k = 0; k < 2; k++)
        set_subnet(nodes[k], a, json_pack("[o,o]", host_entry(a), host_entry(b)));
    assert_open(a, "172.31.0.6", 22);
    for (size_t k = 0; k < ARRAY_SIZE(fds); k++)
        close(fds[k]);
    struct vm *const all[] = {a, b, other, there, here};
    for (size_t k = 0; k < ARRAY_SIZE(all); k++)
        end_vm(all[k]);
    for (size_t k = 0; k < 2; k++) {
        drop_subnet(nodes[k], &first);
        drop_subnet(nodes[k], &second);
        drop_group(nodes[k], "sg-1");
        assert_nothing_left(nodes[k]);
    }
}

/* What comes by VXLAN is made by hand: a host of the link network that no subnet names, and one that is named. */
static void send_vxlan(int fd, const struct vm *to, const struct frame *inner)
{
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_port = htons(4789)};
    const uint32_t vni = to->guest.vni;
    uint8_t data[1700] = {8, 0, 0, 0, (uint8_t)(vni >> 16), (uint8_t)(vni >> 8), (uint8_t)vni, 0};
    inet_pton(AF_INET, to->node->address, &at.sin_addr);
    memcpy(data + 8, inner->data, inner->len);
    assert_int_equal(sendto(fd, data, inner->len + 8, 0, (struct sockaddr *)&at, sizeof at), inner->len + 8);
}

static bool vxlan_passes(struct machine *m, struct vm *to, const struct frame *f, const char *mark, int ms)
{
    _cleanup_close_ int ear = machine_hear(to->machine);
    _cleanup_close_ int fd = machine_socket(m, AF_INET, SOCK_DGRAM, 0);
    send_vxlan(fd, to, f);
    return heard(ear, mark, (unsigned)strlen(mark), ms);
}

/* True where something comes back from the metadata address. */
static bool vxlan_answers(struct machine *m, struct vm *to, const struct frame *f, int ms)
{
    struct sockaddr_in own = {.sin_family = AF_INET, .sin_port = htons(4789)};
    _cleanup_close_ int fd = machine_socket(m, AF_INET, SOCK_DGRAM | SOCK_NONBLOCK, 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&own, sizeof own), 0);
    send_vxlan(fd, to, f);
    return heard(fd, "\xa9\xfe\xa9\xfe\xac\x1f", 6, ms);
}

static void test_what_comes_by_vxlan(void **state)
{
    struct frame true_one, false_address, false_mac, routed, from_local, metadata;
    (void)state;
    struct vm *a = start_vm(&w.a, "vpc-a", "172.31.0.5", "sg-1", NULL);
    struct vm far = {.node = &w.b, .guest = make_guest("vpc-a", "172.31.0.6", "sg-1", NULL)};
    struct id subnet = a->guest.subnet;
    set_group(&w.a, "sg-1", "vpc-a", json_pack("[o,o]", rule("in", "udp", 0, 65535, "0.0.0.0/0"), all_out()));
    set_subnet(&w.a, a, json_pack("[o,o]", host_entry(a), host_entry(&far)));
    frame_udp(&true_one, far.guest.mac, a->guest.mac, "172.31.0.6", "172.31.0.5", 999, 1000, "from-a-neighbour");
    frame_udp(&false_address, far.guest.mac, a->guest.mac, "172.31.0.9", "172.31.0.5", 999, 1000, "of-another-address");
    frame_udp(&false_mac, "02:00:00:99:99:99", a->guest.mac, "172.31.0.6", "172.31.0.5", 999, 1000, "of-another-card");
    frame_udp(&routed, "02:ff:6d:00:00:01", a->guest.mac, "172.31.99.6", "172.31.0.5", 999, 1000, "routed-elsewhere");
    frame_udp(&from_local, "02:ff:6d:00:00:01", a->guest.mac, "172.31.0.5", "172.31.0.5", 999, 1000, "as-if-from-here");
    assert_true(vxlan_passes(w.b.machine, a, &true_one, "from-a-neighbour", OPEN_MS));
    assert_true(vxlan_passes(w.b.machine, a, &routed, "routed-elsewhere", OPEN_MS));
    assert_false(vxlan_passes(w.b.machine, a, &false_address, "of-another-address", SILENT_MS));
    assert_false(vxlan_passes(w.b.machine, a, &false_mac, "of-another-card", SILENT_MS));
    assert_false(vxlan_passes(w.b.machine, a, &from_local, "as-if-from-here", SILENT_MS));
    assert_false(vxlan_passes(w.host, a, &true_one, "from-a-neighbour", SILENT_MS)); /* no subnet names that host */
    /* A SYN to the metadata address gets no answer; without the bridge's rules it would. */
    frame_syn(&metadata, far.guest.mac, "02:ff:6d:00:00:01", "172.31.0.6", "169.254.169.254", 999, 80);
    assert_false(vxlan_answers(w.b.machine, a, &metadata, SILENT_MS));
    drop_bridge_rules(&w.a, "vpc-a");
    assert_true(vxlan_answers(w.b.machine, a, &metadata, OPEN_MS));
    OK(network_check(w.a.network));
    assert_true(vxlan_passes(w.b.machine, a, &true_one, "from-a-neighbour", OPEN_MS));
    end_vm(a);
    drop_subnet(&w.a, &subnet);
    drop_group(&w.a, "sg-1");
    assert_nothing_left(&w.a);
}
/* ---- metadata ---- */

static char *lookup(void *arg, const struct id *vpc, const char *address, struct id *ret)
{
    const struct vm *const *vms = arg;
    for (size_t k = 0; vms[k]; k++) {
        if (!id_eq(&vms[k]->guest.vpc, vpc) || !streq(vms[k]->guest.address, address))
            continue;
        *ret = vms[k]->guest.instance;
        return xasprintf("{\"address\":\"%s\",\"metadata\":{\"tokens\":\"required\",\"hop_limit\":%zu,\"endpoint\":\"enabled\"}}", address,
                         k + 1);
    }
    return NULL;
}

/* Time to live of the next packet to the guest that holds the text. */
static int hops_of(int ear, const char *text)
{
    uint8_t in[2048];
    int64_t until = clock_mono_ms() + OPEN_MS;
    while (clock_mono_ms() < until) {
        ssize_t n = recv(ear, in, sizeof in, MSG_DONTWAIT);
        if (n > 34 && in[26] == 169 && memmem(in, (size_t)n, text, strlen(text)))
            return in[22];
        if (n < 0)
            usleep(1000);
    }
    return -1;
}

static void assert_metadata(struct vm *vm, int hops)
{
    _cleanup_close_ int ear = machine_hear(vm->machine);
    _cleanup_free_ char *refused = machine_http(vm->machine, "GET", "/latest/meta-data/instance-id", NULL);
    _cleanup_free_ char *put =
        machine_http(vm->machine, "PUT", "/latest/api/token", "X-aws-ec2-metadata-token-ttl-seconds: 60");
    assert_non_null(refused);
    assert_non_null(put);
    assert_true(str_starts(refused, "HTTP/1.1 401 "));
    assert_true(str_starts(put, "HTTP/1.1 200 "));
    _cleanup_free_ char *header = xasprintf("X-aws-ec2-metadata-token: %s", strstr(put, "\r\n\r\n") + 4);
    _cleanup_free_ char *got = machine_http(vm->machine, "GET", "/2021-03-23/meta-data/instance-id", header);
    assert_non_null(got);
    assert_true(str_starts(got, "HTTP/1.1 200 "));
    assert_true(str_ends(got, vm->guest.instance.text));
    assert_int_equal(hops_of(ear, "401 Unauthorized"), 64);
    assert_int_equal(hops_of(ear, strstr(put, "\r\n\r\n") + 4), hops);
}

static void test_metadata(void **state)
{
    struct vm *vms[4] = {NULL};
    struct metadata_options o = {.arg = vms, .lookup = lookup};
    (void)state;
    kill_node(&w.a);
    OK(metadata_open(&o, &w.a.metadata));
    start_node(&w.a);
    vms[0] = start_vm(&w.a, "vpc-a", "172.31.0.5", "sg-1", NULL);
    vms[1] = start_vm(&w.a, "vpc-b", "172.31.0.5", "sg-1", NULL);
    vms[2] = start_vm(&w.a, "vpc-a", "172.31.0.6", "sg-1", NULL);
    for (int k = 0; k < 3; k++)
        assert_metadata(vms[k], k + 1);
    for (int k = 0; k < 3; k++)
        end_vm(vms[k]);
    assert_nothing_left(&w.a);
    kill_node(&w.a);
    metadata_close(w.a.metadata);
    w.a.metadata = NULL;
    start_node(&w.a);
}

/* ---- outside ---- */

static void test_public_addresses(void **state)
{
    char from[ADDRESS_TEXT];
    struct node *const nodes[] = {&w.a, &w.b};
    (void)state;
    struct vm *a = start_vm(&w.a, "vpc-a", "172.31.0.5", "sg-1", "10.96.96.5");
    struct vm *b = start_vm(&w.a, "vpc-a", "172.31.0.6", "sg-1", "10.96.96.6");
    struct vm *plain = start_vm(&w.a, "vpc-a", "172.31.0.7", "sg-1", NULL);
    struct vm *other = start_vm(&w.a, "vpc-b", "172.31.0.5", "sg-2", "10.96.96.7");
    struct vm *far = start_vm(&w.b, "vpc-c", "172.31.0.5", "sg-3", "10.96.96.8");
    int in_a = machine_listen(a->machine, 22), in_b = machine_listen(b->machine, 22), in_other = machine_listen(other->machine, 22);
    int in_far = machine_listen(far->machine, 22), service = machine_listen(w.host, SERVICE);
    assert_silent_from(w.host, "10.96.96.5", 22); /* its groups have not come */
    for (size_t k = 0; k < 2; k++) {
        set_group(nodes[k], "sg-1", "vpc-a", json_pack("[o,o]", rule("in", "tcp", 22, 22, "10.96.0.0/16"), all_out()));
        set_group(nodes[k], "sg-2", "vpc-b", json_pack("[o,o]", rule("in", "tcp", 22, 22, "10.96.0.0/16"), all_out()));
        set_group(nodes[k], "sg-3", "vpc-c", json_pack("[o,o]", rule("in", "tcp", 22, 22, "10.96.0.0/16"), all_out()));
    }
    /* From the link network. */
    assert_int_equal(machine_connect(w.host, "10.96.96.5", 22, OPEN_MS), TRIED_OPEN);
    accepted_from(in_a, OPEN_MS, from);
    assert_string_equal(from, HOST);
    assert_silent_from(w.host, "10.96.96.5", 23);
    assert_int_equal(machine_connect(w.host, "10.96.96.8", 22, OPEN_MS), TRIED_OPEN);
    accepted_from(in_far, OPEN_MS, from);
    /* A guest by another's public address: it is seen with its own. */
    assert_open(a, "10.96.96.6", 22);
    accepted_from(in_b, OPEN_MS, from);
    assert_string_equal(from, "10.96.96.5");
    /* By its own. */
    assert_open(a, "10.96.96.5", 22);
    accepted_from(in_a, OPEN_MS, from);
    assert_string_equal(from, "10.96.96.5");
    /* Another VPC with the same private address, and another node. */
    assert_open(a, "10.96.96.7", 22);
    accepted_from(in_other, OPEN_MS, from);
    assert_string_equal(from, "10.96.96.5");
    assert_open(a, "10.96.96.8", 22);
    accepted_from(in_far, OPEN_MS, from);
    assert_string_equal(from, "10.96.96.5");
    /* Without a public address: as the node. */
    assert_open(plain, "10.96.96.6", 22);
    accepted_from(in_b, OPEN_MS, from);
    assert_string_equal(from, NODE_A);
    assert_open(plain, HOST, SERVICE);
    accepted_from(service, OPEN_MS, from);
    assert_string_equal(from, NODE_A);
    assert_open(a, HOST, SERVICE);
    accepted_from(service, OPEN_MS, from);
    assert_string_equal(from, "10.96.96.5");
    const int fds[] = {in_a, in_b, in_other, in_far, service};
    for (size_t k = 0; k < ARRAY_SIZE(fds); k++)
        close(fds[k]);
    struct vm *const all[] = {a, b, plain, other, far};
    for (size_t k = 0; k < ARRAY_SIZE(all); k++)
        end_vm(all[k]);
    for (size_t k = 0; k < 2; k++) {
        drop_group(nodes[k], "sg-1");
        drop_group(nodes[k], "sg-2");
        drop_group(nodes[k], "sg-3");
        assert_nothing_left(nodes[k]);
    }
}

/* The host knows the address at the node, without asking. */
static void assert_at(struct node *n, const char *address)
{
    _cleanup_free_ char *links = RUN(n->machine, "ip", "-brief", "link", "show", "link0");
    _cleanup_free_ char *known = RUN(w.host, "ip", "neighbour", "show", address);
    const char *lladdr = strstr(known, "lladdr ");
    assert_non_null(lladdr);
    _cleanup_free_ char *mac = xstrndup(lladdr + strlen("lladdr "), MAC_TEXT - 1);
    assert_non_null(strstr(links, mac));
}

/* The address goes to an instance on another node: whoever knew the old place is told. */
static void test_public_address_wanders(void **state)
{
    struct node *const nodes[] = {&w.a, &w.b, &w.a};
    (void)state;
    for (size_t k = 0; k < ARRAY_SIZE(nodes); k++) {
        struct vm *vm = start_vm(nodes[k], "vpc-a", "172.31.0.5", "sg-1", "10.96.96.5");
        if (k > 0)
            assert_at(nodes[k], "10.96.96.5");
        set_group(nodes[k], "sg-1", "vpc-a", json_pack("[o]", rule("in", "tcp", 22, 22, "0.0.0.0/0")));
        int fd = machine_listen(vm->machine, 22);
        assert_int_equal(machine_connect(w.host, "10.96.96.5", 22, 1000), TRIED_OPEN);
        close(fd);
        end_vm(vm);
        drop_group(nodes[k], "sg-1");
    }
}

static void assert_ports(struct machine *m, const char *to, const unsigned *want, unsigned count)
{
    unsigned found[8], n = machine_scan(m, to, found, ARRAY_SIZE(found));
    if (n != count)
        fail_msg("%u ports of %s answer, the first is %u", n, to, found[0]);
    for (unsigned k = 0; k < count; k++)
        assert_int_equal(found[k], want[k]);
}

static void test_guests_reach_services_only(void **state)
{
    static const unsigned service_only[] = {SERVICE}, on_node[] = {9001};
    /* Uplinks, the own and others'; what the VPC has elsewhere; beyond the link network. */
    static const char *const others[] = {NODE_B, "169.254.64.1", "169.254.64.2", "169.254.1.1", "172.31.40.1", "192.0.2.1"};
    (void)state;
    struct vm *public = start_vm(&w.a, "vpc-a", "172.31.0.5", "sg-1", "10.96.96.5");
    struct vm *plain = start_vm(&w.a, "vpc-b", "172.31.0.6", "sg-2", NULL);
    int fds[] = {machine_listen(w.host, SERVICE), machine_listen(w.host, 22), machine_listen(w.host, 5672),
                 machine_listen(w.a.machine, 22), machine_listen(w.a.machine, 16509), machine_listen(w.b.machine, 22)};
    struct vm *const vms[] = {public, plain};
    set_group(&w.a, "sg-1", "vpc-a", json_pack("[o]", all_out()));
    set_group(&w.a, "sg-2", "vpc-b", json_pack("[o]", all_out()));
    /* The scanner finds what is there: without our rules every port answers, open or refused. */
    assert_int_equal(machine_scan(w.host, NODE_A, NULL, 0), 65535);
    for (size_t k = 0; k < ARRAY_SIZE(vms); k++) {
        assert_ports(vms[k]->machine, HOST, service_only, 1);
        assert_ports(vms[k]->machine, NODE_A, on_node, 1);
        for (size_t j = 0; j < ARRAY_SIZE(others); j++) {
            enum tried tried = machine_connect(vms[k]->machine, others[j], 22, SILENT_MS);
            if (tried != TRIED_SILENT && tried != TRIED_FAILED)
                fail_msg("a guest reaches %s", others[j]);
        }
        assert_false(machine_ping(vms[k]->machine, NODE_A, SILENT_MS));
        assert_false(machine_ping(vms[k]->machine, HOST, SILENT_MS));
    }
    for (size_t k = 0; k < ARRAY_SIZE(fds); k++)
        close(fds[k]);
    end_vm(public);
    end_vm(plain);
    drop_group(&w.a, "sg-1");
    drop_group(&w.a, "sg-2");
    assert_nothing_left(&w.a);
}

static void test_outside(void **state)
{
    struct lease lease;
    char from[ADDRESS_TEXT];
    (void)state;
    machine_ip(w.host, "address add 192.0.2.1/32 dev lo");
    machine_ip(w.a.machine, "route add default via " HOST);
    kill_node(&w.a);
    w.a.outside = true;
    start_node(&w.a);
    struct vm *public = start_vm(&w.a, "vpc-a", "172.31.0.5", "sg-1", "10.96.96.5");
    struct vm *plain = start_vm(&w.a, "vpc-a", "172.31.0.6", "sg-1", NULL);
    int web = machine_listen(w.host, 80), ssh = machine_listen(w.a.machine, 22);
    set_group(&w.a, "sg-1", "vpc-a", json_pack("[o]", all_out()));
    assert_open(public, "192.0.2.1", 80);
    accepted_from(web, OPEN_MS, from);
    assert_string_equal(from, "10.96.96.5");
    assert_open(plain, "192.0.2.1", 80);
    accepted_from(web, OPEN_MS, from);
    assert_string_equal(from, NODE_A);
    assert_silent(plain, HOST, 80); /* but nothing else of the link network, nor the node */
    assert_silent(public, NODE_B, 80);
    assert_silent(public, NODE_A, 22);
    assert_silent(plain, "169.254.64.1", 22);
    assert_true(machine_dhcp(plain->machine, 10000, &lease));
    char *resolv = NULL;
    size_t len;
    struct error *e = file_read("/etc/resolv.conf", 65536, &resolv, &len);
    error_free(e);
    if (resolv && strstr(resolv, "nameserver ") && !strstr(resolv, "nameserver 127."))
        assert_true(lease.resolvers);
    free(resolv);
    close(web);
    close(ssh);
    end_vm(public);
    end_vm(plain);
    kill_node(&w.a);
    w.a.outside = false;
    start_node(&w.a);
    machine_ip(w.a.machine, "route del default");
    machine_ip(w.host, "address del 192.0.2.1/32 dev lo");
    assert_nothing_left(&w.a);
}

/* ---- what goes wrong ---- */

static json_t *group_body(const char *vpc)
{
    return json_pack("{s:s,s:[o,o]}", "vpc", vpc, "rules", rule("in", "tcp", 22, 22, "0.0.0.0/0"), all_out());
}

struct known { /* what the daemon's spec files hold */
    struct network_guest guests[4];
    size_t guests_len;
    struct network_object group, subnet;
};

static void restore(struct node *n, const struct known *k)
{
    OK(network_restore(n->network, k->guests, k->guests_len, &k->group, k->group.body != NULL, &k->subnet, k->subnet.body != NULL));
}

static pid_t dnsmasq_of(struct node *n, const char *vpc)
{
    _cleanup_free_ char *path = xasprintf("%s/%s/pid", n->dir, vpc);
    _cleanup_free_ char *text = NULL;
    size_t len;
    OK(file_read(path, 32, &text, &len));
    return (pid_t)atoi(text);
}

static void test_restart(void **state)
{
    (void)state;
    struct vm *a = start_vm(&w.a, "vpc-a", "172.31.0.5", "sg-1", "10.96.96.5");
    struct vm *b = start_vm(&w.a, "vpc-a", "172.31.0.6", "sg-1", NULL);
    struct vm *gone = start_vm(&w.a, "vpc-b", "172.31.0.5", "sg-1", "10.96.96.6");
    struct known k = {.guests = {a->guest, b->guest}, .guests_len = 2, .group = {id_of("sg-1"), group_body("vpc-a")}};
    int in_a = machine_listen(a->machine, 22), in_b = machine_listen(b->machine, 22);
    OK(network_set_group(w.a.network, &k.group.id, k.group.body));
    int flow = machine_open(w.host, "10.96.96.5", 22, OPEN_MS);
    assert_true(flow >= 0);
    pid_t before = dnsmasq_of(&w.a, "vpc-a");
    kill_node(&w.a);
    /* Nothing of it is in the data path. */
    assert_open(a, "172.31.0.6", 22);
    start_node(&w.a);
    restore(&w.a, &k);
    assert_int_equal(dnsmasq_of(&w.a, "vpc-a"), before);
    assert_open(a, "172.31.0.6", 22);
    assert_int_equal(send(flow, "x", 1, MSG_NOSIGNAL), 1);
    assert_int_equal(machine_connect(w.host, "10.96.96.5", 22, OPEN_MS), TRIED_OPEN);
    assert_open(a, "169.254.169.254", 80);
    /* The other VPC is no guest's of the list: it is gone. */
    assert_int_equal(entries_of(NETNS_FOLDER, w.a.prefix), 1);
    assert_int_equal(processes_of(w.a.dir), 1);
    _cleanup_free_ char *proxies = RUN(w.a.machine, "ip", "neighbour", "show", "proxy");
    assert_non_null(strstr(proxies, "10.96.96.5"));
    assert_null(strstr(proxies, "10.96.96.6"));
    close(flow);
    close(in_a);
    close(in_b);
    end_vm(gone);
    end_vm(a);
    end_vm(b);
    drop_group(&w.a, "sg-1");
    json_decref((json_t *)k.group.body);
    assert_nothing_left(&w.a);
}

/* All that the network made is deleted under a dead daemon, the taps with it, as after the loss of the host's network. */
static void test_rebuilt_from_nothing(void **state)
{
    struct lease lease;
    (void)state;
    struct vm *a = start_vm(&w.a, "vpc-a", "172.31.0.5", "sg-1", "10.96.96.5");
    struct vm *b = start_vm(&w.b, "vpc-a", "172.31.0.6", "sg-1", NULL);
    json_t *hosts = json_pack("{s:s,s:s,s:i,s:[o,o]}", "vpc", "vpc-a", "cidr", a->guest.subnet_cidr, "vni", (int)a->guest.vni, "hosts",
                              host_entry(a), host_entry(b));
    struct known k = {.guests = {a->guest}, .guests_len = 1, .group = {id_of("sg-1"), group_body("vpc-a")},
                      .subnet = {a->guest.subnet, hosts}};
    OK(network_set_group(w.a.network, &k.group.id, k.group.body));
    OK(network_set_group(w.b.network, &k.group.id, k.group.body));
    OK(network_set_subnet(w.a.network, &k.subnet.id, k.subnet.body));
    OK(network_set_subnet(w.b.network, &k.subnet.id, k.subnet.body));
    int in_b = machine_listen(b->machine, 22), in_a = machine_listen(a->machine, 22);
    assert_open(a, "172.31.0.6", 22);
    kill_node(&w.a);
    machine_ip(w.a.machine, "netns del %svpc-a", w.a.prefix);
    kill(dnsmasq_of(&w.a, "vpc-a"), SIGKILL);
    free(RUN(w.a.machine, "nft", "flush", "ruleset"));
    machine_ip(w.a.machine, "neighbour flush proxy");
    remove_dir(w.a.dir);
    for (int k_ = 0; machine_has(a->machine, "eth0") && k_ < 500; k_++)
        usleep(10000); /* the namespace takes the tap along, a moment later */
    assert_false(machine_has(a->machine, "eth0"));
    start_node(&w.a);
    restore(&w.a, &k);
    make_tap(a);
    OK(network_plug(w.a.network, &a->guest));
    assert_true(machine_configure(a->machine, 10000, &lease));
    assert_open(a, "172.31.0.6", 22);
    assert_open(b, "172.31.0.5", 22);
    assert_int_equal(machine_connect(w.host, "10.96.96.5", 22, OPEN_MS), TRIED_OPEN);
    assert_open(a, "169.254.169.254", 80);
    close(in_a);
    close(in_b);
    end_vm(a);
    end_vm(b);
    for (size_t j = 0; j < 2; j++) {
        struct node *n = j ? &w.b : &w.a;
        drop_subnet(n, &k.subnet.id);
        drop_group(n, "sg-1");
        assert_nothing_left(n);
    }
    json_decref((json_t *)k.group.body);
    json_decref(hosts);
}

/* ---- deaths ---- */

static void life_in_child(struct node *n, struct vm *vm)
{
    error_ignore(netns_run(n->machine->ns, open_network, n));
    for (;;) {
        error_ignore(network_prepare(n->network, &vm->guest));
        error_ignore(network_plug(n->network, &vm->guest));
        error_ignore(network_unplug(n->network, &vm->guest.instance));
        error_ignore(network_prepare(n->network, &vm->guest));
    }
}

/* A daemon that prepares, plugs and unplugs is killed after ever longer times; the next one makes order. */
static void test_killed_anywhere(void **state)
{
    int rounds = getenv("MALLEE_LONG") && *getenv("MALLEE_LONG") ? 200 : 25;
    (void)state;
    kill_node(&w.a);
    for (int k = 0; k < rounds; k++) {
        struct vm *vm = new_vm(&w.a, "vpc-a", "172.31.0.5", "sg-1", "10.96.96.5");
        struct lease lease;
        make_tap(vm);
        pid_t child = fork();
        if (child == 0) {
            life_in_child(&w.a, vm);
            _exit(0);
        }
        usleep((useconds_t)(k * 5000 + k * 137 % 5000));
        kill(child, SIGKILL);
        waitpid(child, NULL, 0);
        usleep(100 * 1000); /* what it spawned ends by itself */
        start_node(&w.a);
        struct error *e = network_restore(w.a.network, &vm->guest, k % 2, NULL, 0, NULL, 0);
        for (int tries = 0; e && tries < 20; tries++) { /* a slow `ip` came between */
            error_free(e);
            usleep(100 * 1000);
            e = network_restore(w.a.network, &vm->guest, k % 2, NULL, 0, NULL, 0);
        }
        OK(e);
        if (k % 2) {
            if (!machine_has(vm->machine, "eth0"))
                make_tap(vm);
            OK(network_plug(w.a.network, &vm->guest));
            assert_true(machine_configure(vm->machine, 10000, &lease));
            assert_open(vm, "169.254.169.254", 80);
            OK(network_unplug(w.a.network, &vm->guest.instance));
        } else if (machine_has(vm->machine, "eth0")) {
            machine_ip(vm->machine, "link del eth0"); /* the tap, as with its domain */
        }
        assert_nothing_left(&w.a);
        kill_node(&w.a);
        machine_free(vm->machine);
        free(vm);
    }
    start_node(&w.a);
}

/* A /proc/sys in which br_netfilter is not loaded. */
static void without_br_netfilter(struct node *n, const struct network_guest *g)
{
    _cleanup_free_ char *space = xasprintf("%s%s", n->prefix, g->vpc.text);
    char link[DEVICE_NAME];
    device_name("mu", space, link);
    _cleanup_free_ char *script = xasprintf(
        "set -e; cd /proc/sys; for d in conf/%s conf/link0 neigh/link0; do mkdir -p net/ipv4/$d; done; "
        "for f in conf/%s/forwarding conf/link0/forwarding; do echo 1 >net/ipv4/$f; done; echo 0 >net/ipv4/neigh/link0/proxy_delay",
        link, link);
    struct spawn fill = {.argv = (const char *const[]){"sh", "-c", script, NULL}};
    if (unshare(CLONE_NEWNS) != 0 || mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) != 0 ||
        mount("none", "/proc/sys", "tmpfs", 0, NULL) != 0)
        _exit(3);
    OK(spawn_check(&fill));
}

static void test_without_the_sysctl(void **state)
{
    struct network_guest g = make_guest("vpc-a", "172.31.0.5", "sg-1", NULL);
    int status = 0;
    (void)state;
    kill_node(&w.a);
    pid_t child = fork();
    if (child == 0) {
        start_node(&w.a);
        without_br_netfilter(&w.a, &g);
        struct error *e = network_prepare(w.a.network, &g);
        bool clear = error_is(e, &ERROR_UNAVAILABLE) && strstr(error_message(e), "modprobe br_netfilter");
        struct error *not_prepared = network_plug(w.a.network, &g);
        bool refused = not_prepared != NULL;
        struct error *gone = network_unplug(w.a.network, &g.instance);
        _exit(!clear ? 4 : !refused ? 5 : gone ? 6 : 0);
    }
    waitpid(child, &status, 0);
    assert_int_equal(status, 0);
    start_node(&w.a);
    assert_nothing_left(&w.a);
}

static struct error *open_bridge(void *arg)
{
    (void)arg;
    int fd = open("/proc/sys/net/bridge/bridge-nf-call-iptables", O_WRONLY | O_CLOEXEC);
    if (fd < 0 || write(fd, "0", 1) != 1)
        abort();
    close(fd);
    return NULL;
}

static void test_watching(void **state)
{
    _cleanup_free_ char *name = xasprintf("%svpc-a", w.a.prefix);
    int ns = -1;
    (void)state;
    struct vm *a = start_vm(&w.a, "vpc-a", "172.31.0.5", "sg-1", "10.96.96.5");
    struct vm *b = start_vm(&w.a, "vpc-a", "172.31.0.6", "sg-1", NULL);
    int listener = machine_listen(b->machine, 23);
    set_group(&w.a, "sg-1", "vpc-a", json_pack("[o]", all_out()));
    OK(network_check(w.a.network));
    /* At 0 every group is open: that is why it is watched. */
    OK(netns_open(name, &ns));
    assert_silent(a, "172.31.0.6", 23);
    OK(netns_run(ns, open_bridge, NULL));
    assert_open(a, "172.31.0.6", 23);
    OK(network_check(w.a.network));
    assert_silent(a, "172.31.0.6", 23);
    close(ns);
    /* A dead dnsmasq, the node's table, the uplink. */
    pid_t before = dnsmasq_of(&w.a, "vpc-a");
    kill(before, SIGKILL);
    while (processes_of(w.a.dir))
        usleep(1000);
    OK(network_check(w.a.network));
    assert_int_equal(processes_of(w.a.dir), 1);
    assert_int_not_equal(dnsmasq_of(&w.a, "vpc-a"), before);
    free(RUN(w.a.machine, "nft", "flush", "ruleset"));
    assert_int_equal(machine_connect(a->machine, NODE_A, 22, OPEN_MS), TRIED_REFUSED); /* the way is there without rules */
    assert_int_equal(machine_connect(a->machine, HOST, 5672, OPEN_MS), TRIED_REFUSED);
    OK(network_check(w.a.network));
    assert_silent(a, NODE_A, 22);
    assert_silent(a, HOST, 5672);
    _cleanup_free_ char *links = RUN(w.a.machine, "ip", "-brief", "link");
    char *link = strstr(links, "mu");
    assert_non_null(link);
    machine_ip(w.a.machine, "link del %.14s", link);
    OK(network_check(w.a.network));
    int service = machine_listen(w.host, SERVICE);
    assert_open(a, HOST, SERVICE);
    /* The link device: while it is away that is an error, afterwards all that lay on it is set anew. */
    machine_ip(w.host, "link del pa");
    _cleanup_error_ struct error *e = network_check(w.a.network);
    assert_true(error_is(e, &ERROR_UNAVAILABLE));
    assert_non_null(strstr(error_message(e), "link0"));
    link_node(&w.a, 'a');
    OK(network_check(w.a.network));
    assert_open(a, HOST, SERVICE);
    set_group(&w.a, "sg-1", "vpc-a", json_pack("[o]", rule("in", "tcp", 22, 22, "0.0.0.0/0")));
    assert_int_equal(machine_connect(w.host, "10.96.96.5", 22, OPEN_MS), TRIED_REFUSED);
    close(service);
    close(listener);
    end_vm(a);
    end_vm(b);
    drop_group(&w.a, "sg-1");
    assert_nothing_left(&w.a);
}

/* The number of a dnsmasq that ended is another's now: that one is left alone. */
static void test_no_stranger_is_killed(void **state)
{
    (void)state;
    struct vm *a = start_vm(&w.a, "vpc-a", "172.31.0.5", "sg-1", NULL);
    _cleanup_free_ char *path = xasprintf("%s/vpc-a/pid", w.a.dir);
    _cleanup_free_ char *number = xasprintf("%d\n", getpid());
    kill(dnsmasq_of(&w.a, "vpc-a"), SIGKILL);
    while (processes_of(w.a.dir))
        usleep(1000);
    OK(file_write_durable(path, number, strlen(number), 0644));
    OK(network_check(w.a.network));
    assert_int_equal(processes_of(w.a.dir), 1);
    assert_int_not_equal(dnsmasq_of(&w.a, "vpc-a"), getpid());
    OK(file_write_durable(path, number, strlen(number), 0644));
    end_vm(a); /* the own one is found without it */
    assert_nothing_left(&w.a);
}

/* An address that comes back with another card, within the lease of the first. */
static void test_address_used_again(void **state)
{
    (void)state;
    struct vm *stays = start_vm(&w.a, "vpc-a", "172.31.0.9", "sg-1", NULL);
    for (int k = 0; k < 3; k++)
        end_vm(start_vm(&w.a, "vpc-a", "172.31.0.5", "sg-1", NULL));
    /* Two at a time are refused. */
    struct network_guest twin = make_guest("vpc-a", "172.31.0.9", "sg-1", NULL);
    _cleanup_error_ struct error *e = network_prepare(w.a.network, &twin);
    assert_true(error_is(e, &ERROR_EXISTS));
    end_vm(stays);
    assert_nothing_left(&w.a);
}

static void test_again_and_unknown(void **state)
{
    struct id unknown = id_of("i-unknown");
    struct network_guest g = make_guest("vpc-a", "172.31.0.5", "sg-1", "10.96.96.5");
    (void)state;
    OK(network_unplug(w.a.network, &unknown));
    _cleanup_error_ struct error *e = network_plug(w.a.network, &g);
    assert_non_null(e);
    OK(network_prepare(w.a.network, &g));
    OK(network_prepare(w.a.network, &g));
    _cleanup_error_ struct error *no_tap = network_plug(w.a.network, &g);
    assert_true(error_is(no_tap, &ERROR_NOT_FOUND));
    OK(network_unplug(w.a.network, &g.instance)); /* without ever being plugged */
    OK(network_unplug(w.a.network, &g.instance));
    assert_nothing_left(&w.a);
    struct vm *a = start_vm(&w.a, "vpc-a", "172.31.0.5", "sg-1", NULL);
    OK(network_prepare(w.a.network, &a->guest));
    OK(network_plug(w.a.network, &a->guest));
    assert_open(a, "169.254.169.254", 80);
    end_vm(a);
    struct network_guest outside = make_guest("vpc-a", "172.31.0.5", "sg-1", "10.96.64.9");
    _cleanup_error_ struct error *not_public = network_prepare(w.a.network, &outside);
    assert_true(error_is(not_public, &ERROR_INVALID));
    assert_nothing_left(&w.a);
}

/* ---- many at once ---- */

#define CROWD 12

struct member {
    struct network_guest guest;
    struct error *e;
};

static void *prepare_main(void *arg)
{
    struct member *m = arg;
    m->e = network_prepare(w.a.network, &m->guest);
    return NULL;
}

static void *unplug_main(void *arg)
{
    struct member *m = arg;
    m->e = network_unplug(w.a.network, &m->guest.instance);
    return NULL;
}

static void all_at_once(struct member *members, void *(*fn)(void *))
{
    pthread_t threads[CROWD];
    for (int k = 0; k < CROWD; k++)
        assert_int_equal(pthread_create(&threads[k], NULL, fn, &members[k]), 0);
    for (int k = 0; k < CROWD; k++)
        pthread_join(threads[k], NULL);
    for (int k = 0; k < CROWD; k++)
        OK(members[k].e);
}

static void test_many_at_once(void **state)
{
    struct member members[CROWD] = {0};
    (void)state;
    for (int k = 0; k < CROWD; k++) {
        _cleanup_free_ char *address = xasprintf("172.31.%d.%d", k % 2 ? 16 : 0, 10 + k);
        members[k].guest = make_guest(k % 3 ? "vpc-a" : "vpc-b", address, "sg-1", NULL);
    }
    int64_t start = clock_mono_ms();
    all_at_once(members, prepare_main);
    int64_t prepared = clock_mono_ms();
    all_at_once(members, unplug_main);
    print_message("%d prepared in %d ms, gone in %d ms\n", CROWD, (int)(prepared - start), (int)(clock_mono_ms() - prepared));
    assert_nothing_left(&w.a);
}

static void test_time_of_a_launch(void **state)
{
    (void)state;
    struct vm *first = start_vm(&w.a, "vpc-a", "172.31.0.5", "sg-1", NULL);
    struct vm *vm = new_vm(&w.a, "vpc-a", "172.31.0.6", "sg-1", "10.96.96.6");
    int64_t start = clock_mono_ms();
    OK(network_prepare(w.a.network, &vm->guest));
    int64_t prepared = clock_mono_ms();
    make_tap(vm);
    int64_t made = clock_mono_ms();
    OK(network_plug(w.a.network, &vm->guest));
    int64_t plugged = clock_mono_ms();
    end_vm(vm);
    int64_t unplugged = clock_mono_ms();
    OK(network_check(w.a.network));
    int64_t checked = clock_mono_ms();
    print_message("prepare %d ms, plug %d ms, unplug %d ms, check %d ms\n", (int)(prepared - start), (int)(plugged - made),
                  (int)(unplugged - plugged), (int)(checked - unplugged));
    end_vm(first);
}

/* An argument is a pattern of test names. */
int main(int argc, char **argv)
{
    if (getuid() != 0 || access("/usr/sbin/dnsmasq", X_OK)) {
        puts("needs root and dnsmasq");
        return 77;
    }
    if (unshare(CLONE_NEWNET) != 0 || access("/proc/sys/net/bridge/bridge-nf-call-iptables", W_OK) != 0) {
        puts("needs network namespaces and br_netfilter");
        return 77;
    }
    log_setup("test-network", LOG_INFO);
    signal(SIGPIPE, SIG_IGN);
    if (argc > 1)
        cmocka_set_test_filter(argv[1]);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_two_vpcs_with_one_range),
        cmocka_unit_test(test_nothing_before_groups),
        cmocka_unit_test(test_groups),
        cmocka_unit_test(test_spoofing),
        cmocka_unit_test(test_no_place_is_stolen),
        cmocka_unit_test(test_two_nodes),
        cmocka_unit_test(test_what_comes_by_vxlan),
        cmocka_unit_test(test_metadata),
        cmocka_unit_test(test_public_addresses),
        cmocka_unit_test(test_public_address_wanders),
        cmocka_unit_test(test_guests_reach_services_only),
        cmocka_unit_test(test_outside),
        cmocka_unit_test(test_restart),
        cmocka_unit_test(test_killed_anywhere),
        cmocka_unit_test(test_without_the_sysctl),
        cmocka_unit_test(test_rebuilt_from_nothing),
        cmocka_unit_test(test_watching),
        cmocka_unit_test(test_no_stranger_is_killed),
        cmocka_unit_test(test_address_used_again),
        cmocka_unit_test(test_again_and_unknown),
        cmocka_unit_test(test_many_at_once),
        cmocka_unit_test(test_time_of_a_launch),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
