# SPDX-License-Identifier: Apache-2.0
# Takes everything down and looks whether it is gone. What is in DIR/state stays.
# shellcheck shell=bash

stop_all() {
    local name left supervisor
    supervisor=$(supervisor_pid || true)
    if [ -n "$supervisor" ]; then
        step "stopping the controllers"
        for name in $(service_names); do
            case $name in node-* | cluster-* | cloud) service_down "$name" 10 & ;; esac
        done
        wait
        step "stopping instances, libvirtd and the broker"
        for name in $(service_names); do
            case $name in libvirtd-* | virtlogd-*) service_down "$name" 5 & ;; esac
        done
        service_down broker 15
        wait
        kill -HUP "$(pgrep -P "$supervisor" -x runsvdir)" 2>/dev/null || true
    fi
    kill_rest TERM
    if ! retry 3 processes_gone; then
        kill_rest KILL
        retry 10 processes_gone || true
    fi
    step "taking the network away"
    network_down
    rm -f "$DIR/run/"*.pid
    rm -rf "$DIR/run/sv" "$DIR/run/broker"
    rmdir "/run/mallee/$HASH" /run/mallee /run/libvirt 2>/dev/null || true
    left=$(what_is_left)
    [ -z "$left" ] || fail "something is left" "" "$left"
    if [ "${NAT:-no}" = yes ]; then
        note "net.ipv4.ip_forward stays $(cat /proc/sys/net/ipv4/ip_forward): 'sysctl -w net.ipv4.ip_forward=0' where nothing else needs it"
    fi
    step "gone: no process, namespace, link, route or mount of $DIR is left; its state is kept in $DIR/state"
}

what_is_left() {
    local pid
    for pid in $(process_list); do
        printf 'process %s (%s); ' "$pid" "$(tr '\0' ' ' <"/proc/$pid/cmdline" | cut -c1-80)"
    done
    netns_list | sed 's/^/namespace /; s/$/; /'
    ! nat_is_up || printf 'nft table ip mallee-%s; ' "$HASH"
    ip -br link | awk -v a="mv$HASH-" -v b="$BRIDGE" 'index($1, a) == 1 || $1 == b { print "link " $1 "; " }'
    awk -v a="$DIR/" -v b="/run/mallee/$HASH" 'index($4, a) == 1 || index($5, a) == 1 || $5 == b { print "mount " $5 "; " }' \
        /proc/self/mountinfo
}
