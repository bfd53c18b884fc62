#!/usr/bin/env bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# sweep.bash - a full, an increment and a restore, killed at every system call,
# and with every system call on their files failing
#
# covers: A1:FIC A2:FIC A3:FIR A4:FIR A5:FIR B1:FICR B8:FIR E15:R
#
# usage: sweep.bash [--seed S] [--kill N] [--fail N] [--short N] [--state FILE]
#            [--op OP]... [--keep-going] [--verbose]
#
# BACKUP and RESTORE in the environment are the programs under test, SHORT_IO
# the library of short-io.c.  A first run of each OP (full, inc, restore) under
# strace says which calls there are.  Then, in an order drawn from the seed:
#
#   --kill N   N of them at which SIGKILL comes, in whichever thread
#   --fail N   N of those on files of ours that fail: ENOSPC, EDQUOT, EIO,
#              EINTR, or EMFILE, as each can
#   --short N  N runs whose reads and writes fall short at random
#
# "all" instead of a number is every one of them (--short: 100).  After each:
# nothing is left over; a run that was not killed has said 0 or 4 if and only if
# the point is there; the same command works, what the first one missed is in
# its point, and every point restores to what the disks held.  A restore leaves
# all of its files or none.
#
# With --state, what was done is appended to FILE, and is not done again when
# the same command continues.  The last line counts.  Status 1: something was
# not as it must be; --keep-going looks on.
#
# Where nothing of a run can exist yet, before its intent is written (inc,
# full) or its target directory opened (restore), only every tenth point is
# followed by the next run.

set -u
here=$(dirname "${BASH_SOURCE[0]}")
. "$here/../lib/cli.bash"
. "$here/../lib/inject.bash"
. "$here/sweep-ops.bash"

usage() {
    sed -n 's/^# usage: //p;s/^#            \[--op/    [--op/p' "$0" >&2
    exit 64
}

SEED=${SEED:-$((RANDOM * 32768 + RANDOM))}
KILL=0 FAIL=0 SHORT=0
STATE=
OPS=()
KEEP_GOING=
VERBOSE=
while [ $# -gt 0 ]; do
    case $1 in
    --kill | --fail | --short)
        [[ ${2:-} =~ ^([0-9]+|all)$ ]] || usage
        declare "$(tr '[:lower:]' '[:upper:]' <<<"${1#--}")=$2"
        shift
        ;;
    --seed) [[ ${2:-} =~ ^[0-9]+$ ]] || usage; SEED=$2; shift ;;
    --state) STATE=${2:?}; shift ;;
    --op) OPS+=("${2:?}"); shift ;;
    --keep-going) KEEP_GOING=1 ;;
    --verbose) VERBOSE=1 ;;
    *) usage ;;
    esac
    shift
done
[ ${#OPS[@]} -gt 0 ] || OPS=(full inc restore)

# points OP: what there is to try, in the order drawn, as "OP FAULT CALL NTH
# EARLY"; what the state file has is left out.
points() {
    /usr/bin/python3 "$here/sweep-points.py" "$1" "$LAB" "$LAB/calls.$1" \
        "$SEED" "$KILL" "$FAIL" "$SHORT" "${STATE:-/dev/null}"
}

# note RESULT POINT...
note() {
    local result=$1
    shift
    counts[$result]=$((${counts[$result]:-0} + 1))
    [ -z "$STATE" ] || echo "$* $result" >>"$STATE"
}

# One point, in a subshell: status 0 and a word for the count in $LAB/result.
try() {
    RANDOM=$((SEED + number))
    echo hit >"$LAB/result"
    "try_$1" "$2" "$3" "$4" "$5"
}

sweep() {
    local op fault call nth early result number=0
    while read -r op fault call nth early; do
        number=$((number + 1))
        [ -z "$VERBOSE" ] || echo "$op: $fault at $call #$nth"
        (set -e; try "$op" "$fault" "$call" "$nth" "$early") \
            >"$LAB/said" 2>&1 </dev/null &
        running=$!
        if wait $running; then
            result=$(cat "$LAB/result")
            note "$result" "$op" "$fault" "$call" "$nth"
            continue
        fi
        bad=$((bad + 1))
        note WRONG "$op" "$fault" "$call" "$nth"
        echo "WRONG: $op: $fault at $call #$nth (seed $SEED)"
        sed 's/^/    /' "$LAB/said"
        tail -n 20 "$LAB/hit" 2>/dev/null | sed 's/^/    /'
        [ -n "$KEEP_GOING" ] || return 0
        begin_anew
    done
}

why=$(lab_requires) || { echo "skipped: $why"; exit 77; }
for tool in jq strace; do
    command -v $tool >/dev/null || { echo "skipped: no $tool"; exit 77; }
done
echo "seed $SEED"
declare -A counts=()
bad=0
running=
lab_start || exit 1
trap '[ -z "$running" ] || kill "$running" 2>/dev/null; lab_stop' EXIT
trap 'exit 143' TERM
trap 'exit 130' INT
T=$LAB_TARGET
lab_bin "$BACKUP" "$RESTORE" ${SHORT_IO:+"$SHORT_IO"} || exit 1
begin_anew || exit 1
for op in "${OPS[@]}"; do
    "trace_$op" || { echo "the first $op does not work"; exit 1; }
done
[ -z "$STATE" ] || : >>"$STATE" || exit 1
for op in "${OPS[@]}"; do
    points "$op" || exit 1
done >"$LAB/drawn"
/usr/bin/python3 -c '
import random, sys
lines = sys.stdin.readlines()
random.Random(int(sys.argv[1])).shuffle(lines)
sys.stdout.writelines(lines)' "$SEED" <"$LAB/drawn" >"$LAB/points"
echo "$(wc -l <"$LAB/points") points to try"
sweep <"$LAB/points"
for result in "${!counts[@]}"; do
    echo "$result ${counts[$result]}"
done | sort | xargs echo "points:"
[ $bad = 0 ]
