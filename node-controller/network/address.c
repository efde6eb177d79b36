/* SPDX-License-Identifier: Apache-2.0 */
#include <config.h>
#include "node-controller/network/address.h"
#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>
#include "common/base/str.h"
#include "common/crypto/digest.h"

bool address_parse(const char *text, uint32_t *ret)
{
    struct in_addr a;
    if (inet_pton(AF_INET, text, &a) != 1)
        return false;
    *ret = ntohl(a.s_addr);
    return true;
}

void address_text(uint32_t address, char ret[ADDRESS_TEXT])
{
    struct in_addr a = {htonl(address)};
    inet_ntop(AF_INET, &a, ret, ADDRESS_TEXT);
}

static uint32_t mask_of(unsigned len)
{
    return len ? UINT32_MAX << (32 - len) : 0;
}

bool cidr_parse(const char *text, struct cidr *ret, uint32_t *ret_address)
{
    char head[ADDRESS_TEXT];
    const char *slash = strchr(text, '/');
    uint64_t len;
    uint32_t address;
    if (!slash || slash - text >= ADDRESS_TEXT || strlen(slash + 1) > 2)
        return false;
    memcpy(head, text, (size_t)(slash - text));
    head[slash - text] = '\0';
    struct error *e = parse_u64(slash + 1, 32, &len);
    if (e) {
        error_ignore(e);
        return false;
    }
    if (!address_parse(head, &address))
        return false;
    *ret = (struct cidr){address & mask_of((unsigned)len), (unsigned)len};
    if (ret_address)
        *ret_address = address;
    return true;
}

void cidr_text(const struct cidr *c, char ret[CIDR_TEXT])
{
    char base[ADDRESS_TEXT];
    address_text(c->base, base);
    snprintf(ret, CIDR_TEXT, "%s/%u", base, c->len % 33);
}

bool cidr_has(const struct cidr *c, uint32_t address)
{
    return (address & mask_of(c->len)) == c->base;
}

bool cidr_holds(const struct cidr *outer, const struct cidr *inner)
{
    return inner->len >= outer->len && cidr_has(outer, inner->base);
}

bool mac_parse(const char *text, char ret[MAC_TEXT])
{
    if (strlen(text) != MAC_TEXT - 1)
        return false;
    for (size_t k = 0; k < MAC_TEXT - 1; k++) {
        char c = text[k];
        if (k % 3 == 2 ? c != ':' : !strchr("0123456789abcdefABCDEF", c))
            return false;
        ret[k] = c >= 'A' && c <= 'F' ? (char)(c + 32) : c;
    }
    ret[MAC_TEXT - 1] = '\0';
    return strchr("02468ace", ret[1]) && !streq(ret, "00:00:00:00:00:00");
}

void device_name(const char *kind, const char *id, char ret[DEVICE_NAME])
{
    unsigned char d[SHA256_SIZE];
    sha256(id, strlen(id), d);
    snprintf(ret, DEVICE_NAME, "%.2s%02x%02x%02x%02x%02x%02x", kind, d[0], d[1], d[2], d[3], d[4], d[5]);
}
