# shellcheck shell=bash disable=SC2034
# SPDX-License-Identifier: LGPL-2.1-or-later
# full - a running guest's disk, everything, uncompressed
about='full backup of a running guest, uncompressed'
contenders=(ours peer read write)
goals=('peer / ours >= 5' 'ours / max(read, write) <= 1.35')

prepare() {
    needs peer "$PEER_BACKUP"
    bench_guest && BYTES=$DISK_BYTES
}

backup_with() {
    bench_to "$1"
    forget_checkpoints bench
    settle
    timed "$1" "$2" -d bench -l full -o "$TO"
    rm -rf "$TO"
}

run_ours() {
    backup_with ours virtnbdbackup
}

run_peer() {
    backup_with peer "$PEER_BACKUP"
}

read_all() {
    timed read nbdcopy "$1" null:
}

# All that this QEMU gives.
run_read() {
    settle
    with_export bench read_all
}

# The same number of bytes to the target, past the page cache.
run_write() {
    bench_to write
    settle
    timed write dd "if=$DISK" "of=$TO/data" bs=4M oflag=direct
    rm -rf "$TO"
}

finish() {
    bench_guest_gone
}
