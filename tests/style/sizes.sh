#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# sizes.sh - functions and files stay small
#
# usage: sizes.sh SOURCE_ROOT
#
# Refused: a function of more than 100 lines, a file of more than 600. Named:
# more than 60, more than 400. Counts on clang-format: the braces of a function,
# and nothing else, stand alone in the first column.

set -eu
export LC_ALL=C
cd "$1"
. tests/style/files.sh
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

list_files .c .h >"$work/files"
require_files "$work/files"

awk '
    function judge(where, what, lines, long, too_long) {
        if (lines > too_long)
            print where ": " what " has " lines " lines, more than " too_long
        else if (lines > long)
            print where ": note: " what " has " lines " lines"
        if (lines > too_long)
            bad = 1
    }
    function end_of_file() {
        if (file)
            judge(file, "file", last, 400, 600)
    }
    FNR == 1 {
        end_of_file()
        file = FILENAME
        begin = 0
        name = ""
    }
    { last = FNR }
    # The first line of what may become a signature.
    /^[A-Za-z_].*[(]/ && !/;$/ { begin = FNR; name = $0 }
    /^}/ {
        if (body) {
            sub(/[(].*/, "", name)
            sub(/.*[ *]/, "", name)
            judge(FILENAME ":" begin, name "()", FNR - begin + 1, 60, 100)
        }
        body = 0
    }
    /^{$/ { body = 1 }
    END {
        end_of_file()
        exit bad
    }
' $(cat "$work/files")
