#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# format.sh - the layout is what clang-format 14 makes of it
#
# usage: format.sh SOURCE_ROOT
#
# Other versions differ in details. Status 77: that version is not here.

set -eu
export LC_ALL=C
cd "$1"
. tests/style/files.sh
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

if ! command -v clang-format-14 >/dev/null; then
    echo "clang-format-14 is not installed"
    exit 77
fi
list_files .c .h >"$work/files"
require_files "$work/files"
if ! tr '\n' '\0' <"$work/files" |
    xargs -0 clang-format-14 --dry-run -Werror >"$work/out" 2>&1; then
    grep 'error:' "$work/out" | cut -d: -f1 | sort | uniq -c
    echo "not formatted; run: clang-format-14 -i FILE..."
    exit 1
fi
