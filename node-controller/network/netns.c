/* SPDX-License-Identifier: Apache-2.0 */
#include <config.h>
#include "node-controller/network/netns.h"
#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <net/if.h>
#include <pthread.h>
#include <sched.h>
#include <sys/vfs.h>
#include "common/base/log.h"
#include "common/base/mem.h"
#include "common/spawn/spawn.h"

#define BATCH_MS  20000
#define ASK_MAX   (8 * 1024 * 1024)
#define WORDS_MAX 16

struct error *netns_own(int *ret_fd)
{
    *ret_fd = open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC);
    return *ret_fd < 0 ? error_errno(errno, "opening the own network namespace") : NULL;
}

struct error *netns_open(const char *name, int *ret_fd)
{
    _cleanup_free_ char *path = xasprintf(NETNS_FOLDER "/%s", name);
    _cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    struct statfs fs;
    if (fd < 0)
        return error_errno(errno, "opening the network namespace %s", name);
    if (fstatfs(fd, &fs) < 0)
        return error_errno(errno, "looking at the network namespace %s", name);
    if (fs.f_type != NSFS_MAGIC) {
        if (unlink(path) < 0 && errno != ENOENT)
            return error_errno(errno, "removing %s, behind which there is no namespace", path);
        return error_new(ERROR_NOT_FOUND, "%s was no namespace", path);
    }
    *ret_fd = TAKE_FD(fd);
    return NULL;
}

struct visit {
    int ns;
    struct error *(*fn)(void *arg);
    void *arg;
    const char *request;
    struct error *result;
};

static void *visit_main(void *arg)
{
    struct visit *v = arg;
    log_set_request(v->request);
    v->result = setns(v->ns, CLONE_NEWNET) < 0 ? error_errno(errno, "entering a network namespace") : v->fn(v->arg);
    log_set_request(NULL);
    return NULL;
}

struct error *netns_run(int ns, struct error *(*fn)(void *arg), void *arg)
{
    struct visit v = {ns, fn, arg, log_request(), NULL};
    pthread_t thread;
    int rc = pthread_create(&thread, NULL, visit_main, &v);
    if (rc)
        return error_errno(rc, "starting a thread");
    pthread_join(thread, NULL);
    return v.result;
}

/* ---- ip and bridge ---- */

struct batch {
    const char *program, *commands;
};

/* "… Command failed -:3": the third line is named. */
static struct error *batch_failure(const struct batch *b, int status, struct str *output)
{
    const char *mark = output->data ? strstr(output->data, "Command failed -:") : NULL;
    const char *line = b->commands;
    for (long n = mark ? atol(mark + strlen("Command failed -:")) : 1; n > 1 && strchr(line, '\n'); n--)
        line = strchr(line, '\n') + 1;
    for (size_t k = 0; k < output->len; k++)
        if ((unsigned char)output->data[k] < ' ')
            output->data[k] = ' ';
    return error_new(ERROR_INTERNAL, "%s %.*s ended with %d: %.300s", b->program, (int)strcspn(line, "\n"), line, status,
                     str_text(output));
}

static struct error *run_batch(void *arg)
{
    const struct batch *b = arg;
    const char *const argv[] = {b->program, "-batch", "-", NULL};
    struct spawn s = {.argv = argv, .deadline_ms = BATCH_MS, .input = b->commands};
    _cleanup_(spawn_result_free) struct spawn_result r = {0, STR_INIT};
    RETURN_IF_ERROR(spawn_run(&s, &r));
    return r.status ? batch_failure(b, r.status, &r.output) : NULL;
}

struct error *netns_batch(int ns, const char *program, const char *commands)
{
    struct batch b = {program, commands};
    if (!commands || !*commands)
        return NULL;
    return netns_run(ns, run_batch, &b);
}

struct question {
    const char *const *argv;
    struct str *ret;
};

static struct error *ask(void *arg)
{
    const struct question *q = arg;
    const char *argv[WORDS_MAX] = {"ip", "-json"};
    for (size_t k = 0; k + 3 < WORDS_MAX && q->argv[k]; k++)
        argv[k + 2] = q->argv[k];
    struct spawn s = {.argv = argv, .deadline_ms = BATCH_MS, .max_output = ASK_MAX};
    _cleanup_(spawn_result_free) struct spawn_result r = {0, STR_INIT};
    RETURN_IF_ERROR(spawn_run(&s, &r));
    if (r.status)
        return error_new(ERROR_INTERNAL, "ip %s ended with %d: %.200s", q->argv[0], r.status, str_text(&r.output));
    *q->ret = r.output;
    r.output = (struct str)STR_INIT;
    return NULL;
}

struct error *netns_ask(int ns, const char *const *argv, struct str *ret)
{
    struct question q = {argv, ret};
    return netns_run(ns, ask, &q);
}

/* ---- inside ---- */

bool sysctl_is(const char *key, const char *value)
{
    _cleanup_free_ char *path = xasprintf("/proc/sys/%s", key);
    _cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC);
    char text[32] = "";
    ssize_t got = fd < 0 ? -1 : read(fd, text, sizeof text - 1);
    if (got <= 0)
        return false;
    text[strcspn(text, "\n")] = '\0';
    return streq(text, value);
}

struct error *sysctl_set(const char *key, const char *value)
{
    _cleanup_free_ char *path = xasprintf("/proc/sys/%s", key);
    if (sysctl_is(key, value))
        return NULL;
    _cleanup_close_ int fd = open(path, O_WRONLY | O_CLOEXEC);
    if (fd < 0 || write(fd, value, strlen(value)) < 0)
        return error_errno(errno, "setting %s to %s", path, value);
    if (!sysctl_is(key, value))
        return error_new(ERROR_INTERNAL, "%s does not keep the value %s", path, value);
    return NULL;
}

bool device_exists(const char *name)
{
    return if_nametoindex(name) != 0;
}
