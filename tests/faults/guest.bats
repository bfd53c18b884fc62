#!/usr/bin/env bats
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# guest.bats - what happens to the hypervisor and the guest while a backup of
# any level runs: QEMU or libvirtd die or hang, scratch space runs out
bats_require_minimum_version 1.5.0
load ../lib/cli
load ../lib/points
setup_file() { cli_setup_file; }
setup() { cli_setup; }
teardown() {
    # Whatever a test has stopped, or else nothing could be cleaned up.
    [ -z "${STOPPED:-}" ] || kill -CONT $STOPPED 2>/dev/null || true
    ! mountpoint -q "$T/scratch" || umount -l "$T/scratch"
    cli_teardown
    [ -z "${FUSE_DIR:-}" ] || {
        umount -l "$FUSE_DIR/mnt" 2>/dev/null || true
        rm -rf "$FUSE_DIR"
    }
}
teardown_file() { cli_teardown_file; }

LEVELS="full inc diff"

# A guest with a full of it in $T/base, and 8 MiB changed since.
guest() {
    lab_domain vm1 vda=a.qcow2,size=16M
    lab_write vm1 vda 0x11 0 9M
    backup -d vm1 -l full -o "$T/base"
    change
}

# What is changed for the changes to be worth a while.
change() {
    lab_write vm1 vda 0x22 1M 8M
    lab_write_zeroes vm1 vda 3M 256K
}

# prepare LEVEL: a fresh $T/b for a run of that level, whose options are ARGS; a
# full is one of a chain of its own.
prepare() {
    local level=$1
    echo "level $level"
    rm -rf "$T/b"
    ARGS=(-d vm1 -l "$level" -o "$T/b")
    case $level in
    full) ARGS+=(--chain other) ;;
    *) lab_run cp -r "$T/base" "$T/b" ;;
    esac
}

# begin LEVEL [OPTION...]: such a run, slow enough for something to happen
# meanwhile.  Back when it has begun to write.  WITH: a variable of its
# environment.
begin() {
    local level=$1
    shift
    prepare "$level"
    lab_spawn env "${WITH:-RUN=1}" virtnbdbackup "${ARGS[@]}" \
        --bwlimit "${RATE:-4M}" "$@" 2>"$T/err"
    until ls "$T"/b/*.data.partial >/dev/null 2>&1; do
        kill -0 "$LAB_PID" || return 1
    done
}

# ends STATUS
ends() {
    local status=0
    wait "$LAB_PID" || status=$?
    cat "$T/err"
    [ "$status" = "$1" ]
}

# No point was made, and the points of before are whole.  (What can be undone in
# a running guest only is noted in the intent, for the next run.)
no_point() {
    lab_leftovers
    [ -z "$(find "$T/b" -name '*.partial' -o -name '*.new-*')" ]
    [ "$(lab_virsh domstate vm1)" != running ] || ! ls "$T"/b/intent.*
    if [ "$1" = full ]; then
        ! ls "$T"/b/manifest.*
    else
        [ "$(names "$T/b")" = virtnbdbackup.0 ]
        restore -i "$T/b" -o verify
    fi
}

# The same command works again, and what it makes is right.
works_again() {
    remember now
    backup "${ARGS[@]}"
    restores "$T/b" now
    restore -i "$T/b" -o verify
}

no_errors() {
    [ "$(lab_virsh domstate vm1)" = running ]
    lab_virsh domblkerror vm1 | grep 'No errors'
}

# covers: C1:FIDC E2:FID
@test "QEMU is killed in the middle" {
    local level
    guest
    for level in $LEVELS; do
        begin $level
        kill -KILL "$(lab_qemu vm1)"
        ends 1
        grep "shut off during" "$T/err"
        no_point $level
        lab_virsh start vm1
        change
        works_again
    done
}

# covers: C2:FID
@test "the guest is reset in the middle: it goes on; shut down: it fails" {
    local level
    guest
    for level in $LEVELS; do
        begin $level
        lab_virsh reset vm1
        ends 0
        lab_leftovers
        remember now
        restores "$T/b" now
    done
    for level in $LEVELS; do
        begin $level
        lab_virsh shutdown vm1 || true
        lab_virsh destroy vm1
        ends 1
        grep "shut off during" "$T/err"
        no_point $level
        lab_virsh start vm1
        works_again
    done
}

# covers: C4:FID
@test "libvirtd is killed in the middle: the point is made all the same" {
    local level
    guest
    for level in $LEVELS; do
        begin $level
        kill -KILL "$(lab_processes | awk '$2 ~ /libvirtd$/ { print $1 }')"
        lab_write vm1 vda 0x55 5M 64K || true
        ends 0
        lab_leftovers
        [ -e "$T/b/manifest.virtnbdbackup.$(
            [ $level != full ] || echo other.)0.json" ]
        restore -i "$T/b" -o verify
        works_again_as inc
    done
}

# works_again_as LEVEL: an increment goes upon it.
works_again_as() {
    lab_write vm1 vda 0x66 6M 64K
    remember now
    backup -d vm1 -l "$1" -o "$T/b"
    restores "$T/b" now
}

# Print the process id of libvirtd, which a question to it would start.
daemon() {
    lab_processes | awk '$2 ~ /libvirtd$/ { print $1 }'
}

guardians() {
    lab_processes | awk '/[-]-guardian/ { print $1 }'
}

# The guardian has done its work.
guardian_ends() {
    local i
    for ((i = 0; i < 1200; i++)); do
        [ -n "$(guardians)" ] || return 0
        sleep 0.1
    done
    lab_processes
    return 1
}

# committed LEVEL: it has made its point, the job is left and noted.
committed() {
    local name=virtnbdbackup.0
    case $1 in
    full) name=virtnbdbackup.other.0 ;;
    inc) name=virtnbdbackup.1 ;;
    diff) name=$(names "$T/b" | cut -d' ' -f2) ;;
    esac
    ls "$T"/b/intent.*
    restores "$T/b" before -u "$name"
    restore -i "$T/b" -o verify
}

# covers: C4:FID
@test "libvirtd is killed in the middle and stays away: the point is made, status 4" {
    local level
    guest
    for level in $LEVELS; do
        remember before
        # Nobody but us starts it again.
        WITH=LIBVIRT_AUTOSTART=0 begin $level --io-timeout 5
        kill -KILL "$(daemon)"
        ends 4
        grep "backup job of domain 'vm1' could not be ended" "$T/err"
        grep "virtnbdbackup -d vm1 -o $T/b -k" "$T/err"
        committed $level
        [ -z "$(daemon)" ]
        # Once it is back the guardian ends the job; if it has given up, which
        # takes it a minute, the next run does.
        if [ $level = full ]; then
            lab_virsh list
            guardian_ends
            none "$T"/b/intent.*
            lab_leftovers
        else
            [ -n "${SOAK:-}" ] || kill -KILL $(guardians)
            guardian_ends
            lab_virsh domjobinfo vm1 | grep 'Operation:.*Backup'
        fi
        works_again_as inc
        lab_leftovers
        none "$T"/b/intent.*
        restores "$T/b" before -u "$(names "$T/b" | awk '{ print $(NF - 1) }')"
    done
}

# A QMP command of the guest's QEMU.
qmp() {
    lab_virsh qemu-monitor-command vm1 "$1"
}

# swap_export: the export of vda shows another node, of 4 MiB.
swap_export() {
    local id
    id=$(qmp '{"execute":"query-block-exports"}' | jq -r '.return[].id')
    qmp '{"execute":"blockdev-add","arguments":{"driver":"null-co",
        "node-name":"other","size":4194304,"read-zeroes":true}}'
    qmp "{\"execute\":\"block-export-del\",\"arguments\":{\"id\":\"$id\",
        \"mode\":\"hard\"}}"
    qmp '{"execute":"block-export-add","arguments":{"type":"nbd","id":"other",
        "node-name":"other","name":"vda"}}'
}

# at_line TEXT COMMAND: the run of LAB_PID stops itself with every line that it
# writes (see below); do something when it has written that one, and go on to the
# end.
at_line() {
    local text=$1 seen=0 lines pid
    shift
    while kill -0 "$LAB_PID" 2>/dev/null; do
        lines=$(wc -l <"$T/err")
        [ "$lines" -gt $seen ] || continue
        seen=$lines
        pid=$(lab_processes |
            awk '/[v]irtnbdbackup -d vm1/ && !/strace/ { print $1; exit }')
        STOPPED=$pid
        ! tail -n 1 "$T/err" | grep "$text" || "$@"
        kill -CONT "$pid" || true
    done
}

# covers: E4:FID
@test "the export is of another size than the disk: refused, both are named" {
    command -v strace >/dev/null || skip "strace is not installed"
    local level
    guest
    for level in $LEVELS; do
        prepare "$level"
        : >"$T/err"
        lab_spawn env ASAN_OPTIONS=detect_leaks=0 strace -f -b execve -qq \
            -o "$LAB/strace" -P "$T/err" -e inject=write:signal=STOP \
            virtnbdbackup "${ARGS[@]}" 2>"$T/err"
        at_line "backup job started" swap_export
        ends 1
        grep "disk vda: its export has 4194304 bytes, but libvirt says that the disk has 16777216" "$T/err"
        no_point $level
        qmp '{"execute":"blockdev-del","arguments":{"node-name":"other"}}'
        works_again
    done
}

# covers: C10:FID
@test "scratch space runs out: the job ends before the guest is hurt" {
    [ "$(id -u)" = 0 ] || skip "mounting needs root"
    local level i
    guest
    mkdir "$T/scratch"
    mount -t tmpfs -o size=24m,mode=777 none "$T/scratch"
    for level in $LEVELS; do
        RATE=512K begin $level --scratchdir "$T/scratch" --scratch-reserve 20M
        for ((i = 0; i < 16; i++)); do
            lab_write vm1 vda 0x77 "$((i * 512))K" 512K
        done
        ends 1
        grep "ended before the guest runs out of space" "$T/err"
        no_errors
        no_point $level
        # Too little from the beginning: nothing is touched.
        run -1 backup "${ARGS[@]}" --scratchdir "$T/scratch" \
            --scratch-reserve 1G
        [[ $output == *"no room for scratch files"* ]]
        no_point $level
        works_again
    done
    umount "$T/scratch"
}

# covers: C15:ID
@test "killed while the guest is suspended, increments" {
    local level
    guest
    for level in inc diff; do
        echo "$level"
        # Slowed down, so that the kill comes in between.
        lab_spawn env ASAN_OPTIONS=detect_leaks=0 \
            strace -f -b execve -qq -o /dev/null \
            -e inject=sendto,sendmsg,write:delay_exit=2000 \
            virtnbdbackup -d vm1 -l $level --pause -o "$T/base"
        until [ "$(lab_virsh domstate vm1)" = paused ]; do
            kill -0 "$LAB_PID" || break
        done
        lab_processes | awk '/[v]irtnbdbackup -d vm1/ && !/strace/ { print $1 }' |
            xargs -r kill -KILL || true
        wait "$LAB_PID" || true
        lab_leftovers
        [ "$(lab_virsh domstate vm1)" = running ]
    done
}

# covers: C5:FIDC C7:FIDC
@test "libvirtd hangs in the middle: deadlines; the point is made, status 4" {
    local level
    guest
    for level in $LEVELS; do
        remember before
        STOPPED=$(daemon)
        begin $level --io-timeout 5
        kill -STOP "$STOPPED"
        ends 4
        grep "could not be ended.*libvirt did not answer" "$T/err"
        committed $level
        kill -CONT "$STOPPED"
        guardian_ends
        none "$T"/b/intent.*
        lab_leftovers
        works_again_as inc
    done
}

# covers: C5:RVM C7:RVM
@test "libvirtd and QEMU hang: restore and verify need neither" {
    local pid qemu
    guest
    remember 0
    backup -d vm1 -l inc -o "$T/base"
    pid=$(lab_processes | awk '$2 ~ /libvirtd$/ { print $1 }')
    qemu=$(lab_qemu vm1)
    STOPPED="$pid $qemu"
    kill -STOP "$pid" "$qemu"
    restores "$T/base" 0
    restore -i "$T/base" -o verify
    kill -CONT "$pid" "$qemu"
}

# fuse_target: a file system whose server can be stopped, at $FUSE_DIR/mnt; not in
# the lab, which would take its server for a left-over.
fuse_target() {
    FUSE_DIR=$(mktemp -d /tmp/vf.XXXXXX)
    chmod 755 "$FUSE_DIR"
    truncate -s 200M "$FUSE_DIR/ext4"
    mkfs.ext4 -q -E root_owner="$(id -u "$LAB_USER"):$(id -g "$LAB_USER")" \
        "$FUSE_DIR/ext4"
    mkdir "$FUSE_DIR/mnt"
    fuse2fs -f -o allow_other "$FUSE_DIR/ext4" "$FUSE_DIR/mnt" >/dev/null \
        2>&1 3>&- &
    FUSE=$!
    STOPPED=$FUSE
    until mountpoint -q "$FUSE_DIR/mnt"; do
        kill -0 "$FUSE"
    done
}

# Wait until the run says that a file system does not answer.
given_up() {
    local i
    for ((i = 0; i < 300; i++)); do
        ! grep -q "does not answer" "$T/err" || return 0
        sleep 0.1
    done
    echo "it goes on waiting"
    cat "$T/err"
    kill -CONT "$FUSE"
    return 1
}

# covers: A7:FID
@test "the target hangs: the guest's job is ended, and the run" {
    [ "$(id -u)" = 0 ] || skip "mounting needs root"
    command -v fuse2fs >/dev/null || skip "fuse2fs is not installed"
    local level
    guest
    fuse_target
    for level in $LEVELS; do
        echo "$level"
        ARGS=(-d vm1 -l "$level" -o "$FUSE_DIR/mnt/$level")
        if [ $level = full ]; then
            ARGS+=(--chain other)
        else
            lab_run cp -r "$T/base" "$FUSE_DIR/mnt/$level"
        fi
        lab_spawn virtnbdbackup "${ARGS[@]}" --bwlimit 2M --io-timeout 1 \
            2>"$T/err"
        until ls "$FUSE_DIR/mnt/$level"/*.data.partial >/dev/null 2>&1; do
            kill -0 "$LAB_PID"
        done
        kill -STOP "$FUSE"
        # The guest is safe although nobody answers yet.
        given_up
        lab_virsh domjobinfo vm1 | grep 'None'
        lab_write vm1 vda 0x77 5M 64K
        kill -CONT "$FUSE"
        ends 1
        for ((i = 0; i < 200; i++)); do
            [ -n "$(find "$FUSE_DIR/mnt/$level" -name '*.partial' -o -name 'intent.*')" ] ||
                break
            sleep 0.05
        done
        lab_leftovers
        works_again_in $level
    done
    umount "$FUSE_DIR/mnt"
    wait "$FUSE"
}

# The same command works there, and what it makes is right.
works_again_in() {
    lab_snapshot_truth vm1 vda "$LAB/now.raw"
    backup "${ARGS[@]}"
    restore -i "$FUSE_DIR/mnt/$1" -o "$LAB_TARGET/r"
    same "$LAB_TARGET/r/a.qcow2" "$LAB/now.raw"
    rm -rf "$LAB_TARGET/r"
}

# covers: A7:RV E3:R
@test "the target of a restore hangs, and then the backup does" {
    [ "$(id -u)" = 0 ] || skip "mounting needs root"
    command -v fuse2fs >/dev/null || skip "fuse2fs is not installed"
    local calls
    guest
    fuse_target
    kill -STOP "$FUSE"
    lab_spawn virtnbdrestore -L "$LAB/restore.log" -i "$T/base" \
        -o "$FUSE_DIR/mnt/r" --io-timeout 1 2>"$T/err"
    given_up
    kill -CONT "$FUSE"
    ends 1
    remember 0
    restore -i "$T/base" -o "$FUSE_DIR/mnt/r"
    lab_run cp -r "$T/base" "$FUSE_DIR/mnt/b"
    # At the start, and in the middle of the data (2 MiB a read).
    for calls in 0 2; do
        [ $calls != 0 ] || kill -STOP "$FUSE"
        : >"$LAB/calls"
        chmod 666 "$LAB/calls"
        lab_spawn env ASAN_OPTIONS=detect_leaks=0 strace -f -qq -b execve \
            -o "$LAB/calls" -e inject=pread64:delay_enter=20000 \
            virtnbdrestore -L "$LAB/restore.log" -i "$FUSE_DIR/mnt/b" \
            -o verify --io-timeout 1 2>"$T/err"
        until [ "$(grep -cE 'pread64.* [0-9]{7}, ' "$LAB/calls")" -ge $calls ]; do
            kill -0 "$LAB_PID"
        done
        kill -STOP "$FUSE"
        given_up
        kill -CONT "$FUSE"
        ends 1
    done
    umount "$FUSE_DIR/mnt"
    wait "$FUSE"
}
