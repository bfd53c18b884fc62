# shellcheck shell=bash disable=SC2034,SC2154
# SPDX-License-Identifier: LGPL-2.1-or-later
# map-start - from the start of nbdkit to the first byte of a long chain
about='mapped chain: first byte of a full and 30 increments (lz4), 8 GiB'
contenders=(first)
goals=('first <= 0.3')

prepare() {
    bench_to chain
    "$build/tests/map/map-make-set" "$TO" 8 30 10 &&
        chown -R "$LAB_USER" "$TO"
}

run_first() {
    settle "$BENCH_TARGET/chain"/*
    timed first nbdkit -U - -f "$build/map/virtnbdmap-plugin.so" \
        "$BENCH_TARGET/chain" --run \
        "'$build/tests/bench/random-read' \"\$uri\" 4096 0"
}
