/* SPDX-License-Identifier: Apache-2.0 */
#include <config.h>
#include "common/spawn/spawn.h"
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <sys/mman.h>
#include <sys/pidfd.h>
#include <sys/wait.h>
#include <unistd.h>
#include "common/base/clock.h"
#include "common/base/mem.h"

#define DEFAULT_OUTPUT (16 * 1024)
#define DEFAULT_DEADLINE 30000

static const char *const child_environment[] = {"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
                                                "LANG=C", NULL};

void spawn_result_free(struct spawn_result *r)
{
    str_free(&r->output);
}

static void set_attributes(posix_spawnattr_t *attr)
{
    sigset_t none, all;
    sigemptyset(&none);
    sigfillset(&all);
    posix_spawnattr_init(attr);
    posix_spawnattr_setsigmask(attr, &none);
    posix_spawnattr_setsigdefault(attr, &all);
    posix_spawnattr_setpgroup(attr, 0);
    posix_spawnattr_setflags(attr, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETPGROUP);
}

/* A file in memory, so that no child that reads slowly holds us up. */
static struct error *make_input(const char *text, int *ret)
{
    _cleanup_close_ int fd = memfd_create("input", MFD_CLOEXEC);
    size_t len = strlen(text);
    if (fd < 0)
        return error_errno(errno, "making a file in memory");
    for (size_t done = 0; done < len;) {
        ssize_t n = write(fd, text + done, len - done);
        if (n < 0 && errno != EINTR)
            return error_errno(errno, "writing a file in memory");
        done += n > 0 ? (size_t)n : 0;
    }
    if (lseek(fd, 0, SEEK_SET) < 0)
        return error_errno(errno, "rewinding a file in memory");
    *ret = TAKE_FD(fd);
    return NULL;
}

static struct error *start(const struct spawn *s, int in, int out, pid_t *ret)
{
    posix_spawnattr_t attr;
    posix_spawn_file_actions_t actions;
    set_attributes(&attr);
    posix_spawn_file_actions_init(&actions);
    if (in >= 0)
        posix_spawn_file_actions_adddup2(&actions, in, 0);
    else
        posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0);
    posix_spawn_file_actions_adddup2(&actions, out, 1);
    posix_spawn_file_actions_adddup2(&actions, out, 2);
    posix_spawn_file_actions_addclosefrom_np(&actions, 3);
    int rc = posix_spawnp(ret, s->argv[0], &actions, &attr, (char *const *)(uintptr_t)s->argv,
                          (char *const *)(uintptr_t)child_environment);
    posix_spawn_file_actions_destroy(&actions);
    posix_spawnattr_destroy(&attr);
    return rc ? error_errno(rc, "starting %s", s->argv[0]) : NULL;
}

/* Reads what there is; false at the end of the pipe. */
static bool read_some(int fd, struct str *out, size_t max)
{
    char buffer[4096];
    ssize_t got = read(fd, buffer, sizeof buffer);
    if (got < 0)
        return errno == EINTR || errno == EAGAIN;
    size_t keep = (size_t)got < max - out->len ? (size_t)got : max - out->len;
    if (keep)
        str_add_n(out, buffer, keep);
    return got > 0;
}

/* Until the process has ended, or false at the deadline.  A grandchild that keeps the pipe open is not waited for. */
static bool follow(int pidfd, int out, struct str *output, size_t max, int64_t until)
{
    struct pollfd fds[2] = {{.fd = pidfd, .events = POLLIN}, {.fd = out, .events = POLLIN}};
    for (;;) {
        int64_t left = until - clock_mono_ms();
        if (left <= 0)
            return false;
        if (poll(fds, 2, (int)(left > 60000 ? 60000 : left)) < 0 && errno != EINTR)
            return false;
        if (fds[1].revents && !read_some(out, output, max))
            fds[1].fd = -1;
        else if (!fds[1].revents && fds[0].revents)
            return true;
        else if (fds[1].fd < 0 && fds[0].revents)
            return true;
    }
}

static int status_of(pid_t pid)
{
    int status = 0;
    while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
        ;
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

struct error *spawn_run(const struct spawn *s, struct spawn_result *ret)
{
    int pipes[2];
    if (pipe2(pipes, O_CLOEXEC | O_NONBLOCK) < 0)
        return error_errno(errno, "making a pipe");
    _cleanup_close_ int in = pipes[0];
    _cleanup_close_ int out = pipes[1];
    if (fcntl(out, F_SETFL, 0) < 0)
        return error_errno(errno, "setting a pipe's mode");
    _cleanup_close_ int input = -1;
    pid_t pid;
    if (s->input)
        RETURN_IF_ERROR(make_input(s->input, &input));
    RETURN_IF_ERROR(start(s, input, out, &pid));
    close(TAKE_FD(out));
    _cleanup_close_ int pidfd = pidfd_open(pid, 0);
    uint64_t deadline = s->deadline_ms ? s->deadline_ms : DEFAULT_DEADLINE;
    struct spawn_result r = {0, STR_INIT};
    bool ended = pidfd >= 0 && follow(pidfd, in, &r.output, s->max_output ? s->max_output : DEFAULT_OUTPUT,
                                      clock_mono_ms() + (int64_t)deadline);
    if (!ended)
        kill(-pid, SIGKILL);
    r.status = status_of(pid);
    if (!ended) {
        spawn_result_free(&r);
        return error_new(ERROR_TIMEOUT, "%s did not end within %llu ms", s->argv[0],
                         (unsigned long long)deadline);
    }
    *ret = r;
    return NULL;
}

static const char *last_line(struct str *s)
{
    while (s->len && s->data[s->len - 1] == '\n')
        s->data[--s->len] = '\0';
    const char *at = s->len ? strrchr(s->data, '\n') : NULL;
    return at ? at + 1 : str_text(s);
}

struct error *spawn_check(const struct spawn *s)
{
    _cleanup_(spawn_result_free) struct spawn_result r = {0, STR_INIT};
    RETURN_IF_ERROR(spawn_run(s, &r));
    if (r.status == 0)
        return NULL;
    return error_new(ERROR_INTERNAL, "%s ended with %d: %.300s", s->argv[0], r.status, last_line(&r.output));
}
