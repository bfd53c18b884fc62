#!/usr/bin/env bats
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# sync.bats - the disk of the target is full, or fails, at every point where a
# run makes something durable: the intent, the data, the index, the small files,
# the manifest, the list of checkpoints
#
# strace lets the n-th fsync fail, for n = 1, 2, ... until a run passes without.
bats_require_minimum_version 1.5.0
load ../lib/cli
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

# failing CALL ERROR NTH COMMAND...
failing() {
    local call=$1 error=$2 nth=$3
    shift 3
    lab_run env ASAN_OPTIONS=detect_leaks=0 strace -f -b execve -qq -o "$LAB/calls" \
        -e "inject=$call:error=$error:when=$nth" "$@"
}

# The n-th fsync of the process fails, whichever thread it is: strace counts
# in each, so the threads' own first ones are met too.
sweep() {
    local call=$1 error=$2 nth status failed=0
    lab_domain vm1 vda=a.qcow2,size=4M
    lab_write vm1 vda 0x11 1M 1M
    backup -d vm1 -l full -o "$T/base"
    lab_write vm1 vda 0x22 2M 256K
    for ((nth = 1; nth < 60; nth++)); do
        rm -rf "$T/b" "$T/r"
        lab_run cp -r "$T/base" "$T/b"
        lab_snapshot_truth vm1 vda "$LAB/vda.raw"
        status=0
        failing "$call" "$error" "$nth" virtnbdbackup -d vm1 -l inc -o "$T/b" \
            2>"$LAB/err" || status=$?
        grep -q INJECTED "$LAB/calls" || break
        failed=$((failed + 1))
        echo "$call #$nth $error: status $status"
        cat "$LAB/err"
        lab_leftovers
        ls "$T/b" >"$LAB/files"
        if [ $status = 1 ]; then
            # Nothing of the point is there, and what was before is whole.
            lacks '^vda.*inc|partial|manifest.*\.1\.' "$LAB/files"
            restore -i "$T/b" -o verify
        else
            [ $status = 0 ] || [ $status = 4 ]
            ls "$T"/b/manifest.virtnbdbackup.[1-9]*.json
        fi
        backup -d vm1 -l inc -o "$T/b"
        restore -i "$T/b" -o "$T/r"
        same "$T/r/a.qcow2" "$LAB/vda.raw"
    done
    [ $status = 0 ]
    [ $failed -ge 4 ]
}

# covers: A1:IC A2:IC
@test "no space at any fsync" {
    sweep fsync ENOSPC
}

# covers: A3:I
@test "an I/O error at any fsync" {
    sweep fsync EIO
}

# covers: A2:IC
@test "no space at any rename" {
    sweep renameat2 ENOSPC
}

# covers: A1:F
@test "no space on the data file, first and later writes" {
    local nth
    lab_domain vm1 vda=a.qcow2,size=16M
    lab_write vm1 vda 0x11 0 16M
    for nth in 1 2 3; do
        run failing pwrite64 ENOSPC "$nth" virtnbdbackup -d vm1 -l full -o "$T/b"
        [ "$status" = 1 ]
        [[ $output == *vda.full.data* ]]
        lab_leftovers
        [ -z "$(find "$T/b" -name '*.data*')" ]
    done
    backup -d vm1 -l full -o "$T/b"
}
