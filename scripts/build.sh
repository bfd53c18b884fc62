#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# build.sh - build what is installed
#
# usage: scripts/build.sh DIRECTORY [-Doption=value...]
#
# Sets the build directory up (optimised, with symbols) if it is new, gives it
# the options and compiles.  Says little unless something fails.

set -eu
cd "$(dirname "$0")/.."

directory=$1
shift

# A set-up that was interrupted leaves a directory without build.ninja.
if [ ! -f "$directory/build.ninja" ]; then
    rm -rf "$directory"
    meson setup "$directory" -Doptimization=3 -Ddebug=true "$@" \
        >"$directory.log" 2>&1 || {
        cat "$directory.log" >&2
        rm -rf "$directory.log" "$directory"
        exit 1
    }
    rm -f "$directory.log"
elif [ $# -gt 0 ]; then
    meson configure "$directory" "$@"
fi

exec ninja -C "$directory" --quiet
