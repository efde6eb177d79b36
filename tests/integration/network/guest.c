/* SPDX-License-Identifier: Apache-2.0 */
#include <config.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <netinet/if_ether.h>
#include <netinet/ip_icmp.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include "common/base/clock.h"
#include "common/base/id.h"
#include "common/base/mem.h"
#include "common/base/str.h"
#include "node-controller/network/netns.h"
#include "tests/integration/network/guest.h"

#define SCAN_AT_ONCE 4096
#define SCAN_MS      300

static void must(struct error *e)
{
    if (!e)
        return;
    print_error("harness: %s (%s)\n", error_message(e), error_origin(e));
    error_free(e);
    fail();
}

static void own_batch(const char *text)
{
    int own;
    must(netns_own(&own));
    struct error *e = netns_batch(own, "ip", text);
    close(own);
    must(e);
}

struct machine *machine_new(const char *name)
{
    struct machine *m = xnew0(struct machine);
    _cleanup_free_ char *add = xasprintf("netns add %s\n", name);
    m->name = xstrdup(name);
    m->ns = -1;
    own_batch(add);
    must(netns_open(name, &m->ns));
    machine_ip(m, "link set lo up");
    return m;
}

void machine_free(struct machine *m)
{
    _cleanup_free_ char *del = xasprintf("netns del %s\n", m->name);
    own_batch(del);
    close(m->ns);
    free(m->name);
    free(m);
}

void machine_ip(struct machine *m, const char *format, ...)
{
    struct str text = STR_INIT;
    char line[2048];
    va_list args;
    va_start(args, format);
    vsnprintf(line, sizeof line, format, args);
    va_end(args);
    str_printf(&text, "%s\n", line);
    must(netns_batch(m->ns, "ip", str_text(&text)));
    str_free(&text);
}

/* ---- sockets inside ---- */

struct make_socket {
    int domain, type, protocol, fd;
};

static struct error *make_socket(void *arg)
{
    struct make_socket *s = arg;
    s->fd = socket(s->domain, s->type | SOCK_CLOEXEC, s->protocol);
    return s->fd < 0 ? error_errno(errno, "making a socket") : NULL;
}

int machine_socket(struct machine *m, int domain, int type, int protocol)
{
    struct make_socket s = {domain, type, protocol, -1};
    must(netns_run(m->ns, make_socket, &s));
    return s.fd;
}

static struct sockaddr_in at(const char *address, unsigned port)
{
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    assert_int_equal(inet_pton(AF_INET, address, &a.sin_addr), 1);
    return a;
}

static bool ready(int fd, short what, int ms)
{
    struct pollfd p = {.fd = fd, .events = what};
    return poll(&p, 1, ms) == 1;
}

static enum tried connect_in(struct machine *m, const char *to, unsigned port, int ms, int *ret_fd)
{
    struct sockaddr_in a = at(to, port);
    _cleanup_close_ int fd = machine_socket(m, AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    int e = 0;
    socklen_t len = sizeof e;
    if (connect(fd, (struct sockaddr *)&a, sizeof a) < 0 && errno != EINPROGRESS)
        return TRIED_FAILED;
    if (!ready(fd, POLLOUT, ms))
        return TRIED_SILENT;
    getsockopt(fd, SOL_SOCKET, SO_ERROR, &e, &len);
    if (e)
        return e == ECONNREFUSED ? TRIED_REFUSED : TRIED_FAILED;
    if (ret_fd)
        *ret_fd = TAKE_FD(fd);
    return TRIED_OPEN;
}

enum tried machine_connect(struct machine *m, const char *to, unsigned port, int ms)
{
    return connect_in(m, to, port, ms, NULL);
}

int machine_open(struct machine *m, const char *to, unsigned port, int ms)
{
    int fd = -1;
    connect_in(m, to, port, ms, &fd);
    return fd;
}

int machine_listen(struct machine *m, unsigned port)
{
    struct sockaddr_in a = at("0.0.0.0", port);
    int on = 1, fd = machine_socket(m, AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    assert_int_equal(bind(fd, (struct sockaddr *)&a, sizeof a), 0);
    assert_int_equal(listen(fd, 128), 0);
    return fd;
}

void accepted_from(int listener, int ms, char ret[ADDRESS_TEXT])
{
    struct sockaddr_in a;
    socklen_t len = sizeof a;
    ret[0] = '\0';
    if (!ready(listener, POLLIN, ms))
        return;
    int fd = accept(listener, (struct sockaddr *)&a, &len);
    if (fd >= 0) {
        inet_ntop(AF_INET, &a.sin_addr, ret, ADDRESS_TEXT);
        close(fd);
    }
}

static uint16_t checksum(const void *data, size_t len, uint32_t sum)
{
    const uint8_t *p = data;
    for (size_t k = 0; k < len; k++)
        sum += k % 2 ? p[k] : (uint32_t)p[k] << 8;
    while (sum >> 16)
        sum = (sum & 0xffff) + (sum >> 16);
    return htons((uint16_t)~sum);
}

bool machine_ping(struct machine *m, const char *to, int ms)
{
    struct sockaddr_in a = at(to, 0);
    _cleanup_close_ int fd = machine_socket(m, AF_INET, SOCK_RAW, IPPROTO_ICMP);
    struct icmphdr echo = {.type = ICMP_ECHO, .un.echo = {.id = htons(0x4d4c), .sequence = htons(1)}};
    int64_t until = clock_mono_ms() + ms;
    echo.checksum = checksum(&echo, sizeof echo, 0);
    if (sendto(fd, &echo, sizeof echo, 0, (struct sockaddr *)&a, sizeof a) < 0)
        return false;
    for (int64_t left; (left = until - clock_mono_ms()) > 0 && ready(fd, POLLIN, (int)left);) {
        uint8_t in[512];
        ssize_t n = recv(fd, in, sizeof in, 0);
        const struct icmphdr *answer = (const void *)(in + 20);
        if (n >= 28 && answer->type == ICMP_ECHOREPLY && answer->un.echo.id == echo.un.echo.id)
            return true;
    }
    return false;
}

/* ---- scanning ---- */

struct scan {
    const char *to;
    unsigned *open, max, found;
    struct pollfd fds[SCAN_AT_ONCE];
    unsigned ports[SCAN_AT_ONCE];
};

static void note(struct scan *s, unsigned port)
{
    if (s->found < s->max)
        s->open[s->found] = port;
    s->found++;
}

/* An answer of either kind counts: a refusal says that the packet arrived. */
static void scan_some(struct scan *s, unsigned first, unsigned count)
{
    for (unsigned k = 0; k < count; k++) {
        struct sockaddr_in a = at(s->to, first + k);
        int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
        if (fd < 0)
            abort();
        s->fds[k] = (struct pollfd){.fd = fd, .events = POLLOUT};
        s->ports[k] = first + k;
        if (connect(fd, (struct sockaddr *)&a, sizeof a) == 0 || errno == ECONNREFUSED) {
            note(s, first + k);
            close(fd);
            s->fds[k].fd = -1;
        }
    }
    int64_t until = clock_mono_ms() + SCAN_MS;
    for (int64_t left; (left = until - clock_mono_ms()) > 0;) {
        if (poll(s->fds, count, (int)left) <= 0)
            break;
        for (unsigned k = 0; k < count; k++) {
            int e = 0;
            socklen_t len = sizeof e;
            if (s->fds[k].fd < 0 || !s->fds[k].revents)
                continue;
            getsockopt(s->fds[k].fd, SOL_SOCKET, SO_ERROR, &e, &len);
            if (e == 0 || e == ECONNREFUSED)
                note(s, s->ports[k]);
            close(s->fds[k].fd);
            s->fds[k].fd = -1;
        }
    }
    for (unsigned k = 0; k < count; k++)
        if (s->fds[k].fd >= 0)
            close(s->fds[k].fd);
}

static struct error *scan_main(void *arg)
{
    struct scan *s = arg;
    for (unsigned port = 1; port < 65536; port += SCAN_AT_ONCE)
        scan_some(s, port, port + SCAN_AT_ONCE > 65536 ? 65536 - port : SCAN_AT_ONCE);
    return NULL;
}

unsigned machine_scan(struct machine *m, const char *to, unsigned *ret, unsigned max)
{
    struct scan *s = xnew0(struct scan);
    struct rlimit files = {SCAN_AT_ONCE + 1024, SCAN_AT_ONCE + 1024};
    struct rlimit before;
    getrlimit(RLIMIT_NOFILE, &before);
    files.rlim_max = before.rlim_max > files.rlim_max ? before.rlim_max : files.rlim_max;
    if (before.rlim_cur < files.rlim_cur)
        assert_int_equal(setrlimit(RLIMIT_NOFILE, &files), 0);
    s->to = to;
    s->open = ret;
    s->max = max;
    must(netns_run(m->ns, scan_main, s));
    unsigned found = s->found;
    free(s);
    return found;
}

/* ---- HTTP ---- */

char *machine_http(struct machine *m, const char *method, const char *path, const char *header)
{
    _cleanup_close_ int fd = machine_open(m, "169.254.169.254", 80, 2000);
    _cleanup_free_ char *head = xasprintf("%s %s HTTP/1.1\r\nHost: 169.254.169.254\r\nConnection: close\r\n%s%s%s\r\n", method, path,
                                          header ? header : "", header ? "\r\n" : "",
                                          streq(method, "PUT") ? "Content-Length: 0\r\n" : "");
    struct str in = STR_INIT;
    if (fd < 0 || send(fd, head, strlen(head), MSG_NOSIGNAL) < 0)
        return NULL;
    while (ready(fd, POLLIN, 3000)) {
        char some[4096];
        ssize_t n = recv(fd, some, sizeof some, 0);
        if (n <= 0)
            break;
        str_add_n(&in, some, (size_t)n);
    }
    return str_take(&in);
}

/* ---- frames ---- */

static void take_mac(const char *text, uint8_t ret[6])
{
    unsigned b[6];
    assert_int_equal(sscanf(text, "%x:%x:%x:%x:%x:%x", &b[0], &b[1], &b[2], &b[3], &b[4], &b[5]), 6);
    for (int k = 0; k < 6; k++)
        ret[k] = (uint8_t)b[k];
}

static void put(struct frame *f, const void *data, unsigned len)
{
    assert_true(f->len + len <= sizeof f->data);
    memcpy(f->data + f->len, data, len);
    f->len += len;
}

static void put16(struct frame *f, unsigned value)
{
    put(f, (uint8_t[]){(uint8_t)(value >> 8), (uint8_t)value}, 2);
}

static void put_head(struct frame *f, const char *to, const char *from, unsigned type)
{
    uint8_t mac[6];
    f->len = 0;
    take_mac(to, mac);
    put(f, mac, 6);
    take_mac(from, mac);
    put(f, mac, 6);
    put16(f, type);
}

/* Heads of Ethernet and IP; gives where IP's begins. */
static unsigned put_ip(struct frame *f, const char *from_mac, const char *to_mac, const char *from, const char *to,
                       unsigned protocol, unsigned len)
{
    struct in_addr a = at(from, 0).sin_addr, b = at(to, 0).sin_addr;
    put_head(f, to_mac, from_mac, ETH_P_IP);
    unsigned start = f->len;
    put16(f, 0x4500);
    put16(f, 20 + len);
    put16(f, 0);
    put16(f, 0);
    put16(f, 64 << 8 | protocol);
    put16(f, 0);
    put(f, &a, 4);
    put(f, &b, 4);
    uint16_t sum = checksum(f->data + start, 20, 0);
    memcpy(f->data + start + 10, &sum, 2);
    return start;
}

void frame_udp(struct frame *f, const char *from_mac, const char *to_mac, const char *from, const char *to,
               unsigned from_port, unsigned to_port, const char *text)
{
    unsigned len = (unsigned)strlen(text);
    put_ip(f, from_mac, to_mac, from, to, IPPROTO_UDP, 8 + len);
    put16(f, from_port);
    put16(f, to_port);
    put16(f, 8 + len);
    put16(f, 0); /* without a checksum */
    put(f, text, len);
}

void frame_syn(struct frame *f, const char *from_mac, const char *to_mac, const char *from, const char *to,
               unsigned from_port, unsigned to_port)
{
    unsigned start = put_ip(f, from_mac, to_mac, from, to, IPPROTO_TCP, 20);
    put16(f, from_port);
    put16(f, to_port);
    put(f, "\0\0\0\7\0\0\0\0", 8);
    put16(f, 0x5002);
    put16(f, 1000);
    put16(f, 0);
    put16(f, 0);
    /* The pseudo header is addresses, protocol and length. */
    uint16_t sum = checksum(f->data + start + 12, 28, IPPROTO_TCP + 20);
    memcpy(f->data + start + 36, &sum, 2);
}

void frame_arp(struct frame *f, const char *from_mac, const char *sender_mac, const char *sender, const char *target,
               unsigned operation)
{
    struct in_addr a = at(sender, 0).sin_addr, b = at(target, 0).sin_addr;
    uint8_t mac[6];
    put_head(f, "ff:ff:ff:ff:ff:ff", from_mac, ETH_P_ARP);
    put16(f, 1);
    put16(f, ETH_P_IP);
    put16(f, 6 << 8 | 4);
    put16(f, operation);
    take_mac(sender_mac, mac);
    put(f, mac, 6);
    put(f, &a, 4);
    put(f, (uint8_t[6]){0}, 6);
    put(f, &b, 4);
}

static struct error *find_index(void *arg)
{
    *(int *)arg = (int)if_nametoindex("eth0");
    return NULL;
}

static struct sockaddr_ll card_of(struct machine *m)
{
    int index = 0;
    must(netns_run(m->ns, find_index, &index));
    assert_true(index > 0);
    return (struct sockaddr_ll){.sll_family = AF_PACKET, .sll_protocol = htons(ETH_P_ALL), .sll_ifindex = index};
}

void machine_send(struct machine *m, const struct frame *f)
{
    struct sockaddr_ll card = card_of(m);
    _cleanup_close_ int fd = machine_socket(m, AF_PACKET, SOCK_RAW, 0);
    assert_int_equal(sendto(fd, f->data, f->len, 0, (struct sockaddr *)&card, sizeof card), f->len);
}

int machine_hear(struct machine *m)
{
    struct sockaddr_ll card = card_of(m);
    int fd = machine_socket(m, AF_PACKET, SOCK_RAW | SOCK_NONBLOCK, htons(ETH_P_ALL));
    assert_int_equal(bind(fd, (struct sockaddr *)&card, sizeof card), 0);
    return fd;
}

bool heard(int socket, const void *bytes, unsigned len, int ms)
{
    int64_t until = clock_mono_ms() + ms;
    for (int64_t left; (left = until - clock_mono_ms()) > 0 && ready(socket, POLLIN, (int)left);) {
        uint8_t in[2048];
        ssize_t n = recv(socket, in, sizeof in, 0);
        if (n > 0 && memmem(in, (size_t)n, bytes, len))
            return true;
    }
    return false;
}

/* ---- DHCP ---- */

#define COOKIE "\x63\x82\x53\x63"

struct answer {
    uint8_t kind;
    struct lease lease;
};

static void read_options(const uint8_t *p, const uint8_t *end, struct answer *ret)
{
    while (p + 2 <= end && *p != 255 && p + 2 + p[1] <= end) {
        const uint8_t *v = p + 2;
        char *const texts[256] = {[1] = ret->lease.mask, [3] = ret->lease.router, [54] = ret->lease.server};
        if (*p == 53)
            ret->kind = *v;
        else if (*p == 26)
            ret->lease.mtu = (unsigned)v[0] << 8 | v[1];
        else if (*p == 12)
            snprintf(ret->lease.name, sizeof ret->lease.name, "%.*s", p[1], (const char *)v);
        else if (*p == 6)
            ret->lease.resolvers = true;
        else if (texts[*p])
            inet_ntop(AF_INET, v, texts[*p], ADDRESS_TEXT);
        p += 2 + p[1];
    }
}

static void send_dhcp(struct machine *m, const uint8_t mac[6], uint8_t kind, const struct lease *offer)
{
    char text[512] = "", mac_text[MAC_TEXT];
    uint8_t b[300] = {1, 1, 6, 0, 0x4d, 0x61, 0x6c, mac[5]};
    struct frame f;
    unsigned at_option = 240;
    memcpy(b + 28, mac, 6);
    memcpy(b + 236, COOKIE, 4);
    memcpy(b + at_option, (uint8_t[]){53, 1, kind, 55, 6, 1, 3, 6, 12, 26, 51}, 11);
    at_option += 11;
    if (kind == 3) {
        memcpy(b + at_option, (uint8_t[]){50, 4}, 2);
        inet_pton(AF_INET, offer->address, b + at_option + 2);
        memcpy(b + at_option + 6, (uint8_t[]){54, 4}, 2);
        inet_pton(AF_INET, offer->server, b + at_option + 8);
        at_option += 12;
    }
    b[at_option] = 255;
    memset(text, 'x', sizeof b);
    snprintf(mac_text, sizeof mac_text, "%02x:%02x:%02x:%02x:%02x:%02x", mac[0], mac[1], mac[2], mac[3], mac[4], mac[5]);
    frame_udp(&f, mac_text, "ff:ff:ff:ff:ff:ff", "0.0.0.0", "255.255.255.255", 68, 67, text);
    memcpy(f.data + 42, b, sizeof b);
    machine_send(m, &f);
}

static bool read_dhcp(int socket, const uint8_t mac[6], uint8_t kind, int ms, struct lease *ret)
{
    int64_t until = clock_mono_ms() + ms;
    for (int64_t left; (left = until - clock_mono_ms()) > 0 && ready(socket, POLLIN, (int)left);) {
        uint8_t in[2048];
        ssize_t n = recv(socket, in, sizeof in, 0);
        struct answer a = {0};
        if (n < 42 + 241 || in[12] != 8 || in[13] != 0 || in[23] != IPPROTO_UDP || in[36] != 0 || in[37] != 68 || in[42] != 2 ||
            memcmp(in + 42 + 28, mac, 6) != 0)
            continue;
        inet_ntop(AF_INET, in + 42 + 16, a.lease.address, ADDRESS_TEXT);
        read_options(in + 42 + 240, in + n, &a);
        if (a.kind != kind)
            continue;
        *ret = a.lease;
        return true;
    }
    return false;
}

struct mac_question {
    uint8_t mac[6];
};

static struct error *ask_mac(void *arg)
{
    struct mac_question *q = arg;
    struct ifreq device = {.ifr_name = "eth0"};
    _cleanup_close_ int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (ioctl(fd, SIOCGIFHWADDR, &device) < 0)
        return error_errno(errno, "asking eth0's MAC");
    memcpy(q->mac, device.ifr_hwaddr.sa_data, 6);
    return NULL;
}

static struct error *ask_device(void *arg)
{
    return device_exists(arg) ? NULL : error_new(ERROR_NOT_FOUND, "none");
}

bool machine_has(struct machine *m, const char *device)
{
    _cleanup_free_ char *name = xstrdup(device);
    _cleanup_error_ struct error *e = netns_run(m->ns, ask_device, name);
    return e == NULL;
}

bool machine_dhcp(struct machine *m, int ms, struct lease *ret)
{
    struct mac_question q;
    struct lease offer;
    int64_t until = clock_mono_ms() + ms;
    must(netns_run(m->ns, ask_mac, &q));
    _cleanup_close_ int fd = machine_hear(m);
    while (clock_mono_ms() < until) {
        send_dhcp(m, q.mac, 1, NULL);
        if (!read_dhcp(fd, q.mac, 2, 500, &offer))
            continue;
        send_dhcp(m, q.mac, 3, &offer);
        if (read_dhcp(fd, q.mac, 5, 500, ret))
            return true;
    }
    return false;
}

bool machine_configure(struct machine *m, int ms, struct lease *ret)
{
    uint32_t mask;
    unsigned len = 0;
    if (!machine_dhcp(m, ms, ret) || !address_parse(ret->mask, &mask))
        return false;
    while (len < 32 && mask & (1u << (31 - len)))
        len++;
    machine_ip(m, "link set eth0 mtu %u\naddress replace %s/%u dev eth0\nroute replace default via %s", ret->mtu, ret->address, len,
               ret->router);
    return true;
}
