# shellcheck shell=bash disable=SC2034,SC2154
# SPDX-License-Identifier: LGPL-2.1-or-later
# restore-chain - a full and 30 increments, beside a full of the same disk
about='restore of a full and 30 increments (lz4), beside a full alone'
contenders=(chain full)
goals=('chain / full <= 1.3')

prepare() {
    make_chain chain 30 600 -z && make_set full virtnbdbackup -z &&
        BYTES=$DISK_BYTES
}

run_chain() {
    restore_with chain virtnbdrestore chain
}

run_full() {
    restore_with full virtnbdrestore full
}
