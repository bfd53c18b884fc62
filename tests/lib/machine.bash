# shellcheck shell=bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# machine.bash - a fresh Debian with systemd and libvirt, for a test
#
#     machine_requires || skip
#     machine_start DIRECTORY; trap machine_stop EXIT
#     cp package.deb "$MACHINE_FILES"
#     machine_run apt-get install -y --no-download /files/package.deb
#
# debootstrap makes the system once, with libvirt as Debian packages it; it lies
# in the cache.  A machine is an overlay upon it, in memory, and namespaces of
# its own (processes, mounts, network, host name, cgroups), in which systemd is
# the first process and starts what it starts anywhere.  So a command can be
# typed as the documents have it, as root, with any path, and nothing of this
# machine is touched.  What it cannot have is a kernel of its own.
#
# The packages that ours depend on lie in the system's cache of apt, so that they
# can be installed there without a network.
#
# Variables for callers, set by machine_start:
#   MACHINE        its directory on this machine
#   MACHINE_FILES  a directory of it, seen inside as /files

# On top of the smallest Debian: what a host of virtual machines has.
_machine_packages='systemd systemd-sysv dbus procps apparmor fdisk jq
    libvirt-daemon-system libvirt-clients libvirt-daemon-driver-qemu
    qemu-system-x86 qemu-utils'
# What ours depend on, to be installed with them.
_machine_needs='nbdkit libnbd-bin fuse3 libnbd0 libjansson4 libxxhash0
    libdeflate0 libarchive13 liblz4-1 zlib1g libxml2'

MACHINE=
# Other packages, another system.
MACHINE_CACHE=${XDG_CACHE_HOME:-${HOME:-/tmp}/.cache}/virtnbd-lab/machine-$(
    echo "$_machine_packages $_machine_needs" | cksum | cut -d ' ' -f 1)

_machine_fail() {
    echo "machine: $*" >&2
    return 1
}

# machine_requires
#   0 when this machine can run one and the system is there, else prints why not
#   and returns 1.
machine_requires() {
    if [ "$(id -u)" != 0 ]; then
        echo "only root can make namespaces with a system in them"
        return 1
    fi
    if [ ! -e "$MACHINE_CACHE/complete" ]; then
        echo "no Debian system in $MACHINE_CACHE (tests/lib/machine.bash build)"
        return 1
    fi
    if ! unshare -m -p -f -u -i -n -C true 2>/dev/null; then
        echo "no namespaces"
        return 1
    fi
    if ! grep -q overlay /proc/filesystems && ! modprobe -q overlay; then
        echo "no overlay file system"
        return 1
    fi
    if [ -z "$(_machine_cgroup)" ]; then
        echo "no cgroups of version 2"
        return 1
    fi
}

# Where the second version of cgroups is.
_machine_cgroup() {
    awk '$3 == "cgroup2" { print $2; exit }' /proc/mounts
}

# machine_build
#   Make the system in the cache: a minute or two, once.
machine_build() {
    local mirror root=$MACHINE_CACHE/root
    [ ! -e "$MACHINE_CACHE/complete" ] || return 0
    echo "Making a Debian system to install packages in" >&2
    mirror=$(apt-cache policy | sed -n \
        's,.* \(http[^ ]*\) [a-z]*/main amd64 Packages$,\1,p' |
        grep -v security | head -n 1)
    rm -rf "$MACHINE_CACHE"
    mkdir -p "$root" || return 1
    debootstrap --variant=minbase bookworm "$root" \
        "${mirror:-http://deb.debian.org/debian}" || return 1
    cp /etc/apt/apt.conf.d/*proxy* "$root/etc/apt/apt.conf.d/" 2>/dev/null
    # shellcheck disable=SC2086
    chroot "$root" env DEBIAN_FRONTEND=noninteractive LC_ALL=C sh -ec '
        printf "#!/bin/sh\nexit 101\n" >/usr/sbin/policy-rc.d
        chmod 755 /usr/sbin/policy-rc.d
        apt-get update
        apt-get install -y --no-install-recommends '"${_machine_packages//$'\n'/ }"'
        apt-get clean
        apt-get install -y --download-only --no-install-recommends \
            '"${_machine_needs//$'\n'/ }"'
        rm /usr/sbin/policy-rc.d' || return 1
    touch "$MACHINE_CACHE/complete"
}

# machine_start DIRECTORY
#   Boot one, with its overlay in DIRECTORY (which is made); ends when libvirt
#   answers.
machine_start() {
    local i
    MACHINE=$1
    MACHINE_FILES=$MACHINE/files
    MACHINE_GROUP=$(_machine_cgroup)/virtnbd-machine.$$
    mkdir -p "$MACHINE/over" "$MACHINE_FILES" "$MACHINE_GROUP" || return 1
    (
        echo "$BASHPID" >"$MACHINE_GROUP/cgroup.procs" || exit 1
        exec unshare -m -p -f -u -i -n -C --kill-child=KILL bash \
            "${BASH_SOURCE[0]}" "$MACHINE" "$MACHINE_CACHE/root"
    ) </dev/null >"$MACHINE/console" 2>&1 3>&- &
    MACHINE_UNSHARE=$!
    for ((i = 0; i < 600; i++)); do
        kill -0 $MACHINE_UNSHARE 2>/dev/null || break
        if [ -e "$MACHINE/files/booting" ]; then
            MACHINE_INIT=$(cat /proc/$MACHINE_UNSHARE/task/*/children)
            MACHINE_INIT=${MACHINE_INIT// /}
            if [ "$(cat /proc/"$MACHINE_INIT"/comm)" = systemd ] &&
                machine_run virsh list >/dev/null 2>&1; then
                return 0
            fi
        fi
        sleep 0.1
    done
    cat "$MACHINE/console" >&2
    machine_stop
    _machine_fail "it does not start"
}

# machine_run COMMAND [ARGUMENT...]
#   Run a command there, as root, in its root directory.
machine_run() {
    nsenter -t "$MACHINE_INIT" -m -p -n -i -u -C -- \
        env -i -C /root PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin \
        HOME=/root LC_ALL=C.UTF-8 DEBIAN_FRONTEND=noninteractive "$@"
}

# machine_stop
#   With the first process end all others.
machine_stop() {
    [ -n "$MACHINE" ] || return 0
    [ -z "${MACHINE_INIT:-}" ] || kill -KILL "$MACHINE_INIT" 2>/dev/null
    kill -KILL "$MACHINE_UNSHARE" 2>/dev/null
    wait "$MACHINE_UNSHARE" 2>/dev/null
    find "$MACHINE_GROUP" -depth -type d -exec rmdir {} + 2>/dev/null
    rm -rf --one-file-system "$MACHINE"
    MACHINE=
}

# The other side, in the new namespaces, before systemd.
_machine_boot() {
    local over=$1/over files=$1/files root=$2 name
    set -e
    mount --make-rprivate /
    mount -t tmpfs -o mode=755 tmpfs "$over"
    mkdir "$over/upper" "$over/work" "$over/root"
    mount -t overlay overlay \
        -o "lowerdir=$root,upperdir=$over/upper,workdir=$over/work" "$over/root"
    cd "$over/root"
    mkdir -p files old
    mount --bind "$files" files
    mount -t proc proc proc
    mount -t sysfs sysfs sys
    mount -t tmpfs tmpfs sys/fs/cgroup
    mount -t cgroup2 cgroup2 sys/fs/cgroup
    mount -t tmpfs -o mode=755 tmpfs dev
    for name in null zero full random urandom tty kvm fuse; do
        [ -e "/dev/$name" ] || continue
        touch "dev/$name"
        mount --bind "/dev/$name" "dev/$name"
    done
    mkdir dev/pts dev/shm
    mount -t devpts -o newinstance,ptmxmode=0666 devpts dev/pts
    ln -s pts/ptmx dev/ptmx
    ln -s /proc/self/fd dev/fd
    mount -t tmpfs tmpfs dev/shm
    mount -t tmpfs -o mode=755 tmpfs run
    mount -t tmpfs -o mode=1777 tmpfs tmp
    pivot_root . old
    umount -l /old
    touch /files/booting
    exec env -i container=test PATH=/usr/sbin:/usr/bin:/sbin:/bin \
        /lib/systemd/systemd --log-target=console systemd.unit=multi-user.target
}

# Run, not sourced.
if [ "${BASH_SOURCE[0]}" = "$0" ]; then
    case $1 in
    build) machine_build ;;
    *) _machine_boot "$@" ;;
    esac
fi
