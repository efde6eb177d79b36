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
#include <dirent.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "common/base/array.h"
#include "common/base/clock.h"
#include "common/base/log.h"
#include "common/base/str.h"
#include "common/file/file.h"
#include "common/spawn/spawn.h"
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
#define assert_silent(vm, to, port) assert_int_equal(machine_connect((vm)->machine, to, port, SILENT_MS), TRIED_SILENT)

struct node {
    struct machine *machine;
    char *dir, *prefix;
    const char *address;
    struct network *network;
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
    static const char *const services[] = {HOST ":8773"};
    struct node *n = arg;
    _cleanup_free_ char *link = xasprintf("%s/18", n->address);
    struct network_options o = {.state_dir = n->dir, .netns_prefix = n->prefix, .link_device = "link0", .link_address = link,
                                .public_network = "10.96.96.0/19", .guest_services = services, .guest_services_len = 1,
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

static void make_node(struct node *n, char letter, const char *address)
{
    _cleanup_free_ char *name = xasprintf("mtest%d-%c", getpid(), letter);
    n->machine = machine_new(name);
    n->dir = xasprintf("%s/%c", w.dir, letter);
    n->prefix = xasprintf("mtest%d-%c-", getpid(), letter);
    n->address = address;
    machine_ip(w.host, "link add p%c type veth peer name link0 netns %s\nlink set p%c master net up", letter, name, letter);
    machine_ip(n->machine, "link set link0 up\naddress add %s/18 dev link0", address);
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

static void drop_node(struct node *n)
{
    kill_node(n);
    machine_free(n->machine);
    free(n->dir);
    free(n->prefix);
}

static int teardown(void **state)
{
    (void)state;
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

__attribute__((unused)) static json_t *members_rule(json_t *members)
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

int main(void)
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
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_two_vpcs_with_one_range),
        cmocka_unit_test(test_nothing_before_groups),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
