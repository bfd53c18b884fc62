#!/usr/bin/env bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# demo.sh - a running VM is backed up and restored, before your eyes
#
# usage: demo/demo.sh BUILD-DIRECTORY
#
# Makes a throw-away VM with two disks in a private libvirt of its own, backs
# it up while it runs and writes, restores it, compares every byte, and takes
# everything away again.  Exit status 0 only if all bytes were equal.

set -u
cd "$(dirname "$0")/.." || exit 1
build=$1
. tests/lib/lab.bash

equal=0
began=$EPOCHREALTIME

# Seconds since $1, one decimal.
since() {
    awk -v a="$1" -v b="$EPOCHREALTIME" 'BEGIN { printf "%.1f s", b - a }'
}

# step TEXT FUNCTION [ARGUMENT...]: run it, say what and how long.
step() {
    local text=$1 start=$EPOCHREALTIME
    shift
    printf '  %-62s ' "$text"
    if "$@" >"$LAB/step.log" 2>&1; then
        echo "$(since "$start")"
        return 0
    fi
    echo FAILED
    cat "$LAB/step.log" >&2
    exit 1
}

finish() {
    status=$?
    trap - EXIT INT TERM
    lab_stop
    if [ $status = 0 ] && [ $equal = 2 ]; then
        echo "Both disks are equal, byte for byte. ($(since "$began") in all)"
        exit 0
    fi
    echo "The demonstration failed." >&2
    [ $status != 0 ] || status=1
    exit $status
}

# Something like a file system: files of this machine, with gaps of zeroes.
make_disk() {
    local raw=$LAB/disks/$1.raw size=$2 data=$3
    lab_run truncate -s "$size" "$raw" || return 1
    tar -cf - -C / usr/bin usr/lib 2>/dev/null | head -c "$data" |
        lab_run dd of="$raw" bs=1M seek=3 conv=notrunc iflag=fullblock \
            status=none || return 1
    lab_run qemu-img convert -O qcow2 "$raw" "$LAB/disks/$1" || return 1
    rm -f "$raw"
}

make_vm() {
    make_disk system.qcow2 1G 300M && make_disk data.qcow2 333M 40M &&
        lab_domain demo vda=system.qcow2 vdb=data.qcow2 &&
        lab_write demo vda 0x11 700M 1M && lab_write demo vdb 0x22 100M 64K &&
        lab_write_zeroes demo vda 10M 2M
}

remember() {
    lab_snapshot_truth demo vda "$LAB/vda.raw" &&
        lab_snapshot_truth demo vdb "$LAB/vdb.raw"
}

# The guest's disks change as soon as the job has begun: the backup must show
# what was there before.
back_up() {
    local i
    lab_spawn virtnbdbackup -d demo -l full -o "$LAB_TARGET/backup"
    until lab_virsh domjobinfo demo | grep -q 'Operation:.*Backup'; do
        kill -0 "$LAB_PID" 2>/dev/null || break
    done
    for i in 1 2 3 4 5 6 7 8; do
        lab_write demo vda 0x99 "$((i * 30))M" 256K &&
            lab_write demo vdb 0x77 "$((i * 4))M" 64K || return 1
    done
    wait "$LAB_PID"
}

restore() {
    lab_run virtnbdrestore -i "$LAB_TARGET/backup" -o "$LAB_TARGET/restored" \
        -L "$LAB/restore.log"
}

verify() {
    lab_run virtnbdrestore -i "$LAB_TARGET/backup" -o verify \
        -L "$LAB/restore.log"
}

# compare DISK IMAGE: through a raw copy, with cmp, which believes nobody.
compare() {
    qemu-img convert -f qcow2 -O raw "$LAB_TARGET/restored/$2" \
        "$LAB/$1.restored.raw" &&
        cmp "$LAB/$1.raw" "$LAB/$1.restored.raw" && equal=$((equal + 1))
}

# Did the backup leave a job, a process, a socket or a scratch file?
nothing_left() {
    lab_leftovers
}

trap finish EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

echo "virtnbdbackup demonstration: a VM is backed up while it runs"
lab_start || exit 1
lab_bin "$build/backup/virtnbdbackup" "$build/restore/virtnbdrestore" || exit 1
step "make and start a VM with two qcow2 disks (1 GiB, 333 MiB)" make_vm
step "remember what is on its disks now" remember
step "virtnbdbackup -l full, while the VM writes to both disks" back_up
step "nothing is left behind: no job, process, socket, scratch file" \
    nothing_left
step "virtnbdrestore -o verify" verify
step "virtnbdrestore" restore
step "compare the first disk (1 GiB)" compare vda system.qcow2
step "compare the second disk (333 MiB)" compare vdb data.qcow2
