/* SPDX-License-Identifier: Apache-2.0 */
#include <config.h>
#include "common/daemon/daemon.h"
#include <errno.h>
#include <malloc.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <sys/signalfd.h>
#include <unistd.h>
#include "common/base/log.h"
#include "common/base/mem.h"
#include "common/base/str.h"
#include "common/daemon/notify.h"

struct daemon {
    const struct daemon_ops *ops;
    struct loop *loop;
    struct metrics *metrics;
    struct loop_timer *tidier;
    int signals; /* signalfd */
    bool failed; /* loop's thread only */
};

struct failure {
    struct daemon *d;
    struct error *why;
};

struct loop *daemon_loop(struct daemon *d)
{
    return d->loop;
}

struct metrics *daemon_metrics(struct daemon *d)
{
    return d->metrics;
}

static void fail_on_loop(void *arg)
{
    struct failure *f = arg;
    log_failure(LOG_ERROR, f->why, "cannot go on");
    f->d->failed = true;
    loop_stop(f->d->loop);
    free(f);
}

void daemon_fail(struct daemon *d, struct error *why)
{
    struct failure *f = xnew0(struct failure);
    *f = (struct failure){d, why};
    loop_post(d->loop, fail_on_loop, f);
}

static void on_signal(void *arg)
{
    struct daemon *d = arg;
    struct signalfd_siginfo info;
    while (read(d->signals, &info, sizeof info) == (ssize_t)sizeof info) {
        if (info.ssi_signo == SIGTERM || info.ssi_signo == SIGINT) {
            log_info("signal %u: stopping", info.ssi_signo);
            loop_stop(d->loop);
        }
    }
}

static struct error *open_signals(struct daemon *d)
{
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGINT);
    sigaddset(&set, SIGHUP);
    signal(SIGPIPE, SIG_IGN);
    if (pthread_sigmask(SIG_BLOCK, &set, NULL) != 0)
        return error_new(ERROR_INTERNAL, "blocking signals");
    d->signals = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
    if (d->signals < 0)
        return error_errno(errno, "making a signalfd");
    return loop_watch(d->loop, d->signals, on_signal, d);
}

#define TIDY_MS 60000
/* Fixed, for glibc's own grow with what was freed: an image's chunks (4 MiB) are mapped one by one and go back at once,
 * the store's buffers (1 MiB) stay with their threads. */
#define MAPPED_FROM (2 << 20)

/* What threads used for a while and freed goes back to the system: a daemon at rest is small. */
static void tidy(void *arg)
{
    struct daemon *d = arg;
    malloc_trim(0);
    loop_timer_set(d->tidier, TIDY_MS);
}

static struct error *run(struct daemon *d, const void *config)
{
    void *state = NULL;
    mallopt(M_MMAP_THRESHOLD, MAPPED_FROM);
    mallopt(M_TRIM_THRESHOLD, MAPPED_FROM);
    RETURN_IF_ERROR(loop_new(&d->loop));
    RETURN_IF_ERROR(open_signals(d));
    RETURN_IF_ERROR(error_wrap(d->ops->start(d, config, &state), "starting"));
    log_info("ready");
    notify_manager("READY=1");
    d->tidier = loop_timer_new(d->loop, tidy, d);
    loop_timer_set(d->tidier, TIDY_MS);
    loop_run(d->loop);
    loop_timer_free(d->tidier);
    notify_manager("STOPPING=1");
    d->ops->stop(state);
    log_info("stopped");
    return NULL;
}

static int run_with(const struct daemon_ops *ops, const void *config)
{
    struct daemon d = {.ops = ops, .signals = -1};
    enum log_level level = LOG_INFO;
    struct error *e = log_level_parse(((const struct daemon_config *)config)->log_level, &level);
    log_setup(ops->config->name, level);
    d.metrics = metrics_new();
    if (!e)
        e = run(&d, config);
    if (e) {
        d.failed = true;
        log_failure(LOG_ERROR, e, "failed");
    }
    loop_free(d.loop);
    metrics_free(d.metrics);
    if (d.signals >= 0)
        close(d.signals);
    return d.failed ? 1 : 0;
}

/* Takes `--restore FILE` out of the flags; NULL: it is not there.  An empty text where FILE lacks. */
static const char *take_restore(const struct daemon_ops *ops, int *argc, char **argv)
{
    for (int i = 1; ops->restore && i < *argc; i++) {
        if (!streq(argv[i], "--restore"))
            continue;
        const char *file = i + 1 < *argc ? argv[i + 1] : "";
        int taken = i + 1 < *argc ? 2 : 1;
        memmove(argv + i, argv + i + taken, (size_t)(*argc - i - taken) * sizeof *argv);
        *argc -= taken;
        return file;
    }
    return NULL;
}

/* Without the log's form: whoever restores looks on. */
static int restore(const struct daemon_ops *ops, const void *config, const char *file)
{
    struct error *e = *file ? ops->restore(config, file) : error_new(ERROR_INVALID, "--restore wants a FILE");
    if (e)
        fprintf(stderr, "%s: not restored: %s\n", ops->config->name, error_message(e));
    bool failed = e != NULL;
    error_free(e);
    return failed;
}

int daemon_run(const struct daemon_ops *ops, int argc, char **argv)
{
    const char *backup = take_restore(ops, &argc, argv);
    _cleanup_free_ void *config = xcalloc(1, ops->config_size);
    _cleanup_str_ struct str text = STR_INIT;
    enum config_outcome outcome = config_load(ops->config, argc, argv, config, &text);
    int status = outcome == CONFIG_EXIT_OK ? 0 : 1;
    if (outcome == CONFIG_RUN && backup) {
        status = restore(ops, config, backup);
    } else if (outcome == CONFIG_RUN) {
        log_setup(ops->config->name, LOG_INFO);
        const char *cursor = str_text(&text);
        char *line;
        while ((line = str_next_piece(&cursor, '\n'))) {
            log_warning("%s", line);
            free(line);
        }
        status = run_with(ops, config);
    } else {
        fputs(str_text(&text), outcome == CONFIG_EXIT_OK ? stdout : stderr);
        fflush(NULL);
    }
    config_free(ops->config, config);
    return status;
}
