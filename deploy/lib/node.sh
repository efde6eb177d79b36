# SPDX-License-Identifier: Apache-2.0
# A node: its network namespace, a libvirtd and virtlogd that see their own /etc, /run, /var/*/libvirt, and the Node
# Controller.
# shellcheck shell=bash

node_id() { # N
    cat "$DIR/nodes/node-$1/id"
}

boot_id_file() { # N: where the node reads which boot of its "host" this is
    echo "${MALLEE_BOOT_ID_DIR:-$BASE/nodes}/node-$1/boot-id"
}

node_memory_mib() {
    awk -v n="$NODE_COUNT" '/^MemTotal/ { print int($2 / 1024 * 0.8 / n) }' /proc/meminfo
}

node_disk_gib() {
    df -BG --output=avail "$DIR" | awk -v n="$NODE_COUNT" 'END { print int($1 / n) }'
}

node_config() { # N AMQP-USER
    local n=$1
    {
        cat <<EOF
zone = $(node_zone "$n")
listen = 127.0.0.1:$NODE_PORT
amqp-url = amqp://$2:$(secret "amqp-node-$n")@$HOST_ADDRESS:$AMQP_PORT/%2f
log-level = ${MALLEE_LOG_LEVEL:-info}
state-dir = $BASE/state/node-$n
hypervisor-uri = ${MALLEE_HYPERVISOR_URI:-qemu+unix:///system?socket=$BASE/nodes/node-$n/run/libvirt-sock}
domain-type = ${MALLEE_DOMAIN_TYPE:-$DOMAIN_TYPE}
emulator = $EMULATOR
store-url = https://$HOST_ADDRESS:$STORE_NODE_PORT
store-region = $REGION
store-credentials-file = $BASE/state/system/node
store-ca-file = $BASE/etc/cert.pem
boot-id-file = $(boot_id_file "$n")
vcpus = ${MALLEE_NODE_VCPUS:-$((8 * $(nproc)))}
memory-mib = ${MALLEE_NODE_MEMORY_MIB:-$(node_memory_mib)}
disk-gib = ${MALLEE_NODE_DISK_GIB:-$(node_disk_gib)}
EOF
        known_to mallee-node-controller <<EOF
netns-prefix = $(node_netns_prefix "$n")
link-device = link0
link-address = $(node_address "$n")/18
public-network = $PUBLIC_NETWORK
guest-services = $HOST_ADDRESS:$CLOUD_GUEST_PORT, $HOST_ADDRESS:$STORE_GUEST_PORT
guest-outside = $NAT
image-cache-gib = ${MALLEE_IMAGE_CACHE_GIB:-0}
EOF
        [ -z "${MALLEE_NODE_TIMING:-}" ] || echo "timing = $MALLEE_NODE_TIMING"
    } | put_config root "$DIR/etc/node-$n.conf"
}

# The node makes its identity at the first question; the broker knows it by that name.
node_identify() { # N
    local n=$1 home=$DIR/nodes/node-$1 id
    rm -rf "$home/run" # as on a host that comes up: what libvirtd kept of running domains is gone
    mkdir -p "$home"/{etc/qemu/networks,run,lib,log,cache} "$DIR/state/node-$n"
    chmod 711 "$home" "$DIR/state/node-$n"
    node_config "$n" unknown
    id=$(in_base "$BASE/programs/mallee-node-controller" --config "$BASE/etc/node-$n.conf" --print-id \
        2>>"$DIR/log/node-$n.log") ||
        fail "node $n did not tell its id" "$DIR/log/node-$n.log" "its folder is $DIR/state/node-$n"
    [[ $id =~ ^[A-Za-z0-9-]+$ ]] || fail "node $n gave an odd id: '$id'" "$DIR/log/node-$n.log" "report this"
    echo "$id" >"$home/id"
    node_config "$n" "$id"
}

# Runs a command where DIR is seen at BASE.
in_base() {
    # shellcheck disable=SC2016
    unshare -m --propagation slave sh -c '
        if [ "$1" != "$2" ]; then mkdir -p "$2" && mount --bind "$1" "$2" || exit 1; fi
        shift 2; exec "$@"' sh "$DIR" "$BASE" "$@"
}

node_libvirt_config() { # N
    local n=$1 home=$DIR/nodes/node-$1 address
    address=$(node_address "$n")
    [ -f "$home/host-uuid" ] || cat /proc/sys/kernel/random/uuid >"$home/host-uuid"
    cat >"$home/etc/libvirtd.conf" <<EOF
unix_sock_group = "root"
unix_sock_rw_perms = "0700"
auth_unix_rw = "none"
auth_unix_ro = "none"
host_uuid = "$(cat "$home/host-uuid")"
max_clients = 256
max_workers = 24
log_level = 3
log_outputs = "3:stderr"
EOF
    cat >"$home/etc/qemu.conf" <<EOF
user = "root"
group = "root"
dynamic_ownership = 0
remember_owner = 0
security_driver = "none"
cgroup_controllers = [ ]
namespaces = [ ]
stdio_handler = "logd"
migration_address = "$address"
migration_host = "$address"
EOF
    printf 'max_clients = 1024\nmax_size = 524288\nmax_backups = 1\nlog_outputs = "3:stderr"\n' \
        >"$home/etc/virtlogd.conf"
    printf 'node = node-%s\ndirectory = %s\n' "$n" "${MALLEE_WITNESS_DIR:-$BASE/witness}" \
        >"$home/etc/qemu-witness.conf"
    # Asking QEMU what it can do takes seconds of a processor: what another start learned is put in place.
    if [ -d "$CAPABILITIES" ] && [ ! -d "$home/cache/qemu/capabilities" ]; then
        mkdir -p "$home/cache/qemu"
        cp -rp "$CAPABILITIES" "$home/cache/qemu/capabilities"
    fi
}

keep_capabilities() {
    local seen=$DIR/nodes/node-1/cache/qemu/capabilities
    [ -d "$seen" ] || return 0
    mkdir -p "$CAPABILITIES"
    cp -rpu "$seen/." "$CAPABILITIES/" 2>/dev/null || true
}

node_services() { # N
    local n=$1 home=$BASE/nodes/node-$1 netns name program
    netns=$(node_netns "$n")
    install -m 755 "$SRC/deploy/libvirt/forget-unborn" "$DIR/programs/forget-unborn"
    for name in virtlogd libvirtd; do
        program=$(command -v "$name" || echo "/usr/sbin/$name")
        service "$name-$n" <<EOF
exec ip netns exec $netns unshare -m -u --propagation slave sh -c '
    mkdir -p /run/libvirt /etc/libvirt /var/lib/libvirt /var/log/libvirt /var/cache/libvirt
    mount --bind $home/run /run/libvirt && mount --bind $home/etc /etc/libvirt &&
        mount --bind $home/lib /var/lib/libvirt && mount --bind $home/log /var/log/libvirt &&
        mount --bind $home/cache /var/cache/libvirt || exit 1
    hostname node-$n.$HASH.mallee.internal
    rm -f /run/libvirt/$name.pid
    [ $name != libvirtd ] || $BASE/programs/forget-unborn
    echo \$\$ >"\$0"
    exec $program -p /run/libvirt/$name.pid -f /etc/libvirt/$name.conf' "\$pid_file"
EOF
    done
    # Not by ip netns exec: the namespaces that a node makes for its VPCs would be seen by nobody else.
    service "node-$n" <<EOF
echo \$\$ >"\$pid_file"
exec nsenter --net=/run/netns/$netns \\
    $BASE/programs/mallee-node-controller --config $BASE/etc/node-$n.conf
EOF
}

# A cold start of this DIR is a new boot of its "hosts": their domains are gone.
node_new_boot() { # N
    local file
    file=$(boot_id_file "$1")
    [ -n "${MALLEE_BOOT_ID_DIR:-}" ] || file=$DIR/nodes/node-$1/boot-id
    mkdir -p "$(dirname "$file")"
    cat /proc/sys/kernel/random/uuid >"$file.new"
    mv "$file.new" "$file"
}

node_ready() { # N
    ip netns exec "$(node_netns "$1")" curl -sf -m 2 -o /dev/null "http://127.0.0.1:$NODE_PORT/healthz"
}

# KVM is used only where a guest really starts on it; /dev/kvm alone proves nothing.
probe_domain_type() {
    local known=$DIR/etc/domain-type boot
    boot=$(cat /proc/sys/kernel/random/boot_id)
    if [ "$(cut -d' ' -f2 "$known" 2>/dev/null)" != "$boot" ]; then
        if [ -w /dev/kvm ] && kvm_boots; then
            echo "kvm $boot" >"$known"
        else
            echo "qemu $boot" >"$known"
        fi
    fi
    DOMAIN_TYPE=$(cut -d' ' -f1 "$known")
}

kvm_boots() {
    local disk=$DIR/run/kvm-probe.raw seen=1
    cp --sparse=always "$DIR/brick/brick.raw" "$disk"
    timeout 4 qemu-system-x86_64 -accel kvm -cpu host -machine pc -m 64 -nodefaults -display none -serial stdio \
        -drive "file=$disk,format=raw,if=virtio" </dev/null 2>/dev/null | grep -q 'boot=1' && seen=0
    rm -f "$disk"
    return $seen
}
