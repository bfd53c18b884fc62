# shellcheck shell=bash disable=SC2034,SC2154,SC2016
# SPDX-License-Identifier: LGPL-2.1-or-later
# map-read - a mapped disk from its beginning to its end
#
# One request of 256 KiB after the other, as a program that reads a disk does
# through nbdfuse: what is not read ahead is waited for.  Data is warm.
about='mapped disk: read in order, one request of 256 KiB after the other'
contenders=(plain lz4 file)
goals=('plain / file <= 1.1' 'lz4 / file <= 1.5')

prepare() {
    make_set plain virtnbdbackup && make_set lz4 virtnbdbackup -z &&
        BYTES=$DISK_BYTES && RAW=$BENCH_TARGET/raw &&
        qemu-img convert -f qcow2 -O raw "$DISK" "$RAW"
}

read_in_order() {
    local name=$1 what=${*: -1}
    shift
    find "$what" -type f -exec cat {} + >/dev/null
    timed "$name" nbdkit -U - -f "$@" --run \
        'nbdcopy --synchronous --request-size=262144 "$uri" null:'
}

run_plain() {
    read_in_order plain "$build/map/virtnbdmap-plugin.so" "$BENCH_TARGET/plain"
}

run_lz4() {
    read_in_order lz4 "$build/map/virtnbdmap-plugin.so" "$BENCH_TARGET/lz4"
}

run_file() {
    read_in_order file file "$RAW"
}
