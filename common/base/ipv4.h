/* SPDX-License-Identifier: Apache-2.0 */
#ifndef COMMON_BASE_IPV4_H
#define COMMON_BASE_IPV4_H
/* IPv4 addresses, as numbers in the host's order, and ranges of them. */
#include <stdbool.h>
#include <stdint.h>

struct cidr {
    uint32_t first;
    unsigned prefix; /* 0 to 32 */
};

/* Four decimal numbers with dots and nothing else; no leading zeros. */
bool ipv4_parse(const char *text, uint32_t *ret);
/* "10.0.0.7/8"; the bits behind the prefix are dropped, so that two texts of one range are the same range. */
bool cidr_parse(const char *text, struct cidr *ret);
/* Allocated. */
char *ipv4_text(uint32_t address);
char *cidr_text(struct cidr range);
/* How many addresses it has. */
uint64_t cidr_size(struct cidr range);
#endif
