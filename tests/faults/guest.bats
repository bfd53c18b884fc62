#!/usr/bin/env bats
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# guest.bats - what happens to the hypervisor and the guest while a backup of
# any level runs: QEMU or libvirtd die or hang, scratch space runs out
bats_require_minimum_version 1.5.0
load ../lib/cli
load ../lib/points
setup_file() { cli_setup_file; }
setup() { cli_setup; }
teardown() { cli_teardown; }
teardown_file() { cli_teardown_file; }

LEVELS="full inc diff"

# A guest with a full of it in $T/base, and 8 MiB changed since.
guest() {
    lab_domain vm1 vda=a.qcow2,size=16M
    lab_write vm1 vda 0x11 0 9M
    backup -d vm1 -l full -o "$T/base"
    change
}

# What is changed for the changes to be worth a while.
change() {
    lab_write vm1 vda 0x22 1M 8M
    lab_write_zeroes vm1 vda 3M 256K
}

# begin LEVEL [OPTION...]: a run of that level into $T/b, slow enough for
# something to happen meanwhile; a full is one of a chain of its own.  Back when
# it has begun to write.
begin() {
    local level=$1
    shift
    echo "level $level"
    rm -rf "$T/b"
    ARGS=(-d vm1 -l "$level" -o "$T/b")
    case $level in
    full) ARGS+=(--chain other) ;;
    *) lab_run cp -r "$T/base" "$T/b" ;;
    esac
    lab_spawn virtnbdbackup "${ARGS[@]}" --bwlimit 4M "$@" 2>"$T/err"
    until ls "$T"/b/*.data.partial >/dev/null 2>&1; do
        kill -0 "$LAB_PID" || return 1
    done
}

# ends STATUS
ends() {
    local status=0
    wait "$LAB_PID" || status=$?
    cat "$T/err"
    [ "$status" = "$1" ]
}

# No point was made, and the points of before are whole.  (What can be undone in
# a running guest only is noted in the intent, for the next run.)
no_point() {
    lab_leftovers
    [ -z "$(find "$T/b" -name '*.partial' -o -name '*.new-*')" ]
    [ "$(lab_virsh domstate vm1)" != running ] || ! ls "$T"/b/intent.*
    if [ "$1" = full ]; then
        ! ls "$T"/b/manifest.*
    else
        [ "$(names "$T/b")" = virtnbdbackup.0 ]
        restore -i "$T/b" -o verify
    fi
}

# The same command works again, and what it makes is right.
works_again() {
    remember now
    backup "${ARGS[@]}"
    restores "$T/b" now
    restore -i "$T/b" -o verify
}

no_errors() {
    [ "$(lab_virsh domstate vm1)" = running ]
    lab_virsh domblkerror vm1 | grep 'No errors'
}

# covers: C1:FIDC E2:FID
@test "QEMU is killed in the middle" {
    local level
    guest
    for level in $LEVELS; do
        begin $level
        kill -KILL "$(lab_qemu vm1)"
        ends 1
        grep "shut off during the backup" "$T/err"
        no_point $level
        lab_virsh start vm1
        change
        works_again
    done
}

# covers: C4:FID
@test "libvirtd is killed in the middle: the point is made all the same" {
    local level
    guest
    for level in $LEVELS; do
        begin $level
        kill -KILL "$(lab_processes | awk '$2 ~ /libvirtd$/ { print $1 }')"
        lab_write vm1 vda 0x55 5M 64K || true
        ends 0
        lab_leftovers
        [ -e "$T/b/manifest.virtnbdbackup.$(
            [ $level != full ] || echo other.)0.json" ]
        restore -i "$T/b" -o verify
        works_again_as inc
    done
}

# works_again_as LEVEL: an increment goes upon it.
works_again_as() {
    lab_write vm1 vda 0x66 6M 64K
    remember now
    backup -d vm1 -l "$1" -o "$T/b"
    restores "$T/b" now
}

# covers: C10:FID
@test "scratch space runs out: the job ends before the guest is hurt" {
    [ "$(id -u)" = 0 ] || skip "mounting needs root"
    local level i
    guest
    mkdir "$T/scratch"
    mount -t tmpfs -o size=24m,mode=777 none "$T/scratch"
    for level in $LEVELS; do
        begin $level --scratchdir "$T/scratch" --scratch-reserve 20M
        for ((i = 0; i < 16; i++)); do
            lab_write vm1 vda 0x77 "$((i * 512))K" 512K
        done
        ends 1
        grep "ended before the guest runs out of space" "$T/err"
        no_errors
        no_point $level
        # Too little from the beginning: nothing is touched.
        run -1 backup "${ARGS[@]}" --scratchdir "$T/scratch" \
            --scratch-reserve 1G
        [[ $output == *"no room for scratch files"* ]]
        no_point $level
        works_again
    done
    umount "$T/scratch"
}
