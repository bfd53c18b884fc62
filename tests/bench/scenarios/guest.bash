# shellcheck shell=bash disable=SC2034,SC2154
# SPDX-License-Identifier: LGPL-2.1-or-later
# guest - what a guest notices of a backup
#
# Random writes of 4 KiB to places that are in use, asynchronously, through
# QEMU's monitor (the way of the guest's own requests, without a guest), one
# after the other while a backup runs; QEMU tells how long each took.
about='4 KiB random writes of the guest during a full backup'
contenders=(idle ours peer limited)
goals=('ours_median / peer_median <= 1' 'ours_p99 / peer_p99 <= 1'
    'ours_writes / peer_writes >= 1' 'peer_backup / ours_backup >= 3'
    'limited_p99 / ours_p99 <= 1')

prepare() {
    needs peer "$PEER_BACKUP"
    bench_disk && cp "$DISK" "$BENCH/guest.qcow2" &&
        chown "$LAB_USER" "$BENCH/guest.qcow2" || return 1
    qemu-img map --output=json "$DISK" | python3 -c '
import json, random, sys
draw = random.Random(20261)
used = [e for e in json.load(sys.stdin) if e["data"]]
for e in draw.choices(used, [e["length"] for e in used], k=30000):
    at = e["start"] + draw.randrange(e["length"] // 4096) * 4096
    print("qemu-monitor-command bench --hmp \"qemu-io -d "
          "/machine/peripheral/ua-vda/virtio-backend "
          f"\\\"aio_write -P {draw.randrange(1, 256)} {at} 4096\\\"\"")
' >"$BENCH/commands"
    lab_domain bench "vda=$BENCH/guest.qcow2"
}

# writes NAME COMMAND...: write while the command runs.
writes() {
    local name=$1 log=$LAB/ca/libvirt/qemu/log/bench.log from
    local rate median p99 writer
    shift
    forget_checkpoints bench
    settle
    from=$(stat -c %s "$log")
    (exec "${LAB_AS[@]}" env -i "${LAB_ENV[@]}" virsh -q -c "$LAB_URI") \
        <"$BENCH/commands" >/dev/null 2>&1 &
    writer=$!
    timed "${name}_backup" "$@"
    kill "$writer"
    wait "$writer" 2>/dev/null
    read -r median p99 rate < <(python3 "$here/latency.py" "$log" "$from") ||
        return 1
    record "${name}_median" "$median" ms
    record "${name}_p99" "$p99" ms
    record "${name}_writes" "$rate" /s
}

run_idle() {
    writes idle sleep 4
}

run_ours() {
    bench_to ours
    writes ours virtnbdbackup -d bench -l full -o "$TO"
    rm -rf "$TO"
}

run_peer() {
    bench_to peer
    writes peer "$PEER_BACKUP" -d bench -l full -o "$TO"
    rm -rf "$TO"
}

# At a fifth of what goes at most.
run_limited() {
    bench_to limited
    writes limited virtnbdbackup -d bench -l full -o "$TO" --bwlimit 200M
    rm -rf "$TO"
}

finish() {
    bench_guest_gone
    rm -f "$BENCH/guest.qcow2"
}
