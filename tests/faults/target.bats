#!/usr/bin/env bats
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# target.bats - targets that fail increments and differentials as they fail
# fulls: the points of before stay, and the same command works again
bats_require_minimum_version 1.5.0
load ../lib/cli
load ../lib/points
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

guest() {
    lab_domain vm1 vda=a.qcow2,size=8M
    lab_write vm1 vda 0x11 0 4M
    backup -d vm1 -l full -o "$T/base"
    lab_write vm1 vda 0x22 1M 1M
    remember 1
}

# fails TEXT COMMAND...: with status 1, TEXT in the last words, and only the
# full in $T/b, whole.
fails() {
    local text=$1
    shift
    run -1 "$@"
    echo "$output"
    [[ $output == *"$text"* ]]
    lab_leftovers
    [ "$(names "$T/b")" = virtnbdbackup.0 ]
    [ -z "$(find "$T/b" -name '*.partial' -o -name '*.new-*' -o -name 'intent.*')" ]
}

fresh() {
    rm -rf "$T/b"
    lab_run cp -r "$T/base" "$T/b"
}

# covers: A1:ID A2:ID A5:ID
@test "quota, limits, read-only, permission, at data and manifest" {
    local level call error text
    guest
    while read -r level call error text; do
        echo "$level $call $error"
        fresh
        fails "$text" faulty -e "inject=$call:error=$error:when=1" \
            virtnbdbackup -d vm1 -l $level -o "$T/b"
    done <<'CASES'
inc pwrite64 EDQUOT quota
diff pwrite64 EFBIG ulimit
diff pwrite64 ENOSPC free some space
inc renameat2 EROFS Read-only
diff renameat2 EACCES Permission denied
diff fsync ENOSPC No space left
CASES
    # A limit for the size of files, for real.
    for level in inc diff; do
        fresh
        fails "ulimit" bash -c "ulimit -f 600; $(declare -p LAB_AS LAB_ENV)
            exec \"\${LAB_AS[@]}\" env -i \"\${LAB_ENV[@]}\" \
            virtnbdbackup -d vm1 -l $level --no-sparse-detection -o '$T/b'"
        backup -d vm1 -l $level -o "$T/b"
        restores "$T/b" 1
    done
}

# covers: A6:ID A5:ID
@test "a directory that cannot be written to: refused before anything is done" {
    local level
    guest
    fresh
    chmod -R a-w "$T/b"
    for level in inc diff; do
        run -1 backup -d vm1 -l $level -o "$T/b"
        [[ $output == *"$T/b"* || $output == *"ermission denied"* ]]
        lab_leftovers
        [ "$(names "$T/b")" = virtnbdbackup.0 ]
        [ "$(lab_virsh checkpoint-list vm1 --name)" = virtnbdbackup.0 ]
        run -1 backup -d vm1 -l $level -o "$T/nothing"
        [[ $output == *full* ]]
    done
    chmod -R u+w "$T/b"
    backup -d vm1 -l inc -o "$T/b"
    restores "$T/b" 1
}

# covers: B2:ID
@test "SIGINT in the middle of an increment and a differential" {
    local level status
    guest
    for level in inc diff; do
        fresh
        lab_spawn virtnbdbackup -d vm1 -l $level --bwlimit 256K -o "$T/b"
        until ls "$T"/b/*.data.partial >/dev/null 2>&1; do
            kill -0 "$LAB_PID"
        done
        kill -INT "$LAB_PID"
        status=0
        wait "$LAB_PID" || status=$?
        [ $status = 130 ]
        lab_leftovers
        [ "$(names "$T/b")" = virtnbdbackup.0 ]
        ! ls "$T"/b/*.partial "$T"/b/intent.*
        backup -d vm1 -l $level -o "$T/b"
        restores "$T/b" 1
    done
}

# covers: B2:R B3:R
@test "SIGINT and SIGTERM in the middle of a restore" {
    local signal status
    guest
    for signal in INT TERM; do
        lab_spawn env ASAN_OPTIONS=detect_leaks=0 strace -f -b execve -qq \
            -o /dev/null -e inject=fsync:delay_enter=3000000 \
            virtnbdrestore -L "$LAB/restore.log" -i "$T/base" -o "$T/r"
        until [ -n "$(ls -A "$T/r" 2>/dev/null)" ]; do
            kill -0 "$LAB_PID"
        done
        pid=$(lab_processes |
            awk '/[v]irtnbdrestore -L/ && !/strace/ { print $1; exit }')
        kill -$signal "$pid"
        status=0
        wait "$LAB_PID" || status=$?
        [ $status = $((128 + $(kill -l $signal))) ]
        lab_leftovers
        [ -z "$(ls -A "$T/r")" ]
        restore -i "$T/base" -o "$T/r"
        rm -rf "$T/r"
    done
}

# covers: F21:FIR
@test "directories whose names are patterns, options or quotes" {
    local dir
    guest
    mkdir "$T/-o [b]*"
    chown --reference "$T" "$T/-o [b]*"
    # What looks for left-overs afterwards must not be in there itself.
    (
        cd "$T/-o [b]*"
        for dir in "[x]*?" "./-i" "it's \"b\" \$(c)"; do
            lab_virsh checkpoint-delete vm1 virtnbdbackup.0 || true
            backup -d vm1 -l full -o "$dir"
            run -1 backup -d vm1 -l full -o "$dir"
            [[ $output == *"already holds"* ]]
            backup -d vm1 -l inc -o "$dir"
            restore -i "$dir" -o verify
            restore -i "$dir" -o "$dir/r"
            same "$dir/r/a.qcow2" "$T/truth.1.vda"
        done
    )
}
