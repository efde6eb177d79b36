#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# libvirtd.sh DIR: a private libvirtd and virtlogd in namespaces of their own (mounts, host name, network), all their
# state below DIR, until this process is killed.  The socket is DIR/run/libvirt-sock.  Wants root.
set -e
dir=$1
mkdir -p "$dir"/etc/qemu/networks "$dir"/run "$dir"/lib "$dir"/log "$dir"/cache
chmod 711 "$dir" "$dir"/lib
cat > "$dir/etc/libvirtd.conf" <<C
unix_sock_group = "root"
unix_sock_rw_perms = "0700"
auth_unix_rw = "none"
auth_unix_ro = "none"
host_uuid = "$(cat /proc/sys/kernel/random/uuid)"
log_level = 3
log_outputs = "3:stderr"
C
cat > "$dir/etc/qemu.conf" <<C
user = "root"
group = "root"
dynamic_ownership = 0
remember_owner = 0
security_driver = "none"
cgroup_controllers = [ ]
namespaces = [ ]
stdio_handler = "logd"
C
printf 'max_clients = 1024\nmax_size = 524288\nmax_backups = 1\nlog_outputs = "3:stderr"\n' > "$dir/etc/virtlogd.conf"
# Asking QEMU what it can do takes seconds: what another start learned is used again.
kept=${MALLEE_CAPABILITIES:-/var/cache/mallee/capabilities}
if [ -d "$kept" ]; then
    mkdir -p "$dir/cache/qemu"
    cp -rp "$kept" "$dir/cache/qemu/capabilities"
fi
# A pid namespace of its own: whatever runs in it ends with its first process.
exec unshare -m -u -n -p -f --kill-child --mount-proc --propagation private sh -c '
    dir=$0
    mkdir -p /run/libvirt /etc/libvirt /var/lib/libvirt /var/log/libvirt /var/cache/libvirt
    mount --bind "$dir/run" /run/libvirt
    mount --bind "$dir/etc" /etc/libvirt
    mount --bind "$dir/lib" /var/lib/libvirt
    mount --bind "$dir/log" /var/log/libvirt
    mount --bind "$dir/cache" /var/cache/libvirt
    ip link set lo up
    hostname test.mallee.internal
    virtlogd -d -f /etc/libvirt/virtlogd.conf -p /run/libvirt/virtlogd.pid
    while :; do
        libvirtd -p /run/libvirt/libvirtd.pid -f /etc/libvirt/libvirtd.conf || true
        rm -f /run/libvirt/libvirtd.pid
    done' "$dir" > "$dir/out" 2>&1
