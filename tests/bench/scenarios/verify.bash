# shellcheck shell=bash disable=SC2034,SC2154
# SPDX-License-Identifier: LGPL-2.1-or-later
# verify - every byte of a full read, hashed and summed; cold
about='verify of a full, uncompressed and lz4, beside reading the file'
contenders=(plain read lz4 read_lz4)
goals=('plain / read <= 1.2' 'lz4 / read_lz4 <= 1.2')

prepare() {
    make_set plain virtnbdbackup && PLAIN=$DATA &&
        make_set lz4 virtnbdbackup -z && LZ4=$DATA && BYTES=$DISK_BYTES
}

verify() {
    settle "$2"
    timed "$1" virtnbdrestore -i "${2%/*}" -a verify
}

read_file() {
    settle "$2"
    timed "$1" dd "if=$2" of=/dev/null bs=4M iflag=direct
}

run_plain() {
    verify plain "$PLAIN"
}

run_read() {
    read_file read "$PLAIN"
}

run_lz4() {
    verify lz4 "$LZ4"
}

run_read_lz4() {
    read_file read_lz4 "$LZ4"
}
