/* SPDX-License-Identifier: Apache-2.0 */
#ifndef NODE_CONTROLLER_NETWORK_ADDRESS_H
#define NODE_CONTROLLER_NETWORK_ADDRESS_H
/* IPv4 addresses, ranges and MACs as texts and numbers (host byte order); names of devices. */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define ADDRESS_TEXT 16
#define CIDR_TEXT    19
#define MAC_TEXT     18
#define DEVICE_NAME  16

struct cidr {
    uint32_t base; /* bits behind the prefix are 0 */
    unsigned len;
};

bool address_parse(const char *text, uint32_t *ret);
void address_text(uint32_t address, char ret[ADDRESS_TEXT]);
/* "10.0.0.0/8"; `ret_address`, where it is not NULL, gets the address as it was written. */
bool cidr_parse(const char *text, struct cidr *ret, uint32_t *ret_address);
void cidr_text(const struct cidr *c, char ret[CIDR_TEXT]);
bool cidr_has(const struct cidr *c, uint32_t address);
/* True where `inner` lies in `outer`. */
bool cidr_holds(const struct cidr *outer, const struct cidr *inner);
/* A unicast MAC, written in lower case. */
bool mac_parse(const char *text, char ret[MAC_TEXT]);
/* Two letters and 12 digits made of the id: device names are too short for ids. */
void device_name(const char *kind, const char *id, char ret[DEVICE_NAME]);
#endif
