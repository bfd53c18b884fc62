# shellcheck shell=bash disable=SC2034,SC2154
# SPDX-License-Identifier: LGPL-2.1-or-later
# map-random - 4 KiB here and there of a mapped disk, 16 requests in flight
#
# All of it was read once before: then every hash was compared, and what the
# page cache can hold is there, of each.
about='mapped disk: random reads of 4 KiB a second, 16 in flight'
contenders=(plain lz4 file)
goals=('plain / file >= 0.85' 'lz4 / file >= 0.2')

prepare() {
    make_set plain virtnbdbackup && make_set lz4 virtnbdbackup -z &&
        RAW=$BENCH_TARGET/raw &&
        qemu-img convert -f qcow2 -O raw "$DISK" "$RAW"
}

read_randomly() {
    local name=$1 answer
    shift
    SHOW="nbdcopy \"\$uri\" null: &&
        '$build/tests/bench/random-read' \"\$uri\" 4096 4 16"
    answer=$(served "$@") || return 1
    record "$name" "${answer#* }" reads/s
}

run_plain() {
    read_randomly plain "$build/map/virtnbdmap-plugin.so" "$BENCH_TARGET/plain"
}

run_lz4() {
    read_randomly lz4 "$build/map/virtnbdmap-plugin.so" "$BENCH_TARGET/lz4"
}

run_file() {
    read_randomly file file "$RAW"
}
