#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# check.sh - what a change must pass
#
# usage: scripts/check.sh
#
# 1. Everything compiles with clang without a warning (build-clang/).
# 2. Everything compiles with gcc without a warning, with AddressSanitizer and
#    UndefinedBehaviorSanitizer (build-check/, dev.ini).
# 3. All tests pass there; the logs of those that fail are printed.
#
# The last line counts what meson says of its tests: passed, failed, skipped.
# A build that fails counts as one failure.  Exit status 0 only if something
# passed and nothing failed.

set -u
cd "$(dirname "$0")/.." || exit 1
exec </dev/null

failed_builds=0

# Set up DIRECTORY if it is new, with the remaining arguments, and compile.
build() {
    directory=$1
    shift
    if [ ! -f "$directory/build.ninja" ]; then
        rm -rf "$directory"
        meson setup "$directory" "$@" >"$directory.log" 2>&1
        status=$?
        [ $status = 0 ] || cat "$directory.log"
        rm -f "$directory.log"
        [ $status = 0 ] || return 1
    fi
    ninja -C "$directory" --quiet
}

echo "== clang, warnings are errors"
CC=clang build build-clang -Dwerror=true || failed_builds=1

echo "== gcc, sanitizers, warnings are errors"
log=build-check/meson-logs/testlog.json
rm -f "$log"
if build build-check --native-file dev.ini; then
    echo "== tests"
    meson test -C build-check --no-rebuild --print-errorlogs
    status=$?
else
    failed_builds=$((failed_builds + 1))
    status=1
fi

scripts/testlog.py "$log" --failed-builds "$failed_builds" --status "$status"
