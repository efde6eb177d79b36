# SPDX-License-Identifier: Apache-2.0
# The processes of a DIR: one runit service each, all below one `tini -s`, which reaps whatever is orphaned (libvirt
# waits for a killed QEMU to be gone, and some machines' first process reaps late).
# shellcheck shell=bash

# service NAME, its script (after the common head) on stdin. In it, "$pid_file" is to be written before the exec.
service() {
    local name=$1 dir=$DIR/run/sv/$1
    mkdir -p "$dir"
    {
        echo '#!/bin/sh'
        echo "# Written by deploy/quickstart; runit's runsv starts it again whenever it ends."
        echo "name=$name base=$BASE"
        # shellcheck disable=SC2016
        echo 'log=$base/log/$name.log pid_file=$base/run/$name.pid'
        # shellcheck disable=SC2016
        echo '[ "$(stat -c %s "$log" 2>/dev/null || echo 0)" -lt 16777216 ] || mv "$log" "$log.1"'
        # shellcheck disable=SC2016
        echo 'exec >>"$log" 2>&1'
        cat
    } >"$dir/run.new"
    chmod 755 "$dir/run.new"
    mv "$dir/run.new" "$dir/run"
}

# A daemon of ours on the host, as an own user id.
daemon_service() { # NAME PROGRAM UID
    local preload=""
    if [ "$1" = cloud ] && [ -n "${MALLEE_PRELOAD_CLOUD:-}" ]; then
        preload="env LD_PRELOAD=$MALLEE_PRELOAD_CLOUD FLUSHCOUNT_FILE=$BASE/witness/flushes"
    fi
    service "$1" <<EOF
echo \$\$ >"\$pid_file"
exec setpriv --reuid $3 --regid $3 --clear-groups --no-new-privs $preload $BASE/programs/$2 --config $BASE/etc/$1.conf
EOF
}

supervisor_pid() {
    local pid
    pid=$(cat "$DIR/run/supervisor.pid" 2>/dev/null) || return 1
    grep -qz "^mallee-$HASH\$" "/proc/$pid/cmdline" 2>/dev/null && echo "$pid"
}

services_up() {
    # Mounts of ours stay ours, but for network namespaces: the names that a node gives to its VPCs' are the host's too.
    # shellcheck disable=SC2016
    MALLEE_HASH=$HASH setsid tini -s -- unshare -m --propagation unchanged sh -c '
        awk "\$5 !~ \"^/(run|var/run)/netns(/|\$)\" { print \$5 }" /proc/self/mountinfo | while read -r at; do
            mount --make-slave "$(printf %b "$at")" 2>/dev/null
        done
        if [ "$1" != "$2" ]; then mkdir -p "$2" && mount --bind "$1" "$2" || exit 1; fi
        exec runsvdir -P "$2/run/sv"' "mallee-$HASH" "$DIR" "$BASE" \
        </dev/null >>"$DIR/log/supervisor.log" 2>&1 8>&- 9>&- &
    echo $! >"$DIR/run/supervisor.pid"
}

service_down() { # NAME SECONDS: asked to end, then made to
    [ -p "$DIR/run/sv/$1/supervise/control" ] || return 0
    sv -w "$2" force-stop "$DIR/run/sv/$1" >/dev/null 2>&1 || true
}

service_names() {
    ls "$DIR/run/sv" 2>/dev/null || true
}

# Everything that belongs to this DIR: in a node's namespace, or below the supervisor, or started by it.
process_list() {
    local netns supervisor pid
    supervisor=$(supervisor_pid || true)
    {
        for netns in $(netns_list); do
            ip netns pids "$netns" 2>/dev/null || true
        done
        grep -lsz -e "^MALLEE_HASH=$HASH\$" /proc/[0-9]*/environ | cut -d/ -f3 || true
        [ -z "$supervisor" ] || descendants "$supervisor"
    } | sort -nu | while read -r pid; do
        # Zombies are nobody any more.
        case $(sed -n 's/^State:\t\(.\).*/\1/p' "/proc/$pid/status" 2>/dev/null || true) in
        '' | Z | X) ;;
        *) echo "$pid" ;;
        esac
    done
}

descendants() {
    local child
    echo "$1"
    for child in $(cat /proc/"$1"/task/*/children 2>/dev/null || true); do
        descendants "$child"
    done
}

processes_gone() {
    [ -z "$(process_list)" ]
}

kill_rest() { # SIGNAL
    local pid
    for pid in $(process_list); do
        kill "-$1" "$pid" 2>/dev/null || true
    done
}
