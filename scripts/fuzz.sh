#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# fuzz.sh - search for inputs that break something (tests/fuzz/fuzz.h)
#
# usage: TARGET=... RUNS=... JOBS=... scripts/fuzz.sh
#        scripts/fuzz.sh --minimise [TARGET...]
#
# Builds the fuzzers with clang, libFuzzer, AddressSanitizer and
# UndefinedBehaviorSanitizer in build-fuzz/, and lets each of them try RUNS
# inputs (default: 1000000), JOBS of them at a time (default: 1), all or those
# named in TARGET ("stream index").  What they found useful is kept in
# build-fuzz/kept/, so that the next run goes on from there; what breaks
# something goes to build-fuzz/found/ and makes this fail.  How many inputs were
# tried in all is added up in build-fuzz/executions.
#
# --minimise  put the smallest set of inputs that reaches as much as all that
#             are kept into tests/fuzz/corpus/, for `make check` to replay;
#             files with names of ours (regressions, examples) stay
#
# Exit status: 0 nothing was found, 1 something was, 64 wrong usage.

set -u
cd "$(dirname "$0")/.." || exit 1

runs=${RUNS:-1000000}
jobs=${JOBS:-1}
build='build-fuzz'
max_size=2048

# Speed is what makes a search thorough: no stacks of allocations (a replay
# shows them), and memory that was freed is used again earlier.
export ASAN_OPTIONS="malloc_context_size=0:quarantine_size_mb=4:\
thread_local_quarantine_size_kb=256:allocator_release_to_os_interval_ms=-1"
export UBSAN_OPTIONS=halt_on_error=1:print_stacktrace=1

all_targets() {
    for source in tests/fuzz/fuzz-*.c; do
        target=${source##*/fuzz-}
        target=${target%.c}
        [ "$target" = main ] || echo "$target"
    done
}

# The inputs of the repository.
corpus() {
    case $1 in
    rewrite) echo tests/restore/config ;;
    *) echo "tests/fuzz/corpus/$1" ;;
    esac
}

build() {
    if [ ! -f $build/build.ninja ]; then
        CC="${CC:-clang}" meson setup $build -Dfuzzing=true -Db_lundef=false \
            -Db_sanitize=address,undefined -Doptimization=2 -Ddebug=true \
            >$build.log 2>&1 || {
            cat $build.log >&2
            rm -rf $build.log $build
            return 1
        }
        rm -f $build.log
    fi
    for target in $targets; do
        echo "tests/fuzz/fuzz-$target"
    done | xargs ninja -C $build --quiet
}

# One search; its last words say how much was tried.
search() {
    target=$1
    mkdir -p "$build/kept/$target" $build/found
    log=$build/kept/$target.log
    $build/tests/fuzz/fuzz-"$target" -runs="$runs" -max_len=$max_size \
        -timeout=20 -rss_limit_mb=2000 -print_final_stats=1 \
        -artifact_prefix="$build/found/$target-" \
        "$build/kept/$target" "$(corpus "$target")" >"$log" 2>&1
    status=$?
    tried=$(sed -n 's/^stat::number_of_executed_units: *//p' "$log" | tail -n 1)
    echo "$target ${tried:-0}" >>$build/executions
    echo "$target: ${tried:-0} inputs, $(find "$build/kept/$target" -type f |
        wc -l) kept"
    [ $status = 0 ] && return 0
    grep -aE 'ERROR|not true|runtime error|Test unit written' "$log" >&2
    return 1
}

minimise() {
    target=$1
    to=tests/fuzz/corpus/$target
    [ -d "$to" ] || return 0
    small=$(mktemp -d) || return 1
    # Those with names stay, and need no twin.
    find "$to" -type f ! -name '????????????' -exec cp {} "$small/" \;
    $build/tests/fuzz/fuzz-"$target" -merge=1 -max_len=$max_size "$small" \
        "$to" "$build/kept/$target" >"$build/kept/$target.log" 2>&1 || {
        tail "$build/kept/$target.log" >&2
        return 1
    }
    find "$to" -type f -name '????????????' -delete
    for input in "$small"/*; do
        name=${input##*/}
        # libFuzzer names by hash, in forty digits.
        [ ${#name} -lt 40 ] || cp "$input" "$to/$(echo "$name" | cut -c1-12)"
    done
    rm -rf "$small"
    echo "$target: $(find "$to" -type f | wc -l) inputs"
}

if [ "${1-}" = --minimise ]; then
    shift
    targets=${*:-$(all_targets)}
    build || exit 1
    for target in $targets; do
        mkdir -p "$build/kept/$target"
        minimise "$target" || exit 1
    done
    exit 0
fi
[ $# = 0 ] || { sed -n 's/^# //p' "$0" | sed -n '4,6p' >&2; exit 64; }

targets=${TARGET:-$(all_targets)}
build || exit 1
failed=0
running=0
pids=''
for target in $targets; do
    search "$target" &
    pids="$pids $!"
    running=$((running + 1))
    [ $running -lt "$jobs" ] && continue
    for pid in $pids; do
        wait "$pid" || failed=1
    done
    pids='' running=0
done
for pid in $pids; do
    wait "$pid" || failed=1
done
awk '{ tried[$1] += $2 } END { for (t in tried) print t ": " tried[t], "in all" }' \
    $build/executions | sort
[ $failed = 0 ] || echo "fuzz: something was found: $build/found/" >&2
exit $failed
