/* SPDX-License-Identifier: Apache-2.0 */
#include <config.h>
#include "node-controller/network/announce.h"
#include <arpa/inet.h>
#include <errno.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <net/if_arp.h>
#include <netinet/if_ether.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include "node-controller/network/netns.h"

struct word {
    const char *device, *address;
};

static void fill(struct ether_arp *arp, const unsigned char *mac, const char *address)
{
    struct in_addr a = {0};
    inet_pton(AF_INET, address, &a);
    *arp = (struct ether_arp){.ea_hdr = {.ar_hrd = htons(ARPHRD_ETHER), .ar_pro = htons(ETH_P_IP), .ar_hln = ETH_ALEN,
                                         .ar_pln = 4, .ar_op = htons(ARPOP_REQUEST)}};
    memcpy(arp->arp_sha, mac, ETH_ALEN);
    memcpy(arp->arp_spa, &a, 4);
    memcpy(arp->arp_tpa, &a, 4);
}

static struct error *say(void *arg)
{
    const struct word *w = arg;
    struct ifreq device = {0};
    struct ether_arp arp;
    _cleanup_close_ int fd = socket(AF_PACKET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    snprintf(device.ifr_name, sizeof device.ifr_name, "%s", w->device);
    if (fd < 0 || ioctl(fd, SIOCGIFHWADDR, &device) < 0)
        return error_errno(errno, "announcing %s on %s", w->address, w->device);
    fill(&arp, (const unsigned char *)device.ifr_hwaddr.sa_data, w->address);
    struct sockaddr_ll to = {.sll_family = AF_PACKET, .sll_protocol = htons(ETH_P_ARP), .sll_halen = ETH_ALEN,
                             .sll_ifindex = (int)if_nametoindex(w->device)};
    memset(to.sll_addr, 0xff, ETH_ALEN);
    if (sendto(fd, &arp, sizeof arp, 0, (const struct sockaddr *)&to, sizeof to) < 0 && errno != ENETDOWN)
        return error_errno(errno, "announcing %s on %s", w->address, w->device);
    return NULL;
}

struct error *announce_address(int ns, const char *device, const char *address)
{
    struct word w = {device, address};
    return netns_run(ns, say, &w);
}
