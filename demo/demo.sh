#!/usr/bin/env bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# demo.sh - a running VM is backed up and restored, before your eyes
#
# usage: demo/demo.sh BUILD-DIRECTORY
#
# Makes a throw-away VM with two disks in a private libvirt of its own, backs
# it up three times while it runs and writes (a full and two increments),
# restores each of the three points, compares every byte, and takes everything
# away again.  Exit status 0 only if all bytes were equal.

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
    if [ $status = 0 ] && [ $equal = 6 ]; then
        echo "Both disks are equal at all three points, byte for byte." \
            "($(since "$began") in all)"
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

# What the guest has been doing since the last backup: new data, old data
# overwritten, zeroes whose room is given back, zeroes that stay allocated, and
# discards (what fstrim does).
change_disks() {
    local n=$1 i
    for i in 0 1 2 3; do
        lab_write demo vda "0x$n$i" "$((50 * i + 10 * n))M" 512K &&
            lab_write demo vdb "0x$n$i" "$((80 * i + 7 * n))M" 64K || return 1
    done
    lab_write_zeroes demo vda "$((20 * n))M" 8M &&
        lab_write_zeroes --keep demo vda "$((20 * n + 9))M" 1M &&
        lab_discard demo vda "$((100 + 20 * n))M" 16M &&
        lab_write_zeroes demo vdb "$((5 * n))M" 1M &&
        lab_discard demo vdb "$((20 + 5 * n))M" 3M
}

# remember POINT: what is on the disks now.
remember() {
    lab_snapshot_truth demo vda "$LAB/vda.$1.raw" &&
        lab_snapshot_truth demo vdb "$LAB/vdb.$1.raw"
}

# back_up LEVEL: the guest's disks change as soon as the job has begun; the
# backup must show what was there before.
back_up() {
    local i
    lab_spawn virtnbdbackup -d demo -l "$1" -o "$LAB_TARGET/backup"
    until lab_virsh domjobinfo demo | grep -q 'Operation:.*Backup'; do
        kill -0 "$LAB_PID" 2>/dev/null || break
    done
    for i in 1 2 3 4 5 6 7 8; do
        lab_write demo vda 0x99 "$((i * 30))M" 256K &&
            lab_write demo vdb 0x77 "$((i * 4))M" 64K || return 1
    done
    wait "$LAB_PID"
}

# restore POINT
restore() {
    rm -rf "$LAB_TARGET/restored"
    lab_run virtnbdrestore -i "$LAB_TARGET/backup" -o "$LAB_TARGET/restored" \
        -u "virtnbdbackup.$1" -L "$LAB/restore.log"
}

verify() {
    lab_run virtnbdrestore -i "$LAB_TARGET/backup" -o verify \
        -L "$LAB/restore.log"
}

# compare_disk DISK IMAGE POINT: through a raw copy, with cmp, which believes
# nobody.
compare_disk() {
    qemu-img convert -f qcow2 -O raw "$LAB_TARGET/restored/$2" \
        "$LAB/restored.raw" &&
        cmp "$LAB/$1.$3.raw" "$LAB/restored.raw" && equal=$((equal + 1))
}

# compare POINT
compare() {
    compare_disk vda system.qcow2 "$1" && compare_disk vdb data.qcow2 "$1" &&
        rm -f "$LAB"/vd?."$1".raw
}

# Did the backup leave a job, a process, a socket or a scratch file?
nothing_left() {
    lab_leftovers
}

trap finish EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

# The size of the data of a point, for people.
size() {
    du -ch "$LAB_TARGET/backup"/*."$1".data | tail -n 1 | cut -f1
}

echo "virtnbdbackup demonstration: a VM is backed up while it runs"
lab_start || exit 1
lab_bin "$build/backup/virtnbdbackup" "$build/restore/virtnbdrestore" || exit 1
step "make and start a VM with two qcow2 disks (1 GiB, 333 MiB)" make_vm
for point in 0 1 2; do
    level=inc
    name=inc.virtnbdbackup.$point
    if [ $point = 0 ]; then
        level=full
        name=full
    else
        step "the VM changes: data, zeroes, discards" change_disks $point
    fi
    step "remember what is on its disks now" remember $point
    step "virtnbdbackup -l $level, while the VM writes to both disks" \
        back_up $level
    echo "    point virtnbdbackup.$point: $(size $name) on disk"
done
step "nothing is left behind: no job, process, socket, scratch file" \
    nothing_left
step "virtnbdrestore -o verify" verify
for point in 0 1 2; do
    step "virtnbdrestore -u virtnbdbackup.$point" restore $point
    step "compare both disks (1 GiB, 333 MiB)" compare $point
done
