#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# with-lab.bash PROGRAM GUEST... - run a test program inside a lab
#
# Guests: vm (running, vda 64 MiB and vdb 16 MiB), off (the same, not started),
# old (running, a qcow2 image of version 2), mixed (off, disks of all kinds),
# raw (running, qcow2 disks beside raw ones of all kinds), only-raw (running),
# agent (a real one, tests/lib/guest.bash), nobody (a channel for an agent that
# is not there).
# Nothing may be left over when the program has ended, and the lab's secret must
# not have been told.

# shellcheck source=tests/lib/lab.bash
. "$(dirname "$0")/../../lib/lab.bash"

program=$1
shift
if ! why=$(lab_requires); then
    echo "1..0 # SKIP $why"
    exit 0
fi
case " $* " in
*" agent "*)
    # shellcheck source=tests/lib/guest.bash
    . "$(dirname "$0")/../../lib/guest.bash"
    if ! why=$(guest_requires); then
        echo "1..0 # SKIP $why"
        exit 0
    fi
    ;;
esac
loops=()
lab_start || exit 99
trap 'lab_stop; [ ${#loops[@]} = 0 ] || losetup -d "${loops[@]}"' EXIT
trap 'exit 130' INT TERM HUP
lab_bin "$program" || exit 99
# A socket path in here is far below the 108 bytes that fit.
lab_run mkdir -m 700 "$LAB/run"

# loop_device NAME SIZE: make $LAB_DISKS/NAME, a block device of our own; not
# everybody can.
loop_device() {
    local device major minor
    truncate -s "$2" "$LAB_DISKS/$1.img" &&
        device=$(losetup -f --show "$LAB_DISKS/$1.img" 2>/dev/null) &&
        loops+=("$device") &&
        read -r major minor < <(stat -c '0x%t 0x%T' "$device") &&
        mknod "$LAB_DISKS/$1" b "$major" "$minor" &&
        chown "$LAB_USER" "$LAB_DISKS/$1"
}

for guest in "$@"; do
    case $guest in
    vm) lab_domain vm vda=vm-a.qcow2,size=64M vdb=vm-b.qcow2,size=16M ;;
    off) lab_domain --off off vda=off.qcow2,size=16M ;;
    old) lab_domain old vda=old.qcow2,size=16M,compat=0.10 ;;
    mixed)
        lab_run qemu-img create -q -f qcow2 "$LAB_DISKS/volume.qcow2" 4M
        lab_virsh pool-create-as lab dir --target "$LAB_DISKS" >/dev/null
        lab_domain --off mixed vda=mixed.qcow2,size=16M,serial=ABC-1 \
            vdb=raw.img,format=raw,size=1M vdc=,nbd=/nowhere,export=x \
            vdd=,pool=lab,volume=volume.qcow2 \
            sda=,device=cdrom fda=floppy.img,device=floppy,size=1440K
        ;;
    raw)
        lab_run qemu-img create -q -f raw "$LAB_DISKS/volume.img" 1M
        lab_virsh pool-create-as lab dir --target "$LAB_DISKS" >/dev/null
        devices=()
        if loop_device loop 1M && loop_device loop-qcow2 16M; then
            lab_image loop-qcow2 qcow2 8M
            devices=("vdd=loop,format=raw" "vde=loop-qcow2")
        fi
        lab_domain raw vda=raw-a.qcow2,size=16M vdb=raw.img,format=raw,size=1M \
            vdc=,pool=lab,volume=volume.img,format=raw "${devices[@]}"
        ;;
    only-raw) lab_domain only-raw vda=only.img,format=raw,size=1M ;;
    agent)
        guest_define agent vda=agent-a.qcow2,size=32M \
            vdb=agent-b.qcow2,size=16M && guest_start agent
        ;;
    nobody)
        LAB_DEVICES="<channel type='unix'>
            <target type='virtio' name='org.qemu.guest_agent.0'/></channel>" \
            lab_domain nobody vda=nobody.qcow2,size=1M
        ;;
    esac || exit 99
done

{ lab_run env -u LIBVIRT_AUTOSTART LAB_RUN="$LAB/run" \
    "${program##*/}" 2>&1 >&3 |
    tee "$LAB/stderr" >&2; exit "${PIPESTATUS[0]}"; } 3>&1 | tee "$LAB/stdout"
status=${PIPESTATUS[0]}
[ $status = 0 ] || sed 's/^/# /' "$LAB"/guest/*.console 2>/dev/null
lab_leftovers | sed 's/^/# left over: /'
[ "${PIPESTATUS[0]}" = 0 ] || status=1
lab_silent | sed 's/^/# /'
[ "${PIPESTATUS[0]}" = 0 ] || status=1
exit $status
