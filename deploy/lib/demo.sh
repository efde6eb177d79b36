# SPDX-License-Identifier: Apache-2.0
# The demonstration: one brick, a guest of a boot sector that counts its boots and tells its id on the serial port.
# shellcheck shell=bash

DEMO_IMAGE=ami-00000000000000001

demo_id() { # STATES: the demo's instance in one of them
    aws ec2 describe-instances --output text --filters Name=tag:Name,Values=demo "Name=instance-state-name,Values=$1" \
        --query 'Reservations[0].Instances[0].InstanceId' 2>/dev/null | grep '^i-'
}

demo_runs() {
    demo_id running >/dev/null
}

# The last line that the brick wrote, as its node keeps it.
demo_line() { # ID
    cat "$DIR"/state/node-*/instances/"$1"/console.log 2>/dev/null | grep -a '^brick' | tail -n 1 | tr -d '\r'
}

demo_speaks() { # ID
    [ -n "$(demo_line "$1")" ]
}

demo() {
    local id
    # shellcheck disable=SC1091
    . "$DIR/env"
    if id=$(demo_id pending,running); then
        step "the demo $id is there already" "$DIR/log/cloud.log"
    else
        step "launching the demo, a brick" "$DIR/log/cloud.log"
        aws ec2 run-instances --image-id $DEMO_IMAGE --count 1 --output text --query 'Instances[0].InstanceId' \
            --tag-specifications 'ResourceType=instance,Tags=[{Key=Name,Value=demo}]' >"$DIR/log/demo.log" 2>&1 ||
            fail "the demo was refused" "$DIR/log/demo.log" ". $DIR/env; mallee status"
    fi
    retry 60 demo_runs || fail "the demo does not run" "$DIR/log/cloud.log" ". $DIR/env; mallee status; mallee events INSTANCE"
    id=$(demo_id running)
    retry 20 demo_speaks "$id" || fail "the demo $id runs and says nothing" "$DIR/log/node-1.log" "mallee events $id"
    note "$(demo_line "$id")"
}
