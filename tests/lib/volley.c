/* SPDX-License-Identifier: Apache-2.0 */
/* volley ADDRESS PORT FILE: many clients at once, as cheap as they can be, for what is measured on two cores.
 *
 * FILE has a line for each client: `client`, and after it its requests, each as a line `request LENGTH` followed by
 * that many bytes and a newline. Every client has a connection of its own and sends a request when the answer to the
 * one before has come. At the end a line `answers STATUS COUNT` for each status, then `took NANOSECONDS`; the status
 * is 0 if all were 2xx. */
#include <config.h>

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define CLIENTS_MAX 1024
#define ANSWER_MAX 65536

struct request {
    char *data;
    size_t length;
};

struct client {
    int fd;
    struct request *requests;
    size_t count, next;
    char answer[ANSWER_MAX + 1];
    size_t have;
};

static void die(const char *format, ...) __attribute__((format(printf, 1, 2), noreturn));

static void die(const char *format, ...)
{
    va_list args;

    va_start(args, format);
    fputs("volley: ", stderr);
    vfprintf(stderr, format, args);
    fputc('\n', stderr);
    va_end(args);
    exit(2);
}

static void add_request(struct client *c, FILE *file, size_t length)
{
    struct request *all = reallocarray(c->requests, c->count + 1, sizeof *all);
    char *data = malloc(length + 1);

    if (all == NULL || data == NULL || fread(data, 1, length + 1, file) != length + 1) {
        die("a request is cut short");
    }
    c->requests = all;
    all[c->count++] = (struct request){.data = data, .length = length};
}

static size_t load(const char *path, struct client **ret_clients)
{
    struct client *clients = calloc(CLIENTS_MAX, sizeof *clients);
    FILE *file = fopen(path, "re");
    char line[64];
    size_t count = 0;
    size_t length;

    if (file == NULL || clients == NULL) {
        die("%s: %s", path, strerror(errno));
    }
    while (fgets(line, sizeof line, file) != NULL) {
        if (strcmp(line, "client\n") == 0 && count < CLIENTS_MAX) {
            count++;
        } else if (count > 0 && sscanf(line, "request %zu", &length) == 1 && length < ANSWER_MAX) {
            add_request(&clients[count - 1], file, length);
        } else {
            die("%s: not understood: %s", path, line);
        }
    }
    fclose(file);
    *ret_clients = clients;
    return count;
}

static void send_next(struct client *c)
{
    const struct request *r = &c->requests[c->next++];

    c->have = 0;
    if (send(c->fd, r->data, r->length, MSG_NOSIGNAL) != (ssize_t)r->length) {
        die("send: %s", strerror(errno));
    }
}

/* The status once the answer is whole; 0 before. */
static int answer_status(struct client *c)
{
    c->answer[c->have] = '\0';
    const char *end = strstr(c->answer, "\r\n\r\n");
    const char *length = strcasestr(c->answer, "\r\ncontent-length:");

    if (end == NULL) {
        return 0;
    }
    if (length == NULL || length > end) {
        die("an answer without Content-Length");
    }
    size_t body = strtoul(length + 17, NULL, 10);
    return c->have < (size_t)(end + 4 - c->answer) + body ? 0 : atoi(c->answer + 9);
}

static int receive(struct client *c)
{
    ssize_t got = recv(c->fd, c->answer + c->have, ANSWER_MAX - c->have, 0);

    if (got <= 0) {
        die("the connection ended in an answer");
    }
    c->have += (size_t)got;
    return answer_status(c);
}

static uint64_t now_ns(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

static void connect_client(struct client *c, const struct sockaddr_in *to, int poll)
{
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = c};
    int on = 1;

    c->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (c->fd < 0 || connect(c->fd, (const struct sockaddr *)to, sizeof *to) != 0) {
        die("connect: %s", strerror(errno));
    }
    setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    epoll_ctl(poll, EPOLL_CTL_ADD, c->fd, &event);
}

int main(int argc, char **argv)
{
    struct sockaddr_in to = {.sin_family = AF_INET};
    size_t answers[1000] = {0};
    struct epoll_event events[64];
    struct client *clients;
    size_t open = 0;
    size_t good = 0, all = 0;

    if (argc != 4 || inet_pton(AF_INET, argv[1], &to.sin_addr) != 1) {
        die("usage: volley ADDRESS PORT FILE");
    }
    to.sin_port = htons((uint16_t)atoi(argv[2]));
    size_t count = load(argv[3], &clients);
    int poll = epoll_create1(EPOLL_CLOEXEC);
    for (size_t k = 0; k < count; k++) {
        connect_client(&clients[k], &to, poll);
    }
    uint64_t begin = now_ns();
    for (size_t k = 0; k < count; k++) {
        if (clients[k].count > 0) {
            send_next(&clients[k]);
            open++;
        }
    }
    while (open > 0) {
        int ready = epoll_wait(poll, events, 64, 30000);
        if (ready <= 0) {
            die("no answer within 30 s");
        }
        for (int k = 0; k < ready; k++) {
            struct client *c = events[k].data.ptr;
            int status = receive(c);
            if (status == 0) {
                continue;
            }
            answers[status % 1000]++;
            if (c->next < c->count) {
                send_next(c);
            } else {
                open--;
            }
        }
    }
    uint64_t took = now_ns() - begin;
    for (size_t k = 0; k < 1000; k++) {
        if (answers[k] > 0) {
            printf("answers %zu %zu\n", k, answers[k]);
        }
        all += answers[k];
        good += k >= 200 && k < 300 ? answers[k] : 0;
    }
    printf("took %llu\n", (unsigned long long)took);
    return good == all ? 0 : 1;
}
