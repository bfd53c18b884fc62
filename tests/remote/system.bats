#!/usr/bin/env bats
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# system.bats - root on a hypervisor: qemu:///system, and QEMU as another user

load ../lib/cli
load ../lib/remote

setup_file() { far_setup_file; }
setup() {
    far_setup
    S=$FAR_SHARED/$BATS_TEST_NUMBER
    mkdir "$S" "$S/bin"
    cp "$BACKUP" "$RESTORE" "$S/bin"
}
teardown() {
    rm -rf "$S"
    far_teardown
}
teardown_file() { far_teardown_file; }

# here PROGRAM...: run it on the hypervisor.
here() {
    far_run env "ASAN_OPTIONS=${ASAN_OPTIONS:-}" "$@"
}

saves() {
    here "$S/bin/virtnbdbackup" -n -d vm1 -o "$S/b" "$@"
}

# A guest that writes before each of the runs that follow.
guest() {
    far lab_domain vm1 vda=a.qcow2,size=16M vdb=b.qcow2,size=8M
    far_baseline
}

writes() {
    far lab_write vm1 vda "$1" "$1M" 300K
    far lab_write vm1 vdb "$1" "$(($1 * 64))K" 64K
}

remember() {
    far lab_snapshot_truth vm1 vda "$LAB/vda.raw"
    far lab_snapshot_truth vm1 vdb "$LAB/vdb.raw"
}

restores() {
    here "$S/bin/virtnbdrestore" -n -i "$S/b" -o "$S/r" "$@"
    same "$S/r/a.qcow2" "$LAB/vda.raw"
    same "$S/r/b.qcow2" "$LAB/vdb.raw"
    rm -r "$S/r"
}

@test "full, inc and diff of a guest that runs and that does not" {
    local n=1 level
    guest
    for level in full inc inc diff; do
        writes $n
        n=$((n + 1))
        saves -l $level
        remember
        far_leftovers
        restores
    done
    [ "$(stat -c '%a %U' "$S/b")" = '700 root' ]
    [ -z "$(find "$S/b" -type f ! -perm 600)" ]
    far lab_virsh shutdown vm1 --mode acpi || true
    far lab_virsh destroy vm1
    saves -l inc
    far_leftovers
    restores
}

@test "it is confined" {
    command -v strace >/dev/null || skip "strace is not installed"
    guest
    writes 1
    here env ASAN_OPTIONS=detect_leaks=0 strace -f -qq -o "$S/trace" \
        -e trace=landlock_create_ruleset,landlock_restrict_self,execve \
        "$S/bin/virtnbdbackup" -n -d vm1 -l full -o "$S/b"
    grep -q 'landlock_create_ruleset(NULL.*= [2-9]' "$S/trace" ||
        skip "this kernel has no sandbox for who writes"
    grep -q "^$(sed -n '1s/ .*//p' "$S/trace") .*restrict_self(.*= 0" "$S/trace"
}

@test "killed in the middle: nothing stays, and the next run works" {
    local i signal
    guest
    far lab_write vm1 vda 0x11 0 12M
    for signal in KILL TERM; do
        rm -rf "$S/b"
        here "$S/bin/virtnbdbackup" -n -d vm1 -o "$S/b" -l full \
            --bwlimit 2M >"$S/out" 2>&1 &
        for ((i = 0; i < 1000; i++)); do
            far lab_virsh domjobinfo vm1 | grep -q 'Operation:.*Backup' && break
            kill -0 $!
            sleep 0.01
        done
        far_run pkill -$signal -x virtnbdbackup
        ! wait $!
        far_leftovers
        saves -l full
        remember
        restores
        far_leftovers
    done
}

@test "restored and defined, and it starts" {
    guest
    writes 1
    saves -l full
    remember
    far lab_virsh destroy vm1
    here bash -c 'umask 077; exec "$@"' - "$S/bin/virtnbdrestore" -n \
        -i "$S/b" -o "$LAB/far/disks/new/r" -D -c --name vm2 2>"$S/said"
    lacks "gets through" "$S/said"
    far_run qemu-img convert -O raw "$LAB/far/disks/new/r/a.qcow2" "$S/a.raw"
    cmp "$S/a.raw" "$LAB/vda.raw"
    far lab_virsh start vm2
    far lab_virsh domstate vm2 | grep -q running
    far_run mkdir -m 700 "$LAB/far/disks/own"
    here "$S/bin/virtnbdrestore" -n -i "$S/b" -o "$LAB/far/disks/own" -D \
        --name vm3 2>"$S/said"
    grep -q "nobody but its owner gets through '$LAB/far/disks/own'" "$S/said"
}
