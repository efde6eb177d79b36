/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TESTS_INTEGRATION_NETWORK_GUEST_H
#define TESTS_INTEGRATION_NETWORK_GUEST_H
/* Stand-ins for machines: a namespace each, whose sockets the test opens itself.  A failure of the harness aborts the
 * test case; what is under test is returned. */
#include <stdbool.h>
#include <stdint.h>
#include "node-controller/network/address.h"

struct machine {
    char *name; /* of its namespace; its card is "eth0" */
    int ns;
};

struct machine *machine_new(const char *name);
void machine_free(struct machine *m);
/* Runs lines of `ip -batch` in it; must succeed. */
void machine_ip(struct machine *m, const char *format, ...) __attribute__((format(printf, 2, 3)));
bool machine_has(struct machine *m, const char *device);

struct lease {
    char address[ADDRESS_TEXT], server[ADDRESS_TEXT], router[ADDRESS_TEXT], mask[ADDRESS_TEXT];
    char name[64];
    unsigned mtu;
    bool resolvers;
};
/* Asks for a lease on eth0 for up to `ms`; false: nobody answered. */
bool machine_dhcp(struct machine *m, int ms, struct lease *ret);
/* The same, and configures eth0 with it. */
bool machine_configure(struct machine *m, int ms, struct lease *ret);

enum tried {
    TRIED_OPEN,
    TRIED_REFUSED,
    TRIED_SILENT, /* nothing came back in time */
    TRIED_FAILED, /* unreachable and the like */
};
enum tried machine_connect(struct machine *m, const char *to, unsigned port, int ms);
/* A socket that is connected; -1 where it could not be. */
int machine_open(struct machine *m, const char *to, unsigned port, int ms);
int machine_socket(struct machine *m, int domain, int type, int protocol);
/* A listening socket. */
int machine_listen(struct machine *m, unsigned port);
/* The address of the next connection's peer at a listener; empty: none came. */
void accepted_from(int listener, int ms, char ret[ADDRESS_TEXT]);
bool machine_ping(struct machine *m, const char *to, int ms);
/* How many of TCP's ports answer there; the first few in `ret`. */
unsigned machine_scan(struct machine *m, const char *to, unsigned *ret, unsigned max);
/* What GET (or another method) of the path at 169.254.169.254 answers; allocated, NULL: nothing. */
char *machine_http(struct machine *m, const char *method, const char *path, const char *header);

/* Frames as they are. */
struct frame {
    uint8_t data[1600];
    unsigned len;
};
void frame_udp(struct frame *f, const char *from_mac, const char *to_mac, const char *from, const char *to,
               unsigned from_port, unsigned to_port, const char *text);
void frame_syn(struct frame *f, const char *from_mac, const char *to_mac, const char *from, const char *to,
               unsigned from_port, unsigned to_port);
void frame_arp(struct frame *f, const char *from_mac, const char *sender_mac, const char *sender, const char *target,
               unsigned operation);
void machine_send(struct machine *m, const struct frame *f);
/* A socket that hears every frame of eth0. */
int machine_hear(struct machine *m);
/* True where a frame that holds the bytes is heard within `ms`. */
bool heard(int socket, const void *bytes, unsigned len, int ms);
#endif
