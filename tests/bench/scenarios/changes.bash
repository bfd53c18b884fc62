# shellcheck shell=bash disable=SC2034,SC2154
# SPDX-License-Identifier: LGPL-2.1-or-later
# changes - finding a few changes on a large, fragmented disk
about='finding 1,000 changes on 300 GiB with 1.6 million extents'
contenders=(ours whole)
goals=('ours <= 0.1' 'ours_memory <= 64')

prepare() {
    local i
    CROWD=$BENCH/crowd.qcow2
    qemu-img create -q -f qcow2 "$CROWD" 300G &&
        qemu-img bitmap --add "$CROWD" changed || return 1
    for ((i = 0; i < 1000; i++)); do
        echo "write -q -P 1 $((i * 4915 * 65536)) 65536"
    done | qemu-io -f qcow2 "$CROWD" >/dev/null || return 1
    qemu-img bitmap --disable "$CROWD" changed &&
        python3 "$here/crowd-disk.py" "$CROWD" 3 &&
        chown "$LAB_USER" "$CROWD"
}

# survey NAME [CONTEXT]: a new server each time, so that it knows nothing yet.
survey() {
    local name=$1 socket=$LAB/tmp/crowd.sock seconds peak
    shift
    rm -f "$socket"
    lab_spawn qemu-nbd -f qcow2 -r -t -e 3 -k "$socket" -B changed "$CROWD"
    "$build/tests/bench/survey" "$socket" "$@" >"$BENCH/measured" || return 1
    kill "$LAB_PID"
    wait "$LAB_PID" 2>/dev/null
    read -r seconds peak _ <"$BENCH/measured"
    record "$name" "$seconds" s "$peak"
    record "${name}_memory" "$((peak / 1024))" MiB
}

run_ours() {
    survey ours qemu:dirty-bitmap:changed
}

# What it would take to ask for the state of all of the disk.
run_whole() {
    survey whole
}
