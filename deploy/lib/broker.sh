# SPDX-License-Identifier: Apache-2.0
# A RabbitMQ of our own: loopback and the link network only, its port mapper on loopback, users from a file that is
# loaded at every start.
# shellcheck shell=bash

# broker_users: lines for broker-definitions.py; nodes are named by their ids.
broker_users() {
    local n zone
    echo "cloud cloud $(secret amqp-cloud)"
    for zone in "${ZONE_NAMES[@]}"; do
        echo "cluster cluster-$zone $(secret "amqp-cluster-$zone") $zone"
    done
    for ((n = 1; n <= NODE_COUNT; n++)); do
        echo "node $(node_id "$n") $(secret "amqp-node-$n") $(node_zone "$n")"
    done
}

broker_configure() {
    local etc=$DIR/etc/broker here=$BASE/etc/broker state=$BASE/state/broker
    mkdir -p "$etc"
    chmod 755 "$etc"
    broker_users | /usr/bin/python3 "$SRC/deploy/lib/broker-definitions.py" |
        put_config rabbitmq "$etc/definitions.json"
    put_config rabbitmq "$etc/rabbitmq.conf" <<EOF
listeners.tcp.1 = 127.0.0.1:$AMQP_PORT
listeners.tcp.2 = $HOST_ADDRESS:$AMQP_PORT
load_definitions = $here/definitions.json
log.console = true
log.console.level = warning
log.file = false
vm_memory_high_watermark.absolute = 512MB
disk_free_limit.absolute = 50MB
collect_statistics_interval = 60000
EOF
    echo '[].' | put_config rabbitmq "$etc/enabled_plugins"
    put_config rabbitmq "$etc/env" <<EOF
export HOME=$state/home RABBITMQ_NODENAME=mallee-$HASH@localhost RABBITMQ_MNESIA_BASE=$state/mnesia
export RABBITMQ_LOG_BASE=$state/log RABBITMQ_LOGS=- RABBITMQ_CONFIG_FILE=$here/rabbitmq.conf
export RABBITMQ_ENABLED_PLUGINS_FILE=$here/enabled_plugins RABBITMQ_CONF_ENV_FILE=/dev/null
export RABBITMQ_DIST_PORT=$DIST_PORT ERL_EPMD_PORT=$EPMD_PORT ERL_EPMD_ADDRESS=127.0.0.1
export RABBITMQ_CTL_DIST_PORT_MIN=$CTL_PORT RABBITMQ_CTL_DIST_PORT_MAX=$((CTL_PORT + 20))
export RABBITMQ_PID_FILE=$BASE/run/broker/pid LANG=C.UTF-8
export RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS='-kernel inet_dist_use_interface {127,0,0,1} +S 2:2 +sbwt none +sbwtdcpu none +sbwtdio none'
EOF
    secret broker-cookie >/dev/null
    service epmd <<EOF
echo \$\$ >"\$pid_file"
exec setpriv --reuid rabbitmq --regid rabbitmq --clear-groups epmd -port $EPMD_PORT -address 127.0.0.1
EOF
    # Its folder is made anew when somebody wiped it.
    service broker <<EOF
for d in $state $state/home $state/mnesia $state/log $BASE/run/broker; do
    mkdir -p -m 700 \$d
    chown rabbitmq:rabbitmq \$d
done
ln -sfn broker/pid "\$pid_file"
cookie=$state/home/.erlang.cookie
[ -s \$cookie ] || (umask 377; cat $BASE/etc/secrets/broker-cookie >\$cookie)
chown rabbitmq:rabbitmq \$cookie
tries=0
until ERL_EPMD_PORT=$EPMD_PORT epmd -port $EPMD_PORT -names >/dev/null 2>&1 || [ \$tries = 50 ]; do
    tries=\$((tries + 1))
    sleep 0.1
done
cd $state
exec setpriv --reuid rabbitmq --regid rabbitmq --clear-groups \\
    sh -c '. $here/env; exec /usr/lib/rabbitmq/bin/rabbitmq-server'
EOF
    put_config root "$DIR/bin/rabbitmqctl" <<EOF
#!/bin/sh
# rabbitmqctl for this cloud's broker
cd / && exec nsenter -t "\$(pgrep -P "\$(cat $DIR/run/supervisor.pid)" runsvdir)" -m \\
    setpriv --reuid rabbitmq --regid rabbitmq --clear-groups \\
    sh -c '. $here/env; exec /usr/lib/rabbitmq/bin/rabbitmqctl "\$@"' ctl "\$@"
EOF
    chmod 755 "$DIR/bin/rabbitmqctl"
}

broker_ready() {
    (exec 3<>"/dev/tcp/127.0.0.1/$AMQP_PORT") 2>/dev/null
}
