/* SPDX-License-Identifier: Apache-2.0 */
/* The link against a real private broker: confirms, returns, deliveries, dead letters, kill -9, wipe, SIGSTOP.
 * Skipped (77) where RabbitMQ is not installed. */
#include <config.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <arpa/inet.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>
#include "common/base/array.h"
#include "common/base/clock.h"
#include "common/base/log.h"
#include "common/base/str.h"
#include "common/daemon/metrics.h"
#include "common/mq/mq.h"
#include "common/spawn/spawn.h"

enum { COMMANDS, REPORTS };
static const struct mq_exchange exchanges[] = {{"test.cluster", "topic"}, {"test.report", "topic"}};
static const struct mq_binding command_keys[] = {{"test.cluster", "zone-a"}};
static const struct mq_binding report_keys[] = {{"test.report", "zone-a.*.report"}};
static const struct mq_queue queues[] = {
    {"test.zone-a", MQ_QUORUM | MQ_SINGLE_ACTIVE | MQ_CONSUME | MQ_DEAD_LETTER, command_keys, 1, 8},
    {NULL, MQ_OWN | MQ_CONSUME, report_keys, 1, 0},
};

struct seen {
    size_t queue;
    char *body, *user, *key;
    bool redelivered;
    struct mq_token token;
};

struct world {
    char *dir;
    int ports[3];
    pid_t broker;
    struct mq_link *link;
    pthread_mutex_t lock;
    ARRAY(struct seen) seen;
    atomic_int ups, downs, verdicts[4];
    bool hold; /* acks are not given */
};
static struct world w = {.lock = PTHREAD_MUTEX_INITIALIZER};

static int free_port(void)
{
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
    socklen_t len = sizeof at;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&at, len), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&at, &len), 0);
    close(fd);
    return ntohs(at.sin_port);
}

/* The broker leads a process group, so that a signal reaches Erlang behind its wrapper scripts. */
static void start_broker(void)
{
    _cleanup_free_ char *script = xasprintf("%s/tests/lib/broker.sh", SOURCE_DIR);
    char *ports[3];
    for (int i = 0; i < 3; i++)
        ports[i] = xasprintf("%d", w.ports[i]);
    w.broker = fork();
    if (!w.broker) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        setpgid(0, 0);
        execl(script, script, w.dir, ports[0], ports[1], ports[2], NULL);
        _exit(127);
    }
    setpgid(w.broker, w.broker);
    for (int i = 0; i < 3; i++)
        free(ports[i]);
}

static void kill_broker(void)
{
    kill(-w.broker, SIGKILL);
    waitpid(w.broker, NULL, 0);
}

static void wipe_state(void)
{
    _cleanup_free_ char *mnesia = xasprintf("%s/mnesia", w.dir);
    struct spawn rm = {.argv = (const char *const[]){"rm", "-rf", mnesia, NULL}};
    assert_null(spawn_check(&rm));
}

static void on_event(void *arg, enum mq_event event, const char *why)
{
    (void)arg;
    (void)why;
    if (event == MQ_UP)
        atomic_fetch_add(&w.ups, 1);
    if (event == MQ_DOWN)
        atomic_fetch_add(&w.downs, 1);
}

static void on_delivery(void *arg, const struct mq_delivery *d)
{
    (void)arg;
    pthread_mutex_lock(&w.lock);
    struct seen *s = array_add(&w.seen);
    *s = (struct seen){.queue = d->queue,
                       .body = xstrndup(d->body, d->len),
                       .user = d->user_id ? xstrdup(d->user_id) : NULL,
                       .key = xstrdup(d->key),
                       .redelivered = d->redelivered,
                       .token = d->token};
    bool hold = w.hold;
    pthread_mutex_unlock(&w.lock);
    if (!hold)
        mq_ack(w.link, d->token);
}

static void on_verdict(void *arg, enum mq_verdict verdict)
{
    (void)arg;
    atomic_fetch_add(&w.verdicts[verdict], 1);
}

#define WAIT(condition, seconds)                                                                                       \
    do {                                                                                                               \
        int64_t until_ = clock_mono_ms() + (seconds) * 1000;                                                           \
        while (!(condition)) {                                                                                         \
            if (clock_mono_ms() > until_)                                                                              \
                fail_msg("not within %d s: %s", (seconds), #condition);                                                \
            usleep(5000);                                                                                              \
        }                                                                                                              \
    } while (0)

/* The first delivery of that body after the first `from`, or NULL. */
static struct seen *find(size_t from, const char *body)
{
    struct seen *found = NULL;
    pthread_mutex_lock(&w.lock);
    for (size_t i = from; i < w.seen.len && !found; i++)
        if (streq(w.seen.data[i].body, body))
            found = &w.seen.data[i];
    pthread_mutex_unlock(&w.lock);
    return found;
}

static size_t seen_so_far(void)
{
    pthread_mutex_lock(&w.lock);
    size_t n = w.seen.len;
    pthread_mutex_unlock(&w.lock);
    return n;
}

static void publish(const char *exchange, const char *key, const char *body)
{
    struct mq_message m = {.exchange = exchange, .key = key, .body = body, .len = strlen(body), .ttl_ms = 600000,
                           .persistent = true};
    struct error *e = mq_publish(w.link, &m, on_verdict, NULL);
    if (e)
        fail_msg("publish: %s", error_message(e));
}

static void test_confirm_return_deliver(void **state)
{
    (void)state;
    publish("test.cluster", "zone-a", "one");
    WAIT(find(0, "one"), 5);
    struct seen *s = find(0, "one");
    assert_int_equal(s->queue, COMMANDS);
    assert_string_equal(s->user, "guest");
    assert_string_equal(s->key, "zone-a");
    WAIT(atomic_load(&w.verdicts[MQ_CONFIRMED]) == 1, 5);
    publish("test.cluster", "zone-nowhere", "two");
    WAIT(atomic_load(&w.verdicts[MQ_RETURNED]) == 1, 5);
    assert_int_equal(atomic_load(&w.verdicts[MQ_CONFIRMED]), 1);
    publish("test.report", "zone-a.n1.report", "three");
    WAIT(find(0, "three"), 5);
    assert_int_equal(find(0, "three")->queue, REPORTS);
}

static void test_many(void **state)
{
    (void)state;
    size_t from = seen_so_far();
    int before = atomic_load(&w.verdicts[MQ_CONFIRMED]), returned = atomic_load(&w.verdicts[MQ_RETURNED]);
    int64_t start = clock_mono_ms();
    for (int i = 0; i < 3000; i++)
        publish("test.cluster", i % 3 ? "zone-a" : "zone-nowhere", "many");
    WAIT(atomic_load(&w.verdicts[MQ_CONFIRMED]) - before == 2000, 30);
    WAIT(atomic_load(&w.verdicts[MQ_RETURNED]) - returned == 1000, 5);
    WAIT(seen_so_far() - from == 2000, 10);
    print_message("3000 publishes confirmed or returned, 2000 delivered in %lld ms\n",
                  (long long)(clock_mono_ms() - start));
}

static void test_reject_goes_to_the_dead(void **state)
{
    (void)state;
    pthread_mutex_lock(&w.lock);
    w.hold = true;
    pthread_mutex_unlock(&w.lock);
    publish("test.cluster", "zone-a", "bad");
    WAIT(find(0, "bad"), 5);
    mq_reject(w.link, find(0, "bad")->token);
    static const struct mq_queue dead[] = {{"mallee.dead", MQ_CONSUME | MQ_PASSIVE, NULL, 0, 0}};
    struct mq_options o = {.url = NULL, .name = "dead", .topology = {NULL, 0, dead, 1}, .arg = NULL,
                           .on_delivery = on_delivery};
    _cleanup_free_ char *url = xasprintf("amqp://guest:guest@127.0.0.1:%d", w.ports[0]);
    o.url = url;
    size_t from = seen_so_far();
    struct mq_link *other = NULL;
    assert_null(mq_open(&o, &other));
    WAIT(find(from, "bad"), 10);
    mq_ack(other, find(from, "bad")->token);
    mq_close(other);
    pthread_mutex_lock(&w.lock);
    w.hold = false;
    pthread_mutex_unlock(&w.lock);
}

static void refused_soon(void)
{
    struct mq_message m = {.exchange = "test.cluster", .key = "zone-a", .body = "x", .len = 1};
    WAIT(!mq_is_up(w.link), 20);
    _cleanup_error_ struct error *e = mq_publish(w.link, &m, on_verdict, NULL);
    assert_true(error_is(e, &ERROR_UNAVAILABLE));
}

static void test_kill_and_wipe(void **state)
{
    (void)state;
    pthread_mutex_lock(&w.lock);
    w.hold = true;
    pthread_mutex_unlock(&w.lock);
    publish("test.cluster", "zone-a", "kept");
    WAIT(find(0, "kept"), 5);
    struct mq_token old = find(0, "kept")->token;
    int ups = atomic_load(&w.ups);
    size_t from = seen_so_far();
    usleep(1500 * 1000); /* RabbitMQ needs half a second to make a new quorum queue's name durable */
    kill_broker();
    refused_soon();
    int64_t start = clock_mono_ms();
    start_broker();
    WAIT(atomic_load(&w.ups) > ups, 90);
    print_message("up again %lld ms after the start of a killed broker\n", (long long)(clock_mono_ms() - start));
    WAIT(find(from, "kept"), 10);
    assert_true(find(from, "kept")->redelivered);
    mq_ack(w.link, old); /* of the former connection: must not ack what came now, nor break the channel */
    mq_ack(w.link, find(from, "kept")->token);
    pthread_mutex_lock(&w.lock);
    w.hold = false;
    pthread_mutex_unlock(&w.lock);
    ups = atomic_load(&w.ups);
    kill_broker();
    refused_soon();
    wipe_state();
    start_broker();
    WAIT(atomic_load(&w.ups) > ups, 90);
    int confirmed = atomic_load(&w.verdicts[MQ_CONFIRMED]);
    publish("test.cluster", "zone-a", "after the wipe");
    WAIT(find(from, "after the wipe"), 10);
    WAIT(atomic_load(&w.verdicts[MQ_CONFIRMED]) == confirmed + 1, 10);
}

/* A broker killed right after the queue was made: see heal_queue(). */
static void test_kill_of_a_young_queue(void **state)
{
    (void)state;
    for (int wipe = 1; wipe >= 0; wipe--) {
        int ups = atomic_load(&w.ups);
        kill_broker();
        refused_soon();
        if (wipe)
            wipe_state();
        start_broker();
        WAIT(atomic_load(&w.ups) > ups, 120);
    }
    size_t from = seen_so_far();
    publish("test.cluster", "zone-a", "young");
    WAIT(find(from, "young"), 10);
}

/* Longer than the silence after which a queue is taken for deaf: the link's own messages arrive, and only there. */
static void test_idle_link_stays_up(void **state)
{
    (void)state;
    int downs = atomic_load(&w.downs);
    size_t from = seen_so_far();
    sleep(17);
    assert_int_equal(atomic_load(&w.downs), downs);
    assert_int_equal(seen_so_far(), from);
}

static void test_stopped_broker_is_noticed(void **state)
{
    (void)state;
    int downs = atomic_load(&w.downs), ups = atomic_load(&w.ups), lost = atomic_load(&w.verdicts[MQ_LOST]);
    kill(-w.broker, SIGSTOP);
    publish("test.cluster", "zone-a", "into the void");
    int64_t start = clock_mono_ms();
    WAIT(atomic_load(&w.downs) > downs, 20);
    print_message("a stopped broker was noticed after %lld ms\n", (long long)(clock_mono_ms() - start));
    assert_int_equal(atomic_load(&w.verdicts[MQ_LOST]), lost + 1);
    kill(-w.broker, SIGCONT);
    WAIT(atomic_load(&w.ups) > ups, 60);
}

static int setup(void **state)
{
    (void)state;
    w.dir = xstrdup("/tmp/test-mq-XXXXXX");
    if (!mkdtemp(w.dir))
        return -1;
    struct spawn chmod = {.argv = (const char *const[]){"chmod", "755", w.dir, NULL}};
    assert_null(spawn_check(&chmod));
    for (int i = 0; i < 3; i++)
        w.ports[i] = free_port();
    start_broker();
    _cleanup_free_ char *url = xasprintf("amqp://guest:guest@127.0.0.1:%d", w.ports[0]);
    struct mq_options o = {.url = url, .name = "test", .topology = {exchanges, 2, queues, 2}, .arg = NULL,
                           .on_delivery = on_delivery, .on_event = on_event};
    assert_null(mq_open(&o, &w.link));
    int64_t until = clock_mono_ms() + 90000;
    while (!atomic_load(&w.ups) && clock_mono_ms() < until)
        usleep(10000);
    return atomic_load(&w.ups) ? 0 : -1;
}

static int teardown(void **state)
{
    (void)state;
    mq_close(w.link);
    if (w.broker > 0)
        kill_broker();
    array_each(&w.seen, s) {
        free(s->body);
        free(s->user);
        free(s->key);
    }
    array_free(&w.seen);
    struct spawn rm = {.argv = (const char *const[]){"rm", "-rf", w.dir, NULL}};
    assert_null(spawn_check(&rm));
    free(w.dir);
    return 0;
}

int main(void)
{
    if (access("/usr/lib/rabbitmq/bin/rabbitmq-server", X_OK) != 0)
        return 77;
    log_setup("test-link", LOG_INFO);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_confirm_return_deliver),  cmocka_unit_test(test_many),
        cmocka_unit_test(test_reject_goes_to_the_dead), cmocka_unit_test(test_kill_and_wipe),
        cmocka_unit_test(test_kill_of_a_young_queue),
        cmocka_unit_test(test_idle_link_stays_up),
        cmocka_unit_test(test_stopped_broker_is_noticed),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
