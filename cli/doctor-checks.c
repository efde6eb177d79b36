/* SPDX-License-Identifier: Apache-2.0 */
#include <config.h>
#include <errno.h>
#include <inttypes.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/timex.h>
#include <time.h>
#include <unistd.h>
#include "cli/doctor.h"
#include "common/base/array.h"
#include "common/base/clock.h"
#include "common/file/file.h"
#include "common/http-client/http-client.h"
#include "common/spawn/spawn.h"

#define GIB             (UINT64_C(1) << 30)
#define DISK_BAD        GIB
#define DISK_LITTLE     (10 * GIB)
#define FILES_BAD       1024
#define FILES_FEW       16384
#define PROBE_MS        8000
#define CLOCK_LITTLE_MS 5000
#define CLOCK_BAD_MS    (5 * 60 * 1000)
#define DATE_OF_THIS    1762000000 /* this program is no older, so no clock may be behind it */

/* ---- programs ---- */

static const struct needed_program {
    const char *name, *package;
    unsigned major, minor; /* at least */
    const char *for_what;
} needed_programs[] = {
    {"qemu-system-x86_64", "qemu-system-x86", 7, 2, "nodes"},
    {"qemu-img", "qemu-utils", 7, 2, "nodes"},
    {"libvirtd", "libvirt-daemon", 9, 0, "nodes"},
    {"dnsmasq", "dnsmasq-base", 2, 80, "nodes"},
    {"nft", "nftables", 1, 0, "nodes"},
    {"ip", "iproute2", 0, 0, "nodes"},
    {"rabbitmqctl", "rabbitmq-server", 0, 0, "the broker"},
};

/* The path of a program, also where a user's PATH does not go; NULL: there is none.  Allocated. */
static char *find_program(const char *name)
{
    static const char *const folders[] = {"/usr/local/sbin", "/usr/local/bin", "/usr/sbin",
                                          "/usr/bin",        "/sbin",          "/bin"};
    for (size_t i = 0; i < ARRAY_SIZE(folders); i++) {
        char *path = xasprintf("%s/%s", folders[i], name);
        if (access(path, X_OK) == 0)
            return path;
        free(path);
    }
    return NULL;
}

/* The first "N.N" of a text. */
static bool version_in(const char *text, unsigned *ret_major, unsigned *ret_minor)
{
    for (const char *p = text; *p; p++) {
        if (*p >= '0' && *p <= '9' && sscanf(p, "%u.%u", ret_major, ret_minor) == 2)
            return true;
        p += strspn(p, "0123456789");
        if (!*p)
            break;
    }
    return false;
}

static void look_at_program(const struct needed_program *n, struct finding *f)
{
    _cleanup_free_ char *path = find_program(n->name);
    unsigned major = 0, minor = 0;
    if (!path) {
        finding_say(f, "no %s", n->name);
        finding_worse(f, VERDICT_BAD, "apt-get install %s (for %s)", n->package, n->for_what);
        return;
    }
    if (!n->major)
        return;
    const char *const argv[] = {path, "--version", NULL};
    struct spawn s = {.argv = argv, .deadline_ms = PROBE_MS};
    struct spawn_result r = {0};
    struct error *e = spawn_run(&s, &r);
    if (e || !version_in(str_text(&r.output), &major, &minor)) {
        finding_say(f, "%s tells no version", n->name);
        finding_worse(f, VERDICT_WARNING, "run %s --version", path);
    } else {
        finding_say(f, "%s %u.%u", n->name, major, minor);
        if (major < n->major || (major == n->major && minor < n->minor))
            finding_worse(f, VERDICT_BAD, "%s must be at least %u.%u (for %s)", n->name, n->major,
                          n->minor, n->for_what);
    }
    error_free(e);
    spawn_result_free(&r);
}

static void look_at_programs(const struct doctor *d, struct finding *f)
{
    (void)d;
    for (size_t i = 0; i < ARRAY_SIZE(needed_programs); i++)
        look_at_program(&needed_programs[i], f);
}

/* ---- KVM ---- */

/* A boot sector: mov al, 16; out 0xf4, al; hlt; again.  QEMU's isa-debug-exit makes of it exit
 * status 33. */
static const unsigned char probe_sector[] = {0xb0, 0x10, 0xe6, 0xf4, 0xf4, 0xeb, 0xfd};
#define PROBE_STATUS 33

static struct error *write_probe(char *path)
{
    unsigned char sector[512] = {0};
    memcpy(sector, probe_sector, sizeof probe_sector);
    sector[510] = 0x55;
    sector[511] = 0xaa;
    int fd = mkstemp(path);
    if (fd < 0)
        return error_errno(errno, "making %s", path);
    ssize_t written = write(fd, sector, sizeof sector);
    close(fd);
    return written == sizeof sector ? NULL : error_errno(errno, "writing %s", path);
}

/* Starts the sector under KVM, as nodes start guests. */
static struct error *boot_probe(const char *disk, struct spawn_result *ret)
{
    _cleanup_free_ char *drive = xasprintf("file=%s,format=raw,if=ide,snapshot=on", disk);
    const char *const argv[] = {"qemu-system-x86_64",
                                "-accel",
                                "kvm",
                                "-cpu",
                                "host",
                                "-machine",
                                "pc",
                                "-m",
                                "32",
                                "-nodefaults",
                                "-display",
                                "none",
                                "-no-reboot",
                                "-device",
                                "isa-debug-exit,iobase=0xf4,iosize=4",
                                "-drive",
                                drive,
                                NULL};
    struct spawn s = {.argv = argv, .deadline_ms = PROBE_MS};
    return spawn_run(&s, ret);
}

static void last_line(const struct str *text, struct str *out)
{
    const char *begin = str_text(text);
    size_t len = text->len;
    while (len && begin[len - 1] == '\n')
        len--;
    size_t from = len;
    while (from && begin[from - 1] != '\n')
        from--;
    str_add_n(out, begin + from, len - from < 120 ? len - from : 120);
}

static void judge_probe(struct error *e, const struct spawn_result *r, struct finding *f)
{
    _cleanup_str_ struct str why = STR_INIT;
    if (!e && r->status == PROBE_STATUS) {
        finding_say(f, "a guest boots on it");
        return;
    }
    if (e)
        str_add(&why, error_message(e));
    else
        last_line(&r->output, &why);
    finding_say(f, "/dev/kvm is there, but no guest boots on it (%s)", str_text(&why));
    finding_worse(f, VERDICT_WARNING,
                  "set domain-type = qemu in the node's configuration: guests run under emulation");
}

static void look_at_kvm(const struct doctor *d, struct finding *f)
{
    char path[] = "/tmp/mallee-probe-XXXXXX";
    struct spawn_result r = {0};
    (void)d;
    if (access("/dev/kvm", F_OK) != 0) {
        finding_say(f, "no /dev/kvm");
        finding_worse(
            f, VERDICT_WARNING,
            "enable virtualisation in the firmware; without it guests run under emulation");
        return;
    }
    if (access("/dev/kvm", R_OK | W_OK) != 0) {
        finding_say(f, "/dev/kvm is there, but not for you");
        finding_worse(f, VERDICT_WARNING, "run this as root, or as a member of the group kvm");
        return;
    }
    struct error *e = write_probe(path);
    if (!e)
        e = boot_probe(path, &r);
    judge_probe(e, &r, f);
    unlink(path);
    error_free(e);
    spawn_result_free(&r);
}

/* ---- the kernel's network ---- */

/* Runs a command in a network namespace of its own; its exit status and output. */
static bool in_fresh_network(const char *script, struct str *ret_output)
{
    const char *const argv[] = {"unshare", "-n", "sh", "-c", script, NULL};
    struct spawn s = {.argv = argv, .deadline_ms = PROBE_MS};
    struct spawn_result r = {0};
    struct error *e = spawn_run(&s, &r);
    bool ok = !e && r.status == 0;
    str_add(ret_output, e ? error_message(e) : str_text(&r.output));
    error_free(e);
    spawn_result_free(&r);
    return ok;
}

static void need_root(struct finding *f)
{
    finding_say(f, "not looked at");
    finding_worse(f, VERDICT_WARNING, "run this as root to see");
}

static void look_at_bridge_filter(const struct doctor *d, struct finding *f)
{
    _cleanup_str_ struct str output = STR_INIT;
    if (!d->root) {
        need_root(f);
        return;
    }
    bool ok = in_fresh_network(
        "f=/proc/sys/net/bridge/bridge-nf-call-iptables; echo 1 >$f && cat $f", &output);
    if (ok && streq(str_text(&output), "1\n")) {
        finding_say(f, "rules see bridged packets (net.bridge.bridge-nf-call-iptables)");
        return;
    }
    finding_say(f, "net.bridge.bridge-nf-call-iptables cannot be set: security groups would let "
                   "everything through");
    finding_worse(f, VERDICT_BAD,
                  "modprobe br_netfilter, and have it loaded at boot: echo br_netfilter "
                  ">/etc/modules-load.d/mallee.conf");
}

static const struct kernel_part {
    const char *what, *script;
} kernel_parts[] = {
    {"bridge", "ip link add b0 type bridge"},
    {"veth", "ip link add v0 type veth peer name v1"},
    {"vxlan", "ip link add x0 type vxlan id 1 dstport 4789 local 127.0.0.1"},
    {"tap", "ip tuntap add t0 mode tap"},
    {"nftables' NAT",
     "nft add table ip t && nft 'add chain ip t c { type nat hook prerouting priority dstnat; }'"},
    {"nftables' bridge family", "nft add table bridge t"},
};

static void look_at_kernel(const struct doctor *d, struct finding *f)
{
    size_t missing = 0;
    if (!d->root) {
        need_root(f);
        return;
    }
    for (size_t i = 0; i < ARRAY_SIZE(kernel_parts); i++) {
        _cleanup_str_ struct str output = STR_INIT;
        if (in_fresh_network(kernel_parts[i].script, &output))
            continue;
        missing++;
        finding_say(f, "no %s", kernel_parts[i].what);
    }
    if (missing)
        finding_worse(
            f, VERDICT_BAD,
            "use a kernel that has it, or load its module; `apt-get install iproute2 nftables`");
    else
        finding_say(f, "bridge, veth, vxlan, tap, nftables");
}

/* ---- limits, disk ---- */

static void look_at_files(const struct doctor *d, struct finding *f)
{
    struct rlimit l;
    (void)d;
    if (getrlimit(RLIMIT_NOFILE, &l) < 0)
        return;
    finding_say(f, "%" PRIu64 " open files (%" PRIu64 " where a program asks)",
                (uint64_t)l.rlim_cur, (uint64_t)l.rlim_max);
    if (l.rlim_max < FILES_FEW)
        finding_worse(f, l.rlim_max < FILES_BAD ? VERDICT_BAD : VERDICT_WARNING,
                      "raise it for whoever starts the daemons: LimitNOFILE=65536 in systemd, "
                      "nofile in limits.conf");
}

/* The nearest folder above that is there. */
static char *existing(const char *path)
{
    char *at = xstrdup(path);
    while (access(at, F_OK) != 0 && strrchr(at, '/') != at)
        *strrchr(at, '/') = '\0';
    if (access(at, F_OK) != 0)
        at[1] = '\0';
    return at;
}

static void look_at_disk(const struct doctor *d, struct finding *f)
{
    _cleanup_free_ char *at = existing(d->folder);
    uint64_t bytes = 0;
    struct error *e = file_free_space(at, &bytes);
    if (e) {
        finding_say(f, "%s", error_message(e));
        finding_worse(f, VERDICT_BAD, "name another folder: MALLEE_DIR");
        error_free(e);
        return;
    }
    finding_say(f, "%.1f GiB free at %s", (double)bytes / (double)GIB, at);
    if (bytes < DISK_LITTLE)
        finding_worse(f, bytes < DISK_BAD ? VERDICT_BAD : VERDICT_WARNING,
                      "make room: images and instances' disks grow there, and below min-free "
                      "writes are refused");
}

/* ---- time ---- */

/* Seconds since 1970 of "Sun, 06 Nov 1994 08:49:37 GMT"; -1: it is none. */
static int64_t http_date(const char *text)
{
    struct tm t = {0};
    const char *end = text ? strptime(text, "%a, %d %b %Y %H:%M:%S GMT", &t) : NULL;
    return end ? (int64_t)timegm(&t) : -1;
}

static void compare_with_cloud(const struct doctor *d, struct finding *f)
{
    _cleanup_(http_client_freep) struct http_client *c = NULL;
    struct http_client_options o = {.ca_file = d->ca_file, .connect_ms = 2000};
    struct http_call call = {.method = "GET", .url = d->url, .timeout_ms = 4000};
    _cleanup_http_reply_ struct http_reply reply = {0};
    struct error *e = http_client_new(&o, &c);
    if (!e)
        e = http_client_call(c, &call, &reply);
    int64_t theirs = e ? -1 : http_date(http_reply_header(&reply, "Date"));
    error_free(e);
    if (theirs < 0) {
        finding_say(f, "no cloud answers at %s to compare with", d->url);
        return;
    }
    int64_t apart = clock_wall_ms() - theirs * 1000;
    apart = apart < 0 ? -apart : apart;
    if (apart <= CLOCK_LITTLE_MS) {
        finding_say(f, "the cloud's clock agrees");
        return;
    }
    finding_say(f, "%" PRId64 " s from the cloud's clock", apart / 1000);
    finding_worse(f, apart > CLOCK_BAD_MS ? VERDICT_BAD : VERDICT_WARNING,
                  "set the clock: signatures are refused when it is 15 minutes off");
}

static void look_at_time(const struct doctor *d, struct finding *f)
{
    struct timex t = {0};
    if (time(NULL) < DATE_OF_THIS) {
        finding_say(f, "the clock is in the past");
        finding_worse(f, VERDICT_BAD, "set it: apt-get install systemd-timesyncd");
    }
    if (adjtimex(&t) == TIME_ERROR || (t.status & STA_UNSYNC)) {
        finding_say(f, "not synchronised");
        finding_worse(f, VERDICT_WARNING, "apt-get install systemd-timesyncd, or chrony");
    } else {
        finding_say(f, "synchronised");
    }
    compare_with_cloud(d, f);
}

/* ---- ports ---- */

static const struct wanted_port {
    uint16_t port;
    const char *who;
} wanted_ports[] = {
    {5672, "the broker"},       {8773, "the Cloud Controller"}, {8774, "a Cluster Controller"},
    {8775, "the object store"}, {8776, "the Image Service"},    {8777, "the Node Controller"},
};

static bool port_free(uint16_t port)
{
    _cleanup_close_ int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct sockaddr_in a = {
        .sin_family = AF_INET, .sin_port = htons(port), .sin_addr = {htonl(INADDR_LOOPBACK)}};
    int one = 1;
    if (fd < 0)
        return true;
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    return bind(fd, (struct sockaddr *)&a, sizeof a) == 0 || errno != EADDRINUSE;
}

/* Does a daemon of ours answer there? */
static bool healthy(uint16_t port)
{
    _cleanup_(http_client_freep) struct http_client *c = NULL;
    struct http_client_options o = {.connect_ms = 1000};
    _cleanup_free_ char *url = xasprintf("http://127.0.0.1:%u/healthz", port);
    struct http_call call = {.method = "GET", .url = url, .timeout_ms = 2000};
    _cleanup_http_reply_ struct http_reply reply = {0};
    struct error *e = http_client_new(&o, &c);
    if (!e)
        e = http_client_call(c, &call, &reply);
    bool ok = !e && reply.status == 200;
    error_free(e);
    return ok;
}

static void look_at_ports(const struct doctor *d, struct finding *f)
{
    size_t taken = 0;
    (void)d;
    for (size_t i = 0; i < ARRAY_SIZE(wanted_ports); i++) {
        const struct wanted_port *p = &wanted_ports[i];
        if (port_free(p->port))
            continue;
        if (p->port == 5672 || healthy(p->port)) {
            finding_say(f, "%u is in use, by %s as it seems", p->port, p->who);
            continue;
        }
        finding_say(f, "%u is in use", p->port);
        taken++;
    }
    if (taken)
        finding_worse(f, VERDICT_WARNING,
                      "`ss -ltnp` shows by whom; the daemons' `listen` keys may name other ports");
    else if (!f->found.len)
        finding_say(f, "5672 and 8773 to 8777 are free");
}

const struct doctor_check doctor_checks[] = {
    {"KVM", look_at_kvm},
    {"bridge filtering", look_at_bridge_filter},
    {"kernel network", look_at_kernel},
    {"open files", look_at_files},
    {"time", look_at_time},
    {"disk", look_at_disk},
    {"ports", look_at_ports},
    {"programs", look_at_programs},
};
const size_t doctor_checks_len = ARRAY_SIZE(doctor_checks);
