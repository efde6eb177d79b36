# SPDX-License-Identifier: Apache-2.0
# Is everything up, and what is there.
# shellcheck shell=bash

healthy() { # ADDRESS:PORT
    curl -sf -m 2 -o /dev/null "http://$1/healthz"
}

listens() { # ADDRESS PORT
    (exec 3<>"/dev/tcp/$1/$2") 2>/dev/null
}

# wait_ready WHAT LOG SECONDS COMMAND...
wait_ready() {
    local what=$1 log=$2 seconds=$3
    shift 3
    retry "$seconds" "$@" ||
        fail "$what was not ready within $seconds s" "$log" "see the log; deploy/quickstart --dir $DIR --status shows the rest"
}

verify() {
    local n z
    step "waiting for the broker" "$DIR/log/broker.log"
    wait_ready "the broker" "$DIR/log/broker.log" 60 broker_ready
    step "waiting for the Cloud Controller" "$DIR/log/cloud.log"
    wait_ready "the Cloud Controller" "$DIR/log/cloud.log" 30 healthy "127.0.0.1:$CLOUD_PORT"
    step "waiting for the object store" "$DIR/log/store.log"
    wait_ready "the object store" "$DIR/log/store.log" 30 healthy "127.0.0.1:$STORE_PORT"
    step "waiting for the Image Service" "$DIR/log/image.log"
    wait_ready "the Image Service" "$DIR/log/image.log" 30 healthy "127.0.0.1:$IMAGE_PORT"
    step "waiting for the endpoints of guests" "$DIR/log/cloud.log"
    wait_ready "EC2 for guests" "$DIR/log/cloud.log" 30 listens "$HOST_ADDRESS" "$CLOUD_GUEST_PORT"
    wait_ready "S3 for guests" "$DIR/log/store.log" 30 listens "$HOST_ADDRESS" "$STORE_GUEST_PORT"
    for ((z = 0; z < ZONES; z++)); do
        step "waiting for the Cluster Controller of ${ZONE_NAMES[$z]}" "$DIR/log/cluster-${ZONE_NAMES[$z]}.log"
        wait_ready "the Cluster Controller of ${ZONE_NAMES[$z]}" "$DIR/log/cluster-${ZONE_NAMES[$z]}.log" 30 \
            healthy "127.0.0.1:$((CLUSTER_PORT + z))"
    done
    for ((n = 1; n <= NODE_COUNT; n++)); do
        step "waiting for node $n" "$DIR/log/node-$n.log"
        wait_ready "libvirtd of node $n" "$DIR/log/libvirtd-$n.log" 60 test -S "$DIR/nodes/node-$n/run/libvirt-sock"
        wait_ready "node $n" "$DIR/log/node-$n.log" 60 node_ready "$n"
    done
}

# The cloud's own word: every node is up, and every zone has room, or has given it to instances.
whole() {
    . "$DIR/env"
    mallee --json status 2>/dev/null | /usr/bin/python3 -c '
import json, sys
status = json.load(sys.stdin)
up = [n for n in status["nodes"] if n["state"] == "up"]
room = {z["name"] for z in status["zones"] if any(s["free"] for s in z["slots"])}
room |= {n["zone"] for n in up if n["instances"]} & {z["name"] for z in status["zones"] if z["slots"]}
sys.exit(not (len(up) >= int(sys.argv[1]) and len(room) == int(sys.argv[2])))' "$NODE_COUNT" "$ZONES" 2>/dev/null
}

verify_whole() {
    step "waiting for every zone to offer room" "$DIR/log/cloud.log"
    wait_ready "the whole cloud (DIR/bin/mallee status shows its parts)" "$DIR/log/cloud.log" 60 whole
}

status() {
    local name pid supervisor n z
    supervisor=$(supervisor_pid || true)
    if [ -z "$supervisor" ]; then
        echo "$DIR: down"
        [ -z "$(netns_list)$(process_list)" ] || echo "  but something is left of it: deploy/quickstart --dir $DIR --stop takes it away"
        return 3
    fi
    echo "$DIR: up"
    printf '  %-28s %-8s %s\n' PROCESS PID STATE
    for name in $(service_names); do
        pid=$(cat "$DIR/run/$name.pid" 2>/dev/null || echo -)
        printf '  %-28s %-8s %s\n' "$name" "$pid" "$(service_state "$name" "$pid")"
    done
    printf '\n  %-28s %s\n' "EC2, STS and admin API" "http://127.0.0.1:$CLOUD_PORT/"
    printf '  %-28s %s\n' "S3" "http://127.0.0.1:$STORE_PORT/"
    printf '  %-28s %s\n' "EC2 and STS for guests" "https://$HOST_ADDRESS:$CLOUD_GUEST_PORT/ (certificate $DIR/etc/cert.pem)"
    printf '  %-28s %s\n' "S3 for guests" "https://$HOST_ADDRESS:$STORE_GUEST_PORT/ (the same certificate)"
    for ((z = 0; z < ZONES; z++)); do
        printf '  %-28s %s\n' "zone ${ZONE_NAMES[$z]}" "127.0.0.1:$((CLUSTER_PORT + z)) (health)"
    done
    for ((n = 1; n <= NODE_COUNT; n++)); do
        printf '  %-28s %s, namespace %s, id %s, zone %s\n' "node $n" "$(node_address "$n")" "$(node_netns "$n")" \
            "$(node_id "$n")" "$(node_zone "$n")"
    done
    printf '  %-28s %s\n' "broker" "127.0.0.1:$AMQP_PORT and $HOST_ADDRESS:$AMQP_PORT"
    printf '  %-28s %s (%s)\n' "bridge on this host" "$BRIDGE" "$HOST_ADDRESS/18"
    printf '  %-28s %s\n' "route on this host" "$(ip -4 route show dev "$BRIDGE" 2>/dev/null | head -n 1)"
    printf '  %-28s %s\n' "public addresses of guests" "$PUBLIC_NETWORK"
    if nat_is_up; then
        printf '  %-28s %s\n' "nft table on this host" "ip mallee-$HASH: guests have a way out (--nat)"
    else
        printf '  %-28s %s\n' "guests' way out" "none (start with --nat to give them one)"
    fi
}

service_state() { # NAME PID
    case $(sed -n 's/^State:\t\(.\).*/\1/p' "/proc/$2/status" 2>/dev/null || true) in
    '') echo "not running" ;;
    T) echo "stopped by a signal" ;;
    Z) echo "ended" ;;
    *) echo "running" ;;
    esac
}
