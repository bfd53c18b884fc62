#!/usr/bin/env bats
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# unchanged.bats - images that change in ways that no bitmap knows of: the next
# increment finds out, and saves the disk whole
bats_require_minimum_version 1.5.0
load ../lib/cli
load ../lib/points
setup_file() { cli_setup_file; }
setup() { cli_setup; }
teardown() { cli_teardown; }
teardown_file() { cli_teardown_file; }

off() {
    lab_virsh destroy vm1
}

on() {
    lab_virsh start vm1
}

# A full, an increment, and the state that the disk had between them.  Its data
# lies in a file of its own, so that the bitmaps survive a rollback of it.
with_old_state() {
    lab_domain vm1 vda=a.qcow2,size=64M,data_file="$LAB_DISKS/a.data"
    lab_write vm1 vda 0x11 0 48M
    backup -d vm1 -l full "$@" -o "$T/b"
    off
    cp --sparse=always "$LAB_DISKS/a.data" "$T/old"
    on
    lab_write vm1 vda 0x22 10M 256K
    lab_write_zeroes vm1 vda 20M 256K
    backup -d vm1 -l inc "$@" -o "$T/b"
    lab_write vm1 vda 0x33 30M 64K
}

roll_back() {
    dd if="$T/old" of="$LAB_DISKS/a.data" conv=notrunc status=none
}

# covers: C21:IC
@test "a disk is rolled back: it is saved whole" {
    local level
    with_old_state
    off
    roll_back
    on
    lab_run cp -r "$T/b" "$T/kept"
    lab_write vm1 vda 0x44 40M 64K
    remember 2
    for level in diff inc; do
        rm -rf "$T/b"
        lab_run cp -r "$T/kept" "$T/b"
        run -0 backup -d vm1 -l $level -o "$T/b"
        echo "$output"
        [[ $output == *"WARNING"*"rolled back"*"all of the disk is saved"* ]]
        restores "$T/b" 2
        restore -i "$T/b" -o verify
    done
    [ "$(level "$T/b" virtnbdbackup.2)" = full ]
    # It goes on from there.
    lab_write vm1 vda 0x55 41M 64K
    remember 3
    backup -d vm1 -l inc -o "$T/b"
    [ "$(level "$T/b" virtnbdbackup.3)" = inc ]
    restores "$T/b" 3
}

# covers: C21:IC
@test "the same, compressed, two increments back, the newest one empty" {
    with_old_state -z
    backup -d vm1 -l inc -z -o "$T/b"
    backup -d vm1 -l inc -z -o "$T/b"
    off
    roll_back
    on
    remember 4
    run -1 backup -d vm1 -l inc -z --no-fallback -o "$T/b"
    echo "$output"
    [[ $output == *"rolled back"*"--no-fallback"* ]]
    lab_leftovers
    [ "$(names "$T/b" | wc -w)" = 4 ]
    backup -d vm1 -l inc -z -o "$T/b"
    [ "$(level "$T/b" virtnbdbackup.4)" = full ]
    restores "$T/b" 4
}

# covers: C21:IC
@test "an older image, with an older bitmap of the same name, in the same place" {
    lab_domain vm1 vda=a.qcow2,size=64M
    lab_write vm1 vda 0x11 0 48M
    backup -d vm1 -l full -o "$T/a"
    off
    cp "$LAB_DISKS/a.qcow2" "$T/old"
    on
    lab_write vm1 vda 0x22 10M 3M
    backup -d vm1 -l full -o "$T/b"
    off
    cat "$T/old" >"$LAB_DISKS/a.qcow2"
    on
    lab_write vm1 vda 0x33 1M 64K
    remember 1
    backup -d vm1 -l inc --check-source -o "$T/b"
    [ "$(level "$T/b" virtnbdbackup.1)" = full ]
    restores "$T/b" 1
}

# covers: C21:I
@test "one block changes behind the guest's back: --check-source finds it" {
    local at
    lab_domain vm1 vda=a.qcow2,size=64M
    lab_write vm1 vda 0x11 0 40M
    backup -d vm1 -l full -o "$T/b"
    lab_write vm1 vda 0x22 1M 64K
    backup -d vm1 -l inc -o "$T/b"
    lab_write vm1 vda 0x33 2M 64K
    # Unchanged blocks beside changed ones, a hole, the end: no false alarm.
    backup -d vm1 -l inc --check-source -o "$T/b"
    [ "$(level "$T/b" virtnbdbackup.2)" = inc ]
    off
    at=$(qemu-img map --output json -f qcow2 "$LAB_DISKS/a.qcow2" |
        jq '[.[] | select(.data and .start <= 31000000 and
            .start + .length > 31000000)][0] | .offset + 31000000 - .start')
    printf 'x' | dd of="$LAB_DISKS/a.qcow2" bs=1 seek="$at" conv=notrunc \
        status=none
    on
    remember 3
    run -0 backup -d vm1 -l inc --check-source -o "$T/b"
    echo "$output"
    [[ $output == *"what lies at 30408704 is not what"* ]]
    [ "$(level "$T/b" virtnbdbackup.3)" = full ]
    restores "$T/b" 3
}

# covers: C21:I
@test "powered off: an image is rolled back" {
    with_old_state
    off
    roll_back
    remember 2
    run -0 backup -d vm1 -l diff -o "$T/b"
    echo "$output"
    [[ $output == *"rolled back"* ]]
    restores "$T/b" 2
}
