#!/usr/bin/env bash
# shellcheck disable=SC1090,SC1091,SC2034
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# bench.bash - ours beside the Python suite and beside what the machine can do
#
# usage: bench.bash BUILD_DIRECTORY [SCENARIO...]
#
# A scenario is a file of scenarios/, without arguments all of them.  Its
# contenders (ours, the peer, the limits) run in turn, in every round in another
# order, because only ratios inside one run mean something: machines are noisy.
# Prints a table of medians, the ratios beside the goals, and what a user of this
# machine should expect; the same as JSON, in the file JSON.
#
# From the environment:
#   ROUNDS  how often (3)
#   GIB     size of the guest's disk (4); 64 % of it is filled
#   TARGET  directory on the file system to write to (TMPDIR or /tmp)
#   FAST    directory for the guest's disk (/dev/shm): the source should not be
#           what is measured
#   REST    seconds of rest before each run (2): what a hosted disk lets through
#           is often a bucket that fills with time
#   KEEP    a directory that keeps guests' disks for the next run
#   JSON    file for the results (BUILD_DIRECTORY/bench.json)
#
# A scenario is a few bash functions and two lists:
#   contenders=(ours peer read)
#   goals=('peer / ours >= 5')   expressions over the contenders' values
#   about='one line'
#   prepare      once, before the first round; may be missing
#   run_NAME     one run of the contender NAME: gets ready, and then calls
#                `timed NAME COMMAND...` or `record NAME VALUE UNIT`
#   finish       after the last round; may be missing
# What they use is below, in guests.bash and in sets.bash.  A contender whose program is
# missing is left out: `needs NAME PROGRAM` in prepare.
#
# Exit status: 0 measured, whatever the figures say; 1 something failed.

set -u
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
. "$here/../lib/lab.bash"
. "$here/guests.bash"
. "$here/sets.bash"

die() {
    echo "bench: $*" >&2
    exit 1
}

# On a terminal: what is going on.
say() {
    [ ! -t 2 ] || printf '\r\033[K%s' "$*" >&2
}

# record NAME VALUE UNIT [PEAK_KIB [BYTES]]: what a contender did in this round.
record() {
    printf '%s\t%s\t%s\t%s\t%s\t%s\t%s\n' "$SCENARIO" "$ROUND" "$1" "$2" "$3" \
        "${4:-}" "${5:-}" >>"$BENCH/results"
}

# timed NAME COMMAND...: run it in the lab, record wall time and peak memory.
# BYTES in the environment: how many it moved, for the rate.
timed() {
    local name=$1 seconds peak
    shift
    if ! python3 "$here/measure.py" "$BENCH/measured" \
        "${LAB_AS[@]}" env -i "${LAB_ENV[@]}" "$@" \
        >"$BENCH/log.$SCENARIO.$name" 2>&1; then
        tail -n 20 "$BENCH/log.$SCENARIO.$name" >&2
        die "$SCENARIO: $name failed: $*"
    fi
    read -r seconds peak <"$BENCH/measured"
    record "$name" "$seconds" s "$peak" "${BYTES:-}"
}

# needs NAME PROGRAM: without the program the contender does not take part.
needs() {
    local i
    command -v "$2" >/dev/null && return
    echo "bench: $2 is not installed: $SCENARIO without '$1'" >&2
    for i in "${!contenders[@]}"; do
        [ "${contenders[i]}" = "$1" ] && unset "contenders[i]"
    done
    contenders=("${contenders[@]}")
}

# settle FILE...: have the machine write out what others left, rest, and forget
# what it remembers of these files.
settle() {
    local file
    sync
    sleep "$REST"
    for file in "$@"; do
        dd if="$file" iflag=nocache count=0 status=none
    done
}

# One scenario, in a shell of its own.
run_scenario() {
    local name
    about='' contenders=() goals=()
    . "$here/scenarios/$SCENARIO.bash"
    say "$SCENARIO: getting ready"
    ROUND=0
    if declare -F prepare >/dev/null; then
        prepare || die "$SCENARIO: could not get ready"
    fi
    printf '%s\n' "$about" >"$BENCH/about.$SCENARIO"
    printf '%s\n' "${goals[@]}" >"$BENCH/goals.$SCENARIO"
    for ((ROUND = 1; ROUND <= ROUNDS; ROUND++)); do
        # Shuffled: whoever always followed the same one would profit or suffer.
        for name in $(shuf -e "${contenders[@]}"); do
            say "$SCENARIO: round $ROUND of $ROUNDS: $name"
            "run_$name" || die "$SCENARIO: $name failed"
        done
    done
    if declare -F finish >/dev/null; then
        finish
    fi
    rm -rf "${BENCH_TARGET:?}"/*
    say ""
}

# Undo everything, however we end.
end() {
    lab_stop
    rm -rf "${BENCH:?}" "${BENCH_TARGET:?}"
}

[ $# -ge 1 ] || { sed -n 's/^# \(usage:\)/\1/p' "$0" >&2; exit 64; }
build=$(cd "$1" && pwd) || exit 64
shift
ROUNDS=${ROUNDS:-3}
GIB=${GIB:-4}
REST=${REST:-2}
if [ $# -eq 0 ]; then
    mapfile -t names < <(basename -s .bash -a "$here"/scenarios/*.bash)
    set -- "${names[@]}"
fi
for name in "$@"; do
    [ -f "$here/scenarios/$name.bash" ] || die "there is no scenario '$name'"
done
why=$(lab_requires) || die "$why"
BENCH=$(mktemp -d "${FAST:-/dev/shm}/vnb-bench.XXXXXX") || exit 1
BENCH_TARGET=$(mktemp -d "${TARGET:-${TMPDIR:-/tmp}}/vnb-bench.XXXXXX") || exit 1
trap end EXIT
trap 'exit 130' INT TERM
lab_start || exit 1
chown "$LAB_USER" "$BENCH" "$BENCH_TARGET"
chmod 711 "$BENCH" "$BENCH_TARGET"
lab_bin "$build"/backup/virtnbdbackup "$build"/restore/virtnbdrestore \
    "$build"/map/virtnbdmap || exit 1
: >"$BENCH/results"
status=0
for SCENARIO in "$@"; do
    (run_scenario) || status=1
done
python3 "$here/report.py" "$BENCH" "${JSON:-$build/bench.json}" "$@" || status=1
exit $status
