/* SPDX-License-Identifier: Apache-2.0 */
/* The seam against a real private libvirtd and QEMU: a brick's whole life, a stopped and a killed libvirtd, a stopped
 * QEMU.  Skipped (77) where we are not root or the parts are missing. */
#include <config.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <dirent.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#include "common/base/clock.h"
#include "common/base/log.h"
#include "common/base/str.h"
#include "common/file/file.h"
#include "common/spawn/spawn.h"
#include "node-controller/disk.h"
#include "node-controller/hypervisor/hypervisor.h"

#define UID 20001

struct world {
    char *dir, *base, *uri;
    pid_t libvirtd; /* of the script that runs it */
    struct hypervisor *h;
    atomic_int connects, losses, started, shut_down, destroyed;
};
static struct world w;

#define WAIT(condition, seconds)                                                                   \
    do {                                                                                           \
        int64_t until_ = clock_mono_ms() + (seconds) * 1000;                                       \
        while (!(condition)) {                                                                     \
            if (clock_mono_ms() > until_)                                                          \
                fail_msg("not within %d s: %s", (seconds), #condition);                            \
            usleep(10000);                                                                         \
        }                                                                                          \
    } while (0)

#define OK(call)                                                                                   \
    do {                                                                                           \
        struct error *ok_ = (call);                                                                \
        if (ok_)                                                                                   \
            fail_msg("%s: %s", #call, error_message(ok_));                                         \
    } while (0)

static void on_connected(void *arg, bool connected)
{
    (void)arg;
    atomic_fetch_add(connected ? &w.connects : &w.losses, 1);
}

static void on_event(void *arg, const struct id *instance, enum domain_end what)
{
    (void)arg;
    (void)instance;
    if (what == DOMAIN_STARTED)
        atomic_fetch_add(&w.started, 1);
    else
        atomic_fetch_add(what == DOMAIN_SHUTDOWN ? &w.shut_down : &w.destroyed, 1);
}

static char *path_of(const char *id, const char *end)
{
    return xasprintf("%s/instances/%s%s", w.dir, id, end);
}

/* The spec's texts live in `hold`. */
struct hold {
    char *disk, *console;
};

static void hold_free(struct hold *h)
{
    free(h->disk);
    free(h->console);
}

static struct domain_spec spec_of(const char *id, struct hold *hold)
{
    *hold = (struct hold){path_of(id, ".qcow2"), path_of(id, ".log")};
    return (struct domain_spec){.instance = id_of(id), .cloud = id_of("cloud-1"), .generation = 3, .vcpus = 1,
                                .memory_mib = 8, .disk = hold->disk, .base = w.base, .console = hold->console,
                                .uid = UID, .gid = UID};
}

static void make_disk(const struct domain_spec *spec)
{
    struct disk_spec d = {.path = spec->disk, .base = w.base, .uid = UID, .gid = UID};
    OK(disk_make(&d));
}

static bool console_has(const char *path, const char *wanted)
{
    char *text = NULL;
    size_t len;
    struct error *e = file_read(path, 1 << 20, &text, &len);
    error_ignore(e);
    bool has = !e && memmem(text, len, wanted, strlen(wanted));
    free(text);
    return has;
}

static size_t listed(void)
{
    _cleanup_(domain_list_free) struct domain_list l = {0};
    OK(hypervisor_list(w.h, &l));
    return l.domains.len;
}

/* The process whose command line holds both texts; 0: none. */
static pid_t find_process(const char *one, const char *two)
{
    DIR *d = opendir("/proc");
    struct dirent *entry;
    pid_t found = 0;
    while (!found && (entry = readdir(d))) {
        _cleanup_free_ char *path = xasprintf("/proc/%s/cmdline", entry->d_name);
        char *line = NULL;
        size_t len;
        struct error *e = *entry->d_name < '0' || *entry->d_name > '9' ? error_new(ERROR_INVALID, "no pid")
                                                                       : file_read(path, 65536, &line, &len);
        if (!e && memmem(line, len, one, strlen(one)) && memmem(line, len, two, strlen(two)))
            found = (pid_t)strtol(entry->d_name, NULL, 10);
        error_ignore(e);
        free(line);
    }
    closedir(d);
    return found;
}

static pid_t libvirtd_pid(void)
{
    _cleanup_free_ char *socket = xasprintf("%s/out", w.dir);
    DIR *d = opendir("/proc");
    struct dirent *entry;
    pid_t found = 0;
    while (!found && (entry = readdir(d))) {
        _cleanup_free_ char *comm = xasprintf("/proc/%s/comm", entry->d_name);
        _cleanup_free_ char *out = xasprintf("/proc/%s/fd/1", entry->d_name);
        char *name = NULL, target[256];
        size_t len;
        struct error *e = file_read(comm, 64, &name, &len);
        ssize_t n = readlink(out, target, sizeof target - 1);
        if (!e && n > 0 && streq(name, "libvirtd\n") && (size_t)n == strlen(socket) &&
            memcmp(target, socket, (size_t)n) == 0)
            found = (pid_t)strtol(entry->d_name, NULL, 10);
        error_ignore(e);
        free(name);
    }
    closedir(d);
    return found;
}

static void test_life_of_a_brick(void **state)
{
    (void)state;
    _cleanup_(hold_free) struct hold hold;
    struct domain_spec spec = spec_of("i-00000000000000001", &hold);
    make_disk(&spec);
    struct stat st;
    assert_int_equal(stat(spec.disk, &st), 0);
    assert_true(st.st_uid == UID && (st.st_mode & 0777) == 0600);
    int64_t before = clock_mono_ms();
    OK(hypervisor_start(w.h, &spec));
    WAIT(console_has(spec.console, "serial=i-00000000000000001 boot=1"), 10);
    print_message("start to line: %lld ms\n", (long long)(clock_mono_ms() - before));
    OK(hypervisor_start(w.h, &spec));
    assert_int_equal(listed(), 1);
    _cleanup_free_ char *status = xasprintf("/proc/%d/status", (int)find_process("qemu", spec.instance.text));
    assert_true(console_has(status, "Uid:\t20001\t20001\t20001"));
    OK(hypervisor_reset(w.h, &spec.instance, &spec.cloud));
    WAIT(console_has(spec.console, "boot=2"), 10);
    WAIT(atomic_load(&w.started) == 1, 5);
    OK(hypervisor_shutdown(w.h, &spec.instance, &spec.cloud));
    WAIT(listed() == 0, 10);
    WAIT(atomic_load(&w.shut_down) == 1, 5);
    make_disk(&spec); /* there: kept */
    OK(hypervisor_start(w.h, &spec));
    WAIT(console_has(spec.console, "boot=3"), 10);
    assert_true(console_has(spec.console, "boot=1")); /* appended */
    OK(hypervisor_destroy(w.h, &spec.instance, &spec.cloud));
    assert_int_equal(listed(), 0);
    assert_int_equal(find_process("qemu", spec.instance.text), 0);
    OK(disk_remove(spec.disk));
    _cleanup_error_ struct error *late = hypervisor_start(w.h, &spec);
    assert_true(late && !error_is(late, &ERROR_TIMEOUT));
    assert_int_equal(listed(), 0);
}

static void test_paused_with_a_card(void **state)
{
    (void)state;
    _cleanup_(hold_free) struct hold hold;
    struct domain_spec spec = spec_of("i-00000000000000002", &hold);
    spec.card = (struct domain_card){"mtest0", "02:00:00:00:00:02", 1450};
    spec.paused = true;
    make_disk(&spec);
    OK(hypervisor_start(w.h, &spec));
    _cleanup_(domain_list_free) struct domain_list l = {0};
    OK(hypervisor_list(w.h, &l));
    assert_int_equal(l.domains.data[0].state, DOMAIN_PAUSED);
    assert_false(console_has(spec.console, "serial"));
    OK(hypervisor_resume(w.h, &spec.instance, &spec.cloud));
    WAIT(console_has(spec.console, "boot=1"), 10);
    OK(hypervisor_destroy(w.h, &spec.instance, &spec.cloud));
    OK(disk_remove(spec.disk));
}

static void test_killed_libvirtd(void **state)
{
    (void)state;
    _cleanup_(hold_free) struct hold hold;
    struct domain_spec spec = spec_of("i-00000000000000003", &hold);
    make_disk(&spec);
    OK(hypervisor_start(w.h, &spec));
    WAIT(console_has(spec.console, "boot=1"), 10);
    int connects = atomic_load(&w.connects);
    pid_t pid = libvirtd_pid();
    assert_true(pid > 1);
    kill(pid, SIGKILL);
    int64_t before = clock_mono_ms();
    WAIT(atomic_load(&w.connects) > connects, 30);
    print_message("connected again %lld ms after libvirtd was killed\n", (long long)(clock_mono_ms() - before));
    /* The list is whole or an error, at every moment of libvirtd's coming up. */
    assert_int_equal(listed(), 1);
    OK(hypervisor_start(w.h, &spec));
    OK(hypervisor_destroy(w.h, &spec.instance, &spec.cloud));
    assert_int_equal(find_process("qemu", spec.instance.text), 0);
    OK(disk_remove(spec.disk));
    assert_false(console_has(spec.console, "boot=2"));
}

static void test_stopped_libvirtd(void **state)
{
    (void)state;
    pid_t pid = libvirtd_pid();
    assert_true(pid > 1);
    int losses = atomic_load(&w.losses), connects = atomic_load(&w.connects);
    kill(pid, SIGSTOP);
    struct domain_list l = {0};
    int64_t before = clock_mono_ms();
    _cleanup_error_ struct error *e = hypervisor_list(w.h, &l);
    print_message("a stopped libvirtd: list ended after %lld ms: %s\n", (long long)(clock_mono_ms() - before),
                  e ? error_message(e) : "well");
    assert_non_null(e);
    assert_true(clock_mono_ms() - before < 32000);
    WAIT(atomic_load(&w.losses) > losses, 10);
    _cleanup_error_ struct error *none = hypervisor_list(w.h, &l);
    assert_true(error_is(none, &ERROR_UNAVAILABLE));
    kill(pid, SIGCONT);
    WAIT(atomic_load(&w.connects) > connects, 30);
    assert_int_equal(listed(), 0);
}

static void test_stopped_qemu_is_destroyed(void **state)
{
    (void)state;
    _cleanup_(hold_free) struct hold hold;
    struct domain_spec spec = spec_of("i-00000000000000004", &hold);
    make_disk(&spec);
    OK(hypervisor_start(w.h, &spec));
    pid_t pid = find_process("qemu", spec.instance.text);
    assert_true(pid > 0);
    kill(pid, SIGSTOP);
    assert_int_equal(listed(), 1);
    int64_t before = clock_mono_ms();
    OK(hypervisor_destroy(w.h, &spec.instance, &spec.cloud));
    print_message("a stopped QEMU was destroyed in %lld ms\n", (long long)(clock_mono_ms() - before));
    assert_int_equal(find_process("qemu", spec.instance.text), 0);
    OK(disk_remove(spec.disk));
}

static void start_libvirtd(void)
{
    _cleanup_free_ char *script = xasprintf("%s/tests/lib/libvirtd.sh", SOURCE_DIR);
    w.libvirtd = fork();
    if (!w.libvirtd) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        execl(script, script, w.dir, NULL);
        _exit(127);
    }
}

static int setup(void **state)
{
    (void)state;
    w.dir = xstrdup("/tmp/test-libvirt-XXXXXX");
    if (!mkdtemp(w.dir))
        return -1;
    _cleanup_free_ char *instances = xasprintf("%s/instances", w.dir);
    w.base = xasprintf("%s/brick.raw", w.dir);
    OK(file_copy_durable(BUILD_DIR "/deploy/images/brick/brick.raw", w.base));
    if (mkdir(instances, 0711) < 0 || chmod(w.dir, 0711) < 0 || chmod(instances, 0711) < 0 || chmod(w.base, 0644) < 0)
        return -1;
    start_libvirtd();
    w.uri = xasprintf("qemu+unix:///system?socket=%s/run/libvirt-sock", w.dir);
    struct hypervisor_options o = {.uri = w.uri, .kind = "qemu", .emulator = "/usr/bin/qemu-system-x86_64",
                                   .on_connected = on_connected, .on_event = on_event};
    OK(libvirt_open(&o, &w.h));
    WAIT(atomic_load(&w.connects) == 1, 60);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    hypervisor_close(w.h);
    kill(w.libvirtd, SIGKILL); /* its pid namespace goes with it */
    waitpid(w.libvirtd, NULL, 0);
    struct spawn rm = {.argv = (const char *const[]){"rm", "-rf", w.dir, NULL}};
    OK(spawn_check(&rm));
    free(w.dir);
    free(w.base);
    free(w.uri);
    return 0;
}

int main(void)
{
    if (getuid() != 0 || access("/usr/sbin/libvirtd", X_OK) || access("/usr/bin/qemu-system-x86_64", X_OK))
        return 77;
    log_setup("test-libvirt", LOG_INFO);
    signal(SIGPIPE, SIG_IGN);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_life_of_a_brick),  cmocka_unit_test(test_paused_with_a_card),
        cmocka_unit_test(test_killed_libvirtd),  cmocka_unit_test(test_stopped_qemu_is_destroyed),
        cmocka_unit_test(test_stopped_libvirtd),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
