#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# cleanup.sh - owning locals have a value from the first moment on
#
# usage: cleanup.sh SOURCE_ROOT
#
# A declaration with a cleanup attribute has its initialiser on the same line
# (the value itself may be on the next). And there is no goto.

set -eu
export LC_ALL=C
cd "$1"
. tests/style/files.sh
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

list_files .c .h >"$work/files"
require_files "$work/files"

awk '
    # The line without comments and what stands in quotes.
    function code(line,  at, out) {
        gsub(/\\./, "", line)
        gsub(/\047"\047/, "", line)
        gsub(/"[^"]*"/, "\"\"", line)
        out = ""
        for (;;) {
            at = index(line, comment ? "*/" : "/*")
            if (at == 0)
                return comment ? out : out line
            if (!comment)
                out = out substr(line, 1, at - 1) " "
            line = substr(line, at + 2)
            comment = !comment
        }
    }
    FNR == 1 { comment = 0; macro = 0 }
    {
        # The attribute itself is made of macros.
        in_macro = macro || /^[ \t]*#/
        macro = in_macro && /\\$/
        text = code($0)
    }
    !in_macro && text ~ /^[ \t]+(_cleanup_|json_auto_t[ *])/ && text !~ /=/ {
        print FILENAME ":" FNR ": no initialiser:" text
        bad = 1
    }
    text ~ /(^|[^A-Za-z0-9_])goto[ \t]/ {
        print FILENAME ":" FNR ": goto:" text
        bad = 1
    }
    END { exit bad }
' $(cat "$work/files")
