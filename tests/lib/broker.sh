#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# broker.sh DIR AMQP_PORT DIST_PORT EPMD_PORT: a private RabbitMQ node in the foreground, all its state below DIR,
# on the loopback only, user guest/guest.  Run as root it becomes user rabbitmq.
set -e
dir=$1 port=$2 dist=$3 epmd=$4
mkdir -p "$dir"/mnesia "$dir"/log "$dir"/home
cat > "$dir/rabbitmq.conf" <<C
listeners.tcp.1 = 127.0.0.1:$port
loopback_users.guest = true
log.file.level = warning
vm_memory_high_watermark.absolute = 512MB
disk_free_limit.absolute = 50MB
collect_statistics_interval = 10000
C
echo '[].' > "$dir/enabled_plugins"
export HOME="$dir/home" RABBITMQ_NODENAME="m$port@localhost" RABBITMQ_MNESIA_BASE="$dir/mnesia"
export RABBITMQ_LOG_BASE="$dir/log" RABBITMQ_CONFIG_FILE="$dir/rabbitmq.conf" RABBITMQ_PID_FILE="$dir/pid"
export RABBITMQ_ENABLED_PLUGINS_FILE="$dir/enabled_plugins" RABBITMQ_CONF_ENV_FILE=/dev/null
export RABBITMQ_DIST_PORT=$dist ERL_EPMD_PORT=$epmd ERL_EPMD_ADDRESS=127.0.0.1
export RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS="-kernel inet_dist_use_interface {127,0,0,1} -setcookie test$port \
+S 1:1 +sbwt none +sbwtdcpu none +sbwtdio none"
as=()
if [ "$(id -u)" = 0 ]; then
    chown -R rabbitmq:rabbitmq "$dir"
    as=(setpriv --reuid rabbitmq --regid rabbitmq --clear-groups)
fi
# The port mapper in the foreground, so that it ends with this process group and is not left behind.
"${as[@]}" epmd -port "$epmd" -address 127.0.0.1 > "$dir/epmd" 2>&1 &
exec "${as[@]}" /usr/lib/rabbitmq/bin/rabbitmq-server > "$dir/out" 2>&1
