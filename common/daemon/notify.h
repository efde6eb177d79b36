/* SPDX-License-Identifier: Apache-2.0 */
#ifndef COMMON_DAEMON_NOTIFY_H
#define COMMON_DAEMON_NOTIFY_H
/* systemd's notification protocol: a datagram to the socket that NOTIFY_SOCKET names. Without it nothing happens. */
void notify_manager(const char *text);
#endif
