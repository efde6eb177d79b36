/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CORE_MESSAGE_JSON_H
#define CORE_MESSAGE_JSON_H
/* Messages as JSON: the envelope and body that travel between daemons.  Members that are zero or empty are left
 * out; schemas/messages/messages.json tells the members of each type. */
#include "common/base/error.h"
#include "core/message.h"

#define MESSAGE_VERSION 1
#define MESSAGE_BYTES_MAX (8u << 20)

/* The text, allocated; `sent_at` (ISO 8601) is for logs only. */
char *message_encode(const struct message *m, const char *sent_at);
/* Fails with ERROR_INVALID where the body does not fit; *ret is then untouched. */
struct error *message_decode(const char *text, size_t len, struct message *ret) _must_check_;
/* What an instance's body says of its place. */
struct message_place message_place_of(const char *body);
#endif
