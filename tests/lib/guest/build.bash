#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# build.bash - build the tiny Linux guest of the tests, once
#
# usage: build.bash [CACHE]
#
# Prints the directory below CACHE (virtnbd-lab in the user's caches) that holds
# `vmlinuz` and `initrd`, or one sentence why there can be none (status 1).  The kernel, busybox and QEMU's
# guest agent come out of Debian's packages, which are downloaded and unpacked,
# never installed: a kernel that is installed wants to be booted, an agent to
# be started.  No root needed.  The libraries are this machine's own.
#
# What was built stays until one of the files in this directory changes.

set -u
export LC_ALL=C PATH=$PATH:/usr/sbin:/sbin
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
cache=${1:-${XDG_CACHE_HOME:-${HOME:-/tmp}/.cache}/virtnbd-lab}
busybox=unpacked/bin/busybox

# Loaded by the guest's init, in any order: modprobe knows what they need.
modules='drivers/virtio/virtio_pci drivers/block/virtio_blk
    drivers/char/virtio_console fs/ext4/ext4 crypto/crc32c_generic'

fail() {
    echo "the test guest cannot be built: $*"
    exit 1
}

apt_get() {
    apt-get -q "${apt_options[@]}" "$@" >>apt.log 2>&1
}

# Everything of the guest that is in packages, unpacked below unpacked/.
fetch() {
    local kernel package
    kernel=$(apt-cache "${apt_options[@]}" depends linux-image-cloud-amd64 \
        2>/dev/null | awk '$1 == "Depends:" { print $2; exit }')
    [ -n "$kernel" ] || return 1
    apt_get download "$kernel" busybox-static qemu-guest-agent || return 1
    for package in ./*.deb; do
        dpkg-deb -x "$package" unpacked || return 1
    done
}

# With this machine's package lists, or, where they are missing or older than
# the archive, with fresh ones of our own.
fetch_somehow() {
    apt_options=(-o APT::Sandbox::User=root -o Acquire::http::Timeout=20
        -o Acquire::https::Timeout=20)
    fetch && return 0
    rm -rf ./*.deb unpacked
    mkdir -p lists/partial archives/partial
    apt_options+=(-o "Dir::State::Lists=$PWD/lists" -o "Dir::Cache=$PWD"
        -o "Dir::Cache::archives=$PWD/archives")
    apt_get update && fetch
}

# A file of this machine, and what a dynamic linker adds to it.
copy_program() {
    local library
    install -D -m 755 "$1" "root/$2" || return 1
    for library in $(ldd "$1" | grep -o '/[^ ]*'); do
        install -D -m 755 "$library" "root/$library" || return 1
    done
}

# The kernel's modules, decompressed, with an index.  What is built into the
# kernel is nowhere to be found, and that is fine.
copy_modules() {
    local version module name file
    version=$(ls unpacked/lib/modules) || return 1
    for module in $modules; do
        name=${module##*/}
        find unpacked/lib/modules -path "*/kernel/${module%/*}/*" \
            -name "$name*.ko*"
        find unpacked/lib/modules -path '*/kernel/*' \( \
            -name 'virtio.ko*' -o -name 'virtio_ring.ko*' -o \
            -name 'mbcache.ko*' -o -name 'jbd2.ko*' -o -name 'crc16.ko*' \)
    done | sort -u | while read -r file; do
        install -D -m 644 "$file" "root/${file#unpacked}" || return 1
    done || return 1
    find root/lib/modules -name '*.ko.xz' -exec "$PWD/$busybox" unxz {} + ||
        return 1
    cp "unpacked/lib/modules/$version"/modules.{order,builtin} \
        "root/lib/modules/$version/" || return 1
    "$busybox" depmod -b root "$version"
}

copy_busybox() {
    local applet
    install -D -m 755 "$busybox" root/bin/busybox || return 1
    for applet in $("$busybox" --list); do
        [ "$applet" = busybox ] || ln -sf busybox "root/bin/$applet"
    done
}

build() {
    echo "Building the guest of the tests (a download of 28 MB)" >&2
    fetch_somehow || fail "its packages are not to be had:" \
        "$(grep -m 1 '^E:' apt.log || echo 'no linux-image-cloud-amd64')"
    if ldd unpacked/usr/sbin/qemu-ga | grep 'not found' >missing; then
        fail "QEMU's agent wants a library: $(head -n 1 missing)"
    fi
    mkdir -p root/{dev,proc,sys,run,tmp,mnt,etc}
    copy_busybox && copy_modules &&
        copy_program unpacked/usr/sbin/qemu-ga bin/qemu-ga &&
        install -m 755 "$here"/{init,agent,fake-agent,fsfreeze-hook,probe,writer} \
            root/bin/ && ln -s bin/init root/init &&
        install -m 644 "$here/os-release" root/etc/ || fail "a file is missing"
    (cd root && find . | LC_ALL=C sort | "../$busybox" cpio -o -H newc) \
        >initrd 2>/dev/null && [ -s initrd ] || fail "cpio failed"
    cp unpacked/boot/vmlinuz-* vmlinuz || fail "there is no kernel"
}

for tool in apt-get apt-cache dpkg-deb ldd flock; do
    command -v $tool >/dev/null || fail "there is no $tool"
done
mkdir -p "$cache" 2>/dev/null || fail "no directory '$cache'"
key=$(cat "$here"/* | sha256sum)
done=$cache/guest-${key:0:16}
if [ ! -e "$done/initrd" ]; then
    # One builds, the others wait.
    exec 9>"$cache/guest.lock"
    flock 9
fi
if [ ! -e "$done/initrd" ]; then
    # Of other checkouts and of builds that were killed.
    find "$cache" -maxdepth 1 \( -name 'guest-*' -o -name 'building.*' \) -mtime +7 \
        -exec rm -rf {} +
    work=$(mktemp -d "$cache/building.XXXXXX") || fail "no space"
    trap 'rm -rf "$work"' EXIT
    cd "$work" || exit 1
    build 9>&-
    mkdir result && mv vmlinuz initrd result/ && mv result "$done" ||
        fail "it cannot be moved to '$done'"
fi
echo "$done"
