/* SPDX-License-Identifier: Apache-2.0 */
#include <config.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>
#include "common/base/array.h"
#include "common/daemon/daemon.h"

struct work {
    struct loop *loop;
    struct loop_timer *timer;
    int ran, pipe[2];
    char order[16];
};

static void on_post(void *arg)
{
    struct work *w = arg;
    w->ran++;
}

static void *poster(void *arg)
{
    struct work *w = arg;
    for (int i = 0; i < 1000; i++)
        loop_post(w->loop, on_post, w);
    loop_stop(w->loop);
    return NULL;
}

static void test_posts_run_before_the_stop(void **state)
{
    (void)state;
    struct work w = {0};
    assert_null(loop_new(&w.loop));
    pthread_t t;
    pthread_create(&t, NULL, poster, &w);
    loop_run(w.loop);
    pthread_join(t, NULL);
    assert_int_equal(w.ran, 1000);
    loop_free(w.loop);
}

static void on_timer(void *arg)
{
    struct work *w = arg;
    strncat(w->order, "t", 2);
    if (strlen(w->order) < 4)
        loop_timer_set(w->timer, 1);
    else if (write(w->pipe[1], "x", 1) != 1)
        abort();
}

static void on_readable(void *arg)
{
    struct work *w = arg;
    char c;
    assert_int_equal(read(w->pipe[0], &c, 1), 1);
    strncat(w->order, "r", 2);
    loop_unwatch(w->loop, w->pipe[0]);
    loop_timer_free(w->timer);
    loop_stop(w->loop);
}

static void test_timers_and_watches(void **state)
{
    (void)state;
    struct work w = {0};
    assert_null(loop_new(&w.loop));
    assert_int_equal(pipe(w.pipe), 0);
    w.timer = loop_timer_new(w.loop, on_timer, &w);
    assert_null(loop_watch(w.loop, w.pipe[0], on_readable, &w));
    loop_timer_set(w.timer, 0);
    loop_run(w.loop);
    assert_string_equal(w.order, "ttttr");
    loop_free(w.loop);
    close(w.pipe[0]);
    close(w.pipe[1]);
}

struct counts {
    metric a, b;
};
static const struct metric_row rows[] = {
    {"a_total", METRIC_COUNTER, offsetof(struct counts, a), "The a."},
    {"b", METRIC_GAUGE, offsetof(struct counts, b), "The b."},
};

static void test_metrics(void **state)
{
    (void)state;
    struct counts one = {0}, two = {0};
    _cleanup_(metrics_freep) struct metrics *m = metrics_new();
    metrics_register(m, rows, ARRAY_SIZE(rows), &one, "db=\"one\"");
    metrics_register(m, rows, ARRAY_SIZE(rows), &two, "db=\"two\"");
    metric_add(&one.a, 3);
    metric_set(&two.b, 9);
    _cleanup_str_ struct str out = STR_INIT;
    metrics_render(m, &out);
    assert_string_equal(out.data, "# HELP a_total The a.\n# TYPE a_total counter\na_total{db=\"one\"} 3\n"
                                  "a_total{db=\"two\"} 0\n# HELP b The b.\n# TYPE b gauge\nb{db=\"one\"} 0\n"
                                  "b{db=\"two\"} 9\n");
    metrics_remove(m, &one);
    str_clear(&out);
    metrics_render(m, &out);
    assert_null(strstr(out.data, "one"));
    assert_non_null(strstr(out.data, "b{db=\"two\"} 9"));
}

struct sample {
    struct daemon_config daemon;
    char *mode;
};
static const struct config_key keys[] = {
    DAEMON_KEYS(struct sample, daemon),
    {.name = "mode", .type = CONFIG_STRING, .offset = offsetof(struct sample, mode), .value = "run", .doc = "Mode."},
};
static const struct config_program program = {
    .name = "sample", .summary = "a sample", .keys = keys, .len = ARRAY_SIZE(keys)};

static struct error *sample_start(struct daemon *d, const void *config, void **ret_state)
{
    const struct sample *c = config;
    if (streq(c->mode, "bad"))
        return error_new(ERROR_INTERNAL, "cannot");
    if (streq(c->mode, "fail"))
        daemon_fail(d, error_new(ERROR_INTERNAL, "later"));
    *ret_state = d;
    return NULL;
}

static void sample_stop(void *state)
{
    assert_non_null(state);
    fputs("stop was called\n", stderr);
}

static struct error *sample_restore(const void *config, const char *file)
{
    const struct sample *c = config;
    return streq(c->mode, "run") && streq(file, "/a/backup") ? NULL : error_new(ERROR_INVALID, "cannot");
}

static const struct daemon_ops ops = {.config = &program,
                                      .config_size = sizeof(struct sample),
                                      .start = sample_start,
                                      .stop = sample_stop};
static const struct daemon_ops restoring_ops = {.config = &program,
                                                .config_size = sizeof(struct sample),
                                                .start = sample_start,
                                                .restore = sample_restore};

/* Runs the daemon in a child; the socket is the service manager's. */
static pid_t launch(const char *mode, const char *notify)
{
    pid_t pid = fork();
    if (pid)
        return pid;
    if (!freopen("/dev/null", "w", stderr))
        _exit(9);
    if (notify)
        setenv("NOTIFY_SOCKET", notify, 1);
    char *argv[] = {(char *)(uintptr_t) "sample", (char *)(uintptr_t) "--mode", (char *)(uintptr_t)mode};
    _exit(daemon_run(&ops, 3, argv));
}

static void test_signals_and_notification(void **state)
{
    (void)state;
    struct sockaddr_un at = {.sun_family = AF_UNIX};
    int len = snprintf(at.sun_path, sizeof at.sun_path, "/tmp/test-daemon-%d", (int)getpid());
    assert_true(len > 0);
    int fd = socket(AF_UNIX, SOCK_DGRAM, 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&at, sizeof at), 0);
    pid_t pid = launch("run", at.sun_path);
    char text[64];
    ssize_t got = recv(fd, text, sizeof text, 0);
    assert_int_equal(got, 7);
    assert_memory_equal(text, "READY=1", 7);
    kill(pid, SIGHUP);
    kill(pid, SIGPIPE);
    kill(pid, SIGTERM);
    got = recv(fd, text, sizeof text, 0);
    assert_int_equal(got, 10);
    int status;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    close(fd);
    unlink(at.sun_path);
}

static void test_failures_are_seen(void **state)
{
    (void)state;
    const char *const modes[] = {"bad", "fail"};
    for (size_t i = 0; i < ARRAY_SIZE(modes); i++) {
        int status;
        pid_t pid = launch(modes[i], NULL);
        assert_int_equal(waitpid(pid, &status, 0), pid);
        assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 1);
    }
}

static int status_of(const struct daemon_ops *o, const char *const *words, int n)
{
    pid_t pid = fork();
    if (!pid) {
        char *argv[8] = {(char *)(uintptr_t) "sample"};
        for (int i = 0; i < n; i++)
            argv[i + 1] = (char *)(uintptr_t)words[i];
        if (!freopen("/dev/null", "w", stderr))
            _exit(9);
        _exit(daemon_run(o, n + 1, argv));
    }
    int status;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFEXITED(status));
    return WEXITSTATUS(status);
}

/* It takes the place of running, and only where the daemon knows how. */
static void test_restore_is_no_run(void **state)
{
    (void)state;
    static const char *const good[] = {"--restore", "/a/backup", "--mode", "run"};
    static const char *const bad[] = {"--mode", "bad", "--restore", "/a/backup"};
    static const char *const lacking[] = {"--restore"};
    assert_int_equal(status_of(&restoring_ops, good, 4), 0);
    assert_int_equal(status_of(&restoring_ops, bad, 4), 1);
    assert_int_equal(status_of(&restoring_ops, lacking, 1), 1);
    assert_int_equal(status_of(&ops, good, 4), 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_posts_run_before_the_stop), cmocka_unit_test(test_timers_and_watches),
        cmocka_unit_test(test_metrics), cmocka_unit_test(test_signals_and_notification),
        cmocka_unit_test(test_failures_are_seen), cmocka_unit_test(test_restore_is_no_run),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
