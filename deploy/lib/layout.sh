# SPDX-License-Identifier: Apache-2.0
# Who is who in a DIR: names, addresses, ports, passwords; chosen once and kept in DIR/etc/layout.
# shellcheck shell=bash
#
#   DIR/etc     configuration (0600)        DIR/log/NAME.log     DIR/run/NAME.pid     DIR/run/sv   runit's services
#   DIR/state   what must not be lost       DIR/nodes/node-N     private folders of that node's libvirtd
#   DIR/bin     aws, mallee                 DIR/programs         the daemons, copied from the build tree
#
# Each DIR has one of the 128 /18 networks of 10.96.0.0/11 and 64 ports from 20000 + 64 * its number. The host has the
# network's first address, nodes follow in its lower half, guests' public addresses are its upper half.

REGION=us-east-1

layout_names() {
    HASH=$(printf '%s' "$DIR" | sha256sum | cut -c1-6)
    BRIDGE=ml$HASH
    LAYOUT=$DIR/etc/layout
    # Where the services see DIR: at its own path if every user may go there (QEMU and the broker do not run as
    # root) and sockets in it stay below 108 bytes; else bound to a short path in their own mount namespace.
    BASE=$DIR
    if [ ${#DIR} -gt 56 ] || ! everybody_may_enter "$(dirname "$DIR")"; then
        BASE=/run/mallee/$HASH
    fi
}

everybody_may_enter() {
    local at=$1
    while :; do
        [ $((0$(stat -c %a "$at") & 1)) = 1 ] || return 1
        [ "$at" != / ] || return 0
        at=$(dirname "$at")
    done
}

layout_load() {
    [ -f "$LAYOUT" ] || return 1
    # shellcheck disable=SC1090
    . "$LAYOUT"
    layout_derive
}

layout_derive() {
    NET_BASE=10.$((96 + NET_INDEX / 4))
    NET_THIRD=$((64 * (NET_INDEX % 4)))
    NETWORK=$NET_BASE.$NET_THIRD.0/18
    HOST_ADDRESS=$NET_BASE.$NET_THIRD.1
    PUBLIC_NETWORK=$NET_BASE.$((NET_THIRD + 32)).0/19
    PORT=$((20000 + 64 * NET_INDEX))
    EPMD_PORT=$PORT DIST_PORT=$((PORT + 1)) AMQP_PORT=$((PORT + 2)) CLOUD_PORT=$((PORT + 3)) STORE_PORT=$((PORT + 4))
    STORE_NODE_PORT=$((PORT + 5)) IMAGE_PORT=$((PORT + 6)) CLOUD_GUEST_PORT=$((PORT + 7)) STORE_GUEST_PORT=$((PORT + 8))
    CLUSTER_PORT=$((PORT + 10)) CTL_PORT=$((PORT + 40))
    NODE_PORT=8790
    ZONE_NAMES=()
    local z
    for ((z = 0; z < ZONES; z++)); do
        ZONE_NAMES+=("$REGION$(printf "\\x$(printf %x $((97 + z)))")")
    done
    NODE_COUNT=$((ZONES * NODES))
}

node_address() { # N
    echo "$NET_BASE.$((NET_THIRD + 1 + $1 / 250)).$((1 + $1 % 250))"
}

node_zone() { # N: nodes 1..NODES are the first zone's, and so on
    echo "${ZONE_NAMES[$((($1 - 1) / NODES))]}"
}

node_netns() { # N
    echo "mallee-$HASH-node-$1"
}

# What the names of a node's own namespaces, one for each VPC that has guests there, begin with.
node_netns_prefix() { # N
    echo "$(node_netns "$1")-"
}

# A number whose network nobody routes and whose ports nobody listens on. Called with the machine's lock held.
layout_choose() {
    local try candidate start
    start=$((16#$HASH % 128))
    for try in ${NET_INDEX:-} $(seq 0 127); do
        [ "$try" = "${NET_INDEX:-x}" ] && candidate=$try || candidate=$(((start + try) % 128))
        if network_free "10.$((96 + candidate / 4)).$((64 * (candidate % 4))).0/18" && ports_free $((20000 + 64 * candidate)); then
            NET_INDEX=$candidate
            return 0
        fi
    done
    fail "no free /18 network in 10.96.0.0/11 with free ports" "" "stop another cloud (deploy/quickstart --dir DIR --stop)"
}

network_free() {
    [ -z "$(ip -4 route show table all root "$1")" ] && ! ip -4 route show table all match "$1" | grep -q '^10\.'
}

ports_free() {
    ! ss -Hltn | awk -v low="$1" '{ n = $4; sub(/.*:/, "", n); if (n >= low && n < low + 64) found = 1 } END { exit !found }'
}

layout_save() {
    printf 'NET_INDEX=%s\nZONES=%s\nNODES=%s\nNAT=%s\n' "$NET_INDEX" "$ZONES" "$NODES" "$NAT" >"$LAYOUT.new"
    mv "$LAYOUT.new" "$LAYOUT"
}

# A random password, made at its first use and kept.
secret() { # NAME
    local file=$DIR/etc/secrets/$1
    [ -s "$file" ] || (umask 077 && od -An -N24 -tx1 /dev/urandom | tr -d ' \n' >"$file")
    cat "$file"
}

# The daemons but the node run as nobody in particular: numbers without an entry in passwd.
CLOUD_UID=64790
CLUSTER_UID=64791
STORE_UID=64792
IMAGE_UID=64793

# Lines "KEY = VALUE" on stdin; those pass whose key the program has.
known_to() { # PROGRAM
    local help key rest
    help=$("$DIR/programs/$1" --help)
    while read -r key rest; do
        ! grep -q -- "^ *--$key " <<<"$help" || echo "$key $rest"
    done
}

put_config() { # OWNER FILE, text on stdin
    (umask 077 && cat >"$2.new")
    chown "$1" "$2.new"
    mv "$2.new" "$2"
}
