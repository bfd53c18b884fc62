# shellcheck shell=bash disable=SC2034,SC2154
# SPDX-License-Identifier: LGPL-2.1-or-later
# sets.bash - what scenarios that read backups share: the sets, once for a run

# make_set NAME PROGRAM [OPTION...]: a copy of the guest's disk, made by PROGRAM
# with these options, in $BENCH_TARGET/NAME; its data file in DATA.
make_set() {
    local name=$1 program=$2
    shift 2
    bench_guest || return 1
    bench_to "$name"
    lab_run "$program" -d bench -l copy "$@" -o "$TO" >"$BENCH/log" 2>&1 ||
        { cat "$BENCH/log" >&2; return 1; }
    bench_guest_gone
    DATA=$TO/vda.copy.data
}

# make_chain NAME COUNT CLUSTERS [OPTION...]: a full and COUNT increments, each
# of so many scattered clusters of 64 KiB; the image at their end in IMAGE.
make_chain() {
    local name=$1 count=$2 clusters=$3 i
    shift 3
    bench_disk || return 1
    IMAGE=$BENCH/chain.qcow2
    cp "$DISK" "$IMAGE" && chown "$LAB_USER" "$IMAGE" || return 1
    lab_domain bench "vda=$IMAGE" || return 1
    bench_to "$name"
    for ((i = 0; i <= count; i++)); do
        lab_run virtnbdbackup -d bench -l auto "$@" -o "$TO" \
            >"$BENCH/log" 2>&1 || { cat "$BENCH/log" >&2; return 1; }
        lab_virsh destroy bench >/dev/null
        [ "$i" -lt "$count" ] || break
        make_writes "$clusters" $((GIB << 30)) "$i" && write_all "$IMAGE" &&
            lab_virsh start bench >/dev/null || return 1
    done
    forget_checkpoints bench
    lab_virsh undefine --checkpoints-metadata bench >/dev/null
}

# restore_with NAME PROGRAM SET: timed; the image is in $OUT until the next.
restore_with() {
    local data=("$BENCH_TARGET/$3"/*.data)
    OUT=$BENCH_TARGET/out
    bench_to out
    settle "${data[@]}"
    timed "$1" "$2" -i "$BENCH_TARGET/$3" -a restore -o "$OUT"
}

# served COMMAND ARGUMENT...: nbdkit shows it, and the shell text $SHOW, to
# which its URI is $uri, runs beside: its output.
served() {
    nbdkit -U - -f "$@" --run "$SHOW"
}

milliseconds() {
    date +%s%3N
}
