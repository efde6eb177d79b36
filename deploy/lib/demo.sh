# SPDX-License-Identifier: Apache-2.0
# The demonstration: the tiny guest becomes an image, an instance of it runs and answers ssh with the key pair "demo".
# shellcheck shell=bash

DEMO_ADDRESS=""

imported() { # NAME: the id of the image that was made of it; nothing where there is none
    local image
    { read -r image _ <"$DIR/etc/$1-image"; } 2>/dev/null || image=""
    echo "$image"
}

# The image that DIR/env names: the tiny guest once it was imported, else the brick, the guest of one boot sector.
demo_image() {
    local image
    image=$(imported demo)
    echo "${image:-$(imported brick)}"
}

demo_aws() { # WHAT ARGUMENT...: a failure ends the quickstart
    local what=$1
    shift
    aws --output text "$@" 2>"$DIR/log/demo.log" </dev/null ||
        fail "$what: the cloud refused" "$DIR/log/demo.log" ". $DIR/env; mallee status"
}

image_available() { # AMI
    [ "$(aws ec2 describe-images --image-ids "$1" --output text --query 'Images[0].State' 2>/dev/null)" = available ]
}

# DIR/etc/NAME-image: the image's id and the digest of the disk that it was made of.
import_once() { # NAME TITLE DISK
    local name=$1 title=$2 disk=$3 digest image known
    digest=$(sha256sum "$disk" | cut -c1-64)
    { read -r image known <"$DIR/etc/$name-image"; } 2>/dev/null || image="" known=""
    if [ "$known" = "$digest" ] && image_available "$image"; then
        note "it is there already: $image"
        return 0
    fi
    image=$(mallee image import --public --name "$title-${digest:0:12}" "$disk" 2> >(tee "$DIR/log/demo.log" >&2)) ||
        fail "the image was not made" "$DIR/log/image.log" ". $DIR/env; mallee status"
    echo "$image $digest" >"$DIR/etc/$name-image.new"
    mv "$DIR/etc/$name-image.new" "$DIR/etc/$name-image"
    note "$image"
}

# The guest of one boot sector, for who has no time for another.
brick_import() {
    # shellcheck disable=SC1091
    . "$DIR/env"
    step "importing the brick as an image" "$DIR/log/demo.log"
    import_once brick brick "$DIR/brick/brick.raw"
    write_env
}

demo_import() {
    local disk=$BUILD/deploy/images/tiny.raw
    step "building the tiny guest" "$DIR/log/tiny.log"
    make -C "$BUILD" deploy/images/tiny.raw >"$DIR/log/tiny.log" 2>&1 ||
        fail "the tiny guest was not built" "$DIR/log/tiny.log" "see the log; --no-demo does without it"
    step "importing it as an image" "$DIR/log/demo.log"
    import_once demo tiny "$disk"
}

# Kept in DIR/demo.pem. Who lost it gets another; what was launched with the old one cannot be reached any more.
demo_key() {
    local id
    if [ -s "$DIR/demo.pem" ] && aws ec2 describe-key-pairs --key-names demo >/dev/null 2>&1; then
        return 0
    fi
    step "making the key pair demo"
    aws ec2 delete-key-pair --key-name demo >/dev/null 2>&1 || true
    (umask 077 && demo_aws "key pair demo" ec2 create-key-pair --key-name demo --query KeyMaterial >"$DIR/demo.pem.new") || exit 1
    mv "$DIR/demo.pem.new" "$DIR/demo.pem"
    for id in $(demo_ids pending,running); do
        demo_aws "the demo of before" ec2 terminate-instances --instance-ids "$id" >/dev/null
    done
}

demo_rule() { # PROTOCOL PORT
    aws ec2 authorize-security-group-ingress --group-name default --protocol "$1" --port "$2" --cidr 0.0.0.0/0 \
        >"$DIR/log/demo.log" 2>&1 || grep -q InvalidPermission.Duplicate "$DIR/log/demo.log" ||
        fail "the default group takes no rule for $1" "$DIR/log/demo.log" ". $DIR/env; mallee status"
}

demo_ids() { # STATES: of the demo's instances in one of them
    aws ec2 describe-instances --output text --filters Name=tag:Name,Values=demo "Name=instance-state-name,Values=$1" \
        --query 'Reservations[].Instances[].InstanceId' 2>/dev/null | tr '\t' '\n' | { grep '^i-' || true; }
}

demo_address() { # ID
    aws ec2 describe-instances --instance-ids "$1" --output text --query 'Reservations[].Instances[].PublicIpAddress' \
        2>/dev/null | grep '^[0-9]'
}

demo_launch() {
    local id
    id=$(demo_ids pending,running | head -n 1)
    if [ -n "$id" ]; then
        step "the demo $id is there already" "$DIR/log/cloud.log"
    else
        step "launching the demo" "$DIR/log/cloud.log"
        id=$(demo_aws "the demo" ec2 run-instances --image-id "$(demo_image)" --count 1 --key-name demo \
            --tag-specifications 'ResourceType=instance,Tags=[{Key=Name,Value=demo}]' --query 'Instances[0].InstanceId') || exit 1
    fi
    DEMO_ID=$id
}

demo_runs() {
    [ "$(demo_ids running | head -n 1)" = "$DEMO_ID" ]
}

demo_answers() {
    timeout 10 ssh -F none -i "$DIR/demo.pem" -o IdentitiesOnly=yes -o BatchMode=yes -o ConnectTimeout=3 \
        -o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null "root@$DEMO_ADDRESS" true </dev/null >"$DIR/log/demo.log" 2>&1
}

demo() {
    # shellcheck disable=SC1091
    . "$DIR/env"
    demo_import
    write_env
    demo_key
    demo_rule tcp 22
    demo_rule icmp -1
    demo_launch
    retry 60 demo_runs ||
        fail "the demo $DEMO_ID does not run" "$DIR/log/cloud.log" ". $DIR/env; mallee status; mallee events $DEMO_ID"
    DEMO_ADDRESS=$(demo_address "$DEMO_ID") ||
        fail "the demo $DEMO_ID has no public address" "$DIR/log/cloud.log" ". $DIR/env; aws ec2 describe-instances"
    step "waiting for ssh of $DEMO_ID at $DEMO_ADDRESS" "$DIR/log/demo.log"
    retry 90 demo_answers ||
        fail "the demo $DEMO_ID runs and does not answer ssh" "$DIR/log/demo.log" \
            ". $DIR/env; aws ec2 get-console-output --output text --instance-id $DEMO_ID"
}
