/* SPDX-License-Identifier: Apache-2.0 */
/* The emulator witness: stands where a node's emulator is configured and records every QEMU process of a domain.
 *
 * Run by libvirt as `qemu-witness -name guest=... -uuid ... -smbios type=1,...,serial=...`, it forks a watcher,
 * writes one line and becomes the real emulator, so the process id stays the one that libvirt knows. The watcher
 * sees the end through a pidfd, whatever ends it. Runs that only ask for capabilities pass straight through.
 *
 * libvirt has emptied the environment and dropped to the domain's own user by now, so what it needs stands in
 * /etc/libvirt/qemu-witness.conf (each node has its own /etc/libvirt), `key = value`:
 *     node       the node's name
 *     directory  where records go; mode 1777, as each domain has a user of its own
 * A record is a file of its own, DIRECTORY/<process id>-<start>, that grows from
 *     start <instance> <node> <pid> <monotonic ns>
 * by a second line when the process is gone:
 *     end <instance> <node> <pid> <monotonic ns> */
#include <config.h>

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define CONFIG "/etc/libvirt/qemu-witness.conf"
#define EMULATOR "/usr/bin/qemu-system-x86_64"

struct witness {
    char node[64];
    char directory[512];
    char instance[128];
    pid_t pid;
    int record;
    int process;
};

static void die(const char *format, ...) __attribute__((format(printf, 1, 2), noreturn));

static void die(const char *format, ...)
{
    va_list args;

    va_start(args, format);
    fputs("qemu-witness: ", stderr);
    vfprintf(stderr, format, args);
    fputc('\n', stderr);
    va_end(args);
    exit(1);
}

static uint64_t now_ns(void)
{
    struct timespec now;

    if (clock_gettime(CLOCK_MONOTONIC, &now) != 0) {
        die("no clock: %s", strerror(errno));
    }
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

/* The value of `key=` in a comma list such as `type=1,serial=i-1`; false if it has none. */
static bool option_value(const char *list, const char *key, char *ret_value, size_t size)
{
    size_t length = strlen(key);

    for (const char *at = list; at != NULL; at = strchr(at, ',')) {
        at += *at == ',';
        if (strncmp(at, key, length) == 0 && at[length] == '=') {
            snprintf(ret_value, size, "%.*s", (int)strcspn(at + length + 1, ","), at + length + 1);
            return true;
        }
    }
    return false;
}

/* True for a run that starts a domain; its SMBIOS serial number is the instance, its name where it has none. */
static bool find_instance(int argc, char **argv, char *ret_instance, size_t size)
{
    bool has_uuid = false;
    bool has_serial = false;
    bool probes = false;

    for (int i = 1; i + 1 < argc; i++) {
        if (strcmp(argv[i], "-uuid") == 0) {
            has_uuid = true;
        } else if (strcmp(argv[i], "-machine") == 0 || strcmp(argv[i], "-M") == 0) {
            probes = probes || strncmp(argv[i + 1], "none", 4) == 0;
        } else if (strcmp(argv[i], "-smbios") == 0 && strncmp(argv[i + 1], "type=1,", 7) == 0) {
            has_serial = option_value(argv[i + 1], "serial", ret_instance, size) || has_serial;
        } else if (strcmp(argv[i], "-name") == 0 && !has_serial) {
            option_value(argv[i + 1], "guest", ret_instance, size);
        }
    }
    return has_uuid && !probes && ret_instance[0] != '\0';
}

static void read_config(struct witness *w)
{
    char line[600];
    FILE *file = fopen(CONFIG, "re");

    if (file == NULL) {
        die("%s: %s", CONFIG, strerror(errno));
    }
    while (fgets(line, sizeof line, file) != NULL) {
        if (sscanf(line, " node = %63s", w->node) != 1) {
            (void)sscanf(line, " directory = %511s", w->directory);
        }
    }
    fclose(file);
    if (w->node[0] == '\0' || w->directory[0] == '\0') {
        die("%s: needs node and directory", CONFIG);
    }
}

static void write_line(const struct witness *w, const char *event)
{
    if (dprintf(w->record, "%s %s %s %d %llu\n", event, w->instance, w->node, (int)w->pid,
                (unsigned long long)now_ns()) < 0) {
        die("record: %s", strerror(errno));
    }
}

/* Keeps nothing of libvirt's open, so that nobody takes it for the emulator. */
static void close_all_but(int a, int b)
{
    int low = a < b ? a : b;
    int high = a < b ? b : a;

    (void)syscall(SYS_close_range, 0u, (unsigned)low - 1u, 0u);
    if (high - low > 1) {
        (void)syscall(SYS_close_range, (unsigned)low + 1u, (unsigned)high - 1u, 0u);
    }
    (void)syscall(SYS_close_range, (unsigned)high + 1u, ~0u, 0u);
}

static void watch(const struct witness *w)
{
    struct pollfd end = {.fd = w->process, .events = POLLIN};

    setsid();
    close_all_but(w->record, w->process);
    while (poll(&end, 1, -1) < 0 && errno == EINTR) {
    }
    write_line(w, "end");
    _exit(0);
}

/* The watcher is nobody's child: libvirt and QEMU must not meet it in a wait(). */
static void fork_watcher(const struct witness *w)
{
    pid_t middle = fork();
    int status;

    if (middle < 0) {
        die("fork: %s", strerror(errno));
    }
    if (middle == 0) {
        pid_t watcher = fork();

        if (watcher == 0) {
            watch(w);
        }
        _exit(watcher < 0);
    }
    if (waitpid(middle, &status, 0) != middle || status != 0) {
        die("the watcher did not start");
    }
}

static void bear_witness(struct witness *w)
{
    char path[700];

    read_config(w);
    w->pid = getpid();
    snprintf(path, sizeof path, "%s/%d-%llu", w->directory, (int)w->pid,
             (unsigned long long)now_ns());
    /* Above the descriptors that libvirt hands over by number, and not QEMU's. */
    int record = open(path, O_WRONLY | O_APPEND | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
    int process = (int)syscall(SYS_pidfd_open, w->pid, 0);

    if (record < 0 || process < 0) {
        die("%s: %s", path, strerror(errno));
    }
    w->record = fcntl(record, F_DUPFD_CLOEXEC, 200);
    w->process = fcntl(process, F_DUPFD_CLOEXEC, 200);
    if (w->record < 0 || w->process < 0) {
        die("descriptors: %s", strerror(errno));
    }
    close(record);
    close(process);
    fork_watcher(w);
    write_line(w, "start");
}

int main(int argc, char **argv)
{
    struct witness w = {.record = -1, .process = -1};

    if (find_instance(argc, argv, w.instance, sizeof w.instance)) {
        bear_witness(&w);
    }
    execv(EMULATOR, argv);
    die("%s: %s", EMULATOR, strerror(errno));
}
