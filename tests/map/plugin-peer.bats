#!/usr/bin/env bats
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# plugin-peer.bats - nbdkit shows what the Python suite as Debian packages it
# (1.9.15) has backed up
bats_require_minimum_version 1.5.0
load ../lib/cli
load ../lib/points
load plugin-lib
load ../interop/peer-lib
setup_file() {
    [ -x "$PEER_BACKUP" ] || {
        echo "the Python suite is not installed" >"$BATS_FILE_TMPDIR/skip"
        return 0
    }
    plugin_setup_file
}
setup() { cli_setup; }
# The peer leaves its logs in TMPDIR.
teardown() {
    [ -z "${LAB_TMP:-}" ] || rm -rf "${LAB_TMP:?}"/*
    cli_teardown
}
teardown_file() { cli_teardown_file; }

@test "a chain, plain and compressed" {
    peer_guest
    take_truth 0
    peer_backup -o "$T/b" -l full
    peer_point 1 -l inc -z
    peer_point 2 -l inc
    peer_point 3 -l diff -z
    local point disk
    for point in 0 1 2; do
        for disk in vda vdb; do
            is "$T/truth/$point.$disk" "$T/b" disk=$disk \
                point=virtnbdbackup.$point
        done
    done
    is "$T/truth/3.vda" "$T/b" disk=vda
    is "$T/truth/2.vda" "file=$T/b/vda.full.data" \
        "file=$T/b/vda.inc.virtnbdbackup.1.data" \
        "file=$T/b/vda.inc.virtnbdbackup.2.data"
}

@test "frames of 32 MiB and more, in pieces" {
    lab_domain vm1 vda=a.qcow2,size=100M
    lab_write vm1 vda 0x41 1M 40M
    lab_write vm1 vda 0x42 41M 1234K
    lab_write vm1 vda 0x43 50M 32M
    remember 0
    peer_backup -l full -z -o "$T/b"
    # An object in the trailer.
    tail -c 200 "$T/b/vda.full.data" | grep -a '{"'
    lab_write vm1 vda 0x44 30M 34M
    remember 1
    peer_backup -l inc -z -o "$T/b"
    is "$T/truth.0.vda" "$T/b" point=0 cache=100M
    is "$T/truth.1.vda" "$T/b" cache=100M
    # Where they do not all have room, a small read costs a whole frame.
    map "$T/b" cache=40M --run "map-compare \"\$uri\" $T/truth.1.vda 1"
    map "$T/b" cache=0 --run "map-compare \"\$uri\" $T/truth.1.vda 1"
}

@test "a raw disk" {
    lab_domain vm1 vda=a.raw,format=raw,size=9437696
    lab_write vm1 vda 0x51 1M 2M
    remember 0
    peer_backup -l copy --raw -o "$T/b"
    is "$T/truth.0.vda" "$T/b"
}
