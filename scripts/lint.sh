#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# lint.sh - what static analysis says of the programs
#
# usage: scripts/lint.sh [FILE...]
#
# Three tools look at the sources of backup/, common/, map/ and restore/: gcc
# -fanalyzer (all of them, in build-analyzer/), clang-tidy (.clang-tidy has its
# checks) and cppcheck (scripts/cppcheck.txt has what it need not say), these two
# at the files named, or all.  Exit status 0: none found anything.

set -u
cd "$(dirname "$0")/.." || exit 1
jobs=$(nproc)
failed=0

# setup DIRECTORY OPTION...
setup() {
    directory=$1
    shift
    [ ! -f "$directory/build.ninja" ] || return 0
    rm -rf "$directory"
    meson setup "$directory" -Dtests=false "$@" >"$directory.log" 2>&1 || {
        cat "$directory.log"
        exit 1
    }
    rm -f "$directory.log"
}

# File names of ours have no blanks.
# shellcheck disable=SC2046
[ $# -gt 0 ] || set -- $(find backup common map restore -name '*.c' | sort)

echo "== gcc -fanalyzer"
# Not optimised: it takes variables whose stores were optimised away for unset.
# Nor has it much to say (gcc 12) of leaks, losing sight of pointers that are put
# into arrays, and of values that were not set: clang and valgrind look for both.
setup build-analyzer -Doptimization=0 -Dwerror=true \
    -Dc_args="-fanalyzer -Wno-analyzer-malloc-leak
        -Wno-analyzer-use-of-uninitialized-value"
ninja -C build-analyzer --quiet -k 0 || failed=1

echo "== clang-tidy"
CC=clang
export CC
setup build-lint
# It reads the headers that are generated, and nothing else of the build.
ninja -C build-lint --quiet common/host/remote_agent.inc || exit 1
printf '%s\n' "$@" |
    xargs -P "$jobs" -n 4 clang-tidy -p build-lint --quiet 2>build-lint/notes ||
    failed=1

echo "== cppcheck"
cppcheck --quiet -j "$jobs" --enable=warning,performance,portability \
    --inline-suppr --suppressions-list=scripts/cppcheck.txt \
    --library=posix,gnu --error-exitcode=1 --std=c11 \
    -D_GNU_SOURCE -I. -Icommon -Ibackup -Irestore -Imap "$@" || failed=1

exit $failed
