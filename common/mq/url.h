/* SPDX-License-Identifier: Apache-2.0 */
#ifndef COMMON_MQ_URL_H
#define COMMON_MQ_URL_H
/* amqp://USER:PASSWORD@HOST:PORT/VHOST, parts percent-encoded; the port defaults to 5672, the virtual host to "/". */
#include <stdint.h>
#include "common/base/error.h"

struct mq_url {
    char *user, *password, *host, *vhost;
    uint16_t port;
};

/* Errors never hold the password. */
struct error *mq_url_parse(const char *text, struct mq_url *ret) _must_check_;
void mq_url_free(struct mq_url *u);
#endif
