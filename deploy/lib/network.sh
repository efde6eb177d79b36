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
    [ "$NAT" = no ] || nat_up
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

# The way out for guests: their packets leave under the host's own address.

nat_up() {
    local before
    before=$(cat /proc/sys/net/ipv4/ip_forward)
    echo 1 >/proc/sys/net/ipv4/ip_forward
    nft -f - <<END || fail "the nft table ip mallee-$HASH was refused" "" "see the message above; without --nat it is not needed"
table ip mallee-$HASH
delete table ip mallee-$HASH
table ip mallee-$HASH {
    chain out {
        type nat hook postrouting priority srcnat;
        ip saddr $NETWORK oifname != "$BRIDGE" masquerade
    }
    chain through {
        type filter hook forward priority filter;
        ip saddr $NETWORK accept
        ip daddr $NETWORK ct state established,related accept
    }
}
END
    note "guests have a way out: nft table ip mallee-$HASH on this host"
    [ "$before" = 1 ] || note "net.ipv4.ip_forward was $before and is 1 now; --stop leaves it so"
}

nat_down() {
    ! command -v nft >/dev/null || nft delete table ip "mallee-$HASH" 2>/dev/null || true
}

nat_is_up() {
    command -v nft >/dev/null && nft list table ip "mallee-$HASH" >/dev/null 2>&1
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
    nat_down
}
