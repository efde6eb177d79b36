/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CORE_DIGEST_H
#define CORE_DIGEST_H
/* The fingerprint of a set of held objects: XOR of the first 8 bytes of SHA-256 over each one's
 * (kind, id, generation).  The same set gives the same digest in any order; adding twice removes. */
#include "core/message.h"

uint64_t digest_object(enum object_kind kind, const char *id, uint64_t generation);
#endif
