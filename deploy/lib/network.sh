# SPDX-License-Identifier: Apache-2.0
# The link network: one bridge (and so one route) on the host, a namespace with one foot on it for each node.
# shellcheck shell=bash

network_up() {
    local n
    if ! ip link show "$BRIDGE" >/dev/null 2>&1; then
        ip link add "$BRIDGE" type bridge
        ip link set "$BRIDGE" up
        ip addr add "$HOST_ADDRESS/18" dev "$BRIDGE"
    fi
    for ((n = 1; n <= NODE_COUNT; n++)); do
        node_network_up "$n"
    done
}

node_network_up() { # N
    local n=$1 netns
    netns=$(node_netns "$n")
    [ ! -e "/run/netns/$netns" ] || return 0
    ip netns add "$netns"
    ip link add "mv$HASH-$n" type veth peer name link0 netns "$netns"
    ip link set "mv$HASH-$n" master "$BRIDGE" up
    ip -n "$netns" link set lo up
    ip -n "$netns" addr add "$(node_address "$n")/18" dev link0
    ip -n "$netns" link set link0 up
    ip -n "$netns" route add default via "$HOST_ADDRESS"
}

netns_list() {
    ip netns list | awk -v prefix="mallee-$HASH-" 'index($1, prefix) == 1 { print $1 }'
}

network_down() {
    local netns link
    for netns in $(netns_list); do
        ip netns del "$netns" || true
    done
    # Deleting a namespace is finished later by the kernel; its link is not waited for but taken away.
    for link in $(ip -br link | awk -v p="mv$HASH-" 'index($1, p) == 1 { sub(/@.*/, "", $1); print $1 }'); do
        ip link del "$link" 2>/dev/null || true
    done
    ip link del "$BRIDGE" 2>/dev/null || true
}
