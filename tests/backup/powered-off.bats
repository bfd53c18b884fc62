#!/usr/bin/env bats
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# powered-off.bats - domains that do not run: read from their images, or started
# for the time of the backup
bats_require_minimum_version 1.5.0
load ../lib/cli
load ../lib/points
setup_file() { cli_setup_file; }
setup() { cli_setup; }
teardown() { cli_teardown; }
teardown_file() { cli_teardown_file; }

guest() {
    lab_domain vm1 vda=a.qcow2,size=16M vdb=b.qcow2,size=3M
    lab_write vm1 vda 0x11 0 4M
    lab_write vm1 vdb 0x12 1M 512K
}

off() { lab_virsh destroy vm1; }

# off_io DISK COMMAND...: into the image of the domain that is off; its bitmaps
# notice it.
off_io() {
    local disk=$1
    shift
    lab_run qemu-io -f qcow2 -d unmap "$@" "$LAB_DISKS/${disk#vd}.qcow2"
}

# Nobody serves or holds an image any more.
all_released() {
    lab_processes | lacks qemu-nbd
    lab_run qemu-io -f qcow2 -c "write 0 512" "$LAB_DISKS/a.qcow2"
}

@test "copy: equal, and no server is left" {
    guest
    off
    off_io vda -c "discard 1M 64K" -c "write -z 2M 64K"
    remember copy vda vdb
    backup -d vm1 -l copy -o "$T/b"
    restores "$T/b" copy
    restore -i "$T/b" -o verify
    all_released
}

@test "copy, compressed, one disk at a time" {
    guest
    off
    remember copy vda vdb
    backup -d vm1 -l copy -z -w 1 -o "$T/b"
    restores "$T/b" copy
}

@test "a full becomes a copy, with a warning; so does auto's first" {
    local level
    guest
    off
    remember 0 vda vdb
    for level in full auto; do
        run backup -d vm1 -l $level -o "$T/$level"
        [ "$status" = 0 ]
        [[ $output == *"becomes a copy"* ]]
        [ -e "$T/$level/vda.copy.data" ]
        restores "$T/$level" 0
    done
    # On, auto makes the full that is missing.
    lab_virsh start vm1
    lab_write vm1 vda 0x21 8M 64K
    remember 1 vda vdb
    backup -d vm1 -l auto -o "$T/auto"
    [ "$(names "$T/auto")" = "copy virtnbdbackup.0" ]
    restores "$T/auto" 1
}

# covers: D10:ICR
@test "an increment becomes a diff: nothing before or behind it is lost" {
    guest
    remember 0 vda vdb
    backup -d vm1 -l full -o "$T/b"
    lab_write vm1 vda 0x21 5M 1M
    remember 1 vda vdb
    backup -d vm1 -l inc -o "$T/b"
    lab_write vm1 vda 0x31 7M 64K
    lab_write_zeroes vm1 vda 1M 64K
    off
    off_io vda -c "write -P 0x32 9M 64K" -c "write -z -u 5M 64K"
    off_io vdb -c "write -P 0x33 0 4K"
    remember off vda vdb
    run backup -d vm1 -l inc -o "$T/b"
    [ "$status" = 0 ]
    [[ $output == *"the increment becomes a diff"* ]]
    [ "$(jq -r '.disks[0].level' "$T"/b/manifest.diff.*.json)" = diff ]
    # Read was what has changed.
    [ "$(jq '.disks[0].dataSize' "$T"/b/manifest.diff.*.json)" -lt 1048576 ]
    lab_virsh start vm1
    lab_write vm1 vda 0x41 11M 64K
    remember 2 vda vdb
    backup -d vm1 -l inc -o "$T/b"
    restores "$T/b" 0 -u 0
    restores "$T/b" 1 -u virtnbdbackup.1
    restores "$T/b" off -u "$(cd "$T/b" && ls manifest.diff.* |
        sed 's/manifest\.\(.*\)\.json/\1/')"
    restores "$T/b" 2
    restore -i "$T/b" -o verify
}

# covers: D1:I
@test "a bitmap that is gone: that disk is saved whole" {
    guest
    backup -d vm1 -l full -o "$T/b"
    lab_write vm1 vda 0x21 5M 1M
    lab_write vm1 vdb 0x22 0 4K
    off
    lab_run qemu-img bitmap --remove "$LAB_DISKS/a.qcow2" virtnbdbackup.0
    remember 1 vda vdb
    run -1 backup -d vm1 -l diff -o "$T/b" --no-fallback
    run backup -d vm1 -l diff -o "$T/b"
    echo "$output"
    [ "$status" = 0 ]
    [[ $output == *"vda: saved whole in this point"* ]]
    [ "$(jq -r '.disks | map(.level) | join(" ")' \
        "$T"/b/manifest.diff.*.json)" = "full diff" ]
    restores "$T/b" 1
    all_released
}

@test "a bitmap that was switched off: that disk is saved whole" {
    guest
    backup -d vm1 -l full -o "$T/b"
    off
    lab_run qemu-img bitmap --disable "$LAB_DISKS/a.qcow2" virtnbdbackup.0
    off_io vda -c "write -P 0x77 6M 1M"
    off_io vdb -c "write -P 0x78 0 4K"
    remember 1 vda vdb
    backup -d vm1 -l inc -o "$T/b"
    [ "$(jq -r '.disks | map(.level) | join(" ")' \
        "$T"/b/manifest.diff.*.json)" = "full diff" ]
    restores "$T/b" 1
}

# covers: D3:I
@test "QEMU was killed, its bitmaps are not to be trusted: saved whole" {
    guest
    backup -d vm1 -l full -o "$T/b"
    lab_write vm1 vda 0x21 5M 1M
    lab_flush vm1 vda
    kill -KILL "$(lab_qemu vm1)"
    until [ "$(lab_virsh domstate vm1)" = "shut off" ]; do :; done
    remember 1 vda vdb
    run backup -d vm1 -l inc -o "$T/b"
    echo "$output"
    [ "$status" = 0 ]
    [ "$(jq -r '.disks | map(.level) | join(" ")' \
        "$T"/b/manifest.diff.*.json)" = "full full" ]
    restores "$T/b" 1
}

@test "an image that is in use is a clear error, and is not forced" {
    guest
    off
    lab_spawn qemu-nbd -f qcow2 -k "$LAB/tmp/busy" "$LAB_DISKS/b.qcow2"
    until [ -S "$LAB/tmp/busy" ]; do kill -0 "$LAB_PID"; done
    run backup -d vm1 -l copy -o "$T/b"
    kill "$LAB_PID"
    wait "$LAB_PID" || true
    rm -f "$LAB/tmp/busy"
    echo "$output"
    [ "$status" = 1 ]
    [[ $output == *"disk vdb"*"b.qcow2"*"in use"* ]]
    [ ! -e "$T/b/manifest.copy.json" ]
    run ! ls "$T"/b/*.data*
}

@test "the domain cannot be started while its images are read" {
    guest
    off
    lab_spawn virtnbdbackup -d vm1 -l copy -o "$T/b" --bwlimit 1M
    until ls "$T"/b/vda.copy.data.partial 2>/dev/null; do
        kill -0 "$LAB_PID"
    done
    run ! lab_virsh start vm1
    kill -TERM "$LAB_PID"
    status=0
    wait "$LAB_PID" || status=$?
    [ $status = 143 ]
    run ! ls "$T"/b/*.data*
    all_released
}

# covers: B1:F B8:F E16:F
@test "killed while images are read: no server is left, the same command works" {
    guest
    off
    lab_spawn virtnbdbackup -d vm1 -l copy -o "$T/b" --bwlimit 1M
    until ls "$T"/b/vda.copy.data.partial 2>/dev/null; do
        kill -0 "$LAB_PID"
    done
    kill -KILL "$LAB_PID"
    wait "$LAB_PID" || true
    lab_leftovers
    all_released
    remember copy vda vdb
    backup -d vm1 -l copy -o "$T/b"
    restores "$T/b" copy
}

# covers: C16:F
@test "start-domain: a full with a checkpoint, and off again" {
    guest
    off
    remember 0 vda vdb
    backup -d vm1 -l full -S -o "$T/b"
    [ "$(lab_virsh domstate vm1)" = "shut off" ]
    [ -e "$T/b/vda.full.data" ]
    [ "$(lab_virsh checkpoint-list vm1 --name)" = virtnbdbackup.0 ]
    off_io vda -c "write -P 0x32 9M 64K"
    remember 1 vda vdb
    backup -d vm1 -l inc -S -o "$T/b"
    [ "$(level "$T/b" virtnbdbackup.1)" = inc ]
    [ "$(lab_virsh domstate vm1)" = "shut off" ]
    restores "$T/b" 0 -u 0
    restores "$T/b" 1
}

# covers: C16:F
@test "start-domain: somebody lets it run meanwhile, so it goes on" {
    guest
    off
    lab_spawn virtnbdbackup -d vm1 -l full -S -o "$T/b" --bwlimit 2M \
        2>"$T/log"
    wait_for_job vm1 "$LAB_PID"
    lab_virsh resume vm1
    wait "$LAB_PID"
    [ "$(lab_virsh domstate vm1)" = running ]
    grep "somebody has let it run" "$T/log"
}

# covers: C16:F
@test "start-domain: failed, stopped and killed runs leave it off" {
    local signal status
    guest
    off
    for signal in TERM KILL; do
        status=0
        lab_spawn virtnbdbackup -d vm1 -l full -S -o "$T/b.$signal" \
            --bwlimit 1M
        wait_for_job vm1 "$LAB_PID"
        kill -$signal "$LAB_PID"
        wait "$LAB_PID" || status=$?
        [ $status -gt 128 ]
        lab_leftovers
        [ "$(lab_virsh domstate vm1)" = "shut off" ]
        [ -z "$(lab_virsh checkpoint-list vm1 --name)" ]
    done
    : >"$T/full"
    run ! backup -d vm1 -l full -S -o "$T/full"
    [ "$(lab_virsh domstate vm1)" = "shut off" ]
}

@test "start-domain does nothing to a running domain" {
    guest
    backup -d vm1 -l full -S -o "$T/b"
    [ "$(lab_virsh domstate vm1)" = running ]
}

@test "no job can be begun on it" {
    guest
    off
    run -1 backup -d vm1 -l copy -s -o "$T/b"
    [[ $output == *"powered off"* ]]
}

# covers: C16:F
@test "start-domain: the guest is off again after the run and its guardian died" {
    guest
    off
    lab_spawn virtnbdbackup -d vm1 -l full -S -o "$T/b" --bwlimit 1M
    wait_for_job vm1 "$LAB_PID"
    # shellcheck disable=SC2046
    kill -KILL $(lab_processes | awk '/--guardian/ { print $1 }') "$LAB_PID"
    wait "$LAB_PID" || true
    [ "$(lab_virsh domstate vm1)" = paused ]
    remember 0 vda vdb
    backup -d vm1 -l full -S -o "$T/b"
    [ "$(lab_virsh domstate vm1)" = "shut off" ]
    restores "$T/b" 0
}

@test "start-domain: the guest is stopped even if the target is gone" {
    guest
    off
    lab_spawn virtnbdbackup -d vm1 -l full -S -o "$T/b" --bwlimit 1M
    wait_for_job vm1 "$LAB_PID"
    mv "$T/b" "$T/elsewhere"
    kill -KILL "$LAB_PID"
    wait "$LAB_PID" || true
    while lab_processes | grep -q -- --guardian; do :; done
    [ "$(lab_virsh domstate vm1)" = "shut off" ]
    mv "$T/elsewhere" "$T/b"
    remember 0 vda vdb
    backup -d vm1 -l copy -o "$T/b"
    restores "$T/b" 0
}
