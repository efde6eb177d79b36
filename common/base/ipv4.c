/* SPDX-License-Identifier: Apache-2.0 */
#include <config.h>
#include "common/base/ipv4.h"
#include <string.h>
#include "common/base/mem.h"

/* Up to three digits, at most `max`; moves past them. */
static bool take_number(const char **at, unsigned max, unsigned *ret)
{
    const char *p = *at;
    unsigned value = 0;
    size_t digits = strspn(p, "0123456789");
    if (!digits || digits > 3 || (digits > 1 && *p == '0'))
        return false;
    for (size_t i = 0; i < digits; i++)
        value = value * 10 + (unsigned)(p[i] - '0');
    *at = p + digits;
    *ret = value;
    return value <= max;
}

static bool take_address(const char **at, uint32_t *ret)
{
    uint32_t address = 0;
    for (int i = 0; i < 4; i++) {
        unsigned part;
        if (i && *(*at)++ != '.')
            return false;
        if (!take_number(at, 255, &part))
            return false;
        address = address << 8 | part;
    }
    *ret = address;
    return true;
}

bool ipv4_parse(const char *text, uint32_t *ret)
{
    uint32_t address;
    if (!take_address(&text, &address) || *text)
        return false;
    *ret = address;
    return true;
}

bool cidr_parse(const char *text, struct cidr *ret)
{
    uint32_t address;
    unsigned prefix;
    if (!take_address(&text, &address) || *text++ != '/' || !take_number(&text, 32, &prefix) || *text)
        return false;
    *ret = (struct cidr){prefix ? address & (UINT32_MAX << (32 - prefix)) : 0, prefix};
    return true;
}

char *ipv4_text(uint32_t address)
{
    return xasprintf("%u.%u.%u.%u", address >> 24, address >> 16 & 255, address >> 8 & 255, address & 255);
}

char *cidr_text(struct cidr range)
{
    _cleanup_free_ char *first = ipv4_text(range.first);
    return xasprintf("%s/%u", first, range.prefix);
}

uint64_t cidr_size(struct cidr range)
{
    return 1ull << (32 - range.prefix);
}
