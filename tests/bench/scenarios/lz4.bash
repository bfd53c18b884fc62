# shellcheck shell=bash disable=SC2034
# SPDX-License-Identifier: LGPL-2.1-or-later
# lz4 - the same, compressed; beside our uncompressed run
about='full backup of a running guest, lz4'
contenders=(ours peer plain)
goals=('peer / ours >= 4' 'ours / plain <= 1.3')

prepare() {
    needs peer "$PEER_BACKUP"
    bench_guest && BYTES=$DISK_BYTES
}

# backup_with NAME PROGRAM [OPTION]
backup_with() {
    local name=$1 program=$2
    shift 2
    bench_to "$name"
    forget_checkpoints bench
    settle
    timed "$name" "$program" -d bench -l full -o "$TO" "$@"
    rm -rf "$TO"
}

run_ours() {
    backup_with ours virtnbdbackup -z
}

run_peer() {
    backup_with peer "$PEER_BACKUP" -z
}

run_plain() {
    backup_with plain virtnbdbackup
}

finish() {
    bench_guest_gone
}
