# SPDX-License-Identifier: Apache-2.0
# Debian packages: what a build, a cloud and its tests need. apt is asked only if one is missing.
# shellcheck shell=bash

BUILD_PACKAGES="gcc libc6-dev make autoconf automake pkg-config binutils python3 libmicrohttpd-dev libjansson-dev
    libsqlite3-dev librabbitmq-dev libcurl4-openssl-dev libxml2-dev libssl-dev libzstd-dev zlib1g-dev libvirt-dev libnftables-dev libcmocka-dev"
CLOUD_PACKAGES="rabbitmq-server libvirt-daemon libvirt-daemon-driver-qemu libvirt-daemon-system libvirt-clients
    qemu-system-x86 qemu-utils iproute2 nftables libnftables1 dnsmasq-base runit tini util-linux procps curl
    ca-certificates openssl awscli"
# The tiny guest is made with these, and reached; what goes into it is fetched by its own script.
GUEST_PACKAGES="syslinux syslinux-common mtools e2fsprogs cpio gzip binutils openssh-client"
TEST_PACKAGES="python3-boto3 python3-pytest awscli clang sqlite3 git procps qemu-utils"

# need_packages LOG PACKAGE...
need_packages() {
    local log=$1 missing=() package policy=/usr/sbin/policy-rc.d
    shift
    for package in "$@"; do
        dpkg-query -W -f '${Status}' "$package" 2>/dev/null | grep -q '^install ok installed$' || missing+=("$package")
    done
    [ ${#missing[@]} -gt 0 ] || return 0
    note "installing ${missing[*]}"
    [ "$(id -u)" = 0 ] || fail "packages are missing: ${missing[*]}" "" "run as root, or install them yourself"
    # Their services must not start: the cloud runs its own broker and libvirtd.
    [ -e "$policy" ] || { printf '#!/bin/sh\nexit 101\n' >"$policy" && chmod 755 "$policy" && PLACED_POLICY=$policy; }
    trap '[ -z "${PLACED_POLICY:-}" ] || rm -f "$PLACED_POLICY"' EXIT
    apt_get "$log" update || note "apt-get update failed; trying with the lists that are there"
    apt_get "$log" install -y --no-install-recommends "${missing[@]}" ||
        fail "apt-get could not install: ${missing[*]}" "$log" "check the network and /etc/apt/sources.list, then run this again"
    [ -z "${PLACED_POLICY:-}" ] || rm -f "$PLACED_POLICY"
    PLACED_POLICY=""
}

apt_get() { # LOG ARGUMENT...
    local log=$1
    shift
    DEBIAN_FRONTEND=noninteractive apt-get -q -o DPkg::Lock::Timeout=300 "$@" >>"$log" 2>&1 </dev/null
}
