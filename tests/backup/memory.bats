#!/usr/bin/env bats
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# memory.bats - memory does not grow with the disks
#
# The peak is what the kernel says of a run and of the programs it starts.
# Sanitizers multiply it, so only builds without them are measured.
bats_require_minimum_version 1.5.0
load ../lib/cli

# Is the program built with a sanitizer (as a library, or linked into it)?
sanitized() {
    ldd "$1" | grep -qE 'lib[alt]san|libubsan' ||
        grep -qaE '__[at]san_init' "$1"
}

setup_file() {
    sanitized "$BACKUP" || cli_setup_file
}
setup() {
    if sanitized "$BACKUP"; then
        skip "a build with sanitizers says nothing about memory"
    fi
    cli_setup
}
teardown() {
    [ -z "${T:-}" ] || cli_teardown
}
teardown_file() { cli_teardown_file; }

LIMIT=$((128 * 1024)) # KiB

# peak COMMAND...: run it and print the KiB of its largest process.
peak() {
    lab_run /usr/bin/python3 -c '
import resource, subprocess, sys
status = subprocess.call(sys.argv[1:], stdout=2)
print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)
sys.exit(status)' "$@"
}

# within_limit NAME COMMAND...
within_limit() {
    local name=$1 size
    shift
    size=$(peak "$@") || return 1
    echo "# $name: $((size / 1024)) MiB" >&3
    [ "$size" -gt 1024 ]
    [ "$size" -le "$LIMIT" ]
}

# fill DOMAIN DISK SIZE: pieces of data all over a disk of SIZE GiB.
fill() {
    local i
    for ((i = 0; i < 8; i++)); do
        lab_write "$1" "$2" "$((i + 1))" "$((i * $3 / 8))G" 24M || return 1
    done
}

# covers: B5:F
@test "a sparse disk of 64 GiB" {
    lab_domain vm1 vda=a.qcow2,size=64G
    fill vm1 vda 64
    within_limit plain virtnbdbackup --quiet -d vm1 -l copy -o "$T/a"
    within_limit lz4 virtnbdbackup --quiet -z -d vm1 -l copy -o "$T/b"
    within_limit restore virtnbdrestore --quiet -L "$LAB/restore.log" \
        -i "$T/a" -o "$T/ra"
    within_limit "restore of lz4" virtnbdrestore --quiet \
        -L "$LAB/restore.log" -i "$T/b" -o "$T/rb"
    lab_snapshot_truth vm1 vda "$LAB/vda.raw"
    qemu-img compare -f raw -F qcow2 "$LAB/vda.raw" "$T/ra/a.qcow2"
    qemu-img compare -f raw -F qcow2 "$LAB/vda.raw" "$T/rb/a.qcow2"
    rm "$LAB/vda.raw"
}

# covers: B5:F
@test "ten disks at once" {
    local disks=() i
    for i in a b c d e f g h i j; do
        disks+=("vd$i=$i.qcow2,size=8G")
    done
    lab_domain vm1 "${disks[@]}"
    for i in a b c d e f g h i j; do
        lab_write vm1 "vd$i" 7 1G 32M
        lab_write vm1 "vd$i" 8 3G 16M
    done
    within_limit plain virtnbdbackup --quiet -d vm1 -l copy -o "$T/a"
    within_limit lz4 virtnbdbackup --quiet -z -d vm1 -l copy -o "$T/b"
    within_limit "lz4, level 12" virtnbdbackup --quiet --compress=12 -d vm1 -l copy \
        -o "$T/c"
}
