#!/usr/bin/env bats
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# peer-chain.bats - chains that the Python suite made (1.9.15) restored by us, and
# ours by it
# byte for byte
bats_require_minimum_version 1.5.0
load ../lib/cli
load peer-lib
setup_file() {
    [ -x "$PEER_BACKUP" ] || {
        echo "the Python suite is not installed" >"$BATS_FILE_TMPDIR/skip"
        return 0
    }
    cli_setup_file
}
setup() { cli_setup; }
# The peer leaves its logs in TMPDIR.
teardown() {
    [ -z "${LAB_TMP:-}" ] || rm -rf "${LAB_TMP:?}"/*
    cli_teardown
}
teardown_file() { cli_teardown_file; }

# Every point that was kept, and the newest without a name.
check_points() {
    local point
    restore -i "$T/b" -o verify
    for point in "$@"; do
        restore -i "$T/b" -o "$T/r-$point" --until "$point"
        check_images "$T/r-$point" "$point"
    done
    restore -i "$T/b" -o "$T/r-newest"
    check_images "$T/r-newest" "${!#}"
}

chain() {
    peer_guest
    peer_point virtnbdbackup.0 -l full "$@"
    peer_point virtnbdbackup.1 -l inc "$@"
    peer_point virtnbdbackup.2 -l inc "$@"
}

@test "the peer's full and two increments" {
    chain
    check_points virtnbdbackup.0 virtnbdbackup.1 virtnbdbackup.2
}

@test "the peer's full and two increments, lz4" {
    chain -z
    check_points virtnbdbackup.0 virtnbdbackup.1 virtnbdbackup.2
}

@test "the peer's increments of which one is empty" {
    chain
    take_truth virtnbdbackup.3
    peer_backup -l inc -o "$T/b"
    peer_point virtnbdbackup.4 -l inc
    check_points virtnbdbackup.2 virtnbdbackup.3 virtnbdbackup.4
}

@test "the peer's differential behind an increment" {
    chain -z
    rewrite_guest
    take_truth diff
    peer_backup -l diff -o "$T/b"
    restore -i "$T/b" -o "$T/r"
    check_images "$T/r" diff
}

# our_point LEVEL ARGUMENT...: change the guest, make a point of ours, and keep
# what the disks held.
our_point() {
    local level=$1
    shift
    rewrite_guest
    take_truth newest
    backup -d vm1 -l "$level" -o "$T/b" "$@"
}

# The peer restores the newest point of the set.
peer_restores() {
    lab_run mkdir "$T/p"
    peer_restore -i "$T/b" -o "$T/p"
    check_images "$T/p" newest
    rm -rf "${T:?}/p"
}

our_chain() {
    peer_guest
    our_point full "$@"
    our_point inc "$@"
    peer_restores
    our_point inc "$@"
    our_point diff "$@"
    peer_restores
    our_point inc "$@"
    peer_restores
}

@test "the peer restores our full, increments and differential" {
    our_chain
}

@test "the peer restores our full, increments and differential, lz4" {
    our_chain -z
}

@test "the peer restores a disk that was saved whole inside a chain" {
    peer_guest
    our_point full
    our_point inc
    lab_virsh destroy vm1
    qemu-img bitmap --remove "$LAB_DISKS/a.qcow2" virtnbdbackup.1
    lab_virsh start vm1
    lab_write_zeroes vm1 vda 0 4M
    our_point inc
    peer_restores
}

@test "with --zero-frames the peer stops with an error" {
    peer_guest
    our_point full
    lab_write_zeroes vm1 vda 0 1M
    our_point inc --zero-frames
    lab_run mkdir "$T/p"
    run peer_restore -i "$T/b" -o "$T/p"
    [ "$status" != 0 ]
    restore -i "$T/b" -o "$T/r"
    check_images "$T/r" newest
}
