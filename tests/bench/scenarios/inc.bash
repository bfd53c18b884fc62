# shellcheck shell=bash disable=SC2034
# SPDX-License-Identifier: LGPL-2.1-or-later
# inc - an incremental backup of many small changes all over a disk
about='incremental backup, 18,600 scattered clusters of 64 KiB (1.2 GB)'
contenders=(ours peer)
goals=('peer / ours >= 5')

prepare() {
    needs peer "$PEER_BACKUP"
    make_writes 18600 $((8 << 30)) && BYTES=$((18600 * 65536))
}

# A guest whose empty disk was saved, and then written to.
changed_guest() {
    lab_domain bench "vda=$BENCH/inc.qcow2,size=8G" || return 1
    lab_run "$@" -d bench -l full -o "$TO" >"$BENCH/log" 2>&1 ||
        { cat "$BENCH/log" >&2; return 1; }
    lab_virsh destroy bench >/dev/null
    write_all "$BENCH/inc.qcow2" && lab_virsh start bench >/dev/null
}

increment_with() {
    bench_to "$1"
    rm -f "$BENCH/inc.qcow2"
    changed_guest "$2" || return 1
    settle
    timed "$1" "$2" -d bench -l inc -o "$TO"
    bench_guest_gone
    rm -rf "$TO"
}

run_ours() {
    increment_with ours virtnbdbackup
}

run_peer() {
    increment_with peer "$PEER_BACKUP"
}
