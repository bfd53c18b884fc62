#!/usr/bin/env bats
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# adopt.bats - going on in directories that the Python suite (1.9.15) began
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

# our_point NAME ARGUMENT...: change the guest and back it up ourselves.
our_point() {
    local name=$1
    shift
    rewrite_guest && take_truth "$name" &&
        backup -d vm1 -o "$T/b" "$@" 2>"$LAB/ours.log" ||
        { cat "$LAB/ours.log"; return 1; }
}

# Every point restores, by us and (the newest) by the peer.
check_all() {
    local point
    restore -i "$T/b" -o verify
    for point in "$@"; do
        rm -rf "$T/r"
        restore -i "$T/b" -o "$T/r" --until "$point"
        check_images "$T/r" "$point"
    done
}

# is_adopted NAME...: they have manifests which say so, and no others do.
is_adopted() {
    local manifest name
    for manifest in "$T/b"/manifest.*.json; do
        name=${manifest##*/manifest.}
        name=${name%.json}
        case " $* " in
        *" $name "*) jq -e '.adopted == true' "$manifest" ;;
        *) jq -e 'has("adopted") | not' "$manifest" ;;
        esac || return 1
    done
    for name in "$@"; do
        [ -f "$T/b/manifest.$name.json" ] || return 1
    done
}

cpt_is() {
    [ "$(jq -r 'join(" ")' "$T/b/vm1.cpt")" = "$*" ]
}

@test "an increment of ours behind the peer's full and increment" {
    peer_guest
    peer_point virtnbdbackup.0 -l full
    peer_point virtnbdbackup.1 -l inc
    our_point virtnbdbackup.2 -l inc
    grep "adopted 'virtnbdbackup.1'" "$LAB/ours.log"
    is_adopted virtnbdbackup.0 virtnbdbackup.1
    # An increment, not a full of the disks.
    jq -e 'all(.disks[]; .level == "inc")' \
        "$T/b/manifest.virtnbdbackup.2.json"
    cpt_is virtnbdbackup.0 virtnbdbackup.1 virtnbdbackup.2
    our_point virtnbdbackup.3 -l auto
    is_adopted virtnbdbackup.0 virtnbdbackup.1
    check_all virtnbdbackup.0 virtnbdbackup.1 virtnbdbackup.2 virtnbdbackup.3
    lab_run mkdir "$T/peer"
    peer_restore -i "$T/b" -o "$T/peer"
    check_images "$T/peer" virtnbdbackup.3
}

@test "the same compressed, with a differential of the peer's" {
    peer_guest
    peer_point virtnbdbackup.0 -l full -z
    peer_point virtnbdbackup.1 -l inc -z
    peer_point diff -l diff -z
    our_point virtnbdbackup.2 -l inc -z
    [ "$(grep -c ' adopted ' "$LAB/ours.log")" = 3 ]
    jq -e 'all(.disks[]; .level == "inc")' \
        "$T/b/manifest.virtnbdbackup.2.json"
    check_all virtnbdbackup.0 virtnbdbackup.1 virtnbdbackup.2
    # A flipped byte is found by the hashes that adopting gave.
    flip "$T/b/vda.full.data"
    run restore -i "$T/b" -o verify
    [ "$status" = 3 ]
}

@test "ours, the peer's, and ours again" {
    peer_guest
    our_point virtnbdbackup.0 -l full
    peer_point virtnbdbackup.1 -l inc
    # Before anything is adopted, the peer's point restores too.
    rm -rf "$T/r"
    restore -i "$T/b" -o "$T/r"
    check_images "$T/r" virtnbdbackup.1
    our_point virtnbdbackup.2 -l inc
    is_adopted virtnbdbackup.1
    jq -e 'all(.disks[]; .level == "inc")' \
        "$T/b/manifest.virtnbdbackup.2.json"
    peer_point virtnbdbackup.3 -l inc
    our_point virtnbdbackup.4 -l inc
    is_adopted virtnbdbackup.1 virtnbdbackup.3
    cpt_is virtnbdbackup.{0,1,2,3,4}
    check_all virtnbdbackup.{0,1,2,3,4}
}

@test "a checkpoint that libvirt has forgotten comes back" {
    peer_guest
    peer_point virtnbdbackup.0 -l full
    peer_point virtnbdbackup.1 -l inc
    lab_virsh checkpoint-delete vm1 virtnbdbackup.1 --metadata
    lab_virsh checkpoint-delete vm1 virtnbdbackup.0 --metadata
    our_point virtnbdbackup.2 -l inc
    is_adopted virtnbdbackup.0 virtnbdbackup.1
    jq -e 'all(.disks[]; .level == "inc")' \
        "$T/b/manifest.virtnbdbackup.2.json"
    check_all virtnbdbackup.0 virtnbdbackup.1 virtnbdbackup.2
}

@test "another guest's checkpoint of the same name proves nothing" {
    peer_guest
    peer_point virtnbdbackup.0 -l full
    # Made again, later: whatever was written in between would be lost.
    lab_virsh checkpoint-delete vm1 virtnbdbackup.0
    sleep 1.1
    lab_run tee "$LAB/tmp/c.xml" >/dev/null <<XML
<domaincheckpoint><name>virtnbdbackup.0</name></domaincheckpoint>
XML
    lab_virsh checkpoint-create vm1 "$LAB/tmp/c.xml"
    run backup -d vm1 -o "$T/b" -l inc
    [ "$status" != 0 ]
    [[ $output == *"created at another time"* ]]
    # Not a file of it has changed.
    run ! ls "$T/b"/manifest.*
    run ! ls "$T/b"/*.index
    restore -i "$T/b" -o "$T/r"
    check_images "$T/r" virtnbdbackup.0
}

@test "a damaged or unfinished set is not adopted" {
    peer_guest
    peer_point virtnbdbackup.0 -l full -z
    peer_point virtnbdbackup.1 -l inc -z
    lab_run touch "$T/b/vdb.inc.virtnbdbackup.1.data.partial"
    run backup -d vm1 -o "$T/b" -l inc
    [ "$status" != 0 ]
    [[ $output == *"was not finished"* ]]
    rm "$T/b/vdb.inc.virtnbdbackup.1.data.partial"
    flip "$T/b/vda.full.data"
    run backup -d vm1 -o "$T/b" -l inc
    [ "$status" != 0 ]
    echo "$output"
    # Whatever the flipped byte was: payload, header or trailer.
    [[ $output == *"'vda.full.data'"* ]]
    run ! ls "$T/b"/manifest.*
    run ! ls "$T/b"/intent.*
}
