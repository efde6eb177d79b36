/* SPDX-License-Identifier: Apache-2.0 */
#include <config.h>
/* One dnsmasq per VPC: it knows its guests by MAC and hands out nothing else.
 *
 * Its files lie in the VPC's folder.  It reads dhcp-hosts anew at SIGHUP, as the user it has become by then, so the
 * folder lets others through where those above it do; where they do not, it stays root.  It is found again by its pid
 * file and by the configuration's path among its arguments: a process without that is never touched.  Before one is
 * started, and at the end, all processes are looked through for others with that argument. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <sys/pidfd.h>
#include <sys/stat.h>
#include "common/base/log.h"
#include "common/file/file.h"
#include "common/spawn/spawn.h"
#include "node-controller/network/internal.h"

#define PROGRAM     "dnsmasq"
#define USER        "nobody"
#define GROUP       "nogroup"
#define LEASE_S     3600
#define END_MS      3000
#define FILE_BOUND  (16 * 1024 * 1024)
#define RESOLV_CONF "/etc/resolv.conf"

static void closedirp(DIR **d)
{
    if (*d)
        closedir(*d);
}

static char *file_of(const char *folder, const char *name)
{
    return xasprintf("%s/%s", folder, name);
}

/* ---- the process ---- */

/* True where the process was started for this folder. */
static bool is_ours(pid_t pid, const char *folder)
{
    _cleanup_free_ char *path = xasprintf("/proc/%d/cmdline", (int)pid);
    _cleanup_free_ char *want = xasprintf("--conf-file=%s/dnsmasq.conf", folder);
    char text[8192];
    _cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t len = fd < 0 ? -1 : read(fd, text, sizeof text - 1);
    if (len <= 0)
        return false;
    text[len] = '\0';
    for (const char *word = text; word < text + len; word += strlen(word) + 1)
        if (streq(word, want))
            return true;
    return false;
}

/* A pidfd of the folder's dnsmasq, -1: none.  What is named by the pid file is looked at after it was opened, so a
 * number that was used again is noticed. */
static int open_process(const char *folder)
{
    _cleanup_free_ char *path = file_of(folder, "pid");
    _cleanup_free_ char *text = NULL;
    size_t len;
    uint64_t pid = 0;
    struct error *e = file_read(path, 32, &text, &len);
    if (!e) {
        text[strcspn(text, "\n")] = '\0';
        e = parse_u64(text, INT32_MAX, &pid);
    }
    error_free(e);
    _cleanup_close_ int fd = pid > 1 ? pidfd_open((pid_t)pid, 0) : -1;
    return fd >= 0 && is_ours((pid_t)pid, folder) ? TAKE_FD(fd) : -1;
}

bool dhcp_runs(const struct vpc *v)
{
    _cleanup_close_ int fd = open_process(v->folder);
    struct pollfd p = {.fd = fd, .events = POLLIN};
    return fd >= 0 && poll(&p, 1, 0) == 0;
}

static struct error *end_one(pid_t pid, const char *folder)
{
    _cleanup_close_ int fd = pidfd_open(pid, 0);
    struct pollfd p = {.fd = fd, .events = POLLIN};
    if (fd < 0 || !is_ours(pid, folder))
        return NULL;
    pidfd_send_signal(fd, SIGTERM, NULL, 0);
    if (poll(&p, 1, END_MS) == 0) {
        pidfd_send_signal(fd, SIGKILL, NULL, 0);
        if (poll(&p, 1, END_MS) == 0)
            return error_new(ERROR_TIMEOUT, "the dnsmasq of %s does not end", folder);
    }
    return NULL;
}

/* The one of the pid file, and those that a daemon's death at the wrong moment left without one. */
static struct error *end_processes(const char *folder)
{
    _cleanup_(closedirp) DIR *proc = opendir("/proc");
    if (!proc)
        return error_errno(errno, "reading /proc");
    for (const struct dirent *entry; (entry = readdir(proc));) {
        uint64_t pid;
        struct error *e = parse_u64(entry->d_name, INT32_MAX, &pid);
        if (e)
            error_ignore(e);
        else if (pid > 1 && is_ours((pid_t)pid, folder))
            RETURN_IF_ERROR(end_one((pid_t)pid, folder));
    }
    return NULL;
}

/* The folder's files and the folder. */
static struct error *remove_folder(const char *folder)
{
    _cleanup_(closedirp) DIR *d = opendir(folder);
    if (!d)
        return errno == ENOENT ? NULL : error_errno(errno, "reading %s", folder);
    for (const struct dirent *entry; (entry = readdir(d));)
        unlinkat(dirfd(d), entry->d_name, 0); /* "." and ".." refuse that */
    return rmdir(folder) < 0 && errno != ENOENT ? error_errno(errno, "removing %s", folder) : NULL;
}

struct error *dhcp_stop(struct network *n, const char *folder)
{
    (void)n;
    RETURN_IF_ERROR(end_processes(folder));
    return remove_folder(folder);
}

/* ---- its files ---- */

/* Every folder above lets others through. */
static bool reachable(const char *folder)
{
    _cleanup_free_ char *path = xstrdup(folder);
    for (char *slash; (slash = strrchr(path, '/')) && slash > path; *slash = '\0') {
        struct stat st;
        if (stat(path, &st) < 0 || !(st.st_mode & S_IXOTH))
            return false;
    }
    return true;
}

/* Resolvers that are not this host's own loopback. */
static void add_resolvers(const struct network *n, struct str *out)
{
    _cleanup_free_ char *text = NULL;
    size_t len;
    struct error *e = n->outside ? file_read(RESOLV_CONF, 65536, &text, &len) : NULL;
    error_free(e);
    const char *cursor = text;
    str_add(out, "dhcp-option=option:dns-server");
    for (char *line; (line = str_next_piece(&cursor, '\n')); free(line)) {
        uint32_t address;
        char *host = str_starts(line, "nameserver") ? line + strlen("nameserver") : NULL;
        if (!host)
            continue;
        host += strspn(host, " \t");
        host[strcspn(host, " \t\r#")] = '\0';
        if (address_parse(host, &address) && address >> 24 != 127 && address != 0)
            str_printf(out, ",%s", host);
    }
    str_add_char(out, '\n'); /* without a value the option is not sent at all */
}

static char *make_config(const struct network *n, const struct vpc *v)
{
    struct str out = STR_INIT;
    bool open_path = reachable(v->folder);
    str_add(&out, "port=0\nno-ping\ndhcp-authoritative\nbind-interfaces\nexcept-interface=lo\nlog-facility=/dev/null\n");
    str_printf(&out, "user=%s\ngroup=%s\n", open_path ? USER : "root", open_path ? GROUP : "root");
    str_printf(&out, "pid-file=%s/pid\ndhcp-leasefile=%s/leases\ndhcp-hostsfile=%s/dhcp-hosts\n", v->folder, v->folder, v->folder);
    str_printf(&out, "dhcp-lease-max=65536\ndhcp-option=option:mtu,%d\n", NETWORK_MTU);
    add_resolvers(n, &out);
    array_each(&v->segments, s) {
        char base[ADDRESS_TEXT], gateway[ADDRESS_TEXT], mask[ADDRESS_TEXT];
        address_text(s->cidr.base, base);
        address_text(s->cidr.base + 1, gateway);
        address_text(UINT32_MAX << (32 - s->cidr.len), mask);
        str_printf(&out, "interface=%s\ndhcp-range=set:%s,%s,static,%s,%d\n", s->bridge, s->bridge, base, mask, LEASE_S);
        str_printf(&out, "dhcp-option=tag:%s,option:router,%s\n", s->bridge, gateway);
    }
    return str_take(&out);
}

static char *make_hosts(const struct vpc *v)
{
    struct str out = STR_INIT;
    array_each(&v->cards, c) {
        _cleanup_free_ char *name = xstrdup(c->guest.address);
        for (char *dot = name; (dot = strchr(dot, '.'));)
            *dot = '-';
        str_printf(&out, "%s,%s,ip-%s\n", c->guest.mac, c->guest.address, name);
    }
    return str_take(&out);
}

/* Writes the file where its content differs.  Read by others: it holds no secret.  What a power cut takes is made
 * again, so nothing is flushed. */
static struct error *write_file(const char *folder, const char *name, const char *text, bool *ret_changed)
{
    _cleanup_free_ char *path = file_of(folder, name);
    _cleanup_free_ char *fresh = xasprintf("%s.new", path);
    _cleanup_free_ char *before = NULL;
    size_t len = 0, size = strlen(text);
    struct error *e = file_read(path, FILE_BOUND, &before, &len);
    bool same = !e && len == size && memcmp(before, text, size) == 0;
    error_free(e);
    *ret_changed = !same;
    if (same)
        return NULL;
    _cleanup_close_ int fd = open(fresh, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0644);
    if (fd < 0)
        return error_errno(errno, "making %s", fresh);
    for (size_t done = 0; done < size;) {
        ssize_t n = write(fd, text + done, size - done);
        if (n < 0 && errno != EINTR)
            return error_errno(errno, "writing %s", fresh);
        done += n > 0 ? (size_t)n : 0;
    }
    if (fchmod(fd, 0644) < 0 || rename(fresh, path) < 0)
        return error_errno(errno, "making %s", path);
    return NULL;
}

/* ---- leases ---- */

/* A lease line is "expiry MAC address name client-id". */
static bool lease_fits(const struct vpc *v, const char *line)
{
    char mac[MAC_TEXT] = "", address[ADDRESS_TEXT] = "";
    if (sscanf(line, "%*s %17s %15s", mac, address) != 2)
        return false;
    array_each(&v->cards, c)
        if (streq(c->guest.address, address))
            return streq(c->guest.mac, mac);
    return true; /* nobody's: it does no harm */
}

/* The leases but those that keep an address from its new owner: NULL where there are none such. */
static char *cleaned_leases(const struct vpc *v)
{
    _cleanup_free_ char *path = file_of(v->folder, "leases");
    _cleanup_free_ char *text = NULL;
    struct str kept = STR_INIT;
    size_t len;
    bool stale = false;
    struct error *e = file_read(path, FILE_BOUND, &text, &len);
    if (e)
        return error_free(e), NULL;
    const char *cursor = text;
    for (char *line; (line = str_next_piece(&cursor, '\n')); free(line)) {
        if (lease_fits(v, line))
            str_printf(&kept, "%s\n", line);
        else
            stale = true;
    }
    if (stale)
        return str_take(&kept);
    str_free(&kept);
    return NULL;
}

/* ---- bringing it up to date ---- */

static struct error *run_dnsmasq(void *arg)
{
    const char *const argv[] = {PROGRAM, arg, NULL};
    struct spawn s = {.argv = argv};
    return spawn_check(&s);
}

static struct error *start(const struct vpc *v, const char *leases)
{
    _cleanup_free_ char *option = xasprintf("--conf-file=%s/dnsmasq.conf", v->folder);
    bool changed;
    RETURN_IF_ERROR(end_processes(v->folder));
    if (leases)
        RETURN_IF_ERROR(write_file(v->folder, "leases", leases, &changed));
    return netns_run(v->ns, run_dnsmasq, option);
}

static struct error *make_folder(const char *folder)
{
    RETURN_IF_ERROR(file_make_dirs(folder));
    return chmod(folder, 0711) < 0 ? error_errno(errno, "opening %s to dnsmasq", folder) : NULL;
}

static struct error *sync_files(struct network *n, struct vpc *v)
{
    _cleanup_free_ char *config = make_config(n, v);
    _cleanup_free_ char *hosts = make_hosts(v);
    _cleanup_free_ char *leases = cleaned_leases(v);
    bool new_config = false, new_hosts = false;
    RETURN_IF_ERROR(write_file(v->folder, "dhcp-hosts", hosts, &new_hosts));
    RETURN_IF_ERROR(write_file(v->folder, "dnsmasq.conf", config, &new_config));
    if (new_config || leases || !dhcp_runs(v))
        return start(v, leases);
    _cleanup_close_ int fd = new_hosts ? open_process(v->folder) : -1;
    if (fd >= 0 && pidfd_send_signal(fd, SIGHUP, NULL, 0) < 0)
        return error_errno(errno, "telling dnsmasq of %s", v->name);
    return NULL;
}

struct error *dhcp_sync(struct network *n, struct vpc *v)
{
    RETURN_IF_ERROR(make_folder(v->folder));
    return error_wrap(sync_files(n, v), "DHCP of %s", v->name);
}
