#!/usr/bin/env bats
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# peer.bats - both ways with the Python suite as Debian packages it (1.9.15):
# equal files, and each restores what the other made
bats_require_minimum_version 1.5.0
load ../lib/cli
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

guest() {
    SEED=${SEED:-$RANDOM}
    echo "# SEED=$SEED" >&3
    lab_domain vm1 vda=a.qcow2,size=33554944 vdb=b.qcow2,size=9437696 \
        vdc=c.qcow2,size=5M,cluster_size=4K
    random_disk vm1 vda 33554944 "$SEED"
    random_disk vm1 vda 33554944 "$((SEED + 1))"
    lab_write vm1 vdc 0xc7 0 5M
    lab_write_zeroes --keep vm1 vdc 1M 1M
    local disk
    for disk in vda vdb vdc; do
        lab_snapshot_truth vm1 $disk "$LAB/$disk.raw"
    done
}

peer_backup() {
    lab_run "$PEER_BACKUP" -d vm1 "$@" 2>"$LAB/peer.log" ||
        { cat "$LAB/peer.log"; return 1; }
}

# What the peer restores, it restores into images named like the sources.
peer_restore() {
    lab_run "$PEER_RESTORE" "$@" >"$LAB/peer.log" 2>&1 ||
        { cat "$LAB/peer.log"; return 1; }
}

all_same() {
    same "$1/a.qcow2" "$LAB/vda.raw"
    same "$1/b.qcow2" "$LAB/vdb.raw"
    same "$1/c.qcow2" "$LAB/vdc.raw"
}

# A stream without the value of its date.
undated() {
    LC_ALL=C sed 's/"date": "[^"]*"/"date": ""/' "$1"
}

@test "an uncompressed copy equals the peer's byte for byte" {
    guest
    backup -d vm1 -l copy -o "$T/ours"
    peer_backup -l copy -o "$T/theirs"
    for disk in vda vdb vdc; do
        cmp <(undated "$T/ours/$disk.copy.data") \
            <(undated "$T/theirs/$disk.copy.data")
    done
}

@test "the peer restores our full and copy, plain and lz4" {
    guest
    backup -d vm1 -l full -o "$T/full"
    backup -d vm1 -l full -z -o "$T/fullz"
    backup -d vm1 -l copy -o "$T/copy"
    backup -d vm1 -l copy -z 5 -o "$T/copyz"
    for set in full fullz copy copyz; do
        lab_run mkdir "$T/r-$set"
        peer_restore -i "$T/$set" -o "$T/r-$set"
        all_same "$T/r-$set"
    done
}

@test "we restore and verify the peer's full and copy, plain and lz4" {
    guest
    peer_backup -l full -o "$T/full"
    peer_backup -l full -z -o "$T/fullz"
    peer_backup -l copy -o "$T/copy"
    peer_backup -l copy -z -o "$T/copyz"
    for set in full fullz copy copyz; do
        restore -i "$T/$set" -o verify
        restore -i "$T/$set" -o "$T/r-$set"
        all_same "$T/r-$set"
    done
}

@test "the peer restores a full beside a copy" {
    lab_domain vm1 vda=a.qcow2,size=4M
    lab_write vm1 vda 0x11 0 2M
    backup -d vm1 -o "$T/b"
    lab_write_zeroes vm1 vda 0 1M
    lab_snapshot_truth vm1 vda "$LAB/vda.raw"
    backup -d vm1 -l full -o "$T/b"
    lab_run mkdir "$T/r"
    peer_restore -i "$T/b" -o "$T/r"
    same "$T/r/a.qcow2" "$LAB/vda.raw"
}

@test "the metadata of both dumps alike" {
    lab_domain vm1 vda=a.qcow2,size=4M
    backup -d vm1 -l full -o "$T/b"
    lab_run "$PEER_RESTORE" -i "$T/b" -o dump 2>/dev/null >"$LAB/theirs"
    restore -i "$T/b" -o dump >"$LAB/ours"
    jq -e 'length == 1' "$LAB/ours"
    cmp <(jq -S '.[]' "$LAB/ours") <(jq -S '.[]' "$LAB/theirs")
}
