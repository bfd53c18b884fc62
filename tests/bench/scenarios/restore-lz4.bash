# shellcheck shell=bash disable=SC2034,SC2154
# SPDX-License-Identifier: LGPL-2.1-or-later
# restore-lz4 - the same, compressed
about='restore of a full, lz4, to qcow2; cold source on the same disk'
contenders=(ours peer)
goals=('peer / ours >= 5')

prepare() {
    needs peer "$PEER_RESTORE"
    make_set ours virtnbdbackup -z && BYTES=$DISK_BYTES || return 1
    [ ! -x "$PEER_RESTORE" ] || make_set peer "$PEER_BACKUP" -z
}

run_ours() {
    restore_with ours virtnbdrestore ours
}

run_peer() {
    restore_with peer "$PEER_RESTORE" peer
}
