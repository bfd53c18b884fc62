# shellcheck shell=bash disable=SC2034,SC2154
# SPDX-License-Identifier: LGPL-2.1-or-later
# restore - a full, uncompressed, into a qcow2 image on the disk it lies on
about='restore of a full, uncompressed, to qcow2; cold source on the same disk'
contenders=(ours peer convert)
goals=('peer / ours >= 5' 'ours / convert <= 1.1')

prepare() {
    needs peer "$PEER_RESTORE"
    make_set ours virtnbdbackup && BYTES=$DISK_BYTES || return 1
    [ ! -x "$PEER_RESTORE" ] || make_set peer "$PEER_BACKUP" || return 1
    RAW=$BENCH_TARGET/raw
    qemu-img convert -f qcow2 -O raw "$DISK" "$RAW"
}

run_ours() {
    restore_with ours virtnbdrestore ours
}

run_peer() {
    restore_with peer "$PEER_RESTORE" peer
}

# The limit: QEMU itself, from a raw image.
run_convert() {
    bench_to out
    settle "$RAW"
    timed convert qemu-img convert -f raw -O qcow2 -t none -W -m 16 "$RAW" \
        "$TO/image"
}
