#!/usr/bin/env bats
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# kill.bats - a run is ended at system calls all over it: nothing is left, and
# the same command works again
#
# A first run under strace says which calls there are; then points are drawn
# from them (SEED), and strace sends the signal when the run gets there.
# sweep.bash does the same with SIGKILL.
bats_require_minimum_version 1.5.0
load ../lib/cli
load ../lib/inject
setup_file() {
    command -v strace >/dev/null || {
        echo "strace is not installed" >"$BATS_FILE_TMPDIR/skip"
        return 0
    }
    cli_setup_file
}
setup() { cli_setup; }
teardown() { cli_teardown; }
teardown_file() { cli_teardown_file; }

POINTS=${POINTS:-20}

start() {
    SEED=${SEED:-$RANDOM}
    echo "# SEED=$SEED" >&3
    lab_domain vm1 vda=a.qcow2,size=6M vdb=b.qcow2,size=3M
    random_disk vm1 vda 6291456 "$SEED"
    random_disk vm1 vdb 3145728 "$SEED"
    lab_snapshot_truth vm1 vda "$LAB/vda.raw"
    lab_snapshot_truth vm1 vdb "$LAB/vdb.raw"
    hits=0
}

# Nothing but logs and the lock is in a directory whose run was ended, or a
# complete point is.
clean_directory() {
    local left
    [ -d "$1" ] || return 0
    left=$(find "$1" -type f ! -name 'backup.*.log' ! -name '.*.lock')
    [ -z "$left" ] || [ -e "$1/manifest.virtnbdbackup.0.json" ] || {
        echo "left over: $left"
        return 1
    }
    find "$1" -type f | lacks 'partial|intent|new-'
}

restores() {
    restore -i "$1" -o verify && restore -i "$1" -o "$1.r" &&
        same "$1.r/a.qcow2" "$LAB/vda.raw" &&
        same "$1.r/b.qcow2" "$LAB/vdb.raw"
}

# kill_backup SIGNAL STATUS STRACE-OPTION...
kill_backup() {
    local signal=$1 expected=$2 name nth status
    shift 2
    start
    traced "$LAB/calls" "$@" virtnbdbackup -d vm1 -l full -o "$T/plain"
    while read -r name nth; do
        echo "signal $signal at $name #$nth"
        rm -rf "$T/b" "$T/b.r"
        status=0
        traced /dev/null "$@" -e "inject=$name:signal=$signal:when=$nth" \
            virtnbdbackup -d vm1 -l full -o "$T/b" || status=$?
        echo "status $status"
        [ $status = 0 ] || [ $status = "$expected" ] || [ $status = 1 ]
        [ $status = 0 ] || hits=$((hits + 1))
        lab_leftovers
        clean_directory "$T/b"
        if [ ! -e "$T/b/manifest.virtnbdbackup.0.json" ]; then
            backup -d vm1 -l full -o "$T/b"
        fi
        restores "$T/b"
    done < <(draw "$LAB/calls")
    [ $hits -ge $((POINTS / 2)) ]
}

# covers: B3:FC B8:F
@test "backup: SIGTERM at system calls of the main thread" {
    kill_backup TERM 143
}

# covers: B2:F B8:F
@test "backup: SIGINT at system calls of the main thread" {
    kill_backup INT 130
}

# covers: C7:F B3:F
@test "backup: SIGTERM while QEMU has not answered to the begin of the job" {
    local qemu status=0
    start
    qemu=$(lab_qemu vm1)
    kill -STOP "$qemu"
    lab_spawn virtnbdbackup -d vm1 -l copy -o "$T/b"
    until grep -qs '"checkpoint"' "$T"/b/intent.*; do
        kill -0 "$LAB_PID"
    done
    # The main thread waits for libvirt, libvirt for QEMU.
    sleep 0.2
    kill -TERM "$LAB_PID"
    wait "$LAB_PID" || status=$?
    kill -CONT "$qemu"
    [ $status = 143 ]
    lab_leftovers
    clean_directory "$T/b"
    backup -d vm1 -l copy -o "$T/b"
    restores "$T/b"
}
