/* SPDX-License-Identifier: Apache-2.0 */
#ifndef NODE_CONTROLLER_NETWORK_ANNOUNCE_H
#define NODE_CONTROLLER_NETWORK_ANNOUNCE_H
/* Tells the hosts of a network by an unasked-for ARP request that an address is now at `device`: who knew it
 * elsewhere forgets that.  A hint: nobody answers it. */
#include "common/base/error.h"

struct error *announce_address(int ns, const char *device, const char *address) _must_check_;
#endif
